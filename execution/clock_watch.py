"""Reads the database's clock all the time, in every process of the service."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import suppress

import structlog

from execution.domain.clocks import ALERT_BEYOND, in_words
from execution.domain.errors import ConfigurationError, StoreUnavailable
from execution.store import clocks
from execution.store.clock import DatabaseClock, process_clock
from execution.store.engine import Store

INTERVAL = 5.0
"""Seconds between two measurements."""


class ClockWatch:
    """Keeps a clock read, and records how far this machine's is from it, on a thread of its own.

    `what` names the process: `worker`, `beat`, `metrics`. It begins with a first reading, so that
    what is built on the clock goes by the database's from the start. A database that is away, or
    has no such table yet, only delays the next measurement.
    """

    def __init__(self, store: Store, what: str, clock: DatabaseClock = process_clock) -> None:
        self._store, self._clock = store, clock
        self._host = socket.gethostname()
        self._process = f"{what} {self._host}:{os.getpid()}"
        self._stopping = threading.Event()
        self._was_off = False
        self._thread = threading.Thread(target=self._run, name="clock-watch", daemon=True)

    def start(self) -> None:
        """Measure once, then go on in the background."""
        self.measure()
        self._thread.start()

    def stop(self) -> None:
        """Measure no more."""
        self._stopping.set()

    def measure(self) -> None:
        """Read the clock and record the difference. Raises ConfigurationError, for a pooler."""
        try:
            with self._store.transaction() as connection:
                # Twice: the first statement of a process may be slow, and so its reading rough.
                self._clock.read(connection)
                self._clock.read(connection)
            ahead = self._clock.ahead
            if ahead is None:
                return
            off = abs(ahead) > ALERT_BEYOND
            if off != self._was_off:
                say = structlog.get_logger().error if off else structlog.get_logger().info
                say("this machine's clock", is_=in_words(ahead))
            self._was_off = off
            with self._store.transaction() as connection:
                clocks.record(connection, self._process, self._host, ahead)
        except ConfigurationError:
            raise
        except StoreUnavailable as error:
            structlog.get_logger().warning("clock not measured", error=str(error))
        except Exception:  # noqa: BLE001 - whatever it was, the next measurement may go well
            structlog.get_logger().exception("clock not measured")

    def _run(self) -> None:
        while not self._stopping.wait(INTERVAL):
            with suppress(ConfigurationError):  # of a database that was away at the start
                self.measure()
