"""Orders to the simulated IB Gateway through real workers: exact, once, and whatever goes wrong."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
import redis

from execution.events.lending import LendingCache
from tests.fleet import PRICES, TIMINGS, Fleet, Servers, flush, wait_until
from tests.venues import IbGatewayVenue

WITHIN = 30.0
ACCOUNT = "DU1234567"


def third_friday(months_ahead: int) -> date:
    """When the options of a month some months ahead end."""
    today = datetime.now(UTC).date()
    month = today.month - 1 + months_ahead
    first = date(today.year + month // 12, month % 12 + 1, 1)
    return first + timedelta(days=(4 - first.weekday()) % 7 + 14)


def next_quarter() -> str:
    """The code of the future of the next quarter's last month, such as H7."""
    today = datetime.now(UTC).date()
    month = (today.month - 1) // 3 * 3 + 5
    return f"{'HMUZ'[month % 12 // 3]}{(today.year + month // 12) % 10}"


OPTION = f"SPY{third_friday(2):%y%m%d}C00600000"
FUTURE = f"ES{next_quarter()}"
MARKETS = {OPTION: ("12.30", "12.40"), FUTURE: ("6000.00", "6000.25")}


@pytest.fixture(scope="module")
def fleet(
    servers: Servers, module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """Workers whose IB Gateway is the simulated one."""
    flush(servers.valkey.url)
    home = tmp_path_factory.mktemp("ibkr") / "home"
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
def judged(fleet: Fleet) -> Iterator[None]:
    """The venue as it was before a test; ledger, tables and event stream compared after it."""
    fleet.venue.disarm()
    fleet.venue.prices(MARKETS)
    fleet.venue.control("POST", "liquidity", {"symbol": "SPY", "size": None, "slice": None})
    fleet.set_prices(PRICES)
    wait_until(lambda: fleet.connected("IBKR"), what="the session")
    yield
    fleet.venue.disarm()
    fleet.judge()


def new_id(name: str) -> str:
    """A fresh client_order_id."""
    return f"{name}-{uuid4().hex[:8]}"


def place(fleet: Fleet, name: str, **changes: Any) -> None:
    """A MARKET BUY of ten shares of SPY, with changes."""
    order = {"symbol": "SPY", "side": "BUY", "quantity": "10", "client_order_id": name}
    fleet.client.place(**(order | changes))


def held(fleet: Fleet, order: dict[str, Any]) -> list[dict[str, Any]]:
    """The orders that the venue holds for an order of ours, oldest first."""
    ids = {one["venue_order_id"] for one in attempts(fleet, order)}
    return [one for one in fleet.venue.orders() if one["venue_order_id"] in ids]


def attempts(fleet: Fleet, order: dict[str, Any]) -> list[dict[str, Any]]:
    """An order's attempts, oldest first."""
    return fleet.query(
        "SELECT * FROM order_attempts WHERE order_id = %s ORDER BY attempt_no", order["order_id"]
    )


def states(fleet: Fleet, order: dict[str, Any]) -> list[str]:
    """The states that an order has gone through."""
    rows = fleet.query(
        "SELECT state FROM order_events WHERE order_id = %s ORDER BY at", order["order_id"]
    )
    return [row["state"] for row in rows]


def agree(fleet: Fleet, order: dict[str, Any], multiplier: int) -> list[dict[str, Any]]:
    """Fills that are the venue's executions to the last digit, commissions included."""

    def costed() -> list[dict[str, Any]]:
        fills = fleet.query("SELECT * FROM fills WHERE order_id = %s", order["order_id"])
        return fills if all(fill["commission"] is not None for fill in fills) else []

    fills: list[dict[str, Any]] = wait_until(costed, what="the commissions")
    ids = {one["venue_order_id"] for one in held(fleet, order)}
    there = [one for one in fleet.venue.executions() if one["venue_order_id"] in ids]
    assert sorted(
        (fill["execution_id"], fill["quantity"], fill["price"], fill["commission"])
        for fill in fills
    ) == sorted(
        (
            one["execution_id"],
            Decimal(one["quantity"]),
            Decimal(one["price"]),
            Decimal(one["commission"]),
        )
        for one in there
    )
    assert sum(fill["commission"] for fill in fills) > 0
    assert {(fill["commission_currency"], fill["multiplier"]) for fill in fills} == {
        ("USD", multiplier)
    }
    return fills


def test_from_the_command_line_to_the_last_digit(fleet: Fleet) -> None:
    """SPY BUY 100 LIVE through all eight steps; ledger, fills and positions agree."""
    name = new_id("cli")
    before = fleet.position("SPY", ACCOUNT)
    placed = fleet.cli("place", "SPY", "BUY", "100", "--id", name, "--wait", "20", "--json")
    assert placed.returncode == 0, placed.stderr
    order = fleet.await_state(name, "FILLED")
    assert (order["execution_mode"], order["broker"]) == ("LIVE", "IBKR")
    shown = json.loads(fleet.cli("show", name, "--json").stdout)
    assert len([step for step in shown["steps"] if step["at"]]) == 8
    agree(fleet, order, 1)
    assert fleet.position("SPY", ACCOUNT) - before == 100


def test_a_limit_on_gbtc(fleet: Fleet) -> None:
    """It rests with a DAY order's terms, and fills when the market comes."""
    name = new_id("gbtc")
    place(fleet, name, symbol="GBTC", quantity="100", order_type="LIMIT", limit_price="49.503")
    order = fleet.await_state(name, "SUBMITTED")
    (there,) = held(fleet, order)
    assert Decimal(there["limit_price"]) == order["limit_price"] == Decimal("49.5")
    fleet.venue.price("GBTC", "49.40", "49.42")
    order = fleet.await_state(name, "FILLED")
    assert order["execution_mode"] == "LIVE"
    agree(fleet, order, 1)


def test_a_trail_by_amount_is_fitted_to_the_step(fleet: Fleet) -> None:
    """TWS takes no auxPrice off the tick (110), of a trail neither."""
    name = new_id("trail")
    place(
        fleet,
        name,
        side="SELL",
        order_type="TRAILING_STOP",
        trail_amount="5.123",
        time_in_force="GTC",
        on_failure="wait",
    )
    order = fleet.await_state(name, "SUBMITTED", "REJECTED")
    assert (order["state"], order["trail_amount"]) == ("SUBMITTED", Decimal("5.12"))
    (there,) = held(fleet, order)
    assert Decimal(there["trail_amount"]) == Decimal("5.12")
    fleet.client.cancel(name)
    fleet.await_state(name, "CANCELLED")


@pytest.mark.parametrize(
    ("symbol", "quantity", "multiplier"), [(OPTION, "2", 100), (FUTURE, "3", 50)]
)
def test_an_option_and_a_future(fleet: Fleet, symbol: str, quantity: str, multiplier: int) -> None:
    """Qualified by expiry, strike and right, or by month; their multiplier in fill and position."""
    name = new_id("derived")
    place(fleet, name, symbol=symbol, quantity=quantity)
    order = fleet.await_state(name, "FILLED")
    assert order["execution_mode"] == "LIVE"
    agree(fleet, order, multiplier)
    held = position(fleet, symbol)
    assert (held["account"], held["multiplier"]) == (ACCOUNT, multiplier)
    assert held["quantity"] == Decimal(quantity)


def test_partial_fills_one_by_one(fleet: Fleet) -> None:
    """Each slice is an execution of its own, with its commission."""
    name = new_id("slices")
    fleet.venue.control("POST", "liquidity", {"symbol": "SPY", "size": None, "slice": "25"})
    place(fleet, name, quantity="100")
    order = fleet.await_state(name, "FILLED")
    assert len(agree(fleet, order, 1)) == 4


@pytest.mark.parametrize("reason", ["MARGIN IS NOT ENOUGH", "The exchange is closed."])
def test_a_refusal_is_rejected(fleet: Fleet, reason: str) -> None:
    """201: REJECTED with its code, and not simulated."""
    fleet.venue.arm("reject", on="submit", code="201", reason=reason)
    name = new_id("refused")
    place(fleet, name)
    order = fleet.await_state(name, "REJECTED")
    assert reason in order["reason"]
    (live,) = attempts(fleet, order)
    assert (live["broker"], live["state"], live["error_code"]) == ("IBKR", "REJECTED", "201")


def test_a_refusal_after_submitted_is_rejected(fleet: Fleet) -> None:
    """It works at first; when TWS says no after all, step 5 ends it. It counts as a failure."""

    def failures() -> int:
        (row,) = fleet.query("SELECT total_failures FROM breakers WHERE broker = 'IBKR'")
        return int(row["total_failures"])

    before = failures()
    fleet.venue.arm("late_reject", on="submit", seconds=0.3, code="201", reason="NO SHARES")
    name = new_id("late")
    place(fleet, name, order_type="LIMIT", limit_price="610")
    order = fleet.await_state(name, "REJECTED")
    assert "NO SHARES" in order["reason"]
    (live,) = attempts(fleet, order)
    assert (live["broker"], live["state"]) == ("IBKR", "REJECTED")
    assert "SUBMITTED" in states(fleet, order)
    assert failures() == before + 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"symbol": "DUAL"}, "ambiguous at Interactive Brokers"),
        ({"symbol": "NOSUC"}, "lists no NOSUC"),
        ({"quantity": "0.5"}, "below IBKR's minimum of 1"),
        ({"order_type": "MARKET_ON_CLOSE", "time_in_force": "GTC"}, "time_in_force"),
    ],
)
def test_what_it_never_takes_is_rejected(fleet: Fleet, changes: dict[str, str], words: str) -> None:
    """Named, and neither sent nor simulated."""
    name = new_id("never")
    place(fleet, name, **changes)

    def refused() -> str | None:
        order, request = fleet.order(name), fleet.request(name)
        if order is not None and order["state"] == "REJECTED":
            return str(order["reason"])
        return request["reason"] if request is not None else None

    assert words in wait_until(refused, what="the refusal")
    order = fleet.order(name)
    assert order is None or held(fleet, order) == []


