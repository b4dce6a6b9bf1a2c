"""Everything the venue holds, and its memory: one journal line for each change, then the answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from simulators.binance.account import Account
from simulators.binance.book import SymbolBook
from simulators.binance.market import Market
from simulators.binance.options import VenueOptions
from simulators.binance.records import ZERO, Order, OrderList, Trade
from simulators.binance.symbols import SYMBOLS
from simulators.binance.tape import Print
from simulators.binance.views import order_view
from simulators.decimals import parse_decimal, plain
from simulators.journal import Journal


class Store:
    """Books, order lists and the account; `accepted` and `trades` are in the order they came.

    Whoever changes something says so (`touch`, `record`, ...) and ends with `commit`, which writes
    the whole change as one line: a kill never leaves half of it.
    """

    def __init__(self, options: VenueOptions, journal: Journal, clock: Callable[[], int]) -> None:
        self.options = options
        self.clock = clock
        self.account = Account()
        self.books = {symbol: SymbolBook(rules) for symbol, rules in SYMBOLS.items()}
        self.lists: dict[int, OrderList] = {}
        self.accepted: list[Order] = []
        self.trades: list[Trade] = []
        self.last_update = 0
        self._journal = journal
        self._places: dict[tuple[str, int], int] = {}
        self._changed: dict[tuple[str, int], Order] = {}
        self._changed_lists: dict[int, OrderList] = {}
        self._recorded: list[Trade] = []
        self._rendered: dict[tuple[str, int], str] = {}
        self._hidden: dict[tuple[str, int], int] = {}
        self._load()

    def book(self, order: Order) -> SymbolBook:
        """The book that an order is in."""
        return self.books[order.symbol]

    def asset(self, order: Order) -> str:
        """What an order pays with."""
        rules = self.books[order.symbol].rules
        return rules.quote if order.buys else rules.base

    def file(self, order: Order) -> None:
        """Take in a new order under the symbol's next id."""
        book = self.book(order)
        if not order.order_id:
            order.order_id = book.last_order_id + 1
        book.file(order)
        self._accept(order)
        self.touch(order)

    def hide(self, symbol: str, order_id: int, seconds: float) -> None:
        """Let no query show an order or its trades for some seconds."""
        self._hidden[symbol, order_id] = self.clock() + round(seconds * 1000)

    def shows(self, symbol: str, order_id: int) -> bool:
        """Whether queries show an order: "some delay in the response is normal and expected".

        Source: REST API, "Data sources" (read 2026-11-30). Delays of 45 to 55 s were reported.
        """
        return self._hidden.get((symbol, order_id), 0) <= self.clock()

    def reset(self) -> None:
        """Forget orders, trades and balances; every id begins anew, and prices stay.

        So does the test network, about once a month, without notice; API keys stay (Testnet,
        "General info"; resets of 2026-08-05 and 2026-09-09 in its changelog).
        """
        self._journal.append({"reset": self.clock()})
        self._forget()
        self.account.set_totals(self.options.balances)
        self.last_update = self.clock()
        self.commit()

    def _forget(self) -> None:
        markets = {symbol: book.market for symbol, book in self.books.items()}
        self.books = {symbol: SymbolBook(rules) for symbol, rules in SYMBOLS.items()}
        for symbol, market in markets.items():
            self.books[symbol].market = market
        self.account = Account()
        self.lists, self.accepted, self.trades = {}, [], []
        self._places, self._changed, self._changed_lists = {}, {}, {}
        self._recorded, self._rendered, self._hidden = [], {}, {}

    def touch(self, order: Order, *, seen: bool = True) -> None:
        """An order has changed; unless anybody can see it, its time of update stays."""
        key = (order.symbol, order.order_id)
        if seen:
            order.updated = self.last_update = self.clock()
        self._changed[key] = order
        self._rendered.pop(key, None)

    def record(self, trade: Trade) -> None:
        """The account has traded; everybody sees it."""
        self._take_in(trade)
        self._recorded.append(trade)

    def file_list(self, order_list: OrderList) -> None:
        """Take in an order list, or say that it has changed."""
        self.lists[order_list.order_list_id] = order_list
        self._changed_lists[order_list.order_list_id] = order_list

    def order_list(self, order: Order) -> OrderList | None:
        """The list that an order belongs to."""
        return self.lists.get(order.order_list_id)

    def members(self, order_list: OrderList) -> list[Order]:
        """The orders of a list."""
        orders = self.books[order_list.symbol].orders
        return [orders[order_id] for order_id in order_list.order_ids]

    def set_market(self, symbol: str, bid: Decimal, ask: Decimal) -> None:
        """Set prices, which counts as somebody's trade at the side that moved, and journal them."""
        entry = {
            "symbol": symbol,
            "bid": plain(bid),
            "ask": plain(ask),
            "time": self.clock(),
            "trade_id": self.books[symbol].last_trade_id + 1,
        }
        self._quote(entry)
        self._journal.append({"price": entry})

    def rendered(self, order: Order) -> str:
        """An order as a query answers it, as JSON: made once for each change of it."""
        key = (order.symbol, order.order_id)
        if key not in self._rendered:
            self._rendered[key] = json.dumps(order_view(order))
        return self._rendered[key]

    def commit(self) -> None:
        """Journal what has changed since the last time."""
        entry: dict[str, Any] = {}
        if self._changed:
            entry["orders"] = [order.as_json() for order in self._changed.values()]
        if self._changed_lists:
            entry["lists"] = [changed.as_json() for changed in self._changed_lists.values()]
        if self._recorded:
            entry["trades"] = [trade.as_json() for trade in self._recorded]
        if self.account.changed:
            changed = sorted(self.account.changed)
            entry["balances"] = {asset: plain(self.account.total(asset)) for asset in changed}
        if entry:
            self._journal.append(entry)
        self._changed, self._changed_lists, self._recorded = {}, {}, []
        self.account.changed = set()

    def _load(self) -> None:
        is_new = True
        for entry in self._journal.read():
            self._replay(entry)
            is_new = False
        self.account.changed = set()
        if is_new:
            self.account.set_totals(self.options.balances)
            self.commit()
        for book in self.books.values():
            book.amendments = sum(len(order.amendments) for order in book.orders.values())
            for order in book.open.values():
                self.account.lock(self.asset(order), order.locked)
                if order.is_working:
                    book.rest(order)
                elif order.status != "PENDING_NEW":
                    book.waiting[order.order_id] = order

    def _replay(self, entry: Mapping[str, Any]) -> None:
        if "reset" in entry:
            self._forget()
        for data in entry.get("orders", ()):
            order = Order.from_json(data)
            self.books[order.symbol].file(order)
            self._accept(order)
            self.last_update = max(self.last_update, order.updated)
        for data in entry.get("lists", ()):
            order_list = OrderList.from_json(data)
            self.lists[order_list.order_list_id] = order_list
        for data in entry.get("trades", ()):
            self._take_in(Trade.from_json(data))
        if "balances" in entry:
            totals = {name: parse_decimal(text, name) for name, text in entry["balances"].items()}
            self.account.set_totals(totals)
        if "price" in entry:
            self._quote(entry["price"])

    def _accept(self, order: Order) -> None:
        """A later record of an order takes the place of the earlier."""
        key = (order.symbol, order.order_id)
        if key in self._places:
            self.accepted[self._places[key]] = order
        else:
            self._places[key] = len(self.accepted)
            self.accepted.append(order)

    def _take_in(self, trade: Trade) -> None:
        book = self.books[trade.symbol]
        book.record(trade)
        self.trades.append(trade)
        buyer_rested = trade.is_maker == (trade.side == "BUY")
        book.tape.prints.append(
            Print(trade.trade_id, trade.price, trade.quantity, trade.time, buyer_rested)
        )

    def _quote(self, entry: Mapping[str, Any]) -> None:
        book = self.books[entry["symbol"]]
        bid, ask = parse_decimal(entry["bid"], "bid"), parse_decimal(entry["ask"], "ask")
        before = book.market.mid if book.market is not None else ZERO
        if book.market is None:
            book.market = Market(bid, ask)
        book.market.bid, book.market.ask = bid, ask
        rose = book.market.mid >= before
        book.last_trade_id = entry["trade_id"]
        price = ask if rose else bid
        book.tape.prints.append(
            Print(book.last_trade_id, price, book.rules.step, entry["time"], not rose)
        )
