"""FX through bridge and terminal with real workers: netted, once, and whatever goes wrong."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from tests.fleet import PRICES, Fleet, Servers, flush, wait_until
from tests.venues import Mt4Venue

LOT = 100_000


@pytest.fixture(scope="module")
def fleet(
    mt4_venue: type[Mt4Venue],
    servers: Servers,
    module_database_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Fleet]:
    """Workers whose MT4 is a bridge with a simulated terminal."""
    flush(servers.valkey.url)
    home = tmp_path_factory.mktemp("mt4") / "home"
    queues = ("orders", "mt4", "paper")
    with Fleet(
        module_database_url, servers.valkey.url, home, queues=queues, venue=mt4_venue
    ) as fleet:
        yield fleet


@pytest.fixture
def venue(fleet: Fleet) -> Mt4Venue:
    """Bridge and terminal."""
    assert isinstance(fleet.venue, Mt4Venue)
    return fleet.venue


@pytest.fixture(autouse=True)
def judged(fleet: Fleet) -> Iterator[None]:
    """The venue as it was before a test; ledger, tables and event stream compared after it."""
    fleet.venue.disarm()
    fleet.set_prices(PRICES)
    yield
    fleet.venue.disarm()
    fleet.judge()


def new_id(name: str) -> str:
    """A fresh client_order_id."""
    return f"{name}-{uuid4().hex[:8]}"


def place(fleet: Fleet, name: str, **changes: Any) -> None:
    """A MARKET BUY of one lot of EURUSD, with changes."""
    order = {"symbol": "EURUSD", "side": "BUY", "quantity": str(LOT), "client_order_id": name}
    fleet.client.place(**(order | changes))


def position(fleet: Fleet) -> Decimal:
    """What our executions add up to."""
    rows = fleet.query("SELECT quantity FROM positions WHERE symbol = 'EURUSD'")
    return rows[0]["quantity"] if rows else Decimal(0)


def flatten(fleet: Fleet) -> None:
    """Net whatever a test before has left."""
    held = position(fleet)
    if held:
        name = new_id("flat")
        side = "SELL" if held > 0 else "BUY"
        place(fleet, name, side=side, quantity=str(abs(held)))
        fleet.await_state(name, "FILLED")


def open_tickets(fleet: Fleet) -> list[dict[str, Any]]:
    """The positions that the terminal holds."""
    tickets = fleet.venue.control("GET", "ledger")["tickets"]
    return [ticket for ticket in tickets if not ticket["close_time"]]


def test_bought_and_netted(fleet: Fleet) -> None:
    """LIVE through all eight steps; a SELL of the same closes the ticket instead of opening one."""
    flatten(fleet)
    bought, sold = new_id("buy"), new_id("sell")
    placed = fleet.cli("place", "EURUSD", "BUY", "100000", "--id", bought, "--wait", "20")
    assert placed.returncode == 0, placed.stderr
    order = fleet.await_state(bought, "FILLED")
    assert (order["execution_mode"], order["broker"]) == ("LIVE", "MT4")
    shown = json.loads(fleet.cli("show", bought, "--json").stdout)
    assert all(step["at"] for step in shown["steps"])
    (ticket,) = open_tickets(fleet)
    place(fleet, sold, side="SELL")
    fleet.await_state(sold, "FILLED")
    (attempt,) = fleet.query(
        "SELECT a.* FROM order_attempts a JOIN orders USING (order_id) WHERE client_order_id = %s",
        sold,
    )
    assert attempt["closes"] == str(ticket["ticket"])
    assert open_tickets(fleet) == []
    assert position(fleet) == 0


def test_several_tickets_are_closed_first_in_first_out(fleet: Fleet) -> None:
    """A larger SELL closes two, one of them in part of what is sold, and opens what remains."""
    flatten(fleet)
    for quantity in ("100000", "50000"):
        name = new_id("buy")
        place(fleet, name, quantity=quantity)
        fleet.await_state(name, "FILLED")
    first, second = (str(ticket["ticket"]) for ticket in open_tickets(fleet))
    name = new_id("sell")
    place(fleet, name, side="SELL", quantity="230000")
    order = fleet.await_state(name, "FILLED")
    attempts = fleet.query(
        "SELECT * FROM order_attempts WHERE order_id = %s ORDER BY attempt_no", order["order_id"]
    )
    assert [(one["closes"], one["quantity"], one["state"]) for one in attempts] == [
        (first, 100000, "FILLED"),
        (second, 50000, "FILLED"),
        (None, 80000, "FILLED"),
    ]
    assert position(fleet) == -80000
    (left,) = open_tickets(fleet)
    assert Decimal(left["lots"]) == Decimal("0.8")


def test_the_next_close_follows_at_once(fleet: Fleet) -> None:
    """It goes out when the one before is done, not when recovery finds the order standing."""
    flatten(fleet)
    for _ in range(4):
        name = new_id("buy")
        place(fleet, name)
        fleet.await_state(name, "FILLED")
    name = new_id("sell")
    place(fleet, name, side="SELL", quantity=str(4 * LOT))
    order = fleet.await_state(name, "FILLED")
    gaps = [
        row["gap"].total_seconds()
        for row in fleet.query(
            """SELECT min(at) FILTER (WHERE step = 'connect_gateway') - lag(max(at)
                    FILTER (WHERE step = 'publish_fill_event')) OVER (ORDER BY attempt_no) AS gap
            FROM order_events WHERE order_id = %s AND attempt_no IS NOT NULL
            GROUP BY attempt_no ORDER BY attempt_no OFFSET 1""",
            order["order_id"],
        )
    ]
    assert len(gaps) == 3
    assert sorted(gaps)[1] < 1  # STEP_DEADLINE is 2 s here


def test_a_part_of_a_ticket(fleet: Fleet) -> None:
    """The rest of it stays open, under the number that the server gives it."""
    flatten(fleet)
    bought, sold = new_id("buy"), new_id("sell")
    place(fleet, bought)
    fleet.await_state(bought, "FILLED")
    place(fleet, sold, side="SELL", quantity="30000")
    fleet.await_state(sold, "FILLED")
    assert position(fleet) == 70000
    (ticket,) = open_tickets(fleet)
    assert Decimal(ticket["lots"]) == Decimal("0.7")
    flatten(fleet)
    assert open_tickets(fleet) == []


def test_reduce_only_never_opens(fleet: Fleet) -> None:
    """With nothing to reduce it is REJECTED, and not simulated."""
    flatten(fleet)
    name = new_id("reduce")
    place(fleet, name, side="SELL", reduce_only=True)
    order = fleet.await_state(name, "REJECTED")
    assert "reduce_only" in order["reason"]
    assert open_tickets(fleet) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"quantity": "500"}, "below MT4's minimum of 1000"),
        ({"order_type": "STOP_LIMIT", "limit_price": "1", "stop_price": "1"}, "STOP_LIMIT"),
        ({"time_in_force": "IOC"}, "does not take IOC"),
        ({"symbol": "EURNOK"}, "not among those of the terminal"),
    ],
)
def test_what_it_never_takes_is_rejected(fleet: Fleet, changes: dict[str, str], words: str) -> None:
    """Named, and neither sent nor simulated."""
    name = new_id("never")
    place(fleet, name, **changes)
    order = fleet.await_state(name, "REJECTED")
    assert words in order["reason"]
    assert order["broker"] == "MT4"


def test_a_market_order_with_an_end(fleet: Fleet) -> None:
    """GTD: it is sent until then, whether it opens a ticket or closes one."""
    flatten(fleet)
    terms = {"time_in_force": "GTD", "expires_at": "2100-12-29T22:00:00+00:00"}
    bought, sold = new_id("buy"), new_id("sell")
    place(fleet, bought, **terms)
    fleet.await_state(bought, "FILLED")
    place(fleet, sold, side="SELL", **terms)
    assert fleet.await_state(sold, "FILLED")["execution_mode"] == "LIVE"
    assert open_tickets(fleet) == []


def test_an_order_whose_time_is_over_is_not_sent(fleet: Fleet) -> None:
    """It waited for its broker for too long: EXPIRED, and nothing of it at the venue."""
    name = new_id("over")
    fleet.venue.control("POST", "terminal", {"running": False})
    ends = (datetime.now(UTC) + timedelta(seconds=3)).isoformat()
    place(fleet, name, on_failure="wait", time_in_force="GTD", expires_at=ends)
    order = fleet.await_state(name, "EXPIRED", timeout=60)
    fleet.venue.control("POST", "terminal", {"running": True})
    assert "not sent until" in order["reason"]
    attempts = fleet.query("SELECT * FROM order_attempts WHERE order_id = %s", order["order_id"])
    ids = {attempt["venue_order_id"] for attempt in attempts}
    after = new_id("after")
    place(fleet, after, on_failure="wait")
    fleet.await_state(after, "FILLED", timeout=60)  # the terminal is back
    assert not ids & {one["venue_order_id"] for one in fleet.venue.orders()}


def test_a_stop_out(fleet: Fleet) -> None:
    """The broker closes a position of ours: an execution, and somebody has to look."""
    flatten(fleet)
    name = new_id("buy")
    place(fleet, name)
    fleet.await_state(name, "FILLED")
    (ticket,) = open_tickets(fleet)
    fleet.venue.control("POST", "positions/stop_out", {"ticket": ticket["ticket"]})
    alerts = "SELECT message FROM alerts WHERE kind = 'UNKNOWN_ORDER' AND key LIKE %s"
    wait_until(lambda: fleet.query(alerts, f"%C{ticket['ticket']}"), what="the alert")
    wait_until(lambda: position(fleet) == 0, what="the position")


def test_a_pending_order_fills_moves_and_ends(fleet: Fleet) -> None:
    """LIMIT and STOP rest at the server; a new price changes in place, a new quantity does not."""
    flatten(fleet)
    moved, cancelled = new_id("limit"), new_id("stop")
    place(fleet, moved, order_type="LIMIT", limit_price="1.05")
    place(fleet, cancelled, order_type="STOP", stop_price="1.2")
    order = fleet.await_state(moved, "SUBMITTED")
    fleet.await_state(cancelled, "SUBMITTED")
    fleet.client.modify(moved, expected_version=order["version"], limit_price="1.070004")
    wait_until(
        lambda: (fleet.order(moved) or {})["limit_price"] == Decimal("1.07"), what="the new price"
    )
    assert (fleet.order(moved) or {})["attempt_no"] == 1
    fleet.client.cancel(cancelled)
    fleet.await_state(cancelled, "CANCELLED")
    fleet.venue.price("EURUSD", "1.06", "1.0601")
    filled = fleet.await_state(moved, "FILLED")
    assert filled["average_price"] <= Decimal("1.07")


@pytest.mark.parametrize("keeps", ["filled", "rest", "neither"])
def test_a_limit_that_fills_in_parts(fleet: Fleet, keeps: str) -> None:
    """Whoever keeps its ticket: PARTIALLY_FILLED with each part, and cancelled with what it has."""
    flatten(fleet)
    name = new_id("parts")
    place(fleet, name, order_type="LIMIT", limit_price="1.05", quantity="500000")
    order = fleet.await_state(name, "SUBMITTED")
    (attempt,) = fleet.query("SELECT * FROM order_attempts WHERE order_id = %s", order["order_id"])

    def is_filled(quantity: int) -> bool:
        return bool((fleet.order(name) or {})["filled_quantity"] == quantity)

    for lots, filled in (("2", 200_000), ("1", 300_000)):
        fleet.venue.control(
            "POST",
            "orders/fill",
            {"venue_order_id": attempt["venue_order_id"], "lots": lots, "keeps": keeps},
        )
        wait_until(partial(is_filled, filled), what="the part")
        assert (fleet.order(name) or {})["state"] == "PARTIALLY_FILLED"
    fleet.client.cancel(name)
    order = fleet.await_state(name, "CANCELLED")
    assert order["filled_quantity"] == position(fleet) == 300_000
    flatten(fleet)
    assert open_tickets(fleet) == []


def test_positions_closed_by_each_other(fleet: Fleet) -> None:
    """By hand, at the venue: our books and the terminal's go on agreeing."""
    flatten(fleet)
    name = new_id("buy")
    place(fleet, name, quantity="300000")
    fleet.await_state(name, "FILLED")
    (bought,) = open_tickets(fleet)
    by_hand = {"symbol": "EURUSD", "side": "SELL", "lots": "1"}
    sold = fleet.venue.control("POST", "positions", by_hand)["ticket"]
    reports = "SELECT 1 FROM execution_reports WHERE broker_order_id = %s"
    both = {"ticket": bought["ticket"], "by": sold}
    fleet.venue.control("POST", "positions/close_by", both)
    wait_until(
        lambda: len(fleet.query(reports, str(sold))) == 2,
        what="both ends of what was sold by hand",
    )
    wait_until(lambda: position(fleet) == 2 * LOT, what="the position")
    status, said = fleet.reconcile("MT4")
    assert (status, said["breaks"]) == (0, [])
    flatten(fleet)


