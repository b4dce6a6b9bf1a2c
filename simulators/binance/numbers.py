"""Binance's numbers: eight decimal places, as strings; times as integers of milliseconds."""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_UP, Decimal

_EIGHT = Decimal("0.00000001")


def eight(value: Decimal) -> str:
    """`value` as Binance prints it: 0.5 is "0.50000000"."""
    return format(value, ".8f")


def round_down(value: Decimal) -> Decimal:
    """To eight places, towards zero: what one receives."""
    return value.quantize(_EIGHT, ROUND_DOWN)


def round_up(value: Decimal) -> Decimal:
    """To eight places, away from zero: what one must have."""
    return value.quantize(_EIGHT, ROUND_UP)


def on_grid(value: Decimal, step: Decimal) -> bool:
    """True when `value` is a multiple of `step`; a step of 0 asks for nothing."""
    return not step or not value % step


def down_to(value: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of `step` that is not above `value`."""
    return value - value % step
