"""Readings of the pair that are to be confirmed, and what was confirmed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

_TIME = sa.TIMESTAMP(timezone=True)
_LOOKS = (
    ("unjudged", sa.Text, "why the last reading was no observation"),
    ("doubted_spread", sa.Numeric, "of a reading that is to be confirmed"),
    ("doubted_coins", sa.Numeric, "per share, on the day of that reading"),
    ("doubted_coins_as_of", sa.Date, None),
)


def upgrade() -> None:
    for name, kind, comment in _LOOKS:
        op.add_column("nav_looks", sa.Column(name, kind, comment=comment))
    op.create_table(
        "nav_confirmations",
        sa.Column("trust_symbol", sa.Text, nullable=False),
        sa.Column("spot_symbol", sa.Text, nullable=False),
        sa.Column("at", _TIME, nullable=False, server_default=sa.text("clock_timestamp()")),
        sa.Column("spread", sa.Numeric, nullable=False),
        sa.Column("coins_per_share", sa.Numeric, nullable=False),
        sa.Column("coins_as_of", sa.Date, nullable=False),
        sa.Column("evidence", sa.Text, nullable=False),
        sa.Column("confirmed_by", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint(
            "trust_symbol", "spot_symbol", "at", name=op.f("nav_confirmations_pkey")
        ),
    )


def downgrade() -> None:
    op.drop_table("nav_confirmations")
    for name, _, _ in _LOOKS:
        op.drop_column("nav_looks", name)
