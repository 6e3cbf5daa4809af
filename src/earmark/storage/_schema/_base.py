"""What all tables share."""

from __future__ import annotations

import sqlalchemy as sa

__all__ = ["Id", "Time", "metadata", "tenant"]

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Id = sa.String(64)
Time: sa.Double[float] = sa.Double()


def tenant() -> sa.Column[str]:
    return sa.Column("tenant_id", Id, sa.ForeignKey("tenants.id"), nullable=False)
