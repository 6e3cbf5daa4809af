"""Tenants: whose keys, jobs, media and settings."""

from __future__ import annotations

import re
import secrets
import time
import uuid
from dataclasses import dataclass, fields
from enum import Enum
from typing import Self

import sqlalchemy as sa

from earmark.errors import InvalidOption, NotFound
from earmark.service._store import Store
from earmark.storage import tenants as rows

__all__ = ["UNCHANGED", "Tenant", "Tenants", "Unchanged", "ensure_tenant"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SECRET_CHARACTERS = 128


class Unchanged(Enum):
    """Type of `UNCHANGED`, which stands for "leave it as it is" where None is a value."""

    UNCHANGED = "unchanged"


UNCHANGED = Unchanged.UNCHANGED


@dataclass(frozen=True, kw_only=True, slots=True)
class Tenant:
    """A tenant. ``retention_s`` is how long native jobs are kept once over; None: until deleted.

    ``webhook_secret`` signs the webhooks of dialects that have one secret per team.
    """

    id: str
    name: str
    retention_s: float | None
    webhook_secret: str
    created_at: float

    @classmethod
    def of(cls, row: sa.RowMapping) -> Self:
        """The tenant in a row of the database."""
        return cls(**{field.name: row[field.name] for field in fields(cls)})


class Tenants:
    """The tenants, known by id to the service and by name to people."""

    def __init__(self, store: Store) -> None:
        self._database = store.database

    def get(self, tenant_id: str) -> Tenant:
        """The tenant of this id; raises `NotFound`."""
        with self._database.read() as connection:
            return _found(rows.fetch(connection, tenant_id), tenant_id)

    def ensure(self, name: str) -> Tenant:
        """The tenant of this name, made when there is none; raises `InvalidOption`."""
        with self._database.read() as connection:
            row = rows.by_name(connection, name)
        if row is not None:
            return Tenant.of(row)
        with self._database.write() as connection:
            return ensure_tenant(connection, name)

    def update(
        self,
        tenant_id: str,
        *,
        retention_s: float | Unchanged | None = UNCHANGED,
        webhook_secret: str | Unchanged = UNCHANGED,
    ) -> Tenant:
        """Change what is given; raises `NotFound` and `InvalidOption`."""
        given = {"retention_s": retention_s, "webhook_secret": webhook_secret}
        changes = {name: value for name, value in given.items() if value is not UNCHANGED}
        if isinstance(retention_s, int | float) and not 0 <= retention_s < float("inf"):
            raise InvalidOption(
                f"Jobs cannot be kept {retention_s} seconds: give 0 or more, or none at all to "
                "keep them until they are deleted."
            )
        if isinstance(webhook_secret, str) and not 1 <= len(webhook_secret) <= _SECRET_CHARACTERS:
            raise InvalidOption(
                f"A webhook secret of {len(webhook_secret)} characters cannot be kept: give 1 to "
                f"{_SECRET_CHARACTERS}."
            )
        with self._database.write() as connection:
            if changes:
                rows.update(connection, tenant_id, changes)
            return _found(rows.fetch(connection, tenant_id), tenant_id)


def ensure_tenant(connection: sa.Connection, name: str) -> Tenant:
    """The tenant of this name, made when there is none; its row is locked until the end.

    Raises `InvalidOption` for what cannot be a name.
    """
    if not _NAME.fullmatch(name):
        raise InvalidOption(
            f"{name!r} cannot be the name of a tenant: take 1 to 64 letters, digits, dots, "
            "dashes and underscores, beginning with a letter or digit."
        )
    row = rows.by_name(connection, name, lock=True)
    if row is None:
        rows.insert(
            connection,
            tenant_id=str(uuid.uuid4()),
            name=name,
            webhook_secret=f"whs_{secrets.token_hex(16)}",
            now=time.time(),
        )
        row = rows.by_name(connection, name, lock=True)
    return _found(row, name)


def _found(row: sa.RowMapping | None, name: str) -> Tenant:
    if row is None:
        raise NotFound(f"There is no tenant {name!r}.")
    return Tenant.of(row)
