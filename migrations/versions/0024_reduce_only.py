"""Reduce-only orders: what they claim while they wait for room, and an index of those that work."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "order_attempts",
        sa.Column(
            "claimed", sa.Numeric, comment="reduce-only: of the position, while it waits for room"
        ),
    )
    op.add_column(
        "order_attempts",
        sa.Column(
            "claimed_at",
            sa.TIMESTAMP(timezone=True),
            comment="since when it has waited for room",
        ),
    )
    op.create_index(
        "orders_reducing",
        "orders",
        ["symbol", "broker"],
        postgresql_where=sa.text(
            "reduce_only AND state NOT IN ('FILLED', 'CANCELLED', 'REJECTED', 'EXPIRED')"
        ),
    )


def downgrade() -> None:
    op.drop_index("orders_reducing", "orders")
    op.drop_column("order_attempts", "claimed_at")
    op.drop_column("order_attempts", "claimed")
