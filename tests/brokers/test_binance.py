"""Orders to the simulated Binance through real workers: exact, once, and whatever goes wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from execution.supervisor.services import project_root
from tests.fleet import PRICES, TIMINGS, Fleet, Servers, flush, wait_until
from tests.venues import BinanceVenue

WITHIN = 30.0


@pytest.fixture(scope="module")
def fleet(
    servers: Servers, module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """Workers whose Binance is the simulated one."""
    flush(servers.valkey.url)
    home = tmp_path_factory.mktemp("binance") / "home"
    with Fleet(module_database_url, servers.valkey.url, home, venue=BinanceVenue) as fleet:
        yield fleet


@pytest.fixture(autouse=True)
def judged(fleet: Fleet) -> Iterator[None]:
    """The venue as it was before a test; ledger, tables and event stream compared after it."""
    fleet.venue.disarm()
    fleet.venue.control("POST", "clock", {"offset_ms": 0})
    fleet.venue.control("POST", "liquidity", {"symbol": "BTC-USDT", "size": None, "slice": None})
    fleet.set_prices(PRICES)
    yield
    fleet.venue.disarm()
    fleet.judge()


def new_id(name: str) -> str:
    """A fresh client_order_id."""
    return f"{name}-{uuid4().hex[:8]}"


def held(fleet: Fleet, order: dict[str, Any]) -> list[dict[str, Any]]:
    """The orders that the venue holds for an order of ours, oldest first."""
    ids = {
        row["venue_order_id"]
        for row in fleet.query(
            "SELECT venue_order_id FROM order_attempts WHERE order_id = %s", order["order_id"]
        )
    }
    return [one for one in fleet.venue.orders() if one["venue_order_id"] in ids]


def states(fleet: Fleet, order: dict[str, Any]) -> list[str]:
    """The states that an order has gone through."""
    rows = fleet.query(
        "SELECT state FROM order_events WHERE order_id = %s ORDER BY at", order["order_id"]
    )
    return [row["state"] for row in rows]


def place(fleet: Fleet, name: str, **changes: Any) -> None:
    """A MARKET BUY of one bitcoin, with changes."""
    order = {"symbol": "BTC-USDT", "side": "BUY", "quantity": "1", "client_order_id": name}
    fleet.client.place(**(order | changes))


def test_from_the_command_line_to_the_last_digit(fleet: Fleet) -> None:
    """LIVE through all eight steps; ledger, fills and positions agree, commission included."""
    name = new_id("cli")
    before = fleet.position("BTC-USDT", "1000")
    placed = fleet.cli("place", "BTC-USDT", "BUY", "0.5", "--id", name, "--wait", "20")
    assert placed.returncode == 0, placed.stderr
    assert "  FILLED  0.5 at 64001  BINANCE LIVE" in placed.stdout
    order = fleet.await_state(name, "FILLED")
    assert (order["execution_mode"], order["broker"]) == ("LIVE", "BINANCE")
    shown = json.loads(fleet.cli("show", name, "--json").stdout)
    assert all(step["at"] for step in shown["steps"])
    assert len(shown["steps"]) == 8
    (there,) = held(fleet, order)
    ours = [
        one for one in fleet.venue.executions() if one["venue_order_id"] == there["venue_order_id"]
    ]
    fills = fleet.query("SELECT * FROM fills WHERE order_id = %s", order["order_id"])
    assert [(fill["execution_id"], fill["quantity"], fill["price"]) for fill in fills] == [
        (one["execution_id"], Decimal(one["quantity"]), Decimal(one["price"])) for one in ours
    ]
    commission = sum(Decimal(one["commission"]) for one in ours)
    assert {fill["commission_currency"] for fill in fills} == {"BTC"}
    assert sum(fill["commission"] for fill in fills) == commission == Decimal("0.0005")
    after = fleet.position("BTC-USDT", "1000")
    assert after - before == Decimal("0.5") - commission


def test_fitted_to_the_steps_of_the_venue(fleet: Fleet) -> None:
    """Quantity down, the BUY's limit down; the order says what was asked and what became of it."""
    name = new_id("fit")
    place(
        fleet,
        name,
        quantity="0.123456789",
        order_type="LIMIT",
        limit_price="64100.119",
        time_in_force="IOC",
    )
    order = fleet.await_state(name, "FILLED")
    (there,) = held(fleet, order)
    assert (order["quantity"], order["limit_price"]) == (Decimal("0.12345"), Decimal("64100.11"))
    assert order["requested_quantity"] == Decimal("0.123456789")
    assert Decimal(there["quantity"]) == order["quantity"]
    assert Decimal(there["limit_price"]) == order["limit_price"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"quantity": "0.000001"}, "below BINANCE's minimum of 0.00001"),
        (
            {"quantity": "0.00002", "order_type": "LIMIT", "limit_price": "60000"},
            "worth 1.2, below BINANCE's minimum of 5",
        ),
        ({"quantity": "0.00002"}, "below BINANCE's minimum of 5"),
        ({"take_profit_price": "70000"}, "does not take brackets"),
        (
            {"order_type": "TRAILING_STOP", "trail_amount": "100", "side": "SELL"},
            "trails by trail_percent only",
        ),
        ({"time_in_force": "DAY"}, "does not take DAY"),
        ({"symbol": "NOSUCHCOIN-USDT"}, "not listed at Binance"),
    ],
)
def test_what_it_never_takes_is_rejected(fleet: Fleet, changes: dict[str, str], words: str) -> None:
    """Named, and neither sent nor simulated."""
    name = new_id("never")
    place(fleet, name, **changes)
    order = fleet.await_state(name, "REJECTED")
    assert words in order["reason"]
    assert (order["broker"], held(fleet, order)) == ("BINANCE", [])


