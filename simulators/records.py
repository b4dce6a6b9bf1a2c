"""What simulators journal: flat records whose decimals and times JSON spells as plain strings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any, Self

from simulators.decimals import parse_decimal, plain


@dataclass(slots=True)
class Record:
    """Base of what is journalled: decimals as plain strings, times as ISO 8601."""

    def as_json(self) -> dict[str, Any]:
        """Every field, ready for JSON."""
        return {item.name: _spell(getattr(self, item.name)) for item in fields(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The record that `as_json` spelled. The annotations say what each field is."""
        return cls(
            **{
                item.name: _read(data[item.name], str(item.type), item.name)
                for item in fields(cls)
                if item.name in data
            }
        )


def read_time(value: object, name: str) -> datetime:
    """An aware time from ISO 8601. ValueError names the field."""
    if not isinstance(value, str):
        raise ValueError(f"{name} must be an ISO 8601 time, not {value!r}")  # noqa: TRY004 - a 4xx
    time = datetime.fromisoformat(value)
    if time.tzinfo is None:
        raise ValueError(f"{name} must say its time zone, not {value!r}")
    return time


def _spell(value: object) -> Any:
    if isinstance(value, Decimal):
        return plain(value)
    return value.isoformat() if isinstance(value, datetime) else value


def _read(value: Any, annotation: str, name: str) -> Any:
    if value is None:
        return None
    if annotation.startswith("Decimal"):
        return parse_decimal(value, name)
    return read_time(value, name) if annotation.startswith("datetime") else value
