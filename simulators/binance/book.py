"""The orders of one symbol, indexed for what is asked of them often."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from decimal import Decimal

from simulators.binance.market import Market
from simulators.binance.records import Order, Trade
from simulators.binance.symbols import SymbolRules
from simulators.binance.tape import Tape

_Key = tuple[Decimal, int]
_ANY = Decimal("Infinity")


class SymbolBook:
    """Every order and trade of the account in one symbol, and its market.

    What rests is sorted by price and time, so that a new price costs what it crosses and not what
    there is. `waiting` are stops not yet reached; `open` holds those, the resting and the pending.
    """

    def __init__(self, rules: SymbolRules) -> None:
        self.rules = rules
        self.status = "TRADING"
        self.listed = True
        self.market: Market | None = None
        self.tape = Tape()
        self.orders: dict[int, Order] = {}
        self.open: dict[int, Order] = {}
        self.waiting: dict[int, Order] = {}
        self.trades: list[Trade] = []
        self.last_order_id = 0
        self.last_trade_id = 0
        self.amendments = 0
        self._trades_of: defaultdict[int, list[Trade]] = defaultdict(list)
        self._by_client_id: defaultdict[str, list[Order]] = defaultdict(list)
        self._resting: dict[str, list[_Key]] = {"BUY": [], "SELL": []}

    def file(self, order: Order) -> None:
        """Take in an order, or what a later journal line says of it."""
        known = self.orders.get(order.order_id)
        if known is not None:
            self._by_client_id[known.client_order_id].remove(known)
        self.orders[order.order_id] = order
        self._by_client_id[order.client_order_id].append(order)
        self.last_order_id = max(self.last_order_id, order.order_id)
        if order.is_open:
            self.open[order.order_id] = order
        else:
            self.open.pop(order.order_id, None)

    def count_amendment(self) -> int:
        """The number of one more amendment in this symbol."""
        self.amendments += 1
        return self.amendments

    def rename(self, order: Order, client_order_id: str) -> None:
        """Give an order another client id."""
        self._by_client_id[order.client_order_id].remove(order)
        order.client_order_id = client_order_id
        self._by_client_id[client_order_id].append(order)

    def record(self, trade: Trade) -> None:
        """Take in a trade of the account."""
        self.trades.append(trade)
        self._trades_of[trade.order_id].append(trade)
        self.last_trade_id = max(self.last_trade_id, trade.trade_id)

    def rest(self, order: Order) -> None:
        """Put a working order among those that a new price may fill."""
        insort(self._resting[order.side], _key(order))

    def close(self, order: Order) -> None:
        """Take an order out of everything that concerns open ones."""
        self.open.pop(order.order_id, None)
        self.waiting.pop(order.order_id, None)
        resting, key = self._resting[order.side], _key(order)
        place = bisect_left(resting, key)
        if place < len(resting) and resting[place] == key:
            del resting[place]

    def crossing(self, market: Market) -> list[Order]:
        """The resting orders that could trade at this market, best price and oldest first."""
        buys, sells = self._resting["BUY"], self._resting["SELL"]
        crossed = [
            *buys[: bisect_right(buys, (-market.ask, self.last_order_id))],
            *sells[: bisect_right(sells, (market.bid, self.last_order_id))],
        ]
        return [self.orders[order_id] for _, order_id in crossed]

    def resting(self, side: str) -> list[Order]:
        """The resting limit orders of one side, best price first."""
        orders = (self.orders[order_id] for _, order_id in self._resting[side])
        return [order for order in orders if order.price]

    def known_as(self, client_order_id: str) -> list[Order]:
        """Every order of this client id, oldest first."""
        return self._by_client_id.get(client_order_id, [])

    def find(self, order_id: int | None, client_order_id: str | None) -> Order | None:
        """The order that both ids given name; of a client id the open one, else the latest."""
        if order_id is not None:
            order = self.orders.get(order_id)
            if order is not None and client_order_id in {None, order.client_order_id}:
                return order
            return None
        known = self.known_as(client_order_id or "")
        return next((order for order in known if order.is_open), known[-1] if known else None)

    def trades_of(self, order_id: int) -> list[Trade]:
        """The trades of one order, oldest first."""
        return self._trades_of.get(order_id, [])


def _key(order: Order) -> _Key:
    """Sorts the order that trades first before the others of its side."""
    if order.buys:
        return (-(order.price or _ANY), order.order_id)
    return (order.price, order.order_id)
