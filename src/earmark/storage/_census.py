"""How many rows there are of what, for those who watch over the service."""

from __future__ import annotations

import sqlalchemy as sa

from earmark.storage._schema import jobs as _jobs

__all__ = ["jobs"]


def jobs(connection: sa.Connection) -> dict[tuple[str, str], int]:
    """(kind, state) -> how many jobs, of all tenants."""
    rows = connection.execute(
        sa.select(_jobs.c.kind, _jobs.c.state, sa.func.count()).group_by(
            _jobs.c.kind, _jobs.c.state
        )
    )
    return {(kind, state): count for kind, state, count in rows}
