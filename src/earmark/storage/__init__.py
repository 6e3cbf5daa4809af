"""What outlives a process: the database and the blobs."""

from __future__ import annotations

from earmark.storage import _deliveries as deliveries
from earmark.storage import _executors as executors
from earmark.storage import _idempotency as idempotency
from earmark.storage import _installation as installation
from earmark.storage import _jobs as jobs
from earmark.storage import _keys as keys
from earmark.storage import _media as media
from earmark.storage import _tenants as tenants
from earmark.storage import _uploads as uploads
from earmark.storage import _webhooks as webhooks
from earmark.storage._backup import back_up
from earmark.storage._blobs import BlobInfo, Blobs, BlobWriter
from earmark.storage._database import Database
from earmark.storage._folder import private_file
from earmark.storage._insert import insert_new
from earmark.storage._layout import KEY_FILE
from earmark.storage._migrate import migrate
from earmark.storage._orphans import sweep_orphans

__all__ = [
    "KEY_FILE",
    "BlobInfo",
    "BlobWriter",
    "Blobs",
    "Database",
    "back_up",
    "deliveries",
    "executors",
    "idempotency",
    "insert_new",
    "installation",
    "jobs",
    "keys",
    "media",
    "migrate",
    "private_file",
    "sweep_orphans",
    "tenants",
    "uploads",
    "webhooks",
]
