"""The database's time as a process knows it between two readings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from sqlalchemy import Connection

from execution.store import clock
from execution.store.clock import DatabaseClock

THERE = datetime(2026, 1, 5, 12, tzinfo=UTC)


class Elapsed:
    """Seconds that pass as the test says; a reading takes `takes` of them."""

    def __init__(self, takes: float = 0.0) -> None:
        self.seconds = 100.0
        self.takes = takes

    def __call__(self) -> float:
        return self.seconds


def reading(monkeypatch: pytest.MonkeyPatch, elapsed: Elapsed, said: Sequence[datetime]) -> Any:
    """A connection whose database says these times, one after the other."""
    answers = iter(said)

    def answer(connection: Connection) -> datetime:
        del connection
        elapsed.seconds += elapsed.takes
        return next(answers)

    monkeypatch.setattr(clock, "database_time", answer)
    return cast("Any", None)


def test_goes_on_from_the_last_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the process's own clock says: here it is years off."""
    elapsed = Elapsed()
    database = DatabaseClock(elapsed)
    database.read(reading(monkeypatch, elapsed, [THERE]))
    assert database() == THERE
    elapsed.seconds += 2.5
    assert database() == THERE + timedelta(seconds=2.5)


def test_is_never_behind_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer may be as old as the question: what is late there must be late here."""
    elapsed = Elapsed(takes=0.2)
    database = DatabaseClock(elapsed)
    database.read(reading(monkeypatch, elapsed, [THERE]))
    assert database() == THERE + timedelta(seconds=0.2)


def test_a_slow_reading_does_not_replace_a_quick_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that answers after seconds does not put the clock seconds ahead."""
    elapsed = Elapsed()
    database = DatabaseClock(elapsed)
    connection = reading(monkeypatch, elapsed, [THERE, THERE + timedelta(seconds=3)])
    database.read(connection)
    elapsed.takes = 3.0
    database.read(connection)
    assert database() == THERE + timedelta(seconds=3)


def test_the_first_reading_counts_however_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is none better, and it is on the safe side."""
    elapsed = Elapsed(takes=3.0)
    database = DatabaseClock(elapsed)
    database.read(reading(monkeypatch, elapsed, [THERE]))
    assert database() == THERE + timedelta(seconds=3)


def test_own_time_until_it_is_read() -> None:
    """Before the first reading there is nothing else to go by."""
    before = datetime.now(UTC)
    assert before <= DatabaseClock()() <= datetime.now(UTC)
