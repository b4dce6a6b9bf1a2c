"""Takes a cancel in; one that overtakes its order leaves a mark that cancels it."""

from __future__ import annotations

from typing import Any

from execution.domain.commands import CommandKind
from tasks.instruct import instruct
from tasks.step import StepTask
from workers.app import app


@app.task(bind=True, base=StepTask, name="tasks.cancel_order", acks_late=True, typing=False)
def cancel_order(self: StepTask, /, *arguments: Any, **payload: Any) -> None:
    """Arguments: client_order_id, cancel_id (the Celery task's id serves where it is missing)."""
    names = ("client_order_id", "cancel_id")
    instruct(self, CommandKind.CANCEL, dict(zip(names, arguments, strict=False)) | payload)
