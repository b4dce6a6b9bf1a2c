"""Brackets beside exits: their symbol, and what of them others have closed for good."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

_BEFORE = "its parent is final, and nothing of it is open or stands"
_AFTER = "its parent is final, nothing of it stands, and nothing more is to"


def upgrade() -> None:
    op.add_column("brackets", sa.Column("symbol", sa.Text))
    op.execute(
        """
        UPDATE brackets b SET symbol = o.symbol FROM orders o
        WHERE o.order_id = b.parent_order_id
        """
    )
    op.alter_column("brackets", "symbol", nullable=False)
    op.add_column(
        "brackets",
        sa.Column(
            "closed",
            sa.Numeric,
            nullable=False,
            server_default="0",
            comment="as much of that as others have closed for good",
        ),
    )
    op.create_check_constraint(
        op.f("brackets_closed_range_check"), "brackets", "closed >= 0 AND closed <= taken"
    )
    op.alter_column("brackets", "over", comment=_AFTER, existing_comment=_BEFORE)
    op.drop_index("brackets_open", "brackets")
    op.create_index("brackets_open", "brackets", ["symbol"], postgresql_where=sa.text("NOT over"))


def downgrade() -> None:
    op.drop_index("brackets_open", "brackets")
    op.alter_column("brackets", "over", comment=_BEFORE, existing_comment=_AFTER)
    op.drop_constraint(op.f("brackets_closed_range_check"), "brackets")
    op.drop_column("brackets", "closed")
    op.drop_column("brackets", "symbol")
    op.create_index(
        "brackets_open", "brackets", ["parent_order_id"], postgresql_where=sa.text("NOT over")
    )
