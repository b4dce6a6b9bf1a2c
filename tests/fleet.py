"""A fleet for tests: real workers as processes, a ledger venue, and ways to break them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg2
import psycopg2.extras
import redis
from celery import Celery

from execution.client import OrderClient
from execution.service_keys import service_signer
from execution.settings import load
from execution.signed_messages import signed_by
from execution.store.engine import Store
from execution.store.privileges import Role
from execution.supervisor.control import read_state
from execution.supervisor.postgres import EmbeddedPostgres
from execution.supervisor.process import ProcessSpec
from execution.supervisor.services import beat_spec, project_root, worker_spec
from execution.supervisor.state import load_state
from execution.supervisor.supervisor import Supervisor
from execution.supervisor.valkey import EmbeddedValkey
from tests.database_roles import as_role, grant
from tests.oracle import EventTap, Verdict, judge
from tests.venues import LedgerVenue, SimulatedVenue

# Short, so that what takes a human's patience in service takes a second here.
TIMINGS = {
    "RECOVERY_INTERVAL": "0.5",
    "STEP_DEADLINE": "2",
    "SESSION_TIMEOUT": "3",
    "SUBMIT_WINDOW": "2",
    "BROKER_CALL_TIMEOUT": "3",
    "LEDGER_POLL_INTERVAL": "0.2",
    "LOST_CONNECTION_GRACE": "4",
    # Longer than a worker takes to come back on a busy machine, or its orders rightly go to paper.
    "UNSERVED_QUEUE_GRACE": "15",
}
PRICES = {
    "BTC-USDT": ("64000", "64001"),
    "SPY": ("600.00", "600.02"),
    "GBTC": ("50.00", "50.02"),
    "EURUSD": ("1.10000", "1.10008"),
}


@dataclass(frozen=True, slots=True)
class Servers:
    """The run's PostgreSQL and Valkey."""

    postgres: EmbeddedPostgres
    valkey: EmbeddedValkey


def flush(url: str) -> None:
    """Empty a Valkey."""
    with closing(redis.Redis.from_url(url)) as client:
        client.flushall()


