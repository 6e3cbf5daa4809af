"""The voiceprints of galleries in memory, in step with what all processes write.

A gallery is read when it is first searched. From then on each search, and `GalleryIndexes.refresh`
once in a while, sees by the gallery's revision whether something changed, and reads again only the
speakers who did. The vectors are nowhere else in the clear.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from earmark.service._speaker_voiceprints import VOICEPRINT
from earmark.service._store import Store
from earmark.storage import galleries, voiceprints
from earmark.voiceprints import DEFAULT_MODEL, Calibration, Index

__all__ = ["GalleryIndexes"]

_MOST_SPEAKERS = 400_000  # in memory, of all galleries; about 0.8 GB
_AT_ONCE = 5000  # voiceprints decrypted in one go
_MANY = 2000  # speakers from which on it is quicker to read all


@dataclass(slots=True)
class _Gallery:
    """A gallery in memory; ``ends`` is when the first voiceprint of each speaker ends to count.

    Before ``next_end`` none of them does.
    """

    index: Index | None = None
    revision: int = -1
    ends: dict[str, float] = field(default_factory=dict)
    next_end: float = math.inf
    lock: threading.Lock = field(default_factory=threading.Lock)


class GalleryIndexes:
    """The indexes of the galleries that were searched last. Safe for threads."""

    def __init__(
        self, store: Store, calibration: Calibration, *, most_speakers: int = _MOST_SPEAKERS
    ) -> None:
        self._store = store
        self._calibration = calibration
        self._most_speakers = most_speakers
        self._galleries: OrderedDict[str, _Gallery] = OrderedDict()
        self._lock = threading.Lock()

    def current(self, gallery_id: str, revision: int, now: float) -> Index:
        """The index of a gallery, at this revision or a later one, of who may be matched now.

        Raises `KeyringError` and what the database raises.
        """
        with self._lock:
            gallery = self._galleries.setdefault(gallery_id, _Gallery())
            self._galleries.move_to_end(gallery_id)
        index = self._up_to_date(gallery_id, gallery, revision, now)
        self._make_room(gallery_id)
        return index

    def refresh(self) -> None:
        """Bring all that is in memory up to date, though nobody searches it.

        Who was erased, has expired or has withdrawn their consent is then in memory no more, nor is
        a gallery that was deleted. Raises what `current` raises.
        """
        now = time.time()
        with self._lock:
            held = list(self._galleries.items())
        for gallery_id, gallery in held:
            with self._store.database.read() as connection:
                row = galleries.fetch(connection, gallery_id)
            if row is not None:
                self._up_to_date(gallery_id, gallery, row["revision"], now)
            else:
                with self._lock:
                    self._galleries.pop(gallery_id, None)

    def loaded(self) -> list[str]:
        """The galleries that are in memory, the one searched longest ago first."""
        with self._lock:
            return list(self._galleries)

    def _up_to_date(self, gallery_id: str, gallery: _Gallery, revision: int, now: float) -> Index:
        with gallery.lock:
            if gallery.index is None or gallery.revision < revision:
                self._follow(gallery_id, gallery, now)
            if gallery.next_end <= now:
                self._end(gallery_id, gallery, now)
            assert gallery.index is not None
            return gallery.index

    def _follow(self, gallery_id: str, gallery: _Gallery, now: float) -> None:
        """Bring a gallery to its newest revision: by its changes, or by reading all of it."""
        with self._store.database.read() as connection:
            if gallery.index is not None:
                changes = galleries.changes(connection, gallery_id, gallery.revision, _MANY + 1)
                known = bool(changes) and changes[0]["revision"] == gallery.revision + 1
                if known and len(changes) <= _MANY:
                    changed = {change["speaker_id"] for change in changes}
                    self._read_again(connection, gallery_id, gallery, changed, now)
                    gallery.revision = changes[-1]["revision"]
                    return
            self._read(connection, gallery_id, gallery, now)

    def _end(self, gallery_id: str, gallery: _Gallery, now: float) -> None:
        """Take out what has ended to count, unless it counts for longer by now."""
        over = {speaker for speaker, end in gallery.ends.items() if end <= now}
        with self._store.database.read() as connection:
            if len(over) > _MANY:
                self._read(connection, gallery_id, gallery, now)
            else:
                self._read_again(connection, gallery_id, gallery, over, now)
        gallery.next_end = min(gallery.ends.values(), default=math.inf)

    def _read(
        self, connection: sa.Connection, gallery_id: str, gallery: _Gallery, now: float
    ) -> None:
        """Take all of a gallery as it is now in the database."""
        # The revision first: what changes while the rest is read is then read once more.
        row = galleries.fetch(connection, gallery_id)
        count = voiceprints.count(connection, gallery_id, DEFAULT_MODEL)
        gallery.index = None  # which need not be in memory beside the new one
        index, ends = Index(self._calibration, room=count), dict[str, float]()
        for part in voiceprints.counting_parts(connection, gallery_id, DEFAULT_MODEL, _AT_ONCE):
            ends |= self._put(index, part, now)
        gallery.index, gallery.ends = index, ends
        gallery.next_end = min(ends.values(), default=math.inf)
        gallery.revision = -1 if row is None else int(row["revision"])

    def _read_again(
        self,
        connection: sa.Connection,
        gallery_id: str,
        gallery: _Gallery,
        speakers: set[str],
        now: float,
    ) -> None:
        """Take these speakers as they are now in the database, or out."""
        index, ends = gallery.index, dict[str, float]()
        assert index is not None
        for part in voiceprints.counting_parts(
            connection, gallery_id, DEFAULT_MODEL, _AT_ONCE, speakers
        ):
            ends |= self._put(index, part, now)
        for speaker in speakers - ends.keys():
            if gallery.ends.pop(speaker, None) is not None:
                index.remove(speaker)
        gallery.ends |= ends
        gallery.next_end = min(gallery.next_end, *ends.values(), math.inf)

    def _put(
        self, index: Index, part: Sequence[voiceprints.Counting], now: float
    ) -> dict[str, float]:
        """Put what counts into the index, not what has no data key; until when, by speaker."""
        sealed = [(owner, data) for owner, _, end, data in part if end > now]
        whose = [(speaker, end) for _, speaker, end, _ in part if end > now]
        opened = self._store.vault.open_many(sealed, purpose=VOICEPRINT)
        found, ends = [], dict[str, float]()
        for (speaker, end), data in zip(whose, opened, strict=True):
            if data is not None:
                found.append((speaker, data))
                ends[speaker] = min(end, ends.get(speaker, end))
        index.load_portable(found)
        return ends

    def _make_room(self, kept: str) -> None:
        """Let go of the galleries searched longest ago, while there is too much in memory."""
        with self._lock:
            held = {
                gallery_id: 0 if gallery.index is None else len(gallery.index)
                for gallery_id, gallery in self._galleries.items()
            }
            total = sum(held.values())
            for gallery_id, count in held.items():
                if total <= self._most_speakers:
                    return
                if gallery_id != kept:
                    del self._galleries[gallery_id]
                    total -= count
