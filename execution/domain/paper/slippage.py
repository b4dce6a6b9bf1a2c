"""How a paper fill is priced: the quote, the model and the randomness passed in."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from execution.domain.reports import Quote
from execution.domain.vocabulary import Side

SlippageModel = Literal["fixed", "uniform", "none"]

# What a draw gives: a fraction in [0, 1), named so that the same name gives the same fraction.
Draw = Callable[[str], Decimal]

_DRAWS = 10**6


def seeded_draw(seed: int) -> Draw:
    """Fractions in [0, 1) with six decimals that depend on nothing but `seed` and their name.

    A hash instead of a generator's next number: what an execution draws does not depend on how
    many others drew before it, so neither a restart nor a second worker changes a price.
    """

    def draw(name: str) -> Decimal:
        digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
        return Decimal(int.from_bytes(digest[:8], "big") % _DRAWS) / _DRAWS

    return draw


@dataclass(frozen=True, slots=True)
class Slippage:
    """How far from mid a fill is: `rate` is a fraction of mid (0.001 is 0.1 %).

    `fixed` is always against the order; `uniform` lies within ± rate, drawn by `draw`; `none`
    fills at mid.
    """

    model: SlippageModel
    rate: Decimal
    draw: Draw

    def price(self, quote: Quote, side: Side, name: str) -> Decimal:
        """The price of an execution that takes what the market gives, in the quote's currency.

        `name` is the execution's own, for the draw. Of a mid below zero, which futures have seen,
        the rate is of its size: against the order stays against the order.
        """
        match self.model:
            case "fixed":
                offset = self.rate * side.sign
            case "uniform":
                offset = self.rate * (2 * self.draw(name) - 1)
            case "none":
                return quote.mid
        return quote.mid + abs(quote.mid) * offset


def is_marketable(side: Side, limit_price: Decimal | None, quote: Quote) -> bool:
    """Whether a limit may trade on `quote`: a BUY looks at the ask, a SELL at the bid."""
    if limit_price is None:
        return True
    return quote.ask <= limit_price if side is Side.BUY else quote.bid >= limit_price


def fill_price(
    side: Side, limit_price: Decimal | None, quote: Quote, slippage: Slippage, name: str
) -> Decimal:
    """The price of an execution named `name` on a quote at which the order is marketable.

    A limit never fills worse than its limit, slippage included.
    """
    price = slippage.price(quote, side, name)
    if limit_price is None:
        return price
    return min(limit_price, price) if side is Side.BUY else max(limit_price, price)
