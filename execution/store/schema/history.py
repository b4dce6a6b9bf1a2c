"""Seals of the orders' history: only added to (`execution.store.sealing`)."""

from __future__ import annotations

import sqlalchemy as sa

from execution.store.schema.columns import NOW, TIME, UUID_, metadata

history_heads = sa.Table(
    "history_heads",
    metadata,
    sa.Column("head_no", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("upto", TIME, nullable=False, comment="lines up to and including this time"),
    sa.Column("digest", sa.LargeBinary, nullable=False, comment="of the head before and its seals"),
    sa.Column("key_id", sa.Text, nullable=False, comment="which key made it"),
    sa.Column("lines", sa.BigInteger, nullable=False),
    sa.Column("sealed_at", TIME, nullable=False, server_default=NOW),
)

history_seals = sa.Table(
    "history_seals",
    metadata,
    sa.Column("order_id", UUID_, primary_key=True),
    sa.Column("head_no", sa.BigInteger, primary_key=True),
    sa.Column("lines", sa.Integer, nullable=False),
    sa.Column("digest", sa.LargeBinary, nullable=False, comment="of the order's lines so far"),
    sa.ForeignKeyConstraint(["head_no"], ["history_heads.head_no"]),
)

sa.Index("history_seals_head_no", history_seals.c.head_no)
