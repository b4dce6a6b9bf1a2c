"""The broker sessions of this process: one a broker, or one for each client id it has there."""

from __future__ import annotations

import time

from execution.domain.errors import BrokerUnavailable
from execution.domain.vocabulary import BrokerName
from workers.session import BrokerSession

_sessions: dict[BrokerName, tuple[BrokerSession, ...]] = {}


def add(session: BrokerSession) -> None:
    """Make a session known to this process's tasks; a broker's first one takes new orders."""
    _sessions[session.broker] = (*_sessions.get(session.broker, ()), session)


def remove(session: BrokerSession) -> None:
    """Let this process's tasks use a session no more."""
    left = tuple(one for one in _sessions.get(session.broker, ()) if one is not session)
    _sessions[session.broker] = left


def session_of(broker: BrokerName, channel: int | None = None) -> BrokerSession:
    """The session of a broker, for what only one channel can do that channel's.

    BrokerUnavailable in a worker that does not own it.
    """
    found = _sessions.get(broker, ())
    if channel is not None:
        found = tuple(session for session in found if session.channel == channel)
        if not found:
            raise BrokerUnavailable(f"client id {channel} at {broker} is not this worker's")
    if not found:
        raise BrokerUnavailable(f"this worker has no session with {broker}")
    return found[0]


def sessions_of(broker: BrokerName) -> tuple[BrokerSession, ...]:
    """Every session of a broker, the one for new orders first."""
    return _sessions.get(broker, ())


def stuck(limit: float) -> str | None:
    """Name a broker whose loop has not turned for `limit` seconds."""
    for broker, sessions in list(_sessions.items()):
        if any(time.monotonic() - session.turned() > limit for session in sessions):
            return f"the loop of {broker} has not turned for {limit:.0f} s"
    return None


def stop_all() -> None:
    """Close every session of this process, a broker's first one last: others use its loop."""
    while _sessions:
        for session in reversed(_sessions.popitem()[1]):
            session.stop()
