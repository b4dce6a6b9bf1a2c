"""Hears the task events of a fleet's workers, as Flower does."""

from __future__ import annotations

import threading
from typing import Any
from uuid import uuid4

from celery import Celery

from tests.fleet import Fleet, wait_until

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
TASKS = ["place_order", *STEPS]


class Monitor:
    """Hears the workers' task events, as Flower does."""

    def __init__(self, redis_url: str) -> None:
        self.heard: list[dict[str, Any]] = []
        self._app = Celery("monitor", broker=redis_url)
        self._stopping = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        assert self._ready.wait(10)

    def close(self) -> None:
        """Stop listening."""
        self._stopping.set()
        self._thread.join(10)
        self._app.close()

    def of(self, order_id: str, name: str) -> dict[str, list[dict[str, Any]]]:
        """An order's events by task, its intake's too."""
        received = [event for event in self.heard if event["type"] == "task-received"]
        tasks = {
            event["uuid"]: event["name"].removeprefix("tasks.")
            for event in received
            if order_id in event["args"] or name in event["kwargs"]
        }
        found: dict[str, list[dict[str, Any]]] = {task: [] for task in TASKS}
        for event in self.heard:
            if event["uuid"] in tasks:
                found[tasks[event["uuid"]]].append(event)
        return found

    def _listen(self) -> None:
        with self._app.connection_for_read() as connection:
            receiver = self._app.events.Receiver(connection, handlers={"*": self._hear})
            for _ in receiver.consume(limit=None, timeout=0.2, wakeup=False, ignore_timeouts=True):
                self._ready.set()
                if self._stopping.is_set():
                    return

    def _hear(self, event: dict[str, Any]) -> None:
        if event["type"].startswith("task-"):
            self.heard.append(event)


def life(fleet: Fleet, monitor: Monitor, symbol: str) -> dict[str, list[dict[str, Any]]]:
    """The task events of one order, once all of them are there."""
    name = f"life-{uuid4().hex[:8]}"
    fleet.send(symbol=symbol, side="BUY", quantity="1", client_order_id=name)
    order_id = str(fleet.await_state(name, "FILLED")["order_id"])
    rows = fleet.query("SELECT step FROM order_events WHERE order_id = %s ORDER BY at", order_id)
    assert list(dict.fromkeys(row["step"] for row in rows if row["step"] != "waiting")) == STEPS

    def complete() -> dict[str, list[dict[str, Any]]] | None:
        found = monitor.of(order_id, name)
        done = [task for task in TASKS if any(e["type"] == "task-succeeded" for e in found[task])]
        return found if done == TASKS else None

    found: dict[str, list[dict[str, Any]]] = wait_until(complete, what="every task's success")
    return found


def kinds(events: list[dict[str, Any]]) -> set[str]:
    """The types of some events."""
    return {event["type"] for event in events}
