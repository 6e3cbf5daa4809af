"""Bytes on their way into the blob store: counted, hashed, and stopped at the limits."""

from __future__ import annotations

import hashlib
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

from earmark.errors import DiskFull, MediaTooLarge
from earmark.service._store import Store

__all__ = ["Intake", "IntakeWriter", "stored_text"]

_CHECK_BYTES = 8 << 20  # how often the free space is looked at
_LONGEST = 255

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Intake:
    """Writes one blob of at most ``limit`` bytes; ``announced`` is how many are to come.

    Raises `MediaTooLarge` as soon as more have come or been announced, `DiskFull` when less than
    the settings' reserve is free or would be left, `StorageUnavailable`. Nothing is kept then.
    """

    def __init__(
        self, store: Store, path: str, *, what: str, limit: int, announced: int | None = None
    ) -> None:
        self.path = path
        self.size = 0
        self._store, self._what, self._limit = store, what, limit
        self._hash = hashlib.sha256()
        self._unchecked = 0
        self._check_size(announced or 0)
        check_room(store, announced or 0)
        self._blob = store.blobs.writer(path)

    @property
    def sha256(self) -> str:
        """Of what has been written, in hex."""
        return self._hash.hexdigest()

    def write(self, data: bytes) -> None:
        try:
            self._check_size(self.size + len(data))
            self._unchecked += len(data)
            if self._unchecked >= _CHECK_BYTES:
                check_room(self._store, 0)
                self._unchecked = 0
        except BaseException:
            self.abort()
            raise
        self._blob.write(data)
        self._hash.update(data)
        self.size += len(data)

    def commit(self) -> None:
        self._blob.commit()

    def abort(self) -> None:
        self._blob.abort()

    def _check_size(self, size: int) -> None:
        if size > self._limit:
            raise MediaTooLarge(
                f"{self._what} has {size} bytes or more, and {self._limit} are accepted.",
                size=size,
                limit=self._limit,
            )


class Finish(Protocol[T_co]):
    """What follows when all bytes have come: checks, commits the intake, and notes the row."""

    def __call__(self, intake: Intake, /) -> T_co: ...


class IntakeWriter(Generic[T]):
    """Takes bytes until `commit` makes something of them.

    As a context manager it aborts unless committed.
    """

    def __init__(self, intake: Intake, finish: Finish[T]) -> None:
        self._intake, self._finish = intake, finish

    def write(self, data: bytes) -> None:
        """Add to the end; raises what `Intake` does."""
        self._intake.write(data)

    def commit(self) -> T:
        """Keep what was written; after an error nothing is kept."""
        try:
            return self._finish(self._intake)
        finally:
            self._intake.abort()  # does nothing once committed

    def abort(self) -> None:
        """Keep nothing. Does nothing once committed or aborted."""
        self._intake.abort()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.abort()


def check_room(store: Store, size: int) -> None:
    """Raise `DiskFull` if ``size`` bytes more would leave less than the reserve."""
    free, reserve = store.blobs.free_bytes(), store.settings.reserve_bytes
    if free - size < reserve:
        raise DiskFull(
            f"The disk of the data folder has {free} bytes free and {reserve} are kept in reserve:"
            " make room, or lower EARMARK_RESERVE_BYTES."
        )


def stored_text(text: str | None) -> str | None:
    """A name as it can be stored: of what databases take, the first 255 characters."""
    if not text:
        return None
    text = text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
    return text[:_LONGEST] or None
