"""What outlives a process: the database, the blobs and the vault."""

from __future__ import annotations

from earmark.storage import _audit as audit
from earmark.storage import _calls as calls
from earmark.storage import _consents as consents
from earmark.storage import _deliveries as deliveries
from earmark.storage import _executors as executors
from earmark.storage import _galleries as galleries
from earmark.storage import _idempotency as idempotency
from earmark.storage import _installation as installation
from earmark.storage import _job_voiceprints as job_voiceprints
from earmark.storage import _jobs as jobs
from earmark.storage import _keys as keys
from earmark.storage import _media as media
from earmark.storage import _receipts as receipts
from earmark.storage import _resource_tags as resource_tags
from earmark.storage import _samples as samples
from earmark.storage import _speakers as speakers
from earmark.storage import _tenants as tenants
from earmark.storage import _uploads as uploads
from earmark.storage import _voice_connectors as voice_connectors
from earmark.storage import _voiceprints as voiceprints
from earmark.storage import _webhooks as webhooks
from earmark.storage._backup import back_up
from earmark.storage._blobs import BlobInfo, Blobs, BlobWriter
from earmark.storage._database import Database
from earmark.storage._folder import disk_errors, make_secret, private_file
from earmark.storage._insert import insert_new
from earmark.storage._layout import KEY_FILE
from earmark.storage._master_key import generate_master_key
from earmark.storage._migrate import migrate
from earmark.storage._orphans import sweep_orphans
from earmark.storage._vault import KeyringStatus, Vault

__all__ = [
    "KEY_FILE",
    "BlobInfo",
    "BlobWriter",
    "Blobs",
    "Database",
    "KeyringStatus",
    "Vault",
    "audit",
    "back_up",
    "calls",
    "consents",
    "deliveries",
    "disk_errors",
    "executors",
    "galleries",
    "generate_master_key",
    "idempotency",
    "insert_new",
    "installation",
    "job_voiceprints",
    "jobs",
    "keys",
    "make_secret",
    "media",
    "migrate",
    "private_file",
    "receipts",
    "resource_tags",
    "samples",
    "speakers",
    "sweep_orphans",
    "tenants",
    "uploads",
    "voice_connectors",
    "voiceprints",
    "webhooks",
]
