"""Places where a terminal can be told to die, as if killed: a file in its folder for each.

The expert built with g++ looks for the same files (see its shim), so one order serves both.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path


class CrashPoint(StrEnum):
    """Where the process ends, at once and without a word."""

    AFTER_COMMAND = "after_command"
    """The command has come and is not in the journal."""
    TORN_JOURNAL = "torn_journal"
    """In the middle of writing it down."""
    BEFORE_SEND = "before_send"
    """It is in the journal and has not been sent."""
    AFTER_SEND = "after_send"
    """The trade server has carried it out, and nobody knows."""
    BEFORE_REPORT = "before_report"
    """The result is in the journal and has not been reported."""
    AFTER_REPORT = "after_report"
    """The bridge has the result, and its acknowledgement is not in the journal."""


class TerminalKilled(Exception):
    """Ends a terminal in this process as a kill ends one in another."""


class CrashPoints:
    """The orders to die that lie in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def arm(self, point: CrashPoint) -> None:
        """Order the next arrival at that point to be the last."""
        (self._folder / point.value).touch()

    def armed(self) -> list[str]:
        """The points that are still to be reached."""
        return sorted(path.name for path in self._folder.iterdir())

    def is_due(self, point: CrashPoint) -> bool:
        """True, once, when the process is to end here."""
        try:
            (self._folder / point.value).unlink()
        except FileNotFoundError:
            return False
        return True

    def reach(self, point: CrashPoint) -> None:
        """Raise TerminalKilled when the process is to end here."""
        if self.is_due(point):
            raise TerminalKilled(point.value)
