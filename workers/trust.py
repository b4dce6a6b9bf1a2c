"""Whether a message may be obeyed, and what becomes of one that may not.

With TASK_SIGNING_KEY set, a message must be signed with the key, in time, and must not have been
done with before. Steps that go on in place were never messages and pass no check.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import structlog

from execution.settings import current
from execution.signing import HEADER, Signature
from execution.store import alerts, clock
from workers.context import context

TWICE_WITHIN = 60.0
"""Seconds within which a message may come twice though nobody meant it.

A producer sends again what Redis had taken before the connection was lost. Later it is a replay.
"""
_SHOWN = 2_000


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a message is not obeyed; `harmless` when it is only a double of one that was."""

    reason: str
    harmless: bool = False
    replayed: bool = False


def refusal(message: Any) -> Refusal | None:
    """Why a message must not be obeyed; None for one that may, and where no key is set.

    A copy of a message that is still being worked on passes: nothing tells it from a redelivery,
    and the steps do nothing twice. Raises redis.RedisError when Redis went away meanwhile.
    """
    signer = current().signer()
    if signer is None:
        return None
    headers = message.headers if isinstance(message.headers, dict) else {}
    at = clock.now().timestamp()
    found = signer.verify(
        headers.get(HEADER), headers.get("task"), headers.get("id"), body_of(message), at
    )
    if not isinstance(found, Signature):
        return Refusal(found)
    before = cast("bytes | None", context().redis.get(found.spent_key))
    if before is None:
        message.verified = found  # for the transport, which tells when it is acknowledged
        return None
    if headers.get("redelivered") or at - float(before) < TWICE_WITHIN:
        return Refusal("it came twice, and was done with the first time", harmless=True)
    return Refusal("it is the copy of a message that was done with before", replayed=True)


def refuse(message: Any, task: str, refused: Refusal) -> None:
    """Say that a message is not obeyed: in the log, and in an alert unless it is harmless.

    An order in it that was never taken is recorded as refused. Its content is somebody else's, so
    it stays out of the log. Raises StoreUnavailable when that is not recorded.
    """
    log = structlog.get_logger().bind(task=task, task_id=text_of(message, "id"))
    if refused.harmless:
        log.info("message refused", reason=refused.reason)
        return
    log.error("message refused", reason=refused.reason)
    shared = context()
    text = body_of(message)[:_SHOWN].decode("utf-8", "replace")
    if task == "tasks.place_order" and not refused.replayed:
        shared.intake.refuse(
            {"refused message": text}, f"the message was not obeyed: {refused.reason}"
        )
    with shared.store.transaction() as connection:
        alerts.alert(
            connection,
            alerts.UNTRUSTED_MESSAGE,
            f"{task}: {refused.reason.split(' has expired')[0]}",
            f"a message {task} with id {text_of(message, 'id')} was not obeyed: {refused.reason}",
        )


def body_of(message: Any) -> bytes:
    """The body as it was sent, byte for byte."""
    body = message.body
    return body.encode("utf-8", "surrogatepass") if isinstance(body, str) else bytes(body or b"")


def text_of(message: Any, name: str) -> str:
    """A header of a message, as it may be stored and logged; `None` for one that is not there."""
    headers = message.headers
    return str(headers.get(name) if isinstance(headers, Mapping) else None)[:64]
