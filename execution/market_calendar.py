"""Exchange holidays from the `holidays` library, imported when the first session is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from functools import lru_cache
from types import MappingProxyType

from execution.domain.instruments import Instrument
from execution.domain.market_hours import SESSIONS, DayKind, next_close


class ExchangeCalendars:
    """`MarketHours` for every asset class; safe to use from several threads.

    Beyond the years that the library knows (2100) only weekends are closed.
    """

    def close_after(self, instrument: Instrument, moment: datetime) -> datetime:
        """The first close strictly after `moment`; see `MarketHours`."""
        sessions = SESSIONS[instrument.asset_class]
        return next_close(sessions, lambda day: _kind(sessions.calendar, day), moment)


def _kind(calendar: str | None, day: date) -> DayKind:
    if calendar is None:
        return DayKind.FULL
    return _special_days(calendar, day.year).get(day, DayKind.FULL)


@lru_cache(maxsize=64)
def _special_days(calendar: str, year: int) -> Mapping[date, DayKind]:
    """The holidays and half days of a year.

    The library's own objects learn years while they are asked, which is not safe between threads,
    so each is asked once and forgotten. Its neighbours are asked for too: a holiday may be
    observed in the year before or after its own.
    """
    # Ten thousand lines of holidays, 0.1 s and 20 MB: only a process that needs them pays.
    import holidays  # noqa: PLC0415

    years = (year - 1, year, year + 1)
    found: dict[date, DayKind] = {}
    for category, kind in (("half_day", DayKind.HALF), ("public", DayKind.CLOSED)):
        days = holidays.financial_holidays(calendar, years=years, categories=(category,))
        found.update((day, kind) for day in days if day.year == year)
    return MappingProxyType(found)
