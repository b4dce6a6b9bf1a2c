"""Brackets: a row that says when a family is due, and children of several attempts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

_TIME = sa.TIMESTAMP(timezone=True)
_NUMBER = sa.Numeric
# A family whose bare quantity changes changes what may be sent, as a limit does.
_TRIGGER = """
CREATE TRIGGER brackets_change AFTER UPDATE OF bare ON brackets FOR EACH ROW
    WHEN (OLD.bare IS DISTINCT FROM NEW.bare) EXECUTE FUNCTION risk_controls_change()
"""


def upgrade() -> None:
    op.create_table(
        "brackets",
        sa.Column("parent_order_id", sa.UUID(), nullable=False),
        sa.Column(
            "version",
            sa.Integer,
            nullable=False,
            server_default="1",
            comment="raised with every change of a member",
        ),
        sa.Column("due_at", _TIME, comment="when the family is to be looked at"),
        sa.Column("resends", sa.Integer, nullable=False, server_default="0"),
        sa.Column("lease_owner", sa.UUID(), comment="who is fitting it"),
        sa.Column("lease_until", _TIME),
        sa.Column(
            "taken",
            _NUMBER,
            nullable=False,
            server_default="0",
            comment="of its position, what other exits have taken or are about to",
        ),
        sa.Column(
            "flatten",
            _NUMBER,
            nullable=False,
            server_default="0",
            comment="what is to be closed at the market",
        ),
        sa.Column("short_since", _TIME, comment="since when more is open than is covered"),
        sa.Column(
            "failures",
            sa.SmallInteger,
            nullable=False,
            server_default="0",
            comment="changes in a row that the venue refused or did not answer",
        ),
        sa.Column("retry_at", _TIME, comment="no change goes to the venue before"),
        sa.Column("bare_since", _TIME, comment="since when some of it may have no working stop"),
        sa.Column(
            "bare", _NUMBER, comment="what has none, once that was reported; entries are refused"
        ),
        sa.Column(
            "over",
            sa.Boolean,
            nullable=False,
            server_default=sa.false(),
            comment="its parent is final, and nothing of it is open or stands",
        ),
        sa.CheckConstraint("taken >= 0", name=op.f("brackets_taken_range_check")),
        sa.CheckConstraint("flatten >= 0", name=op.f("brackets_flatten_range_check")),
        sa.PrimaryKeyConstraint("parent_order_id", name=op.f("brackets_pkey")),
        sa.ForeignKeyConstraint(
            ["parent_order_id"], ["orders.order_id"], name=op.f("brackets_parent_order_id_fkey")
        ),
    )
    for name, column in (("due", "due_at"), ("bare_since", "bare_since")):
        op.create_index(
            f"brackets_{name}",
            "brackets",
            [column],
            postgresql_where=sa.text(f"{column} IS NOT NULL"),
        )
    op.create_index(
        "brackets_open", "brackets", ["parent_order_id"], postgresql_where=sa.text("NOT over")
    )
    op.create_index(
        "brackets_bare",
        "brackets",
        ["parent_order_id"],
        postgresql_where=sa.text("bare IS NOT NULL"),
    )
    op.execute(_TRIGGER)
    op.create_index(
        "orders_parent",
        "orders",
        ["parent_order_id"],
        postgresql_where=sa.text("parent_order_id IS NOT NULL"),
    )
    op.add_column(
        "order_attempts",
        sa.Column(
            "one_cancels_other", sa.UUID(), comment="its group at the venue: one ends the others"
        ),
    )
    op.add_column(
        "order_attempts",
        sa.Column(
            "reduced",
            _NUMBER,
            nullable=False,
            server_default="0",
            comment="of its quantity, what the venue took off for fills of others of its group",
        ),
    )
    op.add_column(
        "order_attempts",
        sa.Column(
            "cancel_asked_at", _TIME, comment="of a bracket's child: when we asked for its end"
        ),
    )
    op.add_column(
        "order_attempts",
        sa.Column("end_cause", sa.Text, comment="of a bracket's child: why it ended"),
    )
    op.create_index(
        "order_attempts_group",
        "order_attempts",
        ["one_cancels_other"],
        postgresql_where=sa.text("one_cancels_other IS NOT NULL"),
    )
    _carry_over()


def _carry_over() -> None:
    """Children that exist are in one group, their parent's; what was under way is computed anew."""
    op.execute(
        """
        UPDATE order_attempts a SET one_cancels_other = o.parent_order_id,
            end_cause = CASE WHEN a.state IN ('FILLED', 'CANCELLED', 'REJECTED', 'EXPIRED')
                THEN 'COVERED' END
        FROM orders o WHERE o.order_id = a.order_id AND o.parent_order_id IS NOT NULL
        """
    )
    op.execute(
        """
        UPDATE order_commands c SET outcome = 'REFUSED', due_at = NULL,
            settled_at = clock_timestamp(), reason = 'computed anew by a later release'
        FROM orders o
        WHERE c.outcome = 'PENDING' AND o.client_order_id = c.client_order_id
          AND o.parent_order_id IS NOT NULL
          AND (c.external_id LIKE 'covered-%' OR c.external_id LIKE 'size-%')
        """
    )
    op.execute(
        """
        INSERT INTO brackets (parent_order_id, due_at, bare_since)
        SELECT p.order_id, clock_timestamp(), clock_timestamp() FROM orders p
        WHERE (p.take_profit_price IS NOT NULL OR p.stop_loss_price IS NOT NULL)
          AND p.filled_quantity > 0
          AND (p.state NOT IN ('FILLED', 'CANCELLED', 'REJECTED', 'EXPIRED')
            OR EXISTS (SELECT FROM orders c WHERE c.parent_order_id = p.order_id
                AND c.state NOT IN ('FILLED', 'CANCELLED', 'REJECTED', 'EXPIRED')))
        """
    )


def downgrade() -> None:
    op.drop_index("order_attempts_group", "order_attempts")
    for column in ("end_cause", "cancel_asked_at", "reduced", "one_cancels_other"):
        op.drop_column("order_attempts", column)
    op.drop_index("orders_parent", "orders")
    op.drop_table("brackets")
