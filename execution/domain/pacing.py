"""How often an order may be sent, and how often a venue is tried that does not answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from execution.domain.errors import (
    BrokerError,
    BrokerRejected,
    BrokerUnavailable,
    NotTaken,
    RateLimited,
)
from execution.domain.vocabulary import OrderType, TimeInForce

MOST, WITHIN = 2, timedelta(minutes=1)
"""One order, change or cancel goes out so often within that time: the trouble of one must not be
everybody's."""
_RUN = timedelta(minutes=2)
_MOST_DOUBLINGS = 8
_PAUSE_FIRST, _PAUSE_MOST = timedelta(seconds=1), timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Tries:
    """When an order was to be sent of late, oldest first.

    `intents` are all of them, `sent` those of which it is not certain that they never left,
    `failures` when the venue did not take it, and `put_off` whenever it was put off.
    """

    intents: Sequence[datetime] = ()
    sent: Sequence[datetime] = ()
    failures: Sequence[datetime] = ()
    put_off: Sequence[datetime] = ()

    def wait(self, now: datetime) -> timedelta:
        """How long it must not be sent; zero when it may go now."""
        if len(self.sent) < MOST:
            return timedelta(0)
        return max(self.sent[-MOST] + WITHIN - now, timedelta(0))

    def failing_for(self, now: datetime) -> timedelta:
        """How long the venue has not taken it, each time that it was tried."""
        return now - min(_latest_run(self.failures, now), default=now)

    def pause(self, now: datetime) -> timedelta:
        """How long to wait before the next try: twice as long each time that it is put off."""
        times = len(_latest_run(self.put_off, now))
        return min(_PAUSE_FIRST * (1 << min(times, _MOST_DOUBLINGS)), _PAUSE_MOST)


def _latest_run(moments: Sequence[datetime], now: datetime) -> list[datetime]:
    """The last of them that follow one another closely, the latest first."""
    run, since = list[datetime](), now
    for at in reversed(moments):
        if since - at > _RUN:
            break
        run.append(at)
        since = at
    return run


_AT_ONCE = frozenset({TimeInForce.IOC, TimeInForce.FOK})


def may_go_again(
    order_type: OrderType, tif: TimeInForce, in_doubt_for: timedelta, within: timedelta | None
) -> bool:
    """Whether an order that provably never arrived may be sent again.

    `within` is how long after its intent one that ends at once may be: it was for the market of
    then, and its venue takes the same id anew when the first has ended. None: at any time.
    """
    ends_at_once = order_type is OrderType.MARKET or tif in _AT_ONCE
    return within is None or not ends_at_once or in_doubt_for <= within


_REFUSED = tuple(timedelta(seconds=pause) for pause in (2, 60, 120, 240, 480))
_UNANSWERED = tuple(timedelta(seconds=pause) for pause in (1, 2, 4, 8, 15, 60))
_UNREACHED = timedelta(seconds=3)


def never_left(error: BrokerError) -> bool:
    """Return whether a change that failed so did certainly not reach its venue."""
    return isinstance(error, BrokerUnavailable) and not isinstance(error, NotTaken)


def pause_after(error: BrokerError | None, failures: int) -> timedelta:
    """Return how long to wait before a bracket's change is tried again.

    `error` is None for an answer that never came; `failures` counts those in a row before it. The
    pause does not grow while the venue is away: once it is back, a stop that nothing needs any more
    must not rest there for another minute.
    """
    if isinstance(error, RateLimited):
        return max(timedelta(seconds=error.wait), _UNREACHED)
    if error is not None and never_left(error):
        return _UNREACHED
    pauses = _REFUSED if isinstance(error, BrokerRejected) else _UNANSWERED
    return pauses[min(failures, len(pauses) - 1)]


class Pauses:
    """How long to wait before the next try to connect, in seconds: twice as long each time.

    They grow for as long as no connection lasts, however it fails.
    """

    def __init__(self, first: float = 0.5, most: float = 10.0) -> None:
        self._first, self._most = first, most
        self._next = first

    def after(self, lasted: float, *, at_least: float = 0.0) -> float:
        """The pause after a connection that lasted so many seconds (0: there was none).

        `at_least` is what the failure itself asks for.
        """
        if lasted > self._most:
            self._next = self._first
        pause = self._next
        self._next = min(pause * 2, self._most)
        return max(pause, at_least)
