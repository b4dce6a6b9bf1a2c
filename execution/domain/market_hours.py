"""When trading sessions end, by asset class: hours are ours, holidays come from a calendar.

Regular hours of NYSE and its options: 09:30-16:00 New York, 13:00 on half days
(nyse.com/markets/hours-calendars). CME Globex: 17:00-16:00 Chicago the next day, 12:00 on half
days (cmegroup.com/trading-hours). FX: the day turns at 17:00 New York. Crypto: at 00:00 UTC.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum, auto
from typing import Protocol
from zoneinfo import ZoneInfo

from execution.domain.instruments import Instrument
from execution.domain.vocabulary import AssetClass

_LONGEST_BREAK_DAYS = 31


class DayKind(Enum):
    """What an exchange does on a day that is not a weekend."""

    FULL = auto()
    HALF = auto()
    CLOSED = auto()


class MarketHours(Protocol):
    """Tells when sessions close."""

    def close_after(self, instrument: Instrument, moment: datetime) -> datetime:
        """The first close of a session strictly after `moment`; both are aware, it is UTC.

        Between two sessions that is the close of the next one.
        """


@dataclass(frozen=True, slots=True)
class Sessions:
    """How a kind of instrument trades: one session a day, which ends at `close` in `zone`.

    `half_close` is the end on half days. `calendar` is the exchange's market identifier code
    (ISO 10383), None where no holiday is kept. `weekdays` counts Monday as 0.
    """

    zone: str
    close: time
    half_close: time
    calendar: str | None
    weekdays: frozenset[int] = frozenset(range(5))


_NEW_YORK = Sessions("America/New_York", time(16), time(13), "XNYS")

SESSIONS: dict[AssetClass, Sessions] = {
    AssetClass.EQUITY: _NEW_YORK,
    AssetClass.OPTION: _NEW_YORK,
    AssetClass.FUTURE: Sessions("America/Chicago", time(16), time(12), "XCME"),
    AssetClass.FX: Sessions("America/New_York", time(17), time(17), None),
    AssetClass.CRYPTO: Sessions("UTC", time(0), time(0), None, frozenset(range(7))),
}


def next_close(
    sessions: Sessions, kind_of: Callable[[date], DayKind], moment: datetime
) -> datetime:
    """The first close strictly after `moment` (aware), in UTC; `kind_of` knows the holidays.

    Raises ValueError when every day of a month is closed.
    """
    zone = ZoneInfo(sessions.zone)
    today = moment.astimezone(zone).date()
    for days in range(_LONGEST_BREAK_DAYS):
        day = today + timedelta(days)
        kind = kind_of(day) if day.weekday() in sessions.weekdays else DayKind.CLOSED
        if kind is DayKind.CLOSED:
            continue
        end = sessions.half_close if kind is DayKind.HALF else sessions.close
        close = datetime.combine(day, end, zone).astimezone(UTC)
        if close > moment:
            return close
    raise ValueError(
        f"{sessions.calendar} has no session in the {_LONGEST_BREAK_DAYS} days from {today}"
    )
