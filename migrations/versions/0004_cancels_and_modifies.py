"""Cancels and modifies."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:

    op.create_table(
        "order_commands",
        sa.Column("command_id", sa.UUID(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("client_order_id", sa.Text(), nullable=True),
        sa.Column(
            "external_id", sa.Text(), nullable=True, comment="the producer's cancel_id or modify_id"
        ),
        sa.Column(
            "received_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("payload_hash", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column(
            "sent_at",
            sa.TIMESTAMP(timezone=True),
            nullable=True,
            comment="a modify: when its intent was committed",
        ),
        sa.Column("settled_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("due_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("resends", sa.Integer(), server_default="0", nullable=False),
        sa.CheckConstraint("kind IN ('CANCEL', 'MODIFY')", name=op.f("order_commands_kind_check")),
        sa.CheckConstraint(
            "outcome IN ('PENDING', 'DONE', 'REFUSED')", name=op.f("order_commands_outcome_check")
        ),
        sa.PrimaryKeyConstraint("command_id", name=op.f("order_commands_pkey")),
        sa.UniqueConstraint(
            "kind",
            "client_order_id",
            "external_id",
            "payload_hash",
            name="order_commands_identity_key",
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_index(
        "order_commands_pending",
        "order_commands",
        ["client_order_id"],
        unique=False,
        postgresql_where=sa.text("outcome = 'PENDING'"),
    )
    op.create_index(
        "order_commands_taken",
        "order_commands",
        ["kind", "client_order_id", "external_id"],
        unique=True,
        postgresql_where=sa.text("outcome <> 'REFUSED'"),
    )


def downgrade() -> None:

    op.drop_index(
        "order_commands_taken",
        table_name="order_commands",
        postgresql_where=sa.text("outcome <> 'REFUSED'"),
    )
    op.drop_index(
        "order_commands_pending",
        table_name="order_commands",
        postgresql_where=sa.text("outcome = 'PENDING'"),
    )
    op.drop_table("order_commands")
