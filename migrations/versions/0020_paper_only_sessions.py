"""Whether a session's worker sends nothing new to a live broker (FORCE_PAPER_TRADING)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A worker of the release before says nothing of it, and obeys it at step 1 only.
    op.add_column(
        "broker_sessions",
        sa.Column(
            "force_paper",
            sa.Boolean,
            nullable=False,
            server_default=sa.false(),
            comment="sends nothing new to a live broker",
        ),
    )


def downgrade() -> None:
    op.drop_column("broker_sessions", "force_paper")
