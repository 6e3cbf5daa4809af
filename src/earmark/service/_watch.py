"""Following jobs: one look at the database serves all who follow one in this process."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
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

Followers = dict[str, set[asyncio.Queue[Job | None]]]


class Watch:
    """Looks at the jobs that are followed, as long as any is, and tells what changed.

    A follower whose key is revoked meanwhile, or whose job is deleted, hears None, and so do all
    once ``ended()`` is true.
    """

    def __init__(self, store: Store, ended: Callable[[], bool]) -> None:
        self._store = store
        self._ended = ended
        self._followers: Followers = defaultdict(set)
        self._keys: dict[asyncio.Queue[Job | None], str | None] = {}
        self._task: asyncio.Task[None] | None = None

    async def follow(self, caller: Caller, job: Job) -> AsyncIterator[Job]:
        """The job whenever it changed after ``job``, until it is over or not to be followed."""
        changes: asyncio.Queue[Job | None] = asyncio.Queue()
        self._followers[job.id].add(changes)
        self._keys[changes] = caller.key_id
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
            self._followers[job.id].discard(changes)
            if not self._followers[job.id]:
                del self._followers[job.id]
            del self._keys[changes]

    async def _look(self) -> None:
        while self._followers:
            begun = time.monotonic()
            followed = list(self._followers)
            keys = {key for key in self._keys.values() if key is not None}
            looking = asyncio.create_task(asyncio.to_thread(self._read, followed, keys))
            while not looking.done():  # however long the database takes to answer
                if self._ended():
                    looking.cancel()
                    self._tell_all(None)
                    return
                await asyncio.wait((looking,), timeout=_LOOK_S)
            try:
                found, revoked = looking.result()
            except EarmarkError:
                found, revoked = None, set[str]()  # the database is away: look again
            if found is not None:
                for job_id in followed:
                    for changes in self._followers.get(job_id, ()):
                        out = self._keys[changes] in revoked
                        changes.put_nowait(None if out else found.get(job_id))
            await asyncio.sleep(max(_LOOK_S, time.monotonic() - begun))

    def _tell_all(self, job: Job | None) -> None:
        for changes in self._keys:
            changes.put_nowait(job)

    def _read(self, job_ids: list[str], keys: Iterable[str]) -> tuple[dict[str, Job], set[str]]:
        found: dict[str, Job] = {}
        with self._store.database.read() as connection:
            for at in range(0, len(job_ids), _AT_ONCE):
                some = rows.fetch_many(connection, job_ids[at : at + _AT_ONCE])
                found |= {row["id"]: job_of(row) for row in some}
            revoked = key_rows.revoked(connection, list(keys))
        return found, revoked


def _shown(job: Job) -> tuple[str, str, int]:
    return (job.state.value, job.stage, job.progress)
