"""Takes a modify in: a new total quantity, limit price or stop price."""

from __future__ import annotations

from typing import Any

from execution.domain.commands import CommandKind
from tasks.instruct import instruct
from tasks.intake import IntakeTask
from workers.app import app


@app.task(bind=True, base=IntakeTask, name="tasks.modify_order")
def modify_order(self: IntakeTask, /, *arguments: Any, **payload: Any) -> None:
    """Arguments: client_order_id, modify_id, expected_version, and what is to change."""
    names = (
        "client_order_id",
        "modify_id",
        "expected_version",
        "quantity",
        "limit_price",
        "stop_price",
    )
    given = dict(zip(names, arguments, strict=False)) | payload
    # A price of null is one that stays as it is.
    instruct(self, CommandKind.MODIFY, {n: v for n, v in given.items() if v is not None})
