"""Lines of TAB-separated fields, as the bridge's protocol and the trade server's port have them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_ESCAPES = (("%", "%25"), ("\t", "%09"), ("\n", "%0A"), ("\r", "%0D"))
END = "END"


@dataclass(frozen=True, slots=True)
class Record:
    """One line: its kind and its fields."""

    kind: str
    fields: Mapping[str, str]

    def text(self, name: str) -> str:
        """A field, empty without one."""
        return self.fields.get(name, "")

    def integer(self, name: str) -> int:
        """A whole number, 0 without one."""
        return int(self.fields.get(name) or 0)


def write(kind: str, fields: Mapping[str, object | None]) -> str:
    """One line without its end; what is None is left out, flags are 0 and 1."""
    parts = [kind]
    for name, value in fields.items():
        if value is None:
            continue
        text = str(int(value)) if isinstance(value, bool) else str(value)
        for character, code in _ESCAPES:
            text = text.replace(character, code)
        parts.append(f"{name}={text}")
    return "\t".join(parts)


def read(line: str) -> Record:
    """The record of one line."""
    kind, *parts = line.split("\t")
    fields = {}
    for part in parts:
        name, _, text = part.partition("=")
        for character, code in reversed(_ESCAPES):
            text = text.replace(code, character)
        fields[name] = text
    return Record(kind, fields)
