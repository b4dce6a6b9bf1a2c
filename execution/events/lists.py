"""The lists of Redis that hold messages: how long each is, and whether any worker reads it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import redis

from execution.domain.lifecycle import INTAKE_QUEUE
from execution.domain.vocabulary import BrokerName

RECOVERY_QUEUE = "recovery"
UNNAMED_QUEUE = "celery"
"""Where Celery puts a message that names no queue; who serves the intake serves it too."""
QUEUES = (
    INTAKE_QUEUE,
    UNNAMED_QUEUE,
    RECOVERY_QUEUE,
    *(broker.queue for broker in BrokerName),
)
"""What workers serve, besides the control queues of client ids (`ibkr.2`)."""
PRIORITIES = range(10)
"""Steps of priority; each but the first has a list of its own for every queue (celeryconfig.py)."""
SEPARATOR = "\x06\x16"
"""Kombu's, between a queue's name and a priority."""
_SERVED = re.compile(
    rf"(?P<queue>{'|'.join(QUEUES)}|{BrokerName.IBKR.queue}\.\d+)(?:{SEPARATOR}[1-9])?"
)
_NO_MESSAGES = re.compile(r".*\.celery\.pidbox|celeryev.*")
_AT_ONCE = 1_000
_MOST = 2_000
"""Rounds of SCAN at most: a metric must come to an end."""


def queue_of(name: str) -> str | None:
    """The queue whose workers read a list; None where no worker does."""
    found = _SERVED.fullmatch(name)
    return None if found is None else found["queue"]


def lengths(client: redis.Redis) -> Mapping[str, int]:
    """Every list that holds messages, with how many; answers of remote control are left out.

    It looks through the names of all keys, a thousand at a time. Raises RedisError.
    """
    names: set[str] = set()
    cursor = 0
    for _ in range(_MOST):
        raw: Any = client.scan(cursor, count=_AT_ONCE, _type="LIST")
        cursor, some = raw
        names.update(name.decode("utf-8", "backslashreplace") for name in some)
        if cursor == 0:
            break
    pipeline: Any = client.pipeline(transaction=False)
    known = sorted(name for name in names if not _NO_MESSAGES.fullmatch(name))
    for name in known:
        pipeline.llen(name)
    return dict(zip(known, pipeline.execute(), strict=True))


def shown(name: str) -> str:
    """A list's name as text: its control characters are spelled out."""
    return name.encode("unicode_escape").decode("ascii")[:80]
