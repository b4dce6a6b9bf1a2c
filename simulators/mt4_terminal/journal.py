"""The terminal's journal: what is about to be sent is on disk before it is. As the expert keeps it.

JOURNAL id; SEND and LOOK with a command; RESULT; ACK id. A line that a kill cut
short has no `end=1` and never counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TextIO

from simulators.mt4_terminal.wire import Record, read, write


@dataclass(slots=True)
class Entry:
    """A command the terminal knows. `at` is milliseconds UTC; `result` is what it reports of it."""

    id: str
    command: Record | None = None
    at: int = 0
    ticket_sent: int = 0
    lots_sent: Decimal = Decimal(0)
    look_only: bool = False
    result: dict[str, object | None] | None = None
    is_final: bool = False
    acknowledged: bool = False


class TerminalJournal:
    """Entries by command id, and the file that they come from. `name` is the terminal's id."""

    def __init__(self, path: Path, fresh_name: str) -> None:
        self.entries: dict[str, Entry] = {}
        self.name = ""
        self._file: TextIO | None = None
        if path.exists():
            for line in path.read_text(encoding="utf-8").split("\n"):
                self._read(read(line))
        self._file = path.open("a", encoding="utf-8")
        self._file.write("\n")
        if not self.name:
            self.name = fresh_name
            self._append("JOURNAL", {"id": fresh_name})

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def write_down(
        self,
        entry: Entry,
        command: Record,
        kind: str,
        now: int,
        *,
        ticket: int = 0,
        lots: Decimal = Decimal(0),
    ) -> None:
        """SEND or LOOK: in the file when it returns."""
        entry.command, entry.at, entry.look_only = command, now, kind == "LOOK"
        entry.ticket_sent, entry.lots_sent = ticket, lots
        self._append(
            kind,
            {"at": now, "ticket_sent": ticket, "lots_sent": lots, **command.fields},
        )

    def settle(self, entry: Entry) -> None:
        """Write a final result down."""
        self._append("RESULT", dict(entry.result or {}))

    def acknowledge(self, entry: Entry) -> None:
        """The bridge has the result."""
        entry.acknowledged = True
        if entry.is_final:
            self._append("ACK", {"id": entry.id})

    def tear(self, kind: str, command: Record) -> None:
        """Leave half a line, as a kill in the middle of a write does."""
        if self._file is not None:
            text = write(kind, dict(command.fields))
            self._file.write(text[: len(text) // 2])
            self._file.flush()

    def _append(self, kind: str, fields: dict[str, object | None]) -> None:
        if self._file is None:
            raise ValueError("the journal is closed")
        self._file.write(write(kind, {**fields, "end": 1}) + "\n")
        self._file.flush()

    def _read(self, line: Record) -> None:
        if line.text("end") != "1":
            return
        name = line.text("id")
        if line.kind == "JOURNAL":
            self.name = name
            return
        entry = self.entries.setdefault(name, Entry(name))
        if line.kind in {"SEND", "LOOK"}:
            entry.command, entry.at = line, line.integer("at")
            entry.ticket_sent = line.integer("ticket_sent")
            entry.lots_sent = Decimal(line.text("lots_sent") or 0)
            entry.look_only = line.kind == "LOOK"
        elif line.kind == "RESULT":
            entry.result = {key: text for key, text in line.fields.items() if key != "end"}
            entry.is_final = True
        elif line.kind == "ACK":
            entry.acknowledged = True
