"""Rows of executors, the processes that run jobs, and which jobs have lost theirs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from earmark.storage._schema import executors, jobs

__all__ = ["adopt", "beat", "listing", "remove"]

Row = sa.RowMapping


def beat(connection: sa.Connection, values: Mapping[str, Any]) -> None:
    """Note that the executor with these columns is alive; its row is made when there is none."""
    beaten = connection.execute(
        executors.update().where(executors.c.id == values["id"]).values(beat_at=values["beat_at"])
    )
    if beaten.rowcount == 0:
        connection.execute(executors.insert().values(values))


def listing(connection: sa.Connection) -> Sequence[Row]:
    return connection.execute(sa.select(executors)).mappings().all()


def remove(connection: sa.Connection, executor_id: str, beat_at: float | None = None) -> None:
    """Forget an executor that runs nothing, if it was not alive after ``beat_at``."""
    busy = sa.exists().where(jobs.c.executor_id == executor_id, jobs.c.state == "running")
    gone = executors.delete().where(executors.c.id == executor_id, ~busy)
    if beat_at is not None:
        gone = gone.where(executors.c.beat_at == beat_at)
    connection.execute(gone)


def adopt(
    connection: sa.Connection,
    executor_id: str,
    *,
    dead: Collection[str],
    busy: Collection[str],
    limit: int,
    now: float,
) -> list[str]:
    """Give to this executor running jobs that nobody runs, the oldest first; their ids.

    Nobody runs the jobs of ``dead`` executors, of executors without a row, and of this executor
    itself when they are not among those that it is ``busy`` with. An attempt is counted for those
    that had come to be analysed.
    """
    orphaned = (
        jobs.c.executor_id.is_(None)
        | jobs.c.executor_id.in_(dead)
        | ~sa.exists().where(executors.c.id == jobs.c.executor_id)
        | ((jobs.c.executor_id == executor_id) & jobs.c.id.not_in(busy))
    )
    lost = (jobs.c.state == "running") & orphaned
    # Who died before the recording was in an engine's hands did not die of it.
    begun = sa.case((jobs.c.stage == "fetching", 0), else_=1)
    found = connection.scalars(
        sa.select(jobs.c.id).where(lost).order_by(jobs.c.seq).limit(limit)
    ).all()
    adopted = []
    for job_id in found:
        # Asked again with the change: another executor may be doing the same.
        changed = connection.execute(
            jobs.update()
            .where(jobs.c.id == job_id, lost)
            .values(
                executor_id=executor_id,
                attempts=jobs.c.attempts + begun,
                stage="fetching",
                updated_at=now,
            )
        )
        if changed.rowcount == 1:
            adopted.append(job_id)
    return adopted
