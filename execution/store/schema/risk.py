"""What operators allow: limits, trading states, and who changed them."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from execution.store.schema.columns import NOW, NUMBER, TIME, metadata

risk_controls = sa.Table(
    "risk_controls",
    metadata,
    sa.Column("single", sa.Boolean, primary_key=True, server_default=sa.true()),
    # Raised by triggers of the tables below.
    sa.Column("version", sa.BigInteger, nullable=False, server_default="0"),
    sa.CheckConstraint("single", name="single_row"),
)

# Only locked: see `execution.store.order_gate`.
order_gate = sa.Table(
    "order_gate",
    metadata,
    sa.Column("single", sa.Boolean, primary_key=True),
    comment="only locked, never filled: no order is sent while it is shut",
)

risk_limits = sa.Table(
    "risk_limits",
    metadata,
    sa.Column("limit_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("broker", sa.Text, comment="null: every broker"),
    sa.Column("strategy", sa.Text, comment="null: every strategy, and none"),
    sa.Column("symbol", sa.Text, comment="null: every symbol"),
    sa.Column("value", NUMBER, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("set_by", sa.Text, nullable=False),
    sa.Column("set_at", TIME, nullable=False, server_default=NOW),
    sa.CheckConstraint(
        "kind IN ('max_quantity', 'max_notional', 'max_position', 'max_exposure',"
        " 'max_open_orders', 'max_orders_per_second', 'price_collar', 'repeat_window')",
        name="kind",
    ),
    sa.CheckConstraint("value >= 0 AND value < 1e15", name="value_range"),
    sa.UniqueConstraint("kind", "broker", "strategy", "symbol", postgresql_nulls_not_distinct=True),
)

risk_rates = sa.Table(
    "risk_rates",
    metadata,
    sa.Column(
        "limit_id",
        sa.BigInteger,
        sa.ForeignKey("risk_limits.limit_id", ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column(
        "sent_at", ARRAY(TIME), nullable=False, comment="intents of the second before the last"
    ),
)

trading_states = sa.Table(
    "trading_states",
    metadata,
    sa.Column("scope", sa.Text, primary_key=True, comment="a broker, or * for all"),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("changed_by", sa.Text, nullable=False),
    sa.Column("changed_at", TIME, nullable=False, server_default=NOW),
    sa.Column(
        "halted_until",
        TIME,
        comment="end of the last halt: what was accepted before it is not sent",
    ),
    sa.CheckConstraint("state IN ('ACTIVE', 'REDUCING', 'HALTED')", name="state"),
)

risk_changes = sa.Table(
    "risk_changes",
    metadata,
    sa.Column("change_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("at", TIME, nullable=False, server_default=NOW),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False, comment="set, remove, halt, resume"),
    sa.Column("what", JSONB, nullable=False),
    sa.Column("reason", sa.Text),
)
