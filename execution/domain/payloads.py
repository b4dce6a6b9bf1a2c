"""Any JSON a producer may send, made fit to store, compare and print."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

MAXIMUM_TEXT = 2_000
MAXIMUM_ITEMS = 100
MAXIMUM_DEPTH = 10
MAXIMUM_INTEGER = 10**15
_SHOWN = 60
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def storable(value: Any, depth: int = 0) -> Any:
    """`value` as JSON that PostgreSQL takes: bounded in size and depth, no NUL, no surrogates.

    A malformed request is stored too, as much of it as helps to find who sent it.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int):
        return value if abs(value) < MAXIMUM_INTEGER else _text(_digits(value))
    if isinstance(value, float):
        return value if value - value == 0 else str(value)
    if depth >= MAXIMUM_DEPTH:
        return "…"
    if isinstance(value, Mapping):
        items = list(value.items())[:MAXIMUM_ITEMS]
        return {_text(str(key)): storable(item, depth + 1) for key, item in items}
    if isinstance(value, list | tuple):
        return [storable(item, depth + 1) for item in value[:MAXIMUM_ITEMS]]
    return _text(repr(value))


def fingerprint(payload: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of a payload's storable form, reference_price aside, in whatever order.

    What `storable` cuts off does not count: only what is refused anyway is long enough to be cut.
    """
    body = {key: value for key, value in payload.items() if key != "reference_price"}
    text = json.dumps(storable(body), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def shown(value: object) -> str:
    """A value as it can be put into a message: on one line, printable, shortened."""
    if isinstance(value, int) and not isinstance(value, bool):
        text = _digits(value)
    elif isinstance(value, str):
        text = f'"{value[: _SHOWN + 1]}"'
    else:
        text = repr(storable(value))[: _SHOWN + 1]
    clean = "".join(char if char.isprintable() else _REPLACEMENT for char in text)
    return clean if len(clean) <= _SHOWN else clean[:_SHOWN] + "…"


def _text(value: str) -> str:
    cut = value[:MAXIMUM_TEXT] + "…" if len(value) > MAXIMUM_TEXT else value
    safe = cut.encode("utf-8", "replace").decode("utf-8")
    return safe.replace("\x00", _REPLACEMENT)


def _digits(value: int) -> str:
    """An integer in decimal, or its size: Python refuses to print very long ones."""
    return str(value) if value.bit_length() < 1_000 else f"integer of {value.bit_length()} bits"  # noqa: PLR2004
