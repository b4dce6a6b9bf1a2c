"""How many shares can be borrowed, as brokers' workers last heard it: one Redis hash."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from typing import cast

import redis
import structlog

from execution.domain.arbitrage.permission import Shortable
from execution.domain.decimals import plain
from execution.domain.errors import EventsUnavailable
from execution.domain.events import timestamp

KEY = "shortable"


class ShortableCache:
    """Raises EventsUnavailable when Redis does not answer; age is for the reader to judge."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client

    def put(self, found: Shortable) -> None:
        """Keep what was heard, newest wins."""
        value = {"shares": plain(found.shares), "as_of": timestamp(found.as_of)}
        try:
            self._redis.hset(KEY, found.symbol, json.dumps(value))
        except redis.RedisError as error:
            raise EventsUnavailable(f"shortable shares were not stored: {error}") from error

    def get(self, symbol: str) -> Shortable | None:
        """What is known of a symbol; None where nothing is, or nothing that makes sense."""
        try:
            value = cast("bytes | None", self._redis.hget(KEY, symbol))
        except redis.RedisError as error:
            raise EventsUnavailable(f"shortable shares were not read: {error}") from error
        if value is None:
            return None
        try:
            read = json.loads(value)
            found = Shortable(
                symbol, Decimal(read["shares"]), datetime.fromisoformat(read["as_of"])
            )
        except (ValueError, TypeError, LookupError, ArithmeticError):
            found = None
        if found is None or not found.shares.is_finite() or found.as_of.tzinfo is None:
            structlog.get_logger().warning("not a number of shortable shares", symbol=symbol)
            return None
        return found
