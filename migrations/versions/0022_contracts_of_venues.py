"""Which symbol of ours each contract of a venue has; times of executions that cannot be read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "venue_contracts",
        sa.Column("broker", sa.Text, nullable=False),
        sa.Column("contract_id", sa.Text, nullable=False, comment="the venue's own: IBKR's conId"),
        sa.Column("symbol", sa.Text, nullable=False, comment="ours"),
        sa.Column("asset_class", sa.Text, comment="none for a kind that is not traded here"),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("multiplier", sa.Numeric, nullable=False),
        sa.Column(
            "named_at",
            sa.TIMESTAMP(timezone=True),
            nullable=False,
            server_default=sa.text("clock_timestamp()"),
        ),
        sa.PrimaryKeyConstraint("broker", "contract_id", name=op.f("venue_contracts_pkey")),
        sa.UniqueConstraint("broker", "symbol", name=op.f("venue_contracts_broker_symbol_key")),
    )
    op.add_column(
        "execution_reports",
        sa.Column(
            "unread_time",
            sa.Text,
            comment="what the venue wrote where no time can be read; executed_at is the receipt",
        ),
    )


def downgrade() -> None:
    op.drop_column("execution_reports", "unread_time")
    op.drop_table("venue_contracts")
