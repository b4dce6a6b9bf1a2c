"""Our orders in TWS's words: every type and time in force explicit, numbers as text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from execution.domain.errors import BrokerRejected, RejectionScope
from execution.domain.instruments import Instrument
from execution.domain.ports import Attempt
from execution.domain.vocabulary import AssetClass, BrokerName, OrderType, Side, TimeInForce
from workers.adapters.ibkr import orders


def attempt(**changes: Any) -> Attempt:
    """A MARKET order to BUY 1E+2 shares of SPY for the day."""
    standard: dict[str, Any] = {
        "attempt_id": UUID(int=1),
        "order_id": UUID(int=2),
        "client_order_id": "one",
        "broker": BrokerName.IBKR,
        "account": "main",
        "venue_order_id": "v" * 22,
        "instrument": Instrument("SPY", AssetClass.EQUITY, "USD"),
        "side": Side.BUY,
        "order_type": OrderType.MARKET,
        "quantity": Decimal("1E+2"),
        "time_in_force": TimeInForce.DAY,
    }
    return Attempt(**(standard | changes))


@pytest.mark.parametrize(
    ("changes", "terms"),
    [
        ({}, {"orderType": "MKT"}),
        (
            {"order_type": OrderType.LIMIT, "limit_price": Decimal("9E+1")},
            {"orderType": "LMT", "lmtPrice": "90"},
        ),
        (
            {"order_type": OrderType.STOP, "stop_price": Decimal("89.50")},
            {"orderType": "STP", "auxPrice": "89.5"},
        ),
        (
            {
                "order_type": OrderType.STOP_LIMIT,
                "stop_price": Decimal(110),
                "limit_price": Decimal(111),
            },
            {"orderType": "STP LMT", "auxPrice": "110", "lmtPrice": "111"},
        ),
        (
            {"order_type": OrderType.TRAILING_STOP, "trail_amount": Decimal("2.5")},
            {"orderType": "TRAIL", "auxPrice": "2.5"},
        ),
        (
            {"order_type": OrderType.TRAILING_STOP, "trail_percent": Decimal("1.5")},
            {"orderType": "TRAIL", "trailingPercent": "1.5"},
        ),
        ({"order_type": OrderType.MARKET_ON_CLOSE}, {"orderType": "MOC"}),
        (
            {"order_type": OrderType.LIMIT_ON_CLOSE, "limit_price": Decimal(95)},
            {"orderType": "LOC", "lmtPrice": "95"},
        ),
    ],
)
def test_every_type(changes: dict[str, Any], terms: dict[str, str]) -> None:
    """No more than its own prices go with it."""
    fields = orders.fields(attempt(**changes), "DU1")
    assert fields == {
        "action": "BUY",
        "totalQuantity": "100",
        "tif": "DAY",
        "account": "DU1",
        "orderRef": "v" * 22,
        "outsideRth": False,
        "transmit": True,
        **terms,
    }


@pytest.mark.parametrize("tif", TimeInForce)
def test_every_time_in_force(tif: TimeInForce) -> None:
    """Always said, so that no preset of TWS says another (10349)."""
    assert orders.fields(attempt(time_in_force=tif), "DU1")["tif"] == tif.value


@pytest.mark.parametrize(
    ("expires_at", "spelled"),
    [
        (datetime(2026, 11, 22, 15, 4, 5, tzinfo=UTC), "20261122-15:04:05"),
        (datetime(2026, 11, 22, 23, 59, 59, 1, tzinfo=UTC), "20261123-00:00:00"),
    ],
)
def test_good_till(expires_at: datetime, spelled: str) -> None:
    """In UTC and whole seconds, never before what was asked; and back."""
    order = attempt(time_in_force=TimeInForce.GTD, expires_at=expires_at)
    assert orders.fields(order, "DU1")["goodTillDate"] == spelled
    until = orders.good_till(spelled)
    assert until is not None
    assert timedelta(0) <= until - expires_at < timedelta(seconds=1)
    assert orders.good_till("20261122 15:04:05 US/Eastern") is None


def test_one_cancels_the_other() -> None:
    """What one fills is taken off the other, one of which is routed at a time."""
    fields = orders.fields(attempt(one_cancels_other=UUID(int=7), outside_rth=True), "DU1")
    assert (fields["ocaGroup"], fields["ocaType"]) == (UUID(int=7).hex, 2)
    assert fields["outsideRth"] is True


@pytest.mark.parametrize(
    "changes",
    [
        {"order_type": OrderType.LIMIT},
        {"order_type": OrderType.TRAILING_STOP},
        {"order_type": OrderType.MARKET_ON_CLOSE, "time_in_force": TimeInForce.GTC},
    ],
)
def test_what_there_is_no_order_for(changes: dict[str, Any]) -> None:
    """Refused here, for its terms: nothing goes out."""
    with pytest.raises(BrokerRejected) as refusal:
        orders.fields(attempt(**changes), "DU1")
    assert refusal.value.scope is RejectionScope.TERMS
