"""The children an order asks for, term by term."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from execution.domain.brackets import COVERING, Child, Role, child_id, children
from execution.domain.identity import venue_order_id
from execution.domain.vocabulary import OrderType, Side
from tests.unit.an_order import ORDER_ID, an_order

NAME = venue_order_id(ORDER_ID, 0)


def profit(side: Side) -> Child:
    """The child that takes a profit at 700."""
    return Child(
        order_id=child_id(ORDER_ID, Role.TAKE_PROFIT),
        client_order_id=f"{NAME}-tp",
        role=Role.TAKE_PROFIT,
        side=side,
        order_type=OrderType.LIMIT,
        limit_price=Decimal(700),
        stop_price=None,
    )


def loss(side: Side) -> Child:
    """The child that stops a loss at 500."""
    return Child(
        order_id=child_id(ORDER_ID, Role.STOP_LOSS),
        client_order_id=f"{NAME}-sl",
        role=Role.STOP_LOSS,
        side=side,
        order_type=OrderType.STOP,
        limit_price=None,
        stop_price=Decimal(500),
    )


@pytest.mark.parametrize(("side", "opposite"), [(Side.BUY, Side.SELL), (Side.SELL, Side.BUY)])
def test_children_close_what_the_parent_opens(side: Side, opposite: Side) -> None:
    """On the other side a LIMIT takes the profit and a STOP stops the loss."""
    both: dict[str, Any] = {"take_profit_price": Decimal(700), "stop_loss_price": Decimal(500)}
    assert children(an_order(side=side, **both)) == [profit(opposite), loss(opposite)]


def test_only_what_is_asked_for() -> None:
    """One price is one child, none is none."""
    assert children(an_order(take_profit_price=Decimal(700))) == [profit(Side.SELL)]
    assert children(an_order(stop_loss_price=Decimal(500))) == [loss(Side.SELL)]
    assert children(an_order()) == []


def test_each_child_has_an_id_of_its_own() -> None:
    """The ids differ by parent and role; a child's name at most as long as one may be."""
    ids = {child_id(ORDER_ID, role) for role in COVERING}
    assert len(ids | {ORDER_ID}) == 3
    assert len(profit(Side.SELL).client_order_id) <= 36


def test_the_sibling() -> None:
    """Each role's other is the other one."""
    assert Role.TAKE_PROFIT.other is Role.STOP_LOSS
    assert Role.STOP_LOSS.other is Role.TAKE_PROFIT
