"""Binance's JSON and ours, to the last digit."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from execution.domain.errors import BrokerRejected, BrokerUnavailable, RejectionScope
from execution.domain.instruments import Instrument
from execution.domain.ports import Attempt
from execution.domain.vocabulary import (
    AssetClass,
    BrokerName,
    OrderState,
    OrderType,
    Side,
    TimeInForce,
)
from workers.adapters.answers import Unread, read
from workers.adapters.binance import wire

D = Decimal
WINDOW = timedelta(seconds=5)
ATTEMPT = Attempt(
    attempt_id=uuid4(),
    order_id=uuid4(),
    client_order_id="c",
    broker=BrokerName.BINANCE,
    account="main",
    venue_order_id="v" * 22,
    instrument=Instrument("BTC-USDT", AssetClass.CRYPTO, "USDT", base_currency="BTC"),
    side=Side.SELL,
    order_type=OrderType.MARKET,
    quantity=D("1E+1"),
    time_in_force=TimeInForce.GTC,
)
ORDER: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "orderId": 7,
    "clientOrderId": "v" * 22,
    "status": "PARTIALLY_FILLED",
    "side": "SELL",
    "origQty": "10.00000000",
    "executedQty": "4.00000000",
}


def sent(**changes: Any) -> dict[str, Any]:
    """The parameters of an order with changes."""
    attempt = replace(ATTEMPT, **changes)
    now, same = datetime.now(UTC), timedelta(0)
    return dict(wire.submission(attempt, "BTCUSDT", window=WINDOW, offset=same, now=now))


@pytest.mark.parametrize(
    ("changes", "terms"),
    [
        ({}, {"type": "MARKET"}),
        (
            {"order_type": OrderType.LIMIT, "limit_price": D("9E+1")},
            {"type": "LIMIT", "price": "90", "timeInForce": "GTC"},
        ),
        (
            {
                "order_type": OrderType.LIMIT,
                "limit_price": D("90.10"),
                "time_in_force": TimeInForce.FOK,
            },
            {"type": "LIMIT", "price": "90.1", "timeInForce": "FOK"},
        ),
        (
            {"order_type": OrderType.LIMIT, "limit_price": D(90), "post_only": True},
            {"type": "LIMIT_MAKER", "price": "90"},
        ),
        (
            {"order_type": OrderType.STOP, "stop_price": D(80)},
            {"type": "STOP_LOSS", "stopPrice": "80"},
        ),
        (
            {"order_type": OrderType.STOP_LIMIT, "stop_price": D(80), "limit_price": D(79)},
            {"type": "STOP_LOSS_LIMIT", "price": "79", "stopPrice": "80", "timeInForce": "GTC"},
        ),
        (
            {"order_type": OrderType.TRAILING_STOP, "trail_percent": D("1.25")},
            {"type": "STOP_LOSS", "trailingDelta": "125"},
        ),
    ],
)
def test_terms(changes: dict[str, Any], terms: dict[str, str]) -> None:
    """Each type as the venue has it, numbers in digits, our id with it and all fills asked for."""
    common = {
        "symbol": "BTCUSDT",
        "side": "SELL",
        "quantity": "10",
        "newClientOrderId": "v" * 22,
        "newOrderRespType": "FULL",
    }
    assert sent(**changes) == common | terms


@pytest.mark.parametrize(
    "changes",
    [
        {"order_type": OrderType.TRAILING_STOP, "trail_percent": D("1.255")},
        {"order_type": OrderType.TRAILING_STOP, "trail_amount": D(5)},
        {"order_type": OrderType.MARKET_ON_CLOSE},
    ],
)
def test_what_it_has_no_order_for(changes: dict[str, Any]) -> None:
    """Refused before anything is sent, for good."""
    with pytest.raises(BrokerRejected) as refused:
        sent(**changes)
    assert refused.value.scope is RejectionScope.TERMS


def test_the_window_ends_at_send_by() -> None:
    """Timestamp and window together are `send_by` by the venue's clock, whenever it is sent."""
    now = datetime.now(UTC)
    for send_by in (now + timedelta(seconds=4), now + timedelta(minutes=2), now - WINDOW * 3):
        said = sent(send_by=send_by)
        ends = said["timestamp"] + said["recvWindow"]
        assert said["recvWindow"] <= 60_000
        assert ends == wire.milliseconds(send_by) or said["recvWindow"] == 60_000
        # Never in the venue's future, which it refuses as well.
        assert said["timestamp"] <= wire.milliseconds(datetime.now(UTC))


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("NEW", OrderState.SUBMITTED),
        ("PENDING_NEW", OrderState.SUBMITTED),
        ("PARTIALLY_FILLED", OrderState.PARTIALLY_FILLED),
        ("FILLED", OrderState.FILLED),
        ("CANCELED", OrderState.CANCELLED),
        ("PENDING_CANCEL", OrderState.SUBMITTED),
        ("REJECTED", OrderState.REJECTED),
        ("EXPIRED", OrderState.EXPIRED),
        ("EXPIRED_IN_MATCH", OrderState.EXPIRED),
    ],
)
def test_state(status: str, state: OrderState) -> None:
    """Each of the venue's; a cancel under way still works."""
    assert wire.order({**ORDER, "status": status}, "BTC-USDT").state is state


