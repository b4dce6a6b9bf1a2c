"""The filters of a symbol, applied to one order. Source: Binance's document on filters."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from simulators.binance.errors import filter_failure, rejected
from simulators.binance.numbers import on_grid
from simulators.binance.records import Order
from simulators.binance.symbols import MAX_ICEBERG_ORDERS, SymbolRules


@dataclass(frozen=True, slots=True)
class Crowd:
    """How many orders are open on the symbol, and how many may be."""

    orders: int = 0
    algo_orders: int = 0
    icebergs: int = 0
    max_orders: int = 200
    max_algo_orders: int = 5


def check_filters(order: Order, rules: SymbolRules, average: Decimal | None, crowd: Crowd) -> None:
    """ApiError -1013 names the first filter that the order fails.

    `average` is the average price of the last minutes, None while nothing has traded.
    """
    _check_prices(order, rules, average)
    _check_quantity(order, rules)
    _check_notional(order, rules, average)
    _check_trailing(order, rules)
    _check_crowd(order, crowd)


def check_amended(order: Order, quantity: Decimal, rules: SymbolRules) -> None:
    """The filters that a smaller quantity could fail."""
    if quantity < rules.step or not on_grid(quantity, rules.step):
        raise filter_failure("LOT_SIZE")
    if order.price and order.price * quantity < rules.min_notional:
        raise filter_failure("NOTIONAL")


def _check_prices(order: Order, rules: SymbolRules, average: Decimal | None) -> None:
    for price in (order.price, order.stop_price):
        if price and not (rules.tick <= price <= rules.max_price and on_grid(price, rules.tick)):
            raise filter_failure("PRICE_FILTER")
    if order.price and average is not None:
        lowest, highest = average * rules.price_down, average * rules.price_up
        if not lowest <= order.price <= highest:
            raise filter_failure("PERCENT_PRICE_BY_SIDE")


def _check_quantity(order: Order, rules: SymbolRules) -> None:
    if order.quote_quantity:
        return
    sizes = [size for size in (order.quantity, order.iceberg_quantity) if size is not None]
    if any(
        not rules.step <= size <= rules.max_quantity or not on_grid(size, rules.step)
        for size in sizes
    ):
        raise filter_failure("LOT_SIZE")
    if order.takes_any_price and order.quantity > rules.max_market_quantity:
        raise filter_failure("MARKET_LOT_SIZE")
    iceberg = order.iceberg_quantity
    if iceberg is not None and -(-order.quantity // iceberg) > rules.iceberg_parts:
        raise filter_failure("ICEBERG_PARTS")


def _check_notional(order: Order, rules: SymbolRules, average: Decimal | None) -> None:
    if order.quote_quantity:
        notional = order.quote_quantity
    elif order.price:
        notional = order.price * order.quantity
        if not notional:
            raise rejected("Price * QTY is zero or less.")
    elif average is not None:
        notional = average * order.quantity
    else:
        return
    too_large = bool(order.price) and notional > rules.max_notional
    if notional < rules.min_notional or too_large:
        raise filter_failure("NOTIONAL")


def _check_trailing(order: Order, rules: SymbolRules) -> None:
    delta = order.trailing_delta
    if delta is not None and not rules.min_trailing_delta <= delta <= rules.max_trailing_delta:
        raise filter_failure("TRAILING_DELTA")


def _check_crowd(order: Order, crowd: Crowd) -> None:
    if crowd.orders >= crowd.max_orders:
        raise filter_failure("MAX_NUM_ORDERS")
    if order.is_contingent and crowd.algo_orders >= crowd.max_algo_orders:
        raise filter_failure("MAX_NUM_ALGO_ORDERS")
    if order.iceberg_quantity is not None and crowd.icebergs >= MAX_ICEBERG_ORDERS:
        raise filter_failure("MAX_NUM_ICEBERG_ORDERS")
