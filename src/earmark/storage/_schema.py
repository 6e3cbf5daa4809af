"""The tables. Times are seconds since 1970 (UTC), as floats; ids are UUIDs unless said otherwise.

What a deployed database has is made by the migrations beside this file; a test compares the two.
"""

from __future__ import annotations

import sqlalchemy as sa

__all__ = [
    "api_keys",
    "attempts",
    "audit",
    "audit_heads",
    "call_sound",
    "calls",
    "consents",
    "deliveries",
    "executors",
    "galleries",
    "gallery_changes",
    "idempotency",
    "installation",
    "job_matches",
    "job_voiceprints",
    "jobs",
    "media",
    "metadata",
    "receipts",
    "resource_tags",
    "samples",
    "speakers",
    "tenants",
    "upload_parts",
    "uploads",
    "voice_connectors",
    "voiceprints",
    "webhooks",
]

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_Id = sa.String(64)
_Time: sa.Double[float] = sa.Double()


def _tenant() -> sa.Column[str]:
    return sa.Column("tenant_id", _Id, sa.ForeignKey("tenants.id"), nullable=False)


installation = sa.Table(
    "installation",
    metadata,
    sa.Column("name", sa.String(32), primary_key=True),
    sa.Column("value", sa.String(255), nullable=False),
)

tenants = sa.Table(
    "tenants",
    metadata,
    sa.Column("id", _Id, primary_key=True),
    sa.Column("name", sa.String(64), nullable=False, unique=True),
    sa.Column("created_at", _Time, nullable=False),
    sa.Column("retention_s", _Time),  # of native jobs and media once over; NULL: until deleted
    sa.Column("webhook_secret", sa.String(128), nullable=False),  # of dialects with one per team
    sa.Column("served_at", _Time, nullable=False, default=0.0),  # when a job was last begun
)

api_keys = sa.Table(
    "api_keys",
    metadata,
    sa.Column("id", _Id, primary_key=True),  # EK + 18 letters and digits
    _tenant(),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("scopes", sa.String(200), nullable=False),  # separated by spaces
    sa.Column("digest", sa.String(64), nullable=False, unique=True),  # HMAC-SHA256, hex
    sa.Column("created_at", _Time, nullable=False),
    sa.Column("revoked_at", _Time),
)

media = sa.Table(
    "media",
    metadata,
    sa.Column("id", _Id, primary_key=True),
    _tenant(),
    sa.Column("dialect", sa.String(32), nullable=False),
    sa.Column("key", sa.String(255)),  # the name that the tenant gave it, in dialects that let it
    sa.Column("name", sa.String(255)),  # the file's name
    sa.Column("blob", sa.String(255), nullable=False, index=True),
    sa.Column("size", sa.BigInteger, nullable=False),  # bytes
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("owned", sa.Boolean, nullable=False),  # came with a job's request and goes with it
    sa.Column("created_at", _Time, nullable=False),
    sa.Column("expires_at", _Time, index=True),
    sa.UniqueConstraint("tenant_id", "dialect", "key"),
)

uploads = sa.Table(
    "uploads",
    metadata,
    sa.Column("id", _Id, primary_key=True),
    _tenant(),
    sa.Column("name", sa.String(255)),
    sa.Column("size", sa.BigInteger, nullable=False),  # bytes in all
    sa.Column("part_size", sa.BigInteger, nullable=False),  # bytes of every part but the last
    sa.Column("sha256", sa.String(64)),  # of the whole, when the client told it
    sa.Column("created_at", _Time, nullable=False),
    sa.Column("expires_at", _Time, nullable=False, index=True),
    sa.Column("media_id", _Id),  # set when complete
)