def test_swallowed_and_found(fleet: Fleet) -> None:
    """Not a word about it until the client connects anew: UNKNOWN, found, FILLED, once."""
    fleet.venue.arm("swallow", on="submit")
    name = new_id("swallowed")
    place(fleet, name)
    order = fleet.await_state(name, "FILLED", timeout=60)
    assert "UNKNOWN" in states(fleet, order)
    assert (order["execution_mode"], len(held(fleet, order))) == ("LIVE", 1)


@pytest.mark.parametrize("kind", ["drop_reply", "drop_request", "error_reply", "unavailable"])
def test_whatever_the_answer(fleet: Fleet, kind: str) -> None:
    """One order at the venue, LIVE and FILLED, whether it had arrived or not."""
    fleet.venue.arm(kind, on="submit")
    name = new_id(kind.replace("_", "-"))
    place(fleet, name, on_failure="wait")
    order = fleet.await_state(name, "FILLED", timeout=60)
    assert (order["execution_mode"], len(held(fleet, order))) == ("LIVE", 1)


def test_cancel_and_modify(fleet: Fleet) -> None:
    """A change in place under the same id at the venue; then a cancel."""
    name = new_id("change")
    place(fleet, name, order_type="LIMIT", limit_price="590")
    order = fleet.await_state(name, "SUBMITTED")
    command = fleet.client.modify(
        name, expected_version=order["version"], quantity="20", limit_price="591"
    )
    wait_until(lambda: fleet.client.command(command).outcome == "DONE", what="the change")
    (there,) = held(fleet, order)
    assert Decimal(there["quantity"]) == 20
    assert Decimal(there["limit_price"]) == 591
    fleet.client.cancel(name)
    order = fleet.await_state(name, "CANCELLED")
    assert order["quantity"] == 20


