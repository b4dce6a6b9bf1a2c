"""Brackets where children are changed in place: one size for each, whatever overtakes what.

On paper, which takes what one child fills off the other, and at a venue that knows of no groups.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from uuid import uuid4

import pytest

from tests.chaos.stateful.places import PLACES, Place
from tests.fleet import Fleet, Servers, flush, wait_until
from tests.oracle.facts import Row

STOP, PROFIT = "STOP_LOSS", "TAKE_PROFIT"
WORKING = ("SUBMITTED", "PARTIALLY_FILLED")
WITHIN = 20.0


at_a_venue = pytest.mark.parametrize("place", ["ledger"], indirect=True)
"""The paper book ends and refuses nothing by itself, and loses no answer."""


@pytest.fixture(scope="module", params=["paper", "ledger"])
def place(
    request: pytest.FixtureRequest,
    servers: Servers,
    module_database_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Place]:
    """Workers at one place, where the market stands still at 600."""
    flush(servers.valkey.url)
    found = PLACES[str(request.param)]()
    home = tmp_path_factory.mktemp("sizes") / "home"
    with found.made(module_database_url, servers.valkey.url, home):
        yield found


@pytest.fixture
def fleet(place: Place) -> Fleet:
    """Its workers."""
    return place.fleet


@pytest.fixture(autouse=True)
def still(place: Place, judged: None) -> Iterator[None]:
    """Each test begins and ends with a market where nothing trades."""
    del judged
    place.calm()
    place.stand_still()
    yield
    place.calm()
    place.stand_still()
    place.fleet.cli("resume")


def bracket(place: Place, quantity: int = 8, **terms: Any) -> str:
    """A purchase at 599 with its children at 590 and 610, resting."""
    name = f"bracket-{uuid4().hex[:8]}"
    asked = {
        **place.terms(),
        "order_type": "LIMIT",
        "limit_price": "599",
        "take_profit_price": "610",
        "stop_loss_price": "590",
        **terms,
    }
    client = place.fleet.client
    receipt = client.place(side="BUY", quantity=str(quantity), client_order_id=name, **asked)
    assert receipt.outcome == "ACCEPTED", receipt.reason
    place.fleet.await_state(name, "SUBMITTED")
    return name


def child(place: Place, name: str, role: str) -> dict[str, Any] | None:
    """A bracket's child."""
    rows = place.fleet.query(
        """SELECT c.* FROM orders c JOIN orders p ON c.parent_order_id = p.order_id
        WHERE p.client_order_id = %s AND c.role = %s""",
        name,
        role,
    )
    return rows[0] if rows else None


def held(place: Place, name: str, role: str) -> list[Row]:
    """What the venue has of a child."""
    rows = place.fleet.query(
        """SELECT a.venue_order_id FROM order_attempts a JOIN orders c USING (order_id)
        JOIN orders p ON c.parent_order_id = p.order_id
        WHERE p.client_order_id = %s AND c.role = %s""",
        name,
        role,
    )
    ids = {row["venue_order_id"] for row in rows}
    return [order for order in place.held().orders if order["venue_order_id"] in ids]


def covered(place: Place, name: str) -> tuple[int, int]:
    """What stop and target cover at the venue."""
    stop, profit = (
        sum(
            int(order["quantity"] - order["filled_quantity"])
            for order in held(place, name, role)
            if order["state"] in WORKING
        )
        for role in (STOP, PROFIT)
    )
    return stop, profit


def await_cover(place: Place, name: str, stop: int, profit: int | None = None) -> None:
    """Stop and target cover so much at the venue, and in our tables."""
    wanted = (stop, stop if profit is None else profit)
    wait_until(
        lambda: covered(place, name) == wanted,
        WITHIN,
        f"{wanted} covered (is {covered(place, name)})",
    )

    def recorded() -> bool:
        for role, size in zip((STOP, PROFIT), wanted, strict=True):
            order = child(place, name, role)
            working = order is not None and order["state"] in WORKING
            left = order["quantity"] - order["filled_quantity"] if working and order else 0
            if left != size:
                return False
        return True

    wait_until(recorded, WITHIN, "our tables to follow")


def buy(place: Place, name: str, quantity: int) -> None:
    """Let the parent fill until it has so much, two at a time."""
    _trade(place, "dip", quantity, lambda: place.fleet.order(name))


def sell(place: Place, name: str, quantity: int) -> None:
    """Let the target fill until it has so much, two at a time."""
    _trade(place, "rally", quantity, lambda: child(place, name, PROFIT))


def _trade(
    place: Place, move: str, quantity: int, order: Callable[[], dict[str, Any] | None]
) -> None:
    def filled() -> int:
        found = order()
        return 0 if found is None else int(found["filled_quantity"])

    for _ in range(20):
        before = filled()
        if before >= quantity:
            break
        place.move(move, 2)
        with suppress(AssertionError):  # a fresh quote may have been missed
            wait_until(lambda: filled() > before, 3)  # noqa: B023
    assert filled() == quantity


def kinds(place: Place, name: str, *, open_only: bool = True) -> list[str]:
    """Alerts of a bracket and its children."""
    rows = place.fleet.query(
        """SELECT a.kind FROM alerts a JOIN orders o USING (order_id)
        LEFT JOIN orders p ON p.order_id = o.parent_order_id
        WHERE coalesce(p.client_order_id, o.client_order_id) = %s
            AND (a.resolved_at IS NULL OR NOT %s) ORDER BY a.at""",
        name,
        open_only,
    )
    return [row["kind"] for row in rows]


