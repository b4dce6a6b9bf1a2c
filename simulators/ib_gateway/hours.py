"""When a contract trades, in the exchange's own time zone, and how TWS spells it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

_SATURDAY = 5
_DAY = timedelta(days=1)
_HALF_DAY_END = time(13)


@dataclass(frozen=True, slots=True)
class Hours:
    """The trading day of a kind of contract, and the regular (liquid) hours within.

    Where `opens` is not before `closes`, it opens the evening before.
    """

    zone: str
    opens: time
    closes: time
    liquid_opens: time
    liquid_closes: time
    holidays: bool = False


HOURS = {
    "US shares": Hours("US/Eastern", time(4), time(20), time(9, 30), time(16), holidays=True),
    "US options": Hours("US/Eastern", time(9, 30), time(16), time(9, 30), time(16), holidays=True),
    "Globex": Hours("US/Central", time(17), time(16), time(8, 30), time(16)),
    "Eurex": Hours("MET", time(1, 10), time(22), time(8), time(22)),
    "currencies": Hours("US/Eastern", time(17, 15), time(17), time(17, 15), time(17)),
}


def trading_hours(kind: str, now: datetime, *, liquid: bool, days: int = 5) -> str:
    """The sessions of the next days, as contract details have them."""
    hours = HOURS[kind]
    today = now.astimezone(ZoneInfo(hours.zone)).date()
    return ";".join(_spelled(hours, today + offset * _DAY, liquid=liquid) for offset in range(days))


def is_open(kind: str, now: datetime, *, outside_regular: bool) -> bool:
    """True while the contract trades, in the whole of its day or in regular hours only."""
    hours = HOURS[kind]
    today = now.astimezone(ZoneInfo(hours.zone)).date()
    return any(
        begin <= now < end
        for day in (today, today + _DAY)
        for begin, end in _session(hours, day, liquid=not outside_regular)
    )


def next_open(kind: str, now: datetime, *, outside_regular: bool) -> datetime:
    """When it trades next; `now` itself while it does."""
    for begin, end in _sessions(kind, now, liquid=not outside_regular):
        if end > now:
            return max(begin, now)
    raise AssertionError("there is a session every week")


def day_ends(kind: str, now: datetime, *, outside_regular: bool) -> datetime:
    """When a DAY order that is given now is over."""
    for _, end in _sessions(kind, now, liquid=not outside_regular):
        if end > now:
            return end
    raise AssertionError("there is a session every week")


def _sessions(kind: str, now: datetime, *, liquid: bool) -> Iterator[tuple[datetime, datetime]]:
    hours = HOURS[kind]
    today = now.astimezone(ZoneInfo(hours.zone)).date()
    for offset in range(15):
        yield from _session(hours, today + offset * _DAY, liquid=liquid)


def _session(hours: Hours, day: date, *, liquid: bool) -> list[tuple[datetime, datetime]]:
    """Begin and end of the session that is named after `day`; none on a closed one."""
    half = _special(day.year).get(day) if hours.holidays else None
    if day.weekday() >= _SATURDAY or half is False:
        return []
    opens = hours.liquid_opens if liquid else hours.opens
    closes = hours.liquid_closes if liquid else hours.closes
    if half:
        closes = min(closes, _HALF_DAY_END)
    zone = ZoneInfo(hours.zone)
    begins = day - _DAY if opens >= closes else day
    return [(datetime.combine(begins, opens, zone), datetime.combine(day, closes, zone))]


def _spelled(hours: Hours, day: date, *, liquid: bool) -> str:
    sessions = _session(hours, day, liquid=liquid)
    if not sessions:
        return f"{day:%Y%m%d}:CLOSED"
    return ";".join(f"{begin:%Y%m%d:%H%M}-{end:%Y%m%d:%H%M}" for begin, end in sessions)


@lru_cache(maxsize=8)
def _special(year: int) -> Mapping[date, bool]:
    """The NYSE's holidays (False) and half days (True) of a year."""
    # Ten thousand lines of holidays, which only a client that asks for hours needs.
    import holidays  # noqa: PLC0415

    found: dict[date, bool] = {}
    for category, kind in (("half_day", True), ("public", False)):
        days = holidays.financial_holidays(
            "NYSE", years=(year - 1, year, year + 1), categories=(category,)
        )
        found.update((day, kind) for day in days if day.year == year)
    return found