@pytest.mark.parametrize("code", ["134", "148"])
def test_a_refusal_is_rejected(fleet: Fleet, code: str) -> None:
    """Not enough money, too many orders: REJECTED with its number, and not simulated."""
    name = new_id("refused")
    fleet.venue.arm("reject", on="submit", code=code)
    place(fleet, name)
    order = fleet.await_state(name, "REJECTED")
    (attempt,) = fleet.query("SELECT * FROM order_attempts WHERE order_id = %s", order["order_id"])
    assert (attempt["broker"], attempt["state"]) == ("MT4", "REJECTED")
    assert attempt["error_code"] == code


def test_a_closed_market_is_waited_for(fleet: Fleet) -> None:
    """`wait` waits, with an alert, without another try until a price moves; then it fills, live."""
    name = new_id("closed")
    fleet.venue.arm("reject", on="submit", code="132")
    place(fleet, name, on_failure="wait")
    waiting = "SELECT message FROM alerts a JOIN orders o USING (order_id) WHERE a.kind = 'WAITING'"
    wait_until(
        lambda: fleet.query(f"{waiting} AND client_order_id = %s AND resolved_at IS NULL", name),
        what="the alert",
    )
    wait_until(
        lambda: "not traded now" in ((fleet.order(name) or {}).get("reason") or ""),
        what="the symbol's state",
    )
    order = fleet.order(name) or {}
    assert (order["state"], order["broker"], order["attempt_no"]) == ("PENDING", "MT4", 2)
    fleet.venue.price("EURUSD", "1.1", "1.10008")
    order = fleet.await_state(name, "FILLED", timeout=60)
    assert (order["execution_mode"], order["attempt_no"]) == ("LIVE", 2)


