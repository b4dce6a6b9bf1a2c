"""What a worker does when it is told by a message to its remote control: nothing but answer.

Whoever can publish on Redis could otherwise stop the workers, take their queues away or revoke
tasks. To stop a worker, send its process SIGTERM.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog
from celery.worker.control import Panel

HARMLESS = frozenset(
    {
        "ping",
        "clock",
        "stats",
        "conf",  # Celery masks what may be a secret; so does tests/integration/test_canaries.py
        "active",
        "active_queues",
        "query_task",
        "registered",
        "report",
        "reserved",
        "revoked",
        "scheduled",
        # What these do our workers do anyway (-E), and Flower asks for it again and again.
        "enable_events",
        "heartbeat",
        # Older names of the above.
        "dump_active",
        "dump_conf",
        "dump_reserved",
        "dump_revoked",
        "dump_schedule",
        "dump_tasks",
    }
)
"""Commands that change nothing. All others are refused, those of later releases too."""


def limit() -> None:
    """Put a refusal in the place of every command that is not harmless, in this process."""
    for name in set(Panel.data) - HARMLESS:
        Panel.data[name] = _refusal(name)


def _refusal(name: str) -> Callable[..., dict[str, str]]:
    def refuse(state: Any, **arguments: Any) -> dict[str, str]:
        del state, arguments
        structlog.get_logger().warning("remote control refused", command=name)
        return {"error": f"{name} is refused: this worker's remote control only answers questions"}

    return refuse
