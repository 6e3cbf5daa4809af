from __future__ import annotations

import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from earmark.cli._timeline import axis_text, lane_text, print_timeline
from earmark.diarization import Diarization
from results import diarization, hostile, turn

TALK = diarization(turn(0, 6, "Ann"), turn(5, 10, "Bob"), duration=20)


def _printed(result: Diarization, *, width: int = 60, encoding: str = "utf-8") -> list[str]:
    raw = io.BytesIO()
    with io.TextIOWrapper(raw, encoding=encoding) as file:
        print_timeline(result, Console(file=file, width=width, color_system=None))
        file.flush()
        return raw.getvalue().decode(encoding).splitlines()


def test_a_lane_is_as_full_as_the_talk_in_each_column() -> None:
    rows = [turn(0, 1, "A"), turn(1.5, 2, "A"), turn(3, 3.01, "A")]
    assert lane_text(rows, start=0, end=4, width=4) == "█▄ ▁"


def test_a_lane_of_a_part_begins_where_the_part_does() -> None:
    assert lane_text([turn(10, 11, "A")], start=10, end=12, width=2) == "█ "


def test_the_axis_says_when() -> None:
    assert axis_text(start=0, end=30, width=60) == (
        "0:00      0:05      0:10      0:15      0:20      0:25"
    )


@pytest.mark.parametrize("width", [12, 37, 80, 200])
@pytest.mark.parametrize(("start", "end"), [(0, 0.5), (0, 30), (59, 3700), (0, 86400)])
def test_axis_labels_stand_at_their_moments(start: float, end: float, width: int) -> None:
    text = axis_text(start=start, end=end, width=width)
    assert len(text) <= width
    for label in text.split():
        parts = [int(part) for part in label.split(":")]
        moment = sum(part * 60**power for power, part in enumerate(reversed(parts)))
        column = text.index(label)
        assert abs(start + column / width * (end - start) - moment) <= (end - start) / width


def test_lanes_stand_under_each_other_and_fit_the_terminal() -> None:
    lines = _printed(TALK)
    assert lines[0] == "talk  0:20, 2 speakers in 2 turns"
    ann, bob, axis = lines[1:4]
    assert ann.startswith("Ann ████")
    assert bob.startswith("Bob  ")
    assert ann.rstrip().count("█") == pytest.approx(6 / 20 * 55, abs=1)
    assert axis.index("0:00") == 4
    assert all(cell_len(line) <= 60 for line in lines)


def test_the_figures_follow() -> None:
    text = "\n".join(_printed(TALK))
    assert "Ann      6.0 s    55%      1    6.0 s    1.0 s           0" in text
    assert "Bob      5.0 s    45%      1    5.0 s    1.0 s           1" in text
    assert "speech 10.0 s, silence 10.0 s, overlap 1.0 s" in text


def test_hostile_names_do_not_break_the_lanes() -> None:
    lines = _printed(hostile(), width=100)
    assert all(cell_len(line) <= 100 for line in lines)
    assert not any(ord(char) < 32 for line in lines for char in line)


def test_nobody_speaks() -> None:
    assert _printed(diarization(duration=65)) == [
        "talk  1:05, 0 speakers in 0 turns",
        "Nobody speaks in this recording.",
    ]


def test_a_terminal_without_unicode_gets_ascii() -> None:
    lines = _printed(TALK, encoding="ascii")
    assert lines[1].startswith("Ann ####")
