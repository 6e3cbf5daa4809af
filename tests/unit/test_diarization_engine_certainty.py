"""How likely a frame is right."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Literal

import numpy as np
import pytest

from earmark.diarization._certainty import FEATURES, certainty, frame_features
from earmark.diarization._evidence import Evidence, EvidenceBuilder
from earmark.diarization._labelling import Labels

Kind = Literal["frames", "turns"]

STORED = json.loads(files("earmark.diarization").joinpath("certainty.json").read_text())


def case(speech: float, overlap: float, talkers: int, margin: float) -> tuple[Evidence, Labels]:
    """One frame."""
    builder = EvidenceBuilder()
    probabilities = np.zeros((589, 7), np.float32)
    probabilities[:] = [1 - speech, speech - overlap, 0, 0, overlap, 0, 0]
    builder.add_window(0, probabilities, [])
    labels = Labels(
        active=np.arange(2)[None] < talkers,
        first=np.array([0 if talkers else -1], np.int16),
        margin=np.array([margin], np.float32),
    )
    return builder.build(duration=0.03), labels


def value(speech: float, overlap: float, talkers: int, margin: float, of: Kind = "frames") -> float:
    (one,) = certainty(*case(speech, overlap, talkers, margin), of)
    assert one.dtype == np.float32
    assert 0 <= one <= 1
    return float(one)


def test_the_clearer_the_case_the_surer_it_is() -> None:
    assert value(0.01, 0, 0, 0) > value(0.3, 0.1, 0, 0)  # silence
    assert value(0.99, 0, 1, 3.0) > value(0.99, 0, 1, 0.1) > value(0.51, 0.3, 1, 0.0)  # one talks
    assert value(0.99, 0.9, 2, 2.0) > value(0.9, 0.45, 2, 0.0)  # two talk


def test_one_of_two_people_is_likelier_right_than_both() -> None:
    assert value(0.9, 0.6, 2, 0.5, "turns") > value(0.9, 0.6, 2, 0.5, "frames")


def test_certainty_is_never_all_or_nothing() -> None:
    for speech, overlap, talkers, margin in ((0, 0, 0, 0), (1, 0, 1, 9.0), (1, 1, 2, 9.0)):
        assert 0.01 < value(speech, overlap, talkers, margin) < 0.9999


def test_features_are_as_named() -> None:
    features = frame_features(*case(0.5, 0.5, 1, 7.0))
    assert features.shape == (1, len(FEATURES))
    assert features[0].tolist() == pytest.approx([1, 0, 0, 3])  # even odds; the margin is bounded


def test_the_stored_weights_fit_the_features_and_say_where_they_come_from() -> None:
    assert STORED["features"] == list(FEATURES)
    for of in ("frames", "turns"):
        assert np.array(STORED[of]).shape == (3, len(FEATURES))
    assert {"data", "licences", "description", "command"} <= STORED["provenance"].keys()
    # Share-alike and copyleft recordings train nothing that ships.
    assert "SA" not in " ".join(STORED["provenance"]["licences"])
