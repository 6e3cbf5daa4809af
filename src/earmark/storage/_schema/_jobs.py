"""The tables of tenants and keys, media, jobs, webhooks and the processes that run jobs."""

from __future__ import annotations

import sqlalchemy as sa

from earmark.storage._schema._base import Id, Time, metadata, tenant

__all__ = [
    "api_keys",
    "attempts",
    "deliveries",
    "executors",
    "idempotency",
    "installation",
    "jobs",
    "media",
    "tenants",
    "upload_parts",
    "uploads",
    "webhooks",
]

installation = sa.Table(
    "installation",
    metadata,
    sa.Column("name", sa.String(32), primary_key=True),
    sa.Column("value", sa.String(255), nullable=False),
)

tenants = sa.Table(
    "tenants",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("name", sa.String(64), nullable=False, unique=True),
    sa.Column("created_at", Time, nullable=False),
    sa.Column("retention_s", Time),  # of native jobs and media once over; NULL: until deleted
    sa.Column("webhook_secret", sa.String(128), nullable=False),  # of dialects with one per team
    sa.Column("served_at", Time, nullable=False, default=0.0),  # when a job was last begun
)

api_keys = sa.Table(
    "api_keys",
    metadata,
    sa.Column("id", Id, primary_key=True),  # EK + 18 letters and digits
    tenant(),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("scopes", sa.String(200), nullable=False),  # separated by spaces
    sa.Column("digest", sa.String(64), nullable=False, unique=True),  # HMAC-SHA256, hex
    sa.Column("created_at", Time, nullable=False),
    sa.Column("revoked_at", Time),
)

media = sa.Table(
    "media",
    metadata,
    sa.Column("id", Id, primary_key=True),
    tenant(),
    sa.Column("dialect", sa.String(32), nullable=False),
    sa.Column("key", sa.String(255)),  # the name that the tenant gave it, in dialects that let it
    sa.Column("name", sa.String(255)),  # the file's name
    sa.Column("blob", sa.String(255), nullable=False, index=True),
    sa.Column("size", sa.BigInteger, nullable=False),  # bytes
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("owned", sa.Boolean, nullable=False),  # came with a job's request and goes with it
    sa.Column("created_at", Time, nullable=False),
    sa.Column("expires_at", Time, index=True),
    sa.UniqueConstraint("tenant_id", "dialect", "key"),
)

uploads = sa.Table(
    "uploads",
    metadata,
    sa.Column("id", Id, primary_key=True),
    tenant(),
    sa.Column("name", sa.String(255)),
    sa.Column("size", sa.BigInteger, nullable=False),  # bytes in all
    sa.Column("part_size", sa.BigInteger, nullable=False),  # bytes of every part but the last
    sa.Column("sha256", sa.String(64)),  # of the whole, when the client told it
    sa.Column("created_at", Time, nullable=False),
    sa.Column("expires_at", Time, nullable=False, index=True),
    sa.Column("media_id", Id),  # set when complete
)

