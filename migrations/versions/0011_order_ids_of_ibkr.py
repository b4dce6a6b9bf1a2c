"""Order ids of Interactive Brokers, each on disk before it is used."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ibkr_order_ids",
        sa.Column("client_id", sa.Integer, nullable=False),
        sa.Column("order_id", sa.Integer, nullable=False),
        sa.Column(
            "venue_order_id",
            sa.Text,
            comment="the attempt that has it; none when TWS has given it to another order",
        ),
        sa.Column(
            "taken_at",
            sa.TIMESTAMP(timezone=True),
            nullable=False,
            server_default=sa.text("clock_timestamp()"),
        ),
        sa.PrimaryKeyConstraint("client_id", "order_id", name=op.f("ibkr_order_ids_pkey")),
        sa.UniqueConstraint(
            "client_id", "venue_order_id", name=op.f("ibkr_order_ids_client_id_venue_order_id_key")
        ),
    )


def downgrade() -> None:
    op.drop_table("ibkr_order_ids")