def test_an_order() -> None:
    """Ids as text, numbers exact."""
    order = wire.order(ORDER, "BTC-USDT")
    assert (order.broker_order_id, order.venue_order_id) == ("7", "v" * 22)
    assert (order.quantity, order.filled_quantity) == (D(10), D(4))


@pytest.mark.parametrize(
    "wrong",
    [{"origQty": 10.0}, {"status": "NEVER_HEARD_OF"}, {"orderId": None}, {"executedQty": "x"}],
)
def test_nonsense_is_noticed(wrong: dict[str, Any]) -> None:
    """A number that has been through a float, a word that is not known, an id that is none."""
    with pytest.raises(BrokerUnavailable, match="makes no sense"):
        read(wire.order, {**ORDER, **wrong}, "BTC-USDT")


def test_what_traded_at_once() -> None:
    """A fill of the answer has its id, its commission and the order's time."""
    fill = {
        "price": "64000.10",
        "qty": "4.00000000",
        "commission": "0.00400000",
        "commissionAsset": "BNB",
        "tradeId": 99,
    }
    answer = {**ORDER, "transactTime": 1_700_000_000_123, "fills": [fill]}
    taken = wire.accepted(answer, "BTC-USDT", "7")
    (execution,) = taken.executions
    assert execution.execution_id == "99"
    assert (execution.price, execution.quantity) == (D("64000.10"), D(4))
    assert (execution.commission, execution.commission_currency) == (D("0.004"), "BNB")
    assert execution.executed_at == datetime(2023, 11, 14, 22, 13, 20, 123000, UTC)
    assert execution.venue_order_id == "v" * 22


def test_rules() -> None:
    """The filters of exchangeInfo; one of zero is none, trails are in percent."""
    info = {
        "status": "TRADING",
        "isSpotTradingAllowed": True,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "0", "tickSize": "0.01"},
            {
                "filterType": "LOT_SIZE",
                "minQty": "0.00001",
                "maxQty": "9000",
                "stepSize": "0.00001",
            },
            {"filterType": "MARKET_LOT_SIZE", "minQty": "0", "maxQty": "120.5", "stepSize": "0"},
            {
                "filterType": "NOTIONAL",
                "minNotional": "5",
                "applyMinToMarket": False,
                "maxNotional": "9000000",
                "applyMaxToMarket": False,
            },
            {
                "filterType": "TRAILING_DELTA",
                "minTrailingAboveDelta": 10,
                "maxTrailingAboveDelta": 2000,
                "minTrailingBelowDelta": 20,
                "maxTrailingBelowDelta": 1000,
            },
        ],
    }
    rules = wire.rules("BTC-USDT", info)
    assert (rules.price_step, rules.minimum_price, rules.maximum_price) == (
        D("0.01"),
        D("0.01"),
        None,
    )
    assert (rules.market_quantity_step, rules.market_maximum_quantity) == (None, D("120.5"))
    assert (rules.minimum_notional, rules.minimum_notional_at_market) == (D(5), False)
    assert (rules.minimum_trail, rules.maximum_trail) == (D("0.2"), D(10))
    assert rules.tradable
    assert not wire.rules("BTC-USDT", {**info, "status": "BREAK"}).tradable


def test_an_older_notional_filter() -> None:
    """Some symbols have MIN_NOTIONAL instead."""
    old = {"filterType": "MIN_NOTIONAL", "minNotional": "10", "applyToMarket": True}
    rules = wire.rules("X-Y", {"status": "TRADING", "filters": [old]})
    assert (rules.minimum_notional, rules.minimum_notional_at_market) == (D(10), True)


@pytest.mark.parametrize("time", ["yesterday", None, -(10**18)])
def test_a_trade_whose_time_cannot_be_read(time: object) -> None:
    """It has happened all the same: it has the time of its receipt, and what Binance wrote."""
    item: dict[str, Any] = {
        "id": 5,
        "orderId": 7,
        "symbol": "BTCUSDT",
        "isBuyer": True,
        "qty": "4.00000000",
        "price": "600.00000000",
        "commission": "0.00400000",
        "commissionAsset": "BTC",
        "time": time,
    }
    trade = wire.trade(item, "BTC-USDT", "v" * 22, "main", Unread())
    assert (trade.quantity, trade.unread_time) == (D(4), str(time))
    assert abs(datetime.now(UTC) - trade.executed_at) < timedelta(minutes=1)
