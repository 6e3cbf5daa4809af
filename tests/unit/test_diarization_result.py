from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given

from earmark.diarization import Diarization, FrameConfidence, Turn
from earmark.errors import InvalidInput, InvalidOption
from results import diarization, plain_names, turn, turns, voiceprint


def _rich() -> Diarization:
    rows = (turn(10, 14, "A"), turn(13, 16, "B"), turn(18, 20, "C"))
    return Diarization(
        turns=rows[::-1],
        exclusive=(turn(10, 13.5, "A"), turn(13.5, 16, "B"), turn(18, 20, "C")),
        duration=12.0,
        start_s=10.0,
        voiceprints={
            "A": voiceprint(1, 0, net_speech_s=3),
            "B": voiceprint(0, 1, net_speech_s=1),
        },
        confidence=FrameConfidence(
            values=np.linspace(0, 1, 24, dtype=np.float32)[None], step=0.5, start=10.0
        ),
        warnings=("quiet",),
        uri="meeting",
        models={"segmentation-3.0": "ab" * 32},
        settings={"fast": False, "speakers": None},
    )


def test_it_iterates_over_its_turns_in_order() -> None:
    result = _rich()
    assert [t.speaker for t in result] == ["A", "B", "C"]
    assert len(result) == 3
    assert result.speakers == ("A", "B", "C")
    assert (result.start_s, result.duration, result.end_s) == (10.0, 12.0, 22.0)


def test_speakers_are_in_order_of_first_appearance() -> None:
    assert diarization(turn(3, 4, "A"), turn(0, 1, "Z")).speakers == ("Z", "A")


def test_the_duration_reaches_at_least_to_the_last_turn() -> None:
    assert diarization(turn(0, 7.5, "A"), duration=7.4).duration == 7.5


def test_a_turn_before_the_analysed_part_is_refused() -> None:
    with pytest.raises(InvalidInput, match="begins before"):
        diarization(turn(0, 1, "A"), start_s=0.5)


def test_overlapping_exclusive_turns_are_refused() -> None:
    rows = (turn(0, 2, "A"), turn(1, 3, "B"))
    with pytest.raises(InvalidInput, match="overlap"):
        Diarization(turns=rows, exclusive=rows, duration=3)


def test_exclusive_turns_of_two_channels_may_run_together() -> None:
    rows = (turn(0, 2, "A", 0), turn(1, 3, "B", 1))
    assert Diarization(turns=rows, exclusive=rows, duration=3).exclusive == rows


@pytest.mark.parametrize(("duration", "start"), [(float("nan"), 0.0), (-1.0, 0.0), (1.0, -1.0)])
def test_an_impossible_range_is_refused(duration: float, start: float) -> None:
    with pytest.raises(InvalidInput):
        Diarization(turns=(), exclusive=(), duration=duration, start_s=start)


def test_its_repr_is_short_and_holds_no_voiceprint() -> None:
    assert repr(_rich()) == "<Diarization of meeting: 3 speakers, 3 turns, 10 s to 22 s>"


def test_it_can_go_to_another_process() -> None:
    result = _rich()
    assert pickle.loads(pickle.dumps(result)) == result


def test_crop_clips_everything_and_keeps_the_time_line() -> None:
    part = _rich().crop(13.2, 17)
    assert part.turns == (turn(13.2, 14, "A"), turn(13.2, 16, "B"))
    assert part.exclusive == (turn(13.2, 13.5, "A"), turn(13.5, 16, "B"))
    assert (part.start_s, part.end_s, part.duration) == (13.2, 17.0, 3.8)
    assert part.speakers == ("A", "B")
    assert part.confidence is not None
    assert part.confidence.start == 13.0
    assert part.confidence.values.shape == (1, 8)  # 13.0 to 17.0 in steps of half a second


def test_crop_forgets_the_voiceprints_of_who_is_gone() -> None:
    assert set(_rich().crop(15, 22).voiceprints) == {"B"}


def test_crop_stays_within_what_was_analysed() -> None:
    assert _rich().crop(0, 999) == _rich()


