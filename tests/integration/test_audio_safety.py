"""Files that want other files, the network, or a decoder that nobody needs."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
from pathlib import Path

import av
import numpy as np
import pytest

from audio_samples import Pipe, encode, make, tones
from earmark.audio import open_audio, read_audio
from earmark.audio._container import _OPTIONS
from earmark.audio._limits import CODECS, DEMUXERS
from earmark.errors import AudioNotFound, InvalidOption, UnsupportedAudio

SDP = b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 45004 RTP/AVP 0\n"
SUBTITLES = b"1\n00:00:00,000 --> 00:00:02,000\nhello\n\n" * 3


def hls(target: Path) -> bytes:
    return (
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXT-X-MEDIA-SEQUENCE:0\n"
        f"#EXTINF:2.0,\n{target}\n#EXT-X-ENDLIST\n"
    ).encode()


def concat(target: Path) -> bytes:
    return f"ffconcat version 1.0\nfile {target}\n".encode()


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A recording that a playlist would like to have read."""
    path = tmp_path / "secret.ts"
    path.write_bytes(make("mpegts-aac"))
    return path


def decoded(data: bytes, name: str, **options: str) -> int:
    """Samples that FFmpeg alone would give for ``data`` under these options."""

    class Named(io.BytesIO):
        pass

    file = Named(data)
    file.name = name
    with av.open(file, "r", options=options) as container:
        return sum(frame.samples for frame in container.decode(audio=0))


def test_without_the_lists_ffmpeg_would_read_the_other_file(secret: Path) -> None:
    assert decoded(hls(secret), "list.m3u8") > 0
    assert decoded(concat(secret), "list.txt", safe="0") > 0


@pytest.mark.parametrize("option", ["format_whitelist", "protocol_whitelist"])
def test_each_list_alone_keeps_ffmpeg_from_it(secret: Path, option: str) -> None:
    only = {option: _OPTIONS[option]}
    with pytest.raises(av.error.FFmpegError):
        decoded(hls(secret), "list.m3u8", **only)
    with pytest.raises(av.error.FFmpegError):
        decoded(concat(secret), "list.txt", safe="0", **only)


def test_the_codec_list_keeps_video_decoders_shut() -> None:
    data = encode(tones(1.0, 48000), 48000, container="avi", codec="libmp3lame", video=True)
    with av.open(io.BytesIO(data)) as container:
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"
    with av.open(io.BytesIO(data), options=dict(_OPTIONS)) as container:
        assert container.streams.video[0].codec_context.pix_fmt is None


def test_the_lists_name_what_ffmpeg_has() -> None:
    single = {name for name in DEMUXERS if "," not in name}
    assert single <= av.formats_available
    assert DEMUXERS - single == {"matroska,webm", "mov,mp4,m4a,3gp,3g2,mj2"}
    for name in CODECS:
        assert av.codec.Codec(name, "r").type == "audio"


@pytest.mark.parametrize("ending", ["m3u8", "txt", "wav", "sdp", "srt", "mp3"])
def test_files_that_name_others_are_refused(secret: Path, tmp_path: Path, ending: str) -> None:
    for data in (hls(secret), concat(secret), SDP, SUBTITLES, str(secret).encode()):
        path = tmp_path / f"list.{ending}"
        path.write_bytes(data)
        for source in (path, data, Pipe(data)):
            with pytest.raises(UnsupportedAudio):
                open_audio(source)


def test_addresses_and_pipes_of_ffmpeg_are_not_understood(secret: Path) -> None:
    for address in ("http://127.0.0.1:9/a.wav", f"file://{secret}", "rtp://127.0.0.1:45004"):
        with pytest.raises(InvalidOption):
            open_audio(address)
    for trick in (f"concat:{secret}|{secret}", f"subfile,,start,0,end,9,,:{secret}", "pipe:0"):
        with pytest.raises(AudioNotFound):
            open_audio(trick)


def test_tags_in_any_encoding_are_no_matter() -> None:
    value = b"\xff\xfe\x00\xd8caf\xe9"
    chunk = b"INFOINAM" + len(value).to_bytes(4, "little") + value
    data = make("wav-s16")
    tagged = data[:12] + b"LIST" + len(chunk).to_bytes(4, "little") + chunk + data[12:]
    assert np.array_equal(read_audio(tagged), read_audio(data))


def test_ffmpeg_writes_nothing_to_the_terminal(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from earmark.audio import open_audio\n"
        "from earmark.errors import EarmarkError\n"
        "for name in sys.argv[1:]:\n"
        "    try:\n"
        "        with open_audio(name, on_damage='warn') as audio:\n"
        "            print(name, sum(block.shape[1] for block in audio))\n"
        "    except EarmarkError as error:\n"
        "        print(name, error)\n"
    )
    names = []
    for name in ("flac", "mp3", "m4a-aac", "ogg-opus", "webm-opus", "wav-s16", "aac-adts"):
        data = bytearray(make(name, seconds=4.0))
        data[len(data) // 2 : len(data) // 2 + 500] = bytes(500)
        names.append(tmp_path / name)
        names[-1].write_bytes(data[:-300])
    result = subprocess.run(
        [sys.executable, "-c", script, *map(str, names)], capture_output=True, text=True, check=True
    )
    assert len(result.stdout.splitlines()) == len(names)
    assert result.stderr == ""


def test_many_threads_read_at_once() -> None:
    data = {name: make(name, seconds=4.0) for name in ("flac-44k", "mp3", "ogg-opus", "wav-s24")}
    expected = {name: read_audio(value) for name, value in data.items()}
    wrong: list[str] = []

    def work(name: str) -> None:
        for _ in range(5):
            if not np.array_equal(read_audio(data[name]), expected[name]):
                wrong.append(name)

    threads = [threading.Thread(target=work, args=(name,)) for name in data for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_nothing_comes_out_of_a_closed_stream() -> None:
    with open_audio(make("mp3", seconds=20.0)) as audio:
        blocks = iter(audio)
        assert next(blocks).shape[0] == 1
    assert list(blocks) == []
    audio.close()


def test_the_file_is_closed_whatever_happens(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.flac", tmp_path / "bad.flac"
    good.write_bytes(make("flac"))
    bad.write_bytes(make("flac")[:-500])
    with open_audio(good) as audio:
        reader = audio._reader
    assert reader._file.closed
    audio = open_audio(good)  # no `with`: read to the end
    assert len(list(audio)) == 1
    assert audio._reader._file.closed
    audio = open_audio(bad)
    with pytest.raises(Exception, match="damaged"):
        list(audio)
    assert audio._reader._file.closed
    with pytest.raises(InvalidOption):  # a leaked file would be a ResourceWarning
        open_audio(good, channels=[7])
