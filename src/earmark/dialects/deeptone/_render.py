"""One period of sound in the vendor's shapes, in streams and in files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from earmark.dialects.deeptone._names import NO_SPEECH, SPEAKER_MAP, TRAITS
from earmark.dialects.deeptone._requests import Asked
from earmark.traits import TraitReport

__all__ = ["People", "entry", "results_message"]

_NO_NAME: Final = re.compile(rf"{NO_SPEECH}|unknown|speaker_[0-9]+")
"""What the model says of others: nobody's name."""


class People:
    """What the people of a stream or channel are called.

    That is speaker_1, speaker_2 … as they first appear, or the name of who was recognised.
    """

    def __init__(self) -> None:
        self._numbered: dict[str, str] = {}
        self._names: dict[str, tuple[str, str]] = {}

    def recognise(self, label: str, identity: tuple[str, str] | None) -> None:
        """Call a label by a name from now on; ``identity`` is an id and a name, None: nobody's."""
        if identity is None:
            self._names.pop(label, None)
        else:
            self._names[label] = identity

    def called(self, label: str) -> str:
        """The name, if only one person has it and it is not what others are called."""
        if label not in self._names:
            return self._number(label)
        known, name = self._names[label]
        namesakes = {each for each, called in self._names.values() if called == name}
        if namesakes == {known} and not _NO_NAME.fullmatch(name):
            return name
        return f"{name} ({self._number(label)})"

    def _number(self, label: str) -> str:
        return self._numbered.setdefault(label, f"speaker_{len(self._numbered) + 1}")


def entry(report: TraitReport, asked: Asked, people: People) -> dict[str, Any]:
    """The ``results`` of one period, and what they were read from as ``raw`` where asked for."""
    results: dict[str, Any] = {}
    raw: dict[str, Any] = {}
    for model in asked.models:
        if model == SPEAKER_MAP:
            results[model] = _speakers(report, asked, people)
            continue
        trait = report.traits[TRAITS[model][0]]
        results[model] = {"result": trait.result, "confidence": round(trait.confidence, 4)}
        if trait.raw:
            raw[model] = {label: round(value, 4) for label, value in trait.raw.items()}
    return {"results": results, "raw": raw} if asked.raw else {"results": results}


def results_message(report: TraitReport, asked: Asked, people: People) -> dict[str, Any]:
    """The message of a stream: by channel as the vendor's clients read it, flat as its page has it.

    ``timestamp`` is milliseconds, a multiple of the period.
    """
    timestamp = float(round(report.start * 1000 / asked.period_ms) * asked.period_ms)
    told = entry(report, asked, people)
    channel = {"timestamp": timestamp, **told}
    message: dict[str, Any] = {
        "message_type": "results",
        "timestamp": timestamp,
        "results": {**told["results"], "channels": {"0": channel}},
    }
    if asked.raw:
        message["raw"] = told["raw"]
    return message


def _speakers(report: TraitReport, asked: Asked, people: People) -> Mapping[str, Any]:
    if report.speaker is None or report.volume < asked.volume:
        return {"speaker_top": NO_SPEECH, "speaker_count": 0}
    return {
        "speaker_top": people.called(report.speaker),
        "speaker_count": max(1, report.speakers or 0),
    }
