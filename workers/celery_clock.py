"""Celery and kombu by the database's clock, where a time of theirs reaches another process.

A message's `eta` and `expires`, and since when it is unacknowledged, are written by one process and
judged by another. With the machines' own clocks a worker that is ahead would give every message of
the others back to its queue, and drop each sweep of beat's as expired.
"""

from __future__ import annotations

from datetime import datetime

from celery import Celery
from kombu.asynchronous import timer
from kombu.transport import redis

from execution.store.clock import now


def seconds() -> float:
    """The database's time as seconds since the epoch."""
    return now().timestamp()


class Application(Celery):
    """A Celery application whose `eta` and `expires` go by the database's clock."""

    def now(self) -> datetime:
        """What time it is, in the application's time zone."""
        return now().astimezone(self.timezone)


def install() -> None:
    """Let kombu reckon so in this process: when an `eta` is due, since when a message is out."""
    for module, name in ((timer, "_time"), (redis, "time")):
        getattr(module, name)  # AttributeError where a release of kombu has renamed it
        setattr(module, name, seconds)
