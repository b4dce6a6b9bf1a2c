"""What was booked by hand: positions that came or went without an order."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from execution.store.schema.columns import NOW, TIME, UUID_, metadata

bookings = sa.Table(
    "bookings",
    metadata,
    sa.Column("booking_id", UUID_, primary_key=True),
    sa.Column("broker", sa.Text, nullable=False),
    sa.Column("environment", sa.Text, nullable=False),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("happened_at", TIME, nullable=False),
    sa.Column("went", JSONB, nullable=False, comment="as it was said"),
    sa.Column("came", JSONB, nullable=False, comment="as it was said"),
    sa.Column("evidence", sa.Text, nullable=False),
    sa.Column("booked_by", sa.Text, nullable=False),
    sa.Column("booked_at", TIME, nullable=False, server_default=NOW),
    sa.Column("reversed_at", TIME),
    sa.Column("reversed_by", sa.Text),
    sa.Column("reversal_evidence", sa.Text),
)

sa.Index("bookings_booked_at", bookings.c.booked_at)
