"""How a paper fill is priced: pure rules, the quote and the randomness passed in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from execution.domain.reports import Quote
from execution.domain.vocabulary import OrderType, Side

SlippageModel = Literal["fixed", "uniform", "none"]


@dataclass(frozen=True, slots=True)
class Slippage:
    """How far from mid a fill is: `rate` is a fraction of mid (0.001 is 0.1 %).

    `fixed` is always against the order; `uniform` lies within ± rate, drawn by `draw`, which gives
    a fraction in [0, 1); `none` fills at mid.
    """

    model: SlippageModel
    rate: Decimal
    draw: Callable[[], Decimal]

    def price(self, quote: Quote, side: Side) -> Decimal:
        """The price of an order that takes what the market gives, in the quote's currency."""
        match self.model:
            case "fixed":
                offset = self.rate * side.sign
            case "uniform":
                offset = self.rate * (2 * self.draw() - 1)
            case "none":
                offset = Decimal(0)
        return quote.mid * (1 + offset)


def fill_price(
    side: Side,
    order_type: OrderType,
    limit_price: Decimal | None,
    quote: Quote,
    slippage: Slippage,
) -> Decimal | None:
    """The price at which an order fills on `quote`; None while it rests.

    A BUY looks at the ask and a SELL at the bid. A limit never fills worse than its limit,
    slippage included.
    """
    if order_type is OrderType.MARKET:
        return slippage.price(quote, side)
    if limit_price is None:
        return None
    if side is Side.BUY:
        return min(limit_price, slippage.price(quote, side)) if quote.ask <= limit_price else None
    return max(limit_price, slippage.price(quote, side)) if quote.bid >= limit_price else None
