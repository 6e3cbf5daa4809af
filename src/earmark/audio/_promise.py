"""What a container promises about its own length, to tell a cut file from a whole one.

FFmpeg ends in silence at the end of a cut file, so the promise is compared with what was there:
the byte up to which the container says it reaches, and the seconds its header counts. Only promises
that writers keep are used; a streamed file (size 0 or the largest number) makes none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from earmark.audio._ogg import last_page_end
from earmark.audio._reader import Reader

if TYPE_CHECKING:
    from av import AudioStream
    from av.container import InputContainer

__all__ = ["all_there", "audio_goes_on", "shortfall"]

_SLOPPY_BYTES: Final = 256
"""Some writers count their own header into the size of the audio."""

_PADDING_BYTES: Final = 1 << 16
_CHUNKS: Final = 64
_ATOMS: Final = 4096
_XING_SEARCH: Final = 200

# Seconds that may be missing from what the header counts: coarse clocks and codec delays.
_EXACT: Final = {"flac": 0.0, "aiff": 0.0, "au": 0.0, "tta": 0.0, "wv": 0.0}
_ROUGH: Final = {"matroska,webm": 1.0, "mov,mp4,m4a,3gp,3g2,mj2": 1.0, "mp3": 0.2, "ogg": 0.1}


def shortfall(
    reader: Reader, container: InputContainer, stream: AudioStream, position_s: float
) -> str | None:
    """Why the source must have been cut, or None; call it when FFmpeg says that it ended.

    ``position_s`` is the end of what was decoded, in seconds from the start of the recording.
    """
    name = container.format.name
    promised, length = _promised_end(reader, name), reader.length()
    if promised is not None and length < promised:
        return f"the file ends after {length} of {promised} bytes"
    slack = {**_EXACT, **_ROUGH}.get(name)
    seconds = None if slack is None else _counted_seconds(reader, container, stream)
    if seconds is not None and slack is not None and position_s < seconds - slack - 1e-3:
        return f"only {position_s:.2f} of {seconds:.2f} s are there"
    return None


def all_there(container: InputContainer, stream: AudioStream, position_s: float) -> bool:
    """Whether all samples that the header counts were read, where headers count exactly.

    What follows, and cannot be understood, is then a tag or other ballast.
    """
    if container.format.name not in _EXACT or stream.duration is None or stream.time_base is None:
        return False
    return position_s >= float(stream.duration * stream.time_base) - 1e-3


def audio_goes_on(reader: Reader) -> bool:
    """Whether a WAV holds audio past the size in its header: what follows there is no chunk.

    Sizes wrap at 4 GiB, and some recorders write a size first and never correct it. A little that
    follows may be padding.
    """
    span = _wav_data(reader)
    if span is None or not reader.seekable():
        return False
    end = span[1] + span[1] % 2
    after = reader.at(end, 8)
    if span[1] == span[0] or len(after) < 8:
        return False
    size = _little(after[4:])
    named = all(32 <= letter < 127 for letter in after[:4])
    chunk = named and end + 8 + size <= reader.length() + 1
    return not chunk and reader.length() - end > _PADDING_BYTES


def _promised_end(reader: Reader, name: str) -> int | None:
    """The byte at which the container says it ends, or None when it does not say."""
    if name == "wav":
        span = _wav_data(reader)
        return span[1] - _SLOPPY_BYTES if span and span[1] > span[0] else None
    if name in ("avi", "aiff"):
        size = int.from_bytes(reader.at(4, 4), "little" if name == "avi" else "big")
        return None if _streamed(size) else 8 + size - _SLOPPY_BYTES
    if name == "w64":
        size = _little(reader.at(16, 8))
        return size if 0 < size < 1 << 62 else None
    if name == "caf":
        return _caf_end(reader)
    if name == "mov,mp4,m4a,3gp,3g2,mj2":
        return _atoms_end(reader)
    if name == "matroska,webm":
        return _segment_end(reader)
    if name == "asf":
        return _asf_end(reader)
    if name == "ogg":
        return last_page_end(reader)
    return None


def _counted_seconds(
    reader: Reader, container: InputContainer, stream: AudioStream
) -> float | None:
    """The length in the container's header, in seconds, or None when FFmpeg only guessed it."""
    name = container.format.name
    if name == "matroska,webm":
        header = reader.head.partition(b"\x1f\x43\xb6\x75")[0]
        pictures = any(other.type == "video" for other in container.streams)
        if container.duration is None or b"\x44\x89" not in header or pictures:
            return None
        return container.duration / 1e6
    if name == "mp3" and not _counts_frames(reader):
        return None
    if name == "ogg" and not reader.seekable():
        return None
    if stream.duration is None or stream.time_base is None:
        return None
    # Ogg counts from the start of a broadcast, which a recording of it may have joined late.
    joined = (stream.start_time or 0) if name == "ogg" else 0
    return float((stream.duration - joined) * stream.time_base)