upload_parts = sa.Table(
    "upload_parts",
    metadata,
    sa.Column("upload_id", Id, sa.ForeignKey("uploads.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),  # from 1
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("blob", sa.String(255), nullable=False, index=True),
)

webhooks = sa.Table(
    "webhooks",
    metadata,
    sa.Column("id", Id, primary_key=True),
    tenant(),
    sa.Column("dialect", sa.String(32), nullable=False),
    sa.Column("url", sa.String(2048), nullable=False),
    sa.Column("secret", sa.String(128), nullable=False),
    sa.Column("created_at", Time, nullable=False),
    sa.Column("disabled_at", Time),
    sa.Column("disabled_reason", sa.String(200)),
    sa.UniqueConstraint("tenant_id", "dialect", "url"),
)

jobs = sa.Table(
    "jobs",
    metadata,
    # In the order of submission; SQLite counts only a plain INTEGER up by itself.
    sa.Column(
        "seq",
        sa.BigInteger().with_variant(sa.Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
    ),
    sa.Column("id", Id, nullable=False, unique=True),
    tenant(),
    sa.Column("dialect", sa.String(32), nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("stage", sa.String(32), nullable=False),
    sa.Column("progress", sa.Integer, nullable=False, default=0),  # percent, never falls
    sa.Column("priority", sa.Integer, nullable=False, default=0),  # higher goes first
    sa.Column("options", sa.JSON, nullable=False),  # what the engine is asked
    sa.Column("render", sa.JSON, nullable=False),  # what the dialect needs to show the result
    sa.Column("media_id", Id),
    sa.Column("url", sa.Text),
    sa.Column("fetched", sa.Boolean, nullable=False),  # the recording is in the blob store
    sa.Column("name", sa.String(255)),
    sa.Column("webhook_id", Id, sa.ForeignKey("webhooks.id", ondelete="SET NULL")),
    sa.Column("error_kind", sa.String(32)),
    sa.Column("error_code", sa.String(64)),
    sa.Column("error_message", sa.Text),
    sa.Column("created_at", Time, nullable=False),
    sa.Column("updated_at", Time, nullable=False),
    sa.Column("started_at", Time),
    sa.Column("finished_at", Time),
    sa.Column("retention_s", Time),  # the dialect's; NULL: the tenant's
    sa.Column("not_before", Time, nullable=False, default=0.0),  # of a job put off
    sa.Column("executor_id", Id),  # who runs it
    sa.Column("attempts", sa.Integer, nullable=False, default=0),  # times it was begun
    sa.Column("crashes", sa.Integer, nullable=False, default=0),  # processes it made die
    sa.Column("audio_s", Time),  # seconds of audio analysed
    sa.Column("timings", sa.JSON),  # stage -> seconds
    sa.Column("result_blob", sa.String(255), index=True),
    sa.Column("cache_key", sa.String(64)),  # hash of content, options and models
    sa.Column("sealed_blob", sa.String(255), index=True),  # what was sent that must be encrypted
    sa.Column("result_sealed", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("findings", sa.JSON),  # what is known before the end
    sa.Column("call_id", Id, index=True),  # of a job that listens to a call
    sa.Column("key_id", Id),  # who asked; NULL: nobody's key
    sa.Index(None, "state", "fetched", "tenant_id", "priority", "seq"),
    sa.Index(None, "tenant_id", "seq"),
    sa.Index(None, "tenant_id", "cache_key"),
    sa.Index(None, "executor_id"),
    sa.Index(None, "finished_at"),
    sa.Index(None, "media_id"),
)

idempotency = sa.Table(
    "idempotency",
    metadata,
    sa.Column("tenant_id", Id, sa.ForeignKey("tenants.id"), primary_key=True),
    sa.Column("key", sa.String(255), primary_key=True),
    sa.Column("fingerprint", sa.String(64), nullable=False),  # SHA-256 of route and request
    sa.Column("resource_id", Id, nullable=False),
    sa.Column("created_at", Time, nullable=False, index=True),
)

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("id", Id, primary_key=True),
    tenant(),
    sa.Column("webhook_id", Id, sa.ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
    sa.Column("job_id", Id, nullable=False, index=True),
    sa.Column("event", sa.String(32), nullable=False),  # job.succeeded, job.failed, job.canceled
    sa.Column("state", sa.String(16), nullable=False),  # pending, delivered, failed
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("next_at", Time, nullable=False),  # when the next attempt is due
    sa.Column("leased_until", Time, nullable=False, default=0.0),  # a courier has it until then
    sa.Column("created_at", Time, nullable=False),
    sa.Column("finished_at", Time),
    sa.Column("detail", sa.JSON),  # what the event says beside the job
    sa.Index(None, "state", "next_at"),
    sa.Index(None, "tenant_id", "created_at"),
)

attempts = sa.Table(
    "attempts",
    metadata,
    sa.Column(
        "delivery_id", Id, sa.ForeignKey("deliveries.id", ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("number", sa.Integer, primary_key=True),  # from 1
    sa.Column("started_at", Time, nullable=False),
    sa.Column("duration_s", Time, nullable=False),
    sa.Column("status", sa.Integer),  # NULL: no answer
    sa.Column("reason", sa.String(32)),  # of a failure: FetchError.reason
    sa.Column("answer", sa.Text, nullable=False),  # the first 2 KiB
)

executors = sa.Table(
    "executors",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("place", sa.String(255), nullable=False),  # whose process ids these are
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("pid_started", sa.String(64), nullable=False),
    sa.Column("started_at", Time, nullable=False),
    sa.Column("beat_at", Time, nullable=False),
)
