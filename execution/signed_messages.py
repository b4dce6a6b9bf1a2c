"""How our Celery applications sign what they send; see `execution.signing`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from celery.app.amqp import AMQP, task_message
from kombu.utils.json import dumps

from execution.signing import HEADER, Signer
from execution.store.clock import now


def signed_by(signer: Signer | None) -> type[AMQP]:
    """What an application takes as `amqp`: Celery's own, which signs each message if it can."""
    if signer is None:
        return AMQP
    sign = signer.sign

    class SignedMessages(AMQP):
        """Signs every task message, whoever sends it: a step, a retry, beat."""

        @cached_property
        def send_task_message(self) -> Callable[..., Any]:
            send = self._create_task_sender()  # type: ignore[attr-defined]  # its own

            def sign_and_send(
                producer: Any, name: str, message: task_message, **options: Any
            ) -> Any:
                # kombu serialises the very same object to the very same text.
                body = dumps(message.body).encode()
                signature = sign(name, message.headers["id"], body, now().timestamp())
                # A retry brings the headers of the message before it: ours replaces its signature.
                headers = {**(options.pop("headers", None) or {}), HEADER: signature}
                return send(producer, name, message, headers=headers, **options)

            return sign_and_send

    return SignedMessages
