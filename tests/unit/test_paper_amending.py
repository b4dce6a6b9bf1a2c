"""Modifying a paper order: what may change, and what a refusal says."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from execution.domain.errors import BrokerRejected
from execution.domain.paper.amending import amend
from execution.domain.ports import Modification
from execution.domain.vocabulary import OrderState, OrderType

from .test_paper_matching import NOON, TERMS, new

PART: dict[str, Any] = {
    "filled_quantity": Decimal(4),
    "state": OrderState.PARTIALLY_FILLED,
    "executions": 1,
}


def test_everything_at_once() -> None:
    """Quantity, limit and stop change together; what is not named stays."""
    order = new(OrderType.STOP_LIMIT, **TERMS[OrderType.STOP_LIMIT])
    change = Modification(Decimal(20), limit_price=Decimal(98), stop_price=Decimal(97))
    changed = amend(order, change)
    assert changed.quantity == 20
    assert (changed.limit_price, changed.stop_price) == (Decimal(98), Decimal(97))
    assert amend(order, Modification()) == order


def test_total_of_what_is_filled() -> None:
    """It ends the order as FILLED; more leaves it working."""
    order = new(OrderType.MARKET, **PART)
    assert amend(order, Modification(Decimal(4))).state is OrderState.FILLED
    assert amend(order, Modification(Decimal(5))).state is OrderState.PARTIALLY_FILLED


@pytest.mark.parametrize(
    ("order_type", "terms", "change", "words"),
    [
        (OrderType.MARKET, PART, Modification(Decimal(3)), "quantity: 3 cannot be set: 4 is fill"),
        (OrderType.MARKET, {}, Modification(Decimal(0)), "quantity: 0 cannot be set"),
        (OrderType.STOP, {}, Modification(limit_price=Decimal(1)), "limit_price: 1 .* a STOP has"),
        (
            OrderType.MARKET_ON_CLOSE,
            {},
            Modification(limit_price=Decimal(1)),
            "limit_price: 1 cannot be set: a MARKET_ON_CLOSE has none",
        ),
        (OrderType.LIMIT, {}, Modification(stop_price=Decimal(1)), "stop_price: 1 .* a LIMIT has"),
        (
            OrderType.TRAILING_STOP,
            {},
            Modification(stop_price=Decimal(1)),
            "stop_price: 1 cannot be set: a TRAILING_STOP has none to set",
        ),
        (
            OrderType.STOP_LIMIT,
            {"triggered_at": NOON},
            Modification(stop_price=Decimal(1)),
            "stop_price: 1 cannot be set: the stop was reached already",
        ),
        (
            OrderType.LIMIT,
            {"state": OrderState.CANCELLED},
            Modification(Decimal(20)),
            "the order is CANCELLED",
        ),
    ],
)
def test_refused(
    order_type: OrderType, terms: dict[str, Any], change: Modification, words: str
) -> None:
    """A refusal names field, value and rule."""
    with pytest.raises(BrokerRejected, match=words):
        amend(new(order_type, **(TERMS[order_type] | terms)), change)


def test_a_limit_changes_after_the_trigger() -> None:
    """A STOP_LIMIT that was reached is a LIMIT, whose price may change."""
    order = new(OrderType.STOP_LIMIT, triggered_at=NOON, **TERMS[OrderType.STOP_LIMIT])
    assert amend(order, Modification(limit_price=Decimal(99))).limit_price == 99


def test_codes() -> None:
    """A refusal has a code that programs can tell."""
    over = new(OrderType.MARKET, state=OrderState.CANCELLED)
    with pytest.raises(BrokerRejected) as refused:
        amend(over, Modification(Decimal(20)))
    assert refused.value.code == "NOT_WORKING"
    with pytest.raises(BrokerRejected) as refused:
        amend(new(OrderType.MARKET), Modification(Decimal(0)))
    assert refused.value.code == "CANNOT_MODIFY"


@pytest.mark.parametrize("quantity", ["1", "0.00000001"])
def test_a_little_is_a_quantity(quantity: str) -> None:
    """Any total above zero can be asked for while nothing is filled."""
    assert amend(new(OrderType.MARKET), Modification(Decimal(quantity))).quantity > 0


@pytest.mark.parametrize(
    ("asked", "others", "terms", "quantity", "state"),
    [
        (5, 2, {}, 3, OrderState.SUBMITTED),
        (1, 1, {}, 10, OrderState.CANCELLED),
        (5, 2, PART, 10, OrderState.CANCELLED),
        (6, 2, PART, 4, OrderState.FILLED),
    ],
    ids=["less", "nothing is left", "less than is filled", "as much as is filled"],
)
def test_what_others_of_its_group_filled_meanwhile(
    asked: int, others: int, terms: dict[str, Any], quantity: int, state: OrderState
) -> None:
    """A size decided on before a sibling filled is less of that; what leaves nothing ends it."""
    order = new(OrderType.LIMIT, **(TERMS[OrderType.LIMIT] | terms))
    changed = amend(order, Modification(Decimal(asked)), Decimal(others))
    assert changed.quantity == quantity
    assert changed.state is state
