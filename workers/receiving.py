"""Takes each message in, before Celery does: it is obeyed, or refused and kept with the reason."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import structlog

from execution.domain.errors import StoreUnavailable
from execution.domain.payloads import storable
from execution.signing import HEADER, Signature, restored_key
from execution.store import alerts, dead_letters
from execution.store.clock import now
from execution.store.dead_letters import DeadLetter
from workers import keys
from workers.admission import Admitted, Policy, Refusal
from workers.context import context
from workers.unrecorded import held

TWICE_WITHIN = 60.0
"""Seconds within which a message may come twice though nobody meant it.

A producer sends again what Redis had taken before the connection was lost. Later it is a replay,
unless a worker gave the message back because it had not been acknowledged for too long.
"""
_PLACE = "tasks.place_order"
_SHOWN = 2_000
_SHOWN_ID = 64
_LONGEST_REASON = 300
"""Characters of a reason: it becomes a row of an index, and a message that Redis must take."""
_RATE = 20.0
"""Dead letters a second that get a row; the others are counted with the next one that does."""
_AFTERWARDS = 1.0
"""Seconds after which the last of those that got none gets one, so that each is counted."""


@dataclass(slots=True)
class _Received:
    """A message as its sender wrote it, and what was decided about it."""

    message: Any
    queue: str
    headers: Mapping[str, Any]
    body: bytes
    verdict: Admitted | Refusal | None = None
    """Of the first time it was looked at: a message that waits does not expire meanwhile."""


class Receiver:
    """Stands between kombu and Celery's own handler of a worker; one for each consumer.

    Nothing is acknowledged before it is recorded: whatever is raised here, the message stays
    unacknowledged and is tried again (`workers.unrecorded`).
    """

    def __init__(self, consumer: Any, handle: Callable[[Any], None]) -> None:
        shared = context()
        tasks = frozenset(name for name in consumer.app.tasks if not name.startswith("celery."))
        self._policy = Policy(tasks, keys.signer(), shared.settings.requires_signed_intake)
        self._consumer, self._handle = consumer, handle
        self._letters = _Allowance(_RATE)
        self._held_back: DeadLetter | None = None

    def __call__(self, message: Any) -> None:
        """Obey a message or refuse it. Raises nothing of the message's."""
        queue = message.delivery_info["routing_key"]
        received = _Received(message, queue, dict(message.headers), body_of(message))
        held(self._consumer, message, partial(self._receive, received))
        self._receive(received)

    def refuse(self, message: Any, reason: str) -> None:
        """Refuse what was admitted and Celery cannot read after all."""
        queue = message.delivery_info["routing_key"]
        verdict = Refusal(reason, by_sender=True)
        received = _Received(message, queue, dict(message.headers), body_of(message), verdict)
        message.held = None
        held(self._consumer, message, partial(self._receive, received))
        self._receive(received)

    def _receive(self, received: _Received) -> None:
        message = received.message
        try:
            verdict = received.verdict = received.verdict or self._judged(received)
            if isinstance(verdict, Refusal):
                self._refuse(received, verdict)
                return
        except Exception as error:  # noqa: BLE001 - whatever it was, nothing was recorded
            message.held.again(error)
            return
        message.headers = dict(verdict.headers)
        message.verified = verdict.signature  # for the transport, which marks it as spent
        self._handle(message)

    def _judged(self, received: _Received) -> Admitted | Refusal:
        """What is to be done with a message. RedisError where Redis cannot be asked."""
        at = now().timestamp()
        verdict = self._policy.judge(received.queue, received.headers, received.body, at)
        if isinstance(verdict, Refusal) or verdict.signature is None:
            return verdict
        return _spent(verdict.signature, received.headers, at) or verdict

    def _refuse(self, received: _Received, refusal: Refusal) -> None:
        """Record why a message is not obeyed, and only then acknowledge it."""
        headers, body, message = received.headers, received.body, received.message
        letter = DeadLetter(
            queue=_text(received.queue),
            task=_text(headers.get("task")),
            message_id=_text(headers.get("id")),
            reason=str(storable(refusal.reason[:_LONGEST_REASON])),
            headers=_shown(json.dumps(headers, default=str)),
            body=_shown(body.decode("utf-8", "replace")),
            size=len(body),
        )
        log = structlog.get_logger().bind(task=letter.task, task_id=letter.message_id)
        if refusal.harmless:
            log.info("message refused", reason=refusal.reason, queue=letter.queue)
        else:
            log.error("message refused", reason=refusal.reason, queue=letter.queue)
            self._record(letter, body, by_sender=refusal.by_sender)
        message.ack_log_error(logging.getLogger(__name__), self._consumer.connection_errors)

    def _record(self, letter: DeadLetter, body: bytes, *, by_sender: bool) -> None:
        shared = context()
        if by_sender and letter.task == _PLACE:
            # An order of somebody who may send one: it is refused as any other.
            shared.intake.refuse(
                _arguments(body, letter.message_id), f"the message was not obeyed: {letter.reason}"
            )
            return
        unrecorded = self._letters.take(time.monotonic())
        if unrecorded is None:
            self._hold_back(letter)
        else:
            self._write(replace(letter, unrecorded=unrecorded))

    def _hold_back(self, letter: DeadLetter) -> None:
        if self._held_back is None:
            self._consumer.timer.call_after(_AFTERWARDS, self._write_last)
        self._held_back = letter

    def _write_last(self) -> None:
        letter, self._held_back = self._held_back, None
        unrecorded = self._letters.take_last(time.monotonic())
        if letter is None or unrecorded is None:
            return
        try:
            self._write(replace(letter, unrecorded=unrecorded))
        except StoreUnavailable:
            self._letters.give_back(unrecorded + 1)
            self._hold_back(letter)

    def _write(self, letter: DeadLetter) -> None:
        named = letter.task if letter.task in self._policy.tasks else "a message"
        with context().store.transaction() as connection:
            dead_letters.add(connection, letter)
            alerts.alert(
                connection,
                alerts.UNTRUSTED_MESSAGE,
                f"{named}: {_kind_of(letter.reason)}",
                f"{named} in queue {letter.queue} was not obeyed: {letter.reason}. "
                "`execution dead-letters` shows what it was",
            )


