"""Brings a database to the newest schema with Alembic."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

import migrations
from execution.store import pooling

# Any number that nobody else uses: two migrations at once would trip over each other.
_LOCK = 7_302_114_665


def head() -> str | None:
    """The newest migration there is."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def revision(connection: Connection) -> str | None:
    """The migration that a database is at; None for an empty one."""
    return MigrationContext.configure(connection).get_current_revision()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.set_main_option("path_separator", "os")
    return config


def upgrade(url: str, revision: str = "head", *, lock_timeout: str = "10s") -> None:
    """Run what is missing, one process at a time; waits at most 10 s for a table's lock.

    A lock that is not had by then raises SQLAlchemy's OperationalError, and the database is as it
    was: all migrations of a run are one transaction. ConfigurationError for a pooler that keeps no
    session.
    """
    _run(url, lock_timeout, lambda config: command.upgrade(config, revision))


def downgrade(url: str, revision: str, *, lock_timeout: str = "10s") -> None:
    """Take migrations back down to `revision` (`base`: all of them), as `upgrade` makes them."""
    _run(url, lock_timeout, lambda config: command.downgrade(config, revision))


def _run(url: str, lock_timeout: str, migrate: Callable[[Config], None]) -> None:
    config = _config()
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        # Its lock is held by a session.
        pooling.verify(connection.connection.dbapi_connection, pooling.another(engine, {}), {})
        connection.execute(
            text("SELECT set_config('lock_timeout', :most, false)"), {"most": lock_timeout}
        )
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
        connection.commit()
        config.attributes["connection"] = connection
        migrate(config)
        connection.commit()
