"""Tags: names and values that tenants give to their things."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from earmark.errors import InvalidOption
from earmark.service._model import Caller
from earmark.service._store import Store
from earmark.storage import resource_tags as rows

__all__ = ["MAX_TAGS", "Tags"]

MAX_TAGS = 50
"""The most that one thing has."""


class Tags:
    """The tags of all tenants. A ``resource`` is the name of a thing, which the dialect has seen.

    Whether the caller may look at the thing is for the dialect to find out first.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def put(self, caller: Caller, resource: str, tags: Mapping[str, str]) -> None:
        """Add tags, or give those that are there new values.

        Raises `InvalidOption` when there would be more than `MAX_TAGS`.
        """
        with self._store.database.write() as connection:
            rows.put(connection, caller.tenant_id, resource, tags)
            if len(rows.listing(connection, caller.tenant_id, resource)) > MAX_TAGS:
                raise InvalidOption(
                    f"One thing has at most {MAX_TAGS} tags: remove some before others are added."
                )

    def remove(self, caller: Caller, resource: str, keys: Collection[str] | None = None) -> None:
        """Remove these tags, or all; those that are not there count as removed."""
        with self._store.database.write() as connection:
            rows.delete(connection, caller.tenant_id, resource, keys)

    def list(self, caller: Caller, resource: str) -> Mapping[str, str]:
        """All tags, by key."""
        with self._store.database.read() as connection:
            return rows.listing(connection, caller.tenant_id, resource)
