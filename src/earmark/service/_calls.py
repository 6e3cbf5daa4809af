"""Calls: their sound arrives while they last, and jobs listen to it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, BinaryIO, TypeAlias

import sqlalchemy as sa

from earmark.audio import PcmFormat
from earmark.errors import AudioTooLarge, Conflict, MediaTooLarge, NotFound
from earmark.service._call_sound import Piece, measure
from earmark.service._delivery import note_event
from earmark.service._idempotency import earlier
from earmark.service._intake import Intake, IntakeWriter
from earmark.service._model import Caller, Idempotency, Leg, Scope
from earmark.service._rows import job_of
from earmark.service._search_findings import SearchFindings
from earmark.service._store import Store
from earmark.storage import calls as rows
from earmark.storage import jobs as job_rows
from earmark.storage import voice_connectors as connector_rows

__all__ = ["LONGEST_S", "Call", "CallWriter", "Calls"]

LONGEST_S = 3600.0
"""Seconds of sound that a call holds of each leg at most: who has not spoken by then has not."""

_BOTH = "both"
_LEASE_S = 15.0  # after the last piece, jobs do not rely any more on who listens while it comes
_AT_ONCE = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """A call as it stands. Times are seconds since 1970 (UTC).

    ``sound_s`` is how many seconds of each leg have come, in ``pieces`` pieces; ``heard_at`` when
    the last one came.
    """

    id: str
    tenant_id: str
    connector: str
    transaction_id: str
    opened_at: float
    heard_at: float
    ended_at: float | None
    sound_s: Mapping[Leg, float]
    pieces: int


CallWriter: TypeAlias = IntakeWriter[Call]


class Calls:
    """The calls of all tenants, known by connector and transaction; each sees only its own.

    All methods raise `Forbidden` without the scope for jobs, and `NotFound` for a call that is
    unknown, forgotten or not the caller's. A call without sound for ``call_idle_s`` has ended.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def open(self, caller: Caller, connector: str, transaction_id: str) -> tuple[Call, bool]:
        """Begin a call, and whether it is new: again is no error while it lasts.

        Raises `NotFound` for an unknown connector, `Conflict` for a call that has ended, and for
        one more than may be open.
        """
        caller.require(Scope.JOBS)
        now = time.time()
        named = _named(caller, connector, transaction_id)
        values = {"id": str(uuid.uuid4()), **named, "opened_at": now, "heard_at": now}
        with self._store.database.write() as connection:
            through = connector_rows.fetch(connection, connector, tenant_id=caller.tenant_id)
            if through is None:
                raise NotFound(f"There is no voice connector {connector!r}.")
            new = rows.insert(connection, values)
            call = self._found(connection, caller, connector, transaction_id)
            _require_going(call)
            if new:
                self._require_room(connection, caller, now)
                note_event(
                    connection,
                    self._store.settings,
                    tenant_id=call.tenant_id,
                    dialect=through["dialect"],
                    about=call.id,
                    event="call.opened",
                    detail={
                        "connector": connector,
                        "transaction": transaction_id,
                        "shown": through["details"],
                    },
                    now=now,
                )
        return call, new

    def get(self, caller: Caller, connector: str, transaction_id: str) -> Call:
        """One call."""
        caller.require(Scope.JOBS)
        with self._store.database.read() as connection:
            return self._found(connection, caller, connector, transaction_id)

    def find(self, caller: Caller, call_id: str) -> Call:
        """One call, by its id."""
        caller.require(Scope.JOBS)
        with self._store.database.read() as connection:
            row = rows.fetch(connection, id=call_id, tenant_id=caller.tenant_id)
        if row is None:
            raise NotFound(f"There is no call with the id {call_id!r}.")
        return self._call(row)

    def by_id(self, call_id: str) -> Call:
        """The call that a job listens to."""
        with self._store.database.read() as connection:
            row = rows.fetch(connection, id=call_id)
            if row is None:
                raise NotFound("The call is over, and its sound is not kept any more.")
            return self._call(row)

    def append(
        self,
        caller: Caller,
        connector: str,
        transaction_id: str,
        *,
        leg: Leg | None,
        sound_format: PcmFormat | None = None,
        listened: Collection[Leg] = (),
        announced: int | None = None,
        promise: Callable[[str], Idempotency | None] = lambda _: None,
    ) -> CallWriter:
        """Begin a piece of sound, which follows what has come before; `CallWriter.commit` adds it.

        ``leg`` None: of both legs, the caller in channel 0 and the callee in channel 1. Without
        ``sound_format`` it is in a container. ``listened`` are the legs that are listened to while
        they come: their jobs wait for what is heard there, as long as pieces keep coming.
        ``promise`` makes of the SHA-256 (hex) of what came what says that it counts once.

        Raises `Conflict` when the call has ended, `MediaTooLarge`, `DiskFull`; the writer's commit
        what `measure` raises, `Conflict`, `AudioTooLarge` and `MediaTooLarge` for more than a call
        holds, and `IdempotencyConflict`.
        """
        call = self.get(caller, connector, transaction_id)
        _require_going(call)

        def finish(intake: Intake) -> Call:
            intake.commit()
            kept = False
            try:
                piece = Piece(open=self._opener(intake.path), format=sound_format, leg=leg)
                seconds = measure(piece, intake.size, self._store.settings)
                values = {
                    "leg": leg or _BOTH,
                    "format": asdict(sound_format) if sound_format else {},
                    "size": intake.size,
                    "duration_s": seconds,
                    "blob": intake.path,
                }
                kept = self._add(call, values, listened, promise(intake.sha256))
            finally:
                if not kept:
                    self._store.blobs.delete(intake.path)
            return self.get(caller, connector, transaction_id)

        intake = Intake(
            self._store,
            f"calls/{caller.tenant_id}/{call.id}/{uuid.uuid4().hex}",
            what="The piece of sound",
            limit=self._store.settings.max_upload_bytes,
            announced=announced,
        )
        return IntakeWriter(intake, finish)

    def end(
        self,
        caller: Caller,
        connector: str,
        transaction_id: str,
        *,
        idempotency: Idempotency | None = None,
    ) -> Call:
        """End a call; again is no error. Jobs make do with what has come."""
        caller.require(Scope.JOBS)
        with self._store.database.write() as connection:
            call = self._found(connection, caller, connector, transaction_id, lock=True)
            earlier(connection, caller.tenant_id, idempotency, call.id)
            if call.ended_at is None:
                rows.update(connection, call.id, {"ended_at": time.time()})
                _wake(connection, call.id, None)
            return self._found(connection, caller, connector, transaction_id)

    def pieces(self, call: Call, leg: Leg) -> list[Piece]:
        """The sound of one leg, in order."""
        with self._store.database.read() as connection:
            found = rows.pieces(connection, call.id, (leg, _BOTH))
        return [
            Piece(
                open=self._opener(row["blob"]),
                format=PcmFormat(**row["format"]) if row["format"] else None,
                leg=None if row["leg"] == _BOTH else leg,
            )
            for row in found
        ]

    def sweep(self, now: float) -> int:
        """End calls that are idle at ``now``, forget those over their time; how many of these."""
        settings = self._store.settings
        with self._store.database.write() as connection:
            for call_id in rows.end_idle(connection, now - settings.call_idle_s, now):
                _wake(connection, call_id, None)
        swept = 0
        while True:
            with self._store.database.write() as connection:
                over = rows.due(connection, now - settings.call_retention_s, _AT_ONCE)
                blobs = rows.blobs(connection, over)
                rows.delete(connection, over)
            self._store.blobs.delete(*blobs)
            swept += len(over)
            if len(over) < _AT_ONCE:
                return swept

    def _add(
        self,
        call: Call,
        values: Mapping[str, Any],
        listened: Collection[Leg],
        promise: Idempotency | None,
    ) -> bool:
        """Note a piece of sound and wake who waits for it; False: it has come before."""
        now = time.time()
        with self._store.database.write() as connection:
            row = rows.fetch(connection, lock=True, id=call.id)
            if row is None:
                raise NotFound(f"There is no call {call.transaction_id!r}.")
            if earlier(connection, call.tenant_id, promise, call.id) is not None:
                return False
            _require_going(self._call(row))
            totals = self._totals(row, values)
            piece = {**values, "created_at": now}
            rows.add_sound(connection, call.id, piece, {**totals, "heard_at": now})
            _wake(connection, call.id, {leg: totals[f"{leg}_s"] for leg in Leg}, listened)
        return True

    def _totals(self, row: sa.RowMapping, piece: Mapping[str, Any]) -> dict[str, Any]:
        """What a call holds with one more piece. Raises when that is too much."""
        settings = self._store.settings
        longest_s = min(LONGEST_S, settings.max_duration_s)
        totals = {"size": row["size"] + piece["size"], "pieces": row["pieces"] + 1}
        for leg in Leg:
            more_s = piece["duration_s"] if piece["leg"] in (leg, _BOTH) else 0.0
            totals[f"{leg}_s"] = row[f"{leg}_s"] + more_s
            if totals[f"{leg}_s"] > longest_s:
                raise AudioTooLarge(
                    f"A call holds {longest_s:g} s of each leg at most, and with this piece there"
                    f" are {totals[f'{leg}_s']:g} s of the {leg}: open another call for what"
                    " follows."
                )
        limit = settings.max_upload_bytes
        if totals["size"] > limit:
            raise MediaTooLarge(
                f"The sound of a call has {limit} bytes at most, and with this piece it has"
                f" {totals['size']}: open another call for what follows.",
                size=totals["size"],
                limit=limit,
            )
        return totals

    def _require_room(self, connection: sa.Connection, caller: Caller, now: float) -> None:
        """Raise `Conflict` when the tenant has more calls open than it may."""
        most = self._store.settings.max_open_calls
        heard_after = now - self._store.settings.call_idle_s
        if rows.count_open(connection, caller.tenant_id, heard_after) > most:
            raise Conflict(
                f"{most} calls are open, and no more may be (EARMARK_MAX_OPEN_CALLS): end some."
            )

    def _found(
        self,
        connection: sa.Connection,
        caller: Caller,
        connector: str,
        transaction_id: str,
        *,
        lock: bool = False,
    ) -> Call:
        named = _named(caller, connector, transaction_id)
        row = rows.fetch(connection, lock=lock, **named)
        if row is None:
            raise NotFound(f"There is no call {transaction_id!r} of the connector {connector!r}.")
        return self._call(row)

    def _call(self, row: sa.RowMapping) -> Call:
        idle_at = row["heard_at"] + self._store.settings.call_idle_s
        ended_at = row["ended_at"] or (idle_at if idle_at <= time.time() else None)
        return Call(
            id=row["id"],
            tenant_id=row["tenant_id"],
            connector=row["connector"],
            transaction_id=row["transaction_id"],
            opened_at=row["opened_at"],
            heard_at=row["heard_at"],
            ended_at=ended_at,
            sound_s={leg: row[f"{leg}_s"] for leg in Leg},
            pieces=row["pieces"],
        )

    def _opener(self, blob: str) -> Callable[[], BinaryIO]:
        return partial(self._store.blobs.open_file, blob)


