"""Which of the driver's errors a later try may heal."""

from __future__ import annotations

import psycopg2
import psycopg2.errors
import pytest
from sqlalchemy.exc import DBAPIError

from execution.domain.errors import StoreUnavailable
from execution.store.engine import translated

CRASH = psycopg2.DatabaseError("server closed the connection unexpectedly\n\tThis probably means")
"""As psycopg2 2.9 raises it when PostgreSQL is ended by SIGQUIT during a statement."""


@pytest.mark.parametrize(
    "error",
    [
        CRASH,
        psycopg2.OperationalError("could not connect"),
        psycopg2.InterfaceError("connection already closed"),
        psycopg2.errors.DiskFull("No space left on device"),
        psycopg2.errors.CrashShutdown("terminating connection"),
        psycopg2.errors.ReadOnlySqlTransaction("cannot execute INSERT in a read-only transaction"),
        psycopg2.errors.IdleInTransactionSessionTimeout("terminating connection"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_may_heal(error: psycopg2.Error) -> None:
    """By the driver's own type or as SQLAlchemy wraps it; the message's first line is kept."""
    for raised in (error, DBAPIError("SELECT 1", {}, error)):
        with pytest.raises(StoreUnavailable) as found, translated():
            raise raised
        assert str(found.value) == str(error).splitlines()[0]


@pytest.mark.parametrize(
    "error",
    [
        psycopg2.ProgrammingError("can't adapt type 'object'"),
        psycopg2.errors.UniqueViolation("duplicate key"),
        psycopg2.errors.UndefinedTable("relation does not exist"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_defects_keep_their_type(error: psycopg2.Error) -> None:
    """What is wrong with a statement or a value is no outage."""
    with pytest.raises(type(error)), translated():
        raise error
