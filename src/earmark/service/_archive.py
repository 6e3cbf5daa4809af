"""Where does this person speak: one speaker searched in the stored recordings of a tenant."""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Literal

import sqlalchemy as sa

from earmark.diarization import Diarization
from earmark.errors import Conflict, ConsentRequired, InvalidOption, NotFound
from earmark.service._audit import actor_of, note
from earmark.service._identification import Identification
from earmark.service._model import Caller, JobKind, Scope
from earmark.service._speaker_voiceprints import VOICEPRINT
from earmark.service._store import Store
from earmark.storage import job_voiceprints as rows
from earmark.storage import jobs, speakers, voiceprints
from earmark.voiceprints import DEFAULT_MODEL, Calibration, Index, Voiceprint

__all__ = ["Appearance", "Appearances", "Archive", "HeardVoice"]

_AT_ONCE = 500  # voices in memory
_MOST = 200  # recordings in one answer
_SCORED = ("seq", "job_id", "speaker", "cosine", "llr", "probability")
_LAST = 1 << 62  # above every job's number


@dataclass(frozen=True, kw_only=True, slots=True)
class HeardVoice:
    """A voice of a recording that is taken for the speaker's.

    ``speaker`` is its label in the recording's result, ``turns`` when it speaks (start and end in
    seconds) and ``talk_s`` for how long in all. ``cosine``, ``llr`` and ``probability`` say how
    sure that is. ``found_by`` is how: the kept voiceprint of the recording was compared, or an
    identification had named the speaker.
    """

    speaker: str
    turns: tuple[tuple[float, float], ...]
    talk_s: float
    cosine: float
    llr: float
    probability: float
    found_by: Literal["voiceprint", "identification"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Appearance:
    """A recording in which a speaker is heard: the job that diarized it, and the voices in it."""

    job_id: str
    dialect: str
    name: str | None
    created_at: float
    voices: tuple[HeardVoice, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Appearances:
    """Recordings in which a speaker is heard, newest first; ``cursor`` leads to older ones.

    ``searched`` is how many recordings there are whose voices were kept, ``unsearchable`` of how
    many others a result is stored: in those, the speaker is found only where an identification
    had named them. ``threshold`` is the log-likelihood ratio that a voice needed.
    """

    items: tuple[Appearance, ...]
    cursor: str | None
    searched: int
    unsearchable: int
    threshold: float


@dataclass(frozen=True, kw_only=True, slots=True)
class _Found:
    seq: int
    job_id: str
    speaker: str
    cosine: float
    llr: float
    probability: float
    found_by: Literal["voiceprint", "identification"]


class Archive:
    """Searches in what is stored. See `Search` for what every search raises."""

    def __init__(self, store: Store, calibration: Calibration) -> None:
        self._store = store
        self._calibration = calibration

    def where(
        self,
        caller: Caller,
        speaker_id: str,
        *,
        limit: int = 50,
        cursor: str | None = None,
        false_accept_rate: float = 0.001,
    ) -> Appearances:
        """The recordings of the caller's tenant in which an enrolled speaker is heard.

        Of other people's voices, ``false_accept_rate`` (0..1) at most are taken for the speaker's;
        the more recordings there are, the smaller it should be.

        Raises `NotFound`, `ConsentRequired` when the speaker has withdrawn their consent,
        `Conflict` when they have no voiceprint, `InvalidOption`.
        """
        caller.require(Scope.GALLERIES)
        if not 1 <= limit <= _MOST:
            raise InvalidOption(f"A search tells 1 to {_MOST} recordings, not {limit}.")
        threshold = self._calibration.threshold(false_accept_rate)
        before, now = _read_cursor(cursor), time.time()
        with self._store.database.read() as connection:
            speaker = _speaker(connection, caller, speaker_id, now)
            index = self._index(connection, speaker, now)
            family = [
                row["id"]
                for row in speakers.family(connection, [speaker["id"]])
                if row["withdrawn_at"] is None and row["expires_at"] > now
            ]
            total, searched = rows.count_recordings(connection, caller.tenant_id)
        heard = self._heard(caller.tenant_id, index, threshold, before, now)
        named = self._named(caller.tenant_id, family, threshold, before)
        found = list(islice(_by_recording(heard, named), limit + 1))
        items = self._appearances(found[:limit])
        details = {"archive": True, "recordings": searched, "found": len(items)}
        with self._store.database.write() as connection:
            actor = actor_of(caller)
            note(connection, caller.tenant_id, actor, "speaker.search", speaker["id"], details)
        return Appearances(
            items=tuple(items),
            cursor=str(found[limit - 1][0].seq) if len(found) > limit else None,
            searched=searched,
            unsearchable=total - searched,
            threshold=threshold,
        )

    def _index(self, connection: sa.Connection, speaker: sa.RowMapping, now: float) -> Index:
        """An index of this speaker alone."""
        sealed = [
            (row["speaker_id"], row["sealed"])
            for row in voiceprints.counting(
                connection, speaker["gallery_id"], DEFAULT_MODEL, [speaker["id"]]
            )
            if row["expires_at"] > now
        ]
        opened = self._store.vault.open_many(sealed, purpose=VOICEPRINT)
        prints = [Voiceprint.from_bytes(data) for data in opened if data is not None]
        if not prints:
            raise Conflict(
                f"The speaker {speaker['id']!r} has no voiceprint to search with: enrol them."
            )
        index = Index(self._calibration)
        index.put(speaker["id"], prints)
        return index

    def _heard(
        self, tenant_id: str, index: Index, threshold: float, before: int, now: float
    ) -> Iterator[_Found]:
        """The kept voices that sound like the speaker's, newest first, read a part at a time."""
        while True:
            with self._store.database.read() as connection:
                voices = rows.stored(
                    connection, tenant_id, DEFAULT_MODEL, now=now, before=before, limit=_AT_ONCE
                )
            if not voices:
                return
            before = voices[-1]["seq"]
            sealed = [(row["job_id"], row["sealed"]) for row in voices]
            opened = self._store.vault.open_many(sealed, purpose=VOICEPRINT)
            there = [
                (row, Voiceprint.from_bytes(data))
                for row, data in zip(voices, opened, strict=True)
                if data is not None
            ]
            hits = index.search_many([voiceprint for _, voiceprint in there], k=1)
            for (row, _), (hit,) in zip(there, hits, strict=True):
                if hit.llr >= threshold:
                    yield _Found(
                        seq=row["seq"],
                        job_id=row["job_id"],
                        speaker=row["speaker"],
                        cosine=hit.cosine,
                        llr=hit.llr,
                        probability=hit.probability,
                        found_by="voiceprint",
                    )

    def _named(
        self, tenant_id: str, family: Sequence[str], threshold: float, before: int
    ) -> Iterator[_Found]:
        """The voices that identifications took for these, newest first, read a part at a time."""
        while True:
            with self._store.database.read() as connection:
                voices = rows.matches(
                    connection,
                    tenant_id,
                    family,
                    least_llr=threshold,
                    before=before,
                    limit=_AT_ONCE,
                )
            if not voices:
                return
            before = voices[-1]["seq"]
            for row in voices:
                yield _Found(**{name: row[name] for name in _SCORED}, found_by="identification")

    def _appearances(self, found: Sequence[Sequence[_Found]]) -> list[Appearance]:
        """With what the jobs' results say; jobs that have gone meanwhile are left out."""
        with self._store.database.read() as connection:
            known = jobs.fetch_many(connection, [voices[0].job_id for voices in found])
        job_of = {row["id"]: row for row in known}
        there = [
            (job_of[voices[0].job_id], voices) for voices in found if voices[0].job_id in job_of
        ]
        return [each for row, voices in there if (each := self._appearance(row, voices))]

    def _appearance(self, job: sa.RowMapping, voices: Sequence[_Found]) -> Appearance | None:
        if job["result_blob"] is None:
            return None
        try:
            document = self._store.blobs.get(job["result_blob"])
        except NotFound:
            return None
        if job["kind"] == JobKind.IDENTIFY:
            diarization = Identification.from_json(document).diarization
        else:
            diarization = Diarization.from_json(document)
        talk = {each.speaker: each.talk for each in diarization.chart().speakers}
        return Appearance(
            job_id=job["id"],
            dialect=job["dialect"],
            name=job["name"],
            created_at=job["created_at"],
            voices=tuple(
                HeardVoice(
                    speaker=voice.speaker,
                    turns=tuple(
                        (turn.start, turn.end)
                        for turn in diarization.turns
                        if turn.speaker == voice.speaker
                    ),
                    talk_s=talk.get(voice.speaker, 0.0),
                    cosine=voice.cosine,
                    llr=voice.llr,
                    probability=voice.probability,
                    found_by=voice.found_by,
                )
                for voice in voices
            ),
        )


def _by_recording(heard: Iterator[_Found], named: Iterator[_Found]) -> Iterator[list[_Found]]:
    """Both together, a list per recording, newest first, each voice once."""
    # Those that were named come first: what was compared now, which is newer, replaces them.
    merged = heapq.merge(named, heard, key=lambda each: -each.seq)
    for _, voices in groupby(merged, lambda each: each.seq):
        by_label = {each.speaker: each for each in voices}
        yield sorted(by_label.values(), key=lambda each: (-each.llr, each.speaker))


def _speaker(
    connection: sa.Connection, caller: Caller, speaker_id: str, now: float
) -> sa.RowMapping:
    """The speaker, or whom they are merged into."""
    row = speakers.fetch(connection, speaker_id, tenant_id=caller.tenant_id)
    if row is not None and row["merged_into"] is not None:
        row = speakers.fetch(connection, row["merged_into"], tenant_id=caller.tenant_id)
    if row is None or row["expires_at"] <= now:
        raise NotFound(f"There is no speaker {speaker_id!r}.")
    if row["withdrawn_at"] is not None:
        raise ConsentRequired(
            f"The speaker {speaker_id!r} has withdrawn their consent: nobody searches for them."
        )
    return row


def _read_cursor(cursor: str | None) -> int:
    if cursor is None:
        return _LAST
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 19):
        raise InvalidOption(f"{cursor!r} is no cursor: take it from the page before.")
    return int(cursor)
