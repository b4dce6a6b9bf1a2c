"""Times as TWS tells and reads them."""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_WRITTEN = re.compile(r"(\d{8})(?:([ -])(\d{2}:\d{2}(?::\d{2})?)(?: (\S.*))?)?")
# The names that TWS still takes besides those of the time zone database.
_ABBREVIATED = {"EST": "US/Eastern", "EDT": "US/Eastern", "GMT": "UTC", "CST": "US/Central"}


def told(moment: datetime, zone: str, *, name_zone: bool) -> str:
    """An execution's time: `20261122  15:04:05`, or with its zone `20261122 15:04:05 UTC`."""
    local = moment.astimezone(ZoneInfo(zone))
    if name_zone:
        return f"{local:%Y%m%d %H:%M:%S} {zone}"
    return f"{local:%Y%m%d  %H:%M:%S}"


def with_zone(moment: datetime, zone: str) -> str:
    """A completed order's time, whose zone is always named."""
    return told(moment, zone, name_zone=True)


def read(text: str, zone: str, *, end_of_day: bool = False) -> datetime:
    """What a client wrote: `20261122 15:04:05 US/Eastern`, `20261122-15:04:05` (UTC) or a day.

    Without a zone it is the gateway's. ValueError when it is no time.
    """
    match = _WRITTEN.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no time; write yyyymmdd hh:mm:ss and a time zone")
    day, separator, clock, named = match.groups()
    try:
        name = named or ("UTC" if separator == "-" else zone)
        zone_info = ZoneInfo(_ABBREVIATED.get(name, name))
        date = datetime.strptime(day, "%Y%m%d").replace(tzinfo=zone_info)
        if clock is None:
            return date + timedelta(days=1) if end_of_day else date
        return datetime.combine(date, time.fromisoformat(clock), zone_info)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"{text!r} is no time: {error}") from None
