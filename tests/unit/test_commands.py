"""Cancel and modify: what a request must say, and when a change cannot be made."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from execution.domain.commands import ModifyRequest, parse_cancel, parse_modify, why_not
from execution.domain.errors import RequestRefused
from execution.domain.ports import Modification
from execution.domain.vocabulary import OrderState, OrderType
from tests.unit.an_order import an_order


def change(**changes: Any) -> ModifyRequest:
    """A modify of version 5."""
    asked = {"client_order_id": "mine", "modify_id": "m-1", "expected_version": 5}
    return parse_modify(asked | changes)


def test_cancel() -> None:
    """A cancel names its order and itself, and is as JSON what was asked."""
    asked = {"client_order_id": "mine", "cancel_id": "c-1"}
    cancel = parse_cancel(asked)
    assert (cancel.client_order_id, cancel.cancel_id) == ("mine", "c-1")
    assert cancel.canonical() == asked


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"cancel_id": None}, "cancel_id: None "),
        ({"cancel_id": "c 1"}, 'cancel_id: "c 1" '),
        ({"client_order_id": ""}, 'client_order_id: "" '),
        ({"quantity": "1"}, 'quantity: "1" is not a known field'),
    ],
)
def test_bad_cancels(changes: dict[str, Any], says: str) -> None:
    """What a cancel cannot be is named."""
    with pytest.raises(RequestRefused) as refused:
        parse_cancel({"client_order_id": "mine", "cancel_id": "c-1", **changes})
    assert str(refused.value).startswith(says)


def test_modify() -> None:
    """What is left out stays as it is; numbers are exact, and plain as JSON."""
    request = change(quantity="1000.50")
    assert request.modification() == Modification(Decimal("1000.50"), None, None)
    assert request.canonical() == {
        "client_order_id": "mine",
        "modify_id": "m-1",
        "expected_version": 5,
        "quantity": "1000.5",
    }
    prices = change(limit_price="2", stop_price="3").modification()
    assert prices == Modification(None, Decimal(2), Decimal(3))


@pytest.mark.parametrize("name", ["quantity", "limit_price", "stop_price"])
def test_any_one_change_will_do(name: str) -> None:
    """Each of the three is a change by itself."""
    assert getattr(change(**{name: "4"}), name) == 4


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, "quantity: None one of quantity, limit_price, stop_price is required"),
        ({"quantity": "0"}, 'quantity: "0" must be greater than 0'),
        ({"quantity": "1", "expected_version": "5"}, 'expected_version: "5" '),
        ({"quantity": "1", "expected_version": 0}, "expected_version: 0 "),
        ({"quantity": "1", "expected_version": 2**31}, "expected_version: 2147483648 "),
    ],
)
def test_bad_modifies(changes: dict[str, Any], says: str) -> None:
    """What a modify cannot be is named."""
    with pytest.raises(RequestRefused) as refused:
        change(**changes)
    assert str(refused.value).startswith(says)


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"quantity": "9"}, None),
        ({"quantity": "2.01"}, None),
        ({"quantity": "2"}, "quantity: 2 is what is filled already: cancel what is left"),
        ({"quantity": "1.99"}, "quantity: 1.99 is less than the 2 already filled"),
        ({"quantity": "9", "expected_version": 4}, "expected_version: 4 is stale, the order is at"),
        ({"quantity": "9", "expected_version": 6}, "expected_version: 6 is stale, the order is at"),
    ],
)
def test_why_not(asked: dict[str, Any], reason: str | None) -> None:
    """A stale version, less than is filled, and all that is filled cannot be."""
    order = an_order(filled_quantity=Decimal("2.0"))
    said = why_not(order, change(**asked), sent=False)
    assert said == reason if reason is None else (said or "").startswith(reason)


def test_a_change_on_its_way_had_the_right_version() -> None:
    """Once sent, the version has moved on; what it asks for is still looked at."""
    order = an_order(version=9, filled_quantity=Decimal(2))
    assert why_not(order, change(quantity="9"), sent=True) is None
    assert why_not(order, change(quantity="9"), sent=False) is not None
    assert why_not(order, change(quantity="1"), sent=True) is not None


@pytest.mark.parametrize("state", OrderState)
def test_what_is_over_stays_as_it_is(state: OrderState) -> None:
    """Only the state of an order that is over is in the way."""
    expected = f"the order is {state}" if state.is_final else None
    assert why_not(an_order(state=state), change(quantity="9"), sent=False) == expected


HAS = {
    "limit_price": {OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.LIMIT_ON_CLOSE},
    "stop_price": {OrderType.STOP, OrderType.STOP_LIMIT},
}


@pytest.mark.parametrize("name", HAS)
@pytest.mark.parametrize("order_type", OrderType)
def test_prices_that_a_type_has(name: str, order_type: OrderType) -> None:
    """A price is changed only where the order has one."""
    expected = None if order_type in HAS[name] else f"{name}: {order_type} has none"
    assert why_not(an_order(order_type=order_type), change(**{name: "9"}), sent=False) == expected
