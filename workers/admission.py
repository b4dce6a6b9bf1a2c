"""Decides which messages a worker obeys, before Celery has read any of them.

A message is obeyed when its task is one of ours, its headers and its body have the form that our
tasks are sent in, and its sender may send it: steps and everything else of the service's own must
be signed with the service's key. Orders, cancels and changes may be signed with a producer's key,
or, where REQUIRE_SIGNED_INTAKE is off, not at all.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from execution.domain.lifecycle import Step
from execution.signing import EXPIRED, HEADER, OBEYED, KeyRole, Signature, Signed, Signer
from workers.envelope import DEEPEST, REFUSED, is_deeper

INTAKE = frozenset({"tasks.place_order", "tasks.cancel_order", "tasks.modify_order"})
"""What producers send."""
INTAKE_QUEUES = frozenset({"orders", "celery"})
"""Where they send it; `celery` is where Celery puts what names no queue."""
STEPS = frozenset(step.task for step in Step)
LONGEST_DELAY = 300.0
"""Seconds an order may be sent ahead by `eta`: as long as Redis keeps a message with one worker."""
_LONGEST_ID = 128
_LONGEST_SHOWN = 4_096
_MOST_RETRIES = 1_000_000
_PARTS = 3
_EMBEDDED = frozenset({"callbacks", "errbacks", "chain", "chord"})


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a message is not obeyed."""

    reason: str
    by_sender: bool = False
    """Its sender is one that may send it; only its form is wrong."""
    harmless: bool = False
    """It is only the double of a message that was obeyed."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """A message that may be obeyed, with the headers that are; `signature` is None if unsigned."""

    task: str
    headers: Mapping[str, Any]
    signature: Signature | None


@dataclass(frozen=True, slots=True)
class Policy:
    """Who may send what: `tasks` are the names of all tasks of this application."""

    tasks: Collection[str]
    signer: Signer
    signed_intake: bool

    def judge(
        self, queue: str, headers: Mapping[str, Any], body: bytes, now: float
    ) -> Admitted | Refusal:
        """Admit a message or refuse it; `now` is in seconds since 1970. Raises nothing."""
        if REFUSED in headers:
            return Refusal(str(headers[REFUSED]))
        task = headers.get("task")
        if not isinstance(task, str) or task not in self.tasks:
            return Refusal("its task is none of this service's")
        signature = self._signature(queue, headers, body, now)
        if isinstance(signature, Refusal):
            return signature
        if signature is not None and not signature.covers_headers:
            # Whoever took a signed message down could have put other headers beside it.
            headers = {name: headers[name] for name in ("task", "id") if name in headers}
        problem = _of_headers(headers, now, intake=task in INTAKE) or _of_body(
            body, may_chain=signature is not None and signature.role is KeyRole.SERVICE
        )
        if problem is not None:
            return Refusal(problem, by_sender=True)
        obeyed = {name: headers[name] for name in OBEYED if name in headers}
        return Admitted(task, obeyed, signature)

    def _signature(
        self, queue: str, headers: Mapping[str, Any], body: bytes, now: float
    ) -> Signature | Refusal | None:
        """The signature of a message that may be sent so; None where it needs none."""
        task, value = headers["task"], headers.get(HEADER)
        if value is None and task in INTAKE and not self.signed_intake:
            if queue not in INTAKE_QUEUES:
                return Refusal(f"it is not signed, and not in the queue of orders but in {queue}")
            return None
        found = self.signer.verify(value, Signed(queue, headers, body), now)
        if isinstance(found, str):
            # An expired one is right but for its age: its order is refused, not dropped.
            return Refusal(found, by_sender=found.startswith(EXPIRED) and task in INTAKE)
        if found.role is not KeyRole.SERVICE and task not in INTAKE:
            return Refusal("a producer's key signs orders, cancels and changes only")
        return found


def _of_headers(headers: Mapping[str, Any], now: float, *, intake: bool) -> str | None:
    """What is wrong with the headers; None if nothing is."""
    for name in ("id", "root_id", "parent_id"):
        value = headers.get(name)
        if not (isinstance(value, str) and 0 < len(value) <= _LONGEST_ID) and (
            value is not None or name == "id"
        ):
            return f"its header {name} is no id"
    for name in ("argsrepr", "kwargsrepr"):
        value = headers.get(name, "")
        if value is not None and not (isinstance(value, str) and len(value) <= _LONGEST_SHOWN):
            return f"its header {name} is no text, or too long a one"
    retries = headers.get("retries", 0)
    if type(retries) is not int or not 0 <= retries <= _MOST_RETRIES:
        return "its header retries is no number of retries"
    if not isinstance(headers.get("ignore_result"), bool | None):
        return "its header ignore_result is neither true nor false"
    if headers.get("timelimit") not in (None, [None, None]):
        return "it sets a time limit, which no task here has"
    return _of_times(headers, now, intake=intake)


def _of_times(headers: Mapping[str, Any], now: float, *, intake: bool) -> str | None:
    times: dict[str, float | None] = {}
    for name in ("eta", "expires"):
        times[name] = value = _moment(headers.get(name))
        if value is None and headers.get(name) is not None:
            return f"its header {name} is no time"
    if not intake:
        return None
    if times["eta"] is not None and times["eta"] > now + LONGEST_DELAY:
        return f"it is to be taken more than {LONGEST_DELAY:.0f} s from now: send it by then"
    if times["expires"] is not None and times["expires"] <= now:
        return "it expired before it was taken"
    return None


def _moment(value: object) -> float | None:
    """A time as Celery sends it, in seconds since 1970; without a zone it is UTC."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
        if found is None:
            return None
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _of_body(body: bytes, *, may_chain: bool) -> str | None:
    """What is wrong with the body: `[args, kwargs, embed]`, and nothing embedded but our steps."""
    try:
        parts = json.loads(body)
    except (ValueError, RecursionError):
        return "its body is not JSON"
    if not isinstance(parts, list) or len(parts) != _PARTS:
        return "its body is not [args, kwargs, embed]"
    if is_deeper(parts, DEEPEST):
        return f"its body is nested more than {DEEPEST} deep"
    arguments, named, embed = parts
    if not (
        isinstance(arguments, list) and isinstance(named, dict) and isinstance(embed, dict | None)
    ):
        return "its body is not [args, kwargs, embed]"
    embed = embed or {}
    if any(embed.get(name) for name in embed.keys() - {"chain"}) or not embed.keys() <= _EMBEDDED:
        return "it has callbacks, a chord or a group, and no task here has any"
    chain = embed.get("chain") or []
    if chain and not may_chain:
        return "it has a chain of tasks after it, and an order's chain is the service's own"
    if not isinstance(chain, list) or not all(map(_is_step, chain)):
        return "its chain is not one of steps"
    return None


def _is_step(link: object) -> bool:
    """Whether a link of a chain is a step of an order: an id, on a queue, and nothing besides."""
    if not isinstance(link, dict) or link.get("task") not in STEPS or link.get("kwargs"):
        return False
    options, arguments = link.get("options"), link.get("args")
    return (
        isinstance(options, dict)
        and isinstance(options.get("queue"), str)
        and options.keys() <= {"queue", "kwargsrepr"}
        and isinstance(arguments, list)
        and all(isinstance(argument, str) for argument in arguments)
    )