class _Allowance:
    """Lets so many through a second, and counts the others."""

    def __init__(self, rate: float) -> None:
        self._rate, self._left, self._at, self._others = rate, rate, 0.0, 0

    def take(self, now: float) -> int | None:
        """How many were held back since the last that got through; None holds this one back."""
        self._left = min(self._rate, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1:
            self._others += 1
            return None
        self._left -= 1
        others, self._others = self._others, 0
        return others

    def take_last(self, now: float) -> int | None:
        """Let the last one through that was held back; as `take`, and None where there is none."""
        if not self._others:
            return None
        self._others -= 1
        return self.take(now)

    def give_back(self, held_back: int) -> None:
        """Count what was let through in vain."""
        self._others += held_back


def _spent(signature: Signature, headers: Mapping[str, Any], at: float) -> Refusal | None:
    """Refuse a message that was acknowledged before; None for one that was not.

    A copy of a message that is still being worked on passes: nothing tells it from a redelivery,
    and no step does anything twice.
    """
    restored = restored_key(headers.get(HEADER))
    before, given_back = context().redis.mget(signature.spent_key, restored or "")
    if before is None:
        return None
    if given_back is not None or at - float(before) < TWICE_WITHIN:
        return Refusal("it came twice, and was done with the first time", harmless=True)
    return Refusal("it is the copy of a message that was done with before")


def body_of(message: Any) -> bytes:
    """Return the body as it was sent, byte for byte."""
    body = message.body
    return body.encode("utf-8", "surrogatepass") if isinstance(body, str) else bytes(body or b"")


def _arguments(body: bytes, message_id: str) -> dict[str, Any]:
    """What of a refused order's message can be shown as a request."""
    try:
        _, named, _ = json.loads(body)
    except (ValueError, TypeError, RecursionError):
        named = None
    unreadable = {"unreadable message": body[:_SHOWN].decode("utf-8", "replace")}
    found: dict[str, Any] = named if isinstance(named, dict) else unreadable
    found.setdefault("client_order_id", message_id)
    return found


def _kind_of(reason: str) -> str:
    """A reason without what differs from one message to the next."""
    return reason.split(" expired ", maxsplit=1)[0]


def _shown(value: str) -> str:
    return str(storable(value[:_SHOWN]))


def _text(value: object) -> str:
    return str(storable(str(value)[:_SHOWN_ID])) if value is not None else ""
