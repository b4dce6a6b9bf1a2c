"""Cancels and modifies: how often they were sent, and the terms that their venue takes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_TABLE = "order_commands"
_BEFORE = "a modify: when its intent was committed"
_AFTER = "a modify: its intent was committed; a cancel: first sent"


def upgrade() -> None:
    op.add_column(_TABLE, sa.Column("sends", sa.Integer, nullable=False, server_default="0"))
    op.add_column(
        _TABLE,
        sa.Column(
            "last_send_at",
            sa.TIMESTAMP(timezone=True),
            comment="when it last set out for its venue",
        ),
    )
    op.add_column(
        _TABLE, sa.Column("fitted", JSONB, comment="a modify: its terms as the venue takes them")
    )
    op.add_column(_TABLE, sa.Column("ours", sa.Boolean, nullable=False, server_default=sa.false()))
    op.alter_column(_TABLE, "sent_at", comment=_AFTER, existing_comment=_BEFORE)
    # What has set out before is looked at before it is sent again.
    op.execute(
        """
        UPDATE order_commands SET sends = 1, last_send_at = sent_at
        WHERE outcome = 'PENDING' AND sent_at IS NOT NULL
        """
    )


def downgrade() -> None:
    op.alter_column(_TABLE, "sent_at", comment=_BEFORE, existing_comment=_AFTER)
    for name in ("ours", "fitted", "last_send_at", "sends"):
        op.drop_column(_TABLE, name)