def test_a_refusal_is_rejected(fleet: Fleet) -> None:
    """Selling what is not held: REJECTED with its code, not sent again and not simulated."""
    fleet.venue.control("POST", "balances", {"BTC": "100"})
    name = new_id("refused")
    place(fleet, name, side="SELL", quantity="110")
    order = fleet.await_state(name, "REJECTED")
    assert "insufficient balance" in order["reason"]
    (attempt,) = fleet.query("SELECT * FROM order_attempts WHERE order_id = %s", order["order_id"])
    assert (attempt["broker"], attempt["state"]) == ("BINANCE", "REJECTED")
    assert attempt["error_code"] == "-2010"
    assert held(fleet, order) == []


def test_a_key_that_may_not_trade_is_not_tried_again(fleet: Fleet) -> None:
    """It may read and not trade: sent once, provably not taken, and turned to paper at once."""
    name = new_id("key")
    fleet.venue.arm("reject", on="submit", code="-2015", reason="Invalid API-key.", times=5)
    place(fleet, name)
    order = fleet.await_state(name, "FILLED")
    assert order["execution_mode"] == "PAPER"
    assert fleet.venue.fired("reject") == 1


def test_a_post_only_order_rests_or_is_refused(fleet: Fleet) -> None:
    """LIMIT_MAKER at the venue."""
    resting, taking = new_id("maker"), new_id("taker")
    for name, price in ((resting, "60000"), (taking, "65000")):
        place(
            fleet,
            name,
            order_type="LIMIT",
            limit_price=price,
            post_only=True,
            on_failure="reject",
        )
    order = fleet.await_state(resting, "SUBMITTED")
    assert held(fleet, order)[0]["order_type"] in {"LIMIT_MAKER", "LIMIT"}
    refused = fleet.await_state(taking, "REJECTED")
    assert "immediately match and take" in refused["reason"]
    fleet.client.cancel(resting)
    fleet.await_state(resting, "CANCELLED")


