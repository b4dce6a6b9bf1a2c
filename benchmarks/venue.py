"""A live broker that stalls: the ledger venue as a process, and a fleet that sends to it."""

from __future__ import annotations

import json
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.error import URLError

import redis

from benchmarks.errors import MeasurementFailed
from benchmarks.fleets import THREADS, ServiceFleet, wait_until
from benchmarks.servers import Servers
from execution.supervisor.ports import LOOPBACK, free_port
from execution.supervisor.process import ProcessSpec
from execution.supervisor.services import SERVERS, module_spec

SYMBOL = "BTC-USDT"
_FOR_EVER = 3600


class VenueProcess:
    """A simulator's addresses and its strings; `spec` runs it."""

    def __init__(self, home: Path, module: str, *options: str) -> None:
        self._module, self._options = module, options
        port, control = free_port(home, "venue"), free_port(home, "control")
        self.port = port
        self.url = f"http://{LOOPBACK}:{port}"
        self._control = f"http://{LOOPBACK}:{control}"
        self._ports = (port, control)
        # Loopback must not go through an HTTP proxy.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def spec(self) -> ProcessSpec:
        """The process: up before the workers, which connect to it."""
        port, control = map(str, self._ports)
        arguments = [self._module, "--port", port, "--control-port", control, *self._options]
        made = module_spec("venue", arguments, {}, SERVERS)
        return ProcessSpec(made.name, made.argv, {}, made.cwd, made.stage, ready=self._answers)

    def tell(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Send a control request; the JSON of its answer."""
        request = urllib.request.Request(  # noqa: S310 - loopback
            f"{self._control}/{path}",
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={"Content-Type": "application/json"},
        )
        with self._opener.open(request, timeout=5) as answer:
            return json.loads(answer.read())

    def fired(self, kind: str) -> int:
        """How often the faults of a kind have struck."""
        return int(self.tell("GET", "faults")["fired"].get(kind, 0))

    def _answers(self) -> bool:
        try:
            self.tell("GET", "health")
        except (URLError, OSError):
            return False
        return True


class BrokerFleet(ServiceFleet):
    """The service with a worker for Binance beside paper's; `stall` makes that broker hang."""

    def __init__(self, servers: Servers, name: str, database_url: str, *, seed: int) -> None:
        home = servers.home / name
        home.mkdir(mode=0o700, exist_ok=True)
        self.venue = VenueProcess(home, "simulators.ledger")
        super().__init__(
            servers,
            name,
            database_url,
            queues=("orders", "paper", "binance"),
            environment={"LEDGER_BROKERS": "binance", "LEDGER_BROKER_URL": self.venue.url},
            also=[self.venue.spec()],
            seed=seed,
        )
        self._stalled: list[str] = []

    def stall(self, orders: list[str]) -> None:
        """Let every submission hang, and queue orders until all of the worker's threads do."""
        self._stalled = orders
        fault = {"kind": "delay", "on": "submit", "seconds": _FOR_EVER, "times": len(orders) * 10}
        self.venue.tell("POST", "faults", fault)
        for order in orders:
            self.send_request(
                {
                    "client_order_id": order,
                    "symbol": SYMBOL,
                    "side": "BUY",
                    "quantity": "0.01",
                    # Rerouted to paper they would be among those whose speed is measured.
                    "on_failure": "wait",
                }
            )
        wait_until(lambda: self.count("step >= 2", orders) == len(orders), "queued crypto orders")
        wait_until(lambda: self.venue.fired("delay") >= THREADS, "a broker that hangs")

    def check_stalled(self) -> None:
        """Raise MeasurementFailed unless none of those orders got anywhere."""
        moved = self.count("(state NOT IN ('PENDING', 'SUBMITTING', 'UNKNOWN'))", self._stalled)
        if moved:
            raise MeasurementFailed(f"{moved} orders passed a broker that should hang")

    def release(self) -> None:
        """Let the hanging threads go: queued messages vanish, and the venue drops connections."""
        self.venue.tell("DELETE", "faults")
        with closing(redis.Redis.from_url(self.redis_url)) as client:
            client.delete("binance")
        self.venue.tell("POST", "faults", {"kind": "disconnect"})
        # The broker's session asks for the venue's health each second, and so meets the fault.
        wait_until(lambda: self.venue.fired("disconnect") > 0, "a dropped connection")
