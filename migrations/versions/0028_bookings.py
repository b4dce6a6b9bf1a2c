"""Positions that came or went without an order, booked by hand."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

_TIME = sa.TIMESTAMP(timezone=True)
_BEFORE = "status IN ('GOOD', 'CORRECTED', 'BUSTED')"
_AFTER = "status IN ('GOOD', 'CORRECTED', 'BUSTED', 'BOOKED')"


def upgrade() -> None:
    op.create_table(
        "bookings",
        sa.Column("booking_id", sa.UUID(), nullable=False),
        sa.Column("broker", sa.Text, nullable=False),
        sa.Column("environment", sa.Text, nullable=False),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("happened_at", _TIME, nullable=False),
        sa.Column("went", JSONB, nullable=False, comment="as it was said"),
        sa.Column("came", JSONB, nullable=False, comment="as it was said"),
        sa.Column("evidence", sa.Text, nullable=False),
        sa.Column("booked_by", sa.Text, nullable=False),
        sa.Column("booked_at", _TIME, nullable=False, server_default=sa.text("clock_timestamp()")),
        sa.Column("reversed_at", _TIME),
        sa.Column("reversed_by", sa.Text),
        sa.Column("reversal_evidence", sa.Text),
        sa.PrimaryKeyConstraint("booking_id", name=op.f("bookings_pkey")),
    )
    op.create_index("bookings_booked_at", "bookings", ["booked_at"])
    _status(_AFTER)


def downgrade() -> None:
    op.execute("UPDATE fills SET status = 'GOOD' WHERE status = 'BOOKED'")
    _status(_BEFORE)
    op.drop_table("bookings")


def _status(check: str) -> None:
    op.execute(
        f"""
        ALTER TABLE fills DROP CONSTRAINT fills_status_check,
            ADD CONSTRAINT fills_status_check CHECK ({check})
        """
    )
