"""Modifying an order of the paper venue's book."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from execution.domain.decimals import plain
from execution.domain.errors import BrokerRejected
from execution.domain.paper.order import PaperOrder
from execution.domain.ports import Modification
from execution.domain.vocabulary import OrderState, OrderType

_LIMITED = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.LIMIT_ON_CLOSE})
_STOPPED = frozenset({OrderType.STOP, OrderType.STOP_LIMIT})


def amend(
    order: PaperOrder, change: Modification, filled_by_others: Decimal = Decimal(0)
) -> PaperOrder:
    """The order with a change; a total that equals what is filled ends it as FILLED.

    `filled_by_others` of its group the new quantity does not take account of yet; where they leave
    nothing of it the order is cancelled, as it would have been by their fill. Raises BrokerRejected
    naming field, value and rule; the order then stays as it was.
    """
    if order.state.is_final:
        raise BrokerRejected(f"the order is {order.state}", code="NOT_WORKING")
    quantity = order.quantity if change.quantity is None else change.quantity - filled_by_others
    none_left = quantity <= 0 or quantity < order.filled_quantity
    if none_left and filled_by_others > 0:
        return replace(order, state=OrderState.CANCELLED, reason="one cancels the other")
    if none_left:
        raise _refused("quantity", quantity, f"{plain(order.filled_quantity)} is filled already")
    if change.limit_price is not None and order.order_type not in _LIMITED:
        raise _refused("limit_price", change.limit_price, f"a {order.order_type} has none")
    if change.stop_price is not None and order.order_type not in _STOPPED:
        raise _refused("stop_price", change.stop_price, f"a {order.order_type} has none to set")
    if change.stop_price is not None and not order.awaits_trigger:
        raise _refused("stop_price", change.stop_price, "the stop was reached already")
    return replace(
        order,
        quantity=quantity,
        limit_price=order.limit_price if change.limit_price is None else change.limit_price,
        stop_price=order.stop_price if change.stop_price is None else change.stop_price,
        state=OrderState.FILLED if quantity == order.filled_quantity else order.state,
    )


def _refused(field: str, value: object, rule: str) -> BrokerRejected:
    return BrokerRejected(f"{field}: {value} cannot be set: {rule}", code="CANNOT_MODIFY")
