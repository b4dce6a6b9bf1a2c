"""Reading a venue's answer. What cannot be read proves nothing, and is told so.

Of a list of executions each is read by itself, and one whose time cannot be read has the time of
its receipt: what really happened at the venue is never lost for a field.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ParamSpec, TypeVar

import structlog

from execution.domain.errors import BrokerUnavailable, OutcomeUnknown
from execution.domain.reports import Unreadable
from execution.store.clock import now

P = ParamSpec("P")
T = TypeVar("T")

_SENSELESS = (LookupError, TypeError, ValueError, ArithmeticError, AttributeError)
"""What reading raises when a field is missing, of another type or out of its words."""
_SHOWN = 400


def read(reader: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """What `reader` makes of the answer to a question; BrokerUnavailable when it has no sense."""
    try:
        return reader(*arguments, **named)
    except _SENSELESS as error:
        raise BrokerUnavailable(f"the answer makes no sense: {error!r}") from error


def outcome(reader: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """The same of the answer to a change, which may have been made: OutcomeUnknown."""
    try:
        return reader(*arguments, **named)
    except _SENSELESS as error:
        raise OutcomeUnknown(f"the answer makes no sense: {error!r}") from error


def executed(reader: Callable[[Any], datetime], value: object) -> tuple[datetime, str | None]:
    """When something was executed; else the time of its receipt, with what the venue wrote."""
    try:
        return reader(value), None
    except _SENSELESS:
        return now(), str(value)


class Unread:
    """What of a venue's messages could not be read, each once, until somebody raises an alert."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._found: list[Unreadable] = []

    def add(self, name: str, said: object, error: Exception) -> None:
        """Note a message of a kind; the same one again is no news."""
        text = str(said)
        key = f"{name}:{hashlib.sha256(text.encode()).hexdigest()[:16]}"
        if key in self._known:
            return
        self._known.add(key)
        found = Unreadable(key, f"{name} {text[:_SHOWN]}", repr(error))
        structlog.get_logger().error("unreadable message", what=found.text, why=found.why)
        self._found.append(found)

    def take(self) -> list[Unreadable]:
        """Those since this was asked last."""
        found, self._found = self._found, []
        return found

    def each(self, reader: Callable[[Any], T], items: Iterable[Any], name: str) -> list[T]:
        """What `reader` makes of each; what it makes nothing of is noted."""
        found = []
        for item in items:
            try:
                found.append(reader(item))
            except _SENSELESS as error:
                self.add(name, item, error)
        return found

    def optional(self, reader: Callable[[Any], T], item: Any, name: str) -> T | None:
        """What `reader` makes of a part that an item is of use without; else None, and noted."""
        return next(iter(self.each(reader, [item], name)), None)


def decimal(value: object) -> Decimal:
    """A number must come as a string: a JSON number has been through a float. TypeError."""
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a decimal string")
    return Decimal(value)


def moment(value: str) -> datetime:
    """Aware UTC from ISO 8601. ValueError."""
    time = datetime.fromisoformat(value)
    if time.tzinfo is None:
        raise ValueError(f"{value} has no time zone")
    return time.astimezone(UTC)
