"""Connections to PostgreSQL, and the one place where its failures get our names."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg2.errors
from psycopg2.extensions import TRANSACTION_STATUS_IDLE
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from execution.domain.errors import ConfigurationError, StoreBusy, StoreUnavailable
from execution.faultpoints import committed, committing
from execution.store import pooling
from execution.store.statements import Direct, is_lost

# A process that is stopped inside a transaction must not hold its locks for ever: the server ends
# an idle transaction, and a statement or a wait for a lock that takes this long is retried.
_SESSION = {
    "TimeZone": "UTC",
    "statement_timeout": "15s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "10s",
    # Every prepared statement goes by keys; planning it five times more for its values only costs.
    "plan_cache_mode": "force_generic_plan",
    # A plan that was made while a table was empty would go on reading all of it when it is full.
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    # Before PostgreSQL 18 a plan that takes a forbidden way counts as so dear that the server would
    # compile it to machine code, anew each time: seconds for a statement of a millisecond.
    "jit": "off",
}

# A server that is gone without a word (its machine, the network) is noticed within 20 s; the
# system's own defaults are two hours where nothing is on the way, and a quarter of one else.
_TCP = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 20_000,
}


class Store:
    """A pool of connections of this process, made anew in a forked child.

    Raises StoreUnavailable for whatever a later try may heal: no server, a restart, a deadlock, a
    lock or pool time-out. Everything else is a defect and keeps its own type. The first connection
    raises ConfigurationError where a pooler would not keep its session (`execution.store.pooling`).
    """

    def __init__(
        self, url: str, *, pool_size: int = 10, application_name: str = "execution"
    ) -> None:
        self._url = url
        self._pool_size = pool_size
        self._application_name = application_name
        self._engines: dict[bool, Engine] = {}
        self._pid = 0
        self._making = threading.Lock()

    @property
    def engine(self) -> Engine:
        """This process's engine; a child of a fork must not share its parent's sockets."""
        return self._engine_of(direct=False)

    def _engine_of(self, *, direct: bool) -> Engine:
        if self._pid == os.getpid() and direct in self._engines:
            return self._engines[direct]
        with self._making:
            if self._pid != os.getpid():
                for inherited in self._engines.values():
                    inherited.dispose(close=False)
                self._engines = {}
                self._pid = os.getpid()
            if direct not in self._engines:
                self._engines[direct] = self._make(direct=direct)
            return self._engines[direct]

    def _make(self, *, direct: bool) -> Engine:
        # A pool of its own for statements that commit by themselves: there a connection is never
        # switched to and fro, and there is nothing to roll back when it returns.
        own: dict[str, Any] = (
            {"isolation_level": "AUTOCOMMIT", "pool_reset_on_return": None} if direct else {}
        )
        arguments = {
            "connect_timeout": 5,
            **_TCP,
            "application_name": self._application_name,
            "options": " ".join(f"-c {name}={value}" for name, value in _SESSION.items()),
        }
        engine = create_engine(
            self._url,
            pool_size=self._pool_size,
            max_overflow=10,
            pool_timeout=10,
            pool_use_lifo=True,  # few connections that are warm rather than many that are not
            connect_args=arguments,
            **own,
        )

        @event.listens_for(engine, "first_connect")
        def _verify(raw: Any, record: object) -> None:
            del record
            pooling.verify(raw, pooling.another(engine, arguments), _SESSION)

        return engine

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One transaction: committed at the end, rolled back by an exception."""
        with translated(), self.engine.begin() as connection:
            yield connection
            committing()
        committed()

    @contextmanager
    def statement(self) -> Iterator[Connection]:
        """For a single statement that commits by itself: one round trip instead of three."""
        with translated(), self.engine.connect() as connection:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def direct(self) -> Iterator[Direct]:
        """For prepared statements (`Prepared`) that commit by themselves, one after the other."""
        with translated():
            connection = self._engine_of(direct=True).raw_connection()
            try:
                link = Direct(connection)
                yield link
                if link.ahead:
                    link.say("")
            finally:
                connection.close()

    @contextmanager
    def brief(self, *, durable: bool = True) -> Iterator[Direct]:
        """One transaction of a few prepared statements, with a round trip less than `transaction`.

        Not `durable`: a crash of the server may forget it after its end.
        """
        opening = "BEGIN;" if durable else "BEGIN; SET LOCAL synchronous_commit = off;"
        with self.direct() as link:
            link.begin(opening)
            try:
                yield link
                if link.ahead == opening:
                    link.ahead = ""
                else:
                    committing()
                    link.say("COMMIT")
                    committed()
            except BaseException:
                link.ahead = ""
                if link.connection.is_valid:
                    # Whatever the connection says to this, nothing must stay open on it.
                    with suppress(psycopg2.Error):
                        link.say("ROLLBACK")
                    if _unfinished(link):
                        link.invalidate()
                raise

    def close(self) -> None:
        """Close the pools' connections."""
        if self._pid == os.getpid():
            for engine in self._engines.values():
                engine.dispose()


def _unfinished(link: Direct) -> bool:
    raw: Any = link.connection.dbapi_connection
    return bool(raw.closed or raw.info.transaction_status != TRANSACTION_STATUS_IDLE)


_MAY_HEAL = (
    psycopg2.OperationalError,
    psycopg2.InterfaceError,
    psycopg2.errors.IdleInTransactionSessionTimeout,
    # The server is a standby, or has become one.
    psycopg2.errors.ReadOnlySqlTransaction,
)


@contextmanager
def translated() -> Iterator[None]:
    """Raise StoreUnavailable for what the driver raises when a later try may go well.

    StoreBusy where a lock was waited for in vain; ConfigurationError for a user of the database
    without the right to it.
    """
    try:
        yield
    except PoolTimeout as error:
        raise StoreUnavailable(_first_line(error)) from error
    except (DBAPIError, psycopg2.Error) as error:
        if isinstance(getattr(error, "orig", error), psycopg2.errors.LockNotAvailable):
            raise StoreBusy(_first_line(error)) from error
        if _may_heal(error):
            raise StoreUnavailable(_first_line(error)) from error
        if isinstance(getattr(error, "orig", error), psycopg2.errors.InsufficientPrivilege):
            raise ConfigurationError(
                f"the user of DATABASE_URL may not do this: {_first_line(error)}"
            ) from error
        raise


def _may_heal(error: DBAPIError | psycopg2.Error) -> bool:
    """Whether an error is about the connection or the server's state, not about the statement."""
    if isinstance(error, DBAPIError):
        if error.connection_invalidated:
            return True
        cause: BaseException | None = error.orig
    else:
        cause = error
    if isinstance(cause, psycopg2.errors.ProgramLimitExceeded):
        return False  # of the statement's own values, though psycopg2 calls it operational
    return is_lost(cause) or isinstance(cause, _MAY_HEAL)


def _first_line(error: Exception) -> str:
    cause: Any = getattr(error, "orig", None) or error
    return (str(cause).splitlines() or [type(cause).__name__])[0]
