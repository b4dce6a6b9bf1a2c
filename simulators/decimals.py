"""Decimals as every simulator's JSON carries them: plain strings, never floats or exponents."""

from __future__ import annotations

import re
from decimal import Decimal

_PLAIN = re.compile(r"-?\d+(\.\d+)?", re.ASCII)


def parse_decimal(value: object, name: str) -> Decimal:
    """The exact decimal that `value` spells. ValueError for anything but a plain decimal string."""
    if not isinstance(value, str) or not _PLAIN.fullmatch(value):
        raise ValueError(f"{name} must be a plain decimal string, not {value!r}")
    return Decimal(value)


def plain(value: Decimal) -> str:
    """`value` in digits, every one of them kept: 1E+5 is "100000"."""
    return format(value, "f")
