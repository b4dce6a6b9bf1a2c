"""Prepared statements and brief transactions: once a connection, and its failures by our names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import psycopg2
import pytest
from sqlalchemy import text

from execution.domain.errors import StoreUnavailable
from execution.store.engine import Store
from execution.store.statements import Prepared

_ADD = Prepared(
    "INSERT INTO kept (number, word) VALUES (:number, :word), (:number + 1, :word) RETURNING number"
)
_COUNT = Prepared("SELECT count(*) AS count FROM kept")


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A store with a table of the test's own and one connection in each pool."""
    store = Store(database_url, pool_size=1)
    with store.transaction() as connection:
        connection.execute(text("CREATE TABLE kept (number integer, word text)"))
    yield store
    store.close()


def count(store: Store) -> int:
    """Rows of the table."""
    with store.direct() as link:
        return int(_COUNT.one(link, {}).count)


def backend(store: Store) -> int:
    """The process that serves the direct pool's connection."""
    with store.direct() as link:
        cursor = link.connection.cursor()
        cursor.execute("SELECT pg_backend_pid()")
        row = cursor.fetchone()
    assert row is not None
    return int(row[0])


def test_once_for_each_connection(store: Store) -> None:
    """It is prepared by the first run on a connection, and a parameter may stand twice."""
    for number in range(3):
        with store.direct() as link:
            rows = _ADD.run(link, {"number": number, "word": "it's 100 %", "unused": 1})
            assert [row.number for row in rows] == [number, number + 1]
    with store.direct() as link:
        cursor = link.connection.cursor()
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE statement ~ 'kept'")
        assert cursor.fetchone() == (1,)
    assert count(store) == 6
    with store.transaction() as connection:  # another connection, which prepares its own
        assert len(_ADD.run(connection, {"number": 7, "word": None})) == 2


def test_nothing_is_compiled(store: Store) -> None:
    """A server with LLVM would take seconds to compile what takes a millisecond to run."""
    for connect in (store.statement, store.transaction):
        with connect() as connection:
            assert connection.execute(text("SHOW jit")).scalar_one() == "off"


def test_each_statement_commits_by_itself(store: Store) -> None:
    """What went before an error on a direct link is done."""
    with pytest.raises(ZeroDivisionError), store.direct() as link:
        _ADD.run(link, {"number": 1, "word": "a"})
        raise ZeroDivisionError
    assert count(store) == 2


@pytest.mark.parametrize("durable", [True, False])
def test_brief_is_all_or_nothing(store: Store, durable: bool) -> None:  # noqa: FBT001
    """Nothing of a brief transaction stays when it fails, by us or by the database."""
    server = backend(store)
    with pytest.raises(ZeroDivisionError), store.brief(durable=durable) as link:
        _ADD.run(link, {"number": 1, "word": "a"})
        raise ZeroDivisionError
    with pytest.raises(psycopg2.DataError), store.brief(durable=durable) as link:
        _ADD.run(link, {"number": 1, "word": "a"})
        _ADD.run(link, {"number": 2**40, "word": "a"})
    with store.brief(durable=durable):
        """Nothing was asked, so there is nothing to begin or end."""
    assert count(store) == 0
    assert backend(store) == server  # rolled back, and of use to the next one
    with store.brief(durable=durable) as link:
        _ADD.run(link, {"number": 1, "word": "a"})
        _ADD.run(link, {"number": 2, "word": "a"})
    assert count(store) == 4


def test_what_goes_ahead_is_one_transaction_with_the_next(store: Store) -> None:
    """It is run before the next statement, kept or given up with it, and never forgotten."""
    with store.direct() as link:
        _ADD.ahead(link, {"number": 1, "word": "it's 100 % %s"})
        assert count(store) == 0
        _ADD.run(link, {"number": 3, "word": "100 %"})
        assert count(store) == 4
    with pytest.raises(psycopg2.DataError), store.direct() as link:
        _ADD.ahead(link, {"number": 5, "word": "a"})
        _ADD.run(link, {"number": 2**40, "word": "a"})
    assert count(store) == 4
    with store.direct() as link:
        _ADD.ahead(link, {"number": 5, "word": "a"})
    assert count(store) == 6
    with store.brief() as link:
        _ADD.ahead(link, {"number": 7, "word": "a"})
    assert count(store) == 8
    with store.transaction() as connection:
        _ADD.ahead(connection, {"number": 9, "word": "a"})
    assert count(store) == 10
    with pytest.raises(ZeroDivisionError), store.direct() as link:
        _ADD.ahead(link, {"number": 11, "word": "a"})
        raise ZeroDivisionError
    assert count(store) == 10


def test_a_lost_connection_is_replaced(store: Store, database_url: str) -> None:
    """The statement fails as the store being away; the next one has another connection."""
    with closing(psycopg2.connect(database_url.replace("+psycopg2", ""))) as other:
        other.autocommit = True
        for way in (store.direct, store.brief):
            count(store)
            with (
                pytest.raises(StoreUnavailable),
                way() as link,
                other.cursor() as cursor,
            ):
                cursor.execute("SELECT pg_terminate_backend(%s, 5000)", (backend_of(link),))
                _ADD.run(link, {"number": 1, "word": "a"})
            assert count(store) == 0


def backend_of(link: object) -> int:
    """The process that serves a link."""
    connection = link.connection  # type: ignore[attr-defined]
    return int(connection.dbapi_connection.info.backend_pid)


def test_a_migration_under_a_prepared_statement(store: Store) -> None:
    """A result that has changed its type counts as the store being away, for once."""
    statement = Prepared("SELECT * FROM kept")
    with store.direct() as link:
        assert statement.run(link, {}) == []
    with store.transaction() as connection:
        connection.execute(text("ALTER TABLE kept ADD COLUMN more integer"))
    with pytest.raises(StoreUnavailable), store.direct() as link:
        statement.run(link, {})
    with store.direct() as link:
        assert statement.run(link, {}) == []
