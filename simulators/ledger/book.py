"""The venue's book: takes orders, fills them against the market, and remembers every change."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from simulators.decimals import parse_decimal, plain
from simulators.faults import Fault, FaultKind, Faults
from simulators.journal import Journal
from simulators.ledger.entry import read_change, read_order
from simulators.ledger.market import Market
from simulators.ledger.records import Order, Refusal, Trade, effective


@dataclass(frozen=True, slots=True)
class VenueOptions:
    """How this venue behaves.

    `duplicate_ids`: "accept" a client id again (nothing protects the sender), "refuse-open" while
    the first order works, "refuse" for ever. `commission_rate` is a share of quantity x price.
    `account` is that of orders that name none, `others` are more that the login owns.
    """

    duplicate_ids: str = "accept"
    default_price: Decimal | None = None
    commission_rate: Decimal = Decimal("0.0001")
    currency: str = "USD"
    account: str = "main"
    others: tuple[str, ...] = ()
    real: bool = False


class Book:
    """Orders, executions, markets and balances of the login's accounts.

    Every public method that changes something has journalled it when it returns.
    """

    def __init__(
        self,
        options: VenueOptions,
        faults: Faults,
        journal: Journal,
        clock: Callable[[], datetime],
    ) -> None:
        self.options = options
        self.faults = faults
        self.balances: dict[str, Decimal] = {}
        self.orders: dict[str, Order] = {}
        self.trades: list[Trade] = []
        self.refusals: list[dict[str, Any]] = []
        self.markets: dict[str, Market] = {}
        self.clock = clock
        self._journal = journal
        self._by_client_id: defaultdict[str, list[Order]] = defaultdict(list)
        self._working: dict[str, Order] = {}
        self._expiring: dict[str, Order] = {}
        self._trades_of: defaultdict[str, list[Trade]] = defaultdict(list)
        self._held: dict[str, Fault] = {}
        self._changed: dict[str, Order] = {}
        self._booked: list[Trade] = []
        for entry in journal.read():
            self._replay(entry)

    def submit(self, body: Mapping[str, Any]) -> Order:
        """Accept an order and fill what can be filled. Refusal means that it is not held."""
        try:
            return self._submit(body)
        except Refusal as refusal:
            self.refusals.append(
                {"venue_order_id": body.get("venue_order_id"), "code": refusal.code}
            )
            raise

    def _submit(self, body: Mapping[str, Any]) -> Order:
        order = read_order(body, f"L{len(self.orders) + 1}", self.clock())
        order.account = order.account or self.options.account
        if order.account not in {self.options.account, *self.options.others}:
            raise Refusal("bad_account", f"{order.account} is no account of this login")
        known = self._by_client_id.get(order.venue_order_id, [])
        refuses = {"accept": False, "refuse": bool(known)}.get(
            self.options.duplicate_ids, any(other.is_working for other in known)
        )
        if refuses:
            raise Refusal("duplicate_order", f"{order.venue_order_id} is known here", status=409)
        market = self.market(order.symbol)
        if market is None and order.order_type == "MARKET":
            raise Refusal("no_market", f"there is no market in {order.symbol}")
        self._file(order)
        self._match(order)
        if order.time_in_force in {"IOC", "FOK"} and order.is_working and not self._holds(order):
            self._end(order, "CANCELLED", f"{order.time_in_force}: the rest could not be filled")
        self._commit(order)
        return order

    def cancel(self, venue_order_id: str, broker_order_id: str | None = None) -> Order:
        """Cancel a working order. Refusal when it is unknown or over."""
        order = self._working_order(venue_order_id, broker_order_id)
        self.end(order, "CANCELLED", "cancelled on request")
        return order

    def modify(
        self, venue_order_id: str, body: Mapping[str, Any], broker_order_id: str | None = None
    ) -> Order:
        """Change a working order in place. Refusal leaves it as it was."""
        change = read_change(body)
        order = self._working_order(venue_order_id, broker_order_id)
        if change.get("quantity", order.quantity) < order.filled_quantity:
            raise Refusal("below_filled", f"{plain(order.filled_quantity)} is filled already")
        for name, value in change.items():
            setattr(order, name, value)
        self._refresh(order)
        self._match(order)
        self._commit(order)
        return order

    def end(self, order: Order, state: str, reason: str) -> None:
        """End an order from the venue's side: CANCELLED, EXPIRED or REJECTED."""
        self._end(order, state, reason)
        self._commit(order)

    def report(self, order: Order | None, fields: Mapping[str, Any]) -> Trade:
        """Book an execution as told, however odd: late, too large, of no order, a bust."""
        trade = Trade(
            **{
                "execution_id": f"X{len(self.trades) + 1}",
                "executed_at": self.clock(),
                "account": self.options.account if order is None else order.account,
                **fields,
            },
            sequence=len(self.trades) + 1,
        )
        self._record(trade)
        self._booked.append(trade)
        if order is not None:
            self._refresh(order)
        self._commit(order)
        return trade

    def set_price(self, symbol: str, bid: Decimal, ask: Decimal) -> None:
        """Set a market and fill whatever it crosses, oldest order first."""
        market = self.markets.setdefault(symbol, Market(bid, ask))
        market.bid, market.ask = bid, ask
        self._journal.append({"price": {"symbol": symbol, "bid": plain(bid), "ask": plain(ask)}})
        self.match_all(symbol)

    def set_liquidity(self, symbol: str, size: Decimal | None, slice_size: Decimal | None) -> None:
        """Say how much can trade at the price, and in what pieces. KeyError without a market."""
        market = self.markets[symbol]
        market.size, market.slice_size = size, slice_size
        self.match_all(symbol)

    def set_balances(self, balances: dict[str, Decimal]) -> None:
        """Set what the account holds, by currency. Trades do not change it."""
        self.balances = dict(balances)
        self._journal.append({"balances": {name: plain(value) for name, value in balances.items()}})

    def release(self, faults: Sequence[Fault]) -> None:
        """Let go of the orders whose fills those faults held, and fill them."""
        cleared = {fault.fault_id for fault in faults}
        for broker_order_id, fault in list(self._held.items()):
            if fault.fault_id in cleared:
                # Set to used up, not removed: one order is held by one fault at most once.
                self._held[broker_order_id] = Fault(0, FaultKind.HOLD_FILLS)
        for symbol in list(self.markets):
            self.match_all(symbol)

    def market(self, symbol: str) -> Market | None:
        """The market of a symbol: as set, else at the default price, else None."""
        if symbol not in self.markets and self.options.default_price is not None:
            self.markets[symbol] = Market(self.options.default_price, self.options.default_price)
        return self.markets.get(symbol)

    def known_as(self, venue_order_id: str) -> list[Order]:
        """Every order that was given this client id, oldest first."""
        self.expire()
        return self._by_client_id.get(venue_order_id, [])

    def working(self) -> list[Order]:
        """Every order that may still fill."""
        self.expire()
        return list(self._working.values())

    def trades_of(self, order: Order) -> list[Trade]:
        """Every report of an order's executions, oldest first."""
        return self._trades_of.get(order.broker_order_id, [])

    def match_all(self, symbol: str) -> None:
        """Fill what the market of a symbol now allows."""
        self.expire()
        for order in [order for order in self._working.values() if order.symbol == symbol]:
            self._match(order)
        self._commit()

    def pass_time(self) -> None:
        """Do what time alone does: expire orders, and fill those whose hold has run out."""
        self.expire()
        for broker_order_id in self._held.keys() & self._working.keys():
            self._match(self._working[broker_order_id])
        self._commit()

    def expire(self) -> None:
        """End the orders whose time is over."""
        now = self.clock()
        for order in list(self._expiring.values()):
            if order.expires_at is not None and order.expires_at <= now:
                self.end(order, "EXPIRED", "its time is over")

    def _match(self, order: Order) -> None:
        market = self.market(order.symbol)
        if market is None or not order.is_working:
            return
        stop = (order.stop_price, order.triggered)
        price = market.price_for(order)
        if stop != (order.stop_price, order.triggered):
            self._changed[order.broker_order_id] = order
        if price is None or self._holds(order):
            return
        if order.time_in_force == "FOK" and not market.offers(order.leaves):
            return
        for size in market.take(order.leaves):
            self._fill(order, size, price)

    def _holds(self, order: Order) -> bool:
        """True while a hold_fills fault keeps this order from filling."""
        fault = self._held.get(order.broker_order_id) or self.faults.take(
            FaultKind.HOLD_FILLS, symbol=order.symbol, venue_order_id=order.venue_order_id
        )
        if fault is None:
            return False
        self._held[order.broker_order_id] = fault
        since = self.clock() - order.accepted_at
        return fault.fault_id != 0 and not (0 < fault.seconds <= since.total_seconds())

    def _fill(self, order: Order, size: Decimal, price: Decimal) -> None:
        _, dash, quoted_in = order.symbol.partition("-")
        trade = Trade(
            execution_id=f"X{len(self.trades) + 1}",
            sequence=len(self.trades) + 1,
            symbol=order.symbol,
            side=order.side,
            quantity=size,
            price=price,
            executed_at=self.clock(),
            venue_order_id=order.venue_order_id,
            broker_order_id=order.broker_order_id,
            commission=size * price * self.options.commission_rate,
            commission_currency=quoted_in if dash else self.options.currency,
            account=order.account,
        )
        self._record(trade)
        self._booked.append(trade)
        self._refresh(order)

    def _working_order(self, venue_order_id: str, broker_order_id: str | None) -> Order:
        known = [
            order
            for order in self.known_as(venue_order_id)
            if broker_order_id in {None, order.broker_order_id}
        ]
        for order in known:
            if order.is_working:
                return order
        if not known:
            raise Refusal("unknown_order", f"{venue_order_id} is not known here", status=404)
        raise Refusal("order_final", f"{venue_order_id} is {known[0].state}", status=409)

    def _refresh(self, order: Order) -> None:
        """State from executions; an order that is over stays so, whatever comes late."""
        order.filled_quantity = sum(
            (trade.quantity for trade in effective(self.trades_of(order))), Decimal(0)
        )
        if order.is_working:
            order.state = "PARTIALLY_FILLED" if order.filled_quantity else "SUBMITTED"
            if not order.leaves:
                self._end(order, "FILLED", None)
        self._changed[order.broker_order_id] = order

    def _end(self, order: Order, state: str, reason: str | None) -> None:
        order.state, order.reason = state, reason
        self._forget_working(order)
        self._changed[order.broker_order_id] = order

    def _forget_working(self, order: Order) -> None:
        for index in (self._working, self._expiring, self._held):
            index.pop(order.broker_order_id, None)

    def _file(self, order: Order) -> None:
        self.orders[order.broker_order_id] = order
        self._by_client_id[order.venue_order_id].append(order)
        self._index_working(order)

    def _index_working(self, order: Order) -> None:
        self._working[order.broker_order_id] = order
        if order.expires_at is not None:
            self._expiring[order.broker_order_id] = order

    def _record(self, trade: Trade) -> None:
        self.trades.append(trade)
        if trade.broker_order_id is not None:
            self._trades_of[trade.broker_order_id].append(trade)

    def _commit(self, order: Order | None = None) -> None:
        """One line for the whole change, so that a kill never leaves half of it."""
        if order is not None:
            self._changed[order.broker_order_id] = order
        if self._changed or self._booked:
            self._journal.append(
                {
                    "orders": [changed.as_json() for changed in self._changed.values()],
                    "executions": [trade.as_json() for trade in self._booked],
                }
            )
        self._changed, self._booked = {}, []

    def _replay(self, entry: Mapping[str, Any]) -> None:
        for data in entry.get("orders", ()):
            order = Order.from_json(data)
            if order.broker_order_id in self.orders:
                self._supersede(order)
            else:
                self._file(order)
            if not order.is_working:
                self._forget_working(order)
        for data in entry.get("executions", ()):
            self._record(Trade.from_json(data))
        if "balances" in entry:
            self.balances = {
                name: parse_decimal(value, name) for name, value in entry["balances"].items()
            }
        if price := entry.get("price"):
            bid, ask = parse_decimal(price["bid"], "bid"), parse_decimal(price["ask"], "ask")
            self.markets[price["symbol"]] = Market(bid, ask)

    def _supersede(self, order: Order) -> None:
        """A later line about an order replaces the earlier, in its place."""
        known = self._by_client_id[order.venue_order_id]
        known[known.index(self.orders[order.broker_order_id])] = order
        self.orders[order.broker_order_id] = order
        self._index_working(order)
