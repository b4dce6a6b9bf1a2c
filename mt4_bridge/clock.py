"""Times: milliseconds since 1970 inside, aware UTC outside, the server's seconds from the terminal.

A broker's server keeps a time of its own (UTC+2 and UTC+3 are usual), and MQL4 knows no other.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], int]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def system_clock() -> int:
    """Milliseconds since 1970, UTC."""
    return milliseconds(datetime.now(UTC))


def milliseconds(moment: datetime) -> int:
    """An aware time as milliseconds since 1970."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def moment(value: int) -> datetime:
    """Milliseconds since 1970 as aware UTC."""
    return _EPOCH + timedelta(milliseconds=value)


def from_server(seconds: int, offset: int) -> int:
    """The server's seconds as milliseconds UTC; `offset` is how far the server is ahead."""
    return (seconds - offset) * 1000
