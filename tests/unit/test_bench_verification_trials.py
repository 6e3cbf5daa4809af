"""Lists of trials: what they may say, and who is one person in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from earmark.bench import Heard, as_trials, pairs_within, read_trials
from earmark.errors import InvalidInput, InvalidOption
from earmark.voiceprints import DEFAULT_MODEL, Voiceprint


def listed(folder: Path, *lines: str) -> Path:
    """A list of trials and empty files for all that it names."""
    for line in lines:
        for name in line.split()[1:]:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).touch()
    path = folder / "trials.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


def heard(files: int, *, silent: int | None = None) -> Heard:
    """A voiceprint of each file but one."""
    one = Voiceprint(vector=np.eye(448)[0], model=DEFAULT_MODEL, net_speech_s=1.0)
    prints = tuple(None if i == silent else one for i in range(files))
    return Heard(prints=prints, sha256="", models={})


def test_folders_are_people_when_all_trials_agree(tmp_path: Path) -> None:
    path = listed(
        tmp_path, "1 a_x/1.wav a_x/2.wav", "# of others", "", "0 a_x/1.wav a_y/1.wav",
        "0 b_z/1.wav a_y/2.wav",
    )  # fmt: skip
    trials = read_trials(path)
    assert trials.foldered
    assert trials.speakers == 3
    assert trials.corpora == ("a", "a", "a", "b", "a")
    first, second = pairs_within(trials, heard(5), "a", listed=False)
    answers = as_trials(trials, first, second)
    named = [
        (trials.files[i], trials.files[j])
        for i, j, same in zip(first, second, answers.same, strict=True)
        if same
    ]
    assert named == [("a_x/1.wav", "a_x/2.wav"), ("a_y/1.wav", "a_y/2.wav")]
    assert len(first) == 6
    first, second = pairs_within(trials, heard(5), "a", listed=True)
    assert list(zip(first.tolist(), second.tolist(), strict=True)) == [(0, 1), (0, 2)]
    first, _ = pairs_within(trials, heard(5, silent=1), "a", listed=False)
    assert len(first) == 3


def test_in_one_folder_people_are_who_the_trials_connect(tmp_path: Path) -> None:
    path = listed(tmp_path, "1 1.wav 2.wav", "1 3.wav 2.wav", "0 1.wav 4.wav", "0 4.wav 5.wav")
    trials = read_trials(path)
    assert not trials.foldered
    assert trials.people == (0, 0, 0, 1, 2)
    assert set(trials.corpora) == {"all"}


def test_the_audio_may_be_elsewhere(tmp_path: Path) -> None:
    listed(tmp_path / "sound", "0 a/1.wav b/1.wav")
    path = tmp_path / "mine.txt"
    path.write_text("0 a/1.wav b/1.wav")
    assert read_trials(path, tmp_path / "sound").files == ("a/1.wav", "b/1.wav")


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (["1 a/1.wav"], "line 1: a trial is"),
        (["0 a/1.wav b/1.wav", "yes a/1.wav b/1.wav"], "line 2: a trial is"),
        (["# nothing"], "holds no trial"),
        (["1 1.wav 2.wav", "1 2.wav 3.wav", "0 1.wav 3.wav"], "other trials make them one"),
    ],
)
def test_a_list_that_makes_no_sense_is_refused(tmp_path: Path, lines: list[str], why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        read_trials(listed(tmp_path, *lines))


def test_files_that_are_not_there_are_named(tmp_path: Path) -> None:
    path = listed(tmp_path, "1 a/1.wav a/2.wav")
    (tmp_path / "a" / "2.wav").unlink()
    with pytest.raises(InvalidInput, match=r"line 1: there is no file .*a/2\.wav"):
        read_trials(path)
    with pytest.raises(InvalidOption, match="Cannot read the trials"):
        read_trials(tmp_path / "none.txt")
