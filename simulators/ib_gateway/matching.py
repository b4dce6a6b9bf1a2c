"""The markets behind the gateway: they fill orders, trigger stops and hold auctions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from simulators.decimals import parse_decimal, plain
from simulators.faults import Fault, FaultKind
from simulators.ib_gateway import charges
from simulators.ib_gateway.contracts import Contract
from simulators.ib_gateway.records import ON_CLOSE, STOPS, Order, Trade
from simulators.ib_gateway.register import Register
from simulators.ledger.market import Market

Filled = Callable[[Order, Decimal, Decimal], None]
End = Callable[[Order, str, str], None]


class Matcher:
    """Fills what the markets allow.

    `filled(order, size, leaves_before)` is called after each execution, for what is linked to the
    order; `end(order, state, reason)` ends one that an auction left over.
    """

    def __init__(self, register: Register) -> None:
        self.markets: dict[str, Market] = {}
        self.changed: set[str] = set()
        self.filled: Filled = lambda *_: None
        self.end: End = lambda *_: None
        self._register = register
        self._faults = register.faults
        self._held: dict[int, Fault] = {}
        self._late: dict[str, tuple[Fault, datetime]] = {}

    def market(self, ticker: str) -> Market | None:
        """The market of a ticker: as set, else at the default price, else None."""
        default = self._register.options.default_price
        if ticker not in self.markets and default is not None:
            self.markets[ticker] = Market(default, default)
        return self.markets.get(ticker)

    def mark(self, contract: Contract) -> Decimal | None:
        """The price a position is valued at: the middle."""
        market = self.market(contract.ticker)
        return None if market is None else (market.bid + market.ask) / 2

    def set_price(self, ticker: str, bid: Decimal, ask: Decimal) -> None:
        """Set a market and fill whatever it crosses, oldest order first."""
        market = self.markets.setdefault(ticker, Market(bid, ask))
        market.bid, market.ask = bid, ask
        price = {"symbol": ticker, "bid": plain(bid), "ask": plain(ask)}
        self._register.note({"price": price})
        self.match_all(ticker)

    def set_liquidity(self, ticker: str, size: Decimal | None, slice_size: Decimal | None) -> None:
        """Say how much can trade at the price, and in what pieces. KeyError without a market."""
        market = self.markets[ticker]
        market.size, market.slice_size = size, slice_size
        self.match_all(ticker)

    def restore_price(self, price: dict[str, str]) -> None:
        """Take in a market from the journal."""
        bid, ask = parse_decimal(price["bid"], "bid"), parse_decimal(price["ask"], "ask")
        self.markets[price["symbol"]] = Market(bid, ask)

    def match_all(self, ticker: str) -> None:
        """Fill what the market of a ticker now allows."""
        for order in [o for o in self._register.working.values() if o.symbol == ticker]:
            self.match(order)
        self._register.commit()

    def match(self, order: Order) -> None:
        """Fill an order as far as its market allows."""
        market = self.market(order.symbol)
        if market is None or not order.is_working or order.waits_for:
            return
        before = (order.stop_price, order.triggered)
        price = market.price_for(order)
        if before != (order.stop_price, order.triggered):
            self._register.touch(order)
            if order.triggered and not before[1]:
                self.work(order)
        if price is None or self.holds(order):
            return
        wanted = self._workable(order)
        if order.time_in_force == "FOK" and not market.offers(wanted):
            return
        for size in market.take(wanted):
            self.fill(order, size, price)

    def work(self, order: Order) -> None:
        """Show an order as working at the exchange, when it does."""
        waits = order.waits_for or (order.order_type in STOPS and not order.triggered)
        if order.is_working and not waits and order.told != "Submitted":
            order.told = "Submitted"
            self._register.touch(order)
            self._register.tell_both(order)

    def auction(self, ticker: str, price: Decimal, *, closing: bool) -> None:
        """Fill at one price what waits for the opening or the closing; end what it leaves."""
        waits_for = "close" if closing else "open"
        waiting = [
            order
            for order in self._register.working.values()
            if order.symbol == ticker and order.waits_for == waits_for
        ]
        for order in waiting:
            limit = order.limit_price
            if limit is None or (price <= limit if order.side == "BUY" else price >= limit):
                order.waits_for = ""
                self.fill(order, order.leaves, price)
            else:
                self.end(order, "EXPIRED", "")
        self._register.commit()

    def holds(self, order: Order) -> bool:
        """True while a hold_fills fault keeps this order from filling."""
        fault = self._held.get(order.perm_id) or self._faults.take(
            FaultKind.HOLD_FILLS, symbol=order.symbol, venue_order_id=order.venue_order_id
        )
        if fault is None:
            return False
        self._held[order.perm_id] = fault
        since = self._register.clock() - order.accepted_at
        return fault.fault_id != 0 and not 0 < fault.seconds <= since.total_seconds()

    def release(self, faults: Sequence[Fault]) -> None:
        """Let go of the fills and the commissions that those faults held."""
        cleared = {fault.fault_id for fault in faults}
        for perm_id, fault in self._held.items():
            if fault.fault_id in cleared:
                # Set to used up, not removed: one order is held by one fault at most once.
                self._held[perm_id] = Fault(0, FaultKind.HOLD_FILLS)
        for execution_id, (fault, _) in list(self._late.items()):
            if fault.fault_id in cleared:
                self._charge_late(execution_id)
        for ticker in list(self.markets):
            self.match_all(ticker)

    def pass_time(self) -> None:
        """Fill what was held for some seconds, and charge what was late by some."""
        now = self._register.clock()
        for perm_id in self._held.keys() & self._register.working.keys():
            self.match(self._register.working[perm_id])
        for execution_id, (fault, since) in list(self._late.items()):
            if fault.seconds and now >= since + timedelta(seconds=fault.seconds):
                self._charge_late(execution_id)

    def fill(self, order: Order, size: Decimal, price: Decimal) -> None:
        """Execute `size` of an order, and tell everything about it."""
        leaves = order.leaves
        trade = self._execute(order, size, price)
        register = self._register
        if fault := self._faults.take(
            FaultKind.FILL_BEFORE_STATUS, symbol=order.symbol, venue_order_id=order.venue_order_id
        ):
            register.strike(order, fault.seconds)
        if not order.leaves and (
            fault := self._faults.take(
                FaultKind.FILLED_FIRST, symbol=order.symbol, venue_order_id=order.venue_order_id
            )
        ):
            register.show_first(order, fault.seconds)
        register.tell_execution(trade)
        if order.is_working and order.leaves:
            order.told = "Submitted"
        elif order.is_working:
            register.complete(order)
        register.tell_both(order)
        late = self._faults.take(
            FaultKind.LATE_COMMISSION, symbol=order.symbol, venue_order_id=order.venue_order_id
        )
        if late is None:
            self.charge(order, trade)
        else:
            self._late[trade.execution_id] = (late, register.clock())
        self.filled(order, size, leaves)

    def charge(self, order: Order | None, trade: Trade) -> None:
        """Report what an execution cost."""
        trade.commission, trade.charges = trade.charges, None
        trade.commission_currency = trade.currency
        self._register.revise(trade)
        if order is not None and trade.commission is not None:
            self._register.tell_order(order, (trade.commission, trade.currency))
        self._register.tell_commission(trade)

    def settle(self) -> None:
        """After a restart: what was to be charged later is charged."""
        for trade in self._register.trades:
            if trade.charges is not None:
                self.charge(self._register.orders.get(trade.perm_id), trade)

    def _charge_late(self, execution_id: str) -> None:
        del self._late[execution_id]
        trade = self._register.trade(execution_id)
        if trade is not None:
            self.charge(self._register.orders.get(trade.perm_id), trade)

    def _execute(self, order: Order, size: Decimal, price: Decimal) -> Trade:
        register = self._register
        contract = register.contract_of(order)
        total = order.filled_quantity + size
        value = (order.average_price * order.filled_quantity + price * size) * contract.factor
        charged = sum(
            (
                trade.commission or trade.charges or Decimal(0)
                for trade in register.trades_of(order)
            ),
            Decimal(0),
        )
        trade = Trade(
            execution_id=register.new_execution_id(),
            sequence=len(register.trades) + 1,
            symbol=order.symbol,
            side=order.side,
            quantity=size,
            price=price,
            # TWS tells whole seconds; what it cannot tell, the ledger does not claim.
            executed_at=register.clock().replace(microsecond=0),
            venue_order_id=order.venue_order_id or None,
            broker_order_id=order.broker_order_id,
            perm_id=order.perm_id,
            account=order.account,
            client_id=order.client_id,
            order_id=order.order_id,
            con_id=contract.con_id,
            sec_type=contract.sec_type,
            exchange="ISLAND" if order.exchange == "SMART" else order.exchange,
            currency=contract.currency,
            multiplier=contract.factor,
            cumulative_quantity=total,
            average_price=value / total / contract.factor,
            charges=charges.commission(contract, total, value) - charged,
        )
        register.record(trade)
        register.refresh(order)
        return trade

    def _workable(self, order: Order) -> Decimal:
        """What may trade: of a child no more than its parent has filled."""
        parent = self._register.orders.get(order.parent_perm_id)
        if parent is None or not parent.is_working:
            return order.leaves
        return max(min(order.leaves, parent.filled_quantity - order.filled_quantity), Decimal(0))


def waiting_type(order: Order) -> str:
    """What an order waits for by its very type."""
    if order.order_type in ON_CLOSE:
        return "close"
    return "open" if order.time_in_force == "OPG" else ""
