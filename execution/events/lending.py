"""How many shares can be borrowed, by symbol, in one Redis hash; and of which that is wanted.

`shortable` holds {"shares", "at", "source"} by symbol; numbers are decimal strings.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, cast

import redis
import structlog

from execution.domain.decimals import plain
from execution.domain.errors import EventsUnavailable
from execution.domain.events import timestamp
from execution.domain.lending import Shortable
from execution.store.clock import now

KEY = "shortable"
WANTED = "shortable:wanted"
_WANTED_SECONDS = 120.0


class LendingCache:
    """Reads and writes what brokers say; raises EventsUnavailable when Redis does not answer.

    Their own workers keep asking for what was wanted within the last two minutes.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client

    def put(self, heard: Iterable[Shortable]) -> None:
        """Keep the latest word on each symbol."""
        fields = {
            one.symbol: json.dumps(
                {"shares": plain(one.shares), "at": timestamp(one.at), "source": one.source}
            )
            for one in heard
        }
        if fields:
            try:
                self._redis.hset(KEY, mapping=cast("Mapping[Any, Any]", fields))
            except redis.RedisError as error:
                raise EventsUnavailable(f"shortable shares were not stored: {error}") from error

    def get(self, symbol: str) -> Shortable | None:
        """The latest word on a symbol, however old; None when there is none."""
        try:
            found = cast("bytes | None", self._redis.hget(KEY, symbol))
        except redis.RedisError as error:
            raise EventsUnavailable(f"shortable shares were not read: {error}") from error
        try:
            return None if found is None else _shortable(symbol, found)
        except (ValueError, TypeError, KeyError, ArithmeticError):
            structlog.get_logger().warning("unreadable shortable shares", symbol=symbol)
            return None

    def want(self, symbols: Iterable[str]) -> None:
        """Ask the brokers' own workers to keep looking for a while."""
        at = now().timestamp()
        wanted = dict.fromkeys(symbols, at)
        if not wanted:
            return
        try:
            with self._redis.pipeline(transaction=False) as pipe:
                pipe.zadd(WANTED, cast("Mapping[Any, Any]", wanted))
                pipe.zremrangebyscore(WANTED, "-inf", at - _WANTED_SECONDS)
                pipe.execute()
        except redis.RedisError as error:
            raise EventsUnavailable(f"shortable shares were not asked for: {error}") from error

    def wanted(self) -> list[str]:
        """The symbols that somebody wants to know of."""
        try:
            found = cast(
                "list[bytes]",
                self._redis.zrangebyscore(WANTED, now().timestamp() - _WANTED_SECONDS, "+inf"),
            )
        except redis.RedisError as error:
            raise EventsUnavailable(f"what is wanted was not read: {error}") from error
        return [name.decode("utf-8", "replace") for name in found]


def _shortable(symbol: str, text: bytes) -> Shortable:
    fields = json.loads(text)
    at = datetime.fromisoformat(fields["at"])
    if at.tzinfo is None:
        raise ValueError("a time must have its offset")
    shares = Decimal(fields["shares"])
    if not shares.is_finite():
        raise ValueError("a number of shares is finite")
    return Shortable(symbol, shares, at, str(fields["source"]))
