"""The key that steps are signed with, and messages that no worker obeyed."""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None

_TIME = sa.TIMESTAMP(timezone=True)
_NOW = sa.text("clock_timestamp()")
_KEY_BYTES = 32


def upgrade() -> None:
    keys = op.create_table(
        "signing_keys",
        sa.Column("key_id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("created_at", _TIME, nullable=False, server_default=_NOW),
        sa.PrimaryKeyConstraint("key_id", name=op.f("signing_keys_pkey")),
    )
    op.bulk_insert(keys, [{"key": secrets.token_urlsafe(_KEY_BYTES)}])
    op.create_table(
        "dead_letters",
        sa.Column("dead_letter_id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("received_at", _TIME, nullable=False, server_default=_NOW),
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
        sa.PrimaryKeyConstraint("dead_letter_id", name=op.f("dead_letters_pkey")),
    )


def downgrade() -> None:
    op.drop_table("dead_letters")
    op.drop_table("signing_keys")
