"""Brackets: one row for each order whose children are to follow what it has filled."""

from __future__ import annotations

import sqlalchemy as sa

from execution.store.schema.columns import NUMBER, TIME, UUID_, metadata

brackets = sa.Table(
    "brackets",
    metadata,
    sa.Column("parent_order_id", UUID_, sa.ForeignKey("orders.order_id"), primary_key=True),
    sa.Column("symbol", sa.Text, nullable=False),
    sa.Column(
        "version",
        sa.Integer,
        nullable=False,
        server_default="1",
        comment="raised with every change of a member",
    ),
    sa.Column("due_at", TIME, comment="when the family is to be looked at"),
    sa.Column("resends", sa.Integer, nullable=False, server_default="0"),
    sa.Column("lease_owner", UUID_, comment="who is fitting it"),
    sa.Column("lease_until", TIME),
    sa.Column(
        "taken",
        NUMBER,
        nullable=False,
        server_default="0",
        comment="of its position, what other exits have taken or are about to",
    ),
    sa.Column(
        "closed",
        NUMBER,
        nullable=False,
        server_default="0",
        comment="as much of that as others have closed for good",
    ),
    sa.Column(
        "flatten",
        NUMBER,
        nullable=False,
        server_default="0",
        comment="what is to be closed at the market",
    ),
    sa.Column("short_since", TIME, comment="since when more is open than is covered"),
    sa.Column(
        "failures",
        sa.SmallInteger,
        nullable=False,
        server_default="0",
        comment="changes in a row that the venue refused or did not answer",
    ),
    sa.Column("retry_at", TIME, comment="no change goes to the venue before"),
    sa.Column("bare_since", TIME, comment="since when some of it may have no working stop"),
    sa.Column("bare", NUMBER, comment="what has none, once that was reported; entries are refused"),
    sa.Column(
        "over",
        sa.Boolean,
        nullable=False,
        server_default=sa.false(),
        comment="its parent is final, nothing of it stands, and nothing more is to",
    ),
    sa.CheckConstraint("taken >= 0", name="taken_range"),
    sa.CheckConstraint("closed >= 0 AND closed <= taken", name="closed_range"),
    sa.CheckConstraint("flatten >= 0", name="flatten_range"),
)

sa.Index("brackets_due", brackets.c.due_at, postgresql_where=sa.text("due_at IS NOT NULL"))

sa.Index("brackets_open", brackets.c.symbol, postgresql_where=sa.text("NOT over"))

sa.Index(
    "brackets_bare_since",
    brackets.c.bare_since,
    postgresql_where=sa.text("bare_since IS NOT NULL"),
)

sa.Index("brackets_bare", brackets.c.parent_order_id, postgresql_where=sa.text("bare IS NOT NULL"))
