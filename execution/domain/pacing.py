"""How often one order may be sent, and since when it could not be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

MOST, WITHIN = 2, timedelta(minutes=1)
"""One order, change or cancel goes out so often within that time: the trouble of one must not be
everybody's."""
_RUN = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Tries:
    """When an order was to be sent of late, oldest first.

    `intents` are all of them, `sent` those of which it is not certain that they never left, and
    `failures` when the venue did not take it.
    """

    intents: Sequence[datetime] = ()
    sent: Sequence[datetime] = ()
    failures: Sequence[datetime] = ()

    def wait(self, now: datetime) -> timedelta:
        """How long it must not be sent; zero when it may go now."""
        if len(self.sent) < MOST:
            return timedelta(0)
        return max(self.sent[-MOST] + WITHIN - now, timedelta(0))

    def failing_for(self, now: datetime) -> timedelta:
        """How long the venue has not taken it, each time that it was tried."""
        since = now
        for at in reversed(self.failures):
            if since - at > _RUN:
                break
            since = at
        return now - since
