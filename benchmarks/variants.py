"""The variants that are measured, and what one round of each does."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.fleets import SYMBOLS, Fleet, ServiceFleet, StockFleet, wait_until
from benchmarks.measure import Measured, burst, one_at_a_time, place_one_at_a_time
from benchmarks.million import Loaded, load, require_space
from benchmarks.servers import Servers
from benchmarks.telling import IbkrFleet
from benchmarks.venue import BrokerFleet

WARM_UP = 100
WARM_UP_FILLS = 10
PLACES = 40
"""Calls of `OrderClient.place` in a round."""
STALLED_ORDERS = 200
WAITING = 1000
WAITING_GROWN = (1000, 5000)
HUNDRED = 100_000
_ORIGINAL = "original"
_SETTLED = 3.0
"""Seconds until a worker has looked at its waiting orders a few times."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    rounds: int = 5
    orders: int = 500
    idle: int = 100
    loaded: int = 1_000_000
    seed: int = 1
    growth: bool = False


@dataclass(frozen=True, slots=True)
class Need:
    """A variant, and what is wanted of it besides its burst."""

    variant: str
    idle: bool = False
    place: bool = False


class Bench:
    """Runs rounds of variants on one pair of servers."""

    def __init__(self, servers: Servers, options: Options) -> None:
        self._servers = servers
        self._options = options
        self._began = time.monotonic()
        self.loaded: dict[str, Loaded] = {}
        self._urls: dict[str, str] = {}

    def tell(self, text: str) -> None:
        """Say on stderr how far it is."""
        sys.stderr.write(f"{time.monotonic() - self._began:6.1f} s  {text}\n")
        sys.stderr.flush()

    def prepare(self, variant: str) -> None:
        """Fill the database of a variant that has one of its own."""
        orders = {"million": self._options.loaded, "hundred": HUNDRED}.get(variant)
        if orders is None:
            return
        require_space(Path(self._servers.postgres.place.data).parent, orders)
        self._urls[variant] = url = self._servers.database(variant)
        with ServiceFleet(self._servers, variant, url) as fleet:
            fleet.expect([_ORIGINAL])
            fleet.send_request(fleet.request(_ORIGINAL) | {"side": "BUY"})
            fleet.finished()
        self.loaded[variant] = load(url, _ORIGINAL, orders, self.tell)
        self.tell(f"{variant}: {self.loaded[variant]}")

    def run(self, need: Need, number: int) -> list[Measured]:
        """Measure one round of a variant in fresh processes."""
        rounds: dict[str, Callable[[Need, int], list[Measured]]] = {
            "stalled": self._run_stalled,
            "waiting": self._run_waiting,
            "ibkr": self._run_ibkr,
        }
        found = rounds.get(need.variant, self._run_plain)(need, number)
        for measured in found:
            self.tell(_summary(measured))
        return found

    def _run_plain(self, need: Need, number: int) -> list[Measured]:
        measured = Measured(need.variant, number)
        chance = random.Random(f"{self._options.seed} {need.variant} {number}")  # noqa: S311 - pauses
        with self._fleet(need.variant, number) as fleet:
            self._burst(fleet, measured)
            if need.idle:
                names = _names(measured, "i", self._options.idle)
                measured.idle, measured.send = one_at_a_time(fleet, names, chance)
            if need.place and isinstance(fleet, ServiceFleet):
                names = _names(measured, "p", PLACES + 1)
                measured.place = place_one_at_a_time(fleet, names, chance)
            fleet.check()
        return [measured]

    def _run_stalled(self, need: Need, number: int) -> list[Measured]:
        measured = Measured(need.variant, number)
        with self._fleet(need.variant, number) as fleet:
            if not isinstance(fleet, BrokerFleet):
                raise TypeError(f"{fleet} has no broker to stall")
            burst(fleet, _names(measured, "w", WARM_UP))
            fleet.stall(_names(measured, "s", STALLED_ORDERS))
            measured.burst = burst(fleet, _names(measured, "b", self._options.orders))
            fleet.check_stalled()
            measured.memory = fleet.memory()
            fleet.check()
            fleet.release()
        return [measured]

    def _run_waiting(self, need: Need, number: int) -> list[Measured]:
        """One fleet, more and more orders that rest at paper, a burst at each level."""
        found = [Measured(f"{need.variant}-0", number)]
        with self._fleet(need.variant, number) as fleet:
            if not isinstance(fleet, ServiceFleet):
                raise TypeError(f"{fleet} has no orders that rest")
            self._burst(fleet, found[0])
            before = fleet.memory()["worker-paper"]
            resting: list[str] = []
            for level in WAITING_GROWN if self._options.growth else (WAITING,):
                measured = Measured(f"{need.variant}-{level}", number, waiting=level)
                resting += _rest(fleet, _names(measured, "l", level - len(resting)))
                measured.waiting_memory = fleet.memory()["worker-paper"] - before
                measured.burst = burst(fleet, _names(measured, "b", self._options.orders))
                measured.memory = fleet.memory()
                _check_resting(fleet, resting)
                found.append(measured)
            fleet.check()
        return found

    def _run_ibkr(self, need: Need, number: int) -> list[Measured]:
        measured = Measured(need.variant, number)
        chance = random.Random(f"{self._options.seed} {need.variant} {number}")  # noqa: S311 - pauses
        with self._fleet(need.variant, number) as fleet:
            if not isinstance(fleet, IbkrFleet):
                raise TypeError(f"{fleet} has no gateway")
            names = _names(measured, "e", WARM_UP_FILLS + self._options.idle)
            measured.told = fleet.tell_of(names, chance)[WARM_UP_FILLS:]
            fleet.check()
        return [measured]

    def _burst(self, fleet: Fleet, measured: Measured) -> None:
        burst(fleet, _names(measured, "w", WARM_UP))
        measured.burst = burst(fleet, _names(measured, "b", self._options.orders))
        measured.memory = fleet.memory()

    @contextmanager
    def _fleet(self, variant: str, number: int) -> Iterator[Fleet]:
        """A running fleet; its database is new, and dropped afterwards, unless it was prepared."""
        if variant == "stock":
            with StockFleet(self._servers) as stock:
                yield stock
            return
        seed = self._options.seed * 1000 + number
        name = f"{variant}_{number}"
        url = self._urls.get(variant) or self._servers.database(name)
        with self._service(variant, url, seed) as fleet:
            yield fleet
        if variant not in self._urls:
            self._servers.drop(name)

    def _service(self, variant: str, url: str, seed: int) -> ServiceFleet:
        servers = self._servers
        if variant in {"calm", "stalled"}:
            return BrokerFleet(servers, variant, url, seed=seed)
        if variant == "ibkr":
            return IbkrFleet(servers, variant, url, seed=seed)
        pairs = 2 if variant == "pairs" else 1
        environment = {"CONTINUE_IN_PLACE": "false"} if variant == "hop" else {}
        return ServiceFleet(servers, variant, url, environment=environment, pairs=pairs, seed=seed)