def test_a_closed_market_is_not_simulated(fleet: Fleet) -> None:
    """Nobody can trade at its price: REJECTED, though its producer takes paper."""
    name = new_id("closed")
    fleet.venue.arm("reject", on="submit", code="132")
    place(fleet, name, on_failure="paper")
    order = fleet.await_state(name, "REJECTED")
    assert order["broker"] == "MT4"
    fleet.venue.price("EURUSD", "1.1", "1.10008")
    fleet.venue.price("EURUSD", "1.1", "1.1001")  # it trades again


def test_a_server_that_stays_busy(fleet: Fleet) -> None:
    """Another attempt follows after a pause that grows, and none of them is a send in doubt."""
    name = new_id("busy")
    fleet.venue.arm("reject", on="submit", code="146", times=10_000)
    place(fleet, name, on_failure="wait")
    intents = """SELECT e.at FROM order_events e JOIN orders o USING (order_id)
        WHERE client_order_id = %s AND detail ->> 'intent' = 'true' ORDER BY e.at"""
    points = itertools.cycle(range(8, 18))

    def four() -> bool:
        # A test before may have left the symbol closed until its price moves.
        fleet.venue.price("EURUSD", "1.1", f"1.100{next(points):02}")
        return len(fleet.query(intents, name)) > 3

    wait_until(four, timeout=150, what="four tries")
    fleet.venue.price("EURUSD", "1.1", "1.10008")
    at = [row["at"] for row in fleet.query(intents, name)]
    fleet.venue.disarm()
    fleet.await_state(name, "FILLED", timeout=60)
    pauses = [(after - before).total_seconds() for before, after in itertools.pairwise(at)]
    assert pauses[2] > pauses[0] + 1


