"""Quotes have a rank: the symbol's own broker goes before any feed while it is connected."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import redis

from execution.domain.reports import Quote
from execution.events import quotes as module
from execution.events.quotes import KEY, QuoteCache
from tests.fleet import Servers, flush


@pytest.fixture
def client(servers: Servers) -> Iterator[redis.Redis]:
    """An empty Valkey."""
    flush(servers.valkey.url)
    with closing(redis.Redis.from_url(servers.valkey.url)) as client:
        yield client


def quote(bid: str, ask: str, source: str, *, old: float = 0) -> Quote:
    """A quote of bitcoin."""
    at = datetime.now(UTC) - timedelta(seconds=old)
    return Quote("BTC-USDT", Decimal(bid), Decimal(ask), at, source)


OWN = ("64000", "64001", "BINANCE")
FED = ("63990", "63991", "example")


def source(cache: QuoteCache) -> str | None:
    """Whose quote of bitcoin counts, alone and among all."""
    one, among = cache.get(["BTC-USDT"]), cache.all()
    assert one == among
    return one["BTC-USDT"].source if one else None


def test_a_feed_takes_no_broker_s_place(client: redis.Redis) -> None:
    """However new it is, and whoever writes the hash of feeds himself."""
    cache = QuoteCache(client)
    cache.put([quote(*FED)])
    assert source(cache) == "example"
    cache.put([quote(*OWN, old=1)], own=True)
    cache.put([quote(*FED)])
    assert source(cache) == "BINANCE"
    fields = {"bid": "1", "ask": "2", "at": datetime.now(UTC).isoformat(), "source": "mine"}
    client.hset(KEY, "BTC-USDT", json.dumps(fields))
    assert source(cache) == "BINANCE"


def test_without_the_broker_the_newest_counts(
    client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it said while it was connected is one quote among others then."""
    cache = QuoteCache(client)
    cache.put([quote(*OWN)], own=True)
    monkeypatch.setattr(module, "_CONNECTED_SECONDS", -1.0)
    assert source(cache) == "BINANCE"
    cache.put([quote(*FED)])
    assert source(cache) == "example"


def test_nobody_quotes_what_is_halted(client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the broker says otherwise, or is gone."""
    cache = QuoteCache(client)
    cache.put([quote(*FED)])
    cache.put([quote(*OWN)], own=True)
    cache.halt(["BTC-USDT"], "BINANCE")
    assert source(cache) is None
    cache.put([quote(*FED)])
    assert source(cache) is None
    cache.put([quote(*OWN)], own=True)
    assert source(cache) == "BINANCE"
    cache.halt(["BTC-USDT"], "BINANCE")
    monkeypatch.setattr(module, "_CONNECTED_SECONDS", -1.0)
    assert source(cache) == "example"


@pytest.mark.parametrize(
    ("bid", "ask"), [("0", "0"), ("0", "1"), ("2", "1"), ("-1", "1"), ("NaN", "1")]
)
@pytest.mark.parametrize("own", [True, False])
def test_what_is_no_market_is_no_quote(
    client: redis.Redis, bid: str, ask: str, *, own: bool
) -> None:
    """Nobody sells at 0, whoever writes it."""
    cache = QuoteCache(client)
    cache.put([quote(bid, ask, "x")], own=own)
    assert source(cache) is None
    fields = {"bid": bid, "ask": ask, "at": datetime.now(UTC).isoformat(), "source": "mine"}
    client.hset(KEY, "BTC-USDT", json.dumps(fields))
    assert source(cache) is None
