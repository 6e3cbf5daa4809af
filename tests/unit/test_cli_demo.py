"""The demo sets each true turn beside the one that Earmark found for the same person."""

from __future__ import annotations

from earmark.cli._demo import beside
from earmark.diarization import Turn


def _turn(start: float, end: float, speaker: str) -> Turn:
    return Turn(start=start, end=end, speaker=speaker)


def test_turns_of_one_person_stand_side_by_side() -> None:
    truth = [_turn(0, 4, "ann"), _turn(3, 9, "bob"), _turn(10, 11, "ann")]
    found = [_turn(0.2, 3.8, "S0"), _turn(3.1, 5, "S1"), _turn(5.2, 9, "S1"), _turn(20, 21, "S0")]
    assert beside(truth, found, names={"S0": "ann", "S1": "bob"}) == [
        (truth[0], found[0]),
        (truth[1], found[2]),  # covers more of it than found[1]
        (None, found[1]),
        (truth[2], None),
        (None, found[3]),
    ]


def test_a_turn_of_another_person_is_no_counterpart() -> None:
    truth, found = [_turn(0, 4, "ann")], [_turn(0, 4, "S1")]
    assert beside(truth, found, names={"S1": "bob"}) == [(truth[0], None), (None, found[0])]
    assert beside(truth, found, names={}) == [(truth[0], None), (None, found[0])]
