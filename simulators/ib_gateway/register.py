"""The gateway's memory: orders, executions and ids, journalled before anybody hears of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from simulators.faults import FaultKind, Faults
from simulators.ib_gateway import catalogue as catalogues
from simulators.ib_gateway import messages, order_messages
from simulators.ib_gateway.catalogue import Catalogue
from simulators.ib_gateway.codes import CANCELLED, REJECTED
from simulators.ib_gateway.contracts import Contract
from simulators.ib_gateway.news import News, Publish, Topic, executions_first, orders_first
from simulators.ib_gateway.options import GatewayOptions
from simulators.ib_gateway.portfolio import Portfolio
from simulators.ib_gateway.records import TIMED, UNTRANSMITTED, Order, Trade
from simulators.ib_gateway.spelling import Spelling
from simulators.ib_gateway.wire import tidy
from simulators.journal import Journal
from simulators.ledger.records import effective
from simulators.records import read_time

# TWS's own ids are nine or ten digits. A gateway without a journal counts on from the second it was
# first started in, so that two of them do not give the same ids.
_FIRST_PERM_ID = 1_000_000_000
_PERM_IDS_A_SECOND = 10_000
_SECONDS = 100_000
_SERVER = 0xE0D5


class Register:
    """Everything that is remembered. A change is told after `commit` has journalled it."""

    def __init__(
        self,
        options: GatewayOptions,
        faults: Faults,
        journal: Journal,
        catalogue: Catalogue,
        clock: Callable[[], datetime],
    ) -> None:
        self.options = options
        self.faults = faults
        self.catalogue = catalogue
        self.clock = clock
        self.spelling = Spelling(options)
        self.portfolio = Portfolio(options)
        self.orders: dict[int, Order] = {}
        self.working: dict[int, Order] = {}
        self.untransmitted: dict[int, Order] = {}
        self.timed: dict[int, Order] = {}
        self.trades: list[Trade] = []
        self.refusals: list[dict[str, Any]] = []
        self.forgotten: set[int] = set()
        self.publish: Publish = lambda _: None
        self._journal = journal
        self._by_key: dict[tuple[int, int], Order] = {}
        self._by_ref: defaultdict[str, list[Order]] = defaultdict(list)
        self._children: defaultdict[int, list[Order]] = defaultdict(list)
        self._groups: defaultdict[tuple[str, str], list[Order]] = defaultdict(list)
        self._trades_of: defaultdict[int, list[Trade]] = defaultdict(list)
        self._index: dict[str, Trade] = {}
        self._next_ids: dict[int, int] = {}
        self._day_began = clock() - timedelta(days=1)
        self._day_sequence = 0
        self._epoch = int(clock().timestamp())
        self._executions = 0
        self._changed: dict[int, Order] = {}
        self._booked: dict[str, Trade] = {}
        self._ids: dict[int, int] = {}
        self._news: list[News] = []
        self._struck: dict[int, float] = {}
        self._shown_first: dict[int, float] = {}

    # Looking up.

    def contract_of(self, item: Order | Trade) -> Contract:
        """The contract of an order or an execution."""
        contract = self.catalogue.by_id(item.con_id)
        return contract or self.catalogue.by_ticker(item.symbol)

    def order_of(self, client_id: int, order_id: int) -> Order | None:
        """The order that a client gave that id."""
        return self._by_key.get((client_id, order_id))

    def known_as(self, venue_order_id: str) -> list[Order]:
        """Every order with that orderRef, oldest first."""
        return self._by_ref.get(venue_order_id, [])

    def children(self, parent: Order) -> list[Order]:
        """The orders that name another as their parent."""
        return self._children.get(parent.perm_id, [])

    def group(self, order: Order) -> list[Order]:
        """Every order that was ever in an order's OCA group, itself included."""
        return self._groups[order.account, order.oca_group] if order.oca_group else []

    def trades_of(self, order: Order) -> list[Trade]:
        """Every report of an order's executions, oldest first."""
        return self._trades_of.get(order.perm_id, [])

    def trade(self, execution_id: str) -> Trade | None:
        """The execution of that id."""
        return self._index.get(execution_id)

    def next_order_id(self, client_id: int) -> int:
        """The lowest order id that a client may use."""
        return self._next_ids.get(client_id, self.options.first_order_id)

    def is_of_today(self, item: Order | Trade) -> bool:
        """True for executions and completed orders that TWS still shows.

        Executions are known to the second only, so a day that was ended goes by their sequence.
        """
        zone = ZoneInfo(self.options.time_zone)
        midnight = self.clock().astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
        if isinstance(item, Trade):
            return item.executed_at >= midnight and item.sequence > self._day_sequence
        return item.ended_at is not None and item.ended_at >= max(midnight, self._day_began)

    # Changing.

    def new_perm_id(self) -> int:
        """The next permId."""
        first = _FIRST_PERM_ID + self._epoch % _SECONDS * _PERM_IDS_A_SECOND
        return first + len(self.orders) + 1

    def new_execution_id(self) -> str:
        """The next execution id; the last two digits count its corrections."""
        self._executions += 1
        return f"{_SERVER:08x}.{self._epoch:08x}.{self._executions:02x}.01"

    def use_id(self, client_id: int, order_id: int) -> None:
        """Take an order id, and all below it, as used by a client."""
        if order_id >= self.next_order_id(client_id):
            self._next_ids[client_id] = self._ids[client_id] = order_id + 1

    def file(self, order: Order) -> None:
        """Remember a new order."""
        self.orders[order.perm_id] = order
        if order.order_id:
            self._by_key[order.client_id, order.order_id] = order
        if order.parent_perm_id:
            self._children[order.parent_perm_id].append(order)
        if order.venue_order_id:
            self._by_ref[order.venue_order_id].append(order)
        if order.oca_group:
            self._groups[order.account, order.oca_group].append(order)
        self.touch(order)

    def bind(self, order: Order, order_id: int) -> None:
        """Give a manual order an order id of client 0."""
        order.order_id = order_id
        self._by_key[order.client_id, order_id] = order
        self.touch(order)

    def touch(self, order: Order) -> None:
        """Note that an order has changed."""
        self._changed[order.perm_id] = order
        by_clock = order.expires_at is not None or order.waits_for in TIMED
        for index, belongs in (
            (self.working, order.is_working),
            (self.untransmitted, order.state == UNTRANSMITTED),
            (self.timed, order.is_working and by_clock),
        ):
            if belongs:
                index[order.perm_id] = order
            else:
                index.pop(order.perm_id, None)

    def record(self, trade: Trade) -> None:
        """Book a new execution; the portfolio follows."""
        self.trades.append(trade)
        self._index[trade.execution_id] = trade
        self._trades_of[trade.perm_id].append(trade)
        self._booked[trade.execution_id] = trade
        trade.realized = self.portfolio.book(trade)

    def revise(self, trade: Trade) -> None:
        """Note that an execution got its commission."""
        self._booked[trade.execution_id] = trade

    def refresh(self, order: Order) -> None:
        """What is filled and at what average, from the executions as they stand."""
        trades = effective([*self.trades_of(order)])
        order.filled_quantity = sum((trade.quantity for trade in trades), Decimal(0))
        value = sum((trade.quantity * trade.price for trade in trades), Decimal(0))
        order.average_price = value / order.filled_quantity if order.filled_quantity else Decimal(0)
        order.last_price = trades[-1].price if trades else Decimal(0)
        if order.is_working:
            order.state = "PARTIALLY_FILLED" if order.filled_quantity else "SUBMITTED"
        self.touch(order)

    def complete(self, order: Order) -> None:
        """End an order of which nothing is left."""
        order.state, order.cancelling, order.ended_at = "FILLED", False, self.clock()
        order.completed = f"Filled Size: {tidy(order.filled_quantity)}"
        self.touch(order)

    def close_day(self) -> None:
        """Begin a new trading day."""
        self._day_began = self.clock()
        self._day_sequence = len(self.trades)
        day = {"began": self._day_began.isoformat(), "after": self._day_sequence}
        self._journal.append({"day": day})

    # Telling.

    def tell_order(self, order: Order, commission: tuple[Decimal, str] | None = None) -> None:
        """An openOrder message."""
        contract = self.contract_of(order)
        message = order_messages.open_order(order, contract, commission=commission)
        self._tell(Topic.ORDER, order, message)

    def tell_status(self, order: Order) -> None:
        """An orderStatus message; the last one twice when a fault wants it."""
        twice = not order.is_working and self.faults.take(
            FaultKind.DUPLICATE_STATUS, symbol=order.symbol, venue_order_id=order.venue_order_id
        )
        for _ in range(2 if twice else 1):
            self._tell(Topic.ORDER, order, order_messages.order_status(order))

    def tell_both(self, order: Order) -> None:
        """Both messages, openOrder first: how TWS tells of a change."""
        self.tell_order(order)
        self.tell_status(order)

    def tell_error(self, order: Order, code: int, text: str) -> None:
        """An error message about an order."""
        self._tell(Topic.ERROR, order, messages.error(order.order_id, code, text))

    def tell_end(self, order: Order, reason: str, code: int | None = None) -> None:
        """That an order is over without being filled, and why: 201, 202 or `code`."""
        refused = order.status == "Inactive"
        usual = REJECTED if refused else CANCELLED
        text = usual.text.format(reason) if code in {None, usual.number} else reason
        if not refused and self.options.cancel_status_first:
            self.tell_status(order)
        self.tell_error(order, code or usual.number, text)
        if refused:
            self.tell_both(order)
        elif not self.options.cancel_status_first:
            self.tell_status(order)

    def tell_execution(self, trade: Trade) -> None:
        """An execDetails message, twice when a fault wants it."""
        message = messages.execution(-1, trade, self.contract_of(trade), self.spelling)
        twice = self.faults.take(
            FaultKind.DUPLICATE_REPORT, symbol=trade.symbol, venue_order_id=trade.venue_order_id
        )
        for _ in range(2 if twice else 1):
            self._tell(Topic.EXECUTION, trade, message)

    def tell_commission(self, trade: Trade) -> None:
        """A commissionReport message."""
        self._tell(Topic.COMMISSION, trade, messages.commission(trade))

    def strike(self, order: Order, seconds: float) -> None:
        """Let the executions of this commit overtake all else about the order."""
        self._struck[order.perm_id] = seconds

    def show_first(self, order: Order, seconds: float) -> None:
        """Let the openOrder that follows an execution of this commit overtake the rest of it."""
        self._shown_first[order.perm_id] = seconds

    def commit(self) -> None:
        """One line for the whole change, so that a kill never leaves half of it; then tell."""
        now = self.clock()
        for trade in self._booked.values():
            trade.told_at = trade.told_at or now
        if self._changed or self._booked or self._ids:
            self._journal.append(
                {
                    "orders": [order.as_json() for order in self._changed.values()],
                    "executions": [trade.as_json() for trade in self._booked.values()],
                    "ids": {str(client): number for client, number in self._ids.items()},
                }
            )
        self._changed, self._booked, self._ids = {}, {}, {}
        news, struck, self._news, self._struck = self._news, self._struck, [], {}
        shown, self._shown_first = self._shown_first, {}
        if struck:
            news = executions_first(news, struck)
        if shown:
            news = orders_first(news, shown)
        if news:
            self.publish(news)

    def note(self, entry: Mapping[str, Any]) -> None:
        """Journal something that is neither order nor execution."""
        self._journal.append(dict(entry))

    # Remembering.

    def replay(self, entry: Mapping[str, Any]) -> None:
        """Take in one line of the journal."""
        if "epoch" in entry:
            self._epoch = entry["epoch"]
        if "contract" in entry:
            self.catalogue.add(catalogues.from_json(entry["contract"]))
        if "chain" in entry:
            self.catalogue.list_chain(*entry["chain"])
        if "price" in entry:
            self.catalogue.by_ticker(entry["price"]["symbol"])
        if "day" in entry:
            self._day_began = read_time(entry["day"]["began"], "day")
            self._day_sequence = entry["day"]["after"]
        for data in entry.get("orders", ()):
            self._restore_order(Order.from_json(data))
        for data in entry.get("executions", ()):
            self._restore_trade(Trade.from_json(data))
        for client, number in entry.get("ids", {}).items():
            self._next_ids[int(client)] = number

    def remembered(self) -> None:
        """The journal is read: write the first line of a new one, and forget what is over.

        TWS answers 10147, not 10148, about orders that ended before it was started.
        """
        if not self.orders:
            self._journal.append({"epoch": self._epoch})
        self.catalogue.on_listed = lambda *listed: self._journal.append({"chain": listed})
        self._executions = len(self.trades)
        self.forgotten = {perm_id for perm_id, order in self.orders.items() if not order.is_working}
        self._changed, self._booked, self._ids, self._news = {}, {}, {}, []

    def _restore_order(self, order: Order) -> None:
        known = self.orders.get(order.perm_id)
        if known is None:
            self.file(order)
            return
        for name in Order.__dataclass_fields__:
            setattr(known, name, getattr(order, name))
        if known.order_id:
            self._by_key[known.client_id, known.order_id] = known
        self.touch(known)

    def _restore_trade(self, trade: Trade) -> None:
        known = self._index.get(trade.execution_id)
        if known is None:
            self.record(trade)
            return
        for name in Trade.__dataclass_fields__:
            setattr(known, name, getattr(trade, name))

    def _tell(self, topic: Topic, about: Order | Trade, message: messages.Message) -> None:
        moved = (about.account, about.con_id) if topic is Topic.EXECUTION else None
        self._news.append(
            News(topic, about.client_id, about.order_id, about.perm_id, message, moved)
        )
