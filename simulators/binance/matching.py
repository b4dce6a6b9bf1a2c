"""Fills orders against the market, and lets order lists follow what happens to their orders."""

from __future__ import annotations

from decimal import Decimal

from simulators.binance.holds import Holds
from simulators.binance.limits import RateLimits
from simulators.binance.market import triggers
from simulators.binance.numbers import round_down, round_up
from simulators.binance.records import NEVER, ZERO, Order, OrderList, Trade
from simulators.binance.store import Store

_AT_ONCE = frozenset({"IOC", "FOK"})
_DOLLARS = frozenset({"USDT", "USDC", "FDUSD"})


class Matching:
    """The matching engine. It changes the store and leaves the commit to whoever called."""

    def __init__(self, store: Store, holds: Holds, limits: RateLimits) -> None:
        self._store = store
        self._holds = holds
        self._limits = limits

    def admit(self, order: Order) -> None:
        """Let a filed order do what it does at once: wait for its stop, take, rest or expire."""
        self.relock(order)
        if order.status == "PENDING_NEW":
            return
        if not order.is_contingent:
            self._put_to_work(order)
            return
        book = self._store.book(order)
        book.waiting[order.order_id] = order
        if book.market is not None and triggers(
            order, book.market.touch(order), self._store.clock()
        ):
            self._activate(order)

    def match(self, symbol: str) -> None:
        """Do what the symbol's market now allows: reach stops, then fill what rests."""
        book = self._store.books[symbol]
        if book.market is None:
            return
        now = self._store.clock()
        for order in list(book.waiting.values()):
            before = (order.best, order.trailing_time)
            reached = order.is_open and triggers(order, book.market.touch(order), now)
            if reached:
                self._activate(order)
            elif before != (order.best, order.trailing_time):
                self._store.touch(order, seen=False)
        for order in book.crossing(book.market):
            if order.is_open:
                self._work(order, rested=True)

    def end(
        self, order: Order, status: str, reason: str | None, expiry: str = "EXCHANGE_CANCELED"
    ) -> None:
        """End an open order; its list follows. `expiry` is Binance's word for why it expired."""
        order.status, order.reason = status, reason
        order.expiry_reason = expiry if status == "EXPIRED" else None
        self._close(order)

    def relock(self, order: Order) -> None:
        """Lock what the order may have to pay, and no more."""
        required = self._required(order)
        self._store.account.lock(self._store.asset(order), required - order.locked)
        order.locked = required

    def reserve(self, order: Order) -> None:
        """Say what a BUY at any price locks per unit: its stop, or the market as it stands."""
        market = self._store.book(order).market
        order.reserve_price = order.stop_price or (ZERO if market is None else market.touch(order))

    def required_alone(self, order: Order) -> Decimal:
        """What an order on its own would lock."""
        if not order.buys:
            return order.leaves
        return round_up(order.leaves * (order.price or order.reserve_price))

    def fill(self, order: Order, size: Decimal, price: Decimal, *, is_maker: bool) -> Trade:
        """Trade: both sides of the account, the commission, the order and everybody's tape."""
        store, rules = self._store, self._store.book(order).rules
        quote = round_down(price * size)
        received, asset = (size, rules.base) if order.buys else (quote, rules.quote)
        commission, commission_asset = self._commission(received, asset)
        book = store.book(order)
        trade = Trade(
            symbol=order.symbol,
            trade_id=book.last_trade_id + 1,
            order_id=order.order_id,
            order_list_id=order.order_list_id,
            side=order.side,
            price=price,
            quantity=size,
            quote_quantity=quote,
            commission=commission,
            commission_asset=commission_asset,
            time=store.clock(),
            is_maker=is_maker,
            sequence=len(store.trades) + 1,
        )
        self.book_trade(order, trade)
        return trade

    def book_trade(self, order: Order, trade: Trade) -> None:
        """Take in a trade of an order, however odd."""
        store, rules = self._store, self._store.book(order).rules
        sign = 1 if order.buys else -1
        store.record(trade)
        store.account.add(rules.base, sign * trade.quantity)
        store.account.add(rules.quote, -sign * trade.quote_quantity)
        if trade.commission:
            store.account.add(trade.commission_asset, -trade.commission)
        if not order.executed:
            self._limits.first_fill(store.clock(), is_maker=trade.is_maker)
        order.executed += trade.quantity
        order.quote_executed += trade.quote_quantity
        if order.is_open:
            order.status = "PARTIALLY_FILLED" if order.leaves else "FILLED"
        if order.is_open:
            self._progressed(order)
        else:
            self._close(order)

    def _put_to_work(self, order: Order) -> None:
        book = self._store.book(order)
        order.working_time = self._store.clock()
        market = book.market
        if order.type == "LIMIT_MAKER" and market is not None and market.crosses(order):
            # Only a leg that waited comes here: it would have been refused when it was new.
            self.end(order, "EXPIRED", "would immediately match and take", "REJECTED")
            return
        book.rest(order)
        self._store.touch(order)
        self._work(order, rested=False)

    def _work(self, order: Order, *, rested: bool) -> None:
        """Fill what the market offers; what may not rest expires."""
        market = self._store.book(order).market
        if market is not None and market.crosses(order):
            if order in self._holds:
                return
            is_maker = rested and bool(order.price) and order.time_in_force not in _AT_ONCE
            price = order.price if is_maker else market.touch(order)
            if order.time_in_force != "FOK" or market.offers(order.leaves):
                self._trade(order, market.take(order.leaves), price, is_maker=is_maker)
        if order.is_open and (order.takes_any_price or order.time_in_force in _AT_ONCE):
            self.end(order, "EXPIRED", "the rest could not be filled", _unfilled(order))

    def _trade(self, order: Order, sizes: list[Decimal], price: Decimal, *, is_maker: bool) -> None:
        for size in sizes:
            if not self._affords(order, size * price):
                self.end(order, "EXPIRED", "insufficient balance", "REJECTED")
            if not order.is_open:
                return
            self.fill(order, size, price, is_maker=is_maker)

    def _affords(self, order: Order, cost: Decimal) -> bool:
        """A BUY at any price may cost more than what was locked for it."""
        if not order.buys or not order.takes_any_price:
            return True
        return self._store.account.free(self._store.asset(order)) + order.locked >= cost

    def _activate(self, order: Order) -> None:
        """A stop is reached: its list knows it first, then it works."""
        self._store.book(order).waiting.pop(order.order_id, None)
        order.working_time = self._store.clock()
        self._progressed(order)
        if order.is_open:
            self._put_to_work(order)

    def _close(self, order: Order) -> None:
        self._leave(order)
        self._progressed(order)

    def _leave(self, order: Order) -> None:
        """Take an order that is over out of what may fill, and unlock its money."""
        self._store.book(order).close(order)
        self._holds.forget(order)
        self._store.touch(order)
        self.relock(order)

    def _progressed(self, order: Order) -> None:
        """An order has changed: tell the store, its list, and lock anew."""
        self._store.touch(order)
        self.relock(order)
        order_list = self._store.order_list(order)
        if order_list is not None:
            self._follow(order, order_list)
            self.relock(order)

    def _follow(self, order: Order, order_list: OrderList) -> None:
        members = self._store.members(order_list)
        if order.order_id in order_list.pair and _is_decided(order):
            # Whichever leg acts first ends the other.
            status = "CANCELED" if order.status == "CANCELED" else "EXPIRED"
            for mate in members:
                if mate is not order and mate.order_id in order_list.pair and mate.is_open:
                    # It follows, and decides nothing itself.
                    mate.status, mate.reason = status, "the other leg decided the pair"
                    mate.expiry_reason = "OCO_TRIGGER" if status == "EXPIRED" else None
                    self._leave(mate)
        if order.order_id == order_list.working_id and not order.is_open:
            waiting = [member for member in members if member.status == "PENDING_NEW"]
            self._let_go(waiting, order)
        if order_list.status != "ALL_DONE" and not any(member.is_open for member in members):
            order_list.status = "ALL_DONE"
            self._store.file_list(order_list)

    def _let_go(self, waiting: list[Order], working: Order) -> None:
        """The working order is over: filled, what waited for it is placed; else it ends too."""
        for pending in waiting:
            if working.status == "FILLED":
                pending.status = "NEW"
                self.reserve(pending)
                self._store.touch(pending)
            else:
                ended = "the working order ended"
                self.end(pending, working.status, ended, "OTO_PHASE_ONE_EXPIRED")
        for pending in waiting:
            if not pending.is_open:
                continue
            if self._required(pending) > self._store.account.free(self._store.asset(pending)):
                self.end(pending, "EXPIRED", "insufficient balance", "REJECTED")
            else:
                self.admit(pending)

    def _required(self, order: Order) -> Decimal:
        """An OCO locks once, for the leg that needs more; the first leg holds the lock."""
        if not order.is_open or order.status == "PENDING_NEW":
            return ZERO
        order_list = self._store.order_list(order)
        if order_list is None or order.order_id not in order_list.pair:
            return self.required_alone(order)
        legs = [
            leg
            for leg in self._store.members(order_list)
            if leg.order_id in order_list.pair and leg.is_open and leg.status != "PENDING_NEW"
        ]
        if legs[0] is not order:
            return ZERO
        return max(self.required_alone(leg) for leg in legs)

    def _commission(self, received: Decimal, asset: str) -> tuple[Decimal, str]:
        """From what is received; in BNB at a discount when that is on and there is enough."""
        options = self._store.options
        commission = round_down(received * options.fee_rate)
        if not options.bnb_fees:
            return commission, asset
        price = self._in_bnb(asset)
        in_bnb = round_down(received * price * options.fee_rate * (1 - options.bnb_discount))
        if not in_bnb or self._store.account.free("BNB") < in_bnb:
            return commission, asset
        return in_bnb, "BNB"

    def _in_bnb(self, asset: str) -> Decimal:
        """What one unit of an asset is worth in BNB at current markets; 0 when nobody knows."""
        if asset == "BNB":
            return Decimal(1)
        bnb = self._store.books["BNBUSDT"].market
        book = self._store.books.get(f"{asset}USDT")
        own = book.market if book is not None else None
        if bnb is None or (own is None and asset not in _DOLLARS):
            return ZERO
        return (own.mid if own is not None else Decimal(1)) / bnb.mid


def _unfilled(order: Order) -> str:
    """Why what may not rest expires ("User data stream", "Order expiry reason", 2026-11-30)."""
    if order.takes_any_price:
        return "INSUFFICIENT_LIQUIDITY"
    fok = order.time_in_force == "FOK"
    return "UNFILLED_FOK_ORDER_EXPIRED" if fok else "UNFILLED_IOC_QUANTITY_EXPIRED"


def _is_decided(order: Order) -> bool:
    """True once a leg of a pair has traded, is a stop that was reached, or is over."""
    reached = order.is_contingent and order.working_time != NEVER
    return bool(order.executed) or reached or not order.is_open
