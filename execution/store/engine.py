"""Connections to PostgreSQL, and the one place where its failures get our names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from execution.domain.errors import StoreUnavailable

# A process that is stopped inside a transaction must not hold its locks for ever: the server ends
# an idle transaction, and a statement or a wait for a lock that takes this long is retried.
_SESSION = {
    "TimeZone": "UTC",
    "statement_timeout": "15s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "10s",
}


class Store:
    """A pool of connections of this process, made anew in a forked child.

    Raises StoreUnavailable for whatever a later try may heal: no server, a restart, a deadlock, a
    lock or pool time-out. Everything else is a defect and keeps its own type.
    """

    def __init__(
        self, url: str, *, pool_size: int = 10, application_name: str = "execution"
    ) -> None:
        self._url = url
        self._pool_size = pool_size
        self._application_name = application_name
        self._engine: Engine | None = None
        self._pid = 0

    @property
    def engine(self) -> Engine:
        """This process's engine; a child of a fork must not share its parent's sockets."""
        if self._engine is None or self._pid != os.getpid():
            if self._engine is not None:
                self._engine.dispose(close=False)
            self._engine = create_engine(
                self._url,
                pool_size=self._pool_size,
                max_overflow=10,
                pool_timeout=10,
                connect_args={
                    "connect_timeout": 5,
                    "application_name": self._application_name,
                    "options": " ".join(f"-c {name}={value}" for name, value in _SESSION.items()),
                },
            )
            self._pid = os.getpid()
        return self._engine

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One transaction: committed at the end, rolled back by an exception."""
        with _translated(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def statement(self) -> Iterator[Connection]:
        """For a single statement that commits by itself: one round trip instead of three."""
        with _translated(), self.engine.connect() as connection:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")

    def close(self) -> None:
        """Close the pool's connections."""
        if self._engine is not None and self._pid == os.getpid():
            self._engine.dispose()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeout) as error:
        raise StoreUnavailable(_first_line(error)) from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise StoreUnavailable(_first_line(error)) from error
        raise


def _first_line(error: Exception) -> str:
    cause: Any = getattr(error, "orig", None) or error
    return (str(cause).splitlines() or [type(cause).__name__])[0]
