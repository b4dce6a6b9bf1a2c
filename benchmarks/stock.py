"""What we are measured against: stock Celery and its chain of eight tasks that do nothing."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import Any

from celery import Celery, chain, signals

STEPS = 8
QUEUE = "stock"
SETTINGS: dict[str, Any] = {
    "task_default_queue": QUEUE,
    "task_ignore_result": True,
    "worker_send_task_events": True,
    "task_send_sent_event": True,
    "broker_connection_retry_on_startup": True,
}

app = Celery("stock", broker=os.environ.get("REDIS_URL"))
app.conf.update(SETTINGS)
_done = os.environ.get("STOCK_DONE_FILE")
_file = os.open(_done, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) if _done else -1


def _nothing(order: str) -> None:
    del order


def _end(order: str) -> None:
    # A line in a file costs two microseconds: the chain is not charged for being watched.
    os.write(_file, line(order, time.time_ns()).encode())


TASKS = tuple(
    app.task(name=f"stock.step_{number}")(_nothing if number < STEPS else _end).name
    for number in range(1, STEPS + 1)
)


def line(order: str, at: int) -> str:
    """What the eighth task writes; `at` is in nanoseconds since the epoch."""
    return f"{order} {at}\n"


@signals.worker_ready.connect
def _say_ready(**_: object) -> None:
    file = os.environ.get("STOCK_READY_FILE")
    if file:
        Path(file).touch()


def producer(url: str) -> Celery:
    """The application as its producer has it."""
    made = Celery("stock-producer", broker=url)
    made.conf.update(SETTINGS)
    return made


def send(producer: Celery, order: str) -> None:
    """Send one chain of eight."""
    steps = [producer.signature(name, args=(order,), immutable=True) for name in TASKS]
    chain(*steps).apply_async()


@signals.after_setup_logger.connect
def _quiet(**_: object) -> None:
    """Say no more of each task than our workers do: nothing."""
    for name in ("celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(name).setLevel(logging.WARNING)
