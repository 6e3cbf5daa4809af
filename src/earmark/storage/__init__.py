"""What outlives a process: the database and the blobs."""

from __future__ import annotations

from earmark.storage import _idempotency as idempotency
from earmark.storage import _jobs as jobs
from earmark.storage import _webhooks as webhooks
from earmark.storage._database import Database
from earmark.storage._insert import insert_new

__all__ = ["Database", "idempotency", "insert_new", "jobs", "webhooks"]
