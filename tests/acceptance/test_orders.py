"""Orders from a foreign producer to a foreign consumer, through real workers."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
import redis
from celery import Celery

from execution.client import OrderClient
from tests.fleet import TIMINGS, Fleet, wait_until

STEPS = [
    "create_order",
    "persist_order",
    "connect_gateway",
    "submit_order",
    "await_fill",
    "persist_fill",
    "update_positions",
    "publish_fill_event",
]
FILL_KEYS = {
    *("schema", "event_id", "sequence", "type", "order_id", "client_order_id", "symbol"),
    *("asset_class", "side", "broker", "requested_broker", "environment", "account"),
    *("execution_mode", "execution_id", "last_quantity", "last_price", "cumulative_quantity"),
    *("leaves_quantity", "average_price", "currency", "multiplier", "commission"),
    *("commission_currency", "order_state", "executed_at", "strategy"),
}


def new_id(name: str) -> str:
    """A fresh client_order_id."""
    return f"{name}-{uuid4().hex[:8]}"


@pytest.fixture
def client(fleet: Fleet) -> OrderClient:
    """A Python producer's client."""
    return fleet.client


def test_a_celery_app_that_knows_only_the_broker_url(fleet: Fleet) -> None:
    """A task sent by name ends as a fill that a plain redis-py subscriber hears."""
    name = new_id("plain")
    with closing(redis.Redis.from_url(fleet.redis_url)) as subscriber:
        heard = subscriber.pubsub(  # type: ignore[no-untyped-call]
            ignore_subscribe_messages=True
        )
        heard.subscribe("fills")
        heard.get_message(timeout=5)
        with Celery(broker=fleet.redis_url) as producer:
            producer.send_task(
                "tasks.place_order",
                kwargs={
                    "symbol": "GBTC",
                    "side": "BUY",
                    "quantity": "100",
                    "client_order_id": name,
                },
                queue="orders",
            )

        def ours() -> dict[str, Any] | None:
            message = heard.get_message(timeout=0.1)
            event: dict[str, Any] = json.loads(message["data"]) if message else {}
            return event if event.get("client_order_id") == name else None

        event = wait_until(ours, what="the fill's message")
        heard.close()
    assert set(event) == FILL_KEYS
    assert event["type"] == "FILL"
    assert event["execution_mode"] == "PAPER"
    assert (event["requested_broker"], event["broker"]) == ("IBKR", "PAPER")
    assert (event["last_quantity"], event["last_price"]) == ("100", "50.06001")
    assert (event["leaves_quantity"], event["order_state"]) == ("0", "FILLED")


def test_eight_steps_with_times(fleet: Fleet) -> None:
    """`execution show` tells each of the eight steps with its time, in order."""
    name = new_id("steps")
    placed = fleet.cli("place", "SPY", "BUY", "7", "--id", name, "--wait", "20")
    assert placed.returncode == 0, placed.stderr
    shown = json.loads(fleet.cli("show", name, "--json").stdout)
    assert [step["step"] for step in shown["steps"]] == STEPS
    times = [step["at"] for step in shown["steps"]]
    assert all(times)
    assert times == sorted(times)
    assert shown["order"]["state"] == "FILLED"


def test_live_to_filled(fleet: Fleet) -> None:
    """An order goes LIVE to the venue; its ledger, fills and positions agree to the last digit."""
    name = new_id("live")
    fleet.send(symbol="BTC-USDT", side="BUY", quantity="0.123456789", client_order_id=name)
    order = fleet.await_state(name, "FILLED")
    assert (order["broker"], order["execution_mode"]) == ("BINANCE", "LIVE")
    assert order["average_price"] == Decimal(64001)
    (fill,) = fleet.query("SELECT * FROM fills WHERE order_id = %s", order["order_id"])
    (held,) = [
        execution
        for execution in fleet.venue.control("GET", "ledger")["executions"]
        if execution["execution_id"] == fill["execution_id"]
    ]
    assert fill["quantity"] == Decimal(held["quantity"]) == Decimal("0.123456789")
    assert fill["commission"] == Decimal(held["commission"])


def test_a_resting_limit_fills_when_the_price_comes(fleet: Fleet) -> None:
    """A limit waits at the venue, without a worker slot, until its price comes."""
    name = new_id("rest")
    fleet.send(
        symbol="BTC-USDT",
        side="BUY",
        quantity="2",
        order_type="LIMIT",
        limit_price="63000",
        client_order_id=name,
    )
    waiting = fleet.await_state(name, "SUBMITTED")
    assert waiting["filled_quantity"] == 0
    fleet.venue.price("BTC-USDT", "62990", "62995")
    assert fleet.await_state(name, "FILLED")["average_price"] == Decimal(62995)


