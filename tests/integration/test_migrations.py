"""Migrations: up and down, and the code's tables are the database's."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect
from sqlalchemy.pool import NullPool

import migrations
from execution.store.migrate import upgrade
from execution.store.schema import metadata


def test_no_drift(database_url: str) -> None:
    """The migrated database has exactly the tables, columns and indexes of the code."""
    engine = create_engine(database_url, poolclass=NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_down_and_up_again(database_url: str) -> None:
    """Every migration can be taken back, and made again."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.set_main_option("path_separator", "os")
    engine = create_engine(database_url, poolclass=NullPool)
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        connection.commit()
        assert inspect(connection).get_table_names() == ["alembic_version"]
    upgrade(database_url)
    test_no_drift(database_url)


def test_again_is_nothing(database_url: str) -> None:
    """A migrated database is left as it is."""
    upgrade(database_url)
    test_no_drift(database_url)
