"""Who sounds most like this voice: an exact search over people in memory.

A person is one row of a matrix: the mean of all their voiceprints (`Calibration.merge`). One
product of the matrix with a probe gives every cosine in float32; the best are then computed again
in float64, so that scores do not depend on how many threads or probes took part.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice

import numpy as np
from numpy.typing import NDArray

from earmark.errors import InvalidOption
from earmark.models import product
from earmark.voiceprints._calibration import Calibration, Sound
from earmark.voiceprints._lock import SharedLock
from earmark.voiceprints._portable import unpack_many
from earmark.voiceprints._voiceprint import DEFAULT_MODEL, DIMENSIONS, Voiceprint, require_model

__all__ = ["Hit", "Index"]

Float = NDArray[np.float32]
Double = NDArray[np.float64]
Int = NDArray[np.int64]

_LEAST_ROWS = 64
_LOADED_AT_ONCE = 1024
_AT_ONCE = 64  # probes whose cosines with everybody are in memory together
_ROUNDING = 1e-3  # by how much an LLR in float32 may be off


@dataclass(frozen=True, kw_only=True, slots=True)
class Hit:
    """One person as the answer to a search.

    ``llr`` is the log-likelihood ratio (natural logarithm) of this person against somebody else,
    ``probability`` (0..1) what it comes to at even odds.
    """

    speaker: str
    cosine: float
    llr: float
    probability: float


class Index:
    """People and their voiceprints of the default model, for searches from many threads at once.

    Adding, replacing and removing somebody touches one row; memory is 1.8 kB per person and grows
    by doubling.
    """

    def __init__(self, calibration: Calibration | None = None, *, room: int = 0) -> None:
        """With room for so many people, before it has to grow."""
        self._calibration = calibration or Calibration.load()
        self._lock = SharedLock()
        self._speakers: list[str] = []
        self._rows: dict[str, int] = {}
        self._vectors = np.zeros((max(room, _LEAST_ROWS), DIMENSIONS), np.float32)
        self._sound = _silence(len(self._vectors))

    @property
    def calibration(self) -> Calibration:
        """What the scores are calibrated with."""
        return self._calibration

    def __len__(self) -> int:
        """How many people there are."""
        return len(self._speakers)

    def __contains__(self, speaker: object) -> bool:
        return speaker in self._rows

    def load(self, items: Iterable[tuple[str, Sequence[Voiceprint]]]) -> None:
        """Put many people.

        Raises what `put` raises; those before the one at fault may then have been put.
        """
        merged = ((speaker, self._calibration.merge(prints)) for speaker, prints in items)
        while batch := list(islice(merged, _LOADED_AT_ONCE)):
            self._put(
                [speaker for speaker, _ in batch],
                np.stack([whole.vector for _, whole in batch]),
                np.array([whole.net_speech_s for _, whole in batch]),
            )

    def load_portable(self, items: Sequence[tuple[str, bytes]]) -> None:
        """Put many people by their portable voiceprints, all of one person's side by side.

        Raises `VoiceprintError` and `ForeignVoiceprint`, as `load` does.
        """
        speakers, data = [speaker for speaker, _ in items], [each for _, each in items]
        many = unpack_many(data, DEFAULT_MODEL, DIMENSIONS) if data else None
        if many is None:
            self.load(_read(items))  # which tells what is wrong
            return
        vectors, seconds = many
        firsts = [i for i in range(len(data)) if i == 0 or speakers[i] != speakers[i - 1]]
        if len(firsts) < len(data):
            for first, end in zip(firsts, [*firsts[1:], len(data)], strict=True):
                if end - first > 1:
                    whole = self._merged(vectors[first:end], seconds[first:end])
                    vectors[first], seconds[first] = whole.vector, whole.net_speech_s
            speakers = [speakers[first] for first in firsts]
            vectors, seconds = vectors[firsts], seconds[firsts]
        self._put(speakers, vectors, seconds)

    def put(self, speaker: str, prints: Sequence[Voiceprint]) -> None:
        """Add a person, or replace all their voiceprints.

        Raises `InvalidInput` when there is no voiceprint and `ForeignVoiceprint` when one is not
        of the default model, and then changes nothing.
        """
        self.load([(speaker, prints)])

    def remove(self, speaker: str) -> bool:
        """Forget a person and overwrite the row with zeros; whether there was one."""
        with self._lock.writing():
            row = self._rows.pop(speaker, None)
            if row is None:
                return False
            last = len(self._speakers) - 1
            moved = self._speakers[last]
            if row != last:  # rows stay together: the last one moves into the gap
                self._speakers[row] = moved
                self._rows[moved] = row
            for part in (self._vectors, self._sound.clarity, self._sound.telephone):
                part[row] = part[last]
                part[last] = 0
            self._speakers.pop()
            return True

    def search(
        self, probe: Voiceprint, *, k: int = 10, among: Collection[str] | None = None
    ) -> list[Hit]:
        """The ``k`` people who sound most like ``probe``, best first, equals by id.

        With ``among``, only these; ids that nobody here has are passed over. Raises
        `ForeignVoiceprint` when the probe is not of the default model, `InvalidOption` for a
        ``k`` below 1.
        """
        return self.search_many([probe], k=k, among=among)[0]

    def search_many(
        self, probes: Sequence[Voiceprint], *, k: int = 10, among: Collection[str] | None = None
    ) -> list[list[Hit]]:
        """`search` for several probes, which costs much less than one after the other."""
        if k < 1:
            raise InvalidOption(f"A search finds one person or more, not {k}.")
        for probe in probes:
            require_model(probe)
        with self._lock.reading():
            rows = None if among is None else self._rows_of(among)
            chosen = slice(len(self._speakers)) if rows is None else rows
            vectors, sound = self._vectors[chosen], self._sound[chosen]
            found = []
            for start in range(0, len(probes), _AT_ONCE):
                part = probes[start : start + _AT_ONCE]
                own = self._calibration.sound(part)
                for i, cosines in enumerate(_cosines(part, vectors)):
                    near = _best(self._calibration.llr(cosines, own[i], sound), k)
                    names = [self._speakers[row] for row in (near if rows is None else rows[near])]
                    hits = self._hits(names, vectors[near], sound[near], part[i], own[i])
                    found.append(hits[:k])
            return found

    def _merged(self, vectors: Float, net_speech_s: Double) -> Voiceprint:
        rows = zip(vectors, net_speech_s, strict=True)
        return self._calibration.merge(
            [Voiceprint(vector=row, model=DEFAULT_MODEL, net_speech_s=each) for row, each in rows]
        )

    def _put(self, speakers: Sequence[str], vectors: Float, net_speech_s: Double) -> None:
        """Put each of these people with one row of ``vectors``."""
        sound = self._calibration.sound_of(vectors, net_speech_s)
        with self._lock.writing():
            self._grow(len(self._speakers) + len(speakers))
            rows = np.array([self._row_for(speaker) for speaker in speakers], np.int64)
            self._vectors[rows] = vectors
            self._sound.clarity[rows] = sound.clarity
            self._sound.telephone[rows] = sound.telephone

    def _row_for(self, speaker: str) -> int:
        row = self._rows.setdefault(speaker, len(self._speakers))
        if row == len(self._speakers):
            self._speakers.append(speaker)
        return row

    def _grow(self, needed: int) -> None:
        if needed <= len(self._vectors):
            return
        room = max(needed, 2 * len(self._vectors))
        vectors, sound = np.zeros((room, DIMENSIONS), np.float32), _silence(room)
        for old, new in (
            (self._vectors, vectors),
            (self._sound.clarity, sound.clarity),
            (self._sound.telephone, sound.telephone),
        ):
            new[: len(old)] = old
        self._vectors.fill(0)  # nobody's voiceprint stays in memory that is given back
        self._vectors, self._sound = vectors, sound

    def _rows_of(self, speakers: Collection[str]) -> Int:
        known = {self._rows[each] for each in speakers if each in self._rows}
        return np.array(sorted(known), np.int64)

    def _hits(
        self, names: list[str], vectors: Float, sound: Sound, probe: Voiceprint, own: Sound
    ) -> list[Hit]:
        """These people, scored exactly, best first."""
        exact = vectors.astype(np.float64) * probe.vector.astype(np.float64)
        cosines = np.clip(exact.sum(axis=1), -1.0, 1.0)
        llr = self._calibration.llr(cosines, own, sound)
        probability = self._calibration.probability(llr)
        hits = [
            Hit(speaker=name, cosine=each[0], llr=each[1], probability=each[2])
            for name, each in zip(
                names, np.stack([cosines, llr, probability], axis=1).tolist(), strict=True
            )
        ]
        return sorted(hits, key=lambda hit: (-hit.llr, hit.speaker))


def _read(items: Sequence[tuple[str, bytes]]) -> Iterator[tuple[str, list[Voiceprint]]]:
    """Voiceprints from their portable form, all of one person's together."""
    for speaker, theirs in groupby(items, lambda each: each[0]):
        yield speaker, [Voiceprint.from_bytes(data) for _, data in theirs]


def _silence(rows: int) -> Sound:
    return Sound(clarity=np.zeros(rows), telephone=np.zeros(rows))


def _cosines(probes: Sequence[Voiceprint], vectors: Float) -> Float:
    """Cosines [probes, rows]."""
    if len(probes) == 1:
        return np.asarray((vectors @ probes[0].vector)[None])
    return product(np.stack([probe.vector for probe in probes]), vectors)


def _best(llr: Double, k: int) -> Int:
    """Where the ``k`` highest are, with those that rounding may have put behind them."""
    if len(llr) <= k:
        return np.arange(len(llr))
    least = np.partition(llr, len(llr) - k)[len(llr) - k]
    return np.flatnonzero(llr >= least - _ROUNDING)
