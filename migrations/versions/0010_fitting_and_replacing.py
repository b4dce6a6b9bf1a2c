"""Rules of venues, attempts that replace one another, post-only orders, candles."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_NOW = sa.text("clock_timestamp()")
_TIME = sa.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.add_column(
        "orders", sa.Column("post_only", sa.Boolean, nullable=False, server_default=sa.false())
    )
    op.add_column(
        "order_attempts",
        sa.Column("replacement", JSONB, comment="terms of the attempt that follows this one"),
    )
    op.add_column(
        "order_attempts",
        sa.Column("closes", sa.Text, comment="the venue's own position that it closes"),
    )
    op.create_table(
        "trading_rules",
        sa.Column("broker", sa.Text, nullable=False),
        sa.Column("symbol", sa.Text, nullable=False),
        sa.Column("rules", JSONB, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False, server_default=_NOW),
        sa.PrimaryKeyConstraint("broker", "symbol", name=op.f("trading_rules_pkey")),
    )
    op.create_table(
        "candles",
        sa.Column("broker", sa.Text, nullable=False),
        sa.Column("symbol", sa.Text, nullable=False),
        sa.Column("interval", sa.Text, nullable=False),
        sa.Column("opened_at", _TIME, nullable=False),
        sa.Column("open", sa.Numeric, nullable=False),
        sa.Column("high", sa.Numeric, nullable=False),
        sa.Column("low", sa.Numeric, nullable=False),
        sa.Column("close", sa.Numeric, nullable=False),
        sa.Column("volume", sa.Numeric, nullable=False),
        sa.Column("fetched_at", _TIME, nullable=False, server_default=_NOW),
        sa.PrimaryKeyConstraint(
            "broker", "symbol", "interval", "opened_at", name=op.f("candles_pkey")
        ),
    )
    op.execute(
        """
        DO $$ BEGIN
            IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
                PERFORM create_hypertable('candles', 'opened_at', migrate_data => true);
            END IF;
        END $$
        """
    )


def downgrade() -> None:
    op.drop_table("candles")
    op.drop_table("trading_rules")
    op.drop_column("order_attempts", "closes")
    op.drop_column("order_attempts", "replacement")
    op.drop_column("orders", "post_only")
