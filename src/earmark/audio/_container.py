"""Opening a container with FFmpeg behind allow-lists, and choosing the audio track."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Final

from earmark.audio._findings import Findings
from earmark.audio._limits import CHECKSUMMED, CODECS, DEMUXERS, SELF_SYNCHRONISING
from earmark.audio._promise import audio_goes_on
from earmark.audio._reader import Reader
from earmark.errors import DamagedAudio, EmptyAudio, UnsupportedAudio

if TYPE_CHECKING:
    from av import AudioStream
    from av.container import InputContainer

__all__ = ["can_seek_exactly", "header_seconds", "open_container", "self_synchronising"]

_OPTIONS: Final = {
    "format_whitelist": ",".join(sorted(DEMUXERS)),
    "codec_whitelist": ",".join(sorted(CODECS)),
    # No protocol has this name, so no demuxer can open anything but the bytes it was given.
    "protocol_whitelist": "none",
}

_MAGIC: Final = (
    (8, b"WAVE"),
    (8, b"AVI "),
    (8, b"AIF"),
    (0, b"riff.\x91\xcf\x11"),
    (0, b".snd"),
    (0, b"caff"),
    (0, b"fLaC"),
    (0, b"OggS"),
    (0, b"ID3"),
    (0, b"#!AMR"),
    (0, b"\x1aE\xdf\xa3"),
    (0, b"0&\xb2u\x8ef\xcf\x11"),
    (0, b"FLV\x01"),
    (0, b"wvpk"),
    (0, b"TTA1"),
    (0, b"NIST_1A"),
    (4, b"ftyp"),
    (4, b"moov"),
    (4, b"mdat"),
)
_TEXT: Final = "wav, flac, mp3, m4a, ogg, opus, webm, mkv, mp4, amr and the like are read"


def open_container(reader: Reader, findings: Findings) -> tuple[InputContainer, AudioStream]:
    """Open the source and choose its best audio track; every other track is discarded unread.

    Raises :class:`EmptyAudio` when there are no bytes or no audio track,
    :class:`UnsupportedAudio` for anything that is not on the allow-lists, and
    :class:`DamagedAudio` when a known container breaks off before its audio begins.
    """
    import av
    from av.stream import Discard

    if not reader.head:
        raise EmptyAudio(f"{reader.label} is empty: there are no bytes in it.")
    if reader.tell():
        reader.seek(0)
    options = dict(_OPTIONS)
    if audio_goes_on(reader):
        findings.note("The size of the audio in the header is too small; all of it was read.")
        options["ignore_length"] = "1"
    try:
        container = av.open(
            reader, "r", options=options, metadata_errors="ignore", buffer_size=1 << 16
        )
    except av.error.FFmpegError as error:
        reader.raise_error()
        raise _refusal(reader) from error
    try:
        stream = _best(container, reader)
    except Exception:
        container.close()
        raise
    for other in container.streams:
        if other.index != stream.index:
            other.discard = Discard.all
    context = stream.codec_context
    # One thread starts faster, and decoding is no bottleneck.
    context.thread_count = 1
    if context.name in CHECKSUMMED:
        context.options = {"err_detect": "crccheck+explode"}
    return container, stream


def self_synchronising(container: InputContainer) -> bool:
    """Whether the container is bare frames found by their sync word."""
    return container.format.name in SELF_SYNCHRONISING


def can_seek_exactly(container: InputContainer, stream: AudioStream, rate: int) -> bool:
    """Whether decoding from the middle gives the same samples, each with its number.

    PCM and FLAC do: no sample depends on an earlier frame, and frames are numbered by samples. In
    others a decoder carries state along (AAC, MP3, Opus) or the clock is coarser than a sample.
    """
    codec, name = stream.codec_context.name, container.format.name
    numbered = stream.time_base == Fraction(1, rate) and not stream.start_time
    kind = (name == "wav" and codec.startswith("pcm_")) or (name == "flac" and codec == "flac")
    return kind and numbered


def header_seconds(container: InputContainer, stream: AudioStream) -> float | None:
    """Seconds of audio, as the header tells or FFmpeg guesses from the size."""
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return None if container.duration is None else container.duration / 1e6


def _best(container: InputContainer, reader: Reader) -> AudioStream:
    from av import AudioStream

    stream = container.streams.best("audio")
    if not isinstance(stream, AudioStream):
        if container.streams.audio:
            raise UnsupportedAudio(f"{reader.label}: no decoder is known for its audio; {_TEXT}.")
        kinds = sorted({other.type for other in container.streams})
        if not kinds:
            raise _refusal(reader)
        raise EmptyAudio(f"{reader.label} has no audio track, only {' and '.join(kinds)}.")
    if stream.codec_context is None or stream.codec_context.name not in CODECS:
        codec = stream.codec_context.name if stream.codec_context else "unknown"
        raise UnsupportedAudio(f"{reader.label}: its audio codec {codec!r} is not read; {_TEXT}.")
    return stream


def _refusal(reader: Reader) -> UnsupportedAudio | DamagedAudio:
    if any(reader.head[at : at + len(mark)] == mark for at, mark in _MAGIC):
        return DamagedAudio(
            f"{reader.label} is damaged: its header or index is incomplete, so nothing is readable."
        )
    return UnsupportedAudio(f"{reader.label} is not audio that can be read: {_TEXT}.")
