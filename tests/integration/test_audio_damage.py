"""Cut, broken and lying files: an error that says where, or what was readable and a warning."""

from __future__ import annotations

import io
from typing import Any

import av
import numpy as np
import pytest

from audio_samples import Pipe, encode, make, tones, wav
from earmark.audio import open_audio, read_audio
from earmark.errors import (
    DamagedAudio,
    EarmarkError,
    EmptyAudio,
    InvalidSamples,
    UnsupportedAudio,
)

RATE = 16000
SECONDS = 4.0

# Containers that tell, by their own numbers, that something is missing at the end.
TELLING = [
    "wav-s16",
    "wav-u8",
    "wav-s24",
    "wav-f32",
    "wav-mulaw",
    "wav-adpcm",
    "w64",
    "aiff",
    "au-mulaw",
    "caf",
    "flac",
    "flac-44k",
    "mp3",
    "mp3-16k",
    "ogg-opus",
    "ogg-vorbis",
    "ogg-flac",
    "webm-opus",
    "mkv-pcm",
    "wma",
    "avi-mp3",
    "wavpack",
    "tta",
]
SILENT = ["aac-adts", "mp2", "ac3", "mpegts-aac"]


def tolerant(source: Any, **options: Any) -> tuple[int, tuple[str, ...]]:
    """Samples that come out under on_damage="warn", and the warnings."""
    with open_audio(source, on_damage="warn", **options) as audio:
        return sum(block.shape[1] for block in audio), audio.warnings


@pytest.mark.parametrize("share", [0.5, 0.7, 0.9])
@pytest.mark.parametrize("name", TELLING)
def test_a_cut_file_is_damaged(name: str, share: float) -> None:
    whole = make(name, seconds=SECONDS)
    cut = whole[: int(len(whole) * share)]
    for pipe in (False, True):
        with pytest.raises(DamagedAudio, match="on_damage='warn'") as raised:
            read_audio(Pipe(cut) if pipe else cut)
        readable_s = raised.value.readable_s
        assert 0 < readable_s < SECONDS * share + 0.4
        samples, warnings = tolerant(Pipe(cut) if pipe else cut)
        assert -2 <= samples - readable_s * RATE < 0.1 * RATE
        assert f"is damaged at {readable_s:.2f} s" in warnings[0]


