"""Step 1's decision: what becomes of a valid request, column by column."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from execution.domain.accounts import Accounts
from execution.domain.capabilities import CAPABILITIES
from execution.domain.creation import as_order, make_order
from execution.domain.identity import venue_order_id
from execution.domain.instruments import Instrument
from execution.domain.requests import parse
from execution.domain.routing import Route, Verdict
from execution.domain.vocabulary import (
    AssetClass,
    BrokerName,
    Environment,
    ExecutionMode,
    OnFailure,
    OrderState,
    OrderType,
    Side,
    TimeInForce,
)

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
ORDER_ID = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
ATTEMPT_ID = UUID("01890a5d-ac96-774b-bcce-b302099a8058")
SPY = Instrument("SPY", AssetClass.EQUITY, "USD")
EURUSD = Instrument("EURUSD", AssetClass.FX, "USD", base_currency="EUR")
BTC = Instrument("BTC-USDT", AssetClass.CRYPTO, "USDT", base_currency="BTC")
TO_IBKR = Route(BrokerName.IBKR, BrokerName.IBKR, Verdict.LIVE)
TO_PAPER = Route(BrokerName.IBKR, BrokerName.PAPER, Verdict.PAPER, "IBKR: no credentials")
ASKED_PAPER = Route(BrokerName.PAPER, BrokerName.PAPER, Verdict.PAPER)


def make(
    instrument: Instrument = SPY, route: Route = TO_IBKR, **asked: Any
) -> dict[str, dict[str, Any]]:
    """What step 1 makes of a request for ten."""
    payload = {"client_order_id": "a-1", "symbol": "spy", "side": "BUY", "quantity": "10"}
    return make_order(
        parse(payload | asked),
        instrument,
        route,
        order_id=ORDER_ID,
        attempt_id=ATTEMPT_ID,
        environment=Environment.PRACTICE,
        default_account="main",
        now=NOW,
    )


def rejection(instrument: Instrument = SPY, route: Route = TO_IBKR, **asked: Any) -> str:
    """Why the order is REJECTED; it must be."""
    order = make(instrument, route, **asked)["order"]
    assert order["state"] is OrderState.REJECTED
    reason = order["reason"]
    assert isinstance(reason, str)
    return reason


def test_a_plain_order() -> None:
    """A plain order is PENDING at its broker, for what was asked, under the canonical symbol."""
    made = make(strategy="s", reference_price="600.5")
    order = made["order"]
    expected = {
        "order_id": ORDER_ID,
        "client_order_id": "a-1",
        "symbol": "SPY",
        "asset_class": AssetClass.EQUITY,
        "side": Side.BUY,
        "order_type": OrderType.MARKET,
        "quantity": Decimal(10),
        "requested_quantity": Decimal(10),
        "time_in_force": TimeInForce.DAY,
        "environment": Environment.PRACTICE,
        "account": "main",
        "requested_broker": BrokerName.IBKR,
        "broker": BrokerName.IBKR,
        "execution_mode": ExecutionMode.LIVE,
        "state": OrderState.PENDING,
        "reason": None,
        "on_failure": OnFailure.PAPER,
        "strategy": "s",
        "reference_price": Decimal("600.5"),
        "created_at": NOW,
    }
    assert order | expected == order
    assert made["attempt"] == {
        "attempt_id": ATTEMPT_ID,
        "venue_order_id": venue_order_id(ORDER_ID, 1),
    }


def test_the_account_by_its_real_name() -> None:
    """The order keeps what was asked, its attempt is in the account that this means."""
    login = replace(TO_IBKR, accounts=Accounts("DU1", ("DU1", "DU2")))
    for asked, real in ((None, "DU1"), ("main", "DU1"), ("DU2", "DU2")):
        made = make(SPY, login, **({} if asked is None else {"account": asked}))
        assert made["order"]["account"] == (asked or "main")
        assert as_order(made, SPY).attempt.account == real
    assert rejection(route=login, account="U3") == (
        "account: U3 is none of the broker's login, which owns DU1, DU2"
    )
    assert make(account="U3")["order"]["state"] is OrderState.PENDING


def test_everything_asked_for_is_kept() -> None:
    """Prices, times and wishes are the order's as they are the request's."""
    expires = "2026-01-03T12:00:00+00:00"
    stop_limit: dict[str, Any] = {"order_type": "STOP_LIMIT", "limit_price": "9", "stop_price": "8"}
    wishes: dict[str, Any] = {
        "outside_rth": True,
        "reduce_only": True,
        "account": "U1",
        "on_failure": "wait",
    }
    order = make(**stop_limit, **wishes, time_in_force="GTD", expires_at=expires)["order"]
    expected = {
        "limit_price": Decimal(9),
        "stop_price": Decimal(8),
        "outside_rth": True,
        "reduce_only": True,
        "account": "U1",
        "on_failure": OnFailure.WAIT,
        "time_in_force": TimeInForce.GTD,
        "expires_at": datetime(2026, 1, 3, 12, tzinfo=UTC),
        "state": OrderState.PENDING,
    }
    assert order | expected == order
    trail = make(order_type="TRAILING_STOP", trail_percent="2")["order"]
    assert (trail["trail_percent"], trail["trail_amount"]) == (Decimal(2), None)


@pytest.mark.parametrize(
    ("instrument", "broker", "tif"),
    [
        (SPY, BrokerName.IBKR, TimeInForce.DAY),
        (EURUSD, BrokerName.MT4, TimeInForce.GTC),
        (BTC, BrokerName.BINANCE, TimeInForce.GTC),
    ],
)
def test_time_in_force_by_asset_class(
    instrument: Instrument, broker: BrokerName, tif: TimeInForce
) -> None:
    """A request without one gets its asset class's, which its broker takes."""
    order = make(instrument, Route(broker, broker, Verdict.LIVE))["order"]
    assert (order["time_in_force"], order["state"]) == (tif, OrderState.PENDING)


