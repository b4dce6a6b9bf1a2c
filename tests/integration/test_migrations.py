"""Migrations: up and down, and the code's tables are the database's."""

from __future__ import annotations

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, create_engine, inspect, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from execution.store.migrate import downgrade, head, revision, upgrade
from execution.store.schema import metadata


def test_no_drift(database_url: str) -> None:
    """The migrated database has exactly the tables, columns and indexes of the code."""
    engine = create_engine(database_url, poolclass=NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_down_and_up_again(database_url: str) -> None:
    """Every migration can be taken back, and made again."""
    downgrade(database_url, "base")
    engine = create_engine(database_url, poolclass=NullPool)
    with engine.connect() as connection:
        assert inspect(connection).get_table_names() == ["alembic_version"]
        assert inspect(connection).get_view_names() == []
    upgrade(database_url)
    test_no_drift(database_url)


def test_again_is_nothing(database_url: str) -> None:
    """A migrated database is left as it is."""
    upgrade(database_url)
    test_no_drift(database_url)


SUMS = {
    "fills_by_hour": ["hour", "broker", "execution_mode", "fills"],
    "slippage_by_symbol": [
        "day", "symbol", "broker", "execution_mode", "fills", "with_reference", "slippage", "worst",
    ],
    "step_latency_by_hour": ["hour", "step", "broker", "le", "steps", "seconds"],
}  # fmt: skip


def test_views_stand_for_the_continuous_aggregates(database_url: str) -> None:
    """Without TimescaleDB there are views of the same names and columns."""
    engine = create_engine(database_url, poolclass=NullPool)
    found = inspect(engine)
    assert {
        name: [column["name"] for column in found.get_columns(name)]
        for name in found.get_view_names()
    } == SUMS


def test_a_held_lock_stops_a_migration_and_not_the_service(database_url: str) -> None:
    """A migration gives up after its lock timeout and leaves all as it was; later it goes on."""
    before = "0012"
    downgrade(database_url, before)
    engine = create_engine(database_url, poolclass=NullPool)
    with engine.connect() as holder:
        holder.execute(text("LOCK TABLE alerts IN ROW EXCLUSIVE MODE"))
        with pytest.raises(OperationalError, match="lock timeout"):
            upgrade(database_url, lock_timeout="50ms")
    assert _revision(engine) == before
    assert "measured" not in inspect(engine).get_table_names()
    upgrade(database_url)
    assert _revision(engine) == head()
    with engine.connect() as holder:
        holder.execute(text("LOCK TABLE alerts IN ROW EXCLUSIVE MODE"))
        with pytest.raises(OperationalError, match="lock timeout"):
            downgrade(database_url, before, lock_timeout="50ms")
    assert _revision(engine) == head()
    test_no_drift(database_url)


def _revision(engine: Engine) -> str | None:
    with engine.connect() as connection:
        return revision(connection)
