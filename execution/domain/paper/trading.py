"""Trading an order on a quote: as much as price, size and time in force allow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from execution.domain.decimals import plain
from execution.domain.paper.order import PaperOrder
from execution.domain.paper.slippage import Slippage, fill_price, is_marketable
from execution.domain.reports import Quote
from execution.domain.vocabulary import OrderState, TimeInForce


@dataclass(frozen=True, slots=True)
class PaperRules:
    """What is the same for every order of the venue.

    A quote is fresh while it is younger than `quote_max_age`. `price_wait` is how long a price is
    waited for. `depth` is the size on each side of every quote and `execution_size` the largest
    single execution, both in the instrument's units; None is no limit.
    """

    slippage: Slippage
    quote_max_age: timedelta
    price_wait: timedelta
    depth: Decimal | None = None
    execution_size: Decimal | None = None


@dataclass(frozen=True, slots=True)
class PaperFill:
    """One simulated execution: quantity in the instrument's units, price in its currency."""

    quantity: Decimal
    price: Decimal
    executed_at: datetime


@dataclass(frozen=True, slots=True)
class Matched:
    """An order after a look at the market, with what it filled there.

    `stale_by` is how old the quote was, where that was no market any more.
    """

    order: PaperOrder
    fills: tuple[PaperFill, ...] = ()
    stale_by: timedelta | None = None


def one_of_each_group(changes: Sequence[Matched]) -> list[Matched]:
    """What may be written at once: where one of a group fills, nothing of the others.

    The others are looked at again as they stand after it.
    """
    fills: dict[UUID, str] = {}
    for change in changes:
        group = change.order.one_cancels_other
        if group is not None and change.fills:
            fills.setdefault(group, change.order.venue_order_id)
    return [
        change
        for change in changes
        if change.order.one_cancels_other not in fills
        or fills[change.order.one_cancels_other] == change.order.venue_order_id
    ]


def end(order: PaperOrder, state: OrderState, reason: str) -> Matched:
    """The order ended without a fill."""
    return Matched(replace(order, state=state, reason=reason))


def trade(
    order: PaperOrder,
    quote: Quote,
    now: datetime,
    rules: PaperRules,
    *,
    note: str | None = None,
    sized: bool = True,
) -> Matched:
    """Fill what can be filled on a quote; `note` says of the fill what is special about it.

    `sized` is False for a price without a size, at which everything fills.
    """
    leaves = order.leaves_quantity
    available = min(leaves, _available(order, quote, rules.depth if sized else None))
    if order.time_in_force is TimeInForce.FOK and available < leaves:
        return end(order, OrderState.CANCELLED, _why_cancelled(order, available, quote))
    fills = tuple(_pieces(order, available, quote, now, rules))
    if fills:
        order = _filled(order, fills, quote, note)
    if order.is_immediate and not order.state.is_final:
        reason = _why_cancelled(order, order.filled_quantity, quote)
        order = replace(order, state=OrderState.CANCELLED, reason=reason)
    return Matched(order, fills)


def trade_at_close(
    order: PaperOrder, closes_at: datetime, quote: Quote, now: datetime, rules: PaperRules
) -> Matched:
    """Fill what can be filled on the closing quote; the rest is over."""
    late = quote.at - closes_at
    note = f"priced {late.total_seconds():.0f} s after the close"
    traded = trade(order, quote, now, rules, note=note if late > rules.quote_max_age else None)
    left = traded.order
    if left.state.is_final:
        return traded
    if traded.fills:
        reason = f"{plain(left.leaves_quantity)} of {plain(left.quantity)} unfilled at the close"
    else:
        reason = f"not within its limit at the close: {_market(quote)}"
    return Matched(replace(left, state=OrderState.EXPIRED, reason=reason), traded.fills)


def _available(order: PaperOrder, quote: Quote, depth: Decimal | None) -> Decimal:
    """How much of the order's side trades at the quote, less what the order took of it before."""
    if not is_marketable(order.side, order.limit_price, quote):
        return Decimal(0)
    if depth is None:
        return order.leaves_quantity
    return max(Decimal(0), depth - _taken(order, quote))


def _taken(order: PaperOrder, quote: Quote) -> Decimal:
    return order.taken_quantity if order.taken_at == quote.at else Decimal(0)


def _pieces(
    order: PaperOrder, quantity: Decimal, quote: Quote, now: datetime, rules: PaperRules
) -> Iterator[PaperFill]:
    number = order.executions
    while quantity > 0:
        number += 1
        name = f"{order.client_order_id}:{number}"
        price = fill_price(order.side, order.limit_price, quote, rules.slippage, name)
        piece = min(quantity, rules.execution_size or quantity)
        yield PaperFill(piece, price, now)
        quantity -= piece


def _filled(
    order: PaperOrder, fills: tuple[PaperFill, ...], quote: Quote, note: str | None
) -> PaperOrder:
    quantity = sum((fill.quantity for fill in fills), Decimal(0))
    filled = order.filled_quantity + quantity
    return replace(
        order,
        filled_quantity=filled,
        executions=order.executions + len(fills),
        taken_at=quote.at,
        taken_quantity=_taken(order, quote) + quantity,
        state=OrderState.FILLED if filled >= order.quantity else OrderState.PARTIALLY_FILLED,
        reason=note or order.reason,
    )


def _why_cancelled(order: PaperOrder, filled: Decimal, quote: Quote) -> str:
    tif = order.time_in_force
    if filled:
        return f"{tif}: only {plain(filled)} of {plain(order.quantity)} could be filled"
    if not is_marketable(order.side, order.limit_price, quote):
        return f"{tif}: not marketable at {_market(quote)}"
    return f"{tif}: nothing could be filled at {_market(quote)}"


def _market(quote: Quote) -> str:
    return f"{plain(quote.bid)} / {plain(quote.ask)}"