def test_a_resting_paper_limit_fills_when_the_quote_comes(fleet: Fleet) -> None:
    """The same on paper: a quote that crosses the limit fills it, never worse than the limit."""
    name = new_id("paper-rest")
    fleet.send(
        symbol="GBTC",
        side="BUY",
        quantity="3",
        order_type="LIMIT",
        limit_price="49",
        client_order_id=name,
    )
    fleet.await_state(name, "SUBMITTED")
    fleet.set_prices({"GBTC": ("48.96", "48.98")})
    assert fleet.await_state(name, "FILLED")["average_price"] == Decimal(49)


def test_partial_fills(fleet: Fleet) -> None:
    """Several executions of one order are several fills with one running total."""
    name = new_id("slices")
    fleet.venue.control("POST", "liquidity", {"symbol": "BTC-USDT", "size": "1"})
    fleet.send(
        symbol="BTC-USDT",
        side="SELL",
        quantity="3",
        order_type="LIMIT",
        limit_price="64000",
        client_order_id=name,
    )
    fleet.await_state(name, "PARTIALLY_FILLED")
    fleet.venue.control("POST", "liquidity", {"symbol": "BTC-USDT", "size": None})
    order = fleet.await_state(name, "FILLED")
    fills = fleet.query(
        "SELECT * FROM fills WHERE order_id = %s ORDER BY fill_id", order["order_id"]
    )
    assert sum(fill["quantity"] for fill in fills) == 3
    assert fills[-1]["cumulative_quantity"] == 3
    assert len(fills) > 1


@pytest.mark.parametrize(
    ("on_failure", "scope"),
    [("paper", "ORDER"), ("reject", "ORDER"), ("wait", "ORDER"), ("paper", "VENUE")],
)
def test_refused_by_the_venue(fleet: Fleet, on_failure: str, scope: str) -> None:
    """A definite no is REJECTED with code and reason, and counted; it is not simulated."""
    name = new_id("refused")
    (before,) = fleet.query("SELECT * FROM breakers WHERE broker = 'BINANCE'")
    fleet.venue.arm("reject", code="201", reason="insufficient funds", scope=scope)
    fleet.send(
        symbol="BTC-USDT", side="BUY", quantity="1", client_order_id=name, on_failure=on_failure
    )
    order = fleet.await_state(name, "REJECTED")
    assert order["reason"].endswith("insufficient funds")
    assert (order["broker"], order["execution_mode"]) == ("BINANCE", "LIVE")
    (attempt,) = fleet.query("SELECT * FROM order_attempts WHERE order_id = %s", order["order_id"])
    assert (attempt["state"], attempt["error_code"]) == ("REJECTED", "201")
    (breaker,) = fleet.query("SELECT * FROM breakers WHERE broker = 'BINANCE'")
    assert breaker["total_failures"] == before["total_failures"] + 1
    assert breaker["failures"] == before["failures"] + (scope == "VENUE")
    assert breaker["state"] == "CLOSED"


def test_a_lost_reply_is_unknown_then_found(fleet: Fleet) -> None:
    """The reply of an accepted order is lost: the venue is asked, and nothing is sent again."""
    name = new_id("lost-reply")
    fleet.venue.arm("drop_reply", on="submit")
    fleet.send(symbol="BTC-USDT", side="BUY", quantity="1", client_order_id=name)
    order = fleet.await_state(name, "FILLED")
    states = [
        row["state"]
        for row in fleet.query(
            "SELECT state FROM order_events WHERE order_id = %s ORDER BY at", order["order_id"]
        )
    ]
    assert "UNKNOWN" in states
    (attempt,) = fleet.query(
        "SELECT venue_order_id, intents FROM order_attempts WHERE order_id = %s", order["order_id"]
    )
    held = [o for o in fleet.venue.orders() if o["venue_order_id"] == attempt["venue_order_id"]]
    assert len(held) == 1
    assert attempt["intents"] == 1


def test_a_lost_request_is_sent_again_only_after_proof(fleet: Fleet) -> None:
    """The request never arrived, which nobody knows: it is sent again once absence is proven."""
    name = new_id("lost-request")
    fleet.venue.arm("drop_request", on="submit")
    fleet.send(symbol="BTC-USDT", side="BUY", quantity="1", client_order_id=name)
    order = fleet.await_state(name, "FILLED", timeout=40)
    (attempt,) = fleet.query("SELECT * FROM order_attempts WHERE order_id = %s", order["order_id"])
    held = [o for o in fleet.venue.orders() if o["venue_order_id"] == attempt["venue_order_id"]]
    assert len(held) == 1
    assert attempt["intents"] == 2
    # Until the venue would have refused it, the first might still have been on its way.
    first, second = fleet.query(
        "SELECT at FROM order_events WHERE order_id = %s AND detail ? 'intent' ORDER BY at",
        order["order_id"],
    )
    assert (second["at"] - first["at"]).total_seconds() >= float(TIMINGS["SUBMIT_WINDOW"])


