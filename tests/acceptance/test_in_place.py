"""Each link of a chain is a Celery task of its own, sent as a message or run in place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.fleet import Fleet
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
    inspected = fleet.celery.control.inspect(timeout=5).stats() or {}
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
