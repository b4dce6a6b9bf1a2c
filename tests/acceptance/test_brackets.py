"""Brackets on paper: children follow what the parent fills, and one cancels the other."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import uuid4

from tests.fleet import Fleet, wait_until

SYMBOL = "SPY"


def bracket(fleet: Fleet, **changes: Any) -> str:
    """A bought position of 4 with a profit taken at 610 and a loss stopped at 590."""
    name = f"bracket-{uuid4().hex[:8]}"
    terms = {"quantity": "4", "take_profit_price": "610", "stop_loss_price": "590", **changes}
    fleet.send(symbol=SYMBOL, side="BUY", client_order_id=name, **terms)
    return name


def child(fleet: Fleet, parent: str, role: str) -> dict[str, Any] | None:
    """A child of an order by its role."""
    rows = fleet.query(
        """SELECT c.* FROM orders c JOIN orders p ON c.parent_order_id = p.order_id
        WHERE p.client_order_id = %s AND c.role = %s""",
        parent,
        role,
    )
    return rows[0] if rows else None


def await_child(fleet: Fleet, parent: str, role: str, *states: str) -> dict[str, Any]:
    """That child once it is in one of some states."""

    def there() -> dict[str, Any] | None:
        found = child(fleet, parent, role)
        return found if found is not None and found["state"] in states else None

    found: dict[str, Any] = wait_until(there, what=f"{role} {states}: {child(fleet, parent, role)}")
    return found


def test_profit_is_taken(fleet: Fleet) -> None:
    """Both children rest for what the parent filled; the one that fills cancels the other."""
    name = bracket(fleet)
    fleet.await_state(name, "FILLED")
    for role in ("TAKE_PROFIT", "STOP_LOSS"):
        resting = await_child(fleet, name, role, "SUBMITTED")
        assert (resting["side"], resting["quantity"]) == ("SELL", Decimal(4))
        assert (resting["broker"], resting["execution_mode"]) == ("PAPER", "PAPER")
    fleet.set_prices({SYMBOL: ("611", "611.02")})
    assert await_child(fleet, name, "TAKE_PROFIT", "FILLED")["average_price"] >= 610
    stopped = await_child(fleet, name, "STOP_LOSS", "CANCELLED")
    assert stopped["filled_quantity"] == 0


def test_loss_is_stopped(fleet: Fleet) -> None:
    """A fall through both the stop and far beyond fills the stop, once."""
    name = bracket(fleet)
    fleet.await_state(name, "FILLED")
    for role in ("TAKE_PROFIT", "STOP_LOSS"):
        await_child(fleet, name, role, "SUBMITTED")
    fleet.set_prices({SYMBOL: ("580", "580.02")})
    assert await_child(fleet, name, "STOP_LOSS", "FILLED")["filled_quantity"] == 4
    assert await_child(fleet, name, "TAKE_PROFIT", "CANCELLED")["filled_quantity"] == 0


def test_no_children_without_a_fill(fleet: Fleet) -> None:
    """A parent that is cancelled unfilled leaves nothing behind."""
    name = bracket(fleet, order_type="LIMIT", limit_price="500", stop_loss_price="490")
    fleet.await_state(name, "SUBMITTED")
    fleet.send("tasks.cancel_order", client_order_id=name, cancel_id=f"{name}-c")
    fleet.await_state(name, "CANCELLED")
    assert child(fleet, name, "STOP_LOSS") is None


def test_only_a_stop(fleet: Fleet) -> None:
    """A bracket may have one leg; a second fill of a far price does not make it two."""
    name = bracket(fleet, take_profit_price=None)
    fleet.await_state(name, "FILLED")
    await_child(fleet, name, "STOP_LOSS", "SUBMITTED")
    assert child(fleet, name, "TAKE_PROFIT") is None


def test_where_there_are_no_brackets(fleet: Fleet) -> None:
    """A broker that has none refuses at step 1, and is not replaced by paper."""
    name = f"bracket-{uuid4().hex[:8]}"
    fleet.send(
        symbol="BTC-USDT", side="BUY", quantity="1", client_order_id=name, stop_loss_price="1"
    )
    order = fleet.await_state(name, "REJECTED")
    assert "brackets" in order["reason"]


def test_a_cancel_whose_worker_died_before_it_asked(fleet: Fleet) -> None:
    """The intent stands, and the venue has never been asked: somebody asks."""
    name = bracket(fleet, account=f"account-{uuid4().hex[:6]}")
    fleet.await_state(name, "FILLED")
    for role in ("TAKE_PROFIT", "STOP_LOSS"):
        await_child(fleet, name, role, "SUBMITTED")
    stop = await_child(fleet, name, "STOP_LOSS", "SUBMITTED")
    fleet.query(
        "UPDATE order_attempts SET cancel_asked_at = clock_timestamp() WHERE order_id = %s "
        "RETURNING 1",
        stop["order_id"],
    )
    closing = f"closing-{uuid4().hex[:8]}"
    fleet.send(
        symbol=SYMBOL, side="SELL", quantity="4", client_order_id=closing, account=stop["account"]
    )
    fleet.await_state(closing, "FILLED")
    for role in ("TAKE_PROFIT", "STOP_LOSS"):
        await_child(fleet, name, role, "CANCELLED")