BAD = [
    ({"symbol": "NOTASYMBOL"}, "symbol"),
    ({"side": "HOLD"}, "side"),
    ({"order_type": "ICEBERG"}, "order_type"),
    ({"quantity": None}, "quantity"),
    ({"quantity": "0"}, "quantity"),
    ({"quantity": "-1"}, "quantity"),
    ({"quantity": "NaN"}, "quantity"),
    ({"quantity": "1e400"}, "quantity"),
    ({"quantity": "9" * 30}, "quantity"),
    ({"quantity": "lots"}, "quantity"),
    ({"quantity": [1]}, "quantity"),
    ({"order_type": "LIMIT"}, "limit_price"),
    ({"wings": "2"}, "wings"),
    ({"symbol": "\u0000"}, "symbol"),
    ({"expires_at": {"deep": [[[[]]]]}}, "expires_at"),
]


@pytest.mark.parametrize(("change", "field"), BAD, ids=lambda value: str(value)[:30])
def test_bad_input_is_refused_by_name(fleet: Fleet, change: dict[str, Any], field: str) -> None:
    """A malformed request is stored as REFUSED with the field, and told on `orders`."""
    name = new_id("bad")
    good = {"symbol": "SPY", "side": "BUY", "quantity": "1"}
    fleet.send(**{**good, **change, "client_order_id": name})
    request = wait_until(lambda: fleet.request(name), what="the refusal")
    assert request["outcome"] == "REFUSED"
    assert field in request["reason"]
    assert fleet.order(name) is None


def test_without_an_id_the_task_id_serves(fleet: Fleet) -> None:
    """A request without client_order_id is known by its Celery task's id."""
    with Celery(broker=fleet.redis_url) as producer:
        sent = producer.send_task(
            "tasks.place_order",
            kwargs={"symbol": "SPY", "side": "BUY", "quantity": "1"},
            queue="orders",
        )
    assert fleet.await_state(sent.id, "FILLED")["symbol"] == "SPY"


def test_the_same_request_many_times_is_one_order(fleet: Fleet, client: OrderClient) -> None:
    """Repeats, at once and later, by message and by client, give one order; 0.50 is 0.5."""
    name = new_id("again")
    with ThreadPoolExecutor(8) as pool:
        list(
            pool.map(
                lambda number: fleet.send(
                    symbol="BTC-USDT",
                    side="BUY",
                    quantity="0.50" if number % 2 else "0.5",
                    client_order_id=name,
                ),
                range(16),
            )
        )
    receipt = client.place("BTC-USDT", "BUY", "0.5", client_order_id=name, order_type="MARKET")
    assert receipt.outcome == "ACCEPTED"
    order = fleet.await_state(name, "FILLED")
    assert order["order_id"] == str(receipt.order_id)
    assert len(fleet.query("SELECT 1 FROM order_requests WHERE client_order_id = %s", name)) == 1


def test_another_payload_under_a_used_id(fleet: Fleet, client: OrderClient) -> None:
    """The id stays the first one's; the second request is refused and says so."""
    name = new_id("used")
    assert client.place("SPY", "BUY", "1", client_order_id=name).outcome == "ACCEPTED"
    second = client.place("SPY", "BUY", "2", client_order_id=name)
    assert second.outcome == "REFUSED"
    assert name in str(second.reason)
    assert client.wait(name, 20)["quantity"] == 1


def test_the_client_waits_and_replays(fleet: Fleet, client: OrderClient) -> None:
    """`wait` returns the finished order, `fills` replays what was published."""
    name = new_id("client")
    client.place("SPY", "SELL", "2", client_order_id=name, strategy="tests")
    order = client.wait(name, 20)
    assert order["state"] == "FILLED"
    events = [json.loads(text) for text in client.fills()]
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    assert events[-1]["client_order_id"] == name
    assert events[-1]["strategy"] == "tests"


def test_wait_gives_up(fleet: Fleet, client: OrderClient) -> None:
    """`wait` says how the order stands when the time is over."""
    name = new_id("resting")
    client.place("SPY", "BUY", "1", client_order_id=name, order_type="LIMIT", limit_price="1")
    with pytest.raises(TimeoutError, match=r"after 0\.5 s"):
        client.wait(name, 0.5)
    fleet.await_state(name, "SUBMITTED")


def test_what_a_broker_cannot_do_is_rejected_and_not_rerouted(fleet: Fleet) -> None:
    """A time in force that the venue does not know ends REJECTED, naming it."""
    name = new_id("cannot")
    fleet.send(
        symbol="BTC-USDT", side="BUY", quantity="1", client_order_id=name, time_in_force="DAY"
    )
    order = fleet.await_state(name, "REJECTED")
    assert "time_in_force" in order["reason"]
    assert order["broker"] == "BINANCE"
