"""Voiceprints: galleries, speakers, consents, audit, receipts; connectors and calls."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the tables and add the columns."""
    op.create_table(
        "audit",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=64)),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("previous", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "seq", name="pk_audit"),
    )
    op.create_index("ix_audit_tenant_id_subject", "audit", ["tenant_id", "subject"])
    op.create_table(
        "audit_heads",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_audit_heads"),
    )
    op.create_table(
        "gallery_changes",
        sa.Column("gallery_id", sa.String(length=64), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("speaker_id", sa.String(length=64), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("gallery_id", "revision", name="pk_gallery_changes"),
    )
    op.create_index("ix_gallery_changes_at", "gallery_changes", ["at"])
    op.create_table(
        "calls",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("connector", sa.String(length=256), nullable=False),
        sa.Column("transaction_id", sa.String(length=256), nullable=False),
        sa.Column("opened_at", sa.Double(), nullable=False),
        sa.Column("heard_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double()),
        sa.Column("caller_s", sa.Double(), nullable=False),
        sa.Column("callee_s", sa.Double(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("pieces", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_calls_tenant_id"),
        sa.PrimaryKeyConstraint("id", name="pk_calls"),
        sa.UniqueConstraint(
            "tenant_id",
            "connector",
            "transaction_id",
            name="uq_calls_tenant_id_connector_transaction_id",
        ),
    )
    op.create_index("ix_calls_ended_at_heard_at", "calls", ["ended_at", "heard_at"])
    op.create_table(
        "galleries",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("dialect", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=256)),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("description", sa.String(length=1024), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_galleries_tenant_id"),
        sa.PrimaryKeyConstraint("id", name="pk_galleries"),
        sa.UniqueConstraint(
            "tenant_id", "dialect", "key", name="uq_galleries_tenant_id_dialect_key"
        ),
    )
    op.create_table(
        "receipts",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("speaker_id", sa.String(length=64), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("signature", sa.String(length=128), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_receipts_tenant_id"),
        sa.PrimaryKeyConstraint("id", name="pk_receipts"),
    )
    op.create_index("ix_receipts_speaker_id", "receipts", ["speaker_id"])
    op.create_index(
        "ix_receipts_tenant_id_created_at_id", "receipts", ["tenant_id", "created_at", "id"]
    )
    op.create_table(
        "resource_tags",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("resource", sa.String(length=255), nullable=False),
        sa.Column("key", sa.String(length=128), nullable=False),
        sa.Column("value", sa.String(length=256), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_resource_tags_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", "resource", "key", name="pk_resource_tags"),
    )
    op.create_table(
        "voice_connectors",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("dialect", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("streaming", sa.JSON()),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name="fk_voice_connectors_tenant_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_voice_connectors"),
    )
    op.create_index(
        "ix_voice_connectors_tenant_id_created_at", "voice_connectors", ["tenant_id", "created_at"]
    )
    op.create_table(
        "call_sound",
        sa.Column("call_id", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("leg", sa.String(length=16), nullable=False),
        sa.Column("format", sa.JSON(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("duration_s", sa.Double(), nullable=False),
        sa.Column("blob", sa.String(length=255), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["call_id"], ["calls.id"], name="fk_call_sound_call_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("call_id", "number", name="pk_call_sound"),
    )
    op.create_index("ix_call_sound_blob", "call_sound", ["blob"])
    op.create_table(
        "speakers",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("gallery_id", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=256)),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("merged_into", sa.String(length=64)),
        sa.Column("split_from", sa.String(length=64)),
        sa.Column("withdrawn_at", sa.Double()),
        sa.Column("matched_at", sa.Double()),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.Column("expiry_fixed", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["gallery_id"], ["galleries.id"], name="fk_speakers_gallery_id"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_speakers_tenant_id"),
        sa.PrimaryKeyConstraint("id", name="pk_speakers"),
        sa.UniqueConstraint("gallery_id", "key", name="uq_speakers_gallery_id_key"),
    )
    op.create_index("ix_speakers_expires_at", "speakers", ["expires_at"])
    op.create_index(
        "ix_speakers_gallery_id_created_at_id", "speakers", ["gallery_id", "created_at", "id"]
    )
    op.create_index("ix_speakers_gallery_id_name", "speakers", ["gallery_id", "name"])
    op.create_index("ix_speakers_merged_into", "speakers", ["merged_into"])
    op.create_table(
        "consents",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("speaker_id", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=256), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("purpose", sa.String(length=1024), nullable=False),
        sa.Column("method", sa.String(length=64), nullable=False),
        sa.Column("given_at", sa.Double(), nullable=False),
        sa.Column("withdrawn_at", sa.Double()),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["speaker_id"], ["speakers.id"], name="fk_consents_speaker_id"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_consents_tenant_id"),
        sa.PrimaryKeyConstraint("id", name="pk_consents"),
    )
    op.create_index("ix_consents_speaker_id", "consents", ["speaker_id"])
    op.create_table(
        "job_voiceprints",
        sa.Column("job_id", sa.String(length=64), nullable=False),
        sa.Column("speaker", sa.String(length=64), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("net_speech_s", sa.Double(), nullable=False),
        sa.Column("quality", sa.String(length=16)),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double()),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name="fk_job_voiceprints_job_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_job_voiceprints_tenant_id"),
        sa.PrimaryKeyConstraint("job_id", "speaker", name="pk_job_voiceprints"),
    )
    op.create_index("ix_job_voiceprints_expires_at", "job_voiceprints", ["expires_at"])
    op.create_index("ix_job_voiceprints_tenant_id_model", "job_voiceprints", ["tenant_id", "model"])
    op.create_table(
        "samples",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("speaker_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255)),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("duration_s", sa.Double(), nullable=False),
        sa.Column("net_speech_s", sa.Double(), nullable=False),
        sa.Column("quality", sa.String(length=16), nullable=False),
        sa.Column("blob", sa.String(length=255)),
        sa.Column("size", sa.BigInteger()),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["speaker_id"], ["speakers.id"], name="fk_samples_speaker_id"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_samples_tenant_id"),
        sa.PrimaryKeyConstraint("id", name="pk_samples"),
    )
    op.create_index("ix_samples_blob", "samples", ["blob"])
    op.create_index("ix_samples_speaker_id", "samples", ["speaker_id"])
    op.create_table(
        "job_matches",
        sa.Column("job_id", sa.String(length=64), nullable=False),
        sa.Column("speaker", sa.String(length=64), nullable=False),
        sa.Column("speaker_id", sa.String(length=64), nullable=False),
        sa.Column("cosine", sa.Double(), nullable=False),
        sa.Column("llr", sa.Double(), nullable=False),
        sa.Column("probability", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name="fk_job_matches_job_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["speaker_id"],
            ["speakers.id"],
            name="fk_job_matches_speaker_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("job_id", "speaker", name="pk_job_matches"),
    )
    op.create_index("ix_job_matches_speaker_id", "job_matches", ["speaker_id"])
    op.create_table(
        "voiceprints",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("gallery_id", sa.String(length=64), nullable=False),
        sa.Column("speaker_id", sa.String(length=64), nullable=False),
        sa.Column("sample_id", sa.String(length=64)),
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("net_speech_s", sa.Double(), nullable=False),
        sa.Column("quality", sa.String(length=16)),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["speaker_id"], ["speakers.id"], name="fk_voiceprints_speaker_id"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_voiceprints_tenant_id"),
        sa.PrimaryKeyConstraint("id", name="pk_voiceprints"),
    )
    op.create_index("ix_voiceprints_gallery_id_model", "voiceprints", ["gallery_id", "model"])
    op.create_index("ix_voiceprints_speaker_id", "voiceprints", ["speaker_id"])
    op.add_column("deliveries", sa.Column("detail", sa.JSON()))
    op.add_column("jobs", sa.Column("sealed_blob", sa.String(length=255)))
    op.add_column(
        "jobs", sa.Column("result_sealed", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    op.add_column("jobs", sa.Column("findings", sa.JSON()))
    op.add_column("jobs", sa.Column("call_id", sa.String(length=64)))
    op.add_column("jobs", sa.Column("key_id", sa.String(length=64)))
    op.create_index("ix_jobs_call_id", "jobs", ["call_id"])
    op.create_index("ix_jobs_sealed_blob", "jobs", ["sealed_blob"])
    for table in ("audit", "receipts"):
        _append_only(table)


def _append_only(table: str) -> None:
    """Have the database refuse to change or remove what the table holds."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE OR REPLACE FUNCTION earmark_append_only() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'the table % is append-only', TG_TABLE_NAME; END $$"
        )
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION earmark_append_only()"
        )
        return
    for change in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table}"
            f" BEGIN SELECT RAISE(ABORT, 'the table {table} is append-only'); END"
        )
