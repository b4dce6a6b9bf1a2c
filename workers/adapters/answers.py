"""Reading a venue's answer. What cannot be read proves nothing, and is told so."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import ParamSpec, TypeVar

from execution.domain.errors import BrokerUnavailable, OutcomeUnknown

P = ParamSpec("P")
T = TypeVar("T")

_SENSELESS = (LookupError, TypeError, ValueError, ArithmeticError)
"""What reading raises when a field is missing, of another type or out of its words."""


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
