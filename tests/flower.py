"""Flower as who holds its password sees it: every request of its API that changes something."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from inspect import getsource
from typing import Any

from flower.urls import handlers  # type: ignore[import-untyped]

ORDER = {"symbol": "SPY", "side": "BUY", "quantity": "1"}


def flower_changes(worker: str, client_order_id: str = "by-flower") -> Mapping[str, Any]:
    """Every path of the installed Flower that takes a POST, but the task lists' own, and a body."""
    order = {"kwargs": ORDER | {"client_order_id": client_order_id}, "queue": "orders"}
    names = {"/api/task/": "tasks.place_order", "/api/worker/": worker}
    found: dict[str, Any] = {}
    for rule in handlers:
        path, handler = (
            (rule[0], rule[1])
            if isinstance(rule, tuple)
            else (rule.matcher.regex.pattern, rule.target)
        )
        if not path.startswith("/api/") or "def post(" not in getsource(handler):
            continue
        prefix = next(prefix for prefix in names if path.startswith(prefix))
        found[path.replace("(.+)", names[prefix])] = order
    return found


def flower_asked(
    port: int, path: str, user: str, password: str, body: Any = None
) -> tuple[int, str]:
    """The status and the text of a POST with the right password."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}",
        data=json.dumps(body or {}).encode(),
        headers={
            "Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - loopback
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
