"""Following jobs: one look at the database serves all who follow one in this process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable

from earmark.errors import EarmarkError
from earmark.service._model import Caller, Job
from earmark.service._rows import job_of
from earmark.service._store import Store
from earmark.storage import jobs as rows
from earmark.storage import keys as key_rows

__all__ = ["Watch"]

_LOOK_S = 0.25  # other processes change jobs too
_AT_ONCE = 500  # ids per query

Changes = asyncio.Queue[Job | None]


class Watch:
    """Looks at the jobs that are followed, as long as any is, and tells what changed.

    A follower whose key is revoked meanwhile, or whose job is deleted, hears None, and so do all
    once ``ended()`` is true.
    """

    def __init__(self, store: Store, ended: Callable[[], bool]) -> None:
        self._store = store
        self._ended = ended
        self._followers: dict[Changes, tuple[str, str | None]] = {}  # each one's job and key
        self._task: asyncio.Task[None] | None = None

    async def follow(self, caller: Caller, job: Job) -> AsyncIterator[Job]:
        """The job whenever it changed after ``job``, until it is over or not to be followed."""
        changes: Changes = asyncio.Queue()
        self._followers[changes] = (job.id, caller.key_id)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._look())
        try:
            while not job.state.over:
                seen = await changes.get()
                if seen is None:
                    return
                if _shown(seen) != _shown(job):
                    yield seen
                job = seen
        finally:
            del self._followers[changes]

    async def _look(self) -> None:
        while self._followers:
            begun = time.monotonic()
            followers = dict(self._followers)
            looking = asyncio.create_task(asyncio.to_thread(self._read, followers.values()))
            while not looking.done():  # however long the database takes to answer
                if self._ended():
                    looking.cancel()
                    for changes in self._followers:
                        changes.put_nowait(None)
                    return
                await asyncio.wait((looking,), timeout=_LOOK_S)
            try:
                found, revoked = looking.result()
            except EarmarkError:
                pass  # the database is away: look again
            else:
                for changes, (job_id, key_id) in followers.items():
                    changes.put_nowait(None if key_id in revoked else found.get(job_id))
            await asyncio.sleep(max(_LOOK_S, time.monotonic() - begun))

    def _read(self, followed: Iterable[tuple[str, str | None]]) -> tuple[dict[str, Job], set[str]]:
        """The jobs that are followed, by id, and those of the keys that are revoked."""
        job_ids = list({job_id for job_id, _ in followed})
        keys = {key_id for _, key_id in followed if key_id is not None}
        found: dict[str, Job] = {}
        with self._store.database.read() as connection:
            for at in range(0, len(job_ids), _AT_ONCE):
                some = rows.fetch_many(connection, job_ids[at : at + _AT_ONCE])
                found |= {row["id"]: job_of(row) for row in some}
            revoked = key_rows.revoked(connection, keys)
        return found, revoked


def _shown(job: Job) -> tuple[str, str, int]:
    return (job.state.value, job.stage, job.progress)
