"""When sessions close: half days, holidays, weekends, New York's clock change, the far future."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execution.domain.instruments import Instrument
from execution.domain.market_hours import SESSIONS, DayKind, next_close
from execution.domain.vocabulary import AssetClass
from execution.market_calendar import ExchangeCalendars, _special_days

HOURS = ExchangeCalendars()


def closes(asset_class: str, moment: str) -> str:
    """The first close after `moment` as ISO 8601, in UTC."""
    instrument = Instrument("X", AssetClass(asset_class), "USD")
    close = HOURS.close_after(instrument, datetime.fromisoformat(moment))
    assert close.tzinfo is UTC
    return close.isoformat(timespec="minutes")


@pytest.mark.parametrize(
    ("moment", "close", "why"),
    [
        ("2026-01-02T15:00-05:00", "2026-01-02T21:00+00:00", "a winter day: 16:00 is 21:00 UTC"),
        ("2026-07-02T15:00-04:00", "2026-07-02T20:00+00:00", "a summer day: 16:00 is 20:00 UTC"),
        ("2026-01-02T15:59:59.999999-05:00", "2026-01-02T21:00+00:00", "the last moment"),
        ("2026-01-02T16:00-05:00", "2026-01-05T21:00+00:00", "at the close: the next session"),
        ("2026-01-03T04:00+09:00", "2026-01-02T21:00+00:00", "still Friday in New York"),
        ("2026-01-03T12:00-05:00", "2026-01-05T21:00+00:00", "Saturday: Monday's"),
        ("2026-01-05T03:00-05:00", "2026-01-05T21:00+00:00", "before the open: that session"),
        ("2026-11-25T17:00-05:00", "2026-11-27T18:00+00:00", "over Thanksgiving to a half day"),
        ("2026-11-27T12:59-05:00", "2026-11-27T18:00+00:00", "a half day ends at 13:00"),
        ("2026-11-27T13:00-05:00", "2026-11-30T21:00+00:00", "after a half day: Monday's"),
        ("2026-12-24T10:00-05:00", "2026-12-24T18:00+00:00", "Christmas Eve is a half day"),
        ("2026-12-24T14:00-05:00", "2026-12-28T21:00+00:00", "over Christmas and a weekend"),
        ("2026-07-03T10:00-04:00", "2026-07-06T20:00+00:00", "Independence Day, observed"),
        ("2025-01-09T10:00-05:00", "2025-01-10T21:00+00:00", "a day of mourning"),
        ("2026-03-06T17:00-05:00", "2026-03-09T20:00+00:00", "New York's clocks go forward"),
        ("2026-10-30T17:00-04:00", "2026-11-02T21:00+00:00", "New York's clocks go back"),
    ],
)
@pytest.mark.parametrize("asset_class", ["EQUITY", "OPTION"])
def test_new_york(asset_class: str, moment: str, close: str, why: str) -> None:
    """Shares and their options: 16:00 New York, 13:00 on half days, not on holidays."""
    assert closes(asset_class, moment) == close, why


@pytest.mark.parametrize(
    ("moment", "close", "why"),
    [
        ("2026-01-02T15:59-06:00", "2026-01-02T22:00+00:00", "16:00 Chicago"),
        ("2026-01-02T16:30-06:00", "2026-01-05T22:00+00:00", "Friday's break: Monday's session"),
        ("2026-01-05T18:00-06:00", "2026-01-06T22:00+00:00", "the evening belongs to tomorrow"),
        ("2026-05-25T09:00-05:00", "2026-05-25T17:00+00:00", "Memorial Day halts at 12:00"),
        ("2026-11-26T09:00-06:00", "2026-11-27T18:00+00:00", "Thanksgiving belongs to Friday"),
        ("2026-04-03T03:00-05:00", "2026-04-06T21:00+00:00", "Good Friday"),
    ],
)
def test_chicago(moment: str, close: str, why: str) -> None:
    """Futures: CME's day ends at 16:00 Chicago, 12:00 on its half days."""
    assert closes("FUTURE", moment) == close, why


