"""The paper venue's own book, quotes, candles, and what venues take of an instrument."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from execution.store.schema.columns import NOW, NUMBER, TIME, UUID_, metadata

paper_orders = sa.Table(
    "paper_orders",
    metadata,
    sa.Column("venue_order_id", sa.Text, primary_key=True),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("symbol", sa.Text, nullable=False),
    sa.Column("side", sa.Text, nullable=False),
    sa.Column("quantity", NUMBER, nullable=False),
    sa.Column("filled_quantity", NUMBER, nullable=False, server_default="0"),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("accepted_at", TIME, nullable=False),
    sa.Column("one_cancels_other", UUID_, comment="what one of these fills, the others give up"),
    sa.Column("terms", JSONB, nullable=False, comment="type, prices, time in force"),
    sa.Column(
        "version",
        sa.Integer,
        nullable=False,
        server_default="1",
        comment="grows with every change; a change is made only on the one that was read",
    ),
    sa.Column("executions", sa.Integer, nullable=False, server_default="0"),
    sa.Column("ends_at", TIME, comment="when its time in force ends"),
    sa.Column("closes_at", TIME, comment="the close that an on-close order waits for"),
    sa.Column("triggered_at", TIME, comment="when its stop was reached"),
    sa.Column("taken_at", TIME, comment="time of the quote it last filled on"),
    sa.Column(
        "trail_extreme",
        NUMBER,
        comment="lowest ask (BUY) or highest bid (SELL) since a trailing stop was accepted",
    ),
    sa.Column(
        "taken_quantity",
        NUMBER,
        nullable=False,
        server_default="0",
        comment="how much of that quote's size it has taken",
    ),
)

sa.Index(
    "paper_orders_open",
    paper_orders.c.account,
    postgresql_where=sa.text("state IN ('SUBMITTED', 'PARTIALLY_FILLED')"),
)

paper_executions = sa.Table(
    "paper_executions",
    metadata,
    sa.Column("execution_id", sa.Text, primary_key=True),
    sa.Column(
        "venue_order_id",
        sa.Text,
        sa.ForeignKey("paper_orders.venue_order_id"),
        nullable=False,
    ),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("quantity", NUMBER, nullable=False),
    sa.Column("price", NUMBER, nullable=False),
    sa.Column("executed_at", TIME, nullable=False),
)

sa.Index("paper_executions_venue_order_id", paper_executions.c.venue_order_id)

sa.Index("paper_executions_executed_at", paper_executions.c.executed_at)

quotes = sa.Table(
    "quotes",
    metadata,
    sa.Column("at", TIME, nullable=False),
    sa.Column("symbol", sa.Text, nullable=False),
    sa.Column("bid", NUMBER, nullable=False),
    sa.Column("ask", NUMBER, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
)

sa.Index("quotes_symbol_at", quotes.c.symbol, quotes.c.at)

# What is too old to be kept; a hypertable has this index by itself, under this name.
sa.Index("quotes_at_idx", quotes.c.at.desc())

candles = sa.Table(
    "candles",
    metadata,
    sa.Column("broker", sa.Text, primary_key=True),
    sa.Column("symbol", sa.Text, primary_key=True),
    sa.Column("interval", sa.Text, primary_key=True),
    sa.Column("opened_at", TIME, primary_key=True),
    sa.Column("open", NUMBER, nullable=False),
    sa.Column("high", NUMBER, nullable=False),
    sa.Column("low", NUMBER, nullable=False),
    sa.Column("close", NUMBER, nullable=False),
    sa.Column("volume", NUMBER, nullable=False),
    sa.Column("fetched_at", TIME, nullable=False, server_default=NOW),
)

trading_rules = sa.Table(
    "trading_rules",
    metadata,
    sa.Column("broker", sa.Text, primary_key=True),
    sa.Column("symbol", sa.Text, primary_key=True),
    sa.Column("rules", JSONB, nullable=False),
    sa.Column("updated_at", TIME, nullable=False, server_default=NOW),
)
