"""Leaves nothing of one life to the next: no order that works, no position, nothing reported."""

from __future__ import annotations

from collections.abc import Callable

from tests.chaos.stateful.places import Place
from tests.fleet import Fleet, wait_until

REST_WITHIN = 45.0
_ROUNDS = 4
"""A stop that was triggered may fill beside the order that closes its position."""


def clear(place: Place, prefix: str, unrest: Callable[[], list[str]]) -> list[str]:
    """End what works, close positions, end what was left; returns what could not be cleared.

    Children stay until the position is closed: whoever cancels a stop leaves it unprotected.
    """
    try:
        _cancel_all(place.fleet, "parent_order_id IS NULL")
        for number in range(_ROUNDS):
            wait_until(lambda: not unrest(), REST_WITHIN, "rest before positions are closed")
            for account, quantity in _positions(place).items():
                _close(place, f"{prefix}-flat{number}-{account[:12]}", account, quantity)
        _cancel_all(place.fleet, "true")
        left = _positions(place)
        assert not left, f"still held: {left}"
        _settled(place.fleet)
    except AssertionError as error:
        return [f"could not be cleared: {error}"]
    return []


def _cancel_all(fleet: Fleet, which: str) -> None:
    working = f"""SELECT client_order_id FROM orders WHERE {which}
        AND state NOT IN ('FILLED', 'CANCELLED', 'REJECTED', 'EXPIRED')"""
    for row in fleet.query(working):
        fleet.client.cancel(row["client_order_id"])
    wait_until(lambda: not fleet.query(working), REST_WITHIN, "the end of every order")


def _settled(fleet: Fleet) -> None:
    """Nothing is held, so nothing is unprotected: an alert that stays would stop all entries."""
    wait_until(
        lambda: not fleet.query("SELECT FROM brackets WHERE bare IS NOT NULL"),
        REST_WITHIN,
        "the end of every alert that a bracket is not protected",
    )


def _positions(place: Place) -> dict[str, int]:
    table = "paper_positions" if place.broker == "PAPER" else "positions"
    rows = place.fleet.query(f"SELECT account, quantity FROM {table} WHERE quantity <> 0")
    return {row["account"]: int(row["quantity"]) for row in rows}


def _close(place: Place, name: str, account: str, quantity: int) -> None:
    """Close a position at the market."""
    place.fleet.client.place(
        side="SELL" if quantity > 0 else "BUY",
        quantity=str(abs(quantity)),
        client_order_id=name,
        **{**place.terms(), "account": account},
    )

    def filled() -> bool:
        place.let_trade(abs(quantity))
        order = place.fleet.order(name)
        return order is not None and order["state"] == "FILLED"

    wait_until(filled, REST_WITHIN, f"{quantity} of {account} to be closed")
    place.stand_still()