def test_a_trailing_stop_trails_at_the_venue(fleet: Fleet) -> None:
    """In percent; the venue follows the market and sells when it turns."""
    name = new_id("trail")
    place(fleet, name, side="SELL", order_type="TRAILING_STOP", trail_percent="1", quantity="0.1")
    fleet.await_state(name, "SUBMITTED")
    fleet.venue.price("BTC-USDT", "70000", "70001")
    fleet.venue.price("BTC-USDT", "69200", "69201")
    order = fleet.await_state(name, "FILLED")
    assert order["average_price"] == Decimal(69200)


def test_a_change_is_a_cancel_and_a_new_attempt_for_what_is_left(fleet: Fleet) -> None:
    """Partly filled, then a new price and total: two attempts, two orders there, one order here."""
    name = new_id("replace")
    fleet.venue.control("POST", "liquidity", {"symbol": "BTC-USDT", "size": "1", "slice": None})
    place(fleet, name, quantity="3", order_type="LIMIT", limit_price="64500")
    order = fleet.await_state(name, "PARTIALLY_FILLED")
    fleet.venue.control("POST", "liquidity", {"symbol": "BTC-USDT", "size": "0", "slice": None})
    command = fleet.client.modify(
        name, expected_version=order["version"], quantity="4", limit_price="63000"
    )
    wait_until(lambda: fleet.client.command(command).outcome == "DONE", what="the change")
    changed = fleet.await_state(name, "PARTIALLY_FILLED")
    first, second = held(fleet, order)
    assert first["state"] == "CANCELLED"
    assert Decimal(first["filled_quantity"]) == 1
    assert Decimal(second["quantity"]) == 3
    assert Decimal(second["limit_price"]) == 63000
    assert (changed["quantity"], changed["limit_price"], changed["attempt_no"]) == (4, 63000, 2)
    fleet.venue.control("POST", "liquidity", {"symbol": "BTC-USDT", "size": None, "slice": None})
    fleet.venue.price("BTC-USDT", "62000", "62001")
    filled = fleet.await_state(name, "FILLED")
    assert filled["filled_quantity"] == 4
    attempts = fleet.query(
        "SELECT * FROM order_attempts WHERE order_id = %s ORDER BY attempt_no", order["order_id"]
    )
    assert [(one["state"], one["filled_quantity"]) for one in attempts] == [
        ("CANCELLED", 1),
        ("FILLED", 3),
    ]


def test_a_change_is_fitted_or_refused_before_anything_is_cancelled(fleet: Fleet) -> None:
    """To the venue's steps; what it would not take leaves the order that works alone."""
    name = new_id("fitted-change")
    place(fleet, name, order_type="LIMIT", limit_price="60000")
    order = fleet.await_state(name, "SUBMITTED")
    command = fleet.client.modify(
        name, expected_version=order["version"], quantity="0.00001", limit_price="60000"
    )
    wait_until(lambda: fleet.client.command(command).outcome != "PENDING", what="the refusal")
    settled = fleet.client.command(command)
    assert settled.outcome == "REFUSED"
    assert "below BINANCE's minimum" in (settled.reason or "")
    (only,) = held(fleet, order)
    assert only["state"] == "SUBMITTED"
    command = fleet.client.modify(
        name, expected_version=order["version"], quantity="0.1234567", limit_price="60500.119"
    )
    wait_until(lambda: fleet.client.command(command).outcome == "DONE", what="the change")
    after = fleet.await_state(name, "SUBMITTED")
    assert (after["quantity"], after["limit_price"]) == (Decimal("0.12345"), Decimal("60500.11"))
    (event,) = fleet.query(
        "SELECT payload FROM events WHERE order_id = %s AND type = 'MODIFIED'", order["order_id"]
    )
    assert event["payload"]["reason"] == "quantity 0.12345, limit_price 60500.11"
    fleet.client.cancel(name)
    fleet.await_state(name, "CANCELLED")


