"""Reduce-only orders through real workers, live (the ledger venue) and on paper."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from tests.acceptance.test_cancel_modify import command, modify
from tests.fleet import Fleet, wait_until

LIVE, PAPER = "BTC-USDT", "SPY"
FAR = {LIVE: "90000", PAPER: "900"}
FAR_STOP = {LIVE: "30000", PAPER: "300"}
BOTH = pytest.mark.parametrize("symbol", [LIVE, PAPER])


@pytest.fixture(autouse=True)
def flat(fleet: Fleet) -> None:
    """Nothing held, nothing resting."""
    for row in fleet.query(
        """SELECT client_order_id FROM orders
        WHERE state NOT IN ('FILLED', 'CANCELLED', 'REJECTED', 'EXPIRED')"""
    ):
        fleet.client.cancel(row["client_order_id"])
        fleet.await_state(row["client_order_id"], "CANCELLED", "FILLED")
    for symbol in (LIVE, PAPER):
        left = held(fleet, symbol)
        if left:
            trade(fleet, symbol, "SELL" if left > 0 else "BUY", str(abs(left)))


def held(fleet: Fleet, symbol: str) -> Decimal:
    """The position, live or on paper."""
    rows = fleet.query(
        """SELECT quantity FROM positions WHERE symbol = %s
        UNION ALL SELECT quantity FROM paper_positions WHERE symbol = %s""",
        symbol,
        symbol,
    )
    return sum((row["quantity"] for row in rows), Decimal(0))


def place(fleet: Fleet, symbol: str, side: str, quantity: str, **more: Any) -> str:
    """Place an order."""
    name = f"ro-{uuid4().hex[:8]}"
    if symbol == PAPER:
        more["execution_mode"] = "PAPER"
    fleet.send(symbol=symbol, side=side, quantity=quantity, client_order_id=name, **more)
    return name


def trade(fleet: Fleet, symbol: str, side: str, quantity: str) -> None:
    """A market order that may do anything."""
    fleet.await_state(place(fleet, symbol, side, quantity), "FILLED")


def resting_exit(fleet: Fleet, symbol: str, quantity: str, **more: Any) -> str:
    """A reduce-only SELL that rests."""
    terms = {"order_type": "LIMIT", "limit_price": FAR[symbol], "reduce_only": True, **more}
    name = place(fleet, symbol, "SELL", quantity, **terms)
    fleet.await_state(name, "SUBMITTED")
    return name


@BOTH
def test_cut_to_the_position(fleet: Fleet, symbol: str) -> None:
    """Long 5, `SELL 50`: five are sold; what is shown says why; another finds nothing."""
    trade(fleet, symbol, "BUY", "5")
    name = place(fleet, symbol, "SELL", "50", reduce_only=True)
    order = fleet.await_state(name, "FILLED")
    assert order["filled_quantity"] == order["quantity"] == 5
    history = json.loads(fleet.cli("show", name, "--json").stdout)["history"]
    (line,) = [line for line in history if line["step"] == "reduce_only"]
    assert line["detail"]["note"] == f"reduce_only, cut from 50: 5 {symbol} long; 5 free"
    again = fleet.await_state(place(fleet, symbol, "SELL", "1", reduce_only=True), "REJECTED")
    assert again["reason"] == f"reduce_only: 1 {symbol} asked; 0 {symbol} held; 0 free"
    assert not fleet.query(
        "SELECT 1 FROM alerts WHERE order_id = %s", again["order_id"]
    )  # nothing is exposed by it


@BOTH
def test_resting_ones_share_the_position(fleet: Fleet, symbol: str) -> None:
    """Two that rest never turn it around; the second is cut, the third refused."""
    trade(fleet, symbol, "BUY", "5")
    first, second = resting_exit(fleet, symbol, "3"), resting_exit(fleet, symbol, "5")
    assert (fleet.order(second) or {})["quantity"] == 2
    third = fleet.await_state(place(fleet, symbol, "SELL", "1", reduce_only=True), "REJECTED")
    assert f"3 in {first}; 2 in {second}; 0 free" in third["reason"]


@BOTH
def test_resting_ones_give_way(fleet: Fleet, symbol: str) -> None:
    """The position shrinks: the newest is cut and cancelled, then the older; the stop is last."""
    trade(fleet, symbol, "BUY", "10")
    stop = resting_exit(
        fleet,
        symbol,
        "4",
        order_type="STOP",
        stop_price=FAR_STOP[symbol],
        limit_price=None,
    )
    old, new = resting_exit(fleet, symbol, "3"), resting_exit(fleet, symbol, "3")

    def are(*expected: tuple[str, str]) -> bool:
        return all(
            (fleet.order(name) or {})["quantity"] == Decimal(size)
            if size != "0"
            else (fleet.order(name) or {})["state"] == "CANCELLED"
            for name, size in expected
        )

    trade(fleet, symbol, "SELL", "2")
    wait_until(lambda: are((new, "1"), (old, "3"), (stop, "4")), what="the first cut")
    trade(fleet, symbol, "SELL", "3")
    wait_until(lambda: are((new, "0"), (old, "1"), (stop, "4")), what="the second cut")
    trade(fleet, symbol, "SELL", "2")
    wait_until(lambda: are((new, "0"), (old, "0"), (stop, "3")), what="the stop's cut")
    trade(fleet, symbol, "SELL", "3")
    wait_until(lambda: are((stop, "0")), what="the end of all")


@BOTH
def test_a_halt_does_not_keep_them_too_large(fleet: Fleet, symbol: str) -> None:
    """What rests may fill in a halt: an exit beside it is made smaller all the same."""
    trade(fleet, symbol, "BUY", "5")
    name = resting_exit(fleet, symbol, "5")
    near = {LIVE: ("64500", "64501"), PAPER: ("605.00", "605.02")}[symbol]
    plain = place(fleet, symbol, "SELL", "2", order_type="LIMIT", limit_price=near[0])
    fleet.await_state(plain, "SUBMITTED")
    assert fleet.cli("halt", "--reason", "test").returncode == 0
    try:
        fleet.set_prices({symbol: near})
        fleet.await_state(plain, "FILLED")
        wait_until(lambda: (fleet.order(name) or {})["quantity"] == 3, what="a smaller exit")
    finally:
        assert fleet.cli("resume").returncode == 0


@BOTH
def test_a_worker_dies_before_the_position_is_shared_out(fleet: Fleet, symbol: str) -> None:
    """Right after step 7: recovery finds that more stands than there is."""
    trade(fleet, symbol, "BUY", "5")
    name = resting_exit(fleet, symbol, "5")
    point = "update_positions:commit_1:after"
    fleet.arm_point(point, "kill")
    trade(fleet, symbol, "SELL", "2")
    assert fleet.fired(point)
    wait_until(lambda: (fleet.order(name) or {})["quantity"] == 3, what="a smaller exit")
    fleet.disarm_point(point)


def test_what_the_venue_does_not_make_smaller_is_reported(fleet: Fleet) -> None:
    """CHANGE_REFUSED with the venue's words, for a person; it settles once the order is cut."""
    trade(fleet, LIVE, "BUY", "5")
    name = resting_exit(fleet, LIVE, "5")
    fleet.venue.arm("reject", on="modify", code="10", reason="no changes now")
    trade(fleet, LIVE, "SELL", "1")
    order = fleet.order(name) or {}

    def alert() -> list[dict[str, Any]]:
        return fleet.query(
            "SELECT message FROM alerts WHERE kind = 'CHANGE_REFUSED' AND order_id = %s"
            " AND resolved_at IS NULL",
            order["order_id"],
        )

    (said,) = wait_until(alert, what="the alert")
    assert said["message"] == (
        f"order {name} is not what it should be: the venue refused: no changes now"
    )
    fleet.query(
        "UPDATE order_commands SET settled_at = settled_at - interval '1 minute'"
        " WHERE client_order_id = %s RETURNING 1",
        name,
    )
    wait_until(lambda: (fleet.order(name) or {})["quantity"] == 4, what="the cut")
    assert not alert()


