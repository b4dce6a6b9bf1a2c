"""Brackets at the simulated IB Gateway: a pair of its own for what is filled, never changed."""

from __future__ import annotations

import os
import signal
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from tests.fleet import PRICES, Fleet, Servers, flush, wait_until
from tests.venues import IbGatewayVenue

STOP, PROFIT = "STOP_LOSS", "TAKE_PROFIT"
WORKING = ("SUBMITTED", "PARTIALLY_FILLED")
WITHIN = 20.0
BUSY = 3
"""How much slower than it should be a machine may make it that runs other tests as well."""


@pytest.fixture(scope="module")
def fleet(
    servers: Servers, module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """Workers whose IB Gateway is the simulated one."""
    flush(servers.valkey.url)
    home = tmp_path_factory.mktemp("brackets") / "home"
    with Fleet(
        module_database_url,
        servers.valkey.url,
        home,
        venue=IbGatewayVenue,
        queues=("orders", "ibkr", "paper"),
        ready=("IBKR", "PAPER"),
    ) as fleet:
        yield fleet


@pytest.fixture(autouse=True)
def anything_trades(fleet: Fleet) -> Iterator[None]:
    """Each test begins and ends with a market that takes any size."""
    liquidity(fleet, None)
    yield
    liquidity(fleet, None)
    if fleet.cli("status", "--json").returncode == 0:
        fleet.cli("resume")


def liquidity(fleet: Fleet, size: str | None) -> None:
    """How much more trades at the market of SPY."""
    fleet.venue.control("POST", "liquidity", {"symbol": "SPY", "size": size, "slice": None})


def bracket(fleet: Fleet, quantity: str = "8", **terms: Any) -> str:
    """A bought position of SPY with a profit taken at 650 and a loss stopped at 550."""
    name = f"bracket-{uuid4().hex[:8]}"
    asked = {"take_profit_price": "650", "stop_loss_price": "550", "on_failure": "wait", **terms}
    fleet.client.place(symbol="SPY", side="BUY", quantity=quantity, client_order_id=name, **asked)
    return name


def resting(fleet: Fleet, quantity: str = "8") -> str:
    """The same at a limit where nothing trades until there is liquidity."""
    liquidity(fleet, "0")
    limit = {"order_type": "LIMIT", "limit_price": "600.02", "time_in_force": "GTC"}
    name = bracket(fleet, quantity, **limit)
    fleet.await_state(name, "SUBMITTED")
    return name


def child(fleet: Fleet, name: str, role: str) -> dict[str, Any] | None:
    """A bracket's child."""
    rows = fleet.query(
        """SELECT c.* FROM orders c JOIN orders p ON c.parent_order_id = p.order_id
        WHERE p.client_order_id = %s AND c.role = %s""",
        name,
        role,
    )
    return rows[0] if rows else None


def held(fleet: Fleet, name: str, role: str) -> list[dict[str, Any]]:
    """What the venue has of a child, every attempt."""
    rows = fleet.query(
        """SELECT a.venue_order_id FROM order_attempts a JOIN orders c USING (order_id)
        JOIN orders p ON c.parent_order_id = p.order_id
        WHERE p.client_order_id = %s AND c.role = %s""",
        name,
        role,
    )
    ids = {row["venue_order_id"] for row in rows}
    return [order for order in fleet.venue.orders() if order["venue_order_id"] in ids]


def leaves(order: dict[str, Any]) -> int:
    """What is left of an order at the venue."""
    left = Decimal(order["quantity"]) - Decimal(order["reduced_by"])
    return int(left - Decimal(order["filled_quantity"])) if order["state"] in WORKING else 0


def covered(fleet: Fleet, name: str) -> tuple[int, int]:
    """What the stop and the target cover at the venue."""
    stop, profit = (sum(map(leaves, held(fleet, name, role))) for role in (STOP, PROFIT))
    return stop, profit


def await_cover(fleet: Fleet, name: str, stop: int, profit: int | None = None) -> None:
    """Stop and target cover so much, and our tables say so."""
    wanted = (stop, stop if profit is None else profit)
    wait_until(
        lambda: covered(fleet, name) == wanted,
        WITHIN,
        f"{wanted} covered (is {covered(fleet, name)})",
    )

    def recorded() -> bool:
        for role, size in zip((STOP, PROFIT), wanted, strict=True):
            order = child(fleet, name, role)
            left = order["quantity"] - order["filled_quantity"] if order is not None else 0
            working = order is not None and order["state"] in WORKING
            if (left if working else 0) != size:
                return False
        return True

    wait_until(recorded, WITHIN, "our tables to follow")


def alerts(fleet: Fleet, name: str, *, open_only: bool = True) -> list[tuple[str, str]]:
    """Alerts of a bracket and its children: kind and message."""
    rows = fleet.query(
        """SELECT a.kind, a.message, a.resolved_at FROM alerts a JOIN orders o USING (order_id)
        LEFT JOIN orders p ON p.order_id = o.parent_order_id
        WHERE coalesce(p.client_order_id, o.client_order_id) = %s ORDER BY a.at""",
        name,
    )
    return [
        (row["kind"], row["message"]) for row in rows if not open_only or row["resolved_at"] is None
    ]


def flat(fleet: Fleet, name: str) -> None:
    """Let the stop close whatever is open, so that the next test begins with nothing."""
    liquidity(fleet, None)
    fleet.venue.price("SPY", "540", "540.02")
    wait_until(lambda: covered(fleet, name) == (0, 0), WITHIN, "the end of the bracket")
    wait_until(
        lambda: all(
            found is None or (found["state"] not in WORKING and found["due_at"] is None)
            for found in (child(fleet, name, role) for role in (STOP, PROFIT))
        ),
        WITHIN,
        "the children's end",
    )
    fleet.set_prices(PRICES)


def closed(fleet: Fleet, name: str) -> Decimal:
    """What the children have closed."""
    found = [child(fleet, name, role) for role in (STOP, PROFIT)]
    return sum((one["filled_quantity"] for one in found if one is not None), Decimal(0))


def test_each_fill_gets_a_pair_of_its_own(fleet: Fleet) -> None:
    """Eight fills, as fast as they come: one stop and one target of a size in each group."""
    name = resting(fleet)
    for _ in range(8):
        liquidity(fleet, "1")
        filled = wait_until(
            lambda: fleet.order(name)["filled_quantity"],  # type: ignore[index]
            what="a fill",
        )
        assert filled >= 0
    wait_until(lambda: fleet.order(name)["state"] == "FILLED", what="all of it")  # type: ignore[index]
    await_cover(fleet, name, 8)
    groups = defaultdict[str, list[tuple[str, str]]](list)
    for role in (STOP, PROFIT):
        for order in held(fleet, name, role):
            groups[order["oca_group"]].append((role, order["quantity"]))
    for members in groups.values():
        assert [role for role, _ in members] == [STOP, PROFIT]
        assert len({quantity for _, quantity in members}) == 1
    assert "" not in groups
    assert alerts(fleet, name, open_only=False) == []
    flat(fleet, name)
    assert closed(fleet, name) == 8


def test_protected_within_two_seconds_of_each_fill(fleet: Fleet) -> None:
    """A slow parent: after each fill stop and target cover it, long before it is done."""
    name = resting(fleet, "3")
    for filled in range(1, 4):
        liquidity(fleet, "1")
        await_cover(fleet, name, filled)
    rows = fleet.query(
        """SELECT max(a.intent_at - f.executed_at) AS longest FROM orders p
        JOIN orders c ON c.parent_order_id = p.order_id JOIN order_attempts a
            ON a.order_id = c.order_id
        JOIN LATERAL (SELECT max(f.executed_at) AS executed_at FROM fills f
            WHERE f.order_id = p.order_id AND f.executed_at < a.created_at) f ON true
        WHERE p.client_order_id = %s""",
        name,
    )
    assert rows[0]["longest"].total_seconds() < 3  # execution times are whole seconds
    flat(fleet, name)


def test_what_the_target_fills_the_stop_gives_up(fleet: Fleet) -> None:
    """Six fills of the target one after the other: the stop is never larger than what is open."""
    name = bracket(fleet)
    fleet.await_state(name, "FILLED")
    await_cover(fleet, name, 8)
    liquidity(fleet, "0")
    fleet.venue.price("SPY", "650", "650.02")
    for filled in range(1, 7):
        liquidity(fleet, "1")
        wait_until(lambda: closed(fleet, name) == filled, what="a fill of the target")  # noqa: B023
        assert covered(fleet, name)[0] == 8 - filled
    await_cover(fleet, name, 2)
    assert len(held(fleet, name, STOP)) == 1
    flat(fleet, name)
    assert closed(fleet, name) == 8
    assert alerts(fleet, name, open_only=False) == []


def test_a_halt_keeps_the_children_and_not_their_size(fleet: Fleet) -> None:
    """Two fills in a halt: at its end the children go out for both."""
    name = resting(fleet)
    fleet.cli("halt", "--reason", "test")
    liquidity(fleet, "1")
    wait_until(lambda: child(fleet, name, STOP), what="a stop that waits")
    liquidity(fleet, "7")
    wait_until(lambda: child(fleet, name, STOP)["quantity"] == 8, what="its size")  # type: ignore[index]
    assert covered(fleet, name) == (0, 0)
    wait_until(lambda: any(kind == "UNPROTECTED" for kind, _ in alerts(fleet, name)), what="alert")
    fleet.cli("resume")
    await_cover(fleet, name, 8)
    wait_until(lambda: alerts(fleet, name) == [], what="the alerts to be settled")
    flat(fleet, name)


def test_later_fills_are_protected_again(fleet: Fleet) -> None:
    """The target has filled all there was; what the parent fills later gets children again."""
    name = resting(fleet)
    liquidity(fleet, "4")
    await_cover(fleet, name, 4)
    liquidity(fleet, None)
    fleet.venue.price("SPY", "651", "651.02")
    wait_until(lambda: child(fleet, name, PROFIT)["state"] == "FILLED", what="the profit")  # type: ignore[index]
    fleet.set_prices(PRICES)
    wait_until(lambda: fleet.order(name)["state"] == "FILLED", what="the rest")  # type: ignore[index]
    await_cover(fleet, name, 4)
    assert child(fleet, name, PROFIT)["filled_quantity"] == 4  # type: ignore[index]
    flat(fleet, name)
    assert closed(fleet, name) == 8


def test_a_stop_that_tws_ends_is_placed_once_more(fleet: Fleet) -> None:
    """It is reported, and placed again with its target; the second time it stays bare."""
    name = bracket(fleet, "4")
    fleet.await_state(name, "FILLED")
    await_cover(fleet, name, 4)
    end_stop(fleet, name)
    wait_until(lambda: kinds(fleet, name) == ["PROTECTION_ENDED"], what="the alert")
    await_cover(fleet, name, 4)
    assert "placed again" in alerts(fleet, name)[0][1]
    end_stop(fleet, name)
    wait_until(lambda: "UNPROTECTED" in kinds(fleet, name), what="the second alert")
    message = dict(alerts(fleet, name))["UNPROTECTED"]
    assert "4 of 4 SPY long have no working stop" in message
    entry = bracket(fleet, "1")
    refused = fleet.await_state(entry, "REJECTED")
    assert "no working stop" in refused["reason"]
    close(fleet, name, "4")


def close(fleet: Fleet, name: str, quantity: str) -> None:
    """Close by hand what has no stop."""
    exit_id = f"{name}-x"
    fleet.client.place(
        symbol="SPY", side="SELL", quantity=quantity, client_order_id=exit_id, reduce_only=True
    )
    fleet.await_state(exit_id, "FILLED")
    wait_until(lambda: "UNPROTECTED" not in kinds(fleet, name), what="the alert to be settled")


def kinds(fleet: Fleet, name: str) -> list[str]:
    """Kinds of a bracket's open alerts."""
    return [kind for kind, _ in alerts(fleet, name)]


def end_stop(fleet: Fleet, name: str) -> None:
    """TWS ends the stop that works."""
    (stop,) = [order for order in held(fleet, name, STOP) if order["state"] in WORKING]
    end = {"venue_order_id": stop["venue_order_id"], "state": "CANCELLED", "reason": "system"}
    fleet.venue.control("POST", "orders/cancel", end)


def test_the_other_stays_when_one_is_cancelled(fleet: Fleet) -> None:
    """TWS cancels a group with its member: the stop is placed alone, and nothing is amiss."""
    name = bracket(fleet, "4")
    fleet.await_state(name, "FILLED")
    await_cover(fleet, name, 4)
    fleet.client.cancel(child(fleet, name, PROFIT)["client_order_id"])  # type: ignore[index]
    await_cover(fleet, name, 4, 0)
    assert alerts(fleet, name, open_only=False) == []
    flat(fleet, name)
    assert closed(fleet, name) == 4


def test_standing_pairs_outlive_a_worker(fleet: Fleet) -> None:
    """Three pairs stand when the worker is killed: each is heard of by the next one."""
    name = resting(fleet, "3")
    for filled in range(1, 4):
        liquidity(fleet, "1")
        await_cover(fleet, name, filled)
    os.kill(fleet.pid_of("worker-ibkr"), signal.SIGKILL)
    wait_until(lambda: not fleet.connected("IBKR"), what="the worker's end")
    flat(fleet, name)
    wait_until(lambda: closed(fleet, name) == 3, WITHIN, "all that was closed")
    assert child(fleet, name, STOP)["state"] == "FILLED"  # type: ignore[index]
    assert kinds(fleet, name) == []


def test_a_busted_parent_loses_its_newest_pair(fleet: Fleet) -> None:
    """What was never bought is not sold: the newest pair goes, a smaller one takes its place."""
    name = resting(fleet, "5")
    liquidity(fleet, "2")
    await_cover(fleet, name, 2)
    liquidity(fleet, "3")
    await_cover(fleet, name, 5)
    order = fleet.order(name)
    assert order is not None
    (last,) = fleet.query(
        "SELECT execution_id FROM fills WHERE order_id = %s AND quantity = 3", order["order_id"]
    )
    (sent,) = fleet.query(
        "SELECT venue_order_id FROM order_attempts WHERE order_id = %s", order["order_id"]
    )
    correction = {
        "venue_order_id": sent["venue_order_id"],
        "kind": "CORRECTION",
        "corrects": last["execution_id"],
        "quantity": "1",
        "price": "600.02",
    }
    fleet.venue.control("POST", "executions", correction)
    await_cover(fleet, name, 3)
    flat(fleet, name)
    assert closed(fleet, name) == 3


def test_an_exit_beside_pairs(fleet: Fleet) -> None:
    """The newest pairs go first and as much as is needed is placed anew; then the exit goes."""
    name = resting(fleet, "6")
    for filled in (2, 4, 6):
        liquidity(fleet, "2")
        await_cover(fleet, name, filled)
    liquidity(fleet, None)
    exits = f"{name}-x"
    fleet.client.place(
        symbol="SPY", side="SELL", quantity="3", client_order_id=exits, reduce_only=True
    )
    gone = fleet.await_state(exits, "FILLED")
    await_cover(fleet, name, 3)
    (attempt,) = fleet.query("SELECT * FROM order_attempts WHERE order_id = %s", gone["order_id"])
    assert (attempt["intent_at"] - attempt["claimed_at"]).total_seconds() < 2 * BUSY
    flat(fleet, name)
    assert closed(fleet, name) == 3
    assert alerts(fleet, name, open_only=False) == []
    (held_now,) = fleet.query("SELECT quantity FROM positions WHERE symbol = 'SPY'")
    assert held_now["quantity"] == 0


def test_another_price_of_a_stop(fleet: Fleet) -> None:
    """TWS takes no change within a group: each pair is replaced, one after the other."""
    name = resting(fleet, "5")
    liquidity(fleet, "2")
    await_cover(fleet, name, 2)
    liquidity(fleet, "3")
    await_cover(fleet, name, 5)
    stop = child(fleet, name, STOP)
    assert stop is not None
    moved = fleet.client.modify(
        stop["client_order_id"], expected_version=stop["version"], stop_price="560"
    )
    wait_until(lambda: fleet.client.command(moved).outcome == "DONE", WITHIN, "the change")
    await_cover(fleet, name, 5)
    working = [order for order in held(fleet, name, STOP) if order["state"] in WORKING]
    assert {order["stop_price"] for order in working} == {"560"}
    resized = fleet.client.modify(
        stop["client_order_id"],
        expected_version=child(fleet, name, STOP)["version"],  # type: ignore[index]
        quantity="1",
    )
    wait_until(lambda: fleet.client.command(resized).outcome == "REFUSED", WITHIN, "the refusal")
    assert kinds(fleet, name) == []
    flat(fleet, name)
    assert closed(fleet, name) == 5


def test_a_stop_in_doubt(fleet: Fleet) -> None:
    """The answer to the stop is lost, and the parent fills on: in the end all of it is covered."""
    name = resting(fleet)
    fleet.venue.arm("drop_reply", on="submit")
    liquidity(fleet, "3")
    wait_until(lambda: fleet.venue.fired("drop_reply"), what="the lost answer")
    liquidity(fleet, "5")
    await_cover(fleet, name, 8)
    flat(fleet, name)
    assert closed(fleet, name) == 8


def test_a_refused_stop_is_placed_once_more(fleet: Fleet) -> None:
    """The venue refuses the stop itself: reported, and placed again; then its target."""
    name = resting(fleet, "4")
    fleet.venue.arm("reject", on="submit", code="201", reason="Order rejected - reason: margin")
    liquidity(fleet, "4")
    wait_until(lambda: "PROTECTION_ENDED" in kinds(fleet, name), WITHIN, "the alert")
    await_cover(fleet, name, 4)
    assert len(held(fleet, name, STOP)) >= 1
    flat(fleet, name)
