"""What a venue tells everybody of an instrument: candles, an order book, trades."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol, runtime_checkable

from execution.domain.instruments import Instrument


@dataclass(frozen=True, slots=True)
class Candle:
    """Open, high, low, close (in the instrument's currency) and volume (its units) of an interval.

    `opened_at` is aware UTC. The newest one of an answer may not be complete.
    """

    opened_at: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


@dataclass(frozen=True, slots=True)
class OrderBook:
    """Prices with their quantities, the best first; `at` is when it was asked for (aware UTC)."""

    symbol: str
    bids: tuple[tuple[Decimal, Decimal], ...]
    asks: tuple[tuple[Decimal, Decimal], ...]
    at: datetime
    source: str


@dataclass(frozen=True, slots=True)
class PublicTrade:
    """A trade between others. `buyer_is_maker` tells that the seller took."""

    trade_id: str
    price: Decimal
    quantity: Decimal
    at: datetime
    buyer_is_maker: bool


@runtime_checkable
class MarketData(Protocol):
    """A broker that also tells of its market. All raise BrokerUnavailable."""

    async def candles(
        self, instrument: Instrument, interval: str, since: datetime | None, limit: int
    ) -> Sequence[Candle]:
        """Candles of an interval as the venue names it (`1m`, `1h`, `1d`), oldest first."""

    async def order_book(self, instrument: Instrument, limit: int) -> OrderBook:
        """So many prices of each side."""

    async def recent_trades(self, instrument: Instrument, limit: int) -> Sequence[PublicTrade]:
        """The last trades of everybody, oldest first."""