@pytest.mark.parametrize("name", SILENT)
def test_what_cannot_tell_is_read_as_far_as_it_goes(name: str) -> None:
    whole = make(name, seconds=SECONDS)
    samples, _ = tolerant(whole[: len(whole) // 2])
    assert samples == pytest.approx(SECONDS * RATE / 2, rel=0.15)


def test_an_mp4_without_its_index_has_nothing_to_read() -> None:
    whole = make("m4a-aac")
    for on_damage in ("error", "warn"):
        with pytest.raises(DamagedAudio, match="nothing is readable") as raised:
            read_audio(whole[: len(whole) // 2], on_damage=on_damage)
        assert raised.value.readable_s == 0.0


@pytest.mark.parametrize(
    ("codec", "flags"),
    [
        ("aac", "+faststart"),
        ("pcm_s16le", "+faststart"),
        ("aac", "+frag_keyframe+empty_moov"),
    ],
)
def test_an_mp4_with_its_index_in_front_is_readable(codec: str, flags: str) -> None:
    options = {"movflags": flags, "frag_duration": "500000"}
    whole = encode(tones(8.0, 48000), 48000, container="mov", codec=codec, options=options)
    cut = whole[: len(whole) // 2]
    with pytest.raises(DamagedAudio):
        read_audio(cut)
    assert tolerant(cut)[0] == pytest.approx(4.0 * RATE, rel=0.1)


@pytest.mark.parametrize("name", ["flac", "mp3", "ogg-opus", "ogg-flac", "m4a-aac", "aac-adts"])
def test_a_file_that_breaks_midway(name: str) -> None:
    broken = bytearray(make(name, seconds=SECONDS))
    middle = len(broken) // 2
    broken[middle : middle + 300] = np.random.default_rng(1).bytes(300)
    with pytest.raises(DamagedAudio) as raised:
        read_audio(bytes(broken))
    assert 1.0 <= raised.value.readable_s <= 3.1
    samples, warnings = tolerant(bytes(broken))
    assert samples == pytest.approx(SECONDS * RATE, abs=0.4 * RATE)
    assert "is damaged at" in warnings[0]


def test_one_flipped_bit_in_a_checksummed_file_is_found() -> None:
    whole = make("flac", seconds=SECONDS)
    audio_begins = 8300  # after the padding that the encoder leaves for tags
    for place in range(audio_begins, len(whole) - 100, len(whole) // 7):
        broken = bytearray(whole)
        broken[place] ^= 4
        with pytest.raises(DamagedAudio):
            read_audio(bytes(broken))
        # The first and the last frame (1152 samples) leave no gap in the clock.
        assert tolerant(bytes(broken))[0] == pytest.approx(SECONDS * RATE, abs=1152)


@pytest.mark.parametrize("name", ["webm-opus", "mkv-pcm"])
def test_a_hole_in_matroska_is_no_pause(name: str) -> None:
    broken = bytearray(make(name, seconds=30.0))
    middle = len(broken) // 2
    broken[middle : middle + 400] = bytes(400)
    with pytest.raises(DamagedAudio, match="are lost"):
        read_audio(bytes(broken))


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000, 0x80000000])
def test_a_streamed_wav_is_read_to_its_end(size: int) -> None:
    data = wav((tones(2.0, RATE) * 2**15).astype(np.int16), RATE, data_size=size)
    for source in (data, Pipe(data)):
        with open_audio(source) as audio:
            assert sum(block.shape[1] for block in audio) == 2 * RATE
            assert audio.warnings == ()


def test_a_size_that_is_too_small_does_not_hide_audio() -> None:
    sound = (tones(10.0, RATE) * 2**15).astype(np.int16)
    with open_audio(wav(sound, RATE, data_size=1000)) as audio:
        assert sum(block.shape[1] for block in audio) == 10 * RATE
        assert "too small" in audio.warnings[0]


def test_padding_and_tags_after_the_audio_are_not_read() -> None:
    whole = make("wav-s16")
    tag = b"LIST" + (200_000).to_bytes(4, "little") + bytes(200_000)
    for ballast in (b"\0" * 300, tag):
        with open_audio(whole + ballast) as audio:
            assert sum(block.shape[1] for block in audio) == 2 * RATE
            assert audio.warnings == ()


def test_a_count_that_is_too_small_does_not_hide_audio() -> None:
    flac = bytearray(make("flac", seconds=SECONDS))
    assert int.from_bytes(flac[22:26], "big") == SECONDS * RATE
    for count in (0, 16000):
        flac[22:26] = count.to_bytes(4, "big")
        assert read_audio(bytes(flac)).shape == (1, SECONDS * RATE)
        assert read_audio(bytes(flac), start=2.0).shape == (1, 2 * RATE)


def test_a_duration_that_lies_does_not_matter() -> None:
    webm = bytearray(make("webm-opus", seconds=SECONDS))
    at = webm.index(b"\x44\x89\x88") + 3
    webm[at : at + 8] = np.array([1000.0], ">f8").tobytes()  # milliseconds
    with open_audio(bytes(webm)) as audio:
        assert audio.duration_hint == pytest.approx(1.0)
        assert sum(block.shape[1] for block in audio) == SECONDS * RATE


@pytest.mark.parametrize("name", ["mp3", "aac-adts", "ac3"])
def test_tags_around_bare_frames_are_no_damage(name: str) -> None:
    whole = make(name)
    tag = b"TAG" + bytes(125)
    for data in (whole + tag, whole + b"\0" * 100):
        assert tolerant(data)[1] == ()


@pytest.mark.parametrize("tag", [b"TAG" + bytes(125), b"ID3\x04\0\0\0\0\x07\x68" + bytes(1000)])
def test_tags_between_joined_mp3s_are_no_damage(tag: bytes) -> None:
    whole = make("mp3")
    samples, warnings = tolerant(whole + tag + whole)
    assert samples == pytest.approx(4 * RATE, abs=2000)
    assert warnings == ()


@pytest.mark.parametrize("name", ["mp3", "mp2", "ac3"])
def test_bare_frames_may_begin_in_the_middle(name: str) -> None:
    whole = make(name, seconds=SECONDS)
    samples, warnings = tolerant(whole[len(whole) // 2 :])
    assert samples == pytest.approx(SECONDS * RATE / 2, abs=2500)
    assert warnings == ()


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers(kind: type[Any], value: float) -> None:
    sound = tones(12.0, RATE, 2).astype(kind)
    sound[1, 7 * RATE : 7 * RATE + 3] = value
    data = wav(sound, RATE)
    with pytest.raises(InvalidSamples, match=r"from 7\.000 s on"):
        read_audio(data)
    with open_audio(data, channels="split", on_damage="warn") as audio:
        heard = np.concatenate(list(audio), axis=1)
        assert "from 7.000 s on; 3 were replaced by silence" in audio.warnings[0]
    assert not heard[1, 7 * RATE : 7 * RATE + 3].any()
    sound[1, 7 * RATE : 7 * RATE + 3] = 0
    assert np.array_equal(heard, sound.astype(np.float32))
    assert read_audio(data, channels=[0]).shape == (1, 12 * RATE)


def test_samples_beyond_full_scale_are_clipped() -> None:
    sound = np.array([[0.5, 1.5, -7.0, 1e30, -1.0]] * 1000, np.float32).reshape(1, -1)
    heard = read_audio(wav(sound, RATE))
    assert heard[0, :5].tolist() == [0.5, 1.0, -1.0, 1.0, -1.0]
    assert np.abs(read_audio(wav(sound, 44100))).max() <= 1.0


def test_no_bytes() -> None:
    for source in (b"", Pipe(b""), io.BytesIO()):
        with pytest.raises(EmptyAudio, match="is empty: there are no bytes"):
            open_audio(source)


@pytest.mark.parametrize("size", [0, 4])
def test_no_samples(size: int) -> None:
    data = wav(np.zeros((1, 0), np.int16), RATE) if not size else make("flac", seconds=0.0)
    with pytest.raises(EmptyAudio):
        read_audio(data)


def test_no_audio_track() -> None:
    sink = io.BytesIO()
    with av.open(sink, "w", format="matroska") as out:
        picture = out.add_stream("mpeg4", rate=25)
        assert isinstance(picture, av.VideoStream)
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        for _ in range(25):
            out.mux(picture.encode(av.VideoFrame(64, 48, "yuv420p")))
        out.mux(picture.encode(None))
    with pytest.raises(EmptyAudio, match="no audio track, only video"):
        read_audio(sink.getvalue())


def test_a_lone_sample_is_too_short_to_resample() -> None:
    with pytest.raises(EmptyAudio):
        read_audio(wav(np.ones((1, 1), np.int16), 44100))


@pytest.mark.parametrize(
    "data",
    [
        b"This is a letter, not a recording.\n" * 300,
        b"x",
        b"\x89PNG\r\n\x1a\n" + bytes(500),
        b"%PDF-1.7\n" + bytes(500),
        b"PK\x03\x04" + bytes(500),
        b"RIFF\x24\0\0\0WEBPVP8 " + bytes(500),
        b"<html><body>Not found</body></html>",
        bytes(100_000),
        np.random.default_rng(3).bytes(200_000),
    ],
)
def test_what_is_no_audio_is_refused(data: bytes) -> None:
    for source in (data, Pipe(data)):
        with pytest.raises(UnsupportedAudio, match="is not audio that can be read"):
            read_audio(source)


def test_a_source_that_fails_midway() -> None:
    class Failing(Pipe):
        def readinto(self, buffer: Any) -> int:
            if self._data.tell() > 100_000:
                raise OSError(5, "Input/output error")
            return super().readinto(buffer)

    whole = make("flac-44k", seconds=20.0, channels=2)
    assert len(whole) > 200_000
    with pytest.raises(DamagedAudio, match="cannot be read any further") as raised:
        read_audio(Failing(whole))
    assert raised.value.readable_s > 1.0
    samples, warnings = tolerant(Failing(whole))
    assert samples == pytest.approx(raised.value.readable_s * RATE, abs=2)
    assert "Input/output error" in warnings[0]


def test_an_interruption_while_reading_is_not_lost() -> None:
    class Interrupted(Pipe):
        def readinto(self, buffer: Any) -> int:
            if self._data.tell() > 100_000:
                raise KeyboardInterrupt
            return super().readinto(buffer)

    with pytest.raises(KeyboardInterrupt):
        read_audio(Interrupted(make("flac-44k", seconds=20.0, channels=2)), on_damage="warn")


def test_every_error_is_one_sentence_for_people() -> None:
    whole = make("flac")
    for data in (b"", b"x" * 1000, whole[:100], whole[:5000]):
        with pytest.raises(EarmarkError) as raised:
            read_audio(data)
        message = str(raised.value)
        assert message.endswith(".")
        assert "\n" not in message
        assert message[0].isupper()
