"""What a position was after each fill, and indexes for what every order asks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_AFTER = (
    "position_quantity",
    "position_average_price",
    "position_realised_pnl",
    "position_commission",
)
# Every step changes an order and its attempt: room for the new versions on the same page lets
# PostgreSQL leave the indexes alone (HOT updates) where no indexed column changes.
_CHANGING = {"orders": 50, "order_attempts": 50, "positions": 50, "paper_positions": 50}


def upgrade() -> None:
    for name in _AFTER:
        op.add_column(
            "fills",
            sa.Column(name, sa.Numeric(), nullable=True, comment="of its position after this fill"),
        )
    op.create_index(
        "execution_reports_corrects",
        "execution_reports",
        ["corrects"],
        postgresql_where=sa.text("corrects IS NOT NULL"),
    )
    for table, percent in _CHANGING.items():
        op.execute(f"ALTER TABLE {table} SET (fillfactor = {percent})")


def downgrade() -> None:
    for table in _CHANGING:
        op.execute(f"ALTER TABLE {table} RESET (fillfactor)")
    op.drop_index("execution_reports_corrects", "execution_reports")
    for name in _AFTER:
        op.drop_column("fills", name)