def test_a_paper_route_says_why() -> None:
    """An order that routing turned to paper is PENDING there, and its cause is kept."""
    order = make(route=TO_PAPER)["order"]
    assert (order["broker"], order["execution_mode"]) == (BrokerName.PAPER, ExecutionMode.PAPER)
    assert (order["requested_broker"], order["state"]) == (BrokerName.IBKR, OrderState.PENDING)
    assert "IBKR: no credentials" in {order["reason"], order.get("route_reason")}


def test_routing_may_reject() -> None:
    """on_failure="reject" with a broker that is away is REJECTED with routing's reason."""
    refused = Route(BrokerName.IBKR, BrokerName.IBKR, Verdict.REJECT, "IBKR: circuit breaker open")
    assert rejection(route=refused) == "IBKR: circuit breaker open"


def test_what_the_broker_cannot_do_is_rejected() -> None:
    """An order type or time in force that the broker lacks is named, with the broker."""
    to_mt4 = Route(BrokerName.MT4, BrokerName.MT4, Verdict.LIVE)
    limited: dict[str, Any] = {"order_type": "STOP_LIMIT", "limit_price": "1", "stop_price": "1"}
    reason = rejection(EURUSD, to_mt4, **limited)
    assert reason.startswith("order_type: MT4 does not take STOP_LIMIT")
    reason = rejection(EURUSD, to_mt4, time_in_force="IOC")
    assert reason.startswith("time_in_force: MT4 does not take IOC")


def test_a_fallback_must_be_able_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """What paper cannot do is REJECTED as paper's, whether asked for or turned there."""
    lesser = replace(CAPABILITIES[BrokerName.PAPER], order_types=frozenset({OrderType.MARKET}))
    monkeypatch.setitem(CAPABILITIES, BrokerName.PAPER, lesser)
    for route in (TO_PAPER, ASKED_PAPER):
        reason = rejection(route=route, order_type="STOP", stop_price="1")
        assert reason == "order_type: PAPER does not take STOP; it takes MARKET"


def test_the_broker_asked_for_must_be_able() -> None:
    """Paper is no way around what the live broker does not offer."""
    rerouted = Route(BrokerName.MT4, BrokerName.PAPER, Verdict.PAPER, "MT4: no credentials")
    assert rejection(EURUSD, rerouted, time_in_force="IOC").startswith("time_in_force: MT4")


@pytest.mark.parametrize("price", ["take_profit_price", "stop_loss_price"])
def test_brackets_need_a_broker_that_takes_them(
    price: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bracket that nobody would watch is REJECTED, not silently dropped."""
    bracket: dict[str, Any] = {price: "700"}
    can = CAPABILITIES[BrokerName.IBKR]
    monkeypatch.setitem(CAPABILITIES, BrokerName.IBKR, replace(can, brackets=False))
    reason = rejection(**bracket)
    assert reason == "take_profit_price, stop_loss_price: IBKR does not take brackets"
    monkeypatch.setitem(CAPABILITIES, BrokerName.IBKR, replace(can, brackets=True))
    order = make(**bracket)["order"]
    assert (order["state"], order[price]) == (OrderState.PENDING, Decimal(700))


def test_an_expired_order_is_rejected() -> None:
    """A GTD order whose time has come is REJECTED with that time; a moment later it is not."""
    gtd: dict[str, Any] = {"time_in_force": "GTD"}
    assert rejection(**gtd, expires_at=NOW.isoformat()) == (
        "expires_at: 2026-01-02T12:00:00+00:00 has passed"
    )
    later = (NOW + timedelta(microseconds=1)).isoformat()
    assert make(**gtd, expires_at=later)["order"]["state"] is OrderState.PENDING
