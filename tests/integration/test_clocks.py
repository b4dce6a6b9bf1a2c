"""Times from the tables are held against the database's clock, and against one reading of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from execution.domain.routing import why_unavailable
from execution.domain.vocabulary import BreakerState, BrokerName, SessionStatus
from execution.store import breakers, sessions
from execution.store.engine import Store

GRACE = timedelta(seconds=15)


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A fresh database."""
    store = Store(database_url)
    yield store
    store.close()


def fail(store: Store, *, counts: bool = True) -> bool:
    """A failed submission, the third of which opens the breaker."""
    with store.transaction() as connection:
        return breakers.failed(connection, BrokerName.MT4, "away", counts=counts, threshold=3)


def state(store: Store) -> BreakerState:
    """The breaker's."""
    with store.transaction() as connection:
        return breakers.state(connection, BrokerName.MT4)


def test_the_failure_that_opens_the_breaker_is_told(store: Store) -> None:
    """The third of three that count: not one before, not one after, not one that does not count."""
    assert [fail(store), fail(store), fail(store, counts=False)] == [False, False, False]
    assert state(store) is BreakerState.CLOSED
    assert fail(store)
    assert state(store) is BreakerState.OPEN
    assert not fail(store)
    with store.transaction() as connection:
        row = connection.execute(
            text(
                """
                SELECT failures, total_failures, opened_at <= updated_at AS ordered
                FROM breakers WHERE broker = 'MT4'
                """
            )
        ).one()
    assert (row.failures, row.total_failures, row.ordered) == (4, 5, True)


def test_every_opening_is_told(store: Store) -> None:
    """Two readings of a clock may differ by a microsecond, and must not be compared for it."""
    with store.transaction() as connection:
        for _ in range(300):
            assert breakers.failed(connection, BrokerName.MT4, "away", counts=True, threshold=1)
            connection.execute(text("UPDATE breakers SET state = 'CLOSED', failures = 0"))


def test_how_long_a_connection_is_down_is_the_database_s_word(store: Store) -> None:
    """The grace is over when the database says so, whatever the clock of whoever asks."""
    with store.transaction() as connection:
        session_id = uuid4()
        sessions.open_session(connection, session_id, BrokerName.MT4, "here:1")
        for seconds in (14, 17):
            connection.execute(
                text(
                    """
                    UPDATE broker_sessions SET since = clock_timestamp() - :down_for, detail = 'off'
                    WHERE session_id = :session_id
                    """
                ),
                {"session_id": session_id, "down_for": timedelta(seconds=seconds)},
            )
            status = sessions.statuses(connection, timedelta(seconds=10))[BrokerName.MT4]
            assert status.status is SessionStatus.DOWN
            assert status.standing_for is not None
            late = status.standing_for - timedelta(seconds=seconds)
            assert timedelta(0) <= late < timedelta(seconds=1)
            expected = None if seconds < 15 else "connection down for 17 s: off"
            assert why_unavailable(status, GRACE) == expected
