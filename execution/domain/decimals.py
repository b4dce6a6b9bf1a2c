"""Decimals as text: plain notation, no exponent, no superfluous zeros."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Context, Decimal, localcontext
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

# Requests allow 33 digits; the usual context would round their sums to 28. Products of two and the
# quotients of averages are rounded here, far below anything a venue knows.
ARITHMETIC = Context(prec=80)


def exact(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function add up and multiply quantities and prices without rounding them."""

    @wraps(function)
    def inner(*args: P.args, **kwargs: P.kwargs) -> R:
        with localcontext(ARITHMETIC):
            return function(*args, **kwargs)

    return inner


def plain(value: Decimal) -> str:
    """`value` exactly, as people and venues write it: `0.5`, `100000`, never `1E+5`.

    We serialise numbers ourselves because `str(Decimal)` may use an exponent and libraries round.
    """
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text
