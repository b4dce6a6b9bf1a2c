"""The quote cache: the last quote of each symbol in one Redis hash, and which are wanted."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, cast

import redis
import structlog

from execution.domain.decimals import plain
from execution.domain.errors import EventsUnavailable
from execution.domain.events import timestamp
from execution.domain.reports import Quote

KEY = "quotes"
WANTED = "quotes:wanted"
_WANTED_SECONDS = 60.0


class QuoteCache:
    """Reads and writes quotes; raises EventsUnavailable when Redis does not answer.

    A quote stays until the next one: how old it may be is for its reader to judge.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client

    def put(self, quotes: Iterable[Quote]) -> None:
        """Store quotes, newest wins."""
        fields = {
            quote.symbol: json.dumps(
                {
                    "bid": plain(quote.bid),
                    "ask": plain(quote.ask),
                    "at": timestamp(quote.at),
                    "source": quote.source,
                }
            )
            for quote in quotes
        }
        if fields:
            try:
                self._redis.hset(KEY, mapping=cast("Mapping[Any, Any]", fields))
            except redis.RedisError as error:
                raise EventsUnavailable(f"quotes were not stored: {error}") from error

    def get(self, symbols: Iterable[str]) -> dict[str, Quote]:
        """The last quotes of some symbols; those without one are left out."""
        names = list(dict.fromkeys(symbols))
        if not names:
            return {}
        try:
            values = cast("list[bytes | None]", self._redis.hmget(KEY, names))
        except redis.RedisError as error:
            raise EventsUnavailable(f"quotes were not read: {error}") from error
        return _quotes(
            {name: value for name, value in zip(names, values, strict=True) if value is not None}
        )

    def want(self, symbols: Iterable[str]) -> None:
        """Ask the venues' own workers to keep quotes of some symbols coming for a while."""
        now = time.time()
        wanted = dict.fromkeys(symbols, now)
        if not wanted:
            return
        try:
            with self._redis.pipeline(transaction=False) as pipe:
                pipe.zadd(WANTED, cast("Mapping[Any, Any]", wanted))
                pipe.zremrangebyscore(WANTED, "-inf", now - _WANTED_SECONDS)
                pipe.execute()
        except redis.RedisError as error:
            raise EventsUnavailable(f"quotes were not asked for: {error}") from error

    def wanted(self) -> list[str]:
        """The symbols that somebody has wanted within the last minute."""
        try:
            found = cast(
                "list[bytes]",
                self._redis.zrangebyscore(WANTED, time.time() - _WANTED_SECONDS, "+inf"),
            )
        except redis.RedisError as error:
            raise EventsUnavailable(f"what is wanted was not read: {error}") from error
        return [name.decode("utf-8", "replace") for name in found]

    def all(self) -> dict[str, Quote]:
        """The last quote of every symbol."""
        try:
            values = cast("dict[bytes, bytes]", self._redis.hgetall(KEY))
        except redis.RedisError as error:
            raise EventsUnavailable(f"quotes were not read: {error}") from error
        return _quotes({name.decode("utf-8", "replace"): text for name, text in values.items()})


def _quotes(values: Mapping[str, bytes]) -> dict[str, Quote]:
    """Quotes by symbol; what is no quote is left out, or one writer's mistake would stop all."""
    found = {}
    for symbol, value in values.items():
        try:
            found[symbol] = _quote(symbol, value)
        except (ValueError, TypeError, KeyError, ArithmeticError):
            structlog.get_logger().warning("unreadable quote left out", symbol=symbol)
    return found


def _quote(symbol: str, value: bytes) -> Quote:
    fields = json.loads(value)
    at = datetime.fromisoformat(fields["at"])
    if at.tzinfo is None:
        raise ValueError("a quote's time must have its offset")
    return Quote(
        symbol=symbol,
        bid=Decimal(fields["bid"]),
        ask=Decimal(fields["ask"]),
        at=at,
        source=str(fields["source"]),
    )