def wait_until(
    condition: Callable[[], Any], timeout: float = 30.0, what: str = "the condition"
) -> Any:
    """Return what `condition` gives once it is true; fail after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"{what} did not come true within {timeout:g} s"
        time.sleep(0.02)


def _venues(
    made: Callable[[Path], SimulatedVenue] | Sequence[type[SimulatedVenue]], home: Path
) -> list[SimulatedVenue]:
    if callable(made):
        return [made(home)]
    found: list[SimulatedVenue] = []
    for kind in made:
        folder = home / f"venue-{kind.broker.lower()}"
        folder.mkdir()
        found.append(kind(folder))
    return found


class Fleet:
    """Workers for some queues, beat and a ledger venue, under our own supervisor.

    Of each queue in `twins` there is a second worker. `venue` makes the venue in the fleet's
    folder; several make several, each in a folder of its own: `venues`, of which `venue` is the
    first. `ready` are the brokers that must be connected to begin with, all that are simulated
    unless it says otherwise. `own` is what the worker of a queue has in its environment besides.
    Faults are armed by `arm_point`; see `execution.faultpoints`.
    """

    def __init__(
        self,
        database_url: str,
        redis_url: str,
        home: Path,
        *,
        queues: Sequence[str] = ("orders", "binance", "paper", "ibkr"),
        twins: Sequence[str] = (),
        venue: Callable[[Path], SimulatedVenue] | Sequence[type[SimulatedVenue]] = LedgerVenue,
        beat: bool = True,
        ready: Sequence[str] | None = None,
        environment: Mapping[str, str] | None = None,
        own: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self.database_url = database_url
        self.redis_url = redis_url
        self.home = home
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.faults = home / "faults"
        self.faults.mkdir()
        self.venues = _venues(venue, home)
        self.venue = self.venues[0]
        self.tap = EventTap(redis_url)
        self._queues = queues
        self._twins = twins
        self._beat, self._ready = beat, ready
        self._own = own or {}
        self._environment = {
            **TIMINGS,
            "DATABASE_URL": as_role(database_url, Role.WORK),
            "REDIS_URL": redis_url,
            "EXECUTION_HOME": str(home),
            "EXECUTION_FAULT_FOLDER": str(self.faults),
            **(environment or {}),
        }
        self._supervisor: Supervisor | None = None
        self.celery = Celery("test-producer", broker=redis_url)

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _start(self) -> None:
        grant(self.database_url)
        for venue in self.venues:
            venue.start()
            self._environment = {**venue.environment(), **self._environment}
        self.tap.start()
        self.set_prices(PRICES)
        self._supervisor = Supervisor(self._specs(), self.home)
        self._supervisor.start()
        wait_until(self._brokers_ready, what="every broker's session")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._supervisor is not None:
            self._supervisor.stop()
        self.tap.stop()
        for venue in self.venues:
            venue.stop()
        self.celery.close()
        if "client" in self.__dict__:
            self.client.close()
        if "service" in self.__dict__:
            self.service.close()

    @property
    def supervisor(self) -> Supervisor | None:
        """What runs the processes, once it does."""
        return self._supervisor

    @cached_property
    def client(self) -> OrderClient:
        """A Python producer's client."""
        address = as_role(self.database_url, Role.PRODUCE)
        return OrderClient(load(database_url=address, redis_url=self.redis_url))

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the fleet's processes."""
        return {**os.environ, **self._environment}

    def _of(self, queue: str) -> dict[str, str]:
        return {**self.environment, **self._own.get(queue, {})}

    def _specs(self) -> list[ProcessSpec]:
        specs = [worker_spec(queue, self.home, self._of(queue)) for queue in self._queues]
        specs += [worker_spec(queue, self.home, self._of(queue), 2) for queue in self._twins]
        if self._beat:
            specs.append(beat_spec(self.home, self.environment))
        # What is killed again and again is back at once.
        return [replace(spec, longest_pause=0.5) for spec in specs]

    def _brokers_ready(self) -> bool:
        simulated = {"PAPER", *(venue.broker for venue in self.venues)}
        wanted = {queue.upper() for queue in self._queues} & simulated
        if self._ready is not None:
            wanted = set(self._ready)
        return all(map(self.connected, wanted))

    def send(
        self, task: str = "tasks.place_order", queue: str = "orders", /, **payload: Any
    ) -> None:
        """Send a task by name, as any Celery application can."""
        self.celery.send_task(task, kwargs=payload, queue=queue)

    @cached_property
    def service(self) -> Celery:
        """An application that signs what it sends with the service's own key, as workers do."""
        store = Store(as_role(self.database_url, Role.WORK), application_name="test-service")
        with closing(store):
            signer = service_signer(load(), lambda: store)
        return Celery("test-service", broker=self.redis_url, amqp=signed_by(lambda: signer))

    def look_at_pair(self) -> None:
        """Send `tasks.watch_nav` as beat does."""
        self.service.send_task("tasks.watch_nav", queue="recovery", expires=5)

    def query(self, statement: str, *parameters: Any) -> list[dict[str, Any]]:
        """Rows of a query."""
        url = self.database_url.replace("postgresql+psycopg2://", "postgresql://")
        with (
            closing(psycopg2.connect(url)) as connection,
            connection,
            connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor,
        ):
            cursor.execute(statement, parameters)
            return [dict(row) for row in cursor.fetchall()]

    def order(self, client_order_id: str) -> dict[str, Any] | None:
        """An order's row."""
        rows = self.query("SELECT * FROM orders WHERE client_order_id = %s", client_order_id)
        return rows[0] if rows else None

    def position(self, symbol: str, account: str) -> Decimal:
        """What the books hold of a symbol in an account, live."""
        rows = self.query(
            "SELECT quantity FROM positions WHERE symbol = %s AND account = %s", symbol, account
        )
        return Decimal(sum(row["quantity"] for row in rows))

    def await_state(
        self, client_order_id: str, *states: str, timeout: float = 30.0
    ) -> dict[str, Any]:
        """The order once it is in one of some states and nothing is due for it."""

        def there() -> dict[str, Any] | None:
            order = self.order(client_order_id)
            done = order is not None and order["state"] in states and order["due_at"] is None
            return order if done else None

        found: dict[str, Any] = wait_until(
            there, timeout, f"{client_order_id} {states} (now: {self.order(client_order_id)})"
        )
        return found

    def request(self, client_order_id: str) -> dict[str, Any] | None:
        """The latest request under an id."""
        rows = self.query(
            """SELECT * FROM order_requests WHERE client_order_id = %s
            ORDER BY received_at DESC""",
            client_order_id,
        )
        return rows[0] if rows else None

    def cli(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the command line as a subprocess."""
        return subprocess.run(
            [sys.executable, "-m", "execution.cli", *arguments],
            env={**self.environment, **environment},
            cwd=project_root(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def reconcile(self, broker: str, *options: str) -> tuple[int, dict[str, Any]]:
        """`execution reconcile` of one broker: its exit status and what it says."""
        done = self.cli("reconcile", broker, "--json", *options)
        assert done.stderr == "environment: practice\n", done.stderr
        return done.returncode, json.loads(done.stdout)[0]

    def set_prices(self, prices: Mapping[str, tuple[str, str]]) -> None:
        """Set the venue's markets, and the quote cache's."""
        for venue in self.venues:
            venue.prices(prices)
        for symbol, (bid, ask) in prices.items():
            self.quote(symbol, bid, ask)

    def quote(self, symbol: str, bid: str, ask: str) -> None:
        """Put a fresh quote into the cache."""
        now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + ".000000Z"
        quote = {"bid": bid, "ask": ask, "at": now, "source": "test"}
        with closing(redis.Redis.from_url(self.redis_url)) as client:
            client.hset("quotes", symbol, json.dumps(quote))

    def own_quote(self, symbol: str) -> dict[str, Any]:
        """What the symbol's own broker says of it in the cache."""
        with closing(redis.Redis.from_url(self.redis_url)) as client:
            text = client.hget("quotes:own", symbol)
        return dict(json.loads(text)) if isinstance(text, bytes) else {}

    def connected(self, broker: str) -> bool:
        """Whether every session with a broker that is alive is ready for orders."""
        return self.statuses(broker) == {"LIVE_READY"}

    def statuses(self, broker: str) -> set[str]:
        """Of a broker's sessions that are alive."""
        rows = self.query(
            """SELECT status FROM broker_sessions WHERE broker = %s AND ended_at IS NULL
            AND heartbeat_at > clock_timestamp() - interval '3 s'""",
            broker,
        )
        return {row["status"] for row in rows}

    def arm_point(self, point: str, what: str) -> None:
        """Arm a fault point: `kill`, `raise` or `hang`."""
        (self.faults / f"{point}.new").write_text(what, encoding="utf-8")
        (self.faults / f"{point}.new").rename(self.faults / point)

    def disarm_point(self, point: str) -> None:
        """Take back a point that has not fired, or let go of what hangs at it."""
        (self.faults / point).unlink(missing_ok=True)
        for fired in self.faults.glob(f"{point}.fired.*"):
            fired.unlink(missing_ok=True)

    def fired(self, point: str) -> bool:
        """Whether a point has fired."""
        return any(self.faults.glob(f"{point}.fired.*"))

    def pid_of(self, name: str) -> int:
        """The process id of a worker (`worker-binance`) or of beat."""
        state = read_state(self.home) or load_state(self.home)
        assert state is not None
        pid = next(process.pid for process in state.processes if process.name == name)
        assert pid is not None
        return pid

    def judge(self, *, allow_open: bool = True, timeout: float = 30.0) -> None:
        """Fail unless the oracle finds nothing wrong."""
        self.verdict(allow_open=allow_open, timeout=timeout).assert_clean()

    def verdict(self, *, allow_open: bool = True, timeout: float = 30.0) -> Verdict:
        """Let the oracle compare ledger, tables and event stream, once things have come to rest.

        What is wrong for a moment may be on its way; what is still wrong at the end is wrong.
        """
        deadline = time.monotonic() + timeout
        while True:
            verdict = judge(
                self.database_url,
                {venue.broker: venue.control_url for venue in self.venues},
                self.tap,
                allow_open=allow_open,
            )
            if not verdict.problems or time.monotonic() > deadline:
                return verdict
            time.sleep(0.2)
