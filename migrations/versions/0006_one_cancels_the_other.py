"""One cancels the other."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:

    op.add_column(
        "paper_orders",
        sa.Column(
            "one_cancels_other",
            sa.UUID(),
            nullable=True,
            comment="what one of these fills, the others give up",
        ),
    )


def downgrade() -> None:

    op.drop_column("paper_orders", "one_cancels_other")
