"""Queries about the account: its orders, trades, balances and rates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simulators.binance.endpoints import Endpoint, Rendered, book_of, find_order, named_book
from simulators.binance.errors import ApiError
from simulators.binance.exchange import Exchange
from simulators.binance.numbers import eight
from simulators.binance.parameters import Parameters
from simulators.binance.records import ZERO, Order, Trade
from simulators.binance.views import trade_view

_DAY = 24 * 60 * 60 * 1000
_BASIS_POINTS = 10_000

TellOrder = Callable[[Order], str | None]
TellTrades = Callable[[list[Trade]], list[Trade]]


class ReadingApi:
    """The endpoints that change nothing.

    A fault may distort what is told: `tell_order` gives other JSON for an order, or None to leave
    it as it is, and `tell_trades` may repeat trades.
    """

    def __init__(self, exchange: Exchange, tell_order: TellOrder, tell_trades: TellTrades) -> None:
        self._exchange = exchange
        self._store = exchange.store
        self._tell_order = tell_order
        self._tell_trades = tell_trades

    def endpoints(self) -> list[Endpoint]:
        """What this part answers."""
        prefix = "/api/v3"
        return [
            Endpoint("GET", f"{prefix}/account", 20, self._account, signed=True),
            Endpoint("GET", f"{prefix}/account/commission", 20, self._commission, signed=True),
            Endpoint("GET", f"{prefix}/order", 4, self._order, signed=True),
            Endpoint("GET", f"{prefix}/openOrders", _weigh_open, self._open_orders, signed=True),
            Endpoint("GET", f"{prefix}/allOrders", 20, self._all_orders, signed=True),
            Endpoint("GET", f"{prefix}/myTrades", _weigh_trades, self._my_trades, signed=True),
            Endpoint("GET", f"{prefix}/rateLimit/order", 40, self._order_counts, signed=True),
            Endpoint("GET", f"{prefix}/order/amendments", 4, self._amendments, signed=True),
            Endpoint("GET", f"{prefix}/myPreventedMatches", 20, self._prevented, signed=True),
            Endpoint("GET", f"{prefix}/myAllocations", 20, self._allocations, signed=True),
        ]

    def _account(self, parameters: Parameters) -> dict[str, Any]:
        omit_zero = parameters.flag("omitZeroBalances")
        parameters.finish()
        options = self._exchange.options
        basis_points = int(options.fee_rate * _BASIS_POINTS)
        rate = eight(options.fee_rate)
        return {
            "makerCommission": basis_points,
            "takerCommission": basis_points,
            "buyerCommission": 0,
            "sellerCommission": 0,
            "commissionRates": {
                "maker": rate,
                "taker": rate,
                "buyer": eight(ZERO),
                "seller": eight(ZERO),
            },
            "canTrade": True,
            "canWithdraw": True,
            "canDeposit": True,
            "brokered": False,
            "requireSelfTradePrevention": False,
            "preventSor": False,
            "updateTime": self._store.last_update,
            "accountType": "SPOT",
            "balances": self._store.account.as_json(omit_zero=omit_zero),
            "permissions": ["SPOT"],
            "uid": options.account_id,
        }

    def _commission(self, parameters: Parameters) -> dict[str, Any]:
        book = book_of(self._exchange, parameters)
        parameters.finish()
        options = self._exchange.options
        none = dict.fromkeys(("maker", "taker", "buyer", "seller"), eight(ZERO))
        rate = eight(options.fee_rate)
        return {
            "symbol": book.rules.symbol,
            "standardCommission": none | {"maker": rate, "taker": rate},
            "specialCommission": none,
            "taxCommission": none,
            "discount": {
                "enabledForAccount": options.bnb_fees,
                "enabledForSymbol": True,
                "discountAsset": "BNB",
                "discount": eight(options.bnb_discount),
            },
        }

    def _order(self, parameters: Parameters) -> Rendered:
        order = find_order(book_of(self._exchange, parameters), parameters)
        parameters.finish()
        if order is None or not self._shows(order):
            raise ApiError(-2013)
        return Rendered(self._tell(order))

    def _open_orders(self, parameters: Parameters) -> Rendered:
        symbol = parameters.symbol()
        parameters.finish()
        books = (
            self._store.books.values() if symbol is None else [named_book(self._exchange, symbol)]
        )
        told = (
            self._tell(order)
            for book in books
            for order in book.open.values()
            if book.listed and self._shows(order)
        )
        return Rendered(f"[{','.join(told)}]")

    def _all_orders(self, parameters: Parameters) -> Rendered:
        book = book_of(self._exchange, parameters)
        first = parameters.integer("orderId")
        start, end = _range(parameters)
        limit = parameters.limit()
        parameters.finish()
        found = [
            order
            for order in book.orders.values()
            if order.order_id >= (first or 0)
            and self._shows(order)
            and order.created >= (start or 0)
            and (end is None or order.created <= end)
        ]
        oldest_first = first is not None or start is not None
        chosen = found[:limit] if oldest_first else found[-limit:]
        return Rendered(f"[{','.join(self._tell(order) for order in chosen)}]")

    def _my_trades(self, parameters: Parameters) -> list[dict[str, Any]]:
        book = book_of(self._exchange, parameters)
        order_id, first = parameters.integer("orderId"), parameters.integer("fromId")
        start, end = _range(parameters)
        limit = parameters.limit()
        parameters.finish()
        timed = start is not None or end is not None
        if timed and (order_id is not None or first is not None):
            raise ApiError(-1128, "Combination of optional parameters invalid.")
        trades = book.trades if order_id is None else book.trades_of(order_id)
        found = [
            trade
            for trade in trades
            if trade.trade_id >= (first or 0)
            and self._store.shows(trade.symbol, trade.order_id)
            and trade.time >= (start or 0)
            and (end is None or trade.time <= end)
        ]
        oldest_first = first is not None or start is not None
        chosen = found[:limit] if oldest_first else found[-limit:]
        return [trade_view(trade) for trade in self._tell_trades(chosen)]

    def _order_counts(self, parameters: Parameters) -> list[dict[str, object]]:
        parameters.finish()
        return self._exchange.limits.order_counts(self._exchange.clock())

    def _amendments(self, parameters: Parameters) -> list[dict[str, Any]]:
        order = find_order(book_of(self._exchange, parameters), parameters)
        first = parameters.integer("fromExecutionId") or 0
        limit = parameters.limit()
        parameters.finish()
        if order is None:
            raise ApiError(-2013)
        return [item for item in order.amendments if item["executionId"] >= first][:limit]

    def _prevented(self, parameters: Parameters) -> list[dict[str, Any]]:
        """The account never meets itself here, so nothing is ever prevented."""
        book_of(self._exchange, parameters)
        for name in ("preventedMatchId", "orderId", "fromPreventedMatchId"):
            parameters.integer(name)
        parameters.limit()
        parameters.finish()
        return []

    def _allocations(self, parameters: Parameters) -> list[dict[str, Any]]:
        """There is no smart order routing here, so nothing was ever allocated."""
        book_of(self._exchange, parameters)
        for name in ("startTime", "endTime", "fromAllocationId", "orderId"):
            parameters.integer(name)
        parameters.limit()
        parameters.finish()
        return []

    def _shows(self, order: Order) -> bool:
        return self._store.shows(order.symbol, order.order_id)

    def _tell(self, order: Order) -> str:
        return self._tell_order(order) or self._store.rendered(order)


def _range(parameters: Parameters) -> tuple[int | None, int | None]:
    """`startTime` and `endTime`, at most a day apart."""
    start, end = parameters.integer("startTime"), parameters.integer("endTime")
    if start is not None and end is not None and end - start > _DAY:
        raise ApiError(-1127, "More than 24 hours between startTime and endTime.")
    return start, end


def _weigh_open(parameters: Parameters) -> int:
    return 80 if parameters.peek("symbol") is None else 6


def _weigh_trades(parameters: Parameters) -> int:
    return 20 if parameters.peek("orderId") is None else 5