def test_a_change_of_price_that_is_refused(fleet: Fleet) -> None:
    """Refused by TWS with a code of its own: the order keeps its price here as it does there."""
    name = new_id("refused-price")
    place(fleet, name, order_type="LIMIT", limit_price="590")
    order = fleet.await_state(name, "SUBMITTED")
    fleet.venue.arm("reject", on="modify", code="109", reason="price out of range")
    command = fleet.client.modify(
        name, expected_version=order["version"], quantity="10", limit_price="500"
    )
    wait_until(lambda: fleet.client.command(command).outcome != "PENDING", what="the change")
    settled = fleet.client.command(command)
    assert (settled.outcome, settled.sends) == ("REFUSED", 1)
    assert "price out of range" in (settled.reason or "")
    (there,) = held(fleet, order)
    after = fleet.await_state(name, "SUBMITTED")
    assert Decimal(there["limit_price"]) == after["limit_price"] == 590
    cancel = fleet.client.cancel(name)
    wait_until(lambda: fleet.client.command(cancel).outcome == "DONE", what="the cancel")


def test_a_change_is_fitted_to_the_step(fleet: Fleet) -> None:
    """A BUY's limit rounds down; MODIFIED says what it became, and the venue shows the same."""
    name = new_id("fitted-change")
    place(fleet, name, order_type="LIMIT", limit_price="590")
    order = fleet.await_state(name, "SUBMITTED")
    command = fleet.client.modify(
        name, expected_version=order["version"], quantity="8.7", limit_price="589.987"
    )
    wait_until(lambda: fleet.client.command(command).outcome == "DONE", what="the change")
    after = fleet.await_state(name, "SUBMITTED")
    (there,) = held(fleet, order)
    expected = (Decimal(8), Decimal("589.98"))
    assert (after["quantity"], after["limit_price"]) == expected
    assert (Decimal(there["quantity"]), Decimal(there["limit_price"])) == expected
    (event,) = fleet.query(
        "SELECT payload FROM events WHERE order_id = %s AND type = 'MODIFIED'", order["order_id"]
    )
    assert event["payload"]["reason"] == "quantity 8, limit_price 589.98"
    fleet.client.cancel(name)
    fleet.await_state(name, "CANCELLED")


