"""The table of state changes, and the documentation made of it."""

from __future__ import annotations

import pytest

from execution.domain.order_states import (
    CHILD_TRANSITIONS,
    ORDER_TRANSITIONS,
    as_markdown,
    may_become,
)
from execution.domain.vocabulary import OrderState
from execution.supervisor.services import project_root


def test_the_documentation_is_the_table() -> None:
    """docs/architecture.md has it as it is."""
    text = (project_root() / "docs/architecture.md").read_text(encoding="utf-8")
    assert as_markdown() in text


def test_every_state_can_be_left_but_final_ones() -> None:
    """Nothing gets stuck by the table; what is over stays over, but for FILLED by a lost reply."""
    assert ORDER_TRANSITIONS.keys() == set(OrderState) - {
        OrderState.CANCELLED,
        OrderState.REJECTED,
        OrderState.EXPIRED,
    }
    assert set(ORDER_TRANSITIONS[OrderState.FILLED]) == {OrderState.PARTIALLY_FILLED}


@pytest.mark.parametrize("before", OrderState)
@pytest.mark.parametrize("after", OrderState)
def test_a_child_may_do_more_and_never_less(before: OrderState, after: OrderState) -> None:
    """Everything that an order may do, and what its table adds."""
    added = after in CHILD_TRANSITIONS.get(before, {})
    assert may_become(before, after, child=True) == (may_become(before, after) or added)
    assert not (added and may_become(before, after))


@pytest.mark.parametrize("state", OrderState)
def test_any_state_stays(state: OrderState) -> None:
    """A change of other columns changes no state."""
    assert may_become(state, state)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (OrderState.PENDING, OrderState.FILLED),
        (OrderState.PENDING, OrderState.UNKNOWN),
        (OrderState.PENDING, OrderState.SUBMITTED),
        (OrderState.SUBMITTED, OrderState.SUBMITTING),
        (OrderState.CANCELLED, OrderState.SUBMITTING),
        (OrderState.REJECTED, OrderState.PENDING),
    ],
)
def test_what_no_order_may_do(before: OrderState, after: OrderState) -> None:
    """Nothing is filled that was not sent, and nothing that is over is sent again."""
    assert not may_become(before, after)
