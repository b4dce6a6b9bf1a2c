"""The simulated Binance's market: who trades at what price, and when a stop is reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.binance.book import SymbolBook
from simulators.binance.market import Market, is_above, is_reached, triggers
from simulators.binance.records import Order
from simulators.binance.symbols import SYMBOLS

ORDER = Order(
    symbol="BTCUSDT",
    order_id=1,
    client_order_id="mine",
    side="BUY",
    type="LIMIT",
    time_in_force="GTC",
    quantity=Decimal(1),
    price=Decimal(100),
    created=0,
    updated=0,
)
PRICES = st.integers(1, 400).map(Decimal)


@pytest.mark.parametrize(
    ("side", "price", "crosses"),
    [
        ("BUY", "100.99", False),
        ("BUY", "101", True),
        ("SELL", "99.01", False),
        ("SELL", "99", True),
        ("BUY", "0", True),
        ("SELL", "0", True),
    ],
)
def test_crossing(side: str, price: str, *, crosses: bool) -> None:
    """A BUY meets the ask, a SELL the bid; an order without a price meets either."""
    order = replace(ORDER, side=side, price=Decimal(price))
    assert Market(Decimal(99), Decimal(101)).crosses(order) is crosses


def test_liquidity() -> None:
    """What is taken is gone, in pieces no larger than a slice."""
    market = Market(Decimal(99), Decimal(101), size=Decimal(5), slice_size=Decimal(2))
    assert market.offers(Decimal(5))
    assert not market.offers(Decimal(6))
    assert market.take(Decimal(3)) == [Decimal(2), Decimal(1)]
    assert market.take(Decimal(3)) == [Decimal(2)]
    assert market.take(Decimal(3)) == []
    assert Market(Decimal(99), Decimal(101)).take(Decimal(3)) == [Decimal(3)]


@pytest.mark.parametrize(
    ("kind", "side", "above"),
    [
        ("STOP_LOSS", "BUY", True),
        ("STOP_LOSS_LIMIT", "SELL", False),
        ("TAKE_PROFIT", "SELL", True),
        ("TAKE_PROFIT_LIMIT", "BUY", False),
    ],
)
def test_stop_side(kind: str, side: str, *, above: bool) -> None:
    """A stop loss stops a move against its side, a take profit one in its favour."""
    order = replace(ORDER, type=kind, side=side, stop_price=Decimal(100))
    beyond, before = (Decimal(101), Decimal(99)) if above else (Decimal(99), Decimal(101))
    assert is_above(order) is above
    assert is_reached(order, Decimal(100))
    assert is_reached(order, beyond)
    assert not is_reached(order, before)


# Binance's trailing stop FAQ, scenarios A to E: the prices, and the one that triggers.
SCENARIOS = [
    ("STOP_LOSS BUY", 44000, 500, [40000, 37000, 44000, 45000, 46000, 42000], "44100"),
    ("STOP_LOSS SELL", 39000, 1000, [40000, 41500, 39000, 37000, 41000], "36900"),
    ("TAKE_PROFIT BUY", 38000, 850, [40000, 42000, 38000, 37000, 39000, 38000], "40145"),
    ("TAKE_PROFIT SELL", 42000, 750, [40000, 41500, 39000, 42000, 45000, 44000, 46500], "43012.5"),
    ("STOP_LOSS SELL", None, 700, [40000, 42000, 39500, 45500], "42315"),
]


@pytest.mark.parametrize(("kind", "stop", "delta", "prices", "last"), SCENARIOS)
def test_trailing(
    kind: str, stop: int | None, delta: int, prices: Sequence[int], last: str
) -> None:
    """The scenarios of the FAQ: nothing triggers before the price that it names."""
    kind, side = kind.split()
    order = replace(
        ORDER,
        type=kind,
        side=side,
        stop_price=None if stop is None else Decimal(stop),
        trailing_delta=delta,
    )
    for price in prices:
        assert not triggers(order, Decimal(price), 1), price
    nearly = Decimal(last) + (Decimal("-0.01") if side == "BUY" else Decimal("0.01"))
    assert not triggers(order, nearly, 1)
    assert triggers(order, Decimal(last), 1)


@given(st.lists(PRICES, min_size=1, max_size=30), st.integers(10, 2000))
def test_trail_is_the_distance_from_the_best(prices: list[Decimal], delta: int) -> None:
    """A trailing SELL triggers at the first price that is `delta` below the highest before it."""
    order = replace(ORDER, type="STOP_LOSS", side="SELL", trailing_delta=delta)
    share = Decimal(delta) / 10_000
    for place, price in enumerate(prices):
        expected = price <= max(prices[: place + 1]) * (1 - share)
        assert triggers(order, price, 1) is expected
        if expected:
            break


@given(st.lists(st.tuples(st.sampled_from(["BUY", "SELL"]), PRICES), max_size=40), PRICES)
def test_crossed_orders(orders: list[tuple[str, Decimal]], price: Decimal) -> None:
    """The sorted book gives the orders that a market crosses, best price and oldest first."""
    book = SymbolBook(SYMBOLS["BTCUSDT"])
    for number, (side, limit) in enumerate(orders, start=1):
        order = replace(ORDER, order_id=number, side=side, price=limit)
        book.file(order)
        book.rest(order)
    for number in range(1, len(orders) + 1, 3):
        book.close(book.orders[number])
    market = Market(price, price)
    left = [order for order in book.open.values() if market.crosses(order)]
    buys = sorted((order for order in left if order.buys), key=lambda order: -order.price)
    sells = sorted((order for order in left if not order.buys), key=lambda order: order.price)
    assert book.crossing(market) == [*buys, *sells]


def test_found_by_either_id() -> None:
    """A client id stands for the open order of that id, else for the latest; ids may not differ."""
    book = SymbolBook(SYMBOLS["BTCUSDT"])
    for number, status in enumerate(("CANCELED", "NEW", "FILLED"), start=1):
        book.file(replace(ORDER, order_id=number, status=status))
    assert book.find(None, "mine") is book.orders[2]
    assert book.find(3, None) is book.orders[3]
    assert book.find(3, "other") is None
    assert book.find(None, "other") is None
    book.rename(book.orders[2], "new")
    assert book.find(None, "new") is book.orders[2]
    assert book.find(None, "mine") is book.orders[3]
