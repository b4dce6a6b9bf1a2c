"""Refuses a connection pooler that does not keep a session: prepared statements need one.

Each connection prepares its statements once and sets time-outs for its session. PgBouncer in
transaction mode hands a connection another server for every transaction; with
`ignore_startup_parameters = options` it drops the time-outs without a word.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

from sqlalchemy import Engine

from execution.domain.errors import ConfigurationError

_LOOKS = 5
_USE = "connect to PostgreSQL itself, or let the pooler pool sessions (pool_mode = session)"


def another(engine: Engine, arguments: Mapping[str, Any]) -> Callable[[], Any]:
    """What makes a connection of its own beside an engine's pool, with the same arguments."""

    def connect() -> Any:
        fixed, named = engine.dialect.create_connect_args(engine.url)
        return engine.dialect.connect(*fixed, **{**named, **arguments})

    return connect


def verify(raw: Any, another: Callable[[], Any], settings: Mapping[str, str]) -> None:
    """Raise ConfigurationError where `raw`, a fresh psycopg2 connection, keeps no session.

    `another` makes a second one like it, `settings` are those that it was opened with.
    """
    with raw.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
        raw.rollback()
        # A pooler answers with a process id of its own making.
        if pid != raw.info.backend_pid and _changes_servers(cursor, raw, pid, another):
            raise ConfigurationError(
                "DATABASE_URL leads to a connection pooler in transaction mode, such as PgBouncer: "
                f"prepared statements and time-outs of a session do not work there; {_USE}"
            )
        ignored = _ignored(cursor, settings)
        raw.rollback()
    if ignored:
        raise ConfigurationError(
            f"DATABASE_URL leads to a connection pooler that ignores what a session is to set "
            f"({', '.join(ignored)}): without ignore_startup_parameters = options, {_USE}"
        )


def _changes_servers(cursor: Any, raw: Any, pid: int, another: Callable[[], Any]) -> bool:
    """Whether two connections, both open, are served by one process, or one by two."""
    with closing(another()) as second, second.cursor() as beside:
        for _ in range(_LOOKS):
            # Within a transaction, so that the pooler cannot let the first have this server.
            beside.execute("SELECT pg_backend_pid()")
            (others,) = beside.fetchone()
            cursor.execute("SELECT pg_backend_pid()")
            (mine,) = cursor.fetchone()
            raw.rollback()
            second.rollback()
            if others == pid or mine != pid:
                return True
    return False


def _ignored(cursor: Any, settings: Mapping[str, str]) -> list[str]:
    names = [name for name in settings if name != "TimeZone"]
    cursor.execute("SELECT name, setting, source FROM pg_settings WHERE name = ANY(%s)", (names,))
    return sorted(name for name, _, source in cursor.fetchall() if source != "client")
