"""Takes messages in: one that is no Celery message at all must not end the worker.

Celery unpacks a body as [args, kwargs, embed] without looking; any other JSON raises in the
consumer, ends the worker, is redelivered to the next, and so stops a queue for ever. Nor is one
obeyed that is not signed, where messages must be (`workers.trust`). What is refused is acknowledged
once that is recorded, not before (`workers.unrecorded`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog
from celery.worker import strategy

from workers import trust
from workers.context import context
from workers.unrecorded import held

_PARTS = 3
_SHOWN = 2_000


def guarded(task: Any, app: Any, consumer: Any, **options: Any) -> Callable[..., Any]:
    """Celery's own strategy behind a check of the body; see `celery.worker.strategy.default`."""
    handle = strategy.default(task, app, consumer, **options)

    def received(
        message: Any, body: Any, ack: Callable[[], None], reject: Any, callbacks: Any, **kw: Any
    ) -> Any:
        again = partial(received, message, body, ack, reject, callbacks, **kw)
        waiting = held(consumer, message, again)
        try:
            if not _obeyed(task.name, message, body):
                message.ack_log_error(logging.getLogger(__name__), consumer.connection_errors)
                return None
        except Exception as error:  # noqa: BLE001 - whatever it was, nothing was recorded
            waiting.again(error)
            return None
        return handle(message, body, ack, reject, callbacks, **kw)

    return received


def _obeyed(task: str, message: Any, body: Any) -> bool:
    """Whether a message is for its task to do; one that is not has been recorded as refused.

    Raises whatever keeps that from being recorded: the message must not be acknowledged then.
    """
    refused = trust.refusal(message)
    if refused is not None:
        trust.refuse(message, task, refused)
        return False
    if _readable(message, body):
        return True
    text = shown(message)
    structlog.get_logger().error("unreadable message refused", task=task, body=text)
    if task == "tasks.place_order":
        # Malformed requests are stored too; recovery publishes the refusal.
        context().intake.receive({"unreadable message": text})
    return False


def shown(message: Any) -> str:
    """The beginning of a message's body, as it may be stored and logged."""
    return trust.body_of(message)[:_SHOWN].decode("utf-8", "replace")


def _readable(message: Any, body: Any) -> bool:
    """Whether the body has the shape of Celery's protocol 2, or 1 (then `body` is the payload)."""
    try:
        payload = message.payload if body is None else body
    except Exception:  # noqa: BLE001 - a decoder may raise anything; RecursionError for one
        return False
    if isinstance(payload, dict):
        return (
            isinstance(payload.get("args", []), list)
            and isinstance(payload.get("kwargs", {}), dict)
            and body is not None
        )
    if not isinstance(payload, list) or len(payload) != _PARTS:
        return False
    arguments, named, embed = payload
    return (
        isinstance(arguments, list) and isinstance(named, dict) and isinstance(embed, dict | None)
    )
