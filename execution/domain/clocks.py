"""How far a machine's clock may be from the database's, by which everything is decided."""

from __future__ import annotations

from datetime import timedelta

ALERT_BEYOND = timedelta(seconds=1)
"""A difference that a person should look at: what venues and libraries see is the machine's."""
STOP_BEYOND = timedelta(seconds=5)
"""A difference beyond which a process sends nothing new to a live broker."""


def in_words(ahead: timedelta) -> str:
    """A difference, for messages."""
    seconds = ahead.total_seconds()
    side = "ahead of" if seconds > 0 else "behind"
    return f"{abs(seconds):,.1f} s {side} the database's"


def why_not_send(ahead: timedelta | None) -> str | None:
    """Why a process whose clock is `ahead` sends nothing new; None where it may."""
    if ahead is None or abs(ahead) <= STOP_BEYOND:
        return None
    return f"this worker's clock is {in_words(ahead)}: it sends nothing new"
