"""The turns of a session, as they were told, in little room: a day has tens of thousands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.live._changes import Merge, TurnChange
from earmark.live._events import Identity, TurnState
from earmark.live._view import KnownTurn

__all__ = ["TurnTable"]

_ROW = np.dtype(
    [
        ("start", np.float64),
        ("end", np.float64),
        ("confidence", np.float32),  # NaN: not known
        ("revision", np.int32),  # 0: never told
        ("speaker", np.int16),
        ("state", np.int8),
        ("going", np.bool_),
    ]
)
_STATES = tuple(TurnState)
_WITHDRAWN = _STATES.index(TurnState.WITHDRAWN)


class TurnTable:
    """Every turn, in a row of its number. Not for several threads at once."""

    def __init__(self) -> None:
        self._rows = np.zeros(64, _ROW)
        self._count = 0
        self._labels: list[str] = []
        self._speech_s = 0.0

    @property
    def speakers(self) -> tuple[str, ...]:
        """The labels of all turns, in the order of their first turns."""
        rows = self._told()
        order = np.argsort(rows["start"], kind="stable")
        return tuple(dict.fromkeys(self._labels[each] for each in rows["speaker"][order].tolist()))

    @property
    def count(self) -> int:
        """How many speakers have turns."""
        return len(np.unique(self._told()["speaker"]))

    @property
    def speech_s(self) -> float:
        """Seconds of all turns; where two speak at once, both count."""
        return max(0.0, self._speech_s)

    def set(self, change: TurnChange) -> int:
        """Take in a change; returns the turn's revision, from 1."""
        row = self._row(change.turn)
        if row["revision"] > 0 and row["state"] != _WITHDRAWN:
            self._speech_s -= float(row["end"] - row["start"])
        if change.state != TurnState.WITHDRAWN:
            self._speech_s += change.end - change.start
        row["start"], row["end"] = change.start, change.end
        row["confidence"] = np.nan if change.confidence is None else change.confidence
        row["revision"] += 1
        row["speaker"] = self._index(change.speaker)
        row["state"], row["going"] = _STATES.index(change.state), change.going
        return int(row["revision"])

    def merge(self, merge: Merge) -> None:
        """Give the turns of one label, from a time on, to another."""
        rows = self._rows[: self._count]
        own = (rows["speaker"] == self._index(merge.source)) & (rows["end"] > merge.since)
        rows["speaker"][own] = self._index(merge.target)

    def since(self, speaker: str) -> float:
        """When the label's first turn begins; 0 when it has none."""
        rows = self._told()
        starts = rows["start"][rows["speaker"] == self._index(speaker)]
        return float(starts.min()) if len(starts) else 0.0

    def between(self, start: float, end: float) -> dict[str, float]:
        """Seconds that each label speaks between two times; a turn that goes on reaches there."""
        rows = self._told()
        reach = np.where(rows["going"], np.maximum(rows["end"], end), rows["end"])
        inside = np.minimum(reach, end) - np.maximum(rows["start"], start)
        seconds: dict[str, float] = {}
        for index in np.flatnonzero(inside > 0).tolist():
            label = self._labels[rows["speaker"][index]]
            seconds[label] = seconds.get(label, 0.0) + float(inside[index])
        return seconds

    def speaker_of(self, spans: Iterable[tuple[float, float]]) -> str | None:
        """Who speaks most of some stretches; None: nobody."""
        said: dict[str, float] = {}
        for start, end in spans:
            for label, seconds in self.between(start, end).items():
                said[label] = said.get(label, 0.0) + seconds
        return max(said, key=lambda label: said[label], default=None)

    def known(self, identities: Mapping[str, Identity | None]) -> tuple[KnownTurn, ...]:
        """All turns in the order of their starts, with the names of their speakers."""
        names = {label: each.name for label, each in identities.items() if each is not None}
        found = []
        rows = self._rows[: self._count].tolist()
        for number, row in enumerate(rows, 1):
            start, end, confidence, revision, speaker, state, going = row
            if revision and state != _WITHDRAWN:
                label = self._labels[speaker]
                turn = KnownTurn(
                    turn=number,
                    revision=revision,
                    state=_STATES[state],
                    start=start,
                    end=end,
                    speaker=label,
                    name=names.get(label),
                    going=going,
                    confidence=None if np.isnan(confidence) else confidence,
                )
                found.append(turn)
        return tuple(sorted(found, key=lambda turn: (turn.start, turn.end, turn.turn)))

    def _told(self) -> NDArray[Any]:
        rows: NDArray[Any] = self._rows[: self._count]
        told: NDArray[Any] = rows[(rows["revision"] > 0) & (rows["state"] != _WITHDRAWN)]
        return told

    def _row(self, turn: int) -> Any:
        if turn > len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros(turn, _ROW)])
        self._count = max(self._count, turn)
        return self._rows[turn - 1]

    def _index(self, label: str) -> int:
        if label not in self._labels:
            self._labels.append(label)
        return self._labels.index(label)
