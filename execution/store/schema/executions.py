"""What happened: raw reports, fills, positions."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from execution.store.schema.columns import NOW, NUMBER, TIME, UUID_, metadata

IDENTITY = ("broker", "environment", "account", "instrument_key", "side", "execution_id")
"""What an execution is known by. Our symbol is no part of it: a venue may spell its own anew."""

_KEY = "the venue's own instrument, where its execution ids are unique per instrument; else empty"


def _position_table(name: str) -> sa.Table:
    return sa.Table(
        name,
        metadata,
        sa.Column("account", sa.Text, primary_key=True),
        sa.Column("broker", sa.Text, primary_key=True),
        sa.Column("symbol", sa.Text, primary_key=True),
        sa.Column("asset_class", sa.Text),
        sa.Column("multiplier", NUMBER, nullable=False),
        sa.Column("currency", sa.Text),
        sa.Column("quantity", NUMBER, nullable=False),
        sa.Column("average_price", NUMBER, nullable=False),
        sa.Column("realised_pnl", NUMBER, nullable=False),
        sa.Column("commission", NUMBER, nullable=False),
        sa.Column("last_executed_at", TIME),
        sa.Column("last_fill_id", sa.BigInteger),
        sa.Column("updated_at", TIME, nullable=False, server_default=NOW),
        sa.Column(
            "costs",
            JSONB,
            nullable=False,
            server_default="{}",
            comment="everything paid, by currency, amounts as text; `commission` is part of it",
        ),
        sa.Column(
            "net_pnl",
            NUMBER,
            sa.Computed("realised_pnl - commission", persisted=True),
            comment="in the instrument's currency; costs in others are beside it",
        ),
    )


execution_reports = sa.Table(
    "execution_reports",
    metadata,
    sa.Column("report_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("broker", sa.Text, nullable=False),
    sa.Column("environment", sa.Text, nullable=False),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("instrument_key", sa.Text, nullable=False, server_default="", comment=_KEY),
    sa.Column("symbol", sa.Text, nullable=False),
    sa.Column("side", sa.Text, nullable=False),
    sa.Column("execution_id", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column(
        "revision",
        sa.SmallInteger,
        nullable=False,
        server_default="0",
        comment="of a commission or correction that came again with other values",
    ),
    sa.Column("execution_mode", sa.Text, nullable=False),
    sa.Column("quantity", NUMBER, nullable=False),
    sa.Column("price", NUMBER, nullable=False),
    sa.Column("commission", NUMBER),
    sa.Column("commission_currency", sa.Text),
    sa.Column("corrects", sa.Text),
    sa.Column("executed_at", TIME, nullable=False),
    sa.Column(
        "unread_time",
        sa.Text,
        comment="what the venue wrote where no time can be read; executed_at is the receipt",
    ),
    sa.Column("venue_order_id", sa.Text),
    sa.Column("broker_order_id", sa.Text),
    sa.Column("order_id", UUID_, sa.ForeignKey("orders.order_id")),
    sa.Column("attempt_id", UUID_, sa.ForeignKey("order_attempts.attempt_id")),
    sa.Column("received_at", TIME, nullable=False, server_default=NOW),
    sa.Column("applied_at", TIME),
    # A late commission carries the id of its execution, so the kind is part of what is unique.
    sa.UniqueConstraint(
        *IDENTITY,
        "kind",
        "revision",
        name="execution_reports_identity_key",
    ),
    sa.CheckConstraint("quantity >= 0 AND quantity < 1e16", name="quantity_range"),
    sa.CheckConstraint("price > -1e15 AND price < 1e15", name="price_range"),
)

sa.Index(
    "execution_reports_unapplied",
    execution_reports.c.order_id,
    execution_reports.c.received_at,
    postgresql_where=sa.text("applied_at IS NULL"),
)

sa.Index(
    "execution_reports_corrects",
    execution_reports.c.corrects,
    postgresql_where=sa.text("corrects IS NOT NULL"),
)

sa.Index("execution_reports_order_id", execution_reports.c.order_id)

fills = sa.Table(
    "fills",
    metadata,
    sa.Column("fill_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column(
        "report_id",
        sa.BigInteger,
        sa.ForeignKey("execution_reports.report_id"),
        nullable=False,
        unique=True,
    ),
    sa.Column("order_id", UUID_, sa.ForeignKey("orders.order_id")),
    sa.Column("attempt_id", UUID_, sa.ForeignKey("order_attempts.attempt_id")),
    sa.Column("broker", sa.Text, nullable=False),
    sa.Column("environment", sa.Text, nullable=False),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("instrument_key", sa.Text, nullable=False, server_default="", comment=_KEY),
    sa.Column("symbol", sa.Text, nullable=False),
    sa.Column("side", sa.Text, nullable=False),
    sa.Column("execution_id", sa.Text, nullable=False),
    sa.Column("quantity", NUMBER, nullable=False),
    sa.Column("price", NUMBER, nullable=False),
    sa.Column("commission", NUMBER),
    sa.Column("commission_currency", sa.Text),
    sa.Column("currency", sa.Text),
    sa.Column("base_asset", sa.Text, comment="crypto: a commission in it reduces the position"),
    sa.Column("multiplier", NUMBER, nullable=False),
    sa.Column("execution_mode", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False, server_default="GOOD"),
    sa.Column("cumulative_quantity", NUMBER),
    sa.Column("leaves_quantity", NUMBER),
    sa.Column("average_price", NUMBER),
    sa.Column("order_state", sa.Text),
    sa.Column("executed_at", TIME, nullable=False),
    sa.Column("recorded_at", TIME, nullable=False, server_default=NOW),
    sa.Column("revised", sa.Text, comment="kind of the last report that changed it"),
    sa.Column("revisions", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("announced_at", TIME, comment="when its FILL message was written"),
    sa.Column("positioned_at", TIME),
    *(
        sa.Column(name, NUMBER, comment="of its position after this fill")
        for name in (
            "position_quantity",
            "position_average_price",
            "position_realised_pnl",
            "position_commission",
        )
    ),
    sa.Column("position_costs", JSONB, comment="of its position after this fill"),
    sa.UniqueConstraint(*IDENTITY, name="fills_identity_key"),
    sa.CheckConstraint("status IN ('GOOD', 'CORRECTED', 'BUSTED', 'BOOKED')", name="status"),
    sa.CheckConstraint("(broker = 'PAPER') = (execution_mode = 'PAPER')", name="mode"),
)

sa.Index("fills_order_id", fills.c.order_id)

sa.Index(
    "fills_unpositioned",
    fills.c.order_id,
    fills.c.recorded_at,
    postgresql_where=sa.text("positioned_at IS NULL"),
)

sa.Index("fills_position", fills.c.account, fills.c.broker, fills.c.symbol, fills.c.executed_at)

positions = _position_table("positions")

paper_positions = _position_table("paper_positions")
