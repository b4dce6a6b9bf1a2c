"""Comparisons with a venue that somebody has asked for, and what they have found."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_TIME = sa.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.create_table(
        "reconciliations",
        sa.Column("reconciliation_id", sa.UUID(), nullable=False),
        sa.Column("broker", sa.Text, nullable=False),
        sa.Column("asked_by", sa.Text, nullable=False),
        sa.Column("asked_at", _TIME, nullable=False, server_default=sa.text("clock_timestamp()")),
        sa.Column("finished_at", _TIME),
        sa.Column("found", JSONB, comment="open orders, whether positions stood still, breaks"),
        sa.Column("problem", sa.Text, comment="why it could not be done"),
        sa.PrimaryKeyConstraint("reconciliation_id", name=op.f("reconciliations_pkey")),
    )


def downgrade() -> None:
    op.drop_table("reconciliations")
