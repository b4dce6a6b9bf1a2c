"""When TWS says that something was executed.

TWS writes `yyyymmdd hh:mm:ss` with one space or two, with a time zone after it or without one, or
`yyyymmdd-hh:mm:ss`, which is UTC unless a zone follows. Without a zone it is the one chosen at
TWS's login. Sources: TWS API, "Orders", "Changes in the date/time field" (TWS 10.17), and message
code 10314; executions recorded with a dash (https://github.com/erdewit/ib_insync/issues/671) and
with MET (https://github.com/ib-api-reloaded/ib_async/issues/188), a login that is JST
(https://github.com/lbilli/rib/issues/5). IB's documents list no abbreviations.

A zone's name is one of the time zone database (US/Eastern, Japan, MET) or an abbreviation, and some
of these are used in several places: CST in China, Chicago and Cuba. The login's zone decides then;
where it is not abbreviated so either, the time cannot be told.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_WRITTEN = re.compile(r"(\d{8})(-| {1,2})(\d{2}:\d{2}:\d{2})(?: +(\S.*))?")
_FORM = "%Y%m%d %H:%M:%S"
_AHEAD = timedelta(minutes=5)
"""Clocks are nearer to each other than this, and time zones no nearer than a quarter of an hour."""

_UTC = frozenset({"UTC", "GMT", "UCT", "Z", "Zulu", "Universal", "Greenwich"})
# Abbreviations of one place only that are no names of the time zone database.
_PLACES = {
    "EDT": "America/New_York",
    "CDT": "America/Chicago",
    "MDT": "America/Denver",
    **dict.fromkeys(("PST", "PDT"), "America/Los_Angeles"),
    **dict.fromkeys(("CEST", "MEST", "MEZ", "MESZ"), "Europe/Berlin"),
    "EEST": "Europe/Helsinki",
    "WEST": "Europe/Lisbon",
    "JST": "Asia/Tokyo",
    "KST": "Asia/Seoul",
    "HKT": "Asia/Hong_Kong",
    "SGT": "Asia/Singapore",
    **dict.fromkeys(("AEST", "AEDT"), "Australia/Sydney"),
    **dict.fromkeys(("NZST", "NZDT"), "Pacific/Auckland"),
}


def read(text: str, login: tzinfo, *, received: datetime) -> datetime | None:
    """An execution's time in UTC; None where it cannot be told from what TWS wrote.

    `login` is the time zone chosen at TWS's login. A time after its receipt was written in another
    zone than it was read in, so it is none. Of an hour that the clocks go through twice, it is the
    later that is not after the receipt.
    """
    match = _WRITTEN.fullmatch(text.strip())
    if match is None:
        return None
    day, separator, clock, name = match.groups()
    zone = _zone(name, day, login) if name else UTC if separator == "-" else login
    if zone is None:
        return None
    try:
        local = datetime.strptime(f"{day} {clock}", _FORM).replace(tzinfo=zone)
        moments = [local.replace(fold=fold).astimezone(UTC) for fold in (1, 0)]
    except (ValueError, OverflowError):
        return None
    return next((moment for moment in moments if moment <= received + _AHEAD), None)


def _zone(name: str, day: str, login: tzinfo) -> tzinfo | None:
    if name in _UTC:
        return UTC
    if name in _abbreviations(login, int(day[:4])):
        return login
    try:
        return ZoneInfo(_PLACES.get(name, name))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _abbreviations(zone: tzinfo, year: int) -> set[str | None]:
    """What a zone is called in January and in July."""
    if not year:
        return set()
    return {datetime(year, month, 1, tzinfo=zone).tzname() for month in (1, 7)}
