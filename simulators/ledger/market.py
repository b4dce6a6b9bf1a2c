"""The market of one symbol: prices, how much there is at them, and what an order would get."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from simulators.ledger.records import Order


@dataclass(slots=True)
class Market:
    """Bid and ask; `size` is what is left to trade at them (None: any amount).

    `slice_size` is the most that one execution brings, so that an order fills in several.
    """

    bid: Decimal
    ask: Decimal
    size: Decimal | None = None
    slice_size: Decimal | None = None

    def price_for(self, order: Order) -> Decimal | None:
        """What the order would trade at now, or None while its prices keep it from trading."""
        buys = order.side == "BUY"
        touch = self.ask if buys else self.bid
        if not self._triggered(order, touch):
            return None
        limit = order.limit_price if order.order_type in {"LIMIT", "STOP_LIMIT"} else None
        if limit is None:
            return touch
        return touch if (touch <= limit if buys else touch >= limit) else None

    def take(self, wanted: Decimal) -> list[Decimal]:
        """Take up to `wanted` out of the market; the sizes of the executions it makes."""
        available = wanted if self.size is None else min(wanted, self.size)
        if self.size is not None:
            self.size -= available
        sizes = []
        while available > 0:
            sizes.append(min(available, self.slice_size or available))
            available -= sizes[-1]
        return sizes

    def offers(self, wanted: Decimal) -> bool:
        """True when the whole of `wanted` could trade at once."""
        return self.size is None or self.size >= wanted

    def _triggered(self, order: Order, touch: Decimal) -> bool:
        """A stop becomes a live order when the market reaches it, and stays one."""
        if order.order_type not in {"STOP", "STOP_LIMIT", "TRAILING_STOP"}:
            return True
        if order.order_type == "TRAILING_STOP":
            _trail(order, touch)
        if order.stop_price is not None and not order.triggered:
            order.triggered = (
                touch >= order.stop_price if order.side == "BUY" else touch <= order.stop_price
            )
        return order.triggered


def _trail(order: Order, touch: Decimal) -> None:
    """The stop follows the market on its good side, and never goes back."""
    distance = order.trail_amount or touch * (order.trail_percent or Decimal(0)) / 100
    if order.side == "BUY":
        candidate = touch + distance
        order.stop_price = min(candidate, order.stop_price or candidate)
    else:
        candidate = touch - distance
        order.stop_price = max(candidate, order.stop_price or candidate)