def test_a_late_commission_is_joined(fleet: Fleet) -> None:
    """The fill is told at once; what it cost follows."""
    fleet.venue.arm("late_commission", seconds=1.0)
    name = new_id("cost")
    place(fleet, name)
    order = fleet.await_state(name, "FILLED")
    agree(fleet, order, 1)


def test_a_correction_and_a_bust(fleet: Fleet) -> None:
    """Another price, then no trade at all: fills and position follow."""
    name = new_id("corrected")
    place(fleet, name)
    order = fleet.await_state(name, "FILLED")
    (fill,) = agree(fleet, order, 1)
    correction = {
        "venue_order_id": held(fleet, order)[0]["venue_order_id"],
        "kind": "CORRECTION",
        "corrects": fill["execution_id"],
        "quantity": "10",
        "price": "599.50",
    }
    fleet.venue.control("POST", "executions", correction)

    def now(status: str) -> bool:
        rows = fleet.query("SELECT status FROM fills WHERE order_id = %s", order["order_id"])
        return [row["status"] for row in rows] == [status]

    wait_until(lambda: now("CORRECTED"), what="the correction")
    corrected = fleet.await_state(name, "FILLED")
    assert corrected["average_price"] == Decimal("599.50")


def test_a_revised_commission(fleet: Fleet) -> None:
    """TWS charges another amount than before, twice: fill, position and consumers follow."""
    name = new_id("revised")
    place(fleet, name)
    order = fleet.await_state(name, "FILLED")
    (fill,) = agree(fleet, order, 1)
    before = Decimal(position(fleet, "SPY")["commission"])
    for amount in ("0.35", "0.20"):
        charge = {"execution_id": fill["execution_id"], "commission": amount}
        fleet.venue.control("POST", "commission", charge)

        def follows(paid: Decimal = Decimal(amount)) -> bool:
            now = Decimal(position(fleet, "SPY")["commission"])
            return now == before - Decimal(fill["commission"]) + paid

        wait_until(follows, what=f"a commission of {amount}")
    told = fleet.query(
        """SELECT payload ->> 'commission' AS paid FROM events
        WHERE order_id = %s AND type = 'COMMISSION' ORDER BY event_no""",
        order["order_id"],
    )
    assert [row["paid"] for row in told][-2:] == ["0.35", "0.2"]


