"""What was observed of a trust and its coin, and the groups of orders that came of it."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from execution.store.schema.columns import NOW, NUMBER, TIME, UUID_, metadata, positive

nav_observations = sa.Table(
    "nav_observations",
    metadata,
    sa.Column("trust_symbol", sa.Text, primary_key=True),
    sa.Column("spot_symbol", sa.Text, primary_key=True),
    sa.Column("interval", sa.Text, primary_key=True, comment="its length: 1d, 15m"),
    sa.Column(
        "interval_at", TIME, primary_key=True, comment="a day's close, or an interval's beginning"
    ),
    sa.Column("observed_at", TIME, nullable=False),
    sa.Column("trust_price", NUMBER, nullable=False, comment="dollars per share"),
    sa.Column("spot_price", NUMBER, nullable=False, comment="per coin, in spot_currency"),
    sa.Column("spot_currency", sa.Text, nullable=False),
    sa.Column(
        "conversion", NUMBER, comment="dollars per unit of spot_currency; null: taken for dollars"
    ),
    sa.Column("coins_per_share", NUMBER, nullable=False, comment="accrued to observed_at"),
    sa.Column("coins_as_of", sa.Date, nullable=False),
    sa.Column("nav_per_share", NUMBER, nullable=False, comment="dollars"),
    sa.Column("spread", NUMBER, nullable=False, comment="trust_price / nav_per_share - 1"),
    sa.Column("z", NUMBER, comment="null while the window is not full, or flat"),
    sa.Column("mean", NUMBER, comment="of the window before"),
    sa.Column("standard_deviation", NUMBER, comment="of the window before, as of a sample"),
    sa.Column("window_size", sa.Integer, comment="observations in the window before"),
    sa.Column("action", sa.Text, comment="ENTER, EXIT, or null: no signal"),
    sa.Column("direction", sa.Text),
    sa.Column("reason", sa.Text, comment="why there is no signal, or why to exit"),
    sa.Column("recorded_at", TIME, nullable=False, server_default=NOW),
    sa.Column("declined", sa.Text, comment="why a signal was not acted on"),
    *(positive(name) for name in ("trust_price", "spot_price", "conversion", "coins_per_share")),
)

_STATES = "'OPENING', 'OPEN', 'CLOSING', 'CLOSED', 'UNWINDING', 'UNWOUND', 'WAITING'"

nav_groups = sa.Table(
    "nav_groups",
    metadata,
    sa.Column("group_id", UUID_, primary_key=True, comment="derived from pair and interval"),
    sa.Column("trust_symbol", sa.Text, nullable=False),
    sa.Column("spot_symbol", sa.Text, nullable=False),
    sa.Column("interval", sa.Text, nullable=False),
    sa.Column("interval_at", TIME, nullable=False),
    sa.Column("direction", sa.Text, nullable=False),
    sa.Column("execution_mode", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False, server_default="OPENING"),
    sa.Column("phase", sa.Text, nullable=False, server_default="OPENING"),
    sa.Column("reason", sa.Text, comment="of the state"),
    sa.Column("entered_at", TIME, nullable=False, comment="when the pair was observed"),
    sa.Column("trust_price", NUMBER, nullable=False),
    sa.Column("spot_price", NUMBER, nullable=False),
    sa.Column("conversion", NUMBER, comment="dollars per unit of the spot's currency, at entry"),
    sa.Column("coins_per_share", NUMBER, nullable=False),
    sa.Column("spread", NUMBER, nullable=False),
    sa.Column("z", NUMBER, nullable=False),
    sa.Column("unhedged_coins", NUMBER, nullable=False, comment="of the trust leg, less a step"),
    sa.Column("exit_reason", sa.Text, comment="why the detector wants it closed"),
    sa.Column("pnl", NUMBER, comment="in dollars, once it is over"),
    sa.Column("uncounted", JSONB, comment="commissions in currencies without a price"),
    sa.Column("version", sa.Integer, nullable=False, server_default="1"),
    sa.Column("phase_since", TIME, nullable=False, server_default=NOW),
    sa.Column("created_at", TIME, nullable=False, server_default=NOW),
    sa.Column("updated_at", TIME, nullable=False, server_default=NOW),
    sa.Column("ended_at", TIME, comment="when it was over for the first time"),
    sa.UniqueConstraint("trust_symbol", "spot_symbol", "interval", "interval_at"),
    sa.CheckConstraint(f"state IN ({_STATES})", name="state"),
    sa.CheckConstraint("execution_mode IN ('LIVE', 'PAPER')", name="mode"),
    sa.CheckConstraint("phase = state OR state = 'WAITING'", name="phase"),
)

# One position at a time.
sa.Index(
    "nav_groups_one",
    nav_groups.c.trust_symbol,
    nav_groups.c.spot_symbol,
    unique=True,
    postgresql_where=sa.text("ended_at IS NULL"),
)

sa.Index("nav_groups_updated_at", nav_groups.c.updated_at)

nav_group_legs = sa.Table(
    "nav_group_legs",
    metadata,
    sa.Column("group_id", UUID_, sa.ForeignKey("nav_groups.group_id"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("client_order_id", sa.Text, nullable=False, unique=True),
    sa.Column("role", sa.Text, nullable=False, comment="TRUST or SPOT"),
    sa.Column("purpose", sa.Text, nullable=False, comment="OPENING or REDUCING"),
    sa.Column("side", sa.Text, nullable=False),
    sa.Column("quantity", NUMBER, nullable=False),
    sa.Column("placed_at", TIME, nullable=False, server_default=NOW),
    positive("quantity"),
    sa.CheckConstraint("role IN ('TRUST', 'SPOT')", name="role"),
    sa.CheckConstraint("purpose IN ('OPENING', 'REDUCING')", name="purpose"),
)

nav_group_events = sa.Table(
    "nav_group_events",
    metadata,
    sa.Column("group_id", UUID_, sa.ForeignKey("nav_groups.group_id"), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", TIME, nullable=False, server_default=NOW),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
)

nav_looks = sa.Table(
    "nav_looks",
    metadata,
    sa.Column("trust_symbol", sa.Text, primary_key=True),
    sa.Column("spot_symbol", sa.Text, primary_key=True),
    sa.Column("interval", sa.Text, primary_key=True),
    sa.Column("looked_at", TIME, nullable=False),
    sa.Column("said", sa.Text, nullable=False, comment="what the last look came to"),
    sa.Column("unjudged", sa.Text, comment="why the last reading was no observation"),
    sa.Column("doubted_spread", NUMBER, comment="of a reading that is to be confirmed"),
    sa.Column("doubted_coins", NUMBER, comment="per share, on the day of that reading"),
    sa.Column("doubted_coins_as_of", sa.Date),
)

nav_confirmations = sa.Table(
    "nav_confirmations",
    metadata,
    sa.Column("trust_symbol", sa.Text, primary_key=True),
    sa.Column("spot_symbol", sa.Text, primary_key=True),
    sa.Column("at", TIME, primary_key=True, server_default=NOW),
    sa.Column("spread", NUMBER, nullable=False),
    sa.Column("coins_per_share", NUMBER, nullable=False),
    sa.Column("coins_as_of", sa.Date, nullable=False),
    sa.Column("evidence", sa.Text, nullable=False),
    sa.Column("confirmed_by", sa.Text, nullable=False),
)
