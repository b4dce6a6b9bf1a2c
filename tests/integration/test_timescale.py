"""The same schema on TimescaleDB. Run where TIMESCALE_URL names an empty database with it.

One connection at a time is enough for them. They empty the database before and after.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.pool import NullPool

from execution.store import measuring, reading
from execution.store.engine import Store
from execution.store.migrate import downgrade, upgrade
from tests.integration import test_migrations
from tests.integration.test_migrations import SUMS

URL = os.environ.get("TIMESCALE_URL", "")
if not URL:
    pytest.skip("TIMESCALE_URL is not set: nothing here is run", allow_module_level=True)

HYPERTABLES = {
    "candles", "fill_measures", "nav_observations", "order_events", "quotes", "step_latencies",
}  # fmt: skip
ORDER = UUID("6b1f4f0e-0000-4000-8000-000000000001")
Rows = list[tuple[Any, ...]]


@pytest.fixture
def url() -> Iterator[str]:
    """A migrated database with the extension."""
    engine = create_engine(URL, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("CREATE EXTENSION IF NOT EXISTS timescaledb"))
        used = inspect(connection).has_table("alembic_version")
    if used:
        downgrade(URL, "base")
    upgrade(URL)
    yield URL
    downgrade(URL, "base")


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """Its store, with one connection."""
    with closing(Store(url, pool_size=1)) as store:
        yield store


def rows(store: Store, statement: str, **values: object) -> Rows:
    """Run a statement; its rows."""
    with store.transaction() as connection:
        result = connection.execute(text(statement), values)
        return [tuple(row) for row in result] if result.returns_rows else []


def alone(url: str, statement: str) -> None:
    """Run a statement that may be in no transaction."""
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))


def test_hypertables_policies_and_aggregates(store: Store) -> None:
    """History is in hypertables; compression, retention and refreshes have their jobs."""
    tables = rows(store, "SELECT hypertable_name FROM timescaledb_information.hypertables")
    assert {name for (name,) in tables} == HYPERTABLES
    sums = rows(store, "SELECT view_name FROM timescaledb_information.continuous_aggregates")
    assert {name for (name,) in sums} == set(SUMS)
    jobs = rows(
        store,
        """
        SELECT proc_name, hypertable_name, coalesce(config ->> 'drop_after',
            config ->> 'compress_after') FROM timescaledb_information.jobs
        WHERE proc_name IN ('policy_retention', 'policy_compression')
        """,
    )
    assert set(jobs) == {
        ("policy_compression", "order_events", "30 days"),
        ("policy_compression", "quotes", "7 days"),
        ("policy_retention", "quotes", "90 days"),
        ("policy_retention", "step_latencies", "30 days"),
    }
    refreshes = rows(
        store,
        "SELECT 1 FROM timescaledb_information.jobs "
        "WHERE proc_name = 'policy_refresh_continuous_aggregate'",
    )
    assert len(refreshes) == len(SUMS)


def test_no_drift_with_the_extension(url: str) -> None:
    """The tables, columns and indexes are those of the code, and of plain PostgreSQL."""
    test_migrations.test_no_drift(url)


def test_down_leaves_nothing_and_up_again(url: str) -> None:
    """Down to the beginning, from compressed chunks too; then up again."""
    with closing(Store(url, pool_size=1)) as store:
        _history(store)
        rows(store, "SELECT compress_chunk(c) FROM show_chunks('order_events') c")
        kept = rows(store, "SELECT count(*) FROM order_events")
    downgrade(url, "0012")
    with closing(Store(url, pool_size=1)) as store:
        assert rows(store, "SELECT count(*) FROM order_events") == kept
        jobs = rows(
            store, "SELECT 1 FROM timescaledb_information.jobs WHERE proc_name ~ '^policy_(c|ret)'"
        )
        assert jobs == []
    downgrade(url, "base")
    engine = create_engine(url, poolclass=NullPool)
    assert inspect(engine).get_table_names() == ["alembic_version"]
    assert inspect(engine).get_view_names() == []
    upgrade(url)
    test_migrations.test_no_drift(url)


def _history(store: Store) -> None:
    """An order's eight steps twelve days ago, and as many of another two days ago."""
    for order_id, days in ((ORDER, 12), (uuid4(), 2)):
        rows(
            store,
            """
            INSERT INTO order_events (order_id, at, step, state, broker)
            SELECT :order_id, clock_timestamp() - :days * interval '1 day' + n * interval '1 s',
                'persist_order', 'PENDING', 'BINANCE' FROM generate_series(1, 8) n
            """,
            order_id=order_id,
            days=days,
        )