def test_a_cancel_during_a_change_wins(fleet: Fleet) -> None:
    """The order ends CANCELLED, with nothing left working at the venue."""
    name = new_id("both")
    place(fleet, name, order_type="LIMIT", limit_price="60000")
    order = fleet.await_state(name, "SUBMITTED")
    fleet.venue.arm("delay", on="cancel", seconds=1.0)
    fleet.client.modify(name, expected_version=order["version"], limit_price="60500")
    wait_until(lambda: fleet.venue.fired("delay") == 1, what="the cancel under way")
    cancel = fleet.client.cancel(name)
    ended = fleet.await_state(name, "CANCELLED", "SUBMITTED")
    wait_until(lambda: fleet.client.command(cancel).outcome == "DONE", what="the cancel")
    ended = fleet.await_state(name, "CANCELLED")
    assert all(one["state"] == "CANCELLED" for one in held(fleet, ended))


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("drop_reply", {}),
        ("error_reply", {"status": 504, "code": "-1007"}),
        ("error_reply", {"status": 503, "code": "-1008"}),
        ("error_reply", {"status": 400, "code": "-1006"}),
        ("error_reply", {"status": 502}),
        ("malformed", {"on": "submit"}),
    ],
)
def test_placed_and_not_said(fleet: Fleet, kind: str, options: dict[str, Any]) -> None:
    """It is there, whatever the answer was: UNKNOWN, found, FILLED; one order at the venue."""
    name = new_id("unsaid")
    fleet.venue.arm(kind, **({"on": "submit"} | options))
    place(fleet, name)
    order = fleet.await_state(name, "FILLED")
    assert "UNKNOWN" in states(fleet, order)
    assert len(held(fleet, order)) == 1
    assert order["execution_mode"] == "LIVE"


def test_a_storm_of_429_loses_nothing(fleet: Fleet) -> None:
    """Orders wait while the venue wants no requests, and go out live after that."""
    names = [new_id("storm") for _ in range(5)]
    fleet.venue.arm("rate_limit", on="submit", times=2, seconds=1)
    for name in names:
        place(fleet, name, on_failure="wait", quantity="0.01")
    for name in names:
        order = fleet.await_state(name, "FILLED", timeout=60)
        assert (order["execution_mode"], len(held(fleet, order))) == ("LIVE", 1)


def test_a_clock_that_jumps_is_measured_again(fleet: Fleet) -> None:
    """The venue's clock goes four seconds ahead: nothing is lost, and orders go on."""
    fleet.venue.control("POST", "clock", {"offset_ms": 4000})
    name = new_id("skew")
    place(fleet, name, on_failure="wait")
    order = fleet.await_state(name, "FILLED", timeout=60)
    assert (order["execution_mode"], len(held(fleet, order))) == ("LIVE", 1)


def test_gone_and_back(fleet: Fleet) -> None:
    """Away beyond the grace: new orders go to paper; back: live again by itself."""
    resting, away, back = new_id("resting"), new_id("away"), new_id("back")
    place(fleet, resting, order_type="LIMIT", limit_price="60000")
    fleet.await_state(resting, "SUBMITTED")
    fleet.venue.stop()
    try:
        time_out = float(TIMINGS["LOST_CONNECTION_GRACE"]) + WITHIN
        place(fleet, away)
        order = fleet.await_state(away, "FILLED", timeout=time_out)
        assert order["execution_mode"] == "PAPER"
    finally:
        fleet.venue.start()
        fleet.set_prices(PRICES)
    wait_until(lambda: fleet.connected("BINANCE"), what="the session")
    place(fleet, back)
    assert fleet.await_state(back, "FILLED")["execution_mode"] == "LIVE"
    fleet.venue.price("BTC-USDT", "59000", "59001")
    assert fleet.await_state(resting, "FILLED")["execution_mode"] == "LIVE"


def test_a_trade_by_hand_is_booked_with_an_alert(fleet: Fleet) -> None:
    """Somebody trades on the account past us: the position knows, and a person is told."""
    place(fleet, new_id("before"), quantity="0.01")
    fleet.venue.control(
        "POST",
        "executions",
        {"symbol": "BTC-USDT", "side": "BUY", "quantity": "0.02", "price": "64000"},
    )

    def told() -> bool:
        return bool(fleet.query("SELECT 1 FROM alerts WHERE kind = 'UNKNOWN_ORDER'"))

    wait_until(told, what="the alert")


