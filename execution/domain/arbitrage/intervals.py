"""NAV_INTERVAL: the stretch of time of which one observation counts, within the trust's hours."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from execution.domain.errors import ConfigurationError
from execution.domain.instruments import Instrument
from execution.domain.market_hours import MarketHours

_DAILY = "1d"
_LONGEST_MINUTES = 390  # 09:30-16:00
_UNIT_MINUTES = {"m": 1, "h": 60}
# US equities, nyse.com/markets/hours-calendars. Their closes come from the calendar.
_NEW_YORK = ZoneInfo("America/New_York")
_OPEN = time(9, 30)


@dataclass(frozen=True, slots=True)
class Interval:
    """One observation a session shortly before its close (`1d`), or one in every `length`.

    Both legs must be able to trade on what is seen, so the daily observation is the first within
    `before_close` of the close, not one after it.
    """

    name: str
    length: timedelta | None
    before_close: timedelta = timedelta(minutes=10)

    @classmethod
    def parse(cls, text: str) -> Interval:
        """`1d`, or minutes or hours within a session: `15m`, `1h`. Raises ConfigurationError."""
        if text == _DAILY:
            return cls(_DAILY, None)
        found = re.fullmatch(r"([1-9]\d{0,3})([mh])", text)
        minutes = int(found[1]) * _UNIT_MINUTES[found[2]] if found else 0
        if not 0 < minutes <= _LONGEST_MINUTES:
            raise ConfigurationError(
                f"interval {text!r}: must be 1d, or from 1m to {_LONGEST_MINUTES}m (1h is 60m)"
            )
        return cls(f"{minutes}m", timedelta(minutes=minutes))

    def of(self, moment: datetime, trust: Instrument, hours: MarketHours) -> datetime | None:
        """The interval that `moment` (aware) belongs to, in UTC; None when none is to be observed.

        A daily one is named by its session's close, others by their beginning, counted from the
        open.
        """
        close = hours.close_after(trust, moment)
        day = close.astimezone(_NEW_YORK).date()
        opening = datetime.combine(day, _OPEN, _NEW_YORK).astimezone(UTC)
        if moment < opening:
            return None
        if self.length is None:
            return close if close - moment <= self.before_close else None
        return opening + (moment - opening) // self.length * self.length