upload_parts = sa.Table(
    "upload_parts",
    metadata,
    sa.Column("upload_id", _Id, sa.ForeignKey("uploads.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),  # from 1
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("blob", sa.String(255), nullable=False, index=True),
)

webhooks = sa.Table(
    "webhooks",
    metadata,
    sa.Column("id", _Id, primary_key=True),
    _tenant(),
    sa.Column("dialect", sa.String(32), nullable=False),
    sa.Column("url", sa.String(2048), nullable=False),
    sa.Column("secret", sa.String(128), nullable=False),
    sa.Column("created_at", _Time, nullable=False),
    sa.Column("disabled_at", _Time),
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
    sa.Column("id", _Id, nullable=False, unique=True),
    _tenant(),
    sa.Column("dialect", sa.String(32), nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("stage", sa.String(32), nullable=False),
    sa.Column("progress", sa.Integer, nullable=False, default=0),  # percent, never falls
    sa.Column("priority", sa.Integer, nullable=False, default=0),  # higher goes first
    sa.Column("options", sa.JSON, nullable=False),  # what the engine is asked
    sa.Column("render", sa.JSON, nullable=False),  # what the dialect needs to show the result
    sa.Column("media_id", _Id),
    sa.Column("url", sa.Text),
    sa.Column("fetched", sa.Boolean, nullable=False),  # the recording is in the blob store
    sa.Column("name", sa.String(255)),
    sa.Column("webhook_id", _Id, sa.ForeignKey("webhooks.id", ondelete="SET NULL")),
    sa.Column("error_kind", sa.String(32)),
    sa.Column("error_code", sa.String(64)),
    sa.Column("error_message", sa.Text),
    sa.Column("created_at", _Time, nullable=False),
    sa.Column("updated_at", _Time, nullable=False),
    sa.Column("started_at", _Time),
    sa.Column("finished_at", _Time),
    sa.Column("retention_s", _Time),  # the dialect's; NULL: the tenant's
    sa.Column("not_before", _Time, nullable=False, default=0.0),  # of a job put off
    sa.Column("executor_id", _Id),  # who runs it
    sa.Column("attempts", sa.Integer, nullable=False, default=0),  # times it was begun
    sa.Column("crashes", sa.Integer, nullable=False, default=0),  # processes it made die
    sa.Column("audio_s", _Time),  # seconds of audio analysed
    sa.Column("timings", sa.JSON),  # stage -> seconds
    sa.Column("result_blob", sa.String(255), index=True),
    sa.Column("cache_key", sa.String(64)),  # hash of content, options and models
    sa.Column("sealed_blob", sa.String(255), index=True),  # what was sent that must be encrypted
    sa.Column("result_sealed", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("findings", sa.JSON),  # what is known before the end
    sa.Column("call_id", _Id, index=True),  # of a job that listens to a call
    sa.Column("key_id", _Id),  # who asked; NULL: nobody's key
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
    sa.Column("tenant_id", _Id, sa.ForeignKey("tenants.id"), primary_key=True),
    sa.Column("key", sa.String(255), primary_key=True),
    sa.Column("fingerprint", sa.String(64), nullable=False),  # SHA-256 of route and request
    sa.Column("resource_id", _Id, nullable=False),
    sa.Column("created_at", _Time, nullable=False, index=True),
)

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("id", _Id, primary_key=True),
    _tenant(),
    sa.Column("webhook_id", _Id, sa.ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
    sa.Column("job_id", _Id, nullable=False, index=True),
    sa.Column("event", sa.String(32), nullable=False),  # job.succeeded, job.failed, job.canceled
    sa.Column("state", sa.String(16), nullable=False),  # pending, delivered, failed
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("next_at", _Time, nullable=False),  # when the next attempt is due
    sa.Column("leased_until", _Time, nullable=False, default=0.0),  # a courier has it until then
    sa.Column("created_at", _Time, nullable=False),
    sa.Column("finished_at", _Time),
    sa.Column("detail", sa.JSON),  # what the event says beside the job
    sa.Index(None, "state", "next_at"),
    sa.Index(None, "tenant_id", "created_at"),
)

attempts = sa.Table(
    "attempts",
    metadata,
    sa.Column(
        "delivery_id", _Id, sa.ForeignKey("deliveries.id", ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("number", sa.Integer, primary_key=True),  # from 1
    sa.Column("started_at", _Time, nullable=False),
    sa.Column("duration_s", _Time, nullable=False),
    sa.Column("status", sa.Integer),  # NULL: no answer
    sa.Column("reason", sa.String(32)),  # of a failure: FetchError.reason
    sa.Column("answer", sa.Text, nullable=False),  # the first 2 KiB
)

executors = sa.Table(
    "executors",
    metadata,
    sa.Column("id", _Id, primary_key=True),
    sa.Column("place", sa.String(255), nullable=False),  # whose process ids these are
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("pid_started", sa.String(64), nullable=False),
    sa.Column("started_at", _Time, nullable=False),
    sa.Column("beat_at", _Time, nullable=False),
)

galleries = sa.Table(
    "galleries",
    metadata,
    sa.Column("id", _Id, primary_key=True),
    _tenant(),
    sa.Column("dialect", sa.String(32), nullable=False),
    sa.Column("key", sa.String(256)),  # unique where the dialect's names are; NULL elsewhere
    sa.Column("name", sa.String(256), nullable=False),
    sa.Column("description", sa.String(1024), nullable=False, default=""),
    sa.Column("details", sa.JSON, nullable=False),  # what the dialect needs to show it again
    sa.Column("revision", sa.BigInteger, nullable=False, default=0),  # of the last change
    sa.Column("created_at", _Time, nullable=False),
    sa.Column("updated_at", _Time, nullable=False),
    sa.UniqueConstraint("tenant_id", "dialect", "key"),
)

# Which speaker changed in which revision: the indexes of all processes follow it.
gallery_changes = sa.Table(
    "gallery_changes",
    metadata,
    sa.Column("gallery_id", _Id, primary_key=True),
    sa.Column("revision", sa.BigInteger, primary_key=True),
    sa.Column("speaker_id", _Id, nullable=False),
    sa.Column("at", _Time, nullable=False, index=True),
)

speakers = sa.Table(
    "speakers",
    metadata,
    sa.Column("id", _Id, primary_key=True),
    _tenant(),
    sa.Column("gallery_id", _Id, sa.ForeignKey("galleries.id"), nullable=False),
    sa.Column("key", sa.String(256)),  # unique in the gallery where the dialect's names are
    sa.Column("name", sa.String(256), nullable=False),
    sa.Column("details", sa.JSON, nullable=False),
    sa.Column("merged_into", _Id),  # whom this one's voiceprints count for
    sa.Column("split_from", _Id),
    sa.Column("withdrawn_at", _Time),  # consent: not matched from then on
    sa.Column("matched_at", _Time),  # last
    sa.Column("expires_at", _Time, nullable=False, index=True),  # 0: is being erased
    sa.Column("expiry_fixed", sa.Boolean, nullable=False),  # a match does not put it off
    sa.Column("created_at", _Time, nullable=False),
    sa.Column("updated_at", _Time, nullable=False),
    sa.UniqueConstraint("gallery_id", "key"),
    sa.Index(None, "gallery_id", "created_at", "id"),
    sa.Index(None, "gallery_id", "name"),
    sa.Index(None, "merged_into"),
)

samples = sa.Table(
    "samples",
    metadata,
    sa.Column("id", _Id, primary_key=True),
    _tenant(),
    sa.Column("speaker_id", _Id, sa.ForeignKey("speakers.id"), nullable=False, index=True),
    sa.Column("name", sa.String(255)),  # the file's
    sa.Column("sha256", sa.String(64), nullable=False),  # of what was sent
    sa.Column("duration_s", _Time, nullable=False),
    sa.Column("net_speech_s", _Time, nullable=False),
    sa.Column("quality", sa.String(16), nullable=False),
    sa.Column("blob", sa.String(255), index=True),  # sealed; NULL: the audio is not kept
    sa.Column("size", sa.BigInteger),  # bytes, before it was sealed
    sa.Column("options", sa.JSON, nullable=False),  # what of it was listened to
    sa.Column("created_at", _Time, nullable=False),
)

voiceprints = sa.Table(
    "voiceprints",
    metadata,
    sa.Column("id", _Id, primary_key=True),
    _tenant(),
    sa.Column("gallery_id", _Id, nullable=False),
    sa.Column("speaker_id", _Id, sa.ForeignKey("speakers.id"), nullable=False, index=True),
    sa.Column("sample_id", _Id),  # NULL: it came as it is
    sa.Column("model", sa.String(64), nullable=False),
    sa.Column("net_speech_s", _Time, nullable=False),
    sa.Column("quality", sa.String(16)),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("created_at", _Time, nullable=False),
    sa.Index(None, "gallery_id", "model"),
)

consents = sa.Table(
    "consents",
    metadata,
    sa.Column("id", _Id, primary_key=True),
    _tenant(),
    sa.Column("speaker_id", _Id, sa.ForeignKey("speakers.id"), nullable=False, index=True),
    sa.Column("subject", sa.String(256), nullable=False),  # who consented
    sa.Column("text", sa.Text, nullable=False),  # to what
    sa.Column("purpose", sa.String(1024), nullable=False),
    sa.Column("method", sa.String(64), nullable=False),  # such as written, recorded, standing
    sa.Column("given_at", _Time, nullable=False),
    sa.Column("withdrawn_at", _Time),
    sa.Column("created_at", _Time, nullable=False),
)

# Voices heard in a recording, which nobody has enrolled; sealed with the job's own data key.
job_voiceprints = sa.Table(
    "job_voiceprints",
    metadata,
    sa.Column("job_id", _Id, sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("speaker", sa.String(64), primary_key=True),  # the label in the result
    _tenant(),
    sa.Column("model", sa.String(64), nullable=False),
    sa.Column("net_speech_s", _Time, nullable=False),
    sa.Column("quality", sa.String(16)),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("created_at", _Time, nullable=False),
    sa.Column("expires_at", _Time, index=True),  # NULL: with the job
    sa.Index(None, "tenant_id", "model"),
)

# Whom identifications took the voices of a recording for.
job_matches = sa.Table(
    "job_matches",
    metadata,
    sa.Column("job_id", _Id, sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("speaker", sa.String(64), primary_key=True),  # the label in the result
    sa.Column(
        "speaker_id",
        _Id,
        sa.ForeignKey("speakers.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    sa.Column("cosine", sa.Double, nullable=False),
    sa.Column("llr", sa.Double, nullable=False),
    sa.Column("probability", sa.Double, nullable=False),
)

# Append-only, which triggers see to; each entry holds the hash of the one before it, per tenant.
audit = sa.Table(
    "audit",
    metadata,
    sa.Column("tenant_id", _Id, primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True),  # from 1, without gaps
    sa.Column("at", _Time, nullable=False),
    sa.Column("actor", sa.String(64), nullable=False),  # a key's id, or who else acted
    sa.Column("action", sa.String(64), nullable=False),
    sa.Column("subject", sa.String(64)),  # a speaker's or gallery's id
    sa.Column("details", sa.Text, nullable=False),  # JSON, as it was hashed
    sa.Column("previous", sa.String(64), nullable=False),  # hash, hex
    sa.Column("hash", sa.String(64), nullable=False),
    sa.Index(None, "tenant_id", "subject"),
)

audit_heads = sa.Table(
    "audit_heads",
    metadata,
    sa.Column("tenant_id", _Id, primary_key=True),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
)

# Proofs of erasure; they outlive what was erased. Append-only too.
receipts = sa.Table(
    "receipts",
    metadata,
    sa.Column("id", _Id, primary_key=True),
    _tenant(),
    sa.Column("speaker_id", _Id, nullable=False, index=True),
    sa.Column("document", sa.Text, nullable=False),  # JSON, as it was signed
    sa.Column("signature", sa.String(128), nullable=False),
    sa.Column("created_at", _Time, nullable=False),
    sa.Index(None, "tenant_id", "created_at", "id"),
)

voice_connectors = sa.Table(
    "voice_connectors",
    metadata,
    sa.Column("id", _Id, primary_key=True),
    _tenant(),
    sa.Column("dialect", sa.String(32), nullable=False),
    sa.Column("name", sa.String(256), nullable=False),
    sa.Column("details", sa.JSON, nullable=False),
    sa.Column("streaming", sa.JSON),  # its streaming configuration
    sa.Column("created_at", _Time, nullable=False),
    sa.Column("updated_at", _Time, nullable=False),
    sa.Index(None, "tenant_id", "created_at"),
)

resource_tags = sa.Table(
    "resource_tags",
    metadata,
    sa.Column("tenant_id", _Id, sa.ForeignKey("tenants.id"), primary_key=True),
    sa.Column("resource", sa.String(255), primary_key=True),
    sa.Column("key", sa.String(128), primary_key=True),
    sa.Column("value", sa.String(256), nullable=False),
)

calls = sa.Table(
    "calls",
    metadata,
    sa.Column("id", _Id, primary_key=True),
    _tenant(),
    sa.Column("connector", sa.String(256), nullable=False),
    sa.Column("transaction_id", sa.String(256), nullable=False),
    sa.Column("opened_at", _Time, nullable=False),
    sa.Column("heard_at", _Time, nullable=False),  # when sound came last
    sa.Column("ended_at", _Time),
    # Of all its sound: seconds of each leg, bytes, pieces.
    sa.Column("caller_s", _Time, nullable=False),
    sa.Column("callee_s", _Time, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("pieces", sa.Integer, nullable=False),
    sa.UniqueConstraint("tenant_id", "connector", "transaction_id"),
    sa.Index(None, "ended_at", "heard_at"),
)

# The sound of a call as it came, piece by piece.
call_sound = sa.Table(
    "call_sound",
    metadata,
    sa.Column("call_id", _Id, sa.ForeignKey("calls.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),  # from 1
    sa.Column("leg", sa.String(16), nullable=False),  # caller, callee, or both: a stereo file
    sa.Column("format", sa.JSON, nullable=False),  # encoding, sample rate; empty: a container
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("duration_s", _Time, nullable=False),
    sa.Column("blob", sa.String(255), nullable=False, index=True),
    sa.Column("created_at", _Time, nullable=False),
)
