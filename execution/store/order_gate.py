"""`order_gate`: the lock between those who send orders and those who stop or limit them.

Whoever commits an intent to send holds the gate open until its transaction ends. Whoever changes a
limit or a trading state holds it shut, and so waits for the intents that are being committed. It is
a table's lock and no advisory one, because everybody who may connect can take those.
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg2 import errors
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from execution.store.statements import Direct, Link

_OPEN = "LOCK TABLE order_gate IN ROW SHARE MODE"
_SHUT = "LOCK TABLE order_gate IN EXCLUSIVE MODE"
PATIENCE_MS = 2_000
"""Milliseconds for which a halt waits for intents that are being committed."""
_AFTERWARDS_MS = 10_000


@dataclass(frozen=True, slots=True)
class Ended:
    """A transaction that was ended because it held the gate open for too long."""

    process: str
    """The connection's application name and the server's process id."""
    seconds: float
    """How long the transaction had been running."""


def hold_open(link: Link) -> None:
    """Let nobody change a limit or a state until the transaction of the next statement ends."""
    if isinstance(link, Direct):
        link.ahead += f"{_OPEN};"
    else:
        link.exec_driver_sql(_OPEN)


def shut(connection: Connection) -> None:
    """Wait for the intents that are being committed, and let no other begin until this one ends."""
    connection.exec_driver_sql(_SHUT)


def shut_now(connection: Connection) -> list[Ended]:
    """`shut` for a halt: end what has not committed within PATIENCE_MS, and return what that was.

    An order whose transaction is ended was not sent: an intent is committed before the first byte
    leaves. Raises sqlalchemy's OperationalError when others hold the gate open even then, and
    ProgrammingError without the right to end their connections (of another role than this one).
    """
    ended: list[Ended] = []
    connection.exec_driver_sql("SAVEPOINT gate")
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {PATIENCE_MS}")
    try:
        shut(connection)
    except OperationalError as error:
        if not isinstance(error.orig, errors.LockNotAvailable):
            raise
        connection.exec_driver_sql("ROLLBACK TO SAVEPOINT gate")
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {_AFTERWARDS_MS}")
        ended = _end_holders(connection)
        shut(connection)
    connection.exec_driver_sql("RELEASE SAVEPOINT gate")
    return ended


def _end_holders(connection: Connection) -> list[Ended]:
    rows = connection.execute(
        text(
            """
            SELECT a.application_name || ' (' || a.pid || ')' AS process,
                extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS seconds,
                pg_terminate_backend(a.pid) AS ended
            FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
            WHERE l.relation = 'order_gate'::regclass AND l.granted AND l.pid <> pg_backend_pid()
              AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
            """
        )
    )
    return [Ended(row.process, row.seconds) for row in rows if row.ended]
