"""The market of one symbol: prices, how much there is at them, and when a stop is reached.

A BUY looks at the ask and a SELL at the bid: each new market counts as a trade at both, so that a
stop is reached when it could trade there. The rules of trailing: Binance's trailing stop FAQ.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from simulators.binance.records import NEVER, Order

_BIPS = Decimal(10_000)


@dataclass(slots=True)
class Market:
    """Bid and ask; `size` is what is left to trade at them (None: any amount).

    `slice_size` is the most that one trade brings, so that an order fills in several.
    """

    bid: Decimal
    ask: Decimal
    size: Decimal | None = None
    slice_size: Decimal | None = None

    @property
    def mid(self) -> Decimal:
        """Between bid and ask; it stands for the average price of the last minutes too."""
        return (self.bid + self.ask) / 2

    def touch(self, order: Order) -> Decimal:
        """What the order would trade at as a taker."""
        return self.ask if order.buys else self.bid

    def crosses(self, order: Order) -> bool:
        """True when the order's own price lets it trade now."""
        if order.takes_any_price:
            return True
        touch = self.touch(order)
        return touch <= order.price if order.buys else touch >= order.price

    def offers(self, wanted: Decimal) -> bool:
        """True when the whole of `wanted` could trade at once."""
        return self.size is None or self.size >= wanted

    def available(self, wanted: Decimal) -> Decimal:
        """How much of `wanted` could trade at once."""
        return wanted if self.size is None else min(wanted, self.size)

    def take(self, wanted: Decimal) -> list[Decimal]:
        """Take up to `wanted` out of the market; the sizes of the trades it makes."""
        available = self.available(wanted)
        if self.size is not None:
            self.size -= available
        sizes = []
        while available > 0:
            sizes.append(min(available, self.slice_size or available))
            available -= sizes[-1]
        return sizes


def is_above(order: Order) -> bool:
    """True of orders whose stop lies above the market: STOP_LOSS BUY and TAKE_PROFIT SELL."""
    return order.buys == order.type.startswith("STOP_LOSS")


def is_reached(order: Order, touch: Decimal) -> bool:
    """True when the market is at the order's stop price or past it."""
    if order.stop_price is None:
        return True
    return touch >= order.stop_price if is_above(order) else touch <= order.stop_price


def triggers(order: Order, touch: Decimal, now: int) -> bool:
    """True when a contingent order goes on the book at this market; a trail follows it first."""
    if order.trailing_delta is None:
        return is_reached(order, touch)
    if order.trailing_time == NEVER:
        if not is_reached(order, touch):
            return False
        order.trailing_time, order.best = now, touch
    best = touch if order.best is None else order.best
    share = order.trailing_delta / _BIPS
    if order.buys:
        order.best = min(best, touch)
        return touch >= order.best * (1 + share)
    order.best = max(best, touch)
    return touch <= order.best * (1 - share)
