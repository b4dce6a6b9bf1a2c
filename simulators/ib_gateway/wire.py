"""The TWS API's wire: frames of a four-byte length and fields that each end in a NUL.

Both directions are text at server version 176. An unset number is an empty field from a client and
Java's largest double or integer from the server.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterable, Sequence
from decimal import Decimal, InvalidOperation

from simulators.decimals import plain

Value = str | int | bool | Decimal | None

UNSET_DOUBLE = "1.7976931348623157E308"
UNSET_INTEGER = "2147483647"
UNSET_LONG = "9223372036854775807"
# TWS drops a client that announces more.
MAX_FRAME = 0xFFFFFF
_DIGITS = Decimal("0.00000001")
_HUGE = Decimal("1E+300")


class BadMessage(Exception):
    """A client's bytes are no message of this protocol; the text says why."""


def spell(value: Value) -> str:
    """One field: nothing for None, 1 and 0 for booleans, decimals in plain digits."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    return tidy(value) if isinstance(value, Decimal) else str(value)


def tidy(value: Decimal) -> str:
    """A decimal without exponent and without zeros at its end: 95.50 is "95.5", 1E+2 "100"."""
    text = plain(value)
    return text.rstrip("0").rstrip(".") if "." in text else text


def rounded(value: Decimal) -> Decimal:
    """An average or a product with as many digits as a double would carry."""
    return value.quantize(_DIGITS) if value % _DIGITS else value


def frame(fields: Iterable[Value]) -> bytes:
    """The bytes of one message."""
    body = b"".join(spell(value).encode() + b"\0" for value in fields)
    return struct.pack(">I", len(body)) + body


async def read_frame(reader: asyncio.StreamReader) -> bytes | None:
    """The body of the next message; None at the end. BadMessage when it is too long."""
    try:
        (size,) = struct.unpack(">I", await reader.readexactly(4))
        if size > MAX_FRAME:
            raise BadMessage(f"a message of {size} bytes")
        return await reader.readexactly(size)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


def split(body: bytes) -> list[str]:
    """The fields of a message. BadMessage when it has none."""
    fields = body.decode(errors="backslashreplace").split("\0")
    if fields.pop() or not fields:
        raise BadMessage("a message ends in a NUL")
    return fields


class Fields:
    """Reads a client's message field by field. BadMessage names what cannot be read."""

    def __init__(self, fields: Sequence[str]) -> None:
        self._fields = fields
        self._at = 0

    def text(self) -> str:
        """The next field as it is."""
        if self._at >= len(self._fields):
            raise BadMessage(f"the message ends after {self._at} fields")
        self._at += 1
        return self._fields[self._at - 1]

    def integer(self, default: int = 0) -> int:
        """The next field as an integer; `default` when it is empty or unset."""
        text = self.text()
        if text in {"", UNSET_INTEGER}:
            return default
        try:
            return int(text)
        except ValueError:
            raise BadMessage(f"{text!r} is no integer") from None

    def flag(self) -> bool:
        """The next field as a boolean."""
        return self.text() in {"1", "true", "True"}

    def number(self) -> Decimal | None:
        """The next field as an exact decimal, 100.0 as 100; None when it is empty or unset."""
        text = self.text()
        if not text:
            return None
        try:
            value = Decimal(text)
        except InvalidOperation:
            raise BadMessage(f"{text!r} is no number") from None
        if not value.is_finite():
            raise BadMessage(f"{text!r} is no number")
        return None if abs(value) > _HUGE else Decimal(tidy(value))

    def skip(self, count: int) -> None:
        """Pass over fields that mean nothing here."""
        for _ in range(count):
            self.text()

    def rest(self) -> list[str]:
        """Whatever is left."""
        rest = list(self._fields[self._at :])
        self._at = len(self._fields)
        return rest
