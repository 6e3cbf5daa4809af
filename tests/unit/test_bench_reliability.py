"""The reliability tables against confidences whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from earmark.bench import Reliability, frame_reliability, turn_reliability
from earmark.diarization import FrameConfidence, Turn


def turn(start: float, end: float, speaker: str, **more: float) -> Turn:
    confidence = more.get("confidence")
    channel = more.get("channel")
    return Turn(
        start=start,
        end=end,
        speaker=speaker,
        confidence=confidence,
        channel=None if channel is None else int(channel),
    )


def test_confidences_that_keep_their_word_have_no_calibration_error() -> None:
    random = np.random.default_rng(3)
    claimed = random.uniform(0, 1, 200_000)
    found = Reliability.of(claimed, random.uniform(0, 1, len(claimed)) < claimed, 0.01)
    assert found.error < 0.01
    assert [row["from"] for row in found.rows()] == pytest.approx(np.arange(10) / 10)
    for row in found.rows():
        assert row["from"] <= row["confidence"] <= row["to"]
        assert row["right"] == pytest.approx(row["confidence"], abs=0.02)


def test_the_calibration_error_is_the_mean_gap_by_time() -> None:
    found = Reliability.of([0.95, 0.55], [0.5, 0.55], [3.0, 1.0])
    assert found.error == pytest.approx(0.75 * 0.45)
    assert [row["share"] for row in found.rows()] == pytest.approx([0.25, 0.75])


def test_certainty_is_in_the_last_bin() -> None:
    (row,) = Reliability.of([1.0], [1.0], [1.0]).rows()
    assert (row["from"], row["to"]) == (0.9, 1.0)


def test_nothing_has_no_rows_and_no_error() -> None:
    nothing = Reliability.of([], [], [])
    assert (nothing.error, nothing.rows()) == (0.0, [])


def test_recordings_add_up() -> None:
    one, two = Reliability.of([0.9], [1.0], [1.0]), Reliability.of([0.9], [0.0], [3.0])
    assert (one + two).error == pytest.approx(0.9 - 0.25)


def test_a_turn_is_right_as_far_as_its_person_speaks() -> None:
    reference = [turn(0, 4, "ann"), turn(3, 6, "ann"), turn(6, 10, "bob")]
    turns = [turn(0, 8, "x", confidence=0.7), turn(8, 10, "y", confidence=0.9), turn(9, 10, "z")]
    found = turn_reliability(turns, reference, {(None, "x"): "ann", (None, "y"): "bob"})
    assert {row["confidence"]: row["right"] for row in found.rows()} == {0.7: 6 / 8, 0.9: 1.0}
    assert found.seconds.sum() == 10.0  # the turn without a confidence is not in it


def test_a_turn_of_a_speaker_who_is_nobody_is_wrong() -> None:
    found = turn_reliability([turn(0, 2, "x", confidence=0.4)], [turn(0, 2, "ann")], {})
    assert [row["right"] for row in found.rows()] == [0.0]


def frames(values: list[list[float]]) -> FrameConfidence:
    return FrameConfidence(values=np.array(values, dtype=np.float32), step=1.0)


def test_a_frame_is_right_when_exactly_its_people_are_named() -> None:
    reference = [turn(0, 4, "ann"), turn(2, 4, "bob")]
    turns = [turn(0, 3, "x"), turn(3, 5, "y")]
    mapping: dict[tuple[int | None, str], str] = {(None, "x"): "ann", (None, "y"): "bob"}
    # ann: right; ann and bob, said ann: wrong; both, said bob: wrong; silence, said bob: wrong;
    # silence: right.
    found = frame_reliability(
        frames([[0.05, 0.15, 0.25, 0.35, 0.45, 0.55]]), turns, reference, mapping
    )
    assert [row["right"] for row in found.rows()] == [1, 1, 0, 0, 0, 1]


def test_each_channel_has_its_frames() -> None:
    reference = [turn(0, 2, "ann", channel=0), turn(0, 2, "ann", channel=1)]
    turns = [turn(0, 2, "x", channel=0)]
    found = frame_reliability(
        frames([[0.95, 0.95], [0.15, 0.15]]), turns, reference, {(0, "x"): "ann"}
    )
    assert [(row["from"], row["right"]) for row in found.rows()] == [(0.1, 0.0), (0.9, 1.0)]
