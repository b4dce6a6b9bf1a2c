"""Takes orders, cancels and amendments, or refuses them in Binance's words."""

from __future__ import annotations

from decimal import Decimal

from simulators.binance.book import SymbolBook
from simulators.binance.entry import generate_id
from simulators.binance.errors import INSUFFICIENT, ApiError, filter_failure, rejected
from simulators.binance.filters import Crowd, check_amended, check_filters
from simulators.binance.limits import RateLimits
from simulators.binance.market import is_reached
from simulators.binance.matching import Matching
from simulators.binance.numbers import down_to, eight
from simulators.binance.records import Order
from simulators.binance.store import Store
from simulators.binance.symbols import MAX_AMENDS

UNKNOWN = "Unknown order sent."
RESTRICTIONS = {"ONLY_NEW": "NEW", "ONLY_PARTIALLY_FILLED": "PARTIALLY_FILLED"}


class Desk:
    """Order entry. `screen` is what Binance checks before its matching engine, `examine` within."""

    def __init__(self, store: Store, matching: Matching, limits: RateLimits) -> None:
        self._store = store
        self._matching = matching
        self._limits = limits

    def place(self, order: Order) -> Order:
        """Accept an order and fill what can be filled. ApiError means that it is not held."""
        self.screen(order)
        self.charge(1)
        return self.place_screened(order)

    def place_screened(self, order: Order) -> Order:
        """The rest of `place`, for an order that has been screened and counted."""
        self.examine(order)
        self._store.file(order)
        self._matching.admit(order)
        self._store.commit()
        return order

    def charge(self, orders: int) -> None:
        """Count new orders against the account's limit. ApiError -1015 beyond it."""
        self._limits.charge_orders(orders, self._store.clock())

    def screen(self, order: Order, *, already: int = 0) -> None:
        """Filters and the symbol's status; `already` are legs of the same list before this one."""
        book = self._store.book(order)
        if book.status != "TRADING":
            raise rejected("Market is closed.")
        self._fit_spending(order, book)
        average = book.market.mid if book.market is not None else None
        check_filters(order, book.rules, average, self._crowd(book, already))

    def examine(self, order: Order) -> None:
        """What the matching engine refuses (-2010): duplicates, wrong stops, too little money."""
        self.examine_waiting(order)
        book = self._store.book(order)
        if book.market is not None:
            touch = book.market.touch(order)
            if order.is_contingent and order.stop_price and is_reached(order, touch):
                raise rejected("Order would trigger immediately.")
            if order.type == "LIMIT_MAKER" and book.market.crosses(order):
                raise rejected("Order would immediately match and take.")
        self._matching.reserve(order)
        needed = self._matching.required_alone(order)
        if needed > self._store.account.free(self._store.asset(order)):
            raise rejected(INSUFFICIENT)

    def examine_waiting(self, order: Order) -> None:
        """What is refused even of an order that only waits for another (-2010): a duplicate id."""
        known = self._store.book(order).known_as(order.client_order_id)
        if any(other.is_open for other in known):
            raise rejected("Duplicate order sent.")

    def cancel(self, order: Order | None, restriction: str | None = None) -> list[Order]:
        """Cancel an open order, with its whole list; the orders cancelled. ApiError -2011."""
        if order is None or not order.is_open:
            raise ApiError(-2011, UNKNOWN)
        if restriction is not None and order.status != RESTRICTIONS[restriction]:
            raise ApiError(-2011, "Order was not canceled due to cancel restrictions.")
        order_list = self._store.order_list(order)
        members = [order] if order_list is None else self._store.members(order_list)
        cancelled = [member for member in members if member.is_open]
        for member in cancelled:
            if member.is_open:
                self._matching.end(member, "CANCELED", "cancelled on request")
        self._store.commit()
        return cancelled

    def amend(self, order: Order | None, quantity: Decimal, client_id: str | None) -> Order:
        """Make an open order smaller; it keeps its place. ApiError -2038 leaves it as it was."""
        if order is None or not order.is_open:
            raise ApiError(-2038, UNKNOWN)
        book = self._store.book(order)
        if len(order.amendments) >= MAX_AMENDS:
            raise ApiError(-2038, "Filter failure: MAX_NUM_ORDER_AMENDS")
        if quantity == order.quantity:
            raise ApiError(-2038, "The requested action would change no state; rejecting.")
        if quantity > order.quantity:
            raise ApiError(-2038, "Order amend (quantity increase) is not supported.")
        if quantity <= order.executed:
            raise ApiError(-2038, "The new quantity is not above what has been executed.")
        check_amended(order, quantity, book.rules)
        order_list = self._store.order_list(order)
        before, legs = (order.client_order_id, order.quantity), [order]
        if order_list is not None and order.order_id in order_list.pair:
            legs = [
                leg for leg in self._store.members(order_list) if leg.order_id in order_list.pair
            ]
        for leg in legs:
            leg.quantity = quantity
            self._store.touch(leg)
        book.rename(order, client_id or generate_id())
        order.amendments.append(
            {
                "symbol": order.symbol,
                "orderId": order.order_id,
                "executionId": book.count_amendment(),
                "origClientOrderId": before[0],
                "newClientOrderId": order.client_order_id,
                "origQty": eight(before[1]),
                "newQty": eight(quantity),
                "time": order.updated,
            }
        )
        order.given_id = client_id or order.given_id
        for leg in legs:
            self._matching.relock(leg)
        self._store.commit()
        return order

    def _crowd(self, book: SymbolBook, already: int) -> Crowd:
        opened = list(book.open.values())
        options = self._store.options
        return Crowd(
            orders=len(opened) + already,
            algo_orders=sum(order.is_contingent for order in opened),
            icebergs=sum(order.iceberg_quantity is not None for order in opened),
            max_orders=options.max_orders,
            max_algo_orders=options.max_algo_orders,
        )

    def _fit_spending(self, order: Order, book: SymbolBook) -> None:
        """The quantity that comes closest to `quoteOrderQty` without breaking LOT_SIZE."""
        if not order.quote_quantity:
            return
        if book.market is None or not book.market.available(book.rules.step):
            raise rejected("Order book liquidity is less than symbol minimum quantity.")
        wanted = order.quote_quantity / book.market.touch(order)
        order.quantity = down_to(book.market.available(wanted), book.rules.step)
        if not order.quantity:
            raise filter_failure("LOT_SIZE")