def test_paper_is_priced_by_the_venue(fleet: Fleet) -> None:
    """A paper order in what nobody quotes is priced by Binance, which is asked for it."""
    fleet.venue.price("SOL-USDT", "150", "150.02")
    name = new_id("paper")
    place(fleet, name, symbol="SOL-USDT", execution_mode="PAPER", quantity="2")
    order = fleet.await_state(name, "FILLED")
    assert abs(order["average_price"] - Decimal("150.02")) < Decimal("0.3")
    rows = fleet.query("SELECT * FROM quotes WHERE symbol = 'SOL-USDT'")
    assert (rows[0]["bid"], rows[0]["source"]) == (Decimal(150), "BINANCE")


def test_market_data_on_request(fleet: Fleet) -> None:
    """Ticker, order book, candles and trades by tasks that the service's own application sends."""
    place(fleet, new_id("trade"), quantity="0.01")
    for task in ("ticker", "order_book", "ohlcv", "trades"):
        sent = subprocess.run(
            [
                *(sys.executable, "-m", "celery", "-A", "workers.app", "call"),
                *(f"tasks.fetch_{task}", "--queue", "binance"),
                *("--kwargs", '{"symbol": "BTC-USDT"}'),
            ],
            env=fleet.environment,
            cwd=project_root(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert sent.returncode == 0, sent.stderr

    def book() -> Any:
        return json.loads(fleet.cli("order-book", "BTC-USDT", "--json").stdout or "null")

    found = wait_until(book, what="the order book")
    assert found["bids"][0][0] == "64000"
    assert found["asks"][0][0] == "64001"

    def candles() -> Any:
        return json.loads(fleet.cli("candles", "BTC-USDT", "--json").stdout or "null")

    last = wait_until(candles, what="candles")[-1]
    assert Decimal(last["low"]) <= Decimal(last["close"]) <= Decimal(last["high"])
    quoted = fleet.query("SELECT * FROM quotes WHERE symbol = 'BTC-USDT'")
    assert quoted[-1]["source"] == "BINANCE"


def test_the_doctor_says_that_all_is_well(fleet: Fleet) -> None:
    """Each thing in a line of its own; no remedy where none is needed."""
    said = {
        finding["what"]: finding
        for finding in json.loads(fleet.cli("doctor", "--json").stdout)
        if finding["level"] == "ok"
    }
    assert said["BINANCE"]["said"] == "connected"
    assert "answers" in said["PostgreSQL"]["said"]
    assert "practice" in said["environment"]["said"]


def test_reconcile_lists_what_differs(fleet: Fleet) -> None:
    """Nothing differs; then somebody's own order rests there: told, alerted, and left alone."""
    status, said = fleet.reconcile("BINANCE")
    assert (status, said["problem"], said["breaks"]) == (0, None, [])
    body = {"symbol": "BTC-USDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
    body |= {"quantity": "1", "price": "50000"}
    foreign = fleet.venue.control("POST", "orders", body)
    status, said = fleet.reconcile("BINANCE")
    assert (status, said["open_orders"]) == (1, 1)
    (found,) = said["breaks"]
    assert (found["kind"], found["key"]) == ("FOREIGN_ORDER", foreign["broker_order_id"])
    alert = "SELECT count(*) FROM alerts WHERE kind = 'FOREIGN_ORDER' AND resolved_at IS NULL"
    assert fleet.query(alert)[0]["count"] == 1
    fleet.venue.control(
        "POST",
        "orders/cancel",
        {"broker_order_id": foreign["broker_order_id"], "state": "CANCELLED"},
    )
    assert fleet.reconcile("BINANCE")[0] == 0
    assert fleet.query(alert)[0]["count"] == 0


def test_reconcile_says_why_it_could_not(fleet: Fleet) -> None:
    """A broker that is not set up is not compared, and that is no success."""
    status, said = fleet.reconcile("IBKR")
    assert status == 1
    assert "IBKR_HOST" in said["problem"]
