"""The quality of a voiceprint: one of four words, never better for worse speech."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.voiceprints import Quality
from earmark.voiceprints._quality import Speech

BEST = Speech(net_s=30.0, snr_db=40.0, consistency=0.8, overlap=0.0)
MEASURES = ("net_s", "snr_db", "consistency", "overlap")

speech = st.builds(
    Speech,
    net_s=st.floats(0, 60),
    snr_db=st.floats(-5, 60),
    consistency=st.floats(-1, 1),
    overlap=st.floats(0, 1),
)


@pytest.mark.parametrize(
    ("worse", "quality"),
    [
        ({}, "high"),
        ({"net_s": 11.9}, "good"),
        ({"net_s": 4.9}, "average"),
        ({"net_s": 1.9}, "poor"),
        ({"snr_db": 13.0}, "good"),
        ({"snr_db": 7.0}, "average"),
        ({"snr_db": 2.0}, "poor"),
        ({"consistency": 0.5}, "good"),
        ({"consistency": 0.4}, "average"),
        ({"consistency": 0.3}, "poor"),
        ({"overlap": 0.2}, "good"),
        ({"overlap": 0.4}, "average"),
        ({"overlap": 0.6}, "poor"),
        ({"overlap": 0.2, "snr_db": 7.0}, "average"),
    ],
)
def test_the_worst_measure_decides(worse: dict[str, float], quality: str) -> None:
    assert replace(BEST, **worse).quality == quality


@given(speech, st.sampled_from(MEASURES), st.floats(0, 60))
def test_worse_speech_is_never_of_better_quality(one: Speech, measure: str, by: float) -> None:
    value = getattr(one, measure)
    worse = replace(one, **{measure: value + by if measure == "overlap" else value - by})
    order = list(Quality)
    assert order.index(worse.quality) <= order.index(one.quality)
