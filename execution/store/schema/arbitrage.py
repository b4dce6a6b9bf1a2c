"""What was observed of a trust and its coin."""

from __future__ import annotations

import sqlalchemy as sa

from execution.store.schema.columns import NOW, NUMBER, TIME, metadata, positive

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
    *(positive(name) for name in ("trust_price", "spot_price", "conversion", "coins_per_share")),
)
