"""The order desk: takes orders, changes and cancels from clients, and ends what is over."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from simulators.faults import Fault, FaultKind
from simulators.ib_gateway import entry
from simulators.ib_gateway.codes import (
    CANCEL_ENDED,
    CANCEL_UNKNOWN,
    CANCELLED,
    DUPLICATE_ORDER,
    MODIFY_FILLED,
    NO_PARENT,
    NOT_CANCELLABLE,
    ORDER_MESSAGE,
    REJECTED,
    TIF_SET,
    Refusal,
)
from simulators.ib_gateway.contracts import Contract
from simulators.ib_gateway.hours import day_ends, is_open, next_open
from simulators.ib_gateway.linking import Links
from simulators.ib_gateway.matching import Matcher, waiting_type
from simulators.ib_gateway.pending import PendingCancels
from simulators.ib_gateway.records import (
    API_CANCELLED,
    CANCELLED_BY_TRADER,
    TIMED,
    UNTRANSMITTED,
    Order,
)
from simulators.ib_gateway.register import Register
from simulators.ib_gateway.requests import PlaceOrder
from simulators.ib_gateway.risk import Risk
from simulators.ib_gateway.suspended import Suspended


class Desk:
    """Everything that clients do to orders. Public methods commit before they return."""

    def __init__(self, register: Register, matcher: Matcher) -> None:
        self.register = register
        self.matcher = matcher
        self.risk = Risk(register, matcher)
        self._links = Links(register, matcher, self._end_linked)
        self._reserved: set[tuple[int, int]] = set()
        self._suspended = Suspended(register, matcher, self.risk, self._resume, self._end_told)
        self._pending = PendingCancels(register, self._cancel)
        matcher.filled = self._links.after_fill
        matcher.end = self.end_quietly

    # What clients ask for.

    def live(self, client_id: int, order_id: int) -> Order | None:
        """The order of that id that a second placeOrder would change."""
        order = self.register.order_of(client_id, order_id)
        return order if order and (order.is_working or order.state == UNTRANSMITTED) else None

    def reserve(self, client_id: int, order_id: int) -> None:
        """Take a new order's id as it arrives. Refusal 103 or 104 when it cannot be used.

        What has the id of an order that stands still on its way in is a change of that one.
        """
        if self.live(client_id, order_id) or (client_id, order_id) in self._reserved:
            return
        self._check_unused(client_id, order_id)
        if order_id < self.register.next_order_id(client_id):
            raise DUPLICATE_ORDER.refusal()
        self._reserved.add((client_id, order_id))

    def let_go(self, client_id: int, order_id: int) -> None:
        """Give back an id that was reserved."""
        self._reserved.discard((client_id, order_id))

    def read(self, client_id: int, request: PlaceOrder, contract: Contract) -> Order:
        """The order that a request describes. Refusal when TWS would not take it."""
        return entry.read_order(
            request,
            contract,
            client_id=client_id,
            perm_id=self.register.new_perm_id(),
            now=self.register.clock(),
            options=self.register.options,
        )

    def place(self, order: Order, *, transmit: bool, tif_given: bool = True) -> bool:
        """Take a new order. Refusal when TWS would not; False when it is Inactive at once."""
        self._check_unused(order.client_id, order.order_id)
        parent = self._parent(order)
        if parent is not None:
            order.parent_perm_id = parent.perm_id
            order.oca_group = order.oca_group or order.family_group
        order.state, order.accepted = UNTRANSMITTED, False
        self.register.use_id(order.client_id, order.order_id)
        self.register.file(order)
        if not tif_given:
            self.register.tell_error(order, TIF_SET.number, TIF_SET.text)
        if transmit:
            self._transmit(order)
        self.register.commit()
        return order.accepted

    def reject(self, order: Order, refusal: Refusal) -> None:
        """Refuse a new order with what the system says of it."""
        order.state, order.accepted = UNTRANSMITTED, False
        self.register.use_id(order.client_id, order.order_id)
        self.register.file(order)
        self.refuse(order, refusal)
        self.register.commit()

    def modify(self, order: Order, wanted: Order, *, transmit: bool) -> None:
        """Change a live order in place. Refusal leaves it as it was, unless a fault ends it."""
        try:
            entry.check_group(order, wanted.oca_group)
        except Refusal as refusal:
            if not self.register.faults.take(
                FaultKind.REFUSAL_ENDS,
                "modify",
                symbol=order.symbol,
                venue_order_id=order.venue_order_id,
            ):
                raise
            self.end(order, "CANCELLED", refusal.text, refusal.code)
            return
        entry.change(order, wanted)
        self.register.touch(order)
        if order.state == UNTRANSMITTED:
            if transmit:
                self._transmit(order)
        elif order.leaves:
            self.register.tell_both(order)
            self.matcher.match(order)
        else:
            self.register.complete(order)
            self.register.tell_both(order)
        self.register.commit()

    def cancellable(self, client_id: int, order_id: int) -> Order:
        """The order that a client may cancel. Refusal 10147, 10148 or 161 when there is none."""
        order = self.register.order_of(client_id, order_id)
        if order is None or order.perm_id in self.register.forgotten:
            raise CANCEL_UNKNOWN.refusal(order_id)
        if not (order.is_working or order.state == UNTRANSMITTED):
            raise CANCEL_ENDED.refusal(order_id, order.status)
        if order.cancelling:
            raise NOT_CANCELLABLE.refusal(order.perm_id)
        return order

    def begin_cancel(self, order: Order) -> None:
        """Show that a cancel is on its way to the exchange; the order may fill meanwhile."""
        order.cancelling = True
        self.register.touch(order)
        self.register.tell_status(order)
        self.register.commit()

    def ask_cancel(self, order: Order) -> None:
        """Cancel an order as its client asks, or later. Refusal 10148 when it is over by now."""
        if not (order.is_working and self._pending.take(order)):
            self.cancel(order)
        self.register.commit()

    def cancel(self, order: Order) -> None:
        """Cancel an order at once, as a person asks. Refusal 10148 when it is over by now."""
        if not (order.is_working or order.state == UNTRANSMITTED):
            raise CANCEL_ENDED.refusal(order.order_id, order.status)
        self._cancel(order)
        self.register.commit()

    def cancel_all(self) -> None:
        """Cancel every order there is, of whatever client."""
        for order in list(self.register.working.values()):
            if order.is_working:
                self._end(order, "CANCELLED", "cancelled on request")
        self.register.commit()

    # What happens by itself.

    def end(self, order: Order, state: str, reason: str, code: int | None = None) -> None:
        """End a working order from the venue's side, in CANCELLED, EXPIRED or REJECTED."""
        self._end(order, state, reason, told=reason, code=code)
        self.register.commit()

    def end_quietly(self, order: Order, state: str, reason: str) -> None:
        """End an order within a commit that somebody else makes."""
        self._end(order, state, reason or f"{state.lower()} by the venue")

    def end_day(self) -> None:
        """End the trading day: what is for the day expires, and today's executions are past."""
        for order in list(self.register.working.values()):
            if order.time_in_force in {"DAY", "OPG"} and order.is_working:
                self._end(order, "EXPIRED", "its day is over")
        self.register.commit()
        self.register.close_day()

    def set_shortable(self, ticker: str, shares: Decimal | None, *, locate: bool) -> None:
        """Say how many shares can be borrowed: None is any number. See `Risk`."""
        self.risk.shortable.pop(ticker, None)
        self.risk.locatable.discard(ticker)
        if shares is not None:
            self.risk.shortable[ticker] = shares
        if locate:
            self.risk.locatable.add(ticker)
        self._suspended.located(ticker)
        self.register.commit()

    def remember(self) -> None:
        """Take up what the journal has left in the air; the caller commits."""
        self._suspended.remember()
        self._pending.remember()

    def release(self, faults: Sequence[Fault]) -> None:
        """Let orders go on, and cancels be done, that one of those faults keeps waiting."""
        self._suspended.release(faults)
        self._pending.release(faults)
        self.register.commit()

    def pass_time(self) -> None:
        """Do what time alone does."""
        now = self.register.clock()
        self.matcher.pass_time()
        for order in list(self.register.timed.values()):
            if order.expires_at is not None and order.expires_at <= now and order.is_working:
                self._end(order, "EXPIRED", "its time is over")
            elif order.waits_for in TIMED and not self._waits(order):
                order.waits_for = ""
                self.register.touch(order)
                self._go(order)
        self._suspended.pass_time(now)
        self._pending.pass_time()
        self.register.commit()

    # Within.

    def _check_unused(self, client_id: int, order_id: int) -> None:
        """Refuse an id that an order has had: 104 when that one is filled, else 103."""
        known = self.register.order_of(client_id, order_id)
        if known is not None:
            raise (MODIFY_FILLED if known.state == "FILLED" else DUPLICATE_ORDER).refusal()

    def _parent(self, order: Order) -> Order | None:
        """The parent that a child names. Refusal 135 when there is none that could be."""
        if not order.parent_id:
            return None
        parent = self.register.order_of(order.client_id, order.parent_id)
        over = parent is not None and parent.state in {"CANCELLED", "EXPIRED", API_CANCELLED}
        if parent is None or (over and not parent.filled_quantity):
            raise NO_PARENT.refusal(order.parent_id)
        return parent

    def _transmit(self, order: Order) -> None:
        """Send an order off, and with it its parent and the parent's children that wait."""
        parent = self.register.orders.get(order.parent_perm_id)
        head = parent if parent is not None and parent.state == UNTRANSMITTED else order
        waiting = self.register.children(head) if head is not order else [order]
        family = [head, *(child for child in waiting if child is not head)]
        family = [member for member in family if member.state == UNTRANSMITTED]
        activated = [member for member in family if self._accept(member)]
        for member in activated:
            if member.is_working:
                self._go(member)

    def _accept(self, order: Order) -> bool:
        """Take an order into the market, or refuse it with 201."""
        register = self.register
        parent = register.orders.get(order.parent_perm_id)
        order.accepted_at = register.clock()
        reason = self._links.objection(order)
        if reason is None and parent is None:
            reason = self.risk.objection(order)
        elif parent is not None and parent.state == "REJECTED":
            reason = "The parent order was rejected."
        if reason is not None:
            self.refuse(order, REJECTED.refusal(reason))
            return False
        order.state, order.accepted = "SUBMITTED", True
        if self.register.options.enforce_hours and order.time_in_force == "DAY":
            contract = register.contract_of(order)
            order.expires_at = day_ends(
                contract.hours, order.accepted_at, outside_regular=order.outside_rth
            )
        order.waits_for = self._waits(order)
        register.touch(order)
        register.tell_both(order)
        return True

    def refuse(self, order: Order, refusal: Refusal) -> None:
        """Remember an order as refused at once, and tell its client."""
        cancelled = refusal.code == CANCELLED.number
        order.state, order.accepted = "CANCELLED" if cancelled else "REJECTED", False
        order.reason, order.ended_at = refusal.text, self.register.clock()
        order.completed = f"{'Cancelled' if cancelled else 'Rejected'} by System: {refusal.text}"
        self.register.refusals.append(
            {"venue_order_id": order.venue_order_id, "code": str(refusal.code)}
        )
        self.register.touch(order)
        self.register.tell_error(order, refusal.code, refusal.text)
        self.register.tell_both(order)

    def _waits(self, order: Order) -> str:
        """What keeps an order from trading now."""
        parent = self.register.orders.get(order.parent_perm_id)
        if parent is not None and not parent.filled_quantity:
            return "parent"
        by_type = waiting_type(order)
        if by_type:
            return by_type
        now = self.register.clock()
        if order.good_after is not None and order.good_after > now:
            return "time"
        if self.register.options.enforce_hours:
            hours = self.register.contract_of(order).hours
            if not is_open(hours, now, outside_regular=order.outside_rth):
                return "hours"
        return ""

    def _go(self, order: Order) -> None:
        """Let an order trade: faults first, then what it waits for, then the market."""
        if self._suspended.take(order):
            return
        if order.waits_for == "hours":
            self._say_when(order)
        self.matcher.match(order)
        self.matcher.work(order)
        at_once = order.time_in_force in {"IOC", "FOK"} and not order.waits_for
        if at_once and order.is_working and not self.matcher.holds(order):
            reason = f"{order.time_in_force}: the rest could not be filled"
            self._end(order, "CANCELLED", reason)

    def _resume(self, order: Order) -> None:
        """Let a suspended order trade, unless it waits for something else, too."""
        order.waits_for = self._waits(order)
        self.register.touch(order)
        self.matcher.match(order)
        self.matcher.work(order)

    def _end_told(self, order: Order, state: str, reason: str, code: int | None) -> None:
        """End an order that was accepted, for a reason that its client is told."""
        self._end(order, state, reason, told=reason, code=code)

    def _cancel(self, order: Order) -> None:
        self._end(order, "CANCELLED", "cancelled on request", completed=CANCELLED_BY_TRADER)

    def _say_when(self, order: Order) -> None:
        contract = self.register.contract_of(order)
        opens = next_open(contract.hours, self.register.clock(), outside_regular=order.outside_rth)
        text = (
            f"{order.side} {order.quantity} {contract.symbol} {contract.primary_exchange}\n"
            "Warning: your order will not be placed at the exchange until"
            f" {opens:%Y-%m-%d %H:%M:%S} {opens.tzinfo}"
        )
        self.register.tell_error(order, ORDER_MESSAGE.number, ORDER_MESSAGE.text.format(text))

    def _end_linked(self, order: Order, state: str, reason: str) -> None:
        self._end(order, state, reason or "cancelled with its group", linked=True)

    def _end(
        self,
        order: Order,
        state: str,
        reason: str,
        *,
        told: str = "",
        code: int | None = None,
        completed: str = "",
        linked: bool = False,
    ) -> None:
        """End an order and what hangs on it, and tell. `told` is the reason as clients hear it."""
        if order.state == UNTRANSMITTED:
            order.state = API_CANCELLED
        else:
            order.state = state
        order.reason, order.cancelling = reason, False
        order.ended_at = self.register.clock()
        order.completed = completed or f"Cancelled by System: {told}".rstrip(": ")
        self._suspended.forget(order)
        self.register.touch(order)
        if order.state == API_CANCELLED:
            self.register.tell_status(order)
        else:
            self.register.tell_end(order, told, code)
        if not linked:
            self._links.after_end(order, by_client=completed != "")