def _rest(fleet: ServiceFleet, orders: list[str]) -> list[str]:
    """Place LIMIT orders far below the market, and wait until all have rested a while."""
    for number, order in enumerate(orders):
        fleet.send_request(
            {
                "client_order_id": order,
                "symbol": SYMBOLS[number % len(SYMBOLS)],
                "side": "BUY",
                "quantity": "1",
                "order_type": "LIMIT",
                "limit_price": "1.00",
                "time_in_force": "GTC",
                "execution_mode": "PAPER",
            }
        )
    wait_until(lambda: fleet.count("state = 'SUBMITTED'", orders) == len(orders), "resting orders")
    time.sleep(_SETTLED)
    return orders


def _check_resting(fleet: ServiceFleet, orders: Sequence[str]) -> None:
    wait_until(lambda: fleet.count("state = 'SUBMITTED'", orders) == len(orders), "rested orders")


def _names(measured: Measured, phase: str, count: int) -> list[str]:
    """Ids that no other round has."""
    return [f"{measured.variant}-{measured.number}-{phase}{number:05}" for number in range(count)]


def _summary(measured: Measured) -> str:
    said = measured.as_json()
    for name in ("orders", "burst_s", "send_ms"):
        said.pop(name, None)
    return f"{said.pop('variant')} round {said.pop('round')}: {said}"
