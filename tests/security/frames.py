"""Messages as an attacker puts them into Redis, and what may not happen to the workers."""

from __future__ import annotations

import base64
import json
from typing import Any
from uuid import uuid4

import psutil

from tests.fleet import Fleet

ORDER = {"symbol": "BTC-USDT", "side": "BUY", "quantity": "1"}
ORDER_ID = "0190d1f2-0000-7000-8000-000000000001"
LINK: dict[str, Any] = {
    "task": "tasks.place_order",
    "args": [],
    "kwargs": ORDER,
    "options": {"queue": "orders"},
    "subtask_type": None,
    "immutable": True,
}
STEP = {"task": "tasks.submit_order", "args": [ORDER_ID], "kwargs": {}, "immutable": True,
        "options": {"queue": "binance"}, "subtask_type": None}  # fmt: skip


def frame(
    task: object, args: object = (), kwargs: object = None, embed: object = None, **headers: object
) -> dict[str, Any]:
    """A message as Celery puts it into Redis."""
    body = json.dumps([args, kwargs or {}, embed or {}]).encode()
    name = str(uuid4())
    return {
        "body": base64.b64encode(body).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {
            "lang": "py", "task": task, "id": name, "root_id": name, "parent_id": None,
            "eta": None, "expires": None, "retries": 0, "timelimit": [None, None],
            "argsrepr": "()", "kwargsrepr": "{}", "ignore_result": True, **headers,
        },
        "properties": {
            "correlation_id": name, "reply_to": "", "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": "orders"},
            "priority": 0, "body_encoding": "base64", "delivery_tag": str(uuid4()),
        },
    }  # fmt: skip


def restarts(fleet: Fleet) -> dict[str, int]:
    """How often each process was started again."""
    assert fleet._supervisor is not None
    return {process.name: process.restarts for process in fleet._supervisor.state.processes}


def memory(fleet: Fleet) -> dict[str, int]:
    """Bytes of memory that each worker has."""
    assert fleet._supervisor is not None
    return {
        process.name: psutil.Process(process.pid).memory_info().rss
        for process in fleet._supervisor.state.processes
        if process.pid is not None and process.name.startswith("worker")
    }
