"""Results of identifications and voiceprints in the vendor's shapes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from earmark.dialects.pyannoteai._outputs import job_output
from earmark.service import (
    Candidate,
    Identification,
    JobKind,
    Named,
    NamedSpeaker,
    Voice,
    Voices,
)
from earmark.voiceprints import Voiceprint
from pyannoteai_results import ANN, BEN, CAT, a_job, result

TWO = "2 people speak in the recording: the voiceprint is of the one who speaks most."


def candidate(label: str, probability: float) -> Candidate:
    return Candidate(speaker_id=None, label=label, cosine=0.5, llr=1.0, probability=probability)


def speaker(name: str, match: Candidate | None, *others: Candidate) -> NamedSpeaker:
    tried = others if match is None else (match, *others)
    named = Named(match=match, alternatives=tried, margin=None, threshold=0.0)
    return NamedSpeaker(speaker=name, named=named, net_speech_s=4.0, quality=None)


def identified(**render: Any) -> dict[str, Any]:
    """Ann is Sam; Ben is nobody who is known; of Cat there is too little to tell."""
    found = Identification(
        diarization=result(),
        speakers=(
            speaker(ANN, candidate("Sam", 0.994), candidate("Rick", 0.126)),
            speaker(BEN, None, candidate("Rick", 0.3), candidate("Sam", 0.002)),
            speaker(CAT, None),
        ),
    )
    job = replace(a_job(**render), kind=JobKind.IDENTIFY)
    return job_output(job, found.to_json(frame_confidence=True))


def test_that_turns_come_twice_with_and_without_names() -> None:
    output = identified()
    assert output.keys() == {"diarization", "identification", "voiceprints", "warning"}
    assert output["diarization"] == [
        {"speaker": ANN, "start": 0.0, "end": 4.0},
        {"speaker": BEN, "start": 3.0, "end": 5.0},
        {"speaker": CAT, "start": 8.0, "end": 9.0},
    ]
    assert output["identification"] == [
        {"speaker": "Sam", "start": 0.0, "end": 4.0, "diarizationSpeaker": ANN, "match": "Sam"},
        {"speaker": BEN, "start": 3.0, "end": 5.0, "diarizationSpeaker": BEN, "match": None},
        {"speaker": CAT, "start": 8.0, "end": 9.0, "diarizationSpeaker": CAT, "match": None},
    ]


def test_how_each_speaker_compares_with_each_voiceprint() -> None:
    assert identified()["voiceprints"] == [
        {"speaker": ANN, "match": "Sam", "confidence": {"Sam": 99, "Rick": 13}},
        {"speaker": BEN, "match": None, "confidence": {"Rick": 30, "Sam": 0}},
        {"speaker": CAT, "match": None, "confidence": {}},
    ]


def test_that_named_turns_have_the_confidence_of_turns() -> None:
    output = identified(turnLevelConfidence=True, confidence=True, exclusive=True)
    confidences = [turn["confidence"] for turn in output["diarization"]]
    assert [turn["confidence"] for turn in output["identification"]] == confidences
    assert {"confidence", "exclusiveDiarization"} <= output.keys()


def a_voice(name: str, talk_time_s: float, seed: int) -> Voice:
    vector = np.random.default_rng(seed).normal(size=448).astype(np.float32)
    return Voice(
        speaker=name,
        channel=None,
        voiceprint=Voiceprint(vector=vector, model="earmark-1", net_speech_s=talk_time_s),
        talk_time_s=talk_time_s,
    )


@pytest.mark.parametrize(
    ("count", "warnings", "warning"),
    [
        (1, (), None),
        (1, ("It breaks off.",), "It breaks off."),
        (2, ("It breaks off.",), f"It breaks off. {TWO}"),
        (2, (), TWO),
    ],
)
def test_the_voiceprint_of_the_one_who_speaks_most(
    count: int, warnings: tuple[str, ...], warning: str | None
) -> None:
    voices = (a_voice(BEN, 9.0, 1), a_voice(ANN, 4.0, 2))[:count]
    found = Voices(duration_s=20.0, channels=(None,), voices=voices, warnings=warnings)
    output = job_output(replace(a_job(), kind=JobKind.VOICEPRINT), found.to_json())
    assert Voiceprint.from_base64(output.pop("voiceprint")) == voices[0].voiceprint
    assert output == ({} if warning is None else {"warning": warning})
