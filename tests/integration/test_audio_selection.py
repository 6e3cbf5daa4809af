"""Which channels and which part of a recording come out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from audio_samples import Float, Pipe, encode, make, tones, wav
from earmark.audio import open_audio, read_audio
from earmark.errors import DamagedAudio, EmptyAudio, InvalidOption

RATE = 16000


def noise(seconds: float, rate: int, channels: int) -> Float:
    values = np.random.default_rng(9).standard_normal((channels, round(seconds * rate)))
    return (0.2 * np.clip(values, -3, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def four() -> bytes:
    """0.5 s of four channels at constant levels 0, 1/8, 2/8, 3/8."""
    levels = np.arange(4)[:, None] * np.ones((4, RATE // 2))
    return wav((levels * 4096).astype(np.int16), RATE)


def test_the_mix_is_the_average(four: bytes) -> None:
    assert np.array_equal(read_audio(four), np.full((1, RATE // 2), 1.5 / 8, np.float32))


def test_split_gives_each(four: bytes) -> None:
    with open_audio(four, channels="split") as audio:
        assert audio.channels == (0, 1, 2, 3)
        sound = np.concatenate(list(audio), axis=1)
    assert sound[:, 0].tolist() == [0.0, 0.125, 0.25, 0.375]


def test_a_list_gives_those_in_that_order(four: bytes) -> None:
    with open_audio(four, channels=[3, 1]) as audio:
        assert audio.channels == (3, 1)
        sound = np.concatenate(list(audio), axis=1)
    assert sound[:, 0].tolist() == [0.375, 0.125]


def test_a_channel_that_is_not_there(four: bytes) -> None:
    with pytest.raises(InvalidOption, match=r"\[4\].*channels 0 to 3"):
        open_audio(four, channels=[4])


def test_a_split_recording_may_not_change_its_channels() -> None:
    stereo = encode(tones(2.0, 44100, 2), 44100, container="adts", codec="aac")
    with pytest.raises(DamagedAudio, match="channels changes to 1") as raised:
        read_audio(stereo + make("aac-adts"), channels="split")
    assert raised.value.readable_s == pytest.approx(2.0, abs=0.1)
    with open_audio(stereo + make("aac-adts"), channels="split", on_damage="warn") as audio:
        assert sum(block.shape[1] for block in audio) == pytest.approx(32000, abs=1500)
        assert "channels changes to 1" in audio.warnings[0]
    first = read_audio(stereo + make("aac-adts"), channels=[0])
    assert first.shape[1] == pytest.approx(64000, abs=3000)


@pytest.mark.parametrize("name", ["wav-s16", "flac", "ogg-flac", "mkv-pcm", "m4a-alac", "caf"])
def test_a_part_is_cut_to_the_sample(name: str) -> None:
    whole = read_audio(make(name, seconds=3.0))
    for start, end in ((0.0, 1.0), (0.5, 1.25), (1.00003, None), (None, 2.5), (2.9, 9.0)):
        part = read_audio(make(name, seconds=3.0), start=start, end=end)
        first, last = round((start or 0.0) * RATE), round((end or 3.0) * RATE)
        assert np.array_equal(part, whole[:, first:last])


@pytest.mark.parametrize("rate", [RATE, 44100])
@pytest.mark.parametrize(
    ("container", "codec"),
    [("wav", "pcm_s16le"), ("wav", "pcm_s24le"), ("wav", "pcm_mulaw"), ("flac", "flac")],
)
def test_seeking_gives_what_dropping_gives(container: str, codec: str, rate: int) -> None:
    data = encode(noise(40.0, rate, 2), rate, container=container, codec=codec)
    for start in (10.0, 10.00003, 23.456, 39.9, 39.99):
        for end in (None, start + 0.3):
            sought = read_audio(data, channels="split", start=start, end=end)
            dropped = read_audio(Pipe(data), channels="split", start=start, end=end)
            assert np.array_equal(sought, dropped)


def test_seeking_spares_the_reading(tmp_path: Path) -> None:
    class Counting:
        def __init__(self, path: Path) -> None:
            self._file = path.open("rb")
            self.seekable, self.seek, self.tell = (
                self._file.seekable,
                self._file.seek,
                self._file.tell,
            )
            self.close, self.count = self._file.close, 0

        def read(self, size: int, /) -> bytes:
            data = self._file.read(size)
            self.count += len(data)
            return data

    path = tmp_path / "long.wav"
    path.write_bytes(wav((noise(300.0, RATE, 1) * 2**15).astype(np.int16), RATE))
    file = Counting(path)
    expected = read_audio(path)[:, 290 * RATE : 291 * RATE]
    assert np.array_equal(read_audio(file, start=290.0, end=291.0), expected)
    assert file.count < path.stat().st_size / 10
    file.close()


@pytest.mark.parametrize("name", ["wav-s16", "flac", "mp3", "m4a-aac", "ogg-opus"])
def test_a_range_past_the_end_is_empty(name: str) -> None:
    with pytest.raises(EmptyAudio, match="no samples between 60 s and its end"):
        read_audio(make(name), start=60.0)


def test_a_streamed_wav_is_sought_too() -> None:
    data = encode(noise(30.0, RATE, 1), RATE, container="wav", codec="pcm_s16le", seekable=False)
    assert np.array_equal(read_audio(data, start=25.5), read_audio(data)[:, round(25.5 * RATE) :])


def test_nothing_past_the_end_is_looked_at() -> None:
    cut = make("flac", seconds=4.0)
    cut = cut[: len(cut) // 2]
    assert read_audio(cut, end=1.0).shape == (1, RATE)
    with pytest.raises(DamagedAudio):
        read_audio(cut, end=3.0)


def test_the_hint_is_for_the_part() -> None:
    with open_audio(make("flac", seconds=3.0), start=1.0, end=2.5) as audio:
        assert audio.duration_hint == pytest.approx(1.5)
    with open_audio(make("flac", seconds=3.0), start=1.0, end=9.0) as audio:
        assert audio.duration_hint == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("container", "codec"), [("matroska", "pcm_s16le"), ("mp4", "aac"), ("mpegts", "aac")]
)
def test_a_pause_keeps_the_time(container: str, codec: str) -> None:
    data = encode(tones(6.0, 48000), 48000, container=container, codec=codec, pause=(2.0, 1.5))
    with open_audio(data) as audio:
        sound = np.concatenate(list(audio), axis=1)[0]
        assert len(audio.warnings) == 1
    assert "pause of 1.50 s at 2.0" in audio.warnings[0]
    assert len(sound) == pytest.approx(7.5 * RATE, abs=700)
    assert not sound[round(2.1 * RATE) : round(3.4 * RATE)].any()
    assert np.abs(sound[round(3.6 * RATE) : round(4.0 * RATE)]).max() > 0.1


def test_a_pause_in_ogg_is_no_loss() -> None:
    data = encode(tones(6.0, 48000), 48000, container="ogg", codec="libopus", pause=(2.0, 1.5))
    with open_audio(data) as audio:
        assert sum(block.shape[1] for block in audio) == pytest.approx(7.5 * RATE, abs=50)
    assert "pause of 1.50 s" in audio.warnings[0]


def test_sound_that_begins_after_the_picture_keeps_its_place() -> None:
    for container, codec in (("matroska", "pcm_s16le"), ("mp4", "aac")):
        data = encode(
            tones(4.0, 48000),
            48000,
            container=container,
            codec=codec,
            video=True,
            pause=(0.0, 0.7),
        )
        sound = read_audio(data)[0]
        assert np.abs(sound[: round(0.65 * RATE)]).max() < 1e-3
        assert np.abs(sound[round(0.75 * RATE) : RATE]).max() > 0.1
