"""Seals of the orders' history: digests under a key that the database does not know."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import UUID

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None

_TIME = sa.TIMESTAMP(timezone=True)
_NOW = sa.text("clock_timestamp()")


def upgrade() -> None:
    op.create_table(
        "history_heads",
        sa.Column("head_no", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("upto", _TIME, nullable=False, comment="lines up to and including this time"),
        sa.Column(
            "digest", sa.LargeBinary, nullable=False, comment="of the head before and its seals"
        ),
        sa.Column("key_id", sa.Text, nullable=False, comment="which key made it"),
        sa.Column("lines", sa.BigInteger, nullable=False),
        sa.Column("sealed_at", _TIME, nullable=False, server_default=_NOW),
        sa.PrimaryKeyConstraint("head_no", name=op.f("history_heads_pkey")),
    )
    op.create_table(
        "history_seals",
        sa.Column("order_id", UUID(as_uuid=True), nullable=False),
        sa.Column("head_no", sa.BigInteger, nullable=False),
        sa.Column("lines", sa.Integer, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False, comment="of the order's lines so far"),
        sa.PrimaryKeyConstraint("order_id", "head_no", name=op.f("history_seals_pkey")),
        sa.ForeignKeyConstraint(
            ["head_no"], ["history_heads.head_no"], name=op.f("history_seals_head_no_fkey")
        ),
    )
    op.create_index("history_seals_head_no", "history_seals", ["head_no"])


def downgrade() -> None:
    op.drop_table("history_seals")
    op.drop_table("history_heads")
