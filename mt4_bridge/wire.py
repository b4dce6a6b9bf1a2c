"""The flat text that the terminal speaks: lines of TAB-separated fields. See PROTOCOL.md."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from mt4_bridge.errors import Malformed

END = "END"
PROTOCOL = "1"
_PLAIN = re.compile(r"-?\d{1,18}(\.\d{1,18})?", re.ASCII)
_INTEGER = re.compile(r"-?\d{1,18}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Record:
    """One line: its kind and its fields, unescaped."""

    kind: str
    fields: Mapping[str, str] = field(default_factory=dict)

    def text(self, name: str, default: str | None = None) -> str:
        """A field as it is. Malformed when it is absent and there is no default."""
        value = self.fields.get(name, default)
        if value is None:
            raise Malformed(f"{self.kind} has no {name}")
        return value

    def integer(self, name: str, default: int | None = None) -> int:
        """A whole number. Malformed when it is none."""
        value = self.fields.get(name)
        if value is None and default is not None:
            return default
        if value is None or not _INTEGER.fullmatch(value):
            raise Malformed(f"{self.kind} needs a whole number as {name}, not {value!r}")
        return int(value)

    def decimal(self, name: str) -> Decimal:
        """A decimal number. Malformed when it is none."""
        value = self.fields.get(name)
        if value is None or not _PLAIN.fullmatch(value):
            raise Malformed(f"{self.kind} needs a number as {name}, not {value!r}")
        return Decimal(value)

    def flag(self, name: str) -> bool:
        """0 or 1. Malformed when it is neither."""
        value = self.fields.get(name)
        if value not in {"0", "1"}:
            raise Malformed(f"{self.kind} needs 0 or 1 as {name}, not {value!r}")
        return value == "1"


def escape(value: str) -> str:
    """A value as it stands in a line."""
    for character, code in (("%", "%25"), ("\t", "%09"), ("\n", "%0A"), ("\r", "%0D")):
        value = value.replace(character, code)
    return value


def unescape(value: str) -> str:
    """What `escape` was given; %25 comes last, or it would make new codes."""
    for code, character in (("%09", "\t"), ("%0A", "\n"), ("%0D", "\r"), ("%25", "%")):
        value = value.replace(code, character)
    return value


def format_record(kind: str, fields: Mapping[str, object | None]) -> str:
    """One line without its end; fields that are None are left out."""
    given = (f"{name}={escape(str(value))}" for name, value in fields.items() if value is not None)
    return "\t".join([kind, *given])


def format_body(lines: Iterable[str]) -> str:
    """A whole body: the lines and END."""
    return "".join(f"{line}\n" for line in [*lines, END])


def parse_body(text: str) -> list[Record]:
    """The records of a body, without END. Malformed when it was cut short."""
    lines = text.split("\n")
    if lines[-2:] != [END, ""]:
        raise Malformed("the body does not end with END: it was cut short")
    return [_record(line) for line in lines[:-2] if line]


def plain(value: Decimal) -> str:
    """A decimal in digits, without an exponent and without trailing zeros: 1E+5 is "100000"."""
    return format(value.normalize(), "f") if value else "0"


def _record(line: str) -> Record:
    kind, *parts = line.split("\t")
    fields = {}
    for part in parts:
        name, _, value = part.partition("=")
        fields[name] = unescape(value)
    return Record(kind, fields)
