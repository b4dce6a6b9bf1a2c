"""What a paper order remembers between two looks at the market: triggers, ends, what it took."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_TIME = sa.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.add_column(
        "paper_orders",
        sa.Column(
            "version",
            sa.Integer(),
            server_default="1",
            nullable=False,
            comment="grows with every change; a change is made only on the one that was read",
        ),
    )
    op.add_column(
        "paper_orders",
        sa.Column("executions", sa.Integer(), server_default="0", nullable=False),
    )
    for name, comment in (
        ("ends_at", "when its time in force ends"),
        ("closes_at", "the close that an on-close order waits for"),
        ("triggered_at", "when its stop was reached"),
        ("taken_at", "time of the quote it last filled on"),
    ):
        op.add_column("paper_orders", sa.Column(name, _TIME, nullable=True, comment=comment))
    op.add_column(
        "paper_orders",
        sa.Column(
            "trail_extreme",
            sa.Numeric(),
            nullable=True,
            comment="lowest ask (BUY) or highest bid (SELL) since a trailing stop was accepted",
        ),
    )
    op.add_column(
        "paper_orders",
        sa.Column(
            "taken_quantity",
            sa.Numeric(),
            server_default="0",
            nullable=False,
            comment="how much of that quote's size it has taken",
        ),
    )
    op.execute(
        """
        UPDATE paper_orders o SET executions =
            (SELECT count(*) FROM paper_executions e WHERE e.venue_order_id = o.venue_order_id)
        """
    )


def downgrade() -> None:
    for name in (
        "taken_quantity",
        "trail_extreme",
        "taken_at",
        "triggered_at",
        "closes_at",
        "ends_at",
        "executions",
        "version",
    ):
        op.drop_column("paper_orders", name)