@BOTH
def test_it_may_not_grow_beyond_what_is_free(fleet: Fleet, symbol: str) -> None:
    """A modify to more is refused by name."""
    trade(fleet, symbol, "BUY", "5")
    first, second = resting_exit(fleet, symbol, "2"), resting_exit(fleet, symbol, "2")
    order = fleet.order(first) or {}
    refused = command(fleet, modify(fleet, order, quantity="4"))
    assert refused["reason"] == (
        f"reduce_only: 4 is more than is free beside the others; 5 {symbol} long; "
        f"2 in {second}; 3 free"
    )
    assert command(fleet, modify(fleet, order, quantity="3"))["outcome"] == "DONE"


def test_a_lost_race_is_reported(fleet: Fleet) -> None:
    """The venue keeps an exit whose position has gone, and fills it: by how much is named."""
    trade(fleet, LIVE, "BUY", "5")
    name = resting_exit(fleet, LIVE, "4")
    fleet.venue.arm("reject", on="cancel", code="10", reason="no cancels now", times=9)
    trade(fleet, LIVE, "SELL", "5")
    fleet.venue.price(LIVE, FAR[LIVE], FAR[LIVE])
    order = fleet.await_state(name, "FILLED")
    assert held(fleet, LIVE) == -4
    (said,) = fleet.query(
        "SELECT message FROM alerts WHERE kind = 'REDUCE_ONLY_REVERSED' AND order_id = %s",
        order["order_id"],
    )
    assert said["message"] == f"order {name} is reduce_only, and its SELL went 4 {LIVE} beyond zero"


