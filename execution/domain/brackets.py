"""Brackets: the take-profit and stop-loss orders that follow what their parent has filled."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from uuid import UUID, uuid5

from execution.domain.identity import venue_order_id
from execution.domain.orders import Order
from execution.domain.vocabulary import OrderType, Side, TimeInForce


class Role(StrEnum):
    """What a child order is to its parent."""

    TAKE_PROFIT = "TAKE_PROFIT"
    STOP_LOSS = "STOP_LOSS"
    FLATTEN = "FLATTEN"
    """Closes at the market what has no stop, where the operator asked for that."""

    @property
    def other(self) -> Role:
        """The sibling's role: one cancels the other."""
        return Role.STOP_LOSS if self is Role.TAKE_PROFIT else Role.TAKE_PROFIT


COVERING = (Role.STOP_LOSS, Role.TAKE_PROFIT)
"""Those that cover what the parent has filled; protection goes first."""


@dataclass(frozen=True, slots=True)
class Child:
    """A child order's terms; ids are derived, so making it twice makes one."""

    order_id: UUID
    client_order_id: str
    role: Role
    side: Side
    order_type: OrderType
    limit_price: Decimal | None
    stop_price: Decimal | None
    time_in_force: TimeInForce = TimeInForce.GTC


def child_id(parent_id: UUID, role: Role) -> UUID:
    """The id of a parent's child."""
    return uuid5(parent_id, role)


def is_bracket(order: Order) -> bool:
    """Whether an order asks for children."""
    return order.take_profit_price is not None or order.stop_loss_price is not None


def flattening(parent: Order) -> Child:
    """The order that closes at the market what has no stop."""
    return Child(
        order_id=child_id(parent.order_id, Role.FLATTEN),
        client_order_id=f"{venue_order_id(parent.order_id, 0)}-fl",
        role=Role.FLATTEN,
        side=Side.SELL if parent.side is Side.BUY else Side.BUY,
        order_type=OrderType.MARKET,
        limit_price=None,
        stop_price=None,
        time_in_force=TimeInForce.GTC
        if parent.instrument.asset_class.around_the_clock
        else TimeInForce.DAY,
    )


def children(parent: Order) -> list[Child]:
    """The children an order asks for: the opposite side, a LIMIT to take profit, a STOP."""
    side = Side.SELL if parent.side is Side.BUY else Side.BUY
    name = venue_order_id(parent.order_id, 0)
    found = []
    if parent.take_profit_price is not None:
        role = Role.TAKE_PROFIT
        made = Child(
            order_id=child_id(parent.order_id, role),
            client_order_id=f"{name}-tp",
            role=role,
            side=side,
            order_type=OrderType.LIMIT,
            limit_price=parent.take_profit_price,
            stop_price=None,
        )
        found.append(made)
    if parent.stop_loss_price is not None:
        role = Role.STOP_LOSS
        made = Child(
            order_id=child_id(parent.order_id, role),
            client_order_id=f"{name}-sl",
            role=role,
            side=side,
            order_type=OrderType.STOP,
            limit_price=None,
            stop_price=parent.stop_loss_price,
        )
        found.append(made)
    return found
