"""How the arbitrage computes: in decimals, exactly up to one rounding of the spread.

A spread is rounded once, to 30 decimals; what follows are sums and products of such numbers, which
a context of 240 digits holds without rounding. So the sums of a window that slides for years equal
those of one that was just loaded, the window is flat exactly when all its spreads are equal, and
prices in another unit (cents, or shares after a split) give the same spread to the last digit:
all of which binary floating point can only nearly say.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal

# Prices and coins per share lie between these; so a spread is below 1e51 and has at most 81 digits,
# its square 162, and the terms under the root of a window of a million, 186.
SMALLEST = Decimal("1e-12")
LARGEST = Decimal("1e15")

EXACT = Context(prec=240, rounding=ROUND_HALF_EVEN)
ROOTS = Context(prec=50, rounding=ROUND_HALF_EVEN)
PLACES = Decimal("1e-30")


def on_grid(value: Decimal) -> Decimal:
    """`value` at 30 decimals."""
    return value.quantize(PLACES, context=EXACT)


def in_range(value: Decimal) -> bool:
    """Whether a price or a number of coins is finite, positive and of a size that can be."""
    return value.is_finite() and SMALLEST <= value < LARGEST