def _named(caller: Caller, connector: str, transaction_id: str) -> dict[str, str]:
    return {
        "tenant_id": caller.tenant_id,
        "connector": connector,
        "transaction_id": transaction_id,
    }


def _wake(
    connection: sa.Connection,
    call_id: str,
    sound_s: Mapping[Leg, float] | None,
    listened: Collection[Leg] = (),
) -> None:
    """Let the jobs go on that have waited for as much sound, or all when the call is over.

    Those of a leg that is ``listened`` to wait a little longer.
    """
    now = time.time()
    for row in rows.jobs_waiting(connection, call_id):
        job = job_of(row)
        asked, look_at_s = job.options.search, SearchFindings.of(job).look_at_s
        if sound_s is not None and asked is not None:
            if sound_s[asked.leg] < look_at_s:
                continue
            if asked.leg in listened and row["not_before"] > now:
                job_rows.update(connection, job.id, {"not_before": now + _LEASE_S})
                continue
        # It is going to read the stored sound, for which it needs an engine.
        job_rows.update(connection, job.id, {"not_before": 0.0, "fetched": True})


def _require_going(call: Call) -> None:
    if call.ended_at is not None:
        raise Conflict(
            f"The call {call.transaction_id!r} has ended: open another, by a name of its own."
        )
