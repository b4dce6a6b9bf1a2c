"""The zone of the machine changes nothing: a server need not be in UTC."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest

from execution.domain.events import timestamp
from execution.domain.market_hours import SESSIONS, DayKind, next_close
from execution.domain.requests import parse
from execution.domain.resolving import ToldExecution
from execution.domain.vocabulary import AssetClass

MOMENT = datetime(2026, 1, 2, 20, 59, tzinfo=UTC)


@pytest.fixture(params=["Pacific/Kiritimati", "Pacific/Pago_Pago"], autouse=True)
def far_away(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine 14 hours ahead of UTC, then one 11 hours behind it."""
    with monkeypatch.context() as changed:
        changed.setenv("TZ", request.param)
        time.tzset()
        yield
    time.tzset()


def test_it_is_another_zone() -> None:
    """The other tests mean something."""
    offset = MOMENT.astimezone(None).utcoffset()
    assert offset is not None
    assert abs(offset) > timedelta(hours=10)


def test_timestamps() -> None:
    """Messages tell UTC."""
    assert timestamp(MOMENT) == "2026-01-02T20:59:00.000000Z"


def test_requested_times() -> None:
    """A request's times are kept in UTC."""
    payload = {"client_order_id": "a-1", "symbol": "SPY", "side": "BUY", "quantity": "1"}
    until = {"time_in_force": "GTD", "expires_at": "2026-01-02T21:59:00+01:00"}
    assert parse(payload | until).canonical()["expires_at"] == "2026-01-02T20:59:00+00:00"


def test_told_times() -> None:
    """So are the times that a person reads off the venue's records."""
    values = {"execution_id": "e-1", "quantity": "1", "price": "1", "at": MOMENT.isoformat()}
    told = ToldExecution.model_validate(values).at
    assert told is not None
    assert told.isoformat() == "2026-01-02T20:59:00+00:00"


def test_sessions() -> None:
    """It is the exchange's day that counts: Friday's session is still on."""

    def kind_of(day: date) -> DayKind:
        return DayKind.HALF if day == date(2026, 1, 1) else DayKind.FULL

    close = next_close(SESSIONS[AssetClass.EQUITY], kind_of, MOMENT)
    assert close == datetime(2026, 1, 2, 21, tzinfo=UTC)
