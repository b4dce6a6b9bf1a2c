"""When a bracket's family is due: with every change of a member that matters to the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from execution.domain.brackets import is_bracket
from execution.domain.orders import Order
from execution.domain.vocabulary import OrderState

TOUCH = """
    UPDATE brackets b SET version = b.version + 1, resends = 0, over = false,
        due_at = clock_timestamp() + interval '1 second',
        bare_since = coalesce(b.bare_since, clock_timestamp())
"""
"""A member of a bracket's family has changed: it is due, and taken for unprotected until somebody
has looked. Whoever writes this has locked every row of an order that it locks. The second is for
the message that is sent as well."""
OF_FAMILY = "b.parent_order_id = CAST(:family AS uuid)"
PART = f"touched AS ({TOUCH} FROM changed WHERE {OF_FAMILY})"
"""A part of the statement that changes a member; `:family` is the parent's id."""

_SIZES = frozenset({"quantity", "filled_quantity", "attempt_no"})


def concerns(
    order: Order, state: OrderState, columns: Mapping[str, Any], attempt: Mapping[str, Any]
) -> bool:
    """Whether a change of an order (its new state and columns) concerns a bracket's family."""
    if order.parent_order_id is None and not is_bracket(order):
        return False
    same = (state, attempt.get("state", order.attempt.state)) == (order.state, order.attempt.state)
    return not same or bool(_SIZES & (columns.keys() | attempt.keys()))
