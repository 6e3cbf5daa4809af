"""Whose voice is it: one or several voices searched among the speakers of galleries."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from earmark.errors import InvalidOption, NotFound
from earmark.service._archive import Appearances, Archive
from earmark.service._audit import actor_of, note
from earmark.service._gallery_index import GalleryIndexes
from earmark.service._model import Caller, IdentifyOptions, Scope
from earmark.service._people import Candidate, Named
from earmark.service._store import Store
from earmark.storage import galleries as gallery_rows
from earmark.storage import speakers as speaker_rows
from earmark.voiceprints import Assignment, Calibration, Hit, Index, Voiceprint, assign

__all__ = ["Search"]

_SURE = 30.0  # a log-likelihood ratio beyond which a probability cannot be told from 0 or 1
_MOST_TOLD = 100
_SENT = "\0"  # before the number of a voiceprint that was sent, where speakers have their id


class Search:
    """Searches, 1:N. Every method sees only the caller's galleries.

    Who has withdrawn their consent, has expired or is erased is matched no more from the moment at
    which that is written, by whatever process. A match is noted with the speaker, whose expiry it
    puts off; every search is noted in the audit log.

    Raises `NotFound` for galleries and speakers that are not the caller's, `ForeignVoiceprint` for
    voiceprints of another model, `KeyringError`, and what the database raises.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    @cached_property
    def calibration(self) -> Calibration:
        """What scores mean here. Raises `InvalidInput` when the settings name an unusable one."""
        return Calibration.of(self._store.settings)

    @cached_property
    def indexes(self) -> GalleryIndexes:
        """What of the galleries is in memory."""
        return GalleryIndexes(self._store, self.calibration)

    def search(
        self,
        caller: Caller,
        galleries: Sequence[str],
        probe: Voiceprint,
        *,
        k: int = 5,
        speakers: Sequence[str] = (),
        false_accept_rate: float | None = 0.01,
        confidence: float = 0.0,
    ) -> Named:
        """Whose voice this is, among the speakers of galleries (ids), or only some of them (ids).

        `IdentifyOptions` says when somebody is a match; ``k`` is how many candidates are told.
        """
        caller.require(Scope.GALLERIES)
        options = IdentifyOptions(
            galleries=tuple(galleries),
            speakers=tuple(speakers),
            exclusive=False,
            false_accept_rate=false_accept_rate,
            confidence=confidence,
            alternatives=k,
        )
        return self._named(caller, {"": probe}, options, (), "speaker.search")[""]

    def identify(
        self,
        caller: Caller,
        voices: Mapping[str, Voiceprint],
        options: IdentifyOptions,
        *,
        sent: Sequence[tuple[str, Voiceprint]] = (),
    ) -> dict[str, Named]:
        """Whom each voice of a recording is taken for, by its label.

        ``sent`` are voiceprints that came with the request, by their labels: candidates too.
        """
        caller.require(Scope.GALLERIES if options.galleries else Scope.JOBS)
        return self._named(caller, voices, options, sent, "speaker.identify")

    def prepare(self, caller: Caller, options: IdentifyOptions) -> None:
        """Have the galleries in memory for `identify`; raises what that would, and is not noted."""
        caller.require(Scope.GALLERIES if options.galleries else Scope.JOBS)
        _check(options)
        _, revisions = self._asked(caller, options)
        for each in revisions.items():
            self.indexes.current(*each, time.time())

    def where(
        self,
        caller: Caller,
        speaker_id: str,
        *,
        limit: int = 50,
        cursor: str | None = None,
        false_accept_rate: float = 0.001,
    ) -> Appearances:
        """In which stored recordings a speaker is heard: see `Archive.where`."""
        return Archive(self._store, self.calibration).where(
            caller, speaker_id, limit=limit, cursor=cursor, false_accept_rate=false_accept_rate
        )

    def _named(
        self,
        caller: Caller,
        voices: Mapping[str, Voiceprint],
        options: IdentifyOptions,
        sent: Sequence[tuple[str, Voiceprint]],
        action: str,
    ) -> dict[str, Named]:
        _check(options)
        now = time.time()
        among, revisions = self._asked(caller, options)
        indexes = [self.indexes.current(*each, now) for each in revisions.items()]
        pool = _Pool([(index, among) for index in indexes])
        if sent:
            pool.add(self._sent(sent))
        threshold = self._threshold(options, len(pool))
        found = assign(
            voices,
            pool,
            exclusive=options.exclusive,
            threshold_llr=threshold,
            k=options.alternatives,
        )
        labels = {f"{_SENT}{i}": label for i, (label, _) in enumerate(sent)}
        people = {hit.speaker for each in found.values() for hit in _hits(each)} - labels.keys()
        with self._store.database.write() as connection:
            for row in speaker_rows.many(connection, people, tenant_id=caller.tenant_id):
                if row["withdrawn_at"] is None and row["expires_at"] > now:
                    labels[row["id"]] = row["name"]
            named = {voice: _of(each, labels, threshold) for voice, each in found.items()}
            self._note(connection, caller, options, named, action, len(pool), now)
        return named

    def _asked(
        self, caller: Caller, options: IdentifyOptions
    ) -> tuple[set[str] | None, dict[str, int]]:
        """Among whom to look (None: all), and the galleries with their revisions."""
        revisions: dict[str, int] = {}
        with self._store.database.read() as connection:
            for gallery_id in options.galleries:
                row = gallery_rows.fetch(connection, gallery_id, tenant_id=caller.tenant_id)
                if row is None:
                    raise NotFound(f"There is no gallery {gallery_id!r}.")
                revisions[gallery_id] = row["revision"]
            if not options.speakers:
                return None, revisions
            rows = speaker_rows.many(connection, options.speakers, tenant_id=caller.tenant_id)
        known = {row["id"] for row in rows if row["gallery_id"] in revisions}
        if unknown := [each for each in options.speakers if each not in known]:
            raise NotFound(
                f"There is no speaker {unknown[0]!r} in the galleries that are searched."
            )
        return {row["merged_into"] or row["id"] for row in rows}, revisions

    def _sent(self, sent: Sequence[tuple[str, Voiceprint]]) -> Index:
        index = Index(self.calibration)
        index.load((f"{_SENT}{i}", [voiceprint]) for i, (_, voiceprint) in enumerate(sent))
        return index

    def _threshold(self, options: IdentifyOptions, candidates: int) -> float:
        """The log-likelihood ratio that satisfies both the rate and the confidence."""
        confidence = min(max(options.confidence, math.exp(-_SURE)), 1 - math.exp(-_SURE))
        least = math.log(confidence / (1 - confidence))
        if options.false_accept_rate is None:
            return least
        rate = self.calibration.threshold(options.false_accept_rate, candidates=max(1, candidates))
        return max(least, rate)

    def _note(
        self,
        connection: sa.Connection,
        caller: Caller,
        options: IdentifyOptions,
        named: Mapping[str, Named],
        action: str,
        candidates: int,
        now: float,
    ) -> None:
        """Put the matches into the rows of speakers and into the audit log, one entry each."""
        matches = {
            each.match.speaker_id: each.match
            for each in named.values()
            if each.match is not None and each.match.speaker_id is not None
        }
        if matches:
            expiry_s = self._store.settings.speaker_expiry_s
            speaker_rows.matched(connection, list(matches), now=now, expiry_s=expiry_s)
        told: dict[str, Any] = {"galleries": list(options.galleries), "candidates": candidates}
        told["voices"] = len(named)
        actor = actor_of(caller)
        for speaker_id, match in matches.items():
            score = {"llr": round(match.llr, 3), "probability": round(match.probability, 4)}
            note(connection, caller.tenant_id, actor, action, speaker_id, told | score)
        if not matches:
            subject = options.galleries[0] if len(options.galleries) == 1 else None
            note(connection, caller.tenant_id, actor, action, subject, told)


