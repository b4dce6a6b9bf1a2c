"""The quote cache: the last quote of each symbol in Redis, and which are wanted.

A quote has a source and a rank: what the symbol's own broker says, while it is connected, goes
before what any feed says, however new. Each rank has a hash of its own: a feed that writes the one
of feeds cannot take the place of a broker.
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
from execution.domain.reports import Quote
from execution.store.clock import now

KEY = "quotes"
OWN = "quotes:own"
WANTED = "quotes:wanted"
_WANTED_SECONDS = 60.0
_CONNECTED_SECONDS = 10.0
"""A broker that is connected quotes what is wanted every second."""


class QuoteCache:
    """Reads and writes quotes; raises EventsUnavailable when Redis does not answer.

    A quote stays until the next one: how old it may be is for its reader to judge.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client

    def put(self, quotes: Iterable[Quote], *, own: bool = False) -> None:
        """Store quotes, newest wins; `own` are those of the symbol's own broker.

        What is no market (0 < bid <= ask) is left out.
        """
        fields = {quote.symbol: _fields(quote) for quote in quotes if _is_market(quote)}
        self._put(OWN if own else KEY, fields)

    def halt(self, symbols: Iterable[str], source: str) -> None:
        """Say for the symbols' own broker that they are not traded now: nobody's quote counts."""
        self._put(OWN, {symbol: {"halted": True, "source": source} for symbol in symbols})

    def _put(self, key: str, fields: Mapping[str, dict[str, Any]]) -> None:
        at = now().timestamp()
        texts = {symbol: json.dumps({**found, "put": at}) for symbol, found in fields.items()}
        if not texts:
            return
        try:
            self._redis.hset(key, mapping=cast("Mapping[Any, Any]", texts))
        except redis.RedisError as error:
            raise EventsUnavailable(f"quotes were not stored: {error}") from error

    def get(self, symbols: Iterable[str]) -> dict[str, Quote]:
        """The last quotes of some symbols, by rank; those without one are left out."""
        names = list(dict.fromkeys(symbols))
        if not names:
            return {}
        try:
            with self._redis.pipeline(transaction=False) as pipe:
                pipe.hmget(KEY, names)
                pipe.hmget(OWN, names)
                read = cast("list[list[bytes | None]]", pipe.execute())
        except redis.RedisError as error:
            raise EventsUnavailable(f"quotes were not read: {error}") from error
        fed, own = (
            {name: text for name, text in zip(names, texts, strict=True) if text is not None}
            for texts in read
        )
        return _ranked(fed, own)

    def want(self, symbols: Iterable[str]) -> None:
        """Ask the venues' own workers to keep quotes of some symbols coming for a while."""
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
            raise EventsUnavailable(f"quotes were not asked for: {error}") from error

    def wanted(self) -> list[str]:
        """The symbols that somebody has wanted within the last minute."""
        try:
            found = cast(
                "list[bytes]",
                self._redis.zrangebyscore(WANTED, now().timestamp() - _WANTED_SECONDS, "+inf"),
            )
        except redis.RedisError as error:
            raise EventsUnavailable(f"what is wanted was not read: {error}") from error
        return [name.decode("utf-8", "replace") for name in found]

    def all(self) -> dict[str, Quote]:
        """The last quote of every symbol, by rank."""
        try:
            with self._redis.pipeline(transaction=False) as pipe:
                pipe.hgetall(KEY)
                pipe.hgetall(OWN)
                read = cast("list[dict[bytes, bytes]]", pipe.execute())
        except redis.RedisError as error:
            raise EventsUnavailable(f"quotes were not read: {error}") from error
        fed, own = (
            {name.decode("utf-8", "replace"): text for name, text in texts.items()}
            for texts in read
        )
        return _ranked(fed, own)


def _fields(quote: Quote) -> dict[str, Any]:
    return {
        "bid": plain(quote.bid),
        "ask": plain(quote.ask),
        "at": timestamp(quote.at),
        "source": quote.source,
    }


def _ranked(fed: Mapping[str, bytes], own: Mapping[str, bytes]) -> dict[str, Quote]:
    """A broker's own quotes while it is connected, and the newest of all where it is not."""
    found, connected = _quotes(fed), {name: text for name, text in own.items() if _is_live(text)}
    last = _quotes({name: text for name, text in own.items() if not _is_halt(text)})
    for symbol, quote in last.items():
        fed_quote = found.get(symbol)
        if symbol in connected or fed_quote is None or fed_quote.at < quote.at:
            found[symbol] = quote
    for symbol, text in connected.items():
        if _is_halt(text):
            found.pop(symbol, None)
    return found


def _is_live(text: bytes) -> bool:
    try:
        put = float(json.loads(text)["put"])
    except (ValueError, TypeError, KeyError):
        return False
    return abs(now().timestamp() - put) <= _CONNECTED_SECONDS


def _is_halt(text: bytes) -> bool:
    try:
        return json.loads(text).get("halted") is True
    except (ValueError, AttributeError):
        return False


def _is_market(quote: Quote) -> bool:
    """At 0 nobody trades; a price that is no number compares with nothing."""
    return quote.bid.is_finite() and quote.ask.is_finite() and 0 < quote.bid <= quote.ask


def _quotes(values: Mapping[str, bytes]) -> dict[str, Quote]:
    """Quotes by symbol; what is no quote is left out, or one writer's mistake would stop all."""
    found = {}
    for symbol, value in values.items():
        try:
            quote = _quote(symbol, value)
        except (ValueError, TypeError, KeyError, ArithmeticError):
            structlog.get_logger().warning("unreadable quote left out", symbol=symbol)
            continue
        if _is_market(quote):
            found[symbol] = quote
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
