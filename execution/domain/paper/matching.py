"""What one order does at one look at the market: a pure function of order, quote, time, rules."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from execution.domain.paper import triggers
from execution.domain.paper.order import PaperOrder
from execution.domain.paper.slippage import is_marketable
from execution.domain.paper.trading import Matched, PaperRules, end, trade, trade_at_close
from execution.domain.ports import Attempt
from execution.domain.reports import Quote
from execution.domain.vocabulary import OrderState, OrderType, TimeInForce


def match(order: PaperOrder, quote: Quote | None, now: datetime, rules: PaperRules) -> Matched:
    """Look at an order: its end first, then the close it waits for, its trigger, its price.

    `quote` is the last one known, however old. At or after its end nothing fills. The very same
    order comes back when nothing happened.
    """
    if order.state.is_final:
        return Matched(order)
    if order.ends_at is not None and now >= order.ends_at:
        return end(order, OrderState.EXPIRED, _why_expired(order, order.ends_at))
    if quote is not None and not _is_sound(quote):
        quote = None
    if order.closes_at is not None:
        return _match_on_close(order, order.closes_at, quote, now, rules)
    fresh = quote if quote is not None and now - quote.at < rules.quote_max_age else None
    if order.awaits_trigger and fresh is not None:
        order = triggers.look(order, fresh, now)
    if order.awaits_trigger:
        return Matched(order)
    if fresh is not None:
        return trade(order, fresh, now, rules)
    return _match_unquoted(order, quote, now, rules)


def would_take(attempt: Attempt, quote: Quote | None, now: datetime, rules: PaperRules) -> bool:
    """Whether a LIMIT order would trade at once instead of resting."""
    fresh = quote is not None and _is_sound(quote) and now - quote.at < rules.quote_max_age
    return fresh and quote is not None and is_marketable(attempt.side, attempt.limit_price, quote)


def _match_on_close(
    order: PaperOrder, closes_at: datetime, quote: Quote | None, now: datetime, rules: PaperRules
) -> Matched:
    """Trade once, on the first quote seen after the close that is not from long before it."""
    if now < closes_at:
        return Matched(order)
    if quote is not None and quote.at > closes_at - rules.quote_max_age:
        return trade_at_close(order, closes_at, quote, now, rules)
    if now < closes_at + rules.price_wait:
        return Matched(order)
    waited = f"{rules.price_wait.total_seconds():g} s"
    reason = f"no price for {order.symbol} at the close, nor within {waited} of it"
    limited = order.order_type is OrderType.LIMIT_ON_CLOSE
    return end(order, OrderState.EXPIRED if limited else OrderState.REJECTED, reason)


def _match_unquoted(
    order: PaperOrder, last: Quote | None, now: datetime, rules: PaperRules
) -> Matched:
    """Without a fresh quote only a MARKET order trades, and nothing IMMEDIATE goes on waiting."""
    if order.order_type is OrderType.MARKET:
        return _match_market(order, last, now, rules)
    if order.is_immediate:
        return end(order, OrderState.CANCELLED, f"{order.time_in_force}: no fresh quote")
    return Matched(order)


def _match_market(
    order: PaperOrder, last: Quote | None, now: datetime, rules: PaperRules
) -> Matched:
    """The reference price, else, in place of a live order, the last quote; else wait for one."""
    if order.reference_price is not None:
        price = order.reference_price
        reference = Quote(order.symbol, price, price, now, "reference_price")
        note = "priced on its reference_price"
        return trade(order, reference, now, rules, note=note, sized=False)
    if order.rerouted and last is not None:
        age = now - last.at
        note = f"priced on a stale quote, {age.total_seconds():.0f} s old"
        return replace(trade(order, last, now, rules, note=note), stale_by=age)
    if order.filled_quantity or now - order.accepted_at < rules.price_wait:
        return Matched(order)
    reason = (
        f"no price for {order.symbol} within {rules.price_wait.total_seconds():g} s: "
        "no fresh quote and no reference_price"
    )
    return end(order, OrderState.REJECTED, reason)


def _is_sound(quote: Quote) -> bool:
    """Whether a quote is one at all: numbers, and not crossed."""
    return quote.bid.is_finite() and quote.ask.is_finite() and quote.bid <= quote.ask


def _why_expired(order: PaperOrder, ends_at: datetime) -> str:
    moment = ends_at.isoformat().replace("+00:00", "Z")
    if order.time_in_force is TimeInForce.DAY:
        return f"DAY: its session closed at {moment}"
    return f"{order.time_in_force}: it stood until {moment}"
