"""How long a position is held, by the calendar of the trust's exchange."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

_EXCHANGE = ZoneInfo("America/New_York")


def held_for(entered_at: datetime, now: datetime) -> timedelta:
    """From one time to another (both aware), by the exchange's clocks.

    Twenty days are from a close to the twentieth after it, also where the clocks changed between.
    """
    then, here = (at.astimezone(_EXCHANGE).replace(tzinfo=None) for at in (entered_at, now))
    return here - then