@pytest.mark.parametrize(("start", "end"), [(0, 5), (30, 40), (15, 15), (16, 15)])
def test_an_empty_crop_is_refused(start: float, end: float) -> None:
    with pytest.raises(InvalidOption, match="nothing between"):
        _rich().crop(start, end)


def test_rename_changes_all_at_once() -> None:
    swapped = _rich().rename({"A": "B", "B": "A"})
    assert [t.speaker for t in swapped] == ["B", "A", "C"]
    assert swapped.voiceprints["B"] == _rich().voiceprints["A"]


def test_renaming_two_to_one_merges_turns_and_voiceprints() -> None:
    merged = _rich().rename({"A": "Ann", "B": "Ann"})
    assert merged.turns == (turn(10, 16, "Ann"), turn(18, 20, "C"))
    assert merged.exclusive == merged.turns
    assert merged.speakers == ("Ann", "C")
    ann = merged.voiceprints["Ann"]
    assert ann.net_speech_s == 4.0
    assert np.allclose(ann.vector, np.array([3, 1]) / np.sqrt(10))


def test_renaming_onto_somebody_else_merges_too() -> None:
    assert _rich().rename({"A": "B"}).turns == (turn(10, 16, "B"), turn(18, 20, "C"))


def test_a_plain_rename_joins_nothing() -> None:
    touching = diarization(turn(0, 1, "A"), turn(1, 2, "A"))
    assert len(touching.rename({"A": "Ann"})) == 2


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(InvalidOption, match=r"no speaker 'X'.*A, B, C"):
        _rich().rename({"X": "Y"})


def test_voiceprints_of_different_models_do_not_merge() -> None:
    rows = (turn(0, 1, "A"), turn(2, 3, "B"))
    prints = {"A": voiceprint(1, 0), "B": voiceprint(1, 0, model="other")}
    result = Diarization(turns=rows, exclusive=rows, duration=3, voiceprints=prints)
    with pytest.raises(InvalidInput, match="different models"):
        result.rename({"A": "B"})


@given(turns(plain_names))
def test_renaming_there_and_back_changes_nothing(rows: tuple[Turn, ...]) -> None:
    result = diarization(*rows)
    there = {name: f"new {name}" for name in result.speakers}
    assert result.rename(there).rename({new: old for old, new in there.items()}) == result


class TestFrameConfidence:
    def test_it_is_read_only_and_compares_by_value(self) -> None:
        values = np.full((2, 3), 0.5, dtype=np.float64)
        made = FrameConfidence(values=values, step=0.1)  # type: ignore[arg-type]
        assert made.values.dtype == np.float32
        assert made == FrameConfidence(values=values.astype(np.float32), step=0.1)
        assert hash(made) == hash(FrameConfidence(values=values.astype(np.float32), step=0.1))
        assert made != FrameConfidence(values=values.astype(np.float32), step=0.2)
        with pytest.raises(ValueError, match="read-only"):
            made.values[0, 0] = 1
        values[0, 0] = 9  # the caller's array is his own
        assert made.values[0, 0] == 0.5

    @pytest.mark.parametrize(
        ("values", "step"),
        [
            (np.zeros(3), 0.1),
            (np.full((1, 2), 1.5), 0.1),
            (np.full((1, 2), np.nan), 0.1),
            (np.zeros((1, 2)), 0.0),
        ],
    )
    def test_nonsense_is_refused(self, values: np.ndarray, step: float) -> None:
        with pytest.raises(InvalidInput):
            FrameConfidence(values=values.astype(np.float32), step=step)

    def test_a_crop_on_frame_borders_takes_exactly_those_frames(self) -> None:
        step = 0.016875
        made = FrameConfidence(values=np.zeros((1, 1000), dtype=np.float32), step=step)
        part = made.crop(100 * step, 200 * step)
        assert part.values.shape == (1, 100)
        assert part.start == pytest.approx(100 * step)

    def test_a_crop_beyond_the_end_is_empty(self) -> None:
        made = FrameConfidence(values=np.zeros((1, 10), dtype=np.float32), step=0.1)
        assert made.crop(5, 6).values.shape == (1, 0)
