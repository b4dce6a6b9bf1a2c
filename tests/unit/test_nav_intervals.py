"""NAV_INTERVAL: once a day before the close, or once in so many minutes of the session."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execution.domain.arbitrage.intervals import Interval
from execution.domain.errors import ConfigurationError
from execution.domain.instruments import Instrument
from execution.domain.vocabulary import AssetClass
from execution.market_calendar import ExchangeCalendars

HOURS = ExchangeCalendars()
GBTC = Instrument("GBTC", AssetClass.EQUITY, "USD")


def interval(name: str, moment: str) -> str | None:
    """The interval that a moment belongs to, in ISO 8601."""
    found = Interval.parse(name).of(datetime.fromisoformat(moment), GBTC, HOURS)
    if found is None:
        return None
    assert found.tzinfo is UTC
    return found.isoformat(timespec="minutes")


@pytest.mark.parametrize(
    ("moment", "expected", "why"),
    [
        ("2026-01-02T15:50-05:00", "2026-01-02T21:00+00:00", "ten minutes before the close"),
        ("2026-01-02T15:59:59-05:00", "2026-01-02T21:00+00:00", "the last second"),
        ("2026-01-02T15:49:59-05:00", None, "too early"),
        ("2026-01-02T16:00-05:00", None, "closed"),
        ("2026-01-03T15:55-05:00", None, "Saturday"),
        ("2026-11-27T12:55-05:00", "2026-11-27T18:00+00:00", "a half day ends at 13:00"),
        ("2026-11-27T15:55-05:00", None, "a half day is over"),
        ("2026-07-02T15:55-04:00", "2026-07-02T20:00+00:00", "summer"),
        ("2026-07-03T15:55-04:00", None, "Independence Day, observed"),
    ],
)
def test_daily(moment: str, expected: str | None, why: str) -> None:
    """The session's close names the day; it is observed while both legs can still trade."""
    assert interval("1d", moment) == expected, why


@pytest.mark.parametrize(
    ("name", "moment", "expected"),
    [
        ("15m", "2026-01-02T09:30-05:00", "2026-01-02T14:30+00:00"),
        ("15m", "2026-01-02T09:29:59-05:00", None),
        ("15m", "2026-01-02T09:44:59-05:00", "2026-01-02T14:30+00:00"),
        ("15m", "2026-01-02T09:45-05:00", "2026-01-02T14:45+00:00"),
        ("15m", "2026-01-02T15:59-05:00", "2026-01-02T20:45+00:00"),
        ("15m", "2026-01-02T16:00-05:00", None),
        ("15m", "2026-01-02T20:00-05:00", None),
        ("15m", "2026-01-03T12:00-05:00", None),
        ("15m", "2026-11-27T13:00-05:00", None),
        ("1h", "2026-07-02T10:29-04:00", "2026-07-02T13:30+00:00"),
        ("60m", "2026-07-02T10:30-04:00", "2026-07-02T14:30+00:00"),
    ],
)
def test_intraday(name: str, moment: str, expected: str | None) -> None:
    """Counted from the open, in the trust's hours only."""
    assert interval(name, moment) == expected


@pytest.mark.parametrize("text", ["", "0m", "2d", "7h", "391m", "1.5h", "15", "15 m", "15M", "²m"])
def test_no_such_interval(text: str) -> None:
    """It is refused with what would do."""
    with pytest.raises(ConfigurationError, match="must be 1d, or from 1m"):
        Interval.parse(text)


def test_one_name_for_one_length() -> None:
    """Rows of an hour are rows of sixty minutes."""
    assert Interval.parse("1h") == Interval.parse("60m")


moments = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1)).map(  # noqa: DTZ001 - made aware
    lambda moment: moment.replace(tzinfo=UTC)
)


@given(moments, st.sampled_from(["5m", "30m", "1h"]))
def test_a_moment_lies_in_its_interval(moment: datetime, name: str) -> None:
    """At or after its beginning, before its end, and the beginning belongs to it too."""
    rule = Interval.parse(name)
    found = rule.of(moment, GBTC, HOURS)
    if found is not None:
        assert rule.length is not None
        assert timedelta(0) <= moment - found < rule.length
        assert rule.of(found, GBTC, HOURS) == found
