"""What is measured of orders and fills, its hourly and daily sums, and how long history is kept.

With TimescaleDB (and its community licence) the sums are continuous aggregates, history is
compressed and old quotes go by policy; without, the sums are views of the same names and columns.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_TIME = sa.TIMESTAMP(timezone=True)

# time_bucket and date_bin below both begin hours and days at 00:00 UTC.
_SUMS = {
    "fills_by_hour": """
        SELECT {hour} AS hour, broker, execution_mode, count(*) AS fills
        FROM fill_measures GROUP BY 1, 2, 3
        """,
    "slippage_by_symbol": """
        SELECT {day} AS day, symbol, broker, execution_mode, count(*) AS fills,
            count(slippage) AS with_reference,
            sum(slippage * quantity)
                / nullif(sum(quantity) FILTER (WHERE slippage IS NOT NULL), 0) AS slippage,
            max(slippage) AS worst
        FROM fill_measures GROUP BY 1, 2, 3, 4
        """,
    "step_latency_by_hour": """
        SELECT {hour} AS hour, step, broker, le, sum(steps) AS steps, sum(seconds) AS seconds
        FROM step_latencies GROUP BY 1, 2, 3, 4
        """,
}
_BUCKETS = {
    True: {"hour": "time_bucket('1 hour', at)", "day": "time_bucket('1 day', at)"},
    False: {
        "hour": "date_bin('1 hour', at, '2000-01-03 00:00:00+00')",
        "day": "date_bin('1 day', at, '2000-01-03 00:00:00+00')",
    },
}
# Sorted by what is asked for, so that a batch of a compressed chunk is skipped by its bounds.
_COMPRESSED = {
    "order_events": ("timescaledb.compress_orderby = 'order_id, at'", "30 days"),
    "quotes": (
        "timescaledb.compress_segmentby = 'symbol', timescaledb.compress_orderby = 'at DESC'",
        "7 days",
    ),
}
_KEPT = {"quotes": "90 days", "step_latencies": "30 days"}


def upgrade() -> None:
    op.create_table(
        "measured",
        sa.Column("what", sa.Text, primary_key=True),
        sa.Column("upto", _TIME, nullable=False, comment="what is not later is measured"),
        sa.Column("upto_id", sa.BigInteger, nullable=False, server_default="0"),
    )
    op.create_table(
        "measured_totals",
        sa.Column("metric", sa.Text, primary_key=True),
        sa.Column("broker", sa.Text, primary_key=True, comment="empty: before routing"),
        sa.Column("label", sa.Text, primary_key=True),
        sa.Column("le", sa.Double, primary_key=True, comment="upper bound of a histogram's bucket"),
        sa.Column("total", sa.BigInteger, nullable=False),
        sa.Column("seconds", sa.Double, nullable=False),
    )
    op.create_table(
        "step_latencies",
        sa.Column("at", _TIME, primary_key=True, comment="beginning of the minute"),
        sa.Column("step", sa.Text, primary_key=True),
        sa.Column("broker", sa.Text, primary_key=True, comment="empty: before routing"),
        sa.Column("le", sa.Double, primary_key=True, comment="upper bound of the bucket, seconds"),
        sa.Column("steps", sa.BigInteger, nullable=False, comment="in this bucket alone"),
        sa.Column("seconds", sa.Double, nullable=False, comment="of those steps together"),
    )
    op.create_table(
        "fill_measures",
        sa.Column("at", _TIME, nullable=False, comment="when it was executed"),
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
    op.create_index("fill_measures_symbol_at", "fill_measures", ["symbol", "at"])
    op.create_index("fill_measures_at", "fill_measures", ["at"])
    # A hypertable has these two from its making, under these names.
    for table in ("order_events", "quotes"):
        op.create_index(f"{table}_at_idx", table, [sa.text("at DESC")], if_not_exists=True)
    # The keys of these end with it.
    for index in ("nav_observations_interval_at_idx", "candles_opened_at_idx"):
        op.execute(f"DROP INDEX IF EXISTS {index}")
    op.create_index(
        "alerts_open", "alerts", ["kind"], postgresql_where=sa.text("resolved_at IS NULL")
    )
    op.execute(
        """
        INSERT INTO measured (what, upto, upto_id)
        SELECT what, clock_timestamp(), (SELECT coalesce(max(fill_id), 0) FROM fills)
        FROM unnest(ARRAY['events', 'fills', 'requests']) what
        """
    )
    if _installed():
        for table in ("step_latencies", "fill_measures"):
            op.execute(
                f"SELECT create_hypertable('{table}', 'at', create_default_indexes => false)"
            )
    community = _community()
    for name, select in _SUMS.items():
        _make_sum(name, select.format(**_BUCKETS[community]), community=community)
    if community:
        _set_policies()


def _make_sum(name: str, select: str, *, community: bool) -> None:
    if not community:
        op.execute(f"CREATE VIEW {name} AS {select}")
        return
    # Without data: filling it would need a transaction of its own. What is not materialised yet
    # is read from the table (`materialized_only` off), so nothing is missing meanwhile.
    op.execute(
        f"""
        CREATE MATERIALIZED VIEW {name}
        WITH (timescaledb.continuous, timescaledb.materialized_only = false)
        AS {select} WITH NO DATA
        """
    )
    # An execution may be heard of days after it happened.
    op.execute(
        f"""
        SELECT add_continuous_aggregate_policy('{name}', start_offset => INTERVAL '14 days',
            end_offset => INTERVAL '1 hour', schedule_interval => INTERVAL '30 minutes')
        """
    )


def _set_policies() -> None:
    for table, (options, after) in _COMPRESSED.items():
        op.execute(f"ALTER TABLE {table} SET (timescaledb.compress, {options})")
        op.execute(f"SELECT add_compression_policy('{table}', INTERVAL '{after}')")
    for table, kept in _KEPT.items():
        op.execute(f"SELECT add_retention_policy('{table}', INTERVAL '{kept}')")


def downgrade() -> None:
    aggregates = _aggregates()
    for name in reversed(_SUMS):
        kind = "MATERIALIZED VIEW" if name in aggregates else "VIEW"
        op.execute(f"DROP {kind} {name}")
    if aggregates:
        for table in _KEPT:
            op.execute(f"SELECT remove_retention_policy('{table}')")
        for table in _COMPRESSED:
            op.execute(f"SELECT remove_compression_policy('{table}')")
            op.execute(f"SELECT decompress_chunk(c, true) FROM show_chunks('{table}') c")  # noqa: S608
            op.execute(f"ALTER TABLE {table} SET (timescaledb.compress = false)")
    op.drop_index("alerts_open", "alerts")
    if not _installed():
        for table in ("order_events", "quotes"):
            op.drop_index(f"{table}_at_idx", table)
    for table in ("fill_measures", "step_latencies", "measured_totals", "measured"):
        op.drop_table(table)


def _installed() -> bool:
    found = op.get_bind().scalar(
        sa.text("SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb')")
    )
    return bool(found)


def _community() -> bool:
    """Whether compression, policies and continuous aggregates may be used, beside hypertables."""
    licence = op.get_bind().scalar(sa.text("SELECT current_setting('timescaledb.license', true)"))
    return _installed() and licence == "timescale"


def _aggregates() -> set[str]:
    if not _installed():
        return set()
    names = op.get_bind().scalars(
        sa.text("SELECT view_name FROM timescaledb_information.continuous_aggregates")
    )
    return {str(name) for name in names} & set(_SUMS)
