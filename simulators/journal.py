"""Remembers across restarts: one JSON line for each change, flushed before anybody hears of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO


class Journal:
    """Append-only lines in `path`; without a path nothing is kept.

    A line that a kill cut short was never answered for, so reading drops it and appending goes on
    after the last whole one. Flushing to the system outlives the process, not the machine.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: TextIO | None = None

    def read(self) -> Iterator[dict[str, Any]]:
        """Every whole line so far, oldest first."""
        if self._path is None or not self._path.exists():
            return
        content = self._path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            self._path.write_bytes(whole)
        for line in whole.splitlines():
            yield json.loads(line)

    def append(self, entry: dict[str, Any]) -> None:
        """Write one line and flush it to the system."""
        if self._path is None:
            return
        if self._file is None:
            self._file = self._path.open("a", encoding="utf-8")
        self._file.write(json.dumps(entry) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None