def _wav_data(reader: Reader) -> tuple[int, int] | None:
    """First byte of a WAV's audio and the byte after it; both the same when it does not say."""
    if reader.head[8:12] != b"WAVE":
        return None
    wide = _ds64_size(reader) if reader.head[:4] == b"RF64" else None
    offset = 12
    for _ in range(_CHUNKS):
        header = reader.at(offset, 8)
        if len(header) < 8:
            return None
        tag, size = header[:4], _little(header[4:])
        if tag == b"data":
            begin = offset + 8
            if size == 0xFFFFFFFF and wide:
                return begin, begin + wide
            return begin, begin + (0 if _streamed(size) else size)
        offset += 8 + size + size % 2
    return None


def _streamed(size: int) -> bool:
    """Whether a 32-bit size is one of those that writers put when they cannot know it."""
    return size == 0 or 0x7FFFF000 <= size <= 0x80000000 or size >= 0xFFFFF000


def _ds64_size(reader: Reader) -> int | None:
    return _little(reader.at(28, 8)) if reader.at(12, 4) == b"ds64" else None


def _caf_end(reader: Reader) -> int | None:
    offset = 8
    for _ in range(_CHUNKS):
        header = reader.at(offset, 12)
        if len(header) < 12:
            return None
        size = int.from_bytes(header[4:], "big", signed=True)
        if header[:4] == b"data":
            return offset + 12 + size if size > 0 else None
        if size < 0:
            return None
        offset += 12 + size
    return None


def _atoms_end(reader: Reader) -> int | None:
    """End of the first MP4 atom that reaches past the source; None when all lie within it."""
    offset, length = 0, reader.length()
    for _ in range(_ATOMS):
        header = reader.at(offset, 16)
        size = int.from_bytes(header[:4], "big")
        if size == 1:
            size = int.from_bytes(header[8:], "big")
        if len(header) < 8 or size < 8:
            return None
        offset += size
        if offset > length:
            return offset
    return None


def _segment_end(reader: Reader) -> int | None:
    """End of a Matroska segment. Sizes there are EBML numbers, all ones meaning unknown."""
    offset, head = 4, reader.head
    size, width = _ebml_number(head, offset)
    if size is None:
        return None
    offset += width + size
    if head[offset : offset + 4] != b"\x18\x53\x80\x67":
        return None
    size, width = _ebml_number(head, offset + 4)
    return None if size is None else offset + 4 + width + size


def _ebml_number(data: bytes, offset: int) -> tuple[int | None, int]:
    first = data[offset] if offset < len(data) else 0
    width = 9 - first.bit_length()
    if width > 8:
        return None, 0
    mask = (1 << (7 * width)) - 1
    value = int.from_bytes(data[offset : offset + width], "big") & mask
    return (None if value == mask else value), width


def _asf_end(reader: Reader) -> int | None:
    at = reader.head.find(bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365"))
    properties = reader.head[at : at + 92]
    if at < 0 or len(properties) < 92 or properties[88] & 1:
        return None
    return _little(properties[40:48]) or None


def _counts_frames(reader: Reader) -> bool:
    """Whether an MP3 begins with a Xing, Info or VBRI frame that counts its frames."""
    offset = 0
    header = reader.at(0, 10)
    if header[:3] == b"ID3" and len(header) == 10:
        size = 0
        for byte in header[6:10]:
            size = size << 7 | byte & 0x7F
        offset = 10 + size
    first = reader.at(offset, _XING_SEARCH)
    for mark in (b"Xing", b"Info"):
        at = first.find(mark)
        if 0 <= at <= len(first) - 8:
            return bool(first[at + 7] & 1)
    return b"VBRI" in first


def _little(data: bytes) -> int:
    return int.from_bytes(data, "little")
