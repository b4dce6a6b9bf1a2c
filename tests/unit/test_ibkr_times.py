"""Executions' times as TWS writes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from workers.adapters.ibkr.times import read

AT = datetime(2026, 11, 23, 15, 4, 5, tzinfo=UTC)
SUMMER = datetime(2026, 7, 23, 15, 4, 5, tzinfo=UTC)
NEW_YORK, CHICAGO, SHANGHAI = (
    ZoneInfo(name) for name in ("America/New_York", "America/Chicago", "Asia/Shanghai")
)


@pytest.mark.parametrize(
    "text",
    [
        "20261123  10:04:05",
        "20261123 10:04:05",
        "20261123-15:04:05",
        "20261123 15:04:05 UTC",
        "20261123 15:04:05 GMT",
        "20261123 15:04:05 Universal",
        "20261123 10:04:05 US/Eastern",
        "20261123  10:04:05  US/Eastern",
        "20261123-10:04:05 US/Eastern",
        "20261123 10:04:05 America/New_York",
        "20261123 10:04:05 EST",
        "20261123 09:04:05 US/Central",
        "20261123 07:04:05 PST",
        "20261123 16:04:05 MET",
        "20261123 16:04:05 CET",
        "20261124 00:04:05 JST",
        "20261124 00:04:05 Japan",
        "20261124 00:04:05 Asia/Tokyo",
        "20261123 23:04:05 HKT",
        "20261123 23:04:05 Hongkong",
        "20261124 02:04:05 AEDT",
        " 20261123 15:04:05 UTC ",
    ],
)
def test_one_moment_in_many_spellings(text: str) -> None:
    """All of them five past three in the afternoon, UTC, for a login in New York."""
    assert read(text, NEW_YORK, received=AT + timedelta(seconds=1)) == AT


@pytest.mark.parametrize(
    "text", ["20260723 11:04:05 EDT", "20260723 11:04:05", "20260723 08:04:05 PDT"]
)
def test_in_summer(text: str) -> None:
    """An hour nearer to UTC."""
    assert read(text, NEW_YORK, received=SUMMER) == SUMMER


def test_an_abbreviation_of_several_places_is_the_logins() -> None:
    """CST is China's and Chicago's."""
    received = AT + timedelta(seconds=1)
    assert read("20261123 23:04:05 CST", SHANGHAI, received=received) == AT
    assert read("20261123 09:04:05 CST", CHICAGO, received=received) == AT
    assert read("20261123 09:04:05 CST", NEW_YORK, received=received) is None


def test_the_logins_own_name_all_the_year_round() -> None:
    """A login in New York that TWS calls EST in July, too."""
    assert read("20260723 11:04:05 EST", NEW_YORK, received=SUMMER) == SUMMER


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "20261123",
        "10:04:05",
        "20261323 10:04:05",
        "20261123 25:04:05",
        "00001123 10:04:05 UTC",
        "20261123 10:04",
        "20261123 10:04:05 XYZ",
        "20261123 10:04:05 ../etc/passwd",
        "20261123 10:04:05 America",
        "1763910245",
        "noon",
    ],
)
def test_what_is_no_time(text: str) -> None:
    """None, and never an exception."""
    assert read(text, NEW_YORK, received=AT) is None


def test_a_time_that_has_not_come_was_written_in_another_zone() -> None:
    """TWS is set to UTC, and IBKR_TIMEZONE says New York: five hours ahead cannot be."""
    assert read("20261123  15:04:05", NEW_YORK, received=AT) is None
    assert read("20261123  10:06:05", NEW_YORK, received=AT) == AT + timedelta(minutes=2)


def test_an_hour_that_comes_twice() -> None:
    """The clocks go back on 1 November: the second half past one is not over before it is."""
    second = datetime(2026, 11, 1, 6, 30, tzinfo=UTC)
    assert read("20261101 01:30:00", NEW_YORK, received=second) == second
    first = second - timedelta(hours=1)
    assert read("20261101 01:30:00", NEW_YORK, received=first) == first
