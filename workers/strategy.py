"""Takes messages in: one that is no Celery message at all must not end the worker.

Celery unpacks a body as [args, kwargs, embed] without looking; any other JSON raises in the
consumer, ends the worker, is redelivered to the next, and so stops a queue for ever. Nor is one
obeyed that is not signed, where messages must be (`workers.trust`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import structlog
from celery.worker import strategy

from execution.domain.errors import StoreUnavailable
from workers import trust
from workers.context import context

_PARTS = 3
_SHOWN = 2_000


def guarded(task: Any, app: Any, consumer: Any, **options: Any) -> Callable[..., Any]:
    """Celery's own strategy behind a check of the body; see `celery.worker.strategy.default`."""
    handle = strategy.default(task, app, consumer, **options)

    def received(
        message: Any, body: Any, ack: Callable[[], None], reject: Any, callbacks: Any, **kw: Any
    ) -> Any:
        refused = trust.refusal(message)
        if refused is not None:
            trust.refuse(message, task.name, refused)
            message.ack_log_error(logging.getLogger(__name__), consumer.connection_errors)
            return None
        if _readable(message, body):
            return handle(message, body, ack, reject, callbacks, **kw)
        text = bytes(message.body or b"")[:_SHOWN].decode("utf-8", "replace")
        structlog.get_logger().error("unreadable message refused", task=task.name, body=text)
        if task.name == "tasks.place_order":
            # Malformed requests are stored too; recovery publishes the refusal.
            try:
                context().intake.receive({"unreadable message": text})
            except StoreUnavailable as error:
                structlog.get_logger().error("unreadable message not stored", error=str(error))
        message.ack_log_error(logging.getLogger(__name__), consumer.connection_errors)
        return None

    return received


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
