"""Finding recordings with references, and making long ones."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from earmark.audio import read_audio
from earmark.bench import concatenate, load_dataset
from earmark.errors import EmptyAudio, InvalidOption


def write_tone(path: Path, *, seconds: float, pitch: float = 200.0, rate: int = 16000) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(round(seconds * rate)) / rate
    samples = (8000 * np.sin(2 * np.pi * pitch * time)).astype("<i2")
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(rate)
        wav.writeframes(samples.tobytes())


def write_rttm(path: Path, *lines: str) -> None:
    path.write_text("".join(f"SPEAKER {path.stem} {line} <NA> <NA>\n" for line in lines))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_tone(tmp_path / "meeting" / "one.wav", seconds=2)
    write_rttm(
        tmp_path / "meeting" / "one.rttm",
        "1 0.5 1.0 <NA> <NA> ann",
        "1 1.0 1.0 <NA> <NA> bob",
    )
    write_tone(tmp_path / "phone" / "two.wav", seconds=1, rate=8000)
    write_rttm(
        tmp_path / "phone" / "two.rttm", "1 0.0 0.5 <NA> <NA> ann", "2 0.0 0.5 <NA> <NA> ann"
    )
    write_tone(tmp_path / "phone" / "no_reference.wav", seconds=1)
    write_rttm(tmp_path / "phone" / "no_audio.rttm", "1 0.0 0.5 <NA> <NA> ann")
    return tmp_path


def test_audio_with_a_reference_beside_it_is_a_recording(folder: Path) -> None:
    dataset = load_dataset(folder)
    one, two = dataset.recordings
    assert (one.name, one.group, one.people, one.split) == ("meeting/one", "meeting", 2, False)
    assert (two.name, two.people, two.split) == ("phone/two", 2, True)
    assert (one.duration, two.duration) == (2.0, 1.0)
    assert dataset.hours == pytest.approx(3 / 3600)
    assert dataset.left_out == ()


def test_globs_choose_and_what_they_leave_out_is_told(folder: Path) -> None:
    for chosen in (
        load_dataset(folder, only=["meeting/*"]),
        load_dataset(folder, only=["one"]),
        load_dataset(folder, skip=["t?o"]),
    ):
        assert [r.name for r in chosen.recordings] == ["meeting/one"]
        assert chosen.left_out == ("phone/two",)


def test_the_hash_covers_names_audio_and_references(folder: Path) -> None:
    before = load_dataset(folder).sha256
    assert load_dataset(folder).sha256 == before
    assert load_dataset(folder, only=["one"]).sha256 != before
    rttm = folder / "meeting" / "one.rttm"
    rttm.write_text(rttm.read_text().replace("bob", "eve"))
    changed = load_dataset(folder).sha256
    assert changed != before
    write_tone(folder / "meeting" / "one.wav", seconds=2, pitch=201)
    assert load_dataset(folder).sha256 not in (before, changed)


def test_no_recordings_is_a_clear_error(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidOption, match="holds no audio file with an"):
        load_dataset(tmp_path / "empty")
    with pytest.raises(InvalidOption, match="None of the 2 recordings"):
        load_dataset(folder, only=["three"])


def test_a_long_recording_repeats_its_files_and_is_cut(tmp_path: Path) -> None:
    one, two = tmp_path / "one.wav", tmp_path / "two.wav"
    write_tone(one, seconds=1, pitch=200)
    write_tone(two, seconds=0.5, pitch=300)
    parts = concatenate([one, two], hours=3.25 / 3600, target=tmp_path / "long.wav")
    assert [(p.source, p.start, p.end) for p in parts] == [
        (one, 0.0, 1.0),
        (two, 1.0, 1.5),
        (one, 1.5, 2.5),
        (two, 2.5, 3.0),
        (one, 3.0, 3.25),
    ]
    sound = read_audio(tmp_path / "long.wav")[0]
    first, second = read_audio(one)[0], read_audio(two)[0]
    expected = np.concatenate([first, second, first, second, first[:4000]])
    np.testing.assert_array_equal(sound, expected)


def test_a_long_recording_needs_sound_and_a_length_that_fits(tmp_path: Path) -> None:
    target = tmp_path / "long.wav"
    with pytest.raises(InvalidOption, match="no file"):
        concatenate([], hours=1, target=target)
    write_tone(tmp_path / "one.wav", seconds=0.1)
    for hours in (0, -1, 38):
        with pytest.raises(InvalidOption, match="up to 37 hours"):
            concatenate([tmp_path / "one.wav"], hours=hours, target=target)
    write_tone(tmp_path / "empty.wav", seconds=0)
    with pytest.raises(EmptyAudio):
        concatenate([tmp_path / "empty.wav"], hours=1, target=target)