def position(fleet: Fleet, symbol: str) -> dict[str, Any]:
    """What the books say of a symbol."""
    (row,) = fleet.query(
        "SELECT * FROM positions WHERE broker = 'IBKR' AND account = %s AND symbol = %s",
        ACCOUNT,
        symbol,
    )
    return row


def test_a_bracket(fleet: Fleet) -> None:
    """The children are orders of ours in one group at the venue; one fills, the other goes."""
    name = new_id("bracket")
    place(fleet, name, take_profit_price="610", stop_loss_price="590", on_failure="wait")
    parent = fleet.await_state(name, "FILLED")

    def children() -> list[dict[str, Any]]:
        rows = fleet.query(
            "SELECT * FROM orders WHERE parent_order_id = %s AND state = 'SUBMITTED'",
            parent["order_id"],
        )
        return rows if len(rows) == 2 else []

    family = wait_until(children, what="the children")
    fleet.venue.price("SPY", "611", "611.02")
    ended = {
        one["order_type"]: fleet.await_state(one["client_order_id"], "FILLED", "CANCELLED")
        for one in family
    }
    assert {kind: order["state"] for kind, order in ended.items()} == {
        "LIMIT": "FILLED",
        "STOP": "CANCELLED",
    }


def test_the_daily_restart(fleet: Fleet) -> None:
    """The gateway is away for a moment; what rested fills while it is back, live."""
    name = new_id("resting")
    place(fleet, name, order_type="LIMIT", limit_price="590", time_in_force="GTC")
    fleet.await_state(name, "SUBMITTED")
    fleet.venue.control("POST", "restart", {"seconds": 1.0})
    fleet.venue.price("SPY", "589", "589.02")
    order = fleet.await_state(name, "FILLED")
    assert order["execution_mode"] == "LIVE"
    agree(fleet, order, 1)


@pytest.mark.parametrize("back", [1101, 1102])
def test_the_line_to_ib_is_lost_and_restored(fleet: Fleet, back: int) -> None:
    """From 1100 nothing goes out; after 1101 or 1102 everything is heard, then orders go on."""
    resting, waiting = new_id("resting"), new_id("waiting")
    place(fleet, resting, order_type="LIMIT", limit_price="590", time_in_force="GTC")
    fleet.await_state(resting, "SUBMITTED")
    fleet.venue.control("POST", "connectivity", {"code": 1100})
    wait_until(lambda: fleet.statuses("IBKR") == {"DOWN"}, what="the session going down")
    place(fleet, waiting, on_failure="wait")
    fleet.venue.price("SPY", "589", "589.02")
    fleet.venue.control("POST", "connectivity", {"code": back})
    assert fleet.await_state(resting, "FILLED")["execution_mode"] == "LIVE"
    order = fleet.await_state(waiting, "FILLED")
    assert (order["execution_mode"], len(held(fleet, order))) == ("LIVE", 1)