def test_a_busy_server_is_no_refusal(fleet: Fleet) -> None:
    """It takes nothing for longer than the terminal tries: another attempt fills, live."""
    name = new_id("busy")
    fleet.venue.arm("reject", on="submit", code="4", times=10)
    place(fleet, name)
    order = fleet.await_state(name, "FILLED")
    assert order["execution_mode"] == "LIVE"
    attempts = fleet.query(
        "SELECT state FROM order_attempts WHERE order_id = %s ORDER BY attempt_no",
        order["order_id"],
    )
    assert [one["state"] for one in attempts] == ["REJECTED", "FILLED"]


@pytest.mark.parametrize("code", ["128", "6", "7", "137", "142"])
def test_an_answer_that_says_nothing(fleet: Fleet, code: str) -> None:
    """The send blocks, is answered with such a code and carried out later: once, and live."""
    name = new_id("late")
    fleet.venue.arm("delay", on="submit", seconds=2.5)
    fleet.venue.arm("taken_late", on="submit", code=code, seconds=1.5)
    place(fleet, name, on_failure="paper")
    order = fleet.await_state(name, "FILLED", timeout=60)
    assert order["execution_mode"] == "LIVE"
    (attempt,) = fleet.query("SELECT * FROM order_attempts WHERE order_id = %s", order["order_id"])
    held = [one["venue_order_id"] for one in fleet.venue.orders()]
    assert held.count(attempt["venue_order_id"]) == 1
    (fill,) = fleet.query("SELECT * FROM fills WHERE order_id = %s", order["order_id"])
    assert (fill["execution_mode"], fill["quantity"]) == ("LIVE", LOT)


