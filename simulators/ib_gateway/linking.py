"""Orders that belong together: a bracket's parent and children, and groups of which one wins."""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_FLOOR, Decimal

from simulators.ib_gateway.matching import Matcher
from simulators.ib_gateway.records import UNTRANSMITTED, Order
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
        """What never filled takes its children along; of a group that a client named, all go."""
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

    def group_of_children(self, parent: Order) -> str:
        """The group that a bracket's children are in, unless they name one."""
        return str(parent.perm_id)

    def _others(self, order: Order) -> list[Order]:
        if not order.oca_group:
            return []
        return [
            other
            for other in self._register.working.values()
            if other is not order
            and (other.oca_group, other.account) == (order.oca_group, order.account)
        ]

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
