"""Attempts of a bracket's child whose prices have changed since they were sent."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "order_attempts",
        sa.Column(
            "outdated",
            sa.Boolean,
            nullable=False,
            server_default=sa.false(),
            comment="of a bracket's child: its prices have changed, and another is to take its "
            "place",
        ),
    )


def downgrade() -> None:
    op.drop_column("order_attempts", "outdated")