@pytest.mark.parametrize(
    "point",
    [
        *("after_command", "torn_journal", "before_send", "after_send", "before_report"),
        "after_report",
    ],
)
def test_the_terminal_dies(fleet: Fleet, point: str) -> None:
    """At any point between command and acknowledgement: filled once, or provably never sent."""
    name = new_id("crash")
    fleet.venue.control("POST", "crash", {"at": point})
    place(fleet, name, on_failure="wait")
    # Written down and not sent: after a long look for it nobody sends it again.
    end = "REJECTED" if point == "before_send" else "FILLED"
    order = fleet.await_state(name, end, timeout=60)
    assert fleet.venue.control("GET", "terminal")["crashes"] == []
    filled = fleet.query("SELECT quantity FROM fills WHERE order_id = %s", order["order_id"])
    assert [row["quantity"] for row in filled] == ([LOT] if end == "FILLED" else [])


def test_a_command_that_nobody_fetched(fleet: Fleet) -> None:
    """The terminal is away, so the command expires at the bridge: another one, once it is back."""
    name = new_id("expired")
    fleet.venue.control("POST", "terminal", {"running": False})
    place(fleet, name, on_failure="wait")
    wait_until(
        lambda: "does not show it" in ((fleet.order(name) or {}).get("reason") or ""),
        what="the command to expire",
    )
    fleet.venue.control("POST", "terminal", {"running": True})
    order = fleet.await_state(name, "FILLED")
    attempts = fleet.query(
        "SELECT state FROM order_attempts WHERE order_id = %s ORDER BY attempt_no",
        order["order_id"],
    )
    assert [one["state"] for one in attempts] == ["REJECTED", "FILLED"]
    alerts = "SELECT resolved_at FROM alerts WHERE order_id = %s AND kind = 'UNKNOWN_OUTCOME'"
    assert all(one["resolved_at"] for one in fleet.query(alerts, order["order_id"]))


def test_reconcile_and_doctor(fleet: Fleet) -> None:
    """Tickets, pending orders and what we have of them agree; all is well."""
    name = new_id("resting")
    place(fleet, name, order_type="LIMIT", limit_price="1.05")
    fleet.await_state(name, "SUBMITTED")
    status, said = fleet.reconcile("MT4")
    assert (status, said["problem"], said["breaks"]) == (0, None, [])
    assert said["open_orders"] >= 1
    findings = json.loads(fleet.cli("doctor", "--json").stdout)
    fine = [one["said"] for one in findings if one["what"] == "MT4" and one["level"] == "ok"]
    assert "connected" in fine
    fleet.client.cancel(name)
    fleet.await_state(name, "CANCELLED")


def test_the_bridge_dies_and_comes_back(fleet: Fleet, venue: Mt4Venue) -> None:
    """What rests is watched again; what is placed meanwhile waits within the grace."""
    resting, during = new_id("resting"), new_id("during")
    place(fleet, resting, order_type="LIMIT", limit_price="1.05")
    fleet.await_state(resting, "SUBMITTED")
    venue.stop_bridge()
    place(fleet, during, on_failure="wait")
    venue.start_bridge()
    order = fleet.await_state(during, "FILLED", timeout=60)
    assert order["execution_mode"] == "LIVE"
    fleet.venue.price("EURUSD", "1.04", "1.0401")
    assert fleet.await_state(resting, "FILLED")["execution_mode"] == "LIVE"
