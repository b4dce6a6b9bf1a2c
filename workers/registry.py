"""The broker sessions of this process, one a broker."""

from __future__ import annotations

import time

from execution.domain.errors import BrokerUnavailable
from execution.domain.vocabulary import BrokerName
from workers.session import BrokerSession

_sessions: dict[BrokerName, BrokerSession] = {}


def add(session: BrokerSession) -> None:
    """Make a session known to this process's tasks."""
    _sessions[session.broker] = session


def session_of(broker: BrokerName) -> BrokerSession:
    """The session of a broker. BrokerUnavailable in a worker that does not own it."""
    try:
        return _sessions[broker]
    except KeyError:
        raise BrokerUnavailable(f"this worker has no session with {broker}") from None


def stuck(limit: float) -> str | None:
    """Name a broker whose loop has not turned for `limit` seconds."""
    for broker, session in list(_sessions.items()):
        if time.monotonic() - session.turned() > limit:
            return f"the loop of {broker} has not turned for {limit:.0f} s"
    return None


def stop_all() -> None:
    """Close every session of this process."""
    while _sessions:
        _sessions.popitem()[1].stop()
