"""How far each process's clock is from the database's."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0029"
branch_labels = None
depends_on = None

_TIME = sa.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.create_table(
        "process_clocks",
        sa.Column("process", sa.Text, nullable=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("ahead", sa.Double, nullable=False, comment="seconds; negative: behind"),
        sa.Column(
            "measured_at", _TIME, nullable=False, server_default=sa.text("clock_timestamp()")
        ),
        sa.PrimaryKeyConstraint("process", name=op.f("process_clocks_pkey")),
    )


def downgrade() -> None:
    op.drop_table("process_clocks")
