"""The voiceprints of galleries in memory, in step with what all processes write.

A gallery is read when it is first searched. From then on each search sees by the gallery's revision
whether something changed, and reads again only the speakers who did. The vectors are nowhere else
in the clear.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby, islice

import sqlalchemy as sa

from earmark.service._store import Store
from earmark.storage import galleries, voiceprints
from earmark.voiceprints import DEFAULT_MODEL, Calibration, Index, Voiceprint

__all__ = ["GalleryIndexes"]

_MOST_SPEAKERS = 400_000  # in memory, of all galleries; about 0.8 GB
_AT_ONCE = 5000  # voiceprints decrypted in one go
_MANY = 2000  # changes from which on it is quicker to read all

_Print = tuple[str, float, Voiceprint]  # whom it counts for, until when, and what it is


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
        with gallery.lock:
            if gallery.index is None or gallery.revision < revision:
                self._follow(gallery_id, gallery, now)
            if gallery.next_end <= now:
                self._end(gallery_id, gallery, now)
            index = gallery.index
        assert index is not None
        self._make_room(gallery_id)
        return index

    def loaded(self) -> list[str]:
        """The galleries that are in memory, the one searched longest ago first."""
        with self._lock:
            return list(self._galleries)

    def _follow(self, gallery_id: str, gallery: _Gallery, now: float) -> None:
        """Bring a gallery to its newest revision: by its changes, or by reading all of it."""
        with self._store.database.read() as connection:
            if gallery.index is not None:
                changes = galleries.changes(connection, gallery_id, gallery.revision)
                known = bool(changes) and changes[0]["revision"] == gallery.revision + 1
                if known and len(changes) <= _MANY:
                    changed = {change["speaker_id"] for change in changes}
                    self._read_again(connection, gallery_id, gallery, changed, now)
                    gallery.revision = changes[-1]["revision"]
                    return
            # The revision first: what changes while the rest is read is then read once more.
            row = galleries.fetch(connection, gallery_id)
            revision = -1 if row is None else int(row["revision"])
            gallery.index = None
            gallery.index, gallery.ends = self._load(connection, gallery_id, now)
            gallery.next_end = min(gallery.ends.values(), default=math.inf)
            gallery.revision = revision

    def _end(self, gallery_id: str, gallery: _Gallery, now: float) -> None:
        """Take out what has ended to count, unless it counts for longer by now."""
        over = [speaker for speaker, end in gallery.ends.items() if end <= now]
        with self._store.database.read() as connection:
            self._read_again(connection, gallery_id, gallery, over, now)
        gallery.next_end = min(gallery.ends.values(), default=math.inf)

    def _load(
        self, connection: sa.Connection, gallery_id: str, now: float
    ) -> tuple[Index, dict[str, float]]:
        index, ends = Index(self._calibration), dict[str, float]()
        rows = voiceprints.counting(connection, gallery_id, DEFAULT_MODEL)

        def speakers() -> Iterator[tuple[str, list[Voiceprint]]]:
            for speaker, prints in groupby(self._opened(rows, now), lambda each: each[0]):
                theirs = list(prints)
                ends[speaker] = min(end for _, end, _ in theirs)
                yield speaker, [voiceprint for _, _, voiceprint in theirs]

        remaining = speakers()
        while batch := list(islice(remaining, _AT_ONCE)):  # so that not all is in memory twice
            index.load(batch)
        return index, ends

    def _read_again(
        self,
        connection: sa.Connection,
        gallery_id: str,
        gallery: _Gallery,
        speakers: Collection[str],
        now: float,
    ) -> None:
        """Take these speakers as they are now in the database, or out."""
        index = gallery.index
        assert index is not None
        found: dict[str, list[_Print]] = {}
        rows = voiceprints.counting(connection, gallery_id, DEFAULT_MODEL, speakers)
        for each in self._opened(rows, now):
            found.setdefault(each[0], []).append(each)
        for speaker in speakers:
            if theirs := found.get(speaker):
                index.put(speaker, [voiceprint for _, _, voiceprint in theirs])
                gallery.ends[speaker] = end = min(end for _, end, _ in theirs)
                gallery.next_end = min(gallery.next_end, end)
            elif gallery.ends.pop(speaker, None) is not None:
                index.remove(speaker)

    def _opened(self, rows: Iterable[sa.RowMapping], now: float) -> Iterator[_Print]:
        """The voiceprints that count; not those whose data key is gone."""
        remaining = iter(rows)
        while batch := list(islice(remaining, _AT_ONCE)):
            batch = [row for row in batch if row["expires_at"] > now]
            sealed = [(row["speaker_id"], row["sealed"]) for row in batch]
            opened = self._store.vault.open_many(sealed, purpose="voiceprint")
            for row, data in zip(batch, opened, strict=True):
                if data is not None:
                    yield row["counts_for"], row["expires_at"], Voiceprint.from_bytes(data)

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
