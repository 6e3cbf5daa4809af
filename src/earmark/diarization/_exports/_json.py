"""The JSON document ``earmark.diarization/1``."""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from earmark.diarization._confidence import FrameConfidence
from earmark.diarization._turn import Turn
from earmark.errors import InvalidInput
from earmark.voiceprints import Voiceprint

if TYPE_CHECKING:
    from earmark.diarization._result import Diarization

__all__ = ["SCHEMA", "json_document", "line", "load", "pages", "parse_json_document"]

SCHEMA = "earmark.diarization/1"


def json_document(
    result: Diarization, *, compact: bool, voiceprints: bool, frame_confidence: bool
) -> str:
    """Times and confidences to three decimals; vectors as base64 of little-endian float32.

    What is not known is null. ``compact`` puts everything on one line. Ends with a line break.
    """
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "uri": result.uri,
        "start": result.start_s,
        "duration": result.duration,
        "channels": list(result.channels),
        "speakers": list(result.speakers),
        "turns": [_turn(turn) for turn in result.turns],
        "exclusive": [_turn(turn) for turn in result.exclusive],
        "warnings": list(result.warnings),
        "models": dict(result.models),
        "settings": dict(result.settings),
    }
    if voiceprints:
        document["voiceprints"] = {
            name: {
                "model": each.model,
                "vector": base64.b64encode(each.vector.astype("<f4").tobytes()).decode(),
                "net_speech": round(each.net_speech_s, 3),
                "quality": each.quality,
                "consistency": each.consistency,
            }
            for name, each in result.voiceprints.items()
        }
    if frame_confidence and (confidence := result.confidence) is not None:
        document["confidence"] = {
            "start": confidence.start,
            "step": confidence.step,
            "values": [[round(float(v), 3) for v in row] for row in confidence.values],
        }
    return (line(document) if compact else pages(document)) + "\n"


def line(value: object) -> str:
    """The value on one line."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def pages(document: dict[str, Any]) -> str:
    """A member per line, and a turn (or whatever is not a plain value) per line inside it."""
    members = []
    for key, value in document.items():
        if isinstance(value, list) and value and isinstance(value[0], dict | list):
            text = "[\n    " + ",\n    ".join(line(item) for item in value) + "\n  ]"
        elif isinstance(value, dict) and value:
            rows = (f"{line(name)}: {line(item)}" for name, item in value.items())
            text = "{\n    " + ",\n    ".join(rows) + "\n  }"
        else:
            text = line(value)
        members.append(f"  {line(key)}: {text}")
    return "{\n" + ",\n".join(members) + "\n}"


def _turn(turn: Turn) -> dict[str, Any]:
    return {
        "start": turn.start,
        "end": turn.end,
        "speaker": turn.speaker,
        "channel": turn.channel,
        "confidence": turn.confidence,
    }


def parse_json_document(text: str | bytes) -> dict[str, Any]:
    """The constructor arguments of the Diarization that the document holds.

    Raises `InvalidInput` when it is not such a document.
    """
    document = load(text, SCHEMA)
    try:
        return {
            "turns": tuple(Turn(**turn) for turn in document["turns"]),
            "exclusive": tuple(Turn(**turn) for turn in document["exclusive"]),
            "duration": float(document["duration"]),
            "start_s": float(document["start"]),
            "channels": tuple(document.get("channels", ())),
            "uri": document["uri"],
            "warnings": tuple(document["warnings"]),
            "models": dict(document["models"]),
            "settings": dict(document["settings"]),
            "voiceprints": {
                name: Voiceprint(
                    vector=np.frombuffer(base64.b64decode(each["vector"], validate=True), "<f4"),
                    model=each["model"],
                    net_speech_s=each["net_speech"],
                    quality=each["quality"],
                    consistency=each.get("consistency"),
                )
                for name, each in document.get("voiceprints", {}).items()
            },
            "confidence": _frame_confidence(document.get("confidence")),
        }
    except KeyError as error:
        raise InvalidInput(f"The {SCHEMA} document has no {error}.") from error
    except (TypeError, ValueError, AttributeError, binascii.Error) as error:
        raise InvalidInput(f"The {SCHEMA} document is malformed: {error}.") from error


def load(text: str | bytes, schema: str) -> dict[str, Any]:
    """The JSON object of that schema. Raises `InvalidInput` for anything else."""
    try:
        document = json.loads(text)
    except ValueError as error:  # JSONDecodeError and UnicodeDecodeError
        raise InvalidInput(f"This is not JSON: {error}.") from error
    found = document.get("schema") if isinstance(document, dict) else None
    if found != schema:
        raise InvalidInput(f"This JSON is not a document of schema {schema}, but {found!r}.")
    return dict(document)


def _frame_confidence(document: dict[str, Any] | None) -> FrameConfidence | None:
    if document is None:
        return None
    return FrameConfidence(
        values=np.asarray(document["values"], dtype=np.float32),
        step=document["step"],
        start=document["start"],
    )
