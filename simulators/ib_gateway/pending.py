"""Cancels that were taken and are not done: the exchange is closed, or a fault holds them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

from simulators.faults import Fault, FaultKind
from simulators.ib_gateway.hours import is_open
from simulators.ib_gateway.records import Order
from simulators.ib_gateway.register import Register

_UNSHOWN = "PreSubmitted"


class PendingCancels:
    """Keeps such cancels until their time has come; `cancel(order)` does one. The caller commits.

    An order at an exchange that is closed cannot be cancelled there before it opens; one that IB
    holds can. A fault whose `code` is PreSubmitted shows that status, not PendingCancel.
    Source: orderStatus, PendingCancel, in TWS API, "Order Submission" (read November 2026).
    """

    def __init__(self, register: Register, cancel: Callable[[Order], None]) -> None:
        self._register = register
        self._cancel = cancel
        self._pending: dict[int, Fault | None] = {}
        self._since: dict[int, float] = {}

    def take(self, order: Order) -> bool:
        """Keep a cancel pending if it must be; True when that was so. The order may fill."""
        fault = self._register.faults.take(
            FaultKind.PENDING_CANCEL,
            "cancel",
            symbol=order.symbol,
            venue_order_id=order.venue_order_id,
        )
        if fault is None and not self._at_a_closed_exchange(order):
            return False
        self._pending[order.perm_id] = fault
        self._since[order.perm_id] = self._register.clock().timestamp()
        order.cancelling = True
        order.cancel_shown = fault is None or fault.code != _UNSHOWN
        if not order.cancel_shown:
            order.told = _UNSHOWN
        self._register.touch(order)
        self._register.tell_both(order)
        return True

    def remember(self) -> None:
        """Take up what the journal has left in the air; faults are forgotten."""
        for order in self._register.working.values():
            if order.cancelling:
                self._pending[order.perm_id] = None
                self._since[order.perm_id] = self._register.clock().timestamp()

    def release(self, faults: Sequence[Fault]) -> None:
        """Do the cancels that one of those faults keeps pending."""
        self._do(lambda order: self._pending[order.perm_id] in faults)

    def pass_time(self) -> None:
        """Do the cancels whose time has come."""
        self._do(self._is_due)

    def _is_due(self, order: Order) -> bool:
        fault = self._pending[order.perm_id]
        if fault is None:
            return not self._at_a_closed_exchange(order)
        since = timedelta(seconds=self._register.clock().timestamp() - self._since[order.perm_id])
        return bool(fault.seconds) and since >= timedelta(seconds=fault.seconds)

    def _do(self, is_due: Callable[[Order], bool]) -> None:
        for perm_id in list(self._pending):
            order = self._register.orders[perm_id]
            if not order.is_working or is_due(order):
                del self._pending[perm_id], self._since[perm_id]
                if order.is_working:
                    self._cancel(order)

    def _at_a_closed_exchange(self, order: Order) -> bool:
        if not self._register.options.enforce_hours or order.told != "Submitted":
            return False
        hours = self._register.contract_of(order).hours
        now = self._register.clock()
        return not is_open(hours, now, outside_regular=order.outside_rth)
