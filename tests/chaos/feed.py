"""Markets that swing, for a soak."""

from __future__ import annotations

import math
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal

import redis

from execution.events.quotes import KEY as QUOTES
from tests.chaos.plans import PRICES, QUANTITIES, SWING
from tests.venues import SimulatedVenue

_SWING_PERIOD = 15.0


class Feed:
    """Markets that swing, so that what rests near them fills in time; at the venue and as quotes.

    A thread of its own; what a server that is away does not take is told again the next moment.
    """

    def __init__(self, redis_url: str, venue: SimulatedVenue) -> None:
        self._client = redis.Redis.from_url(redis_url, socket_timeout=2, socket_connect_timeout=2)
        self._venue = venue
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)

    def start(self) -> None:
        """Set every market once, then let them swing."""
        self._tell()
        self._thread.start()

    def stop(self) -> None:
        """Leave the markets as they are."""
        self._stopping.set()
        self._thread.join(10)
        self._client.close()

    def _run(self) -> None:
        while not self._stopping.wait(0.5):
            with suppress(OSError, redis.RedisError):
                self._tell()

    def _tell(self) -> None:
        swing = SWING * Decimal(math.sin(math.tau * time.time() / _SWING_PERIOD))
        at = datetime.now(UTC).isoformat()
        for symbol, price in PRICES.items():
            bid = format((Decimal(price) * (1 + swing)).quantize(Decimal("0.00001")), "f")
            ask = format(Decimal(bid) + Decimal("0.00001"), "f")
            self._venue.prices({symbol: (bid, ask)})
            if symbol == self._venue.traded.symbol and self._venue.thin:
                # As much as one large order wants, so that others fill in parts.
                size = max(QUANTITIES[symbol], key=Decimal)
                self._venue.control("POST", "liquidity", {"symbol": symbol, "size": size})
            quote = f'{{"bid": "{bid}", "ask": "{ask}", "at": "{at}", "source": "soak"}}'
            self._client.hset(QUOTES, symbol, quote)
