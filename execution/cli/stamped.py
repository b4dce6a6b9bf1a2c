"""Which environment an operator's command acts in: that of the database, and it says so.

In an emergency nobody should be refused for a variable that his shell lacks. What places an order
or makes one larger still needs EXECUTION_ENVIRONMENT=production where it means real money.
"""

from __future__ import annotations

from contextlib import closing

from sqlalchemy import Connection

from execution.cli.output import print_line
from execution.settings import Settings
from execution.store import stamp
from execution.store.engine import Store
from execution.supervisor.control import connected_settings


def open_store() -> Store:
    """The database that the environment or the running service names."""
    return _opened(connected_settings())


def open_verified_store() -> Store:
    """The same for an operator's command; says on stderr which environment the database is of.

    Raises ConfigurationError where EXECUTION_ENVIRONMENT is set, and to the other one.
    """
    store, _ = _verified()
    return store


def open_trading_store() -> Store:
    """The same for a command that may spend money: ConfigurationError for the other environment.

    EXECUTION_ENVIRONMENT counts as set to `practice` where it is not set.
    """
    settings = connected_settings()
    store = _opened(settings)
    with store.transaction() as connection:
        stamp.verify(connection, settings.execution_environment)
    return store


def operators_settings() -> Settings:
    """The settings of an operator's command; says and raises as `open_verified_store` does."""
    store, settings = _verified()
    store.close()
    return settings


def as_stamped(settings: Settings) -> Settings:
    """Settings with the environment of the database they name; raises as its statements do."""
    with closing(_opened(settings)) as store, store.statement() as connection:
        return _as_stamped(settings, connection)


def _verified() -> tuple[Store, Settings]:
    settings = connected_settings()
    store = _opened(settings)
    with store.transaction() as connection:
        settings = _as_stamped(settings, connection)
        stamp.verify(connection, settings.execution_environment)
    print_line(f"environment: {settings.execution_environment}", error=True)
    return store, settings


def _as_stamped(settings: Settings, connection: Connection) -> Settings:
    """Take the stamp's environment, unless somebody has set one; unstamped is what is set."""
    stamped = stamp.environment(connection)
    if stamped is None or "execution_environment" in settings.model_fields_set:
        return settings
    return settings.model_copy(update={"execution_environment": stamped})


def _opened(settings: Settings) -> Store:
    return Store(settings.require_database_url(), application_name="cli", pool_size=1)
