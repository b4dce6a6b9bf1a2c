"""What waits to be applied or positioned, by order: every step of an order asks for its own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_WAITING = {
    "execution_reports_unapplied": ("execution_reports", "received_at", "applied_at IS NULL"),
    "fills_unpositioned": ("fills", "recorded_at", "positioned_at IS NULL"),
}


def upgrade() -> None:
    for index, (table, at, waits) in _WAITING.items():
        op.drop_index(index, table)
        op.create_index(index, table, ["order_id", at], postgresql_where=sa.text(waits))


def downgrade() -> None:
    for index, (table, at, waits) in _WAITING.items():
        op.drop_index(index, table)
        op.create_index(index, table, [at], postgresql_where=sa.text(waits))
