"""What is measured of orders and fills: statistics, made of history and never asked by a step."""

from __future__ import annotations

import sqlalchemy as sa

from execution.store.schema.columns import NOW, TIME, metadata

measured = sa.Table(
    "measured",
    metadata,
    sa.Column("what", sa.Text, primary_key=True),
    sa.Column("upto", TIME, nullable=False, comment="what is not later is measured"),
    sa.Column("upto_id", sa.BigInteger, nullable=False, server_default="0"),
)

measured_totals = sa.Table(
    "measured_totals",
    metadata,
    sa.Column("metric", sa.Text, primary_key=True),
    sa.Column("broker", sa.Text, primary_key=True, comment="empty: before routing"),
    sa.Column("label", sa.Text, primary_key=True),
    sa.Column("le", sa.Double, primary_key=True, comment="upper bound of a histogram's bucket"),
    sa.Column("total", sa.BigInteger, nullable=False),
    sa.Column("seconds", sa.Double, nullable=False),
)

process_clocks = sa.Table(
    "process_clocks",
    metadata,
    sa.Column("process", sa.Text, primary_key=True),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("ahead", sa.Double, nullable=False, comment="seconds; negative: behind"),
    sa.Column("measured_at", TIME, nullable=False, server_default=NOW),
)

step_latencies = sa.Table(
    "step_latencies",
    metadata,
    sa.Column("at", TIME, primary_key=True, comment="beginning of the minute"),
    sa.Column("step", sa.Text, primary_key=True),
    sa.Column("broker", sa.Text, primary_key=True, comment="empty: before routing"),
    sa.Column("le", sa.Double, primary_key=True, comment="upper bound of the bucket, seconds"),
    sa.Column("steps", sa.BigInteger, nullable=False, comment="in this bucket alone"),
    sa.Column("seconds", sa.Double, nullable=False, comment="of those steps together"),
)

fill_measures = sa.Table(
    "fill_measures",
    metadata,
    sa.Column("at", TIME, nullable=False, comment="when it was executed"),
    sa.Column("fill_id", sa.BigInteger, nullable=False),
    sa.Column("broker", sa.Text, nullable=False),
    sa.Column("execution_mode", sa.Text, nullable=False),
    sa.Column("symbol", sa.Text, nullable=False),
    sa.Column("quantity", sa.Double, nullable=False),
    sa.Column(
        "slippage",
        sa.Double,
        comment="basis points worse than the reference price; null: the order had none",
    ),
)

sa.Index("fill_measures_symbol_at", fill_measures.c.symbol, fill_measures.c.at)

sa.Index("fill_measures_at", fill_measures.c.at)
