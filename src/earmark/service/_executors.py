"""Who is there to run jobs: this process tells that it lives, and finds out which others do not.

Every process that runs jobs has a fresh id and a row with a heartbeat. One whose heartbeat stands
still, by this process's own clock, or whose process is provably gone, is dead: its jobs are for
the living to take over. A process that was only slow finds its jobs gone and lets go of them.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Collection
from pathlib import Path

from earmark.errors import DiskFull, Unavailable
from earmark.service._store import Store
from earmark.storage import executors as rows

__all__ = ["Executor"]

_log = logging.getLogger(__name__)


class Executor:
    """This process as one that runs jobs, from `start` to `stop`."""

    def __init__(self, store: Store) -> None:
        self._database = store.database
        self._timeout_s = store.settings.worker_timeout_s
        self.id = str(uuid.uuid4())
        self._place = _place()
        self._row = {
            "id": self.id,
            "place": self._place,
            "pid": os.getpid(),
            "pid_started": _started(os.getpid()) or "",
            "started_at": time.time(),
        }
        self._seen: dict[str, tuple[float, float]] = {}  # id: last heartbeat, when it was new
        self._dead: dict[str, float] = {}  # id: its last heartbeat
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="earmark-heartbeat", daemon=True)

    def start(self) -> None:
        """Begin to be counted among the living. Raises `StorageUnavailable` and `DiskFull`."""
        self.beat()
        self._thread.start()

    def stop(self) -> None:
        """End the heartbeat; the row goes too, unless there are jobs left for others to take."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        with self._database.write() as connection:
            rows.remove(connection, self.id)

    def beat(self) -> None:
        """Tell that this process lives, and look who does not any more."""
        now = time.time()
        with self._database.write() as connection:
            rows.beat(connection, {**self._row, "beat_at": now})
            found = rows.listing(connection)
        moment = time.monotonic()
        seen, dead = {}, {}
        for row in found:
            if row["id"] == self.id:
                continue
            beat_at, since = self._seen.get(row["id"], (row["beat_at"], moment))
            if beat_at != row["beat_at"]:
                since = moment
            seen[row["id"]] = (row["beat_at"], since)
            if moment - since > self._timeout_s or self._gone(row):
                dead[row["id"]] = row["beat_at"]
        for executor_id in dead.keys() - self._dead.keys():
            _log.warning("The worker %s is dead: its jobs are taken over.", executor_id)
        self._seen, self._dead = seen, dead

    def known(self) -> set[str]:
        """The ids of all executors that have a row."""
        with self._database.read() as connection:
            return {row["id"] for row in rows.listing(connection)}

    def adopt(self, limit: int, busy: Collection[str]) -> list[str]:
        """Take over jobs that nobody runs, ``limit`` at most; ``busy`` are those run here."""
        dead = self._dead
        with self._database.write() as connection:
            adopted = rows.adopt(
                connection, self.id, dead=list(dead), busy=busy, limit=limit, now=time.time()
            )
            if len(adopted) < limit:
                for executor_id, beat_at in dead.items():
                    rows.remove(connection, executor_id, beat_at)
        return adopted

    def _beat(self) -> None:
        silent = False
        while not self._stopping.wait(self._timeout_s / 4):
            try:
                self.beat()
                silent = False
            except (Unavailable, DiskFull) as error:
                if not silent:
                    _log.warning("The heartbeat fails and is tried again: %s", error)
                silent = True

    def _gone(self, row: rows.Row) -> bool:
        """Whether the process was here and is no more."""
        here: bool = row["place"] == self._place
        return here and _started(row["pid"]) != row["pid_started"]


def _place() -> str:
    """What this process's id is unique in: one run of a machine, one namespace of ids."""
    if not Path("/proc/self/ns/pid").is_symlink():
        return str(uuid.uuid4())  # nobody can look for it: only its heartbeat tells
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{socket.gethostname()} {boot} {Path('/proc/self/ns/pid').readlink()}"


def _started(pid: int) -> str | None:
    """When a process was started, in ticks since the machine was; None: it is no more.

    Fields 3 (state) and 22 (starttime) of proc_pid_stat(5).
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]
