"""Base asset of a fill."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:

    op.add_column(
        "fills",
        sa.Column(
            "base_asset",
            sa.Text(),
            nullable=True,
            comment="crypto: a commission in it reduces the position",
        ),
    )


def downgrade() -> None:

    op.drop_column("fills", "base_asset")
