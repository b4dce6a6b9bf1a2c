"""What starting and stopping the processes can fail with."""

from __future__ import annotations

from execution.domain.errors import ExecutionError


class AlreadyRunning(ExecutionError):
    """A live supervisor owns the home; `execution down` ends it."""


class StartFailed(ExecutionError):
    """A process did not become ready, or a one-shot ended badly; the message names its log."""


class StopFailed(ExecutionError):
    """The supervisor or one of its processes outlived the time it was given to end."""
