"""Text of others as people may see it: what would not print is shown, never sent.

Ids, symbols, reasons and messages come from producers, venues, the database and Redis. A terminal
obeys control sequences in them: it hides lines, rewrites what was printed, sets the clipboard.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, TextIO


def printable(text: object) -> str:
    r"""`text` on one line; what Unicode does not count as printable is escaped as Python does it.

    That is control characters (ESC is `\x1b`, a new line `\n`), direction overrides and other
    invisible format characters, separators other than the space, and lone surrogates. Backslashes
    stay: JSON output tells `\x1b` of four characters from the one.
    """
    shown = str(text)
    if shown.isprintable():
        return shown
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in shown)


def json_text(value: Any, **options: Any) -> str:
    """JSON in printable ASCII, DEL included; `options` are those of `json.dumps`."""
    return json.dumps(value, **options).replace("\x7f", "\\u007f")


class PrintableStream:
    """Stands before a text stream: of what is written only new lines go through as they are.

    `unguarded` is the stream itself, for who writes sequences of his own.
    """

    def __init__(self, stream: TextIO) -> None:
        self.unguarded = stream

    def write(self, text: str) -> int:
        """Write it with everything visible; as many characters as were given."""
        self.unguarded.write("\n".join(map(printable, text.split("\n"))))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each of them."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.unguarded, name)
