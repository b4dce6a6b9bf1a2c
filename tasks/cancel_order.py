"""Takes a cancel in; one that overtakes its order leaves a mark that cancels it."""

from __future__ import annotations

from typing import Any

from execution.domain.commands import CommandKind
from tasks.instruct import instruct
from tasks.intake import IntakeTask
from workers.app import app


@app.task(bind=True, base=IntakeTask, name="tasks.cancel_order")
def cancel_order(self: IntakeTask, /, *arguments: Any, **payload: Any) -> None:
    """Arguments: client_order_id, cancel_id (the Celery task's id serves where it is missing)."""
    names = ("client_order_id", "cancel_id")
    instruct(self, CommandKind.CANCEL, dict(zip(names, arguments, strict=False)) | payload)
