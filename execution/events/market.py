"""The last order book and the last trades of a symbol, in Redis for a minute.

`book:SYMBOL` is {"symbol", "bids": [[price, quantity], …], "asks", "at", "source"}, the best price
first; `trades:SYMBOL` is {"symbol", "trades": [{"trade_id", "price", "quantity", "at",
"buyer_is_maker"}, …], "source"}, oldest first. Numbers are decimal strings.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, cast

import redis

from execution.domain.decimals import plain
from execution.domain.errors import EventsUnavailable
from execution.domain.events import timestamp
from execution.domain.market_data import OrderBook, PublicTrade

KEPT_SECONDS = 60


class MarketCache:
    """Writes and reads them; raises EventsUnavailable when Redis does not answer."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client

    def put_book(self, book: OrderBook) -> None:
        """Keep an order book."""
        sides = {
            side: [[plain(price), plain(quantity)] for price, quantity in getattr(book, side)]
            for side in ("bids", "asks")
        }
        said = {"symbol": book.symbol, **sides, "at": timestamp(book.at), "source": book.source}
        self._set(f"book:{book.symbol}", said)

    def put_trades(self, symbol: str, source: str, trades: Sequence[PublicTrade]) -> None:
        """Keep the last trades."""
        rows = [
            {
                **asdict(trade),
                "price": plain(trade.price),
                "quantity": plain(trade.quantity),
                "at": timestamp(trade.at),
            }
            for trade in trades
        ]
        self._set(f"trades:{symbol}", {"symbol": symbol, "trades": rows, "source": source})

    def book(self, symbol: str) -> dict[str, Any] | None:
        """The last order book as it is kept; None when there is none of the last minute."""
        return self._get(f"book:{symbol}")

    def trades(self, symbol: str) -> dict[str, Any] | None:
        """The last trades as they are kept; None when there are none of the last minute."""
        return self._get(f"trades:{symbol}")

    def _set(self, key: str, value: dict[str, Any]) -> None:
        try:
            self._redis.set(key, json.dumps(value), ex=KEPT_SECONDS)
        except redis.RedisError as error:
            raise EventsUnavailable(f"{key} was not stored: {error}") from error

    def _get(self, key: str) -> dict[str, Any] | None:
        try:
            found = cast("bytes | None", self._redis.get(key))
        except redis.RedisError as error:
            raise EventsUnavailable(f"{key} was not read: {error}") from error
        return None if found is None else cast("dict[str, Any]", json.loads(found))
