"""Market data on request, from the worker that holds the broker's connection.

There is no result backend: a ticker goes to the quote cache and `quotes`, candles to `candles`, an
order book and trades to Redis (`execution.events.market`). A venue that does not answer is asked
again twice; market data is no order, and is let go after that.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, TypeVar

import structlog
from celery import Task

from execution.domain.errors import BrokerUnavailable, OutcomeUnknown, RequestRefused
from execution.domain.instruments import Instrument
from execution.domain.market_data import MarketData
from execution.domain.ports import Broker
from execution.domain.routing import LIVE_ROUTES
from execution.events.market import MarketCache
from execution.intake import today
from execution.store import candles
from workers import quoting
from workers.app import app
from workers.context import context
from workers.registry import session_of
from workers.session import BrokerSession

T = TypeVar("T")


class MarketDataTask(Task):  # type: ignore[type-arg]
    """Tries again where the venue does not answer."""

    abstract = True
    autoretry_for = (BrokerUnavailable, OutcomeUnknown)
    max_retries = 2
    retry_backoff = 1
    ignore_result = True


@app.task(base=MarketDataTask, name="tasks.fetch_ticker")
def fetch_ticker(symbol: str) -> None:
    """Best bid and ask of a symbol."""
    found = _instrument(symbol)
    if found is not None:
        instrument, session = found
        timeout = context().settings.broker_call_timeout
        session.call(lambda adapter: quoting.ask(context(), adapter, instrument), timeout)


@app.task(base=MarketDataTask, name="tasks.fetch_order_book")
def fetch_order_book(symbol: str, limit: int = 100) -> None:
    """So many prices of each side."""
    found = _instrument(symbol)
    if found is not None:
        book = _ask(found, lambda venue, instrument: venue.order_book(instrument, limit))
        MarketCache(context().redis).put_book(book)


@app.task(base=MarketDataTask, name="tasks.fetch_ohlcv")
def fetch_ohlcv(
    symbol: str, interval: str = "1m", since: str | None = None, limit: int = 500
) -> None:
    """Candles of an interval, the newest or from `since` (ISO 8601) on."""
    found = _instrument(symbol)
    if found is None:
        return
    start = None if since is None else datetime.fromisoformat(since).astimezone(UTC)
    heard = _ask(found, lambda venue, instrument: venue.candles(instrument, interval, start, limit))
    instrument, session = found
    with context().store.transaction() as connection:
        candles.record(connection, session.broker, instrument.symbol, interval, heard)


@app.task(base=MarketDataTask, name="tasks.fetch_trades")
def fetch_trades(symbol: str, limit: int = 500) -> None:
    """The last trades of everybody."""
    found = _instrument(symbol)
    if found is not None:
        heard = _ask(found, lambda venue, instrument: venue.recent_trades(instrument, limit))
        instrument, session = found
        cache = MarketCache(context().redis)
        cache.put_trades(instrument.symbol, session.broker.value, heard)


def _instrument(symbol: str) -> tuple[Instrument, BrokerSession] | None:
    """What a symbol names, and the session of its broker; None, with a log line, for nonsense."""
    try:
        instrument = context().mapper.map(symbol, None, on=today())
    except RequestRefused as refusal:
        structlog.get_logger().warning("no market data", symbol=symbol, reason=str(refusal))
        return None
    return instrument, session_of(LIVE_ROUTES[instrument.asset_class])


def _ask(
    of: tuple[Instrument, BrokerSession],
    question: Callable[[MarketData, Instrument], Coroutine[Any, Any, T]],
) -> T:
    instrument, session = of

    async def ask(adapter: Broker) -> T:
        if not isinstance(adapter, MarketData):
            raise BrokerUnavailable(f"{session.broker} is no source of market data")
        return await question(adapter, instrument)

    return session.call(ask, context().settings.broker_call_timeout)
