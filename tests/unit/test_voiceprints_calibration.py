"""What cosines are said to mean: the bundled calibration, thresholds, files, and fits."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from earmark.errors import ForeignVoiceprint, InvalidInput, InvalidOption
from earmark.settings import Settings
from earmark.voiceprints import (
    DEFAULT_MODEL,
    Calibration,
    Comparisons,
    Index,
    Sound,
    Voiceprint,
    fit_calibration,
    fit_to_site,
    require_enough,
)

BUNDLED = Calibration.load()
SECONDS = (0.5, 1.0, 3.0, 10.0, 60.0, 3600.0)


def drawn(same: int, other: int, *, alike: float = 0.0, seed: int = 0) -> Comparisons:
    """Comparisons of made-up voices, which are hidden the more the shorter the speech is.

    ``alike`` is a part that all voices have in common.
    """
    random = np.random.default_rng(seed)
    count = same + other
    kind = np.arange(count) < same
    voices = random.standard_normal((2, count, 448))
    voices[1, kind] = voices[0, kind]
    voices[..., 0] += alike * np.sqrt(448)
    seconds = random.uniform(1, 20, (2, count))
    noise = random.standard_normal(voices.shape) * np.sqrt(0.7 / seconds)[..., None]
    session = random.standard_normal(voices.shape) * 0.7
    vectors = (voices + noise + session).reshape(-1, 448).astype(np.float32)
    return Comparisons(
        vectors=vectors / np.linalg.norm(vectors, axis=1, keepdims=True),
        net_speech_s=seconds.ravel(),
        first=np.arange(count),
        second=np.arange(count) + count,
        same=kind,
        weight=np.ones(count),
        group=np.zeros(count, np.int64),
    )


def fit(comparisons: Comparisons) -> Calibration:
    """A calibration in which nobody is on the telephone."""
    nowhere = (*np.zeros(448).tolist(), -100.0)
    return fit_calibration(comparisons, half_s=0.7, telephone=nowhere, provenance={})


def sound(seconds: float, telephone: float = 0.0) -> Sound:
    """Of one voiceprint of so many seconds of net speech."""
    return Sound(clarity=BUNDLED.clarity(seconds), telephone=np.asarray(telephone))


def test_the_bundled_calibration_says_where_it_comes_from() -> None:
    assert BUNDLED.provenance["command"] == "scripts/train_calibration.py"
    assert "LibriSpeech" in json.dumps(dict(BUNDLED.provenance))
    assert Calibration.from_json(BUNDLED.to_json()) == BUNDLED


@pytest.mark.parametrize("a", SECONDS)
@pytest.mark.parametrize("b", SECONDS)
def test_a_higher_cosine_is_a_higher_score_and_sides_do_not_matter(a: float, b: float) -> None:
    cosines = np.linspace(-1, 1, 21)
    scores = BUNDLED.llr(cosines, sound(a), sound(b, 1.0))
    assert (np.diff(scores) > 0).all()
    assert scores.tolist() == BUNDLED.llr(cosines, sound(b, 1.0), sound(a)).tolist()


def test_the_same_cosine_says_more_of_short_speech() -> None:
    scores = [float(BUNDLED.llr(0.55, sound(s), sound(s))) for s in (1.0, 3.0, 10.0, 40.0)]
    assert scores == sorted(scores, reverse=True)


def test_the_same_cosine_says_less_between_telephones_and_more_across() -> None:
    here, there = sound(5.0), sound(5.0, 1.0)
    between, plain, across = (
        float(BUNDLED.llr(0.5, a, b)) for a, b in ((there, there), (here, here), (here, there))
    )
    assert between < plain < across


def test_no_speech_at_all_is_no_error() -> None:
    assert np.isfinite(BUNDLED.llr([-1.0, 0.5, 1.0], sound(0.0), sound(1e9))).all()


def test_several_voiceprints_are_one_in_which_short_ones_count_less() -> None:
    axes = np.eye(448, dtype=np.float32)
    long, other = (
        Voiceprint(vector=axis, model=DEFAULT_MODEL, net_speech_s=40.0) for axis in axes[:2]
    )
    short = Voiceprint(vector=axes[2], model=DEFAULT_MODEL, net_speech_s=0.5)
    whole = BUNDLED.merge([long, other, short])
    assert whole.cosine(long) == pytest.approx(whole.cosine(other))
    assert 0 < whole.cosine(short) < 0.5 * whole.cosine(long)
    assert whole.net_speech_s == 80.5
    assert BUNDLED.merge([long]) is long
    silent = Voiceprint(vector=axes[0], model=DEFAULT_MODEL, net_speech_s=0.0)
    assert BUNDLED.merge([silent, silent]).cosine(silent) == pytest.approx(1.0)
    with pytest.raises(InvalidInput):
        BUNDLED.merge([])


def test_somebody_whose_voiceprints_have_no_mean_spoils_no_search() -> None:
    one, other = np.eye(448, dtype=np.float32)[:2]

    def heard(vector: NDArray[np.float32], seconds: float) -> Voiceprint:
        return Voiceprint(vector=vector, model=DEFAULT_MODEL, net_speech_s=seconds)

    opposite = [heard(one, 20.0), heard(-one, 20.0)]
    assert BUNDLED.merge(opposite) == heard(one, 40.0)
    blurred = heard(-one + 1e-4 * other, 20.0)
    assert BUNDLED.merge([opposite[0], blurred]).cosine(opposite[0]) == 1.0
    endless = [heard(one, 1e308), heard(one, 1e308)]
    index = Index(BUNDLED)
    index.load([("opposite", opposite), ("endless", endless), ("good", [heard(other, 30.0)])])
    assert index.search(heard(other, 20.0), k=1)[0].speaker == "good"


_SECONDS = st.floats(0, max_value=float(np.finfo(np.float64).max))


@given(
    signs=st.lists(st.tuples(st.sampled_from([-1, 1]), _SECONDS), min_size=1, max_size=6),
    axis=st.integers(0, 447),
)
def test_any_voiceprints_of_one_person_can_be_merged(
    signs: list[tuple[int, float]], axis: int
) -> None:
    """And searched for, so that nobody spoils a gallery for all others."""
    vector = np.eye(448, dtype=np.float32)[axis]
    prints = [
        Voiceprint(vector=sign * vector, model=DEFAULT_MODEL, net_speech_s=seconds)
        for sign, seconds in signs
    ]
    whole = BUNDLED.merge(prints)
    assert abs(whole.cosine(prints[0])) == pytest.approx(1.0)
    assert np.isfinite(BUNDLED.compare([whole], prints)).all()


def test_everybody_is_compared_with_everybody() -> None:
    random = np.random.default_rng(0)
    prints = [
        Voiceprint(vector=vector, model=DEFAULT_MODEL, net_speech_s=seconds)
        for vector, seconds in zip(
            random.standard_normal((5, 448)).astype(np.float32), (1, 2, 5, 9, 30), strict=True
        )
    ]
    table = BUNDLED.compare(prints[:2], prints)
    assert table.shape == (2, 5)
    for i, a in enumerate(prints[:2]):
        for j, b in enumerate(prints):
            one = BUNDLED.llr(a.cosine(b), BUNDLED.sound([a])[0], BUNDLED.sound([b])[0])
            assert table[i, j] == pytest.approx(float(one))
    assert BUNDLED.compare([], prints).shape == (0, 5)
    foreign = Voiceprint(vector=np.ones(448, np.float32), model="other", net_speech_s=1.0)
    with pytest.raises(ForeignVoiceprint):
        BUNDLED.compare([foreign], prints)


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
        ({"slope": [1.0]}, "2 numbers for slope"),
        ({"telephone": [1.0]}, "449 numbers for telephone"),
        ({"offset": None}, "missing"),
        ({"slope": [1.0, -2.0]}, "slope must be above 0"),
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


def test_a_fit_tells_people_apart_and_strangers_pass_as_often_as_it_says() -> None:
    fitted = fit(drawn(3000, 3000))
    fresh = drawn(3000, 3000, seed=1)
    llr = fresh.llr(fitted)
    assert llr[fresh.same].mean() > 5
    assert llr[~fresh.same].mean() < -5
    for rate in (0.1, 0.01):
        passing = (llr[~fresh.same] >= fitted.threshold(rate)).mean()
        assert rate / 4 < passing < rate * 1.5


def test_the_group_whose_strangers_sound_most_alike_sets_the_thresholds() -> None:
    mixed, alike = drawn(300, 3000), drawn(300, 3000, alike=0.5, seed=1)
    count = len(mixed.vectors)
    together = Comparisons(
        vectors=np.concatenate([mixed.vectors, alike.vectors]),
        net_speech_s=np.concatenate([mixed.net_speech_s, alike.net_speech_s]),
        first=np.concatenate([mixed.first, alike.first + count]),
        second=np.concatenate([mixed.second, alike.second + count]),
        same=np.concatenate([mixed.same, alike.same]),
        weight=np.ones(6600),
        group=np.repeat([0, 1], 3300),
    )
    fitted = fit(together)
    for part in (mixed, alike):
        strangers = part.llr(fitted)[~part.same]
        assert (strangers >= fitted.threshold(0.01)).mean() <= 0.011


def test_a_site_moves_the_scores_to_where_its_voices_are() -> None:
    base = fit(drawn(3000, 3000))
    alike = drawn(300, 3000, alike=0.7, seed=2)  # its people sound more alike
    own = fit_to_site(alike, base=base, provenance={"trials": "ours"})
    assert own.provenance == {"trials": "ours"}
    assert own.half_s == base.half_s
    fresh = drawn(1, 3000, alike=0.7, seed=3)
    assert (fresh.llr(base)[1:] >= base.threshold(0.01)).mean() > 0.05
    assert (fresh.llr(own)[1:] >= own.threshold(0.01)).mean() < 0.02


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
    own = fit_to_site(drawn(40, 200), base=BUNDLED, provenance={})
    assert 0.2 < own.slope[0] / BUNDLED.slope[0] < 5


def test_trials_that_make_no_sense_are_refused() -> None:
    right = drawn(100, 100)
    with pytest.raises(InvalidInput, match="check their labels"):
        fit_to_site(replace(right, same=~right.same), base=BUNDLED, provenance={})
    with pytest.raises(InvalidInput, match="two different people"):
        fit_to_site(drawn(50, 0), base=BUNDLED, provenance={})