@pytest.mark.parametrize(
    ("moment", "close", "why"),
    [
        ("2026-07-02T16:59-04:00", "2026-07-02T21:00+00:00", "17:00 New York in summer"),
        ("2026-07-02T17:00-04:00", "2026-07-03T21:00+00:00", "no holiday in FX"),
        ("2026-12-24T18:00-05:00", "2026-12-25T22:00+00:00", "nor Christmas"),
        ("2026-01-02T17:00-05:00", "2026-01-05T22:00+00:00", "Friday evening: Monday's"),
        ("2026-10-30T16:00-04:00", "2026-10-30T21:00+00:00", "before the clocks go back"),
        ("2026-10-30T18:00-04:00", "2026-11-02T22:00+00:00", "after them: an hour later in UTC"),
        ("2026-03-06T18:00-05:00", "2026-03-09T21:00+00:00", "forward: an hour earlier"),
    ],
)
def test_fx(moment: str, close: str, why: str) -> None:
    """The FX day turns at 17:00 New York, on weekdays."""
    assert closes("FX", moment) == close, why


@pytest.mark.parametrize(
    ("moment", "close"),
    [
        ("2026-01-03T23:59:59+00:00", "2026-01-04T00:00+00:00"),
        ("2026-01-04T00:00+00:00", "2026-01-05T00:00+00:00"),
        ("2026-12-24T23:00-05:00", "2026-12-26T00:00+00:00"),
    ],
)
def test_crypto(moment: str, close: str) -> None:
    """The crypto day turns at 00:00 UTC, every day."""
    assert closes("CRYPTO", moment) == close


@pytest.mark.parametrize("asset_class", AssetClass)
@pytest.mark.parametrize("year", [1999, 2101, 2500, 9990])
def test_years_the_library_does_not_know(asset_class: AssetClass, year: int) -> None:
    """Beyond the calendar's years there are only weekends; nothing fails."""
    moment = datetime(year, 12, 24, 12, tzinfo=UTC)
    close = HOURS.close_after(Instrument("X", asset_class, "USD"), moment)
    assert moment < close < moment + timedelta(days=8)


moments = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1)).map(  # noqa: DTZ001 - made aware
    lambda moment: moment.replace(tzinfo=UTC)
)


@given(moments, st.sampled_from(AssetClass))
def test_close_is_the_first_one(moment: datetime, asset_class: AssetClass) -> None:
    """It lies after the moment, within a week, and is also the next one from just before it."""
    instrument = Instrument("X", asset_class, "USD")
    close = HOURS.close_after(instrument, moment)
    assert moment < close <= moment + timedelta(days=7)
    assert HOURS.close_after(instrument, close - timedelta(microseconds=1)) == close
    assert HOURS.close_after(instrument, close) > close


def test_an_exchange_that_never_opens_is_an_error() -> None:
    """A calendar without a session in a month is broken, and says so."""
    sessions = SESSIONS[AssetClass.EQUITY]
    with pytest.raises(ValueError, match="XNYS has no session"):
        next_close(sessions, lambda _: DayKind.CLOSED, datetime(2026, 1, 1, tzinfo=UTC))


def test_many_threads_at_once() -> None:
    """Threads that ask first, together, get the same full answer."""
    _special_days.cache_clear()
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: dict(_special_days("XNYS", 2026)), range(64)))
    assert all(answer == answers[0] for answer in answers)
    assert answers[0][date(2026, 11, 27)] is DayKind.HALF
    assert len(answers[0]) == 12


def test_the_library_is_imported_late() -> None:
    """Building the paper adapter's calendar costs nothing; asking for crypto and FX neither."""
    script = (
        "import sys, datetime\n"
        "from execution.market_calendar import ExchangeCalendars\n"
        "from execution.domain.instruments import Instrument\n"
        "from execution.domain.vocabulary import AssetClass\n"
        "import workers.brokers\n"
        "now = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)\n"
        "hours = ExchangeCalendars()\n"
        "for name in ('CRYPTO', 'FX'):\n"
        "    hours.close_after(Instrument('X', AssetClass(name), 'USD'), now)\n"
        "assert 'holidays' not in sys.modules\n"
        "hours.close_after(Instrument('X', AssetClass.EQUITY, 'USD'), now)\n"
        "assert 'holidays' in sys.modules\n"
        "assert 'pandas' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
