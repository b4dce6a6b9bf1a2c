"""Going on in place: the next link of an order's chain runs here, without a message to ourselves.

Where the next step's queue is one that this worker serves, its message would travel to Redis and
back to this very process. Instead the step is run at once, in the same thread, as the Celery task
that it is: with a request, an id, events, counters and log lines of its own, after the step before
it has ended. Everywhere else, and whenever the worker is stopping, the link goes out as a message.
What a broker's session has heard starts step 5 so, in a thread of the pool (`start`).

Nothing durable hangs on it: a step that dies between two links is found by recovery, exactly as one
whose message was lost.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC
from typing import Any, Literal

import structlog
from celery import Celery
from celery.app.trace import fast_trace_task
from celery.concurrency.base import apply_target
from celery.concurrency.thread import TaskPool
from celery.utils import uuid
from celery.worker import state
from celery.worker.request import Request
from celery.worker.state import task_reserved
from kombu.exceptions import OperationalError

from execution.domain.orders import Order
from execution.faultpoints import reach
from execution.settings import current
from execution.store.clock import now

_thread = threading.local()
_enabled = current().continue_in_place


class StepRequest(Request):
    """A step that came as a message; what it leaves for this place is run after it.

    In a thread pool Celery calls these methods in the thread that ran the task. In a prefork pool
    they run in another process than the task, which then finds no request and sends messages.
    """

    def on_accepted(self, pid: Any, time_accepted: float) -> None:
        super().on_accepted(pid, time_accepted)
        _thread.request, _thread.left = self, None

    def maybe_expire(self) -> Literal[True] | None:
        """Whether it came too late, by the database's clock; it is not run then."""
        expires = self.expires
        if expires is None or now() <= (expires if expires.tzinfo else expires.replace(tzinfo=UTC)):
            return None
        state.revoked.add(self.id)
        return True

    def __init_subclass__(cls, **options: Any) -> None:
        """Wrap `on_success` of the class that `create_request_cls` derives from this one.

        That class has one of its own, which calls no other.
        """
        super().__init_subclass__(**options)
        end = cls.on_success

        def on_success(self: Request, result: tuple[int, Any, float], **more: Any) -> None:
            left = _take()
            # Between a step, its next message sent, and what runs after it in this place.
            reach(f"{self.name.removeprefix('tasks.')}:done")
            end(self, result, **more)
            if left is not None and not result[0]:
                _run(_InPlace(_Before.of(self), *left))

        cls.on_success = on_success  # type: ignore[assignment]

    def on_failure(self, *arguments: Any, **options: Any) -> None:
        _take()
        super().on_failure(*arguments, **options)


class _Message:
    """What a request reads of a message, for one that never was on its way."""

    body = None

    def __init__(self, queue: str, payload: tuple[Any, ...]) -> None:
        self.delivery_info = {"exchange": "", "routing_key": queue, "redelivered": False}
        self.properties: dict[str, Any] = {}
        self.payload = payload


@dataclass(frozen=True, slots=True)
class _Before:
    """What a step has of the one before it, or of its worker when it is the first."""

    app: Celery | None
    hostname: str
    eventer: Any
    connection_errors: Sequence[Any]
    id: str | None = None
    root_id: str | None = None

    @classmethod
    def of(cls, request: Request) -> _Before:
        return cls(
            request.app,
            request.hostname,
            request.eventer,
            request.connection_errors,
            request.id,
            request.root_id or request.id,
        )


