"""What an account held before an order was sent, and until when a venue wants no request."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

_TIME = sa.TIMESTAMP(timezone=True)
_NOW = sa.text("clock_timestamp()")


def upgrade() -> None:
    op.create_table(
        "account_snapshots",
        sa.Column("broker", sa.Text, nullable=False),
        sa.Column("account", sa.Text, nullable=False, comment="as the venue names it"),
        sa.Column("at", _TIME, nullable=False, server_default=_NOW),
        sa.Column("as_of", _TIME, nullable=False, comment="the venue's time of the last change"),
        sa.Column("balances", JSONB, nullable=False, comment="amounts by currency, as text"),
        sa.PrimaryKeyConstraint("broker", "account", "at", name=op.f("account_snapshots_pkey")),
    )
    op.create_table(
        "venue_pauses",
        sa.Column("broker", sa.Text, nullable=False),
        sa.Column("endpoint", sa.Text, nullable=False, comment="the venue's address"),
        sa.Column("until", _TIME, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("heard_at", _TIME, nullable=False, server_default=_NOW),
        sa.PrimaryKeyConstraint("broker", "endpoint", name=op.f("venue_pauses_pkey")),
    )


def downgrade() -> None:
    op.drop_table("venue_pauses")
    op.drop_table("account_snapshots")