def test_gone_and_back(fleet: Fleet) -> None:
    """Away beyond the grace: new orders go to paper, sent ones do not; back: live by itself."""
    resting, away, back = new_id("resting"), new_id("away"), new_id("back")
    place(fleet, resting, order_type="LIMIT", limit_price="590", time_in_force="GTC")
    fleet.await_state(resting, "SUBMITTED")
    fleet.venue.stop()
    try:
        time_out = float(TIMINGS["LOST_CONNECTION_GRACE"]) + WITHIN
        place(fleet, away)
        order = fleet.await_state(away, "FILLED", timeout=time_out)
        assert order["execution_mode"] == "PAPER"
        waiting = fleet.order(resting)
        assert waiting is not None
        assert (waiting["state"], waiting["execution_mode"]) == ("SUBMITTED", "LIVE")
    finally:
        fleet.venue.start()
        fleet.set_prices(PRICES)
    wait_until(lambda: fleet.connected("IBKR"), what="the session")
    place(fleet, back)
    assert fleet.await_state(back, "FILLED")["execution_mode"] == "LIVE"
    fleet.venue.price("SPY", "589", "589.02")
    order = fleet.await_state(resting, "FILLED")
    assert (order["execution_mode"], len(held(fleet, order))) == ("LIVE", 1)


def test_what_rests_when_the_worker_dies_is_taken_up(fleet: Fleet) -> None:
    """Killed with -9: the next one has the same client id, and hears what happened meanwhile."""
    name = new_id("orphan")
    place(fleet, name, order_type="LIMIT", limit_price="590", time_in_force="GTC")
    fleet.await_state(name, "SUBMITTED")
    os.kill(fleet.pid_of("worker-ibkr"), signal.SIGKILL)
    fleet.venue.price("SPY", "589", "589.02")
    order = fleet.await_state(name, "FILLED", timeout=60)
    assert (order["execution_mode"], len(held(fleet, order))) == ("LIVE", 1)
    agree(fleet, order, 1)


def test_a_trade_by_hand_is_booked_with_an_alert(fleet: Fleet) -> None:
    """Somebody trades on the account past us: the position knows, and a person is told."""
    fleet.venue.control(
        "POST",
        "executions",
        {"symbol": "AAPL", "side": "BUY", "quantity": "5", "price": "230", "commission": "1"},
    )

    def told() -> bool:
        return bool(fleet.query("SELECT 1 FROM alerts WHERE kind = 'UNKNOWN_ORDER'"))

    wait_until(told, what="the alert")


def test_how_many_shares_may_be_shorted(fleet: Fleet) -> None:
    """Who has no connection to a broker wants to know of GBTC, and reads it, with its age."""
    fleet.venue.control("POST", "shortable", {"symbol": "GBTC", "shares": 4200})
    with closing(redis.Redis.from_url(fleet.redis_url)) as client:
        cache = LendingCache(client)
        assert cache.get("GBTC") is None
        cache.want(["GBTC", "BTC-USDT"])
        said = wait_until(lambda: cache.get("GBTC"), what="the word on GBTC")
        assert (said.shares, said.source) == (Decimal(4200), "IBKR")
        assert timedelta(0) <= said.age(datetime.now(UTC)) < timedelta(seconds=WITHIN)
        assert cache.get("BTC-USDT") is None


def test_the_doctor_says_that_all_is_well(fleet: Fleet) -> None:
    """The broker is connected, without a remedy."""
    said = {
        finding["what"]: finding
        for finding in json.loads(fleet.cli("doctor", "--json").stdout)
        if finding["level"] == "ok"
    }
    assert said["IBKR"]["said"] == "connected"


def test_reconcile_lists_what_differs(fleet: Fleet) -> None:
    """Nothing differs; then somebody's own order rests there: told, and left alone."""
    status, said = fleet.reconcile("IBKR")
    assert (status, said["problem"], said["breaks"]) == (0, None, [])
    body = {"symbol": "SPY", "side": "BUY", "order_type": "LIMIT", "quantity": "1"}
    foreign = fleet.venue.control("POST", "orders", body | {"limit_price": "500"})
    status, said = fleet.reconcile("IBKR")
    assert status == 1
    (found,) = said["breaks"]
    assert (found["kind"], found["key"]) == ("FOREIGN_ORDER", foreign["broker_order_id"])
    fleet.venue.control("POST", "orders/cancel", {"broker_order_id": foreign["broker_order_id"]})
    assert fleet.reconcile("IBKR")[0] == 0