class _InPlace(Request):
    """A step that is run where the one before it ran."""

    def __init__(
        self, before: _Before, links: Sequence[dict[str, Any]], handed: Order | None
    ) -> None:
        link, key = links[-1], uuid()
        args, kwargs = tuple(link["args"]), dict(link["kwargs"])
        payload = (args, kwargs, {"chain": list(links[:-1])})
        headers = {
            "id": key,
            "task": link["task"],
            "lang": "py",
            "root_id": before.root_id or key,
            "parent_id": before.id,
            "argsrepr": repr(args),
            "kwargsrepr": link["options"].get("kwargsrepr", "{}"),
            "retries": 0,
            "ignore_result": True,
            "handed": handed,
            # Else Celery takes `handed` for a header, which a retry would have to send.
            "headers": {},
        }
        super().__init__(
            _Message(link["options"]["queue"], payload),
            hostname=before.hostname,
            eventer=before.eventer,
            app=before.app,
            connection_errors=before.connection_errors,
            headers=headers,
            body=payload,
            decoded=True,
        )

    def run(self) -> tuple[Sequence[dict[str, Any]], Order | None] | None:
        """Run it as the pool would; returns what it leaves for this place in its turn."""
        task_reserved(self)
        self.send_event(
            "task-received",
            name=self.name,
            args=self.argsrepr,
            kwargs=self.kwargsrepr,
            root_id=self.root_id,
            parent_id=self.parent_id,
            retries=0,
            eta=None,
            expires=None,
        )
        ended: list[tuple[int, Any, float]] = []
        apply_target(
            fast_trace_task,
            (self.type, self.id, self.request_dict, self.body, None, None),
            callback=ended.append,
            accept_callback=self._accepted,
        )
        left = _take()
        reach(f"{self.name.removeprefix('tasks.')}:done")
        self.on_success(ended[0])
        return None if ended[0][0] else left

    def _accepted(self, pid: Any, time_accepted: float) -> None:
        self.on_accepted(pid, time_accepted)
        _thread.request, _thread.left = self, None


def _run(step: _InPlace) -> None:
    """Run a step and whatever follows it in this place."""
    left = step.run()
    while left is not None:
        step = _InPlace(_Before.of(step), *left)
        left = step.run()


def _take() -> tuple[Sequence[dict[str, Any]], Order | None] | None:
    left: tuple[Sequence[dict[str, Any]], Order | None] | None = getattr(_thread, "left", None)
    _thread.request = _thread.left = None
    return left


def forget_left() -> None:
    """Let nothing follow in this thread: the task that left it has failed."""
    _take()


def possible(app: Celery, task_id: str | None, queue: str) -> bool:
    """Whether the task that runs in this thread may leave its next link here."""
    request = getattr(_thread, "request", None)
    return request is not None and request.id == task_id and _serves(app, queue)


def _serves(app: Celery, queue: str) -> bool:
    return (
        _enabled
        and queue in app.amqp.queues.consume_from
        and state.should_stop is None
        and state.should_terminate is None
    )


def leave(links: Sequence[dict[str, Any]], handed: Order | None) -> None:
    """Leave the rest of a chain, the next link last, for after the task that runs now.

    `handed` is the order as the step wrote it, which the next would otherwise read; it finds it in
    `request.handed`. It may be stale by then, as anything read may.
    """
    _thread.left = (links, handed)


def start(worker: Any, links: Sequence[dict[str, Any]], handed: Order | None) -> bool:
    """Run the rest of a chain in a thread of the worker's pool, as if its message had come.

    False where it has to be a message; so it becomes if the pool ends before it has begun.
    """
    app, consumer, link = worker.app, getattr(worker, "consumer", None), links[-1]
    if consumer is None or not isinstance(worker.pool, TaskPool):
        return False
    # A worker that is about to start has sessions and a pool, and tasks that cannot run yet.
    if app.tasks[link["task"]].__trace__ is None or not _serves(app, link["options"]["queue"]):
        return False
    before = _Before(app, consumer.hostname, consumer.event_dispatcher, consumer.connection_errors)
    try:
        begun = worker.pool.apply_async(_run, (_InPlace(before, links, handed),), callback=_ended)
    except RuntimeError:  # the pool takes nothing any more
        return False

    def end(future: Future[None]) -> None:
        if future.cancelled():
            _send_instead(app, links)
        elif (error := future.exception()) is not None:  # no task's: those end in their request
            structlog.get_logger().error("chain in place failed", error=repr(error))

    begun.f.add_done_callback(end)
    return True


def _send_instead(app: Celery, links: Sequence[dict[str, Any]]) -> None:
    """While the worker stops: it must not be held up, and recovery sends what is lost here."""
    *rest, link = links
    try:
        app.signature(link).apply_async(chain=rest, retry=False)
    except OperationalError as error:
        structlog.get_logger().warning("not sent on", task=link["task"], error=str(error))


def _ended(result: object) -> None:
    """Celery calls this after what the pool ran."""
    del result
