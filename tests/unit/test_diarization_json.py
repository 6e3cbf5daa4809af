from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given

from earmark.diarization import Diarization, FrameConfidence, Turn
from earmark.errors import InvalidInput
from results import diarization, turn, turns, voiceprint


def _full() -> Diarization:
    rng = np.random.default_rng(1)
    return Diarization(
        turns=(turn(60, 62, "A", 0), Turn(start=61, end=63, speaker="B", confidence=0.5)),
        exclusive=(turn(60, 61.5, "A"), turn(61.5, 63, "B")),
        duration=30,
        start_s=60,
        channels=(0, 1),
        voiceprints={"A": voiceprint(*rng.normal(size=448)), "B": voiceprint(1, 2)},
        confidence=FrameConfidence(
            values=np.round(rng.random((2, 40)), 3).astype(np.float32), step=0.016875, start=60.0
        ),
        warnings=("It breaks off.",),
        uri="call",
        models={"campplus": "00" * 32},
        settings={"fast": True, "speakers": 2, "threshold": 0.55, "channels": "mix", "max": None},
    )


def test_everything_comes_back() -> None:
    full = _full()
    assert Diarization.from_json(full.to_json(frame_confidence=True)) == full
    assert Diarization.from_json(full.to_json(frame_confidence=True).encode()) == full


@given(turns())
def test_any_turns_come_back(rows: tuple[Turn, ...]) -> None:
    result = diarization(*rows)
    assert Diarization.from_json(result.to_json()) == result
    assert Diarization.from_json(result.to_json(compact=True)) == result


def test_the_biometrics_and_the_frames_can_stay_out() -> None:
    text = _full().to_json(voiceprints=False)
    assert "voiceprints" not in json.loads(text)
    restored = Diarization.from_json(text)
    assert restored.voiceprints == {}
    assert restored.confidence is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not JSON"),
        (b"\xff\xfe\xff", "not JSON"),
        ("[]", "not a document of schema"),
        ('{"schema": "earmark.diarization/2"}', "earmark.diarization/2"),
        ('{"schema": "earmark.diarization/1"}', "has no 'turns'"),
    ],
)
def test_anything_else_is_refused(text: str | bytes, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        Diarization.from_json(text)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("turns", [{"start": 1}]),
        ("turns", [{"start": 2, "end": 1, "speaker": "A"}]),
        ("turns", [{"start": 0, "end": 1, "speaker": "A", "colour": "red"}]),
        ("turns", [{"start": "x", "end": 1, "speaker": "A"}]),
        ("turns", [{"start": 0, "end": 1, "speaker": 7}]),
        ("turns", [{"start": 0, "end": 1, "speaker": "A", "channel": "left"}]),
        ("turns", 5),
        ("duration", "long"),
        ("duration", None),
        ("warnings", None),
        ("models", 3),
        ("voiceprints", {"A": {"model": "m", "vector": "?", "net_speech": 1, "quality": None}}),
        ("voiceprints", []),
        ("confidence", {"start": 0, "step": 0, "values": [[0]]}),
        ("confidence", {"start": 0, "step": "x", "values": [[0]]}),
    ],
)
def test_a_malformed_document_is_refused(member: str, value: object) -> None:
    document = json.loads(_full().to_json())
    document[member] = value
    with pytest.raises(InvalidInput):
        Diarization.from_json(json.dumps(document))
