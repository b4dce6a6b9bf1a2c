"""A chain that starts in a thread of the pool; what the pool does not run is sent as a message."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery
from celery.app.trace import (
    build_tracer,
    reset_worker_optimizations,
    setup_worker_optimizations,
)
from celery.concurrency.thread import TaskPool
from kombu import Queue

from execution.domain.lifecycle import Step
from execution.domain.orders import Order
from execution.domain.vocabulary import BrokerName
from workers import in_place
from workers.chains import links_from

from .an_order import an_order

ORDER = uuid4()
QUEUE = BrokerName.BINANCE.queue


class Ran:
    """What the step was given, and when it is over."""

    def __init__(self) -> None:
        self.arguments: list[tuple[str, object]] = []
        self.over = threading.Event()


@pytest.fixture
def ran() -> Ran:
    """Nothing yet."""
    return Ran()


@pytest.fixture
def worker(ran: Ran) -> Iterator[Any]:
    """As much of a worker as is needed, with one thread, serving one queue."""
    app = Celery("test", broker=f"memory://{uuid4().hex}", set_as_current=False)

    def step(self: Any, order_id: str) -> None:
        self.request.chain = None  # the steps after it are none of this test's business
        ran.arguments.append((order_id, self.request.handed))
        ran.over.set()

    app.finalize()
    # The real step, where a test before this one has imported it: shared tasks join every app.
    app.tasks.pop(Step.AWAIT_FILL.task, None)
    task = app.task(bind=True, shared=False, name=Step.AWAIT_FILL.task, ignore_result=True)(step)
    task.__trace__ = build_tracer(task.name, task, app=app)  # as a worker does when it starts
    app.amqp.queues.select_add(Queue(QUEUE))
    setup_worker_optimizations(app)
    pool = TaskPool(limit=1, app=app)
    pool.start()
    consumer = SimpleNamespace(hostname="w@test", event_dispatcher=None, connection_errors=())
    yield SimpleNamespace(app=app, pool=pool, consumer=consumer)
    pool.stop()
    reset_worker_optimizations(app)
    app.close()


def waiting(app: Celery) -> int:
    """How many messages waited in the queue; they are gone then."""
    with app.connection_for_read() as connection, connection.channel() as channel:
        return int(Queue(QUEUE, channel=channel).purge() or 0)


def start(worker: Any, handed: Order | None = None) -> bool:
    """Start step 5 of the order."""
    links = links_from(ORDER, Step.AWAIT_FILL, BrokerName.BINANCE)
    return in_place.start(worker, links, handed)


def test_runs_in_the_pool(worker: Any, ran: Ran) -> None:
    """With the order that it was handed, and without a message."""
    order = an_order()
    assert start(worker, order)
    assert ran.over.wait(10)
    assert ran.arguments == [(str(ORDER), order)]
    assert waiting(worker.app) == 0


def test_not_here(worker: Any) -> None:
    """Another worker's queue, a worker that starts or stops: the caller sends the message."""
    elsewhere = links_from(ORDER, Step.AWAIT_FILL, BrokerName.MT4)
    assert not in_place.start(worker, elsewhere, None)
    assert not start(SimpleNamespace(app=worker.app, pool=worker.pool, consumer=None))
    assert not start(SimpleNamespace(app=worker.app, pool=object(), consumer=worker.consumer))
    task = worker.app.tasks[Step.AWAIT_FILL.task]
    runs, task.__trace__ = task.__trace__, None  # as long as the worker is starting
    assert not start(worker)
    task.__trace__ = runs
    worker.pool.stop()
    assert not start(worker)
    assert waiting(worker.app) == 0


def test_the_pool_ends_first(worker: Any, ran: Ran) -> None:
    """What waited for a thread when the pool ended goes out as a message."""
    begun, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        begun.set()
        go_on.wait(10)

    worker.pool.apply_async(hold, callback=lambda _: None)
    assert begun.wait(10)
    assert start(worker)
    ending = threading.Thread(target=worker.pool.stop)
    ending.start()
    while worker.pool.executor._work_queue.qsize() > 1:
        pass
    go_on.set()
    ending.join(10)
    assert ran.arguments == []
    assert waiting(worker.app) == 1
