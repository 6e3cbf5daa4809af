"""What cosines are said to mean: the bundled calibration, thresholds, files, and fits."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from earmark.errors import InvalidInput, InvalidOption
from earmark.settings import Settings
from earmark.voiceprints import (
    Calibration,
    Comparisons,
    fit_calibration,
    fit_to_site,
    require_enough,
)

BUNDLED = Calibration.load()
SECONDS = (0.5, 1.0, 3.0, 10.0, 60.0, 3600.0)


def drawn(same: int, other: int, *, shift: float = 0.0, seed: int = 0) -> Comparisons:
    """Comparisons whose cosines shrink with short speech, as those of voices do."""
    random = np.random.default_rng(seed)
    kind = np.arange(same + other) < same
    seconds = random.uniform(1, 20, (2, len(kind)))
    r = np.prod(np.sqrt(seconds / (seconds + 0.7)), axis=0)
    cosine = r * np.where(kind, 0.75, 0.12 + shift) + random.normal(0, 0.1, len(kind))
    return Comparisons(
        cosine=np.clip(cosine, -1, 1),
        same=kind,
        net_speech_a=seconds[0],
        net_speech_b=seconds[1],
        weight=np.ones(len(kind)),
    )


def test_the_bundled_calibration_says_where_it_comes_from() -> None:
    assert BUNDLED.provenance["command"] == "scripts/train_calibration.py"
    assert "LibriSpeech" in json.dumps(dict(BUNDLED.provenance))
    assert Calibration.from_json(BUNDLED.to_json()) == BUNDLED


@pytest.mark.parametrize("a", SECONDS)
@pytest.mark.parametrize("b", SECONDS)
def test_a_higher_cosine_is_a_higher_score_and_sides_do_not_matter(a: float, b: float) -> None:
    cosines = np.linspace(-1, 1, 21)
    scores = BUNDLED.llr(cosines, a, b)
    assert (np.diff(scores) > 0).all()
    assert scores.tolist() == BUNDLED.llr(cosines, b, a).tolist()


def test_the_same_cosine_says_more_of_short_speech() -> None:
    scores = [float(BUNDLED.llr(0.55, seconds, seconds)) for seconds in (1.0, 3.0, 10.0, 40.0)]
    assert scores == sorted(scores, reverse=True)


def test_no_speech_at_all_is_no_error() -> None:
    assert np.isfinite(BUNDLED.llr([-1.0, 0.5, 1.0], 0.0, [0.0, 1.0, 1e9])).all()


def test_a_probability_is_that_of_bayes_rule() -> None:
    assert float(BUNDLED.probability(0.0)) == 0.5
    assert float(BUNDLED.probability(np.log(3.0))) == pytest.approx(0.75)
    assert float(BUNDLED.probability(np.log(99.0), prior=0.01)) == pytest.approx(0.5)
    assert BUNDLED.probability([-1e4, 1e4]).tolist() == [0.0, 1.0]
    with pytest.raises(InvalidOption):
        BUNDLED.probability(0.0, prior=1.0)


def test_a_threshold_is_the_measured_point_and_goes_up_with_candidates() -> None:
    simple = replace(BUNDLED, strangers=((-1.0, 0.1), (1.0, 0.01), (3.0, 0.001)))
    assert simple.threshold(0.1) == pytest.approx(-1.0)
    assert simple.threshold(0.01) == pytest.approx(1.0)
    assert simple.threshold(0.001) == pytest.approx(3.0)
    assert simple.threshold(0.1, candidates=100) == pytest.approx(3.0)
    assert simple.threshold(0.00001) == pytest.approx(7.0)  # two LLR per decade, as before
    assert simple.threshold(0.9) == pytest.approx(-1.0)  # nothing was measured there
    wanted = [BUNDLED.threshold(0.01, candidates=n) for n in (1, 2, 10, 1000, 10**6)]
    assert wanted == sorted(wanted)
    assert len(set(wanted)) == len(wanted)


@pytest.mark.parametrize(("rate", "candidates"), [(0.0, 1), (1.1, 1), (0.01, 0)])
def test_thresholds_that_make_no_sense_are_refused(rate: float, candidates: int) -> None:
    with pytest.raises(InvalidOption):
        BUNDLED.threshold(rate, candidates=candidates)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"schema": "earmark.calibration/9"}, "does not say"),
        ({"model": "earmark-0"}, "voiceprints of model earmark-0"),
        ({"slope": [1.0, 2.0]}, "missing"),
        ({"slope": [1.0, -2.0, 0.0]}, "slope must be above 0"),
        ({"offset": [0.0, 1.0, float("nan")]}, "finite"),
        ({"half_s": 0}, "half_s"),
        ({"half_s": "long"}, "is none"),
        ({"strangers": []}, "two points"),
        ({"strangers": [[1.0, 0.1], [0.0, 0.01]]}, "two points"),
        ({"strangers": [[0.0, 0.1], [1.0, 0.0]]}, "above 0"),
    ],
)
def test_a_broken_file_is_refused_with_its_name_and_the_reason(
    tmp_path: Path, change: dict[str, object], why: str
) -> None:
    path = tmp_path / "own.json"
    path.write_text(json.dumps(json.loads(BUNDLED.to_json()) | change))
    with pytest.raises(InvalidInput, match=f"own.json holds no usable calibration: .*{why}"):
        Calibration.load(path)


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff\xfe", b'{"schema": 1}'])
def test_what_is_no_calibration_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "own.json"
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match="Make one with `earmark calibrate`"):
        Calibration.load(path)


def test_the_settings_name_the_file(tmp_path: Path) -> None:
    own = replace(BUNDLED, half_s=1.25)
    path = tmp_path / "own.json"
    path.write_text(own.to_json())
    assert Calibration.of(Settings(calibration=path)) == own
    assert Calibration.of(Settings()) == BUNDLED
    with pytest.raises(InvalidInput, match="No such file"):
        Calibration.of(Settings(calibration=tmp_path / "none.json"))


def test_a_fit_gives_scores_that_are_as_likely_as_they_say() -> None:
    fitted = fit_calibration(drawn(4000, 4000), half_s=0.7, provenance={})
    fresh = drawn(4000, 4000, seed=1)
    llr = fresh.llr(fitted)
    for low, high in ((-3.0, -1.0), (-1.0, 1.0), (1.0, 3.0)):
        there = (llr >= low) & (llr < high)
        said = float(fitted.probability(llr[there]).mean())
        assert fresh.same[there].mean() == pytest.approx(said, abs=0.1)
    strangers = llr[~fresh.same]
    for rate in (0.1, 0.01):
        assert (strangers >= fitted.threshold(rate)).mean() == pytest.approx(rate, rel=0.5)


def test_a_site_moves_the_scores_to_where_its_voices_are() -> None:
    base = fit_calibration(drawn(4000, 4000), half_s=0.7, provenance={})
    alike = drawn(300, 3000, shift=0.3, seed=2)  # its people sound more alike
    own = fit_to_site(alike, base=base, provenance={"trials": "ours"})
    assert own.provenance == {"trials": "ours"}
    assert own.half_s == base.half_s
    strangers = drawn(1, 3000, shift=0.3, seed=3)
    passing = strangers.llr(base)[1:] >= base.threshold(0.01)
    assert passing.mean() > 0.05
    passing = strangers.llr(own)[1:] >= own.threshold(0.01)
    assert passing.mean() < 0.02


@pytest.mark.parametrize(
    ("people", "same", "other", "why"),
    [
        (9, 30, 100, "9 people"),
        (10, 29, 100, "29 comparisons of the same person"),
        (10, 30, 99, "99 comparisons of two different people"),
    ],
)
def test_too_few_trials_are_refused(people: int, same: int, other: int, why: str) -> None:
    require_enough(people=10, same=30, other=100)
    with pytest.raises(InvalidInput, match=f"There are {why}.*add recordings"):
        require_enough(people=people, same=same, other=other)


def test_voices_that_never_mix_leave_the_scores_finite() -> None:
    apart = drawn(40, 200)
    apart = replace(apart, cosine=np.where(apart.same, 0.9, 0.0))
    own = fit_to_site(apart, base=BUNDLED, provenance={})
    assert 0.5 < own.slope[1] / BUNDLED.slope[1] < 5


def test_trials_that_make_no_sense_are_refused() -> None:
    right = drawn(100, 100)
    with pytest.raises(InvalidInput, match="check their labels"):
        fit_to_site(replace(right, same=~right.same), base=BUNDLED, provenance={})
    with pytest.raises(InvalidInput, match="two different people"):
        fit_to_site(drawn(50, 0), base=BUNDLED, provenance={})
