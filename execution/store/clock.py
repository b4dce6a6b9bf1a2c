"""The database's clock, by which everything that several processes compare is reckoned."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, text

# Where the machine sleeps, its monotonic clock may stand; this one goes on.
_GOES_ON = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
_SLOW_SECONDS = 0.25


def database_time(connection: Connection) -> datetime:
    """What time it is, aware UTC, for whoever compares it with times from the tables."""
    now: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    return now


def _elapsed() -> float:
    return time.clock_gettime(_GOES_ON)


class DatabaseClock:
    """The database's time as a process knows it, between two readings by its own steady clock.

    Never behind the database's, so that what is late there is late here too, and ahead of it by
    no more than a reading took; a slow one is passed over while there is a better. Until it is
    read, the process's own time. `elapsed` counts seconds. Safe to use from several threads.
    """

    def __init__(self, elapsed: Callable[[], float] = _elapsed) -> None:
        self._elapsed = elapsed
        self._reading: tuple[datetime, float] | None = None

    def read(self, connection: Connection) -> datetime:
        """Ask the database, and go by its answer from now on. Returns it."""
        asked = self._elapsed()
        said = database_time(connection)
        if self._reading is None or self._elapsed() - asked <= _SLOW_SECONDS:
            self._reading = (said, asked)
        return said

    @property
    def ahead(self) -> timedelta | None:
        """How far this machine's clock is ahead of the database's just now; None before a reading.

        It may be set at any time, so it is compared anew whenever this is asked. Off by what a
        reading took, at most.
        """
        return None if self._reading is None else datetime.now(UTC) - self()

    def __call__(self) -> datetime:
        """What time it is, aware UTC."""
        reading = self._reading
        if reading is None:
            return datetime.now(UTC)
        said, asked = reading
        return said + timedelta(seconds=self._elapsed() - asked)


process_clock = DatabaseClock()
"""This process's own, which `execution.clock_watch` keeps read."""


def now() -> datetime:
    """What time it is for whatever another process may compare: the database's, aware UTC.

    In a process that has no database, or has not reached it yet, the machine's.
    """
    return process_clock()
