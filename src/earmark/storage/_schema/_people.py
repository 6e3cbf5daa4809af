"""The tables of galleries and who is in them, of voices heard, of audit and receipts."""

from __future__ import annotations

import sqlalchemy as sa

from earmark.storage._schema._base import Id, Time, metadata, tenant

__all__ = [
    "audit",
    "audit_heads",
    "consents",
    "galleries",
    "gallery_changes",
    "job_matches",
    "job_voiceprints",
    "receipts",
    "samples",
    "speakers",
    "voiceprints",
]

galleries = sa.Table(
    "galleries",
    metadata,
    sa.Column("id", Id, primary_key=True),
    tenant(),
    sa.Column("dialect", sa.String(32), nullable=False),
    sa.Column("key", sa.String(256)),  # unique where the dialect's names are; NULL elsewhere
    sa.Column("name", sa.String(256), nullable=False),
    sa.Column("description", sa.String(1024), nullable=False, default=""),
    sa.Column("details", sa.JSON, nullable=False),  # what the dialect needs to show it again
    sa.Column("revision", sa.BigInteger, nullable=False, default=0),  # of the last change
    sa.Column("created_at", Time, nullable=False),
    sa.Column("updated_at", Time, nullable=False),
    sa.UniqueConstraint("tenant_id", "dialect", "key"),
)

# Which speaker changed in which revision: the indexes of all processes follow it.
gallery_changes = sa.Table(
    "gallery_changes",
    metadata,
    sa.Column("gallery_id", Id, primary_key=True),
    sa.Column("revision", sa.BigInteger, primary_key=True),
    sa.Column("speaker_id", Id, nullable=False),
    sa.Column("at", Time, nullable=False, index=True),
)

speakers = sa.Table(
    "speakers",
    metadata,
    sa.Column("id", Id, primary_key=True),
    tenant(),
    sa.Column("gallery_id", Id, sa.ForeignKey("galleries.id"), nullable=False),
    sa.Column("key", sa.String(256)),  # unique in the gallery where the dialect's names are
    sa.Column("name", sa.String(256), nullable=False),
    sa.Column("details", sa.JSON, nullable=False),
    sa.Column("merged_into", Id),  # whom this one's voiceprints count for
    sa.Column("split_from", Id),
    sa.Column("withdrawn_at", Time),  # consent: not matched from then on
    sa.Column("matched_at", Time),  # last
    sa.Column("expires_at", Time, nullable=False, index=True),  # 0: is being erased
    sa.Column("expiry_fixed", sa.Boolean, nullable=False),  # a match does not put it off
    sa.Column("created_at", Time, nullable=False),
    sa.Column("updated_at", Time, nullable=False),
    sa.UniqueConstraint("gallery_id", "key"),
    sa.Index(None, "gallery_id", "created_at", "id"),
    sa.Index(None, "gallery_id", "name"),
    sa.Index(None, "merged_into"),
)

samples = sa.Table(
    "samples",
    metadata,
    sa.Column("id", Id, primary_key=True),
    tenant(),
    sa.Column("speaker_id", Id, sa.ForeignKey("speakers.id"), nullable=False, index=True),
    sa.Column("name", sa.String(255)),  # the file's
    sa.Column("sha256", sa.String(64), nullable=False),  # of what was sent
    sa.Column("duration_s", Time, nullable=False),
    sa.Column("net_speech_s", Time, nullable=False),
    sa.Column("quality", sa.String(16), nullable=False),
    sa.Column("blob", sa.String(255), index=True),  # sealed; NULL: the audio is not kept
    sa.Column("size", sa.BigInteger),  # bytes, before it was sealed
    sa.Column("options", sa.JSON, nullable=False),  # what of it was listened to
    sa.Column("created_at", Time, nullable=False),
)

voiceprints = sa.Table(
    "voiceprints",
    metadata,
    sa.Column("id", Id, primary_key=True),
    tenant(),
    sa.Column("gallery_id", Id, nullable=False),
    sa.Column("speaker_id", Id, sa.ForeignKey("speakers.id"), nullable=False, index=True),
    sa.Column("sample_id", Id),  # NULL: it came as it is
    sa.Column("model", sa.String(64), nullable=False),
    sa.Column("net_speech_s", Time, nullable=False),
    sa.Column("quality", sa.String(16)),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("created_at", Time, nullable=False),
    sa.Index(None, "gallery_id", "model"),
)

consents = sa.Table(
    "consents",
    metadata,
    sa.Column("id", Id, primary_key=True),
    tenant(),
    sa.Column("speaker_id", Id, sa.ForeignKey("speakers.id"), nullable=False, index=True),
    sa.Column("subject", sa.String(256), nullable=False),  # who consented
    sa.Column("text", sa.Text, nullable=False),  # to what
    sa.Column("purpose", sa.String(1024), nullable=False),
    sa.Column("method", sa.String(64), nullable=False),  # such as written, recorded, standing
    sa.Column("given_at", Time, nullable=False),
    sa.Column("withdrawn_at", Time),
    sa.Column("created_at", Time, nullable=False),
)

# Voices heard in a recording, which nobody has enrolled; sealed with the job's own data key.
job_voiceprints = sa.Table(
    "job_voiceprints",
    metadata,
    sa.Column("job_id", Id, sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("speaker", sa.String(64), primary_key=True),  # the label in the result
    tenant(),
    sa.Column("model", sa.String(64), nullable=False),
    sa.Column("net_speech_s", Time, nullable=False),
    sa.Column("quality", sa.String(16)),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("created_at", Time, nullable=False),
    sa.Column("expires_at", Time, index=True),  # NULL: with the job
    sa.Index(None, "tenant_id", "model"),
)

# Whom identifications took the voices of a recording for.
job_matches = sa.Table(
    "job_matches",
    metadata,
    sa.Column("job_id", Id, sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("speaker", sa.String(64), primary_key=True),  # the label in the result
    sa.Column(
        "speaker_id",
        Id,
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
    sa.Column("tenant_id", Id, primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True),  # from 1, without gaps
    sa.Column("at", Time, nullable=False),
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
    sa.Column("tenant_id", Id, primary_key=True),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
)

# Proofs of erasure; they outlive what was erased. Append-only too.
receipts = sa.Table(
    "receipts",
    metadata,
    sa.Column("id", Id, primary_key=True),
    tenant(),
    sa.Column("speaker_id", Id, nullable=False, index=True),
    sa.Column("document", sa.Text, nullable=False),  # JSON, as it was signed
    sa.Column("signature", sa.String(128), nullable=False),
    sa.Column("created_at", Time, nullable=False),
    sa.Index(None, "tenant_id", "created_at", "id"),
)
