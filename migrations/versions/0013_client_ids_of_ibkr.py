"""Client ids of Interactive Brokers are leased; an attempt has an order id under one of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_BY_BOTH = "ibkr_order_ids_client_id_venue_order_id_key"
_BY_ATTEMPT = "ibkr_order_ids_venue_order_id_key"


def upgrade() -> None:
    op.create_table(
        "ibkr_client_ids",
        sa.Column("endpoint", sa.Text, nullable=False, comment="host and port of TWS"),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("client_id", sa.Integer, nullable=False),
        sa.Column(
            "session_id",
            sa.UUID(),
            comment="who has it, for as long as that session's heart beats",
        ),
        sa.Column(
            "leased_at",
            sa.TIMESTAMP(timezone=True),
            nullable=False,
            server_default=sa.text("clock_timestamp()"),
        ),
        sa.PrimaryKeyConstraint(
            "endpoint", "account", "client_id", name=op.f("ibkr_client_ids_pkey")
        ),
    )
    # Whoever sends an attempt must find the order id that another client has taken for it.
    op.execute(
        """
        UPDATE ibkr_order_ids i SET venue_order_id = NULL
        WHERE EXISTS (SELECT FROM ibkr_order_ids later
            WHERE later.venue_order_id = i.venue_order_id
              AND (later.taken_at, later.client_id) > (i.taken_at, i.client_id))
        """
    )
    op.drop_constraint(op.f(_BY_BOTH), "ibkr_order_ids")
    op.create_unique_constraint(op.f(_BY_ATTEMPT), "ibkr_order_ids", ["venue_order_id"])


def downgrade() -> None:
    op.drop_constraint(op.f(_BY_ATTEMPT), "ibkr_order_ids")
    op.create_unique_constraint(op.f(_BY_BOTH), "ibkr_order_ids", ["client_id", "venue_order_id"])
    op.drop_table("ibkr_client_ids")
