"""Orders that belong together: a bracket's parent and children, and groups of which one wins."""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_FLOOR, Decimal

from simulators.ib_gateway.matching import Matcher
from simulators.ib_gateway.records import CANCELLED_BY_TRADER, UNTRANSMITTED, Order
from simulators.ib_gateway.register import Register

_CANCEL_ALL = 1


class Links:
    """Carries what happens to one order over to those linked with it."""

    def __init__(
        self, register: Register, matcher: Matcher, end: Callable[[Order, str, str], None]
    ) -> None:
        self._register = register
        self._matcher = matcher
        self._end = end

    def children(self, parent: Order) -> list[Order]:
        """The orders that wait for a parent or work in its stead."""
        return [order for order in self._register.children(parent) if order.is_working]

    def objection(self, order: Order) -> str | None:
        """Why an order comes too late for its group; None when it does not.

        Sources: 201 and these words for a group that has filled were seen at TWS in April 2026;
        that a name serves once, cancelled or executed, is in the TWS Users' Guide, "Create a
        One-Cancels-All (OCA) Order". How TWS words the latter is a guess.
        """
        for other in self._register.group(order):
            if other.state == "FILLED":
                return "OCA group is already filled."
            if other.completed == CANCELLED_BY_TRADER:
                return "OCA group is already cancelled."
        return None

    def after_fill(self, order: Order, size: Decimal, leaves: Decimal) -> None:
        """A fill activates the children and shrinks or ends the rest of the group."""
        for child in self.children(order):
            if child.waits_for == "parent":
                child.waits_for = ""
                self._register.touch(child)
                self._matcher.work(child)
            self._matcher.match(child)
        for other in self._others(order):
            if not order.is_working or other.oca_type == _CANCEL_ALL:
                self._end(other, "CANCELLED", "")
            elif leaves:
                self._reduce(other, size, leaves)

    def after_end(self, order: Order, *, by_client: bool) -> None:
        """What never filled takes its children along; a member its client cancels, its group.

        One that the system cancels or refuses, or that expires, leaves its group as it is.
        Source: IBKR Campus glossary, "One-Cancels-All (OCA) Order", revised January 2023.
        """
        for child in self._register.children(order):
            if not (child.is_working or child.state == UNTRANSMITTED):
                continue
            if not order.filled_quantity:
                self._end(child, "CANCELLED", "")
            elif child.is_working and child.total > order.filled_quantity:
                self._shrink(child, child.total - order.filled_quantity)
        if by_client and not order.parent_perm_id:
            for other in self._others(order):
                self._end(other, "CANCELLED", "")

    def _others(self, order: Order) -> list[Order]:
        group = self._register.group(order)
        return [other for other in group if other is not order and other.is_working]

    def _reduce(self, other: Order, size: Decimal, leaves: Decimal) -> None:
        """Take the share that was filled off another order of the group."""
        cut = (size * other.leaves / leaves).to_integral_value(ROUND_FLOOR)
        if cut >= other.leaves:
            self._end(other, "CANCELLED", "")
        elif cut:
            self._shrink(other, cut)

    def _shrink(self, order: Order, cut: Decimal) -> None:
        """Bring an order's quantity down; when nothing is left of it, its group is over."""
        order.reduced_by += cut
        self._register.touch(order)
        if order.leaves:
            self._register.tell_both(order)
            return
        self._register.complete(order)
        self._register.tell_both(order)
        for other in self._others(order):
            self._end(other, "CANCELLED", "")