def protected(fleet: Fleet, quantity: str) -> dict[str, Any]:
    """A bracket on paper that has filled, with its stop and its target at their venue."""
    name = place(fleet, PAPER, "BUY", quantity, take_profit_price="900", stop_loss_price="300")
    order = fleet.await_state(name, "FILLED")
    wait_until(lambda: sizes(fleet, order) == {Decimal(quantity)}, what="its protection")
    return order


def sizes(fleet: Fleet, parent: dict[str, Any]) -> set[Decimal]:
    """What a bracket's children that work stand for; one number where stop and target agree."""
    rows = fleet.query(
        """SELECT quantity - filled_quantity AS leaves FROM orders WHERE parent_order_id = %s
        AND state IN ('SUBMITTED', 'PARTIALLY_FILLED')""",
        parent["order_id"],
    )
    return {row["leaves"] for row in rows} if len(rows) == 2 else set()


def left_of(fleet: Fleet, parent: dict[str, Any]) -> list[str]:
    """Which of a bracket's children are not over."""
    rows = fleet.query(
        """SELECT role FROM orders WHERE parent_order_id = %s
        AND state NOT IN ('FILLED', 'CANCELLED', 'REJECTED', 'EXPIRED')""",
        parent["order_id"],
    )
    return [row["role"] for row in rows]


def alerts(fleet: Fleet) -> list[dict[str, Any]]:
    """What stands of orders on paper."""
    return fleet.query(
        "SELECT kind, message FROM alerts WHERE resolved_at IS NULL AND broker = 'PAPER'"
    )


def test_an_exit_beside_a_bracket(fleet: Fleet) -> None:
    """Part of it, then all: the children make room first, and the exit does not wait for long."""
    parent = protected(fleet, "10")
    order = fleet.await_state(place(fleet, PAPER, "SELL", "4", reduce_only=True), "FILLED")
    (attempt,) = fleet.query("SELECT * FROM order_attempts WHERE order_id = %s", order["order_id"])
    assert (attempt["intent_at"] - attempt["claimed_at"]).total_seconds() < 2
    wait_until(lambda: sizes(fleet, parent) == {Decimal(6)}, what="smaller protection")
    assert held(fleet, PAPER) == 6
    fleet.await_state(place(fleet, PAPER, "SELL", "60", reduce_only=True), "FILLED")
    assert held(fleet, PAPER) == 0
    wait_until(lambda: not left_of(fleet, parent), what="the end of the children")
    assert not alerts(fleet)


def test_an_exit_that_rests_beside_a_bracket(fleet: Fleet) -> None:
    """It takes its part of the protection for as long as it rests, and gives it back."""
    parent = protected(fleet, "10")
    name = resting_exit(fleet, PAPER, "4")
    wait_until(lambda: sizes(fleet, parent) == {Decimal(6)}, what="smaller protection")
    trade(fleet, PAPER, "SELL", "1")
    wait_until(lambda: (fleet.order(name) or {})["quantity"] == 3, what="a smaller exit")
    assert sizes(fleet, parent) == {Decimal(6)}
    fleet.client.cancel(name)
    fleet.await_state(name, "CANCELLED")
    wait_until(lambda: sizes(fleet, parent) == {Decimal(9)}, what="protection for all again")
    trade(fleet, PAPER, "SELL", "9")
    wait_until(lambda: not left_of(fleet, parent), what="the end of the children")
    trade(fleet, PAPER, "BUY", "9")  # is none of the bracket's
    assert not left_of(fleet, parent)
    assert not alerts(fleet)
