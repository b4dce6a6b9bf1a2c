"""The venue behind its ports: a test sets market and account, clients send orders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from simulators.binance.desk import Desk
from simulators.binance.engine_clock import EngineClock
from simulators.binance.holds import Holds
from simulators.binance.limits import RateLimits
from simulators.binance.matching import Matching
from simulators.binance.options import VenueOptions
from simulators.binance.records import Order, OrderList, Trade
from simulators.binance.store import Store
from simulators.faults import Fault, Faults
from simulators.journal import Journal


class Exchange:
    """One account's Binance. Every method that changes something has journalled it on return.

    `refusals` are the orders that were not taken: {"venue_order_id", "code"}.
    """

    def __init__(
        self,
        options: VenueOptions,
        faults: Faults,
        journal: Journal,
        clock: Callable[[], int],
    ) -> None:
        self.options = options
        self.faults = faults
        self.clock = EngineClock(clock)
        self.limits = RateLimits(options)
        self.store = Store(options, journal, self.clock)
        self.refusals: list[dict[str, Any]] = []
        self._holds = Holds(faults, clock)
        self.matching = Matching(self.store, self._holds, self.limits)
        self.desk = Desk(self.store, self.matching, self.limits)

    def place_list(self, order_list: OrderList, legs: Sequence[Order]) -> None:
        """File the legs of an order list and let them do what they do at once.

        The legs were screened and examined; `order_list.pair` holds places in `legs`, which become
        order ids.
        """
        order_list.order_list_id = len(self.store.lists)
        for leg in legs:
            leg.order_list_id = order_list.order_list_id
            self.store.file(leg)
        order_list.order_ids = [leg.order_id for leg in legs]
        order_list.pair = [order_list.order_ids[place] for place in order_list.pair]
        self.store.file_list(order_list)
        for leg in legs:
            if leg.is_open:
                self.matching.admit(leg)
        self.store.commit()

    def set_price(self, symbol: str, bid: Decimal, ask: Decimal) -> None:
        """Set a market; whatever it crosses fills."""
        with self.clock.standing():
            self.store.set_market(symbol, bid, ask)
            self.match(symbol)

    def set_liquidity(self, symbol: str, size: Decimal | None, slice_size: Decimal | None) -> None:
        """Say how much can trade at the price, and in what pieces. ValueError without a market."""
        market = self.store.books[symbol].market
        if market is None:
            raise ValueError(f"set a price for {symbol} first")
        market.size, market.slice_size = size, slice_size
        self.match(symbol)

    def set_balances(self, balances: dict[str, Decimal]) -> None:
        """Set what the account holds in all, locked or not, of each asset that is named."""
        self.store.account.set_totals(balances)
        self.store.commit()

    def release(self, faults: Sequence[Fault]) -> None:
        """Let go of the orders whose fills those faults held, and fill them."""
        self._holds.release(faults)
        for symbol in self.store.books:
            self.match(symbol)

    def pass_time(self) -> None:
        """Fill what was held for some seconds that are over."""
        for symbol in self._holds.symbols():
            self.match(symbol)

    def match(self, symbol: str) -> None:
        """Fill what the market of a symbol now allows."""
        self.matching.match(symbol)
        self.store.commit()

    def end(self, order: Order, status: str, reason: str) -> None:
        """End an order from the venue's side."""
        self.matching.end(order, status, reason)
        self.store.commit()

    def book_trade(self, order: Order, trade: Trade) -> None:
        """Book a trade as told: late, too large, whatever."""
        self.matching.book_trade(order, trade)
        self.store.commit()
