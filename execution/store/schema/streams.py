"""Messages: the events of each stream and how far it is published, keys, dead letters."""

from __future__ import annotations

import sqlalchemy as sa

from execution.store.schema.columns import NOW, TIME, UUID_, metadata

events = sa.Table(
    "events",
    metadata,
    sa.Column("event_no", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("event_id", UUID_, nullable=False, unique=True),
    sa.Column("stream", sa.Text, nullable=False),
    sa.Column("sequence", sa.BigInteger, comment="null until published; gap-free per stream"),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("order_id", UUID_),
    # JSON, not JSONB: a message keeps the order of its keys.
    sa.Column("payload", sa.JSON, nullable=False),
    sa.Column("created_at", TIME, nullable=False, server_default=NOW),
    sa.UniqueConstraint("stream", "sequence"),
    sa.CheckConstraint("stream IN ('orders', 'fills')", name="stream"),
    sa.CheckConstraint(
        "json_typeof(payload) = 'object' AND payload ->> 'event_id' IS NOT NULL", name="payload"
    ),
)

sa.Index(
    "events_unsequenced",
    events.c.event_no,
    postgresql_where=sa.text("sequence IS NULL"),
)

signing_keys = sa.Table(
    "signing_keys",
    metadata,
    sa.Column("key_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("created_at", TIME, nullable=False, server_default=NOW),
)

dead_letters = sa.Table(
    "dead_letters",
    metadata,
    sa.Column("dead_letter_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("received_at", TIME, nullable=False, server_default=NOW),
    sa.Column("queue", sa.Text, nullable=False),
    sa.Column("task", sa.Text, nullable=False),
    sa.Column("message_id", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("headers", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column(
        "unrecorded",
        sa.BigInteger,
        nullable=False,
        server_default="0",
        comment="messages refused before this one that have no row",
    ),
)

streams = sa.Table(
    "streams",
    metadata,
    sa.Column("stream", sa.Text, primary_key=True),
    sa.Column("last_sequence", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("published_sequence", sa.BigInteger, nullable=False, server_default="0"),
)
