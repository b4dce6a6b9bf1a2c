"""How often one order may be sent, and since when it could not be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

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
