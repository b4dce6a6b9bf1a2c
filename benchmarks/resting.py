"""How long a new order takes to Binance while many others rest there: `make bench-resting`.

One worker, its rates and its polling as they are in production, and the simulated Binance with the
real one's weights. Orders are sent one at a time, spread over the rounds of polling, first with an
empty book and then with a full one; the time is from the call of the producer to the venue's own
record that it has the order. Ratios within one run count; the machine may be busy.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from uuid import uuid4

from benchmarks import machine
from benchmarks.errors import MeasurementFailed
from benchmarks.fleets import ServiceFleet, wait_until
from benchmarks.servers import Servers, servers
from benchmarks.venue import VenueProcess

SYMBOLS = (
    *("BTC", "ETH", "BNB", "SOL", "XRP", "ADA"),
    *("DOGE", "LTC", "DOT", "LINK", "AVAX"),
)
PRICE = 100
TARGET = 1.5
_WORKER = "worker-binance"
_PAUSES = (0.05, 0.25)
_AT_ONCE = 50


class RestingFleet(ServiceFleet):
    """The service with one worker for the simulated Binance."""

    def __init__(self, servers: Servers, database_url: str) -> None:
        home = servers.home / "resting"
        home.mkdir(mode=0o700, exist_ok=True)
        # Orders of the test must fit the order count; the weights of polling are the real ones.
        options = ("--order-limit-10s", "100000", "--max-orders", "1000")
        self.venue = VenueProcess(home, "simulators.binance", *options)
        super().__init__(
            servers,
            "resting",
            database_url,
            queues=("orders", "binance"),
            environment={
                "BINANCE_API_URL": self.venue.url,
                "BINANCE_API_KEY": "simulated-key",
                "BINANCE_API_SECRET": "simulated-secret",
            },
            also=[self.venue.spec()],
        )

    def open_markets(self) -> None:
        """Set a price for each symbol."""
        for symbol in SYMBOLS:
            market = {"symbol": f"{symbol}-USDT", "bid": str(PRICE), "ask": str(PRICE + 1)}
            self.venue.tell("POST", "prices", market)

    def rest(self, count: int) -> None:
        """Place orders that rest, over all symbols, and wait until all are watched."""
        names = [f"rest-{number}-{uuid4().hex[:6]}" for number in range(count)]
        for start in range(0, count, _AT_ONCE):
            batch = names[start : start + _AT_ONCE]
            for number, name in enumerate(batch, start):
                self.send_request(
                    {
                        "client_order_id": name,
                        "symbol": f"{SYMBOLS[number % len(SYMBOLS)]}-USDT",
                        "side": "BUY",
                        "quantity": "1",
                        "order_type": "LIMIT",
                        "limit_price": str(PRICE // 2),
                        "on_failure": "wait",
                    }
                )
            self._await("state = 'SUBMITTED' AND due_at IS NULL", batch)

    def times_to_venue(self, count: int, chance: random.Random) -> list[float]:
        """Seconds from the producer's call to the venue's acceptance, for some orders in turn."""
        sent: dict[str, float] = {}
        for _ in range(count):
            name = f"new-{uuid4().hex[:12]}"
            sent[name] = time.time()
            self.send_request(
                {
                    "client_order_id": name,
                    "symbol": f"{chance.choice(SYMBOLS)}-USDT",
                    "side": "BUY",
                    "quantity": "1",
                    "on_failure": "wait",
                }
            )
            self._await("state = 'FILLED'", [name])
            time.sleep(chance.uniform(*_PAUSES))
        rows = self.query(
            """SELECT o.client_order_id, a.venue_order_id FROM orders o
            JOIN order_attempts a USING (order_id) WHERE o.client_order_id = ANY(%s)""",
            list(sent),
        )
        called = {there: name for name, there in rows}
        return [
            _seconds(order["accepted_at"]) - sent[called[order["venue_order_id"]]]
            for order in self.venue.tell("GET", "ledger")["orders"]
            if order["venue_order_id"] in called
        ]

    def _await(self, condition: str, names: list[str]) -> None:
        wait_until(lambda: self.count(condition, names) == len(names), condition)


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def measure(resting: int, orders: int, seed: int) -> dict[str, Any]:
    """Both books in one run; times in milliseconds, memory in megabytes."""
    chance = random.Random(seed)  # noqa: S311 - pauses and symbols
    home = Path(tempfile.mkdtemp(prefix="execution-resting-"))
    home.chmod(0o755)
    try:
        with (
            servers(home / "home") as running,
            RestingFleet(running, running.database("resting")) as fleet,
        ):
            fleet.open_markets()
            fleet.times_to_venue(orders // 4, chance)  # until caches are warm
            empty, before = fleet.times_to_venue(orders, chance), fleet.memory()[_WORKER]
            fleet.rest(resting)
            full, after = fleet.times_to_venue(orders, chance), fleet.memory()[_WORKER]
            fleet.check()
    finally:
        shutil.rmtree(home, ignore_errors=True)
    figures: dict[str, Any] = {"resting": resting, "symbols": len(SYMBOLS), "orders": orders}
    for name, times in (("empty", empty), ("full", full)):
        figures[f"{name}_p50_ms"] = round(1000 * median(times), 2)
        figures[f"{name}_p95_ms"] = round(1000 * quantiles(times, n=20)[-1], 2)
    figures["ratio_p50"] = round(figures["full_p50_ms"] / figures["empty_p50_ms"], 2)
    figures["ratio_p95"] = round(figures["full_p95_ms"] / figures["empty_p95_ms"], 2)
    figures["kilobytes_a_waiting_order"] = round(1000 * (after - before) / resting, 1)
    return figures | {"target": TARGET, "seed": seed, "machine": machine.describe()}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures, and a line of JSON; a target that is missed only says so."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.resting", description=__doc__)
    parser.add_argument("--resting", type=int, default=2000)
    parser.add_argument("--orders", type=int, default=120, help="new orders with each book")
    parser.add_argument("--seed", type=int, default=1)
    said = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        found = measure(said.resting, said.orders, said.seed)
    except MeasurementFailed as error:
        sys.stderr.write(f"broken: {error}\n")
        return 1
    verdict = "met" if found["ratio_p50"] <= TARGET else "MISSED"
    sys.stdout.write(
        f"empty book: p50 {found['empty_p50_ms']} ms, p95 {found['empty_p95_ms']} ms\n"
        f"{said.resting} resting over {len(SYMBOLS)} symbols: p50 {found['full_p50_ms']} ms, "
        f"p95 {found['full_p95_ms']} ms\n"
        f"ratio {found['ratio_p50']} (p95 {found['ratio_p95']}), target {TARGET}: {verdict}; "
        f"{found['kilobytes_a_waiting_order']} kB a waiting order\n" + json.dumps(found) + "\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
