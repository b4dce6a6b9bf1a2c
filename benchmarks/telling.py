"""How soon a broker's execution is told: resting orders at the simulated IB Gateway, one by one."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from benchmarks.errors import MeasurementFailed
from benchmarks.fleets import ServiceFleet, wait_until
from benchmarks.servers import Servers
from benchmarks.venue import VenueProcess
from execution.supervisor.ports import LOOPBACK

_SYMBOL = "SPY"
_MARKET, _SPREAD, _STEP = Decimal(600), Decimal("0.02"), Decimal("0.1")
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.005, 0.055
_MILLISECONDS = 1e3


class IbkrFleet(ServiceFleet):
    """The service with a worker for Interactive Brokers, whose gateway is the simulated one."""

    def __init__(self, servers: Servers, name: str, database_url: str, *, seed: int) -> None:
        home = servers.home / name
        home.mkdir(mode=0o700, exist_ok=True)
        self.venue = VenueProcess(home, "simulators.ib_gateway")
        super().__init__(
            servers,
            name,
            database_url,
            queues=("orders", "paper", "ibkr"),
            environment={
                "IBKR_HOST": LOOPBACK,
                "IBKR_PORT": str(self.venue.port),
                "IBKR_ACCOUNT": "DU1234567",
            },
            also=[self.venue.spec()],
            seed=seed,
        )

    def tell_of(self, orders: Sequence[str], chance: random.Random) -> list[float]:
        """Let orders rest, then fill one after the other; how long each took to be told, in ms.

        From the moment in which the gateway sends its execution message to the arrival of the
        event of `fills`.
        """
        limits = [_MARKET - _STEP * (number + 1) for number in range(len(orders))]
        self._quote(_MARKET)
        for order, limit in zip(orders, limits, strict=True):
            self.send_request(
                {
                    "client_order_id": order,
                    "symbol": _SYMBOL,
                    "side": "BUY",
                    "quantity": "1",
                    "order_type": "LIMIT",
                    "limit_price": str(limit),
                    "time_in_force": "GTC",
                    "on_failure": "wait",
                }
            )
        rest = "state = 'SUBMITTED' AND execution_mode = 'LIVE' AND due_at IS NULL"
        wait_until(lambda: self.count(rest, orders) == len(orders), "orders that rest at IBKR")
        came: dict[str, float] = {}
        for order, limit in zip(orders, limits, strict=True):
            time.sleep(chance.uniform(_SHORTEST_PAUSE, _LONGEST_PAUSE))
            self.expect([order])
            self._quote(limit)
            came |= self.finished()[0]
        sent = self._sent()
        if came.keys() != sent.keys() & came.keys() or len(came) != len(orders):
            raise MeasurementFailed("the gateway tells other executions than the events")
        return [(came[order] - sent[order]) * _MILLISECONDS for order in orders]

    def _quote(self, ask: Decimal) -> None:
        market = {"symbol": _SYMBOL, "bid": str(ask - _SPREAD), "ask": str(ask)}
        self.venue.tell("POST", "prices", market)

    def _sent(self) -> dict[str, float]:
        """When the gateway told of each order's execution, in seconds since the epoch."""
        names = dict(
            self.query(
                """SELECT a.venue_order_id, o.client_order_id
                FROM order_attempts a JOIN orders o USING (order_id)"""
            )
        )
        return {
            names[execution["venue_order_id"]]: datetime.fromisoformat(
                execution["told_at"]
            ).timestamp()
            for execution in self.venue.tell("GET", "ledger")["executions"]
        }
