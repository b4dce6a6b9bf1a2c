"""Has a Celery application sign what it sends; see `execution.signing`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from celery.app.amqp import AMQP, task_message
from kombu.utils.json import dumps

from execution.signing import HEADER, Signed, Signer
from execution.store.clock import now


def signed_by(signer: Callable[[], Signer | None]) -> type[AMQP]:
    """Return what an application takes as `amqp`: Celery's own, which signs each task message.

    `signer` is called for each message, and what it raises ends the sending; where it returns None
    the message goes out unsigned.
    """

    class SignedMessages(AMQP):
        """Signs every task message, whoever sends it: a step, a retry, beat."""

        @cached_property
        def send_task_message(self) -> Callable[..., Any]:
            send = self._create_task_sender()  # type: ignore[attr-defined]  # its own
            default_queue = self.app.conf.task_default_queue

            def sign_and_send(
                producer: Any, name: str, message: task_message, **options: Any
            ) -> Any:
                signs = signer()
                if signs is None:
                    return send(producer, name, message, **options)
                # A retry brings the headers of the message before it: ours replaces its signature.
                headers = dict(options.pop("headers", None) or {})
                signed = Signed(
                    _queue(options, default_queue),
                    {**message.headers, **headers},
                    # kombu serialises the very same object to the very same text.
                    dumps(message.body).encode(),
                )
                headers[HEADER] = signs.sign(signed, now().timestamp())
                return send(producer, name, message, headers=headers, **options)

            return sign_and_send

    return SignedMessages


def _queue(options: Mapping[str, Any], default: str) -> str:
    """The name of the queue that Celery chooses by these options; our exchanges are all direct."""
    queue = options.get("queue")
    if queue is None:
        return str(options.get("routing_key") or default)
    return str(getattr(queue, "name", queue))
