"""Statements that the server plans once for each connection, for what every order goes through.

Planning one of the lifecycle's statements takes PostgreSQL several times as long as running it, and
SQLAlchemy's own work on a statement about as long again; psycopg2 prepares nothing by itself.
"""

from __future__ import annotations

import re
from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping
from itertools import count
from typing import Any

import psycopg2
from psycopg2 import errors
from sqlalchemy import Connection, PoolProxiedConnection

from execution.domain.errors import StoreUnavailable
from execution.faultpoints import committed, committing

_PARAMETER = re.compile(r"(?<![:\w]):([a-z_]\w*)")
_WRITE = re.compile(r"\b(INSERT INTO|UPDATE \w+ |DELETE FROM)\b")
_numbers = count(1)


class Direct:
    """A connection of the pool on which each statement commits by itself.

    `ahead` goes with the next statement, in the same round trip: `BEGIN;` for a transaction. What
    travels together without one is a transaction of its own.
    """

    __slots__ = ("ahead", "connection", "in_transaction")

    def __init__(self, connection: PoolProxiedConnection) -> None:
        self.connection = connection
        self.ahead = ""
        self.in_transaction = False

    def begin(self, opening: str) -> None:
        """Let what follows be one transaction; it begins with the first statement."""
        self.ahead, self.in_transaction = opening, True

    def say(self, command: str, cursor: Any = None) -> None:
        """Run a command that has its values, after what goes ahead of it."""
        ahead, self.ahead = self.ahead, ""
        (cursor or self.connection.cursor()).execute(ahead + command)

    def invalidate(self) -> None:
        """Let nobody use this connection again."""
        self.connection.invalidate()


Link = Connection | Direct


def is_lost(error: BaseException | None) -> bool:
    """Whether the driver has lost its connection in the middle of a statement.

    libpq then has no SQLSTATE (`server closed the connection unexpectedly`), for which psycopg2 has
    no class but the root. What the driver itself refuses, such as a value, is of a class below it.
    """
    return type(error) is psycopg2.DatabaseError and error.pgcode is None


def _maker(names: list[str]) -> Callable[[Iterable[Any]], Any]:
    """Makes named tuples of a query's columns, as psycopg2's cursor would each time anew."""
    row: Any = namedtuple("Row", names)  # type: ignore[misc]  # noqa: PYI024 - a query's names
    make: Callable[[Iterable[Any]], Any] = row._make
    return make


class Prepared:
    """SQL with `:name` parameters, prepared by each connection that runs it.

    A parameter has one type wherever it stands, the one its first place needs: CAST where none is
    clear. Name the columns of a result; a `*` would change under a connection by a migration.
    """

    def __init__(self, sql: str) -> None:
        self._parameters: dict[str, int] = {}
        self.sql = _PARAMETER.sub(self._place, sql)
        self._name = f"execution_{next(_numbers)}"
        self._make: Callable[[Iterable[Any]], Any] | None = None
        self._writes = _WRITE.search(sql) is not None
        places = ", ".join(["%s"] * len(self._parameters))
        self._execute = f"EXECUTE {self._name} ({places})" if places else f"EXECUTE {self._name}"

    def _place(self, match: re.Match[str]) -> str:
        return f"${self._parameters.setdefault(match[1], len(self._parameters) + 1)}"

    def run(self, link: Link, parameters: Mapping[str, Any]) -> list[Any]:
        """Run it and return its rows as named tuples; none for a statement without a result.

        Raises psycopg2's errors, which the store's context managers translate.
        """
        connection = link.connection
        try:
            cursor = self._cursor(link)
            values = [parameters[name] for name in self._parameters]
            commits = isinstance(link, Direct) and self._writes and not link.in_transaction
            if commits:
                committing()
            if isinstance(link, Direct) and link.ahead:
                link.say(cursor.mogrify(self._execute, values).decode(), cursor)
            else:
                cursor.execute(self._execute, values)
            if commits:
                committed()
            if cursor.description is None:
                return []
            if self._make is None:
                self._make = _maker([column.name for column in cursor.description])
            return [self._make(row) for row in cursor.fetchall()]
        except errors.FeatureNotSupported as error:
            # A migration changed what the statement returns; a new connection prepares it anew.
            link.invalidate()
            raise StoreUnavailable(str(error)) from error
        except psycopg2.Error as error:
            raw = connection.dbapi_connection
            if raw is None or raw.closed or is_lost(error):
                link.invalidate()
            raise

    def ahead(self, link: Link, parameters: Mapping[str, Any]) -> None:
        """Run it with the next statement, in the same round trip; its rows are of no interest."""
        if not isinstance(link, Direct):
            self.run(link, parameters)
            return
        values = [parameters[name] for name in self._parameters]
        link.ahead += self._cursor(link).mogrify(self._execute, values).decode() + ";"

    def _cursor(self, link: Link) -> Any:
        """A cursor of a connection that has this statement prepared."""
        cursor: Any = link.connection.cursor()
        if self._name not in link.connection.info:
            cursor.execute(f"PREPARE {self._name} AS {self.sql}")
            link.connection.info[self._name] = True
        return cursor

    def one(self, link: Link, parameters: Mapping[str, Any]) -> Any:
        """Its single row, or None."""
        rows = self.run(link, parameters)
        return rows[0] if rows else None
