"""The simulated Binance's filters: each refuses just beyond its bound, and takes what is at it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from simulators.binance.errors import ApiError
from simulators.binance.filters import Crowd, check_amended, check_filters
from simulators.binance.records import Order
from simulators.binance.symbols import SYMBOLS, find_symbol

RULES = SYMBOLS["BTCUSDT"]
AVERAGE = Decimal(1000)
LIMIT = Order(
    symbol="BTCUSDT",
    order_id=0,
    client_order_id="mine",
    side="BUY",
    type="LIMIT",
    time_in_force="GTC",
    quantity=Decimal(1),
    price=Decimal(1000),
    created=0,
    updated=0,
)
MARKET = replace(LIMIT, type="MARKET", price=Decimal(0))
STOP = replace(LIMIT, type="STOP_LOSS", price=Decimal(0), stop_price=Decimal(1100))
TRAIL = replace(STOP, stop_price=None, trailing_delta=100)


def _failure(order: Order, crowd: Crowd | None = None, **changes: Any) -> str | None:
    numbers: dict[str, Any] = {
        name: Decimal(value) if isinstance(value, str) else value for name, value in changes.items()
    }
    try:
        check_filters(replace(order, **numbers), RULES, AVERAGE, crowd or Crowd())
    except ApiError as error:
        return f"{error.code} {error.message}".removeprefix("-1013 Filter failure: ")
    return None


@pytest.mark.parametrize(
    ("order", "changes", "failure"),
    [
        (LIMIT, {}, None),
        (MARKET, {}, None),
        (STOP, {}, None),
        (TRAIL, {}, None),
        (LIMIT, {"price": "999.99"}, None),
        (LIMIT, {"price": "999.995"}, "PRICE_FILTER"),
        (LIMIT, {"price": "1000000.01"}, "PRICE_FILTER"),
        (STOP, {"stop_price": "1100.005"}, "PRICE_FILTER"),
        (LIMIT, {"price": "5000"}, None),
        (LIMIT, {"price": "5000.01"}, "PERCENT_PRICE_BY_SIDE"),
        (LIMIT, {"price": "200"}, None),
        (LIMIT, {"price": "199.99"}, "PERCENT_PRICE_BY_SIDE"),
        (replace(LIMIT, side="SELL"), {"price": "5000.01"}, "PERCENT_PRICE_BY_SIDE"),
        (LIMIT, {"quantity": "0.00500"}, None),
        (LIMIT, {"quantity": "0.000001"}, "LOT_SIZE"),
        (LIMIT, {"quantity": "0.100001"}, "LOT_SIZE"),
        (LIMIT, {"quantity": "9000.00001"}, "LOT_SIZE"),
        (LIMIT, {"quantity": "1", "iceberg_quantity": "0.1"}, None),
        (LIMIT, {"quantity": "1", "iceberg_quantity": "0.09"}, "ICEBERG_PARTS"),
        (LIMIT, {"quantity": "1", "iceberg_quantity": "0.500001"}, "LOT_SIZE"),
        (LIMIT, {"quantity": "121"}, None),
        (MARKET, {"quantity": "120"}, None),
        (MARKET, {"quantity": "120.00001"}, "MARKET_LOT_SIZE"),
        (STOP, {"quantity": "121"}, "MARKET_LOT_SIZE"),
        (LIMIT, {"quantity": "0.00499"}, "NOTIONAL"),
        (LIMIT, {"quantity": "9000", "price": "1000.01"}, "NOTIONAL"),
        (MARKET, {"quantity": "0.00500"}, None),
        (MARKET, {"quantity": "0.00499"}, "NOTIONAL"),
        (MARKET, {"quantity": "0", "quote_quantity": "5"}, None),
        (MARKET, {"quantity": "0", "quote_quantity": "4.99"}, "NOTIONAL"),
        (TRAIL, {"trailing_delta": 10}, None),
        (TRAIL, {"trailing_delta": 9}, "TRAILING_DELTA"),
        (TRAIL, {"trailing_delta": 2000}, None),
        (TRAIL, {"trailing_delta": 2001}, "TRAILING_DELTA"),
    ],
)
def test_bounds(order: Order, changes: dict[str, Any], failure: str | None) -> None:
    """Every bound, from both sides."""
    assert _failure(order, **changes) == failure


@pytest.mark.parametrize(
    ("order", "crowd", "failure"),
    [
        (LIMIT, Crowd(orders=199), None),
        (LIMIT, Crowd(orders=200), "MAX_NUM_ORDERS"),
        (LIMIT, Crowd(orders=200, max_orders=500), None),
        (LIMIT, Crowd(algo_orders=5), None),
        (STOP, Crowd(algo_orders=4), None),
        (STOP, Crowd(algo_orders=5), "MAX_NUM_ALGO_ORDERS"),
        (STOP, Crowd(algo_orders=5, max_algo_orders=50), None),
        (
            replace(LIMIT, iceberg_quantity=Decimal("0.5")),
            Crowd(icebergs=5),
            "MAX_NUM_ICEBERG_ORDERS",
        ),
    ],
)
def test_crowd(order: Order, crowd: Crowd, failure: str | None) -> None:
    """How many orders may be open on a symbol, and how many of them stops."""
    assert _failure(order, crowd) == failure


def test_nothing_traded() -> None:
    """Without a price nobody can say what a market order is worth."""
    check_filters(replace(MARKET, quantity=Decimal("0.00001")), RULES, None, Crowd())


@pytest.mark.parametrize(
    ("quantity", "failure"), [("0.5", None), ("0.000001", "LOT_SIZE"), ("0.001", "NOTIONAL")]
)
def test_amended(quantity: str, failure: str | None) -> None:
    """A smaller quantity must be one that the symbol takes."""
    if failure is None:
        check_amended(LIMIT, Decimal(quantity), RULES)
        return
    with pytest.raises(ApiError, match=failure):
        check_amended(LIMIT, Decimal(quantity), RULES)


def test_published_as_checked() -> None:
    """What exchangeInfo publishes is what is checked."""
    entry = RULES.as_json("TRADING", 200, 5)
    filters = {item["filterType"]: item for item in entry["filters"]}
    assert filters["PRICE_FILTER"]["tickSize"] == "0.01000000"
    assert filters["LOT_SIZE"] == {
        "filterType": "LOT_SIZE",
        "minQty": "0.00001000",
        "maxQty": "9000.00000000",
        "stepSize": "0.00001000",
    }
    assert filters["NOTIONAL"]["minNotional"] == "5.00000000"
    assert filters["MAX_NUM_ORDERS"]["maxNumOrders"] == 200
    assert filters["MAX_NUM_ALGO_ORDERS"]["maxNumAlgoOrders"] == 5


def test_both_spellings() -> None:
    """A symbol is found by Binance's spelling and by the dashed one; others are named."""
    assert find_symbol("BTC-USDT") is find_symbol("BTCUSDT") is RULES
    assert len(SYMBOLS) >= 12
    with pytest.raises(ValueError, match="'BTC/USDT' does not trade here"):
        find_symbol("BTC/USDT")
