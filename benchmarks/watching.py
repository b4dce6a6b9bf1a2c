"""The stop-watches: when each order was done. They block or look every 5 ms, and cost little."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Collection
from decimal import Decimal
from pathlib import Path

import redis

from benchmarks.errors import MeasurementFailed
from benchmarks.stock import line

LONGEST = 120.0
"""Seconds after which an order is missing."""
_LOOK_EVERY = 0.005
_NANOSECONDS = 1e9


class FillWatch:
    """A consumer of the channel `fills`, as any user would write one, on a thread of its own."""

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(url)
        self._stopping = threading.Event()
        self._subscribed = threading.Event()
        self._all_there = threading.Event()
        self._lock = threading.Lock()
        self._missing: set[str] = set()
        self._times: dict[str, float] = {}
        self._thread = threading.Thread(target=self._listen, name="fills", daemon=True)

    def start(self) -> None:
        """Subscribe."""
        self._thread.start()
        if not self._subscribed.wait(LONGEST):
            raise MeasurementFailed("no subscription to the channel fills")

    def stop(self) -> None:
        """Unsubscribe."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._client.close()

    def expect(self, orders: Collection[str]) -> None:
        """Name the orders to come, before they are sent."""
        with self._lock:
            self._missing, self._times = set(orders), {}
            self._all_there.clear()

    def wait(self) -> dict[str, float]:
        """When the last fill of each expected order came, in seconds since the epoch."""
        if not self._all_there.wait(LONGEST):
            raise MeasurementFailed(
                f"{len(self._missing)} of {len(self._missing) + len(self._times)} orders without "
                f"a fill event after {LONGEST:g} s, {min(self._missing)} for one"
            )
        return self._times

    def _listen(self) -> None:
        with self._client.pubsub() as subscription:  # type: ignore[no-untyped-call]
            subscription.subscribe("fills")
            while not self._stopping.is_set():
                message = subscription.get_message(timeout=0.5)
                now = time.time()
                if message is None:
                    continue
                if message["type"] == "subscribe":
                    self._subscribed.set()
                elif message["type"] == "message":
                    self._take(json.loads(message["data"]), now)

    def _take(self, event: dict[str, str], now: float) -> None:
        if event["type"] != "FILL" or Decimal(event["leaves_quantity"]) != 0:
            return
        with self._lock:
            order = event["client_order_id"]
            if order in self._missing:
                self._missing.discard(order)
                self._times[order] = now
                if not self._missing:
                    self._all_there.set()


class FileWatch:
    """The file to which stock Celery's eighth task writes its time; its size says how many did."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._orders: Collection[str] = ()
        self._size = 0

    def expect(self, orders: Collection[str]) -> None:
        """Name the orders to come, before they are sent."""
        self._orders = orders
        self._size = sum(len(line(order, time.time_ns())) for order in orders)
        self._file.write_text("")

    def wait(self) -> dict[str, float]:
        """When each expected chain ended, in seconds since the epoch."""
        deadline = time.monotonic() + LONGEST
        while self._file.stat().st_size < self._size:
            if time.monotonic() > deadline:
                found = len(self._file.read_text().splitlines())
                raise MeasurementFailed(
                    f"{found} of {len(self._orders)} chains ended after {LONGEST:g} s"
                )
            time.sleep(_LOOK_EVERY)
        written = (entry.split() for entry in self._file.read_text().splitlines())
        times = {order: int(at) / _NANOSECONDS for order, at in written}
        if times.keys() != set(self._orders):
            raise MeasurementFailed("other chains ended than were sent")
        return times


class Quotes:
    """Writes a quote of each symbol to Redis every second, as a price feed does."""

    def __init__(self, url: str, symbols: Collection[str]) -> None:
        self._client = redis.Redis.from_url(url)
        self._symbols = symbols
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._feed, name="quotes", daemon=True)

    def start(self) -> None:
        """Write the first quotes, then go on in the background."""
        self._write()
        self._thread.start()

    def stop(self) -> None:
        """Let the market rest."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._client.close()

    def _feed(self) -> None:
        while not self._stopping.wait(1):
            self._write()

    def _write(self) -> None:
        now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + ".000000Z"
        quote = json.dumps({"bid": "100.00", "ask": "100.02", "at": now, "source": "benchmark"})
        self._client.hset("quotes", mapping=dict.fromkeys(self._symbols, quote))