def flat(place: Place, name: str) -> None:
    """Let the stop close what is open, so that the next test begins with nothing."""
    for _ in range(10):
        if covered(place, name) == (0, 0):
            break
        place.move("fall", 8)
    wait_until(lambda: covered(place, name) == (0, 0), WITHIN, "the end of the bracket")

    def ended() -> bool:
        found = [child(place, name, role) for role in (STOP, PROFIT)]
        return all(one is None or one["state"] not in WORKING for one in found)

    wait_until(ended, WITHIN, "the children's end")


def test_a_parent_that_fills_in_parts(place: Place) -> None:
    """Four fills, one after the other at once: both children are for all of it, as one order."""
    name = bracket(place)
    buy(place, name, 8)
    await_cover(place, name, 8)
    assert len(held(place, name, STOP)) == len(held(place, name, PROFIT)) == 1
    assert kinds(place, name, open_only=False) == []
    flat(place, name)


def test_what_the_target_fills_the_stop_gives_up(place: Place) -> None:
    """In the end the stop is for what is left, and closes it: the position is flat."""
    name = bracket(place)
    buy(place, name, 8)
    await_cover(place, name, 8)
    sell(place, name, 6)
    await_cover(place, name, 2)
    flat(place, name)
    stop = child(place, name, STOP)
    assert stop is not None
    assert stop["filled_quantity"] == stop["quantity"] == 2
    assert stop["state"] == "FILLED"
    assert kinds(place, name, open_only=False) == []


def test_both_at_once(place: Place) -> None:
    """The parent buys on while its target sells: neither size is the other's last word."""
    name = bracket(place)
    buy(place, name, 4)
    await_cover(place, name, 4)
    place.move("rally", 2)
    place.move("dip", 2)
    place.move("rally", 2)
    buy(place, name, 8)
    profit = child(place, name, PROFIT)
    assert profit is not None
    wait_until(lambda: (child(place, name, PROFIT) or {})["filled_quantity"] == 4, WITHIN, "4 sold")
    await_cover(place, name, 4)
    flat(place, name)


def test_a_halt_keeps_the_children_and_not_their_size(place: Place) -> None:
    """Two fills in a halt: at its end the children go out for both."""
    name = bracket(place)
    place.fleet.cli("halt", "--reason", "test")
    place.move("dip", 2)
    wait_until(lambda: child(place, name, STOP), what="a stop that waits")
    buy(place, name, 8)
    assert covered(place, name) == (0, 0)
    place.fleet.cli("resume")
    await_cover(place, name, 8)
    flat(place, name)


def test_later_fills_are_protected_again(place: Place) -> None:
    """The target filled all there was; what the parent fills later is covered by both again."""
    name = bracket(place)
    buy(place, name, 4)
    await_cover(place, name, 4)
    sell(place, name, 4)
    buy(place, name, 8)
    await_cover(place, name, 4)
    flat(place, name)


def test_a_stop_that_its_producer_cancels(place: Place) -> None:
    """It stays cancelled, the target stays, and what is bare is named until it is closed."""
    name = bracket(place, 4)
    buy(place, name, 4)
    await_cover(place, name, 4)
    stop = child(place, name, STOP)
    assert stop is not None
    command = place.fleet.client.cancel(stop["client_order_id"])
    await_cover(place, name, 0, 4)
    wait_until(lambda: place.fleet.client.command(command).outcome == "DONE", what="the cancel")
    wait_until(lambda: kinds(place, name) == ["UNPROTECTED"], WITHIN, "the alert")
    entry = f"{name}-e"
    place.fleet.client.place(
        side="BUY", quantity="1", client_order_id=entry, **place.terms() | {"order_type": "MARKET"}
    )
    refused = place.fleet.await_state(entry, "REJECTED")
    assert "4 SPY" in refused["reason"]
    assert "no working stop" in refused["reason"]
    sell(place, name, 4)
    wait_until(lambda: kinds(place, name) == [], WITHIN, "the alert to be settled")


@at_a_venue
def test_a_stop_that_the_venue_ends(place: Place) -> None:
    """It is reported and placed again, once."""
    name = bracket(place, 4)
    buy(place, name, 4)
    await_cover(place, name, 4)
    assert place.end(held(place, name, STOP)[0]["venue_order_id"])
    wait_until(lambda: kinds(place, name) == ["PROTECTION_ENDED"], WITHIN, "the alert")
    await_cover(place, name, 4)
    assert len(held(place, name, STOP)) == 2
    flat(place, name)


@at_a_venue
def test_a_refused_change(place: Place) -> None:
    """It is reported, tried again after a pause, and settled; not more than twice a minute."""
    name = bracket(place)
    buy(place, name, 4)
    await_cover(place, name, 4)
    place.fleet.venue.arm("reject", on="modify", code="109", reason="no", times=2)
    buy(place, name, 8)
    wait_until(lambda: "CHANGE_REFUSED" in kinds(place, name), WITHIN, "the alert")
    await_cover(place, name, 8)
    wait_until(lambda: kinds(place, name) == [], WITHIN, "the alert to be settled")
    assert place.fleet.venue.fired("reject") == 2
    flat(place, name)


@at_a_venue
def test_a_change_whose_answer_is_lost(place: Place) -> None:
    """It names a size, so it is asked for again; in the end there is one size."""
    name = bracket(place)
    buy(place, name, 4)
    await_cover(place, name, 4)
    place.lose_reply("modify")
    place.move("dip", 2)
    buy(place, name, 8)
    await_cover(place, name, 8)
    flat(place, name)
