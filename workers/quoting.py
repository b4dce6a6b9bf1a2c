"""Quotes that somebody wants, from the broker's own venue into the cache and the history."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

import structlog

from execution.domain.errors import (
    BrokerUnavailable,
    EventsUnavailable,
    RequestRefused,
    StoreUnavailable,
)
from execution.domain.instruments import Instrument
from execution.domain.lending import Lender
from execution.domain.ports import Broker, Halts
from execution.domain.reports import Quote
from execution.domain.routing import LIVE_ROUTES
from execution.domain.vocabulary import BrokerName
from execution.events.lending import LendingCache
from execution.intake import today
from execution.store import quotes as history
from workers.context import Context

EVERY_SECONDS = 1.0
LENDING_EVERY_SECONDS = 5.0


async def feed(context: Context, broker: BrokerName, adapter: Broker) -> None:
    """Ask for what is wanted, round by round, until the venue does not answer.

    That Redis or PostgreSQL is away costs a round. Raises BrokerUnavailable. The paper venue quotes
    nothing: it is the one that wants.
    """
    if broker is BrokerName.PAPER:
        return
    last: dict[str, Quote] = {}
    while True:
        try:
            wanted = await asyncio.to_thread(_wanted, context, broker)
            if wanted:
                heard = await adapter.quotes(wanted)
                await asyncio.to_thread(_keep, context, heard, last)
                if isinstance(adapter, Halts) and (halted := adapter.halted(wanted)):
                    await asyncio.to_thread(context.quotes.halt, halted, broker.value)
        except (EventsUnavailable, StoreUnavailable) as error:
            structlog.get_logger().warning("quotes not kept", broker=broker, error=str(error))
        await asyncio.sleep(EVERY_SECONDS)


async def ask(context: Context, adapter: Broker, instrument: Instrument) -> Quote:
    """One quote now, kept like the others. BrokerUnavailable."""
    found = await adapter.quotes([instrument])
    if not found:
        raise BrokerUnavailable(f"there is no quote of {instrument.symbol}")
    await asyncio.to_thread(_keep, context, found, {})
    return found[0]


async def feed_lending(context: Context, broker: BrokerName, adapter: Broker) -> None:
    """Ask how many shares of what is wanted can be borrowed, round by round, where any are lent.

    What a venue does not say of one share is passed over.
    """
    if not isinstance(adapter, Lender):
        return
    cache = LendingCache(context.redis)
    while True:
        try:
            wanted = await asyncio.to_thread(_of, context, broker, cache.wanted)
            for instrument in wanted:
                with suppress(BrokerUnavailable):
                    heard = await adapter.shortable(instrument)
                    await asyncio.to_thread(cache.put, [heard])
        except EventsUnavailable as error:
            structlog.get_logger().warning("lending not kept", broker=broker, error=str(error))
        await asyncio.sleep(LENDING_EVERY_SECONDS)


def _wanted(context: Context, broker: BrokerName) -> Sequence[Instrument]:
    return _of(context, broker, context.quotes.wanted)


def _of(
    context: Context, broker: BrokerName, symbols: Callable[[], Sequence[str]]
) -> Sequence[Instrument]:
    """The instruments among what is wanted that this broker is the venue of."""
    found = []
    for symbol in symbols():
        try:
            instrument = context.mapper.map(symbol, None, on=today())
        except RequestRefused:
            continue
        if LIVE_ROUTES[instrument.asset_class] is broker:
            found.append(instrument)
    return found


def _keep(context: Context, heard: Sequence[Quote], last: dict[str, Quote]) -> None:
    """Every quote into the cache; into the history those that are news."""
    context.quotes.put(heard, own=True)
    news = [quote for quote in heard if _is_news(quote, last.get(quote.symbol))]
    if news:
        with context.store.transaction() as connection:
            history.record(connection, news)
        last.update((quote.symbol, quote) for quote in news)


def _is_news(quote: Quote, last: Quote | None) -> bool:
    return last is None or (quote.bid, quote.ask) != (last.bid, last.ask)
