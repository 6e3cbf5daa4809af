"""Tenants and their callers, for tests."""

from __future__ import annotations

import uuid

from earmark.service import Caller, Scope, Store
from earmark.storage import tenants

__all__ = ["new_caller"]


def new_caller(store: Store, name: str = "acme", *scopes: Scope) -> Caller:
    """A caller of a new tenant; with the scope for jobs unless others are named."""
    tenant_id = str(uuid.uuid4())
    with store.database.write() as connection:
        tenants.insert(connection, tenant_id=tenant_id, name=name, webhook_secret="w", now=0.0)
    return Caller(tenant_id=tenant_id, key_id="EK1", scopes=frozenset(scopes or {Scope.JOBS}))