class _Pool:
    """Several indexes searched as one."""

    def __init__(self, sources: Sequence[tuple[Index, Collection[str] | None]]) -> None:
        self._sources = list(sources)

    def add(self, index: Index) -> None:
        self._sources.append((index, None))

    def __len__(self) -> int:
        return sum(
            len(index) if among is None else sum(each in index for each in among)
            for index, among in self._sources
        )

    def search_many(self, probes: Sequence[Voiceprint], *, k: int) -> list[list[Hit]]:
        """As `Index.search_many`."""
        merged: list[list[Hit]] = [[] for _ in probes]
        for index, wanted in self._sources:
            for hits, more in zip(
                merged, index.search_many(probes, k=k, among=wanted), strict=True
            ):
                hits.extend(more)
        return [sorted(hits, key=lambda hit: (-hit.llr, hit.speaker))[:k] for hits in merged]


def _check(options: IdentifyOptions) -> None:
    if not 0 <= options.confidence <= 1:
        raise InvalidOption(f"A confidence is a number from 0 to 1, not {options.confidence}.")
    if not 1 <= options.alternatives <= _MOST_TOLD:
        raise InvalidOption(
            f"A search tells 1 to {_MOST_TOLD} candidates per voice, not {options.alternatives}."
        )


def _hits(assignment: Assignment) -> list[Hit]:
    """All candidates of a voice, best first."""
    match = [] if assignment.match is None else [assignment.match]
    return sorted((*match, *assignment.alternatives), key=lambda hit: (-hit.llr, hit.speaker))


def _of(assignment: Assignment, labels: Mapping[str, str], threshold: float) -> Named:
    """With names; without those who have gone since the index was searched."""
    found = {
        hit.speaker: Candidate(
            speaker_id=None if hit.speaker.startswith(_SENT) else hit.speaker,
            label=labels[hit.speaker],
            cosine=hit.cosine,
            llr=hit.llr,
            probability=hit.probability,
        )
        for hit in _hits(assignment)
        if hit.speaker in labels
    }
    return Named(
        match=None if assignment.match is None else found.get(assignment.match.speaker),
        alternatives=tuple(found.values()),
        margin=assignment.margin,
        threshold=threshold,
    )