def test_compressed_history_is_read_and_goes_on(store: Store) -> None:
    """An order of a compressed chunk shows all of its history, and can get another line."""
    _history(store)
    rows(store, "SELECT compress_chunk(c) FROM show_chunks('order_events') c")
    compressed = rows(
        store, "SELECT count(*) FROM timescaledb_information.chunks WHERE is_compressed"
    )
    assert compressed[0][0] >= 1
    with store.transaction() as connection:
        assert len(reading.history(connection, ORDER)) == 8
    rows(
        store,
        """
        INSERT INTO order_events (order_id, at, step, state)
        SELECT order_id, max(at) + interval '1 s', 'note', 'PENDING' FROM order_events
        WHERE order_id = :id GROUP BY order_id
        """,
        id=ORDER,
    )
    with store.transaction() as connection:
        assert [row["step"] for row in reading.history(connection, ORDER)][-1] == "note"


def test_measuring_and_its_sums(url: str) -> None:
    """Measured as on plain PostgreSQL; the aggregates say what the plain views would."""
    with closing(Store(url, pool_size=1)) as store:
        _history(store)
        rows(store, "UPDATE measured SET upto = upto - interval '30 days'")
        while measuring.measure(store, timedelta(0)):
            pass
        assert (
            rows(store, "SELECT sum(total) FROM measured_totals WHERE metric = 'step'")[0][0] == 14
        )
        rows(
            store,
            """
            INSERT INTO fill_measures
            SELECT clock_timestamp() - n * interval '7 hours', n, 'BINANCE', 'LIVE',
                (ARRAY['BTC-USDT', 'ETH-USDT'])[1 + n % 2], n, nullif(n % 5, 0)
            FROM generate_series(1, 60) n
            """,
        )
        before = _sums(store)
        assert measuring.prune(store) == 0
    for name in SUMS:
        alone(url, f"CALL refresh_continuous_aggregate('{name}', NULL, NULL)")
    with closing(Store(url, pool_size=1)) as store:
        assert _sums(store) == before
        migration = importlib.import_module("migrations.versions.0016_measurements")
        for name, select in migration._SUMS.items():
            plain = rows(store, select.format(**migration._BUCKETS[False]))
            assert sorted(map(str, before[name])) == sorted(map(str, plain))


def _sums(store: Store) -> dict[str, Rows]:
    return {
        name: rows(store, f"SELECT {', '.join(columns)} FROM {name} ORDER BY 1, 2, 3, 4")
        for name, columns in SUMS.items()
    }


def test_retention_takes_old_quotes_alone(url: str) -> None:
    """The retention job drops quotes beyond 90 days, and no order's history."""
    with closing(Store(url, pool_size=1)) as store:
        rows(
            store,
            """
            INSERT INTO quotes SELECT clock_timestamp() - d * interval '1 day', 'SPY', 1, 2, 'test'
            FROM unnest(ARRAY[1, 60, 120, 400]) d
            """,
        )
        rows(
            store,
            """INSERT INTO order_events (order_id, at, step)
            VALUES (:id, clock_timestamp() - interval '9 years', 'create_order')""",
            id=ORDER,
        )
        job = rows(
            store,
            """SELECT job_id FROM timescaledb_information.jobs
            WHERE proc_name = 'policy_retention' AND hypertable_name = 'quotes'""",
        )[0][0]
    alone(url, f"CALL run_job({job})")
    with closing(Store(url, pool_size=1)) as store:
        assert rows(store, "SELECT count(*) FROM quotes") == [(2,)]
        assert rows(store, "SELECT count(*) FROM order_events") == [(1,)]
