"""Decimals as text: plain notation, no exponent, no superfluous zeros."""

from __future__ import annotations

from decimal import Decimal


def plain(value: Decimal) -> str:
    """`value` exactly, as people and venues write it: `0.5`, `100000`, never `1E+5`.

    We serialise numbers ourselves because `str(Decimal)` may use an exponent and libraries round.
    """
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def plain_or_none(value: Decimal | None) -> str | None:
    """`plain`, letting None through."""
    return None if value is None else plain(value)
