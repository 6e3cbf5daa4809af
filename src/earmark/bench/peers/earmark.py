"""Earmark itself, run like any peer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._profile import Profile
from ._serve import Diarize, Document, serve

if TYPE_CHECKING:
    from earmark.diarization import Diarization


def load(setup: Document) -> Diarize:
    """The diarizer with the benchmark's settings.

    A job may name ``channels``. ``{"details": true}`` asks for the confidences of the last result
    instead, so that putting them into words is not timed. Set up with ``"profile": true``, every
    answer has the CPU seconds of its ``stages``.
    """
    profile = Profile() if setup["profile"] else None
    from earmark.diarization import Diarizer
    from earmark.settings import Settings

    diarizer = Diarizer(settings=Settings(**setup["settings"]), fast=setup["fast"])
    last: list[Diarization] = []

    def diarize(job: Document) -> Document:
        if job.get("details"):
            return describe_confidence(last[0])
        result = diarizer.diarize(
            job["path"], speakers=job["speakers"], channels=job.get("channels", "mix")
        )
        last[:] = [result]
        return {
            "turns": [[t.start, t.end, t.speaker, t.channel] for t in result.turns],
            "duration": result.duration,
            "models": dict(result.models),
            "settings": dict(result.settings),
            "warnings": list(result.warnings),
            "stages": profile.take() if profile else {},
        }

    return diarize


def describe_confidence(result: Diarization) -> Document:
    """The confidence of each turn, in order, and of each frame."""
    frames = result.confidence
    return {
        "turns": [turn.confidence for turn in result.turns],
        "frames": None
        if frames is None
        else {"step": frames.step, "start": frames.start, "values": frames.values.tolist()},
    }


serve(load, ["earmark", "onnxruntime", "numpy"])
