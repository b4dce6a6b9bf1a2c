"""Orders that were accepted and yet cannot trade: without shares, inactive, or refused later."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from simulators.faults import Fault, FaultKind
from simulators.ib_gateway.codes import LOCATING, REJECTED, code_of
from simulators.ib_gateway.matching import Matcher
from simulators.ib_gateway.records import Order
from simulators.ib_gateway.register import Register
from simulators.ib_gateway.risk import Risk

LOCATE, REJECT, INACTIVE = "locate", "reject", "inactive"


class Suspended:
    """Keeps such orders until their time has come.

    `resume(order)` lets one trade, `end(order, state, reason, code)` ends one. The caller commits.
    """

    def __init__(
        self,
        register: Register,
        matcher: Matcher,
        risk: Risk,
        resume: Callable[[Order], None],
        end: Callable[[Order, str, str, int | None], None],
    ) -> None:
        self._register = register
        self._matcher = matcher
        self._risk = risk
        self._resume = resume
        self._end = end
        self._doomed: list[tuple[datetime, Order, Fault]] = []
        self._locating: dict[int, tuple[Fault | None, datetime]] = {}
        self._inactive: dict[int, Fault] = {}

    def take(self, order: Order) -> bool:
        """Suspend an order if it must be; True when that was so."""
        return (
            self._is_doomed(order)
            or self._is_ended(order)
            or self._is_inactive(order)
            or self._lacks_shares(order)
        )

    def forget(self, order: Order) -> None:
        """An order is over."""
        self._locating.pop(order.perm_id, None)
        self._inactive.pop(order.perm_id, None)

    def located(self, ticker: str) -> None:
        """Let sales go on for which there are shares by now."""
        for order in self._waiting():
            if order.symbol == ticker and not self._risk.lacks_shares(order):
                self._go_on(order)

    def release(self, faults: Sequence[Fault]) -> None:
        """Let orders go on that one of those faults keeps waiting."""
        for order in self._waiting():
            if self._locating[order.perm_id][0] in faults:
                self._go_on(order)
        for perm_id, fault in list(self._inactive.items()):
            if fault in faults:
                self._take_up(self._register.orders[perm_id])

    def pass_time(self, now: datetime) -> None:
        """Refuse what was to be refused by now, and let go of what a fault held so long."""
        for due, order, fault in [item for item in self._doomed if item[0] <= now]:
            self._doomed.remove((due, order, fault))
            self._refuse(order, fault)
        for order in self._waiting():
            fault_or_none, since = self._locating[order.perm_id]
            seconds = fault_or_none.seconds if fault_or_none else 0
            if seconds and now >= since + timedelta(seconds=seconds):
                self._go_on(order)

    def remember(self) -> None:
        """Take up what the journal has left in the air.

        What a fault was about to do to an order is forgotten with the fault.
        """
        for order in self._register.working.values():
            if order.waits_for == REJECT:
                order.waits_for = ""
                self._register.touch(order)
            elif order.waits_for == LOCATE:
                self._locating[order.perm_id] = (None, self._register.clock())

    def _waiting(self) -> list[Order]:
        return [self._register.orders[perm_id] for perm_id in self._locating]

    def _is_doomed(self, order: Order) -> bool:
        """Show an order as working, and refuse it when a fault wants that."""
        fault = self._fault(FaultKind.LATE_REJECT, order)
        if fault is None:
            return False
        self._matcher.work(order)
        order.waits_for = REJECT
        self._register.touch(order)
        if fault.seconds:
            due = self._register.clock() + timedelta(seconds=fault.seconds)
            self._doomed.append((due, order, fault))
        else:
            self._refuse(order, fault)
        return True

    def _refuse(self, order: Order, fault: Fault) -> None:
        if order.is_working:
            self._end(order, "REJECTED", fault.reason, code_of(fault, REJECTED.number))

    def _is_ended(self, order: Order) -> bool:
        """End an order as cancelled, with the code that a fault says."""
        fault = self._fault(FaultKind.CANCELLED_WITH_CODE, order)
        if fault is not None:
            self._end(order, "CANCELLED", fault.reason, code_of(fault, REJECTED.number))
        return fault is not None

    def _is_inactive(self, order: Order) -> bool:
        """Show an order as inactive, with the code that a fault says."""
        fault = self._fault(FaultKind.INACTIVE, order)
        if fault is None:
            return False
        order.waits_for, order.told = INACTIVE, "Inactive"
        self._inactive[order.perm_id] = fault
        self._register.touch(order)
        self._register.tell_error(order, code_of(fault, REJECTED.number), fault.reason)
        self._register.tell_both(order)
        return True

    def _take_up(self, order: Order) -> None:
        self.forget(order)
        order.told = "PreSubmitted"
        self._resume(order)

    def _lacks_shares(self, order: Order) -> bool:
        """Let a sale wait for shares to borrow, with a warning."""
        fault = self._fault(FaultKind.LOCATE, order) if order.side == "SELL" else None
        if fault is None and not self._risk.lacks_shares(order):
            return False
        order.waits_for = LOCATE
        self._locating[order.perm_id] = (fault, self._register.clock())
        self._register.touch(order)
        self._register.tell_error(order, LOCATING.number, LOCATING.text)
        self._register.tell_both(order)
        return True

    def _go_on(self, order: Order) -> None:
        self.forget(order)
        if order.is_working and order.waits_for == LOCATE:
            self._resume(order)

    def _fault(self, kind: FaultKind, order: Order) -> Fault | None:
        return self._register.faults.take(
            kind, "submit", symbol=order.symbol, venue_order_id=order.venue_order_id
        )
