"""Scores, against what they should be by hand and against pyannote.metrics."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyannote.core import Annotation, Segment, Timeline
from pyannote.metrics.diarization import DiarizationErrorRate, JaccardErrorRate

from earmark.bench import Errors, Score, map_speakers, score
from earmark.diarization import Diarization, Turn

Rows = list[tuple[float, float, str]]


def turns(*rows: tuple[float, float, str], channel: int | None = None) -> tuple[Turn, ...]:
    return tuple(Turn(start=a, end=b, speaker=who, channel=channel) for a, b, who in rows)


def whole(seconds: float) -> list[tuple[float, float]]:
    return [(0.0, seconds)]


def test_perfect_turns_have_no_error() -> None:
    reference = turns((0, 4, "ann"), (3, 6, "bob"), (8, 9, "ann"))
    renamed = turns((0, 4, "1"), (3, 6, "0"), (8, 9, "1"))
    found = score(reference, renamed, regions=whole(10))
    assert found.strict == Errors(speech=8.0)
    assert found.lenient.rate == found.jaccard_rate == 0.0
    assert (found.speakers, found.found, found.miscounted, found.exact) == (2, 2, 0, 1)


def test_each_kind_of_error_is_its_own() -> None:
    reference = turns((0, 10, "ann"), (10, 20, "bob"))
    # 1 s of ann missed, 2 s of bob given to ann, 3 s of silence called speech.
    given_turns = turns((1, 12, "x"), (12, 23, "y"))
    found = score(reference, given_turns, regions=whole(30)).strict
    assert found == Errors(speech=20.0, miss=1.0, confusion=2.0, false_alarm=3.0)
    assert found.rate == pytest.approx(6 / 20)


def test_overlap_counts_each_person() -> None:
    reference = turns((0, 10, "ann"), (5, 10, "bob"))
    found = score(reference, turns((0, 10, "x")), regions=whole(10)).strict
    assert found == Errors(speech=15.0, miss=5.0)


def test_one_person_talking_over_herself_counts_once() -> None:
    reference = turns((0, 6, "ann"), (4, 10, "ann"))
    found = score(reference, turns((0, 10, "x")), regions=whole(10))
    assert found.strict == Errors(speech=10.0)


def test_the_collar_forgives_a_quarter_second_around_reference_boundaries() -> None:
    reference = turns((1, 3, "ann"))
    inside = score(reference, turns((1.25, 2.75, "x")), regions=whole(4))
    assert inside.strict.miss == pytest.approx(0.5)
    assert inside.lenient.rate == 0.0
    outside = score(reference, turns((1.35, 3, "x")), regions=whole(4)).lenient
    assert (outside.speech, outside.miss) == pytest.approx((1.5, 0.1))


def test_only_the_regions_are_scored() -> None:
    reference = turns((0, 10, "ann"), (20, 30, "bob"))
    found = score(reference, turns((0, 5, "x"), (40, 50, "y")), regions=[(0, 8), (9, 10)])
    assert found.strict == Errors(speech=9.0, miss=4.0)
    assert (found.speakers, found.found) == (1, 1)


def test_nobody_there() -> None:
    assert score((), (), regions=whole(5)).strict.rate == 0.0
    alarm = score((), turns((1, 2, "x")), regions=whole(5))
    assert alarm.strict == Errors(false_alarm=1.0)
    assert (alarm.strict.rate, alarm.jaccard_rate, alarm.miscounted) == (1.0, 1.0, 1)
    deaf = score(turns((1, 2, "ann")), (), regions=whole(5))
    assert (deaf.strict.rate, deaf.jaccard_rate, deaf.found) == (1.0, 1.0, 0)


def test_channels_are_scored_apart() -> None:
    left, right = turns((0, 4, "ann"), channel=0), turns((0, 4, "ann"), channel=1)
    found = score((*left, *right), left, regions=whole(4))
    assert found.strict == Errors(speech=8.0, miss=4.0)
    assert (found.speakers, found.found, found.exact) == (2, 1, 0)


def test_scores_add_up() -> None:
    one = score(turns((0, 4, "a")), turns((0, 3, "x")), regions=whole(5))
    two = score(turns((0, 6, "a"), (6, 8, "b")), turns((0, 8, "x")), regions=whole(8))
    total = one + two
    assert total.strict == Errors(speech=12.0, miss=1.0, confusion=2.0)
    assert total.jaccard_rate == pytest.approx((0.25 + 0.25 + 1.0) / 3)
    assert (total.recordings, total.exact, total.miscounted) == (2, 1, 1)
    assert Score() + one == one


def test_mapping_names_the_person() -> None:
    reference = turns((0, 5, "ann"), (5, 9, "bob"))
    given_turns = turns((0, 4, "x"), (4, 9, "y"), (20, 21, "z"))
    assert map_speakers(reference, given_turns, regions=whole(30)) == {
        (None, "x"): "ann",
        (None, "y"): "bob",
    }


def as_annotation(rows: tuple[Turn, ...]) -> Annotation:
    annotation = Annotation(uri="x")
    for track, turn in enumerate(rows):
        annotation[Segment(turn.start, turn.end), track] = turn.speaker
    return annotation


def assert_same_as_pyannote(
    reference: tuple[Turn, ...], given_turns: tuple[Turn, ...], regions: list[tuple[float, float]]
) -> None:
    ours = score(reference, given_turns, regions=regions)
    truth, said = as_annotation(reference), as_annotation(given_turns)
    uem = Timeline([Segment(*region) for region in regions])
    for errors, collar in ((ours.strict, 0.0), (ours.lenient, 0.5)):
        metric = DiarizationErrorRate(collar=collar)
        theirs = metric.compute_components(truth, said, uem=uem)
        assert errors.speech == pytest.approx(theirs["total"], abs=1e-9)
        assert errors.miss == pytest.approx(theirs["missed detection"], abs=1e-9)
        assert errors.false_alarm == pytest.approx(theirs["false alarm"], abs=1e-9)
        assert errors.confusion == pytest.approx(theirs["confusion"], abs=1e-9)
        assert errors.rate == pytest.approx(metric.compute_metric(theirs), abs=1e-9)
    jaccard = JaccardErrorRate()  # type: ignore[no-untyped-call]
    assert ours.jaccard_rate == pytest.approx(jaccard(truth, said, uem=uem), abs=1e-9)


def a_conversation(random: np.random.Generator, people: int, seconds: float) -> tuple[Turn, ...]:
    """Random turns; people overlap each other but never themselves."""
    rows: Rows = []
    for person in range(people):
        edges = np.sort(random.uniform(0, seconds, 2 * int(random.integers(1, 9)))).round(3)
        spans = [(float(a), float(b)) for a, b in pairwise(edges)][::2]
        rows += [(a, b, f"person {person}") for a, b in spans if b - a >= 0.001]
    return turns(*rows)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1), st.integers(0, 6), st.integers(0, 6))
def test_random_conversations_score_as_pyannote_scores_them(
    seed: int, people: int, speakers: int
) -> None:
    random = np.random.default_rng(seed)
    seconds = float(random.uniform(5, 60))
    reference = a_conversation(random, people, seconds)
    given_turns = a_conversation(random, speakers, seconds)
    assert_same_as_pyannote(reference, given_turns, whole(round(seconds, 3)))
    assert_same_as_pyannote(reference, given_turns, [(1.0, 2.5), (3.0, round(seconds, 3) - 1)])


def test_the_evaluation_references_score_as_pyannote_scores_them(eval_dir: Path) -> None:
    """Real annotations, against shifted, thinned-out and relabelled versions of themselves."""
    random = np.random.default_rng(7)
    files = sorted((eval_dir / "diarization").rglob("*.rttm"))
    assert files
    for file in files:
        result = Diarization.from_rttm(file)
        if any(turn.channel is not None for turn in result.turns):
            continue  # pyannote knows no channels
        names = result.speakers
        given_turns = turns(
            *(
                (max(0.0, t.start + random.normal(0, 0.3)), t.end + 0.6, str(random.choice(names)))
                for t in result.turns
                if t.duration > 0.5 and random.random() > 0.1
            )
        )
        end = max(turn.end for turn in (*result.turns, *given_turns)) + 1
        assert_same_as_pyannote(result.turns, one_voice(given_turns), whole(round(end, 3)))


def one_voice(rows: tuple[Turn, ...]) -> tuple[Turn, ...]:
    """Turns of which no speaker talks over itself, which pyannote.metrics would count twice."""
    joined = as_annotation(rows).support().itertracks(yield_label=True)
    return turns(*((segment.start, segment.end, str(who)) for segment, _, who in joined))
