"""The tables of calls with their sound, of the connectors that they come through, and of tags."""

from __future__ import annotations

import sqlalchemy as sa

from earmark.storage._schema._base import Id, Time, metadata, tenant

__all__ = [
    "call_sound",
    "calls",
    "resource_tags",
    "voice_connectors",
]

voice_connectors = sa.Table(
    "voice_connectors",
    metadata,
    sa.Column("id", Id, primary_key=True),
    tenant(),
    sa.Column("dialect", sa.String(32), nullable=False),
    sa.Column("name", sa.String(256), nullable=False),
    sa.Column("details", sa.JSON, nullable=False),
    sa.Column("streaming", sa.JSON),  # its streaming configuration
    sa.Column("created_at", Time, nullable=False),
    sa.Column("updated_at", Time, nullable=False),
    sa.Index(None, "tenant_id", "created_at"),
)

resource_tags = sa.Table(
    "resource_tags",
    metadata,
    sa.Column("tenant_id", Id, sa.ForeignKey("tenants.id"), primary_key=True),
    sa.Column("resource", sa.String(255), primary_key=True),
    sa.Column("key", sa.String(128), primary_key=True),
    sa.Column("value", sa.String(256), nullable=False),
)

calls = sa.Table(
    "calls",
    metadata,
    sa.Column("id", Id, primary_key=True),
    tenant(),
    sa.Column("connector", sa.String(256), nullable=False),
    sa.Column("transaction_id", sa.String(256), nullable=False),
    sa.Column("opened_at", Time, nullable=False),
    sa.Column("heard_at", Time, nullable=False),  # when sound came last
    sa.Column("ended_at", Time),
    # Of all its sound: seconds of each leg, bytes, pieces.
    sa.Column("caller_s", Time, nullable=False),
    sa.Column("callee_s", Time, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("pieces", sa.Integer, nullable=False),
    sa.UniqueConstraint("tenant_id", "connector", "transaction_id"),
    sa.Index(None, "ended_at", "heard_at"),
)

# The sound of a call as it came, piece by piece.
call_sound = sa.Table(
    "call_sound",
    metadata,
    sa.Column("call_id", Id, sa.ForeignKey("calls.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),  # from 1
    sa.Column("leg", sa.String(16), nullable=False),  # caller, callee, or both: a stereo file
    sa.Column("format", sa.JSON, nullable=False),  # encoding, sample rate; empty: a container
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("duration_s", Time, nullable=False),
    sa.Column("blob", sa.String(255), nullable=False, index=True),
    sa.Column("created_at", Time, nullable=False),
)
