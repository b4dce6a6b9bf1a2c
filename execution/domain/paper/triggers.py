"""Stops: where they stand, how a trailing one follows, and when they are reached."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from execution.domain.paper.order import PaperOrder
from execution.domain.reports import Quote
from execution.domain.vocabulary import OrderType, Side


def stop_price(order: PaperOrder) -> Decimal | None:
    """Where the stop stands now; None for a trailing one that has seen no quote yet."""
    if order.order_type is not OrderType.TRAILING_STOP:
        return order.stop_price
    if order.trail_extreme is None:
        return None
    distance = order.trail_amount
    if distance is None:
        distance = abs(order.trail_extreme) * (order.trail_percent or Decimal(0)) / 100
    return order.trail_extreme + distance * order.side.sign


def look(order: PaperOrder, quote: Quote, now: datetime) -> PaperOrder:
    """The order after a fresh quote: a trail follows first, then the stop may be reached.

    A BUY is triggered by the ask at or above its stop and trails the lowest ask; a SELL by the
    bid at or below it, and trails the highest bid. What is triggered stays so.
    """
    touch = quote.ask if order.side is Side.BUY else quote.bid
    if order.order_type is OrderType.TRAILING_STOP:
        order = _follow(order, touch)
    stop = stop_price(order)
    if stop is not None and (touch - stop) * order.side.sign >= 0:
        return replace(order, triggered_at=now)
    return order


def _follow(order: PaperOrder, touch: Decimal) -> PaperOrder:
    """Move the extreme in the order's favour only."""
    best = order.trail_extreme
    if best is None or (best - touch) * order.side.sign > 0:
        return replace(order, trail_extreme=touch)
    return order
