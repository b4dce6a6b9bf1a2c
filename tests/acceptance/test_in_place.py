"""Each link of a chain is a Celery task of its own, sent as a message or run in place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from uuid import uuid4

import pytest

from tests.fleet import Fleet, wait_until
from tests.monitor import STEPS, TASKS, Monitor, kinds, life


@pytest.fixture
def monitor(fleet: Fleet) -> Iterator[Monitor]:
    """A monitor of the fleet's workers."""
    with closing(Monitor(fleet.redis_url)) as monitor:
        yield monitor


def test_in_place(fleet: Fleet, monitor: Monitor) -> None:
    """A paper order's steps run where the first one ran, one after the other, each by its name."""
    found = life(fleet, monitor, "SPY")
    (root,) = {event["uuid"] for event in found["place_order"]}
    parent, ended = root, 0.0
    for task in STEPS:
        events = {event["type"]: event for event in found[task]}
        # No message was sent for it.
        assert set(events) == {"task-received", "task-started", "task-succeeded"}
        received = events["task-received"]
        assert received["root_id"] == root
        assert received["parent_id"] == parent, task
        assert received["timestamp"] >= ended
        assert events["task-succeeded"]["runtime"] > 0
        parent, ended = received["uuid"], events["task-succeeded"]["timestamp"]
    assert len({event["hostname"] for events in found.values() for event in events}) == 1
    inspected = fleet.celery.control.inspect(timeout=5, limit=4).stats() or {}
    total = [stats["total"] for stats in inspected.values()]
    assert all(sum(counts.get(f"tasks.{task}", 0) for counts in total) for task in TASKS)


def test_elsewhere_by_message(fleet: Fleet, monitor: Monitor) -> None:
    """Where a step belongs to another worker's queue, it goes there as a message."""
    found = life(fleet, monitor, "BTC-USDT")
    sent = [task for task in TASKS if "task-sent" in kinds(found[task])]
    assert "connect_gateway" in sent
    assert "persist_order" not in sent
    hosts = {task: {event["hostname"].split("@")[0] for event in found[task]} for task in TASKS}
    assert "binance" in hosts["submit_order"]
    assert "binance" not in hosts["persist_order"]


def test_news_in_place(fleet: Fleet, monitor: Monitor) -> None:
    """What a session hears of a resting order starts step 5 where it was heard, by no message."""
    name = f"rests-{uuid4().hex[:8]}"
    fleet.send(
        symbol="BTC-USDT",
        side="BUY",
        quantity="1",
        order_type="LIMIT",
        limit_price="60000",
        client_order_id=name,
    )
    order_id = str(fleet.await_state(name, "SUBMITTED")["order_id"])
    (attempt,) = fleet.query(
        "SELECT venue_order_id FROM order_attempts WHERE order_id = %s", order_id
    )
    waits = "SELECT 1 FROM order_events WHERE order_id = %s AND step = 'waiting'"
    wait_until(lambda: fleet.query(waits, order_id), what="step 5 that waits")
    report = {"execution_id": name, "quantity": "1", "price": "60000"}
    report["venue_order_id"] = attempt["venue_order_id"]
    fleet.venue.control("POST", "executions", report)
    fleet.await_state(name, "FILLED")

    def told() -> bool:
        done = monitor.of(order_id, name)["publish_fill_event"]
        return "task-succeeded" in kinds(done)

    wait_until(told, what="the last step's success")
    found = monitor.of(order_id, name)
    first, again = (event for event in found["await_fill"] if event["type"] == "task-received")
    assert first["parent_id"] is not None
    assert again["parent_id"] is None
    assert again["root_id"] == again["uuid"]
    parent = again["uuid"]
    for task in STEPS[5:]:
        assert kinds(found[task]) == {"task-received", "task-started", "task-succeeded"}
        (received,) = (event for event in found[task] if event["type"] == "task-received")
        assert (received["root_id"], received["parent_id"]) == (again["uuid"], parent)
        parent = received["uuid"]
    sent = [event["uuid"] for event in found["await_fill"] if event["type"] == "task-sent"]
    assert again["uuid"] not in sent
