"""Who speaks when, while the sound comes: one tracker per session.

Twice a second the newest five seconds are looked at, and what they show is told as provisional
turns. Behind that the offline analysis's own evidence comes together window by window; turns
are confirmed from it as soon as it is complete, 10 to 20 s behind the sound, and the voices are
told apart afresh at growing intervals.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from earmark.diarization import Diarization
from earmark.diarization.parts import (
    ACCURATE,
    FRAME_SAMPLES,
    Channel,
    Clusters,
    CountHint,
    Models,
    diarization_of,
    label_voices,
)
from earmark.live._archive import Archive
from earmark.live._book import PAUSE_S, Book, Piece, joined, label_of, number_of
from earmark.live._changes import HOP_SAMPLES, Change, CleanSpeech, Merge, SpeechEdge
from earmark.live._config import LiveConfig
from earmark.live._hearing import STRETCH_WINDOWS, Hearing
from earmark.live._looks import LOOK_SAMPLES, Looks
from earmark.live._people import People
from earmark.models import Asking

__all__ = ["Tracker"]

Float = NDArray[np.float32]

_RATE = 16_000
_SILENCE_S = 0.5  # after so much of it nobody speaks any more
_CLUSTER_SHARE = 0.15  # voices are told apart afresh after this share of the time so far, ...
_CLUSTER_LEAST_S = 2.0
_CLUSTER_MOST_S = 60.0  # ... within these limits
_CLUSTER_SOONER = 6.0  # times, when somebody new is heard
_EVIDENCE_BYTES = 8_000_000  # about 20 minutes; what is older is put away
_DELAY = 4  # hops from deciding what is embedded until that is settled
_FLUSH_S = 2.5  # between two flushes that see the full evidence
_CLEAN_LEAST_S = 0.4  # shorter stretches are not given as clean speech


class Tracker:
    """`step` and `settle` for each hop of `HOP_SAMPLES`, then `finish`. One thread at a time.

    What is embedded for good is asked a while before `settle` needs it. Who has time then may
    do `behind`; else that does it itself, and all comes out the same.
    """

    def __init__(self, config: LiveConfig, models: Models) -> None:
        self._hint = CountHint.of(config.speakers, config.min_speakers, config.max_speakers)
        self._parameters = ACCURATE
        self._hearing = Hearing(models, ACCURATE)
        dimensions = len(models.networks[models.probed].bias)
        self._people = People(self._hint, ACCURATE, dimensions)
        self._looks = Looks(models, ACCURATE, self._people, self._hearing.filters)
        self._archive = Archive()
        self._book = Book()
        self._settled: list[Piece] = []  # the newest confirmed turns
        self._settled_s = 0.0
        self._clustered_s = 0.0
        self._flushed_s = 0.0
        self._hops = 0
        self._due: deque[int] = deque()  # hops at which what was decided is settled
        self._speaking = False

    @property
    def nbytes(self) -> int:
        """Memory that is held, about."""
        return self._hearing.nbytes + self._archive.nbytes

    def step(self, samples: Float) -> Asking[list[Change]]:
        """The next hop: float32 [`HOP_SAMPLES`]; returns what it changes. `settle` comes next."""
        assert len(samples) == HOP_SAMPLES
        self._hops += 1
        waiting = self._hearing.waiting
        yield from self._hearing.add(samples)
        self._due += [self._hops + _DELAY] * (self._hearing.waiting - waiting)
        changes: list[Change] = []
        frame = self._hearing.end // FRAME_SAMPLES
        changes += yield from self._looks.look(self._hearing.newest(LOOK_SAMPLES), frame)
        changes += self._edges(self._hearing.end / _RATE)
        changes += self._tell()
        return changes

    def settle(self) -> Asking[list[Change]]:
        """The work of a step that its answer need not wait for; returns what that changes."""
        due = 0
        while self._due and self._due[0] <= self._hops:
            self._due.popleft()
            due += 1
        yield from self._hearing.embed(min(due, self._hearing.waiting))
        if not due or self._hearing.settled_s <= self._settled_s:
            return []
        return [*self._confirm(), *self._tell()]

    def behind(self) -> Asking[None] | None:
        """Work that is needed soon, if there is any; until it is done nothing must be `due`."""
        return self._hearing.work() if self._hearing.undone else None

    def due(self, hops: int) -> bool:
        """Whether ``hops`` more bring what needs `behind` to be done."""
        return bool(self._due) and self._due[0] <= self._hops + hops

    def flush(self, rest: Float) -> Asking[list[Change]]:
        """What is known with ``rest``, less than a hop, as if nothing followed; it comes again.

        That is seen in the full evidence, as by `finish`, unless it was just now.
        """
        end = (self._hearing.end + len(rest)) / _RATE
        if end - self._flushed_s >= _FLUSH_S:
            self._flushed_s = end
            yield from self._hearing.embed(self._hearing.waiting)
            hearing = self._hearing.copy()
            yield from hearing.finish(rest)
            if pieces := self._all_of(hearing):
                return self._told_so_far(pieces, end)
        rest = rest[: len(rest) // FRAME_SAMPLES * FRAME_SAMPLES]
        window = np.concatenate([self._hearing.newest(LOOK_SAMPLES), rest])[-LOOK_SAMPLES:]
        frame = (self._hearing.end + len(rest)) // FRAME_SAMPLES
        changes: list[Change] = []
        changes += yield from self._looks.look(window, frame)
        changes += self._edges(end)
        return changes + self._tell()

    def _all_of(self, hearing: Hearing) -> list[Piece]:
        """Who speaks in all that ``hearing`` has evidence of."""
        origin, evidence = hearing.all()
        if not evidence.unit_vector.any():
            return []
        past = self._past()
        speakers, centroids = self._people.cluster(evidence, [] if past is None else [past[1]])
        channel = label_voices(evidence, speakers, centroids, self._parameters)
        until, told = hearing.end / _RATE, self._book.pieces
        numbers = self._people.number(channel, centroids, origin, until, told, past)
        return _pieces(channel, numbers, origin)

    def _told_so_far(self, pieces: list[Piece], end: float) -> list[Change]:
        """Take over ``pieces``, which reach to ``end`` and are settled as far as all is."""
        since, until = self._hearing.begin_s, self._settled_s
        self._settled = joined([*_cut(self._settled, 0.0, since), *_cut(pieces, since, until)])
        self._looks.correct(pieces, end)
        newest = [replace(piece, settled=False) for piece in _cut(pieces, until, end)]
        settled = [
            replace(piece, settled=piece.end < until - PAUSE_S)
            for piece in _cut(self._settled, since, until)
        ]
        changes: list[Change] = [replace(each, confirmed=False) for each in _clean_speech(newest)]
        changes += self._book.update(since, joined([*settled, *newest]))
        return changes

    def finish(self, rest: Float) -> Asking[tuple[list[Change], Diarization]]:
        """The last samples, any number; returns the last changes and the answer."""
        yield from self._hearing.finish(rest)
        end = self._hearing.end / _RATE
        origin, evidence = self._hearing.all()
        speakers, centroids = self._people.cluster(evidence, self._archive.groups())
        channel = label_voices(evidence, speakers, centroids, self._parameters)
        if self._archive:
            channel = self._archive.before(channel, centroids, origin, self._hearing.begin_s)
            origin = 0.0
        told = self._book.pieces
        numbers = self._people.number(channel, centroids, origin, end, told, self._past())
        since = self._hearing.begin_s
        self._settled = _cut(_pieces(channel, numbers, origin), since, end)
        self._settled_s = end
        changes: list[Change] = []
        changes += self._merge(told, np.inf)
        changes += self._book.update(since, joined(self._settled))
        if self._speaking:
            self._speaking = False
            last = max((piece.end for piece in self._settled), default=end)
            changes.append(SpeechEdge(time=round(last, 3), active=False))
        return changes, self._answer([channel], numbers, end)

    def _confirm(self) -> list[Change]:
        """Settle what the evidence is complete for."""
        before, until = self._settled_s, self._hearing.settled_s
        changes: list[Change] = []
        new = self._people.without_cluster(self._book.pieces, until)
        wait = min(max(until * _CLUSTER_SHARE, _CLUSTER_LEAST_S), _CLUSTER_MOST_S)
        if new:
            wait /= _CLUSTER_SOONER
        clustered = until >= self._clustered_s + wait or not self._people.clustered
        if clustered:
            self._clustered_s = until
            if not (pieces := self._cluster()):
                self._settled_s = until
                return changes
            since = self._hearing.begin_s
        else:
            origin, evidence = self._hearing.view(before)
            speakers, centroids = self._people.nearest(evidence)
            channel = label_voices(evidence, speakers, centroids, self._parameters)
            pieces, since = _pieces(channel, self._people.of(channel), origin), before
        fresh = _cut(pieces, since, until)
        self._settled = joined([*_cut(self._settled, 0.0, since), *fresh])
        self._settled_s = until
        if clustered:
            changes += self._merge(self._book.pieces, until)
        self._looks.correct(self._settled, until)
        self._looks.forget(until)
        changes += _clean_speech(_cut(self._settled, before, until))
        if since < before:
            changes += self._tell(since)
        return changes

    def _cluster(self) -> list[Piece]:
        """Tell the voices apart afresh; who speaks in all sound that there is evidence of."""
        while True:
            origin, evidence = self._hearing.all()
            large = self._hearing.nbytes > _EVIDENCE_BYTES
            large &= self._hearing.next_begin_s < self._settled_s
            if not evidence.unit_vector.any() and not large:
                return []  # nobody yet
            past = self._past()
            earlier = [] if past is None else [past[1]]
            speakers, centroids = self._people.cluster(evidence, earlier)
            channel = label_voices(evidence, speakers, centroids, self._parameters)
            told, settled_s = self._book.pieces, self._hearing.settled_s
            numbers = self._people.number(channel, centroids, origin, settled_s, told, past)
            if not large:
                return _pieces(channel, numbers, origin)
            since, until = self._hearing.begin_s, self._hearing.next_begin_s
            self._archive.add(
                channel,
                speakers,
                numbers,
                evidence,
                windows=STRETCH_WINDOWS,
                origin_s=origin,
                since_s=since,
                until_s=until,
            )
            self._book.forget(until)
            self._settled = _cut(self._settled, until, self._settled_s)
            del evidence  # its arrays are about to change
            self._hearing.forget()

    def _past(self) -> tuple[list[int], Clusters] | None:
        """Who speaks in what is put away."""
        return self._archive.people() if self._archive else None

    def _merge(self, told: list[Piece], until: float) -> list[Merge]:
        """Let go of speakers who are somebody else, from what is settled until then."""
        past = self._past()
        merges = self._people.settle(told, self._settled, until, past[0] if past else ())
        for merge in merges:
            source, target = number_of(merge.source), number_of(merge.target)
            self._book.relabel(source, target)
            self._looks.relabel(source, target)
            self._archive.relabel(source, target)
            self._settled = [
                replace(piece, speaker=target) if piece.speaker == source else piece
                for piece in self._settled
            ]
        return merges

    def _tell(self, since: float | None = None) -> list[Change]:
        """Changes to the turns from ``since`` on, or of the newest ones."""
        until = self._settled_s
        newest = self._looks.pieces(until)
        if since is None:
            since = max(0.0, min(until, self._hearing.end / _RATE - 25.0))
        settled = [
            replace(piece, settled=piece.end < until - PAUSE_S)  # else it may go on
            for piece in _cut(self._settled, since, until)
        ]
        pieces = joined([*settled, *newest])
        return list(self._book.update(since, pieces))

    def _edges(self, now: float) -> list[Change]:
        """Speech that began or ended."""
        last = self._looks.speech_until
        if not self._speaking and now - last < _SILENCE_S and last > 0:
            self._speaking = True
            return [SpeechEdge(time=round(self._looks.speech_since, 3), active=True)]
        if self._speaking and now - last >= _SILENCE_S:
            self._speaking = False
            return [SpeechEdge(time=round(last, 3), active=False)]
        return []

    def _answer(
        self, channels: Sequence[Channel], numbers: list[int], duration: float
    ) -> Diarization:
        """The answer, whose speakers are called as they were in the session."""
        result = diarization_of(
            channels,
            (None,),
            self._hint,
            self._parameters,
            duration=duration,
            start=0.0,
            uri=None,
            warnings=(),
            models={},
        )
        names = {f"SPEAKER_{k:02d}": label_of(number) for k, number in enumerate(numbers)}
        return replace(
            result,
            turns=tuple(replace(turn, speaker=names[turn.speaker]) for turn in result.turns),
            exclusive=tuple(
                replace(turn, speaker=names[turn.speaker]) for turn in result.exclusive
            ),
            voiceprints={names[name]: print_ for name, print_ in result.voiceprints.items()},
        )


def _pieces(channel: Channel, numbers: list[int], origin: float) -> list[Piece]:
    return [
        Piece(
            start=origin + span.start,
            end=origin + span.end,
            speaker=numbers[span.speaker],
            settled=True,
            confidence=span.confidence,
        )
        for span in channel.spans
    ]


def _cut(pieces: Sequence[Piece], since: float, until: float) -> list[Piece]:
    """What lies in ``since`` to ``until``."""
    return [
        replace(piece, start=max(piece.start, since), end=min(piece.end, until))
        for piece in pieces
        if min(piece.end, until) - max(piece.start, since) > 0
    ]


def _clean_speech(pieces: Sequence[Piece]) -> list[CleanSpeech]:
    """Stretches of ``pieces`` in which one speaker alone is heard."""
    edges = sorted({time for piece in pieces for time in (piece.start, piece.end)})
    found: list[CleanSpeech] = []
    for i in range(len(edges) - 1):
        here = [p for p in pieces if p.start <= edges[i] and p.end >= edges[i + 1]]
        if len(here) == 1 and edges[i + 1] - edges[i] >= _CLEAN_LEAST_S:
            found.append(
                CleanSpeech(
                    speaker=label_of(here[0].speaker),
                    start=round(edges[i], 3),
                    end=round(edges[i + 1], 3),
                    confirmed=True,
                )
            )
    return found
