"""Frames on one line: pauses, losses and clocks that jump."""

from __future__ import annotations

import numpy as np
import pytest

from earmark.audio._findings import Findings
from earmark.audio._timeline import Arrival, Piece, Timeline, Trail
from earmark.errors import DamagedAudio


class Line:
    """A time line at 100 Hz, fed with (samples, time stamp)."""

    def __init__(
        self,
        *,
        lost: bool = False,
        coarse: bool = True,
        origin_s: float | None = None,
        tolerant: bool = True,
    ) -> None:
        self.findings = Findings("a.webm", tolerant=tolerant)
        self.timeline = Timeline(
            self.findings, coarse=coarse, origin_s=origin_s, lost=lambda _: lost
        )

    def lay(
        self, count: int, stamp_s: float | None, *, rate: int = 100, after_loss: bool = False
    ) -> list[Piece]:
        ones = np.ones((2, count), np.int16)
        return list(self.timeline.lay(Arrival(ones, rate, stamp_s, after_loss, Trail())))


def places(pieces: list[Piece]) -> list[tuple[int, int, bool]]:
    return [(p.position, p.samples.shape[1], bool(p.samples.any())) for p in pieces]


def test_frames_lie_end_to_end() -> None:
    line = Line()
    assert places(line.lay(50, 7.0)) == [(0, 50, True)]
    assert places(line.lay(50, 7.5)) == [(50, 50, True)]
    assert line.timeline.seconds == 1.0
    assert line.findings.warnings == ()


def test_a_pause_is_silence_and_a_note() -> None:
    line = Line(tolerant=False)
    line.lay(50, 0.0)
    assert places(line.lay(50, 2.0)) == [(50, 150, False), (200, 50, True)]
    assert line.findings.warnings == (
        "A pause of 1.50 s at 0.50 s in the recording is silence here.",
    )


def test_a_loss_is_silence_and_damage() -> None:
    line = Line(lost=True)
    line.lay(50, 0.0)
    assert places(line.lay(50, 2.0)) == [(50, 150, False), (200, 50, True)]
    assert line.findings.warnings == ("a.webm is damaged at 0.50 s: 1.50 s are lost.",)


def test_a_loss_is_an_error_unless_tolerated() -> None:
    line = Line(lost=True, tolerant=False)
    line.lay(50, 0.0)
    with pytest.raises(DamagedAudio, match=r"at 0\.50 s: 1\.50 s are lost") as raised:
        line.lay(50, 2.0)
    assert raised.value.readable_s == 0.5


def test_a_track_may_begin_later_than_the_recording() -> None:
    line = Line(origin_s=1.0)
    assert places(line.lay(50, 3.0)) == [(0, 200, False), (200, 50, True)]


def test_a_coarse_clock_may_jitter() -> None:
    line = Line()
    line.lay(50, 0.0)
    assert places(line.lay(50, 0.55)) == [(50, 50, True)]
    assert places(line.lay(50, 0.95)) == [(100, 50, True)]


def test_after_a_lost_frame_the_clock_is_taken_at_its_word() -> None:
    line = Line()
    line.lay(50, 0.0)
    assert places(line.lay(50, 0.55, after_loss=True)) == [(50, 5, False), (55, 50, True)]
    assert line.findings.warnings == ()


def test_a_clock_that_goes_back_is_followed_from_there() -> None:
    line = Line()
    line.lay(100, 5.0)
    assert places(line.lay(100, 0.0)) == [(100, 100, True)]
    assert places(line.lay(100, 1.0)) == [(200, 100, True)]
    assert places(line.lay(100, 3.0))[0] == (300, 100, False)


def test_a_leap_is_damage_and_no_hour_of_silence() -> None:
    line = Line()
    line.lay(100, 0.0)
    assert places(line.lay(100, 5000.0)) == [(100, 100, True)]
    assert line.findings.warnings == ("a.webm is damaged at 1.00 s: its clock jumps by 4999 s.",)
    assert places(line.lay(100, 5001.0)) == [(200, 100, True)]


def test_frames_without_time_stamps_just_follow() -> None:
    line = Line()
    line.lay(100, None)
    assert places(line.lay(100, None)) == [(100, 100, True)]


def test_a_change_of_rate_keeps_the_time() -> None:
    line = Line()
    line.lay(100, 0.0)
    assert places(line.lay(400, 1.0, rate=400)) == [(400, 400, True)]
    assert line.timeline.seconds == 2.0


def test_starting_in_the_middle_counts_from_sample_0() -> None:
    line = Line(coarse=False)
    line.timeline.start_at(1000, 100)
    assert places(line.lay(100, 10.0)) == [(1000, 100, True)]
    assert places(line.lay(100, 11.0)) == [(1100, 100, True)]


def test_a_trail_remembers_three_places() -> None:
    trail = Trail()
    for place, size_before in ((10, 0), (10, 5), (20, 5), (30, 5), (40, 5)):
        trail = trail.then(place, size_before)
    assert trail.places == (20, 30, 40)
    assert trail.end == 35
    assert trail.then(None, 5) == Trail()


def test_warnings_are_few() -> None:
    findings = Findings("a.mp3", tolerant=True)
    for second in range(500):
        findings.damaged("noise", second)
    assert len(findings.warnings) == 11
    assert findings.warnings[-1].startswith("490 more")
