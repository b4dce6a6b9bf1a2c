"""The answers that Binance's own documents show, as the adapter reads them.

Source: Spot API documents, "Trading endpoints" and "Account endpoints" of the REST API, read
2026-11-30. They are cut to the fields that an answer always has.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from execution.domain.vocabulary import OrderState, Side
from workers.adapters.answers import Unread
from workers.adapters.binance import wire

D = Decimal
QUERIED: dict[str, Any] = {
    "symbol": "LTCBTC",
    "orderId": 1,
    "orderListId": -1,
    "clientOrderId": "myOrder1",
    "price": "0.1",
    "origQty": "1.0",
    "executedQty": "0.0",
    "cummulativeQuoteQty": "0.0",
    "status": "NEW",
    "timeInForce": "GTC",
    "type": "LIMIT",
    "side": "BUY",
    "stopPrice": "0.0",
    "icebergQty": "0.0",
    "time": 1499827319559,
    "updateTime": 1499827319559,
    "isWorking": True,
    "workingTime": 1499827319559,
    "origQuoteOrderQty": "0.000000",
    "selfTradePreventionMode": "NONE",
}
PLACED: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "orderId": 28,
    "orderListId": -1,
    "clientOrderId": "6gCrw2kRUAF9CvJDGP16IP",
    "transactTime": 1507725176595,
    "price": "0.00000000",
    "origQty": "10.00000000",
    "executedQty": "10.00000000",
    "origQuoteOrderQty": "0.000000",
    "cummulativeQuoteQty": "10.00000000",
    "status": "FILLED",
    "timeInForce": "GTC",
    "type": "MARKET",
    "side": "SELL",
    "workingTime": 1507725176595,
    "selfTradePreventionMode": "NONE",
    "fills": [
        {
            "price": "4000.00000000",
            "qty": "1.00000000",
            "commission": "4.00000000",
            "commissionAsset": "USDT",
            "tradeId": 56,
        },
        {
            "price": "3999.00000000",
            "qty": "5.00000000",
            "commission": "19.99500000",
            "commissionAsset": "USDT",
            "tradeId": 57,
        },
    ],
}
TRADE: dict[str, Any] = {
    "symbol": "BNBBTC",
    "id": 28457,
    "orderId": 100234,
    "orderListId": -1,
    "price": "4.00000100",
    "qty": "12.00000000",
    "quoteQty": "48.000012",
    "commission": "10.10000000",
    "commissionAsset": "BNB",
    "time": 1499865549590,
    "isBuyer": True,
    "isMaker": False,
    "isBestMatch": True,
}
ACCOUNT: dict[str, Any] = {
    "canTrade": True,
    "updateTime": 123456789,
    "accountType": "SPOT",
    "balances": [
        {"asset": "BTC", "free": "4723846.89208129", "locked": "0.00000000"},
        {"asset": "LTC", "free": "4763368.68006011", "locked": "0.00000000"},
    ],
    "permissions": ["SPOT"],
    "uid": 354937868,
}


def test_an_order_that_is_asked_for() -> None:
    """GET order."""
    found = wire.order(QUERIED, "LTC-BTC")
    assert (found.broker_order_id, found.venue_order_id) == ("1", "myOrder1")
    assert (found.state, found.side) == (OrderState.SUBMITTED, Side.BUY)
    assert (found.quantity, found.filled_quantity, found.limit_price) == (D(1), D(0), D("0.1"))
    assert (found.stop_price, found.reason) == (None, None)


def test_an_order_that_is_placed() -> None:
    """POST order with newOrderRespType=FULL."""
    found = wire.accepted(PLACED, "BTC-USDT", "354937868")
    assert (found.state, found.filled_quantity) == (OrderState.FILLED, D(10))
    assert [(one.execution_id, one.quantity, one.price) for one in found.executions] == [
        ("56", D(1), D(4000)),
        ("57", D(5), D(3999)),
    ]
    assert {one.executed_at for one in found.executions} == {
        datetime(2017, 10, 11, 12, 32, 56, 595000, UTC)
    }


def test_a_trade() -> None:
    """GET myTrades."""
    unread = Unread()
    found = wire.trade(TRADE, "BNB-BTC", None, "354937868", unread)
    assert (found.execution_id, found.broker_order_id, found.side) == ("28457", "100234", Side.BUY)
    assert (found.quantity, found.price) == (D(12), D("4.000001"))
    assert (found.commission, found.commission_currency) == (D("10.1"), "BNB")
    assert (found.instrument_key, unread.take()) == ("BNBBTC", [])


def test_an_account() -> None:
    """GET account; one amount that nobody can read leaves out that asset alone."""
    unread = Unread()
    found = wire.held(ACCOUNT, unread)
    assert found.balances == {"BTC": D("4723846.89208129"), "LTC": D("4763368.68006011")}
    odd = {**ACCOUNT, "balances": [*ACCOUNT["balances"], {"asset": "ODD", "free": None}]}
    assert wire.held(odd, unread).balances == found.balances
    (said,) = unread.take()
    assert "ODD" in said.text


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("REJECTED", "rejected"),
        ("EXCHANGE_CANCELED", "Binance cancelled"),
        ("OCO_TRIGGER", "pair"),
        ("OTO_PHASE_ONE_EXPIRED", "working order"),
        ("UNFILLED_IOC_QUANTITY_EXPIRED", "IOC"),
        ("UNFILLED_FOK_ORDER_EXPIRED", "FOK"),
        ("INSUFFICIENT_LIQUIDITY", "order book"),
        ("EXECUTION_RULE_PRICE_RANGE_EXCEEDED", "price range"),
        ("SOMETHING_NEW", "SOMETHING_NEW"),
    ],
)
def test_why_an_order_expired(reason: str, words: str) -> None:
    """The documented reasons in words, one that is not yet as Binance writes it."""
    item = QUERIED | {"status": "EXPIRED", "expiryReason": reason}
    assert words in (wire.order(item, "LTC-BTC").reason or "")
    assert "time in force" in (wire.order(QUERIED | {"status": "EXPIRED"}, "LTC-BTC").reason or "")
