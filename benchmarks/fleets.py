"""The processes that are measured: workers of the service, or of stock Celery."""

from __future__ import annotations

import os
import random
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
from celery import Celery
from psycopg2.extensions import connection as Connection  # noqa: N812 - it is a class

from benchmarks import stock
from benchmarks.errors import MeasurementFailed
from benchmarks.servers import Servers, connect
from benchmarks.watching import LONGEST, FileWatch, FillWatch, Quotes
from execution.client import OrderClient
from execution.settings import load
from execution.supervisor.process import ProcessSpec
from execution.supervisor.services import (
    QUEUES,
    WORKER_THREADS,
    beat_spec,
    project_root,
    worker_spec,
)
from execution.supervisor.supervisor import Supervisor

SYMBOLS = ("SPY", "GBTC", "AAPL", "MSFT", "QQQ", "NVDA", "AMZN", "TSLA")
THREADS = WORKER_THREADS["paper"]
_MEGABYTE = 1e6
_LOOK_EVERY = 0.02


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Wait for something other than a measured order."""
    deadline = time.monotonic() + LONGEST
    while not condition():
        if time.monotonic() > deadline:
            raise MeasurementFailed(f"{what}: not within {LONGEST:g} s")
        time.sleep(_LOOK_EVERY)


class Fleet(ABC):
    """Workers that take orders: a context manager, a producer and a stop-watch.

    `expect` the orders, `send` each, then ask when they had `finished`.
    """

    def __init__(self, servers: Servers, name: str) -> None:
        self.home = servers.home / name
        self.home.mkdir(mode=0o700, exist_ok=True)
        self._servers = servers
        self._supervisor: Supervisor | None = None

    def __enter__(self) -> Self:
        try:
            self._servers.come_to_rest()
            self._start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    @abstractmethod
    def expect(self, orders: Collection[str]) -> None:
        """Name the orders to come, before they are sent."""

    @abstractmethod
    def send(self, order: str) -> None:
        """Enqueue one order."""

    @abstractmethod
    def finished(self) -> tuple[dict[str, float], float]:
        """Wait for the expected orders; when each was done, and when the last of their work was.

        Both are in seconds since the epoch. Raises MeasurementFailed when one is missing.
        """

    def memory(self) -> dict[str, float]:
        """Memory of each process, shared pages counted in parts (PSS), in MB."""
        found = {}
        for process in self._supervisor.state.processes if self._supervisor else ():
            if process.pid is not None:
                leader = psutil.Process(process.pid)
                family = [leader, *leader.children(recursive=True)]
                used = sum(member.memory_full_info().pss for member in family)
                found[process.name] = used / _MEGABYTE
        return found

    def check(self) -> None:
        """Raise MeasurementFailed when a process had to be started again."""
        for process in self._supervisor.state.processes if self._supervisor else ():
            if process.restarts:
                raise MeasurementFailed(f"{process.name} ended and was started again")

    def _start(self) -> None:
        """Start the processes and whatever goes with them."""
        self._supervisor = Supervisor(self._specs(), self.home)
        self._supervisor.start()

    def _stop(self) -> None:
        """End them, however far the start came."""
        if self._supervisor is not None:
            self._supervisor.stop()

    @abstractmethod
    def _specs(self) -> Sequence[ProcessSpec]:
        """The processes."""


class StockFleet(Fleet):
    """Stock Celery with as many workers as we have and the same pool.

    Both serve one queue, so that neither idles while the other has work: the best case for it.
    """

    workers = 2

    def __init__(self, servers: Servers, name: str = "stock") -> None:
        super().__init__(servers, name)
        self._done = self.home / "done"
        self._watch = FileWatch(self._done)
        self._producer = stock.producer(servers.valkey.url)

    def expect(self, orders: Collection[str]) -> None:
        self._watch.expect(orders)

    def send(self, order: str) -> None:
        stock.send(self._producer, order)

    def finished(self) -> tuple[dict[str, float], float]:
        times = self._watch.wait()
        return times, max(times.values())

    def _stop(self) -> None:
        super()._stop()
        self._producer.close()

    def _specs(self) -> Sequence[ProcessSpec]:
        return [self._spec(f"stock-{number}") for number in range(self.workers)]

    def _spec(self, name: str) -> ProcessSpec:
        mark = self.home / f"ready-{name}"
        return ProcessSpec(
            name,
            (
                *(sys.executable, "-m", "celery", "-A", "benchmarks.stock", "worker"),
                *("-Q", stock.QUEUE, "-n", f"{name}@%h", "-P", "threads", "-c", str(THREADS)),
                *("--without-mingle", "--without-gossip", "-E", "--loglevel", "INFO"),
            ),
            {
                **os.environ,
                "REDIS_URL": self._servers.valkey.url,
                "STOCK_DONE_FILE": str(self._done),
                "STOCK_READY_FILE": str(mark),
            },
            project_root(),
            ready=mark.exists,
            before_start=lambda: mark.unlink(missing_ok=True),
            grace=20.0,
        )


class ServiceFleet(Fleet):
    """The service as `execution up` runs it, with the workers of some queues, and beat.

    `pairs` is how many processes serve each queue, `also` what runs besides.
    """

    def __init__(
        self,
        servers: Servers,
        name: str,
        database_url: str,
        *,
        queues: Sequence[str] = ("orders", "paper"),
        environment: Mapping[str, str] | None = None,
        pairs: int = 1,
        also: Sequence[ProcessSpec] = (),
        seed: int = 0,
    ) -> None:
        super().__init__(servers, name)
        self.database_url = database_url
        self.redis_url = servers.valkey.url
        self._queues = queues
        self._pairs = pairs
        self._also = also
        self._environment = {
            **os.environ,
            "DATABASE_URL": database_url,
            "REDIS_URL": self.redis_url,
            "EXECUTION_HOME": str(self.home),
            **(environment or {}),
        }
        self._random = random.Random(seed)  # noqa: S311 - which symbol is bought
        self._orders: Collection[str] = ()
        self._connection: Connection | None = None
        self._producer = Celery("producer", broker=self.redis_url)
        self._producer.conf.update(task_ignore_result=True, task_send_sent_event=True)
        self._watch = FillWatch(self.redis_url)
        self._quotes = Quotes(self.redis_url, SYMBOLS)

    @cached_property
    def client(self) -> OrderClient:
        """A Python producer's client."""
        return OrderClient(load(database_url=self.database_url, redis_url=self.redis_url))

    def expect(self, orders: Collection[str]) -> None:
        self._orders = orders
        self._watch.expect(orders)

    def send(self, order: str) -> None:
        self.send_request(self.request(order))

    def send_request(self, payload: Mapping[str, str]) -> None:
        """Send any request."""
        self._producer.send_task("tasks.place_order", kwargs=dict(payload), queue="orders")

    def request(self, order: str) -> dict[str, str]:
        """A paper order for one share or two of one of eight symbols."""
        return {
            "client_order_id": order,
            "symbol": self._random.choice(SYMBOLS),
            "side": self._random.choice(("BUY", "SELL")),
            "quantity": self._random.choice(("1", "2")),
            "execution_mode": "PAPER",
        }

    def finished(self) -> tuple[dict[str, float], float]:
        """By the fill events, and by the tables: the eighth step's commit is the last work."""
        times = self._watch.wait()
        wait_until(lambda: self._complete() == len(self._orders), "every eighth step")
        found = self.query(
            """SELECT extract(epoch FROM max(updated_at)),
                (SELECT count(*) FROM fills f JOIN orders USING (order_id)
                 WHERE client_order_id = ANY(%s))
            FROM orders WHERE client_order_id = ANY(%s)""",
            list(self._orders),
            list(self._orders),
        )
        ((committed, fills),) = found
        if fills != len(self._orders):
            raise MeasurementFailed(f"{fills} fills of {len(self._orders)} orders")
        return times, max(*times.values(), float(committed))

    def query(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Rows of a query on the service's tables."""
        if self._connection is None:
            self._connection = connect(self.database_url)
        with self._connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall()

    def count(self, condition: str, orders: Collection[str]) -> int:
        """How many of some orders are as `condition` says."""
        ((found,),) = self.query(
            f"SELECT count(*) FROM orders WHERE client_order_id = ANY(%s) AND {condition}",
            list(orders),
        )
        return int(found)

    def _complete(self) -> int:
        return self.count(
            "state = 'FILLED' AND filled_quantity = quantity AND step = 8 AND due_at IS NULL",
            self._orders,
        )

    def _start(self) -> None:
        self._quotes.start()
        self._watch.start()
        ((self._began,),) = self.query("SELECT clock_timestamp()")
        super()._start()
        served = [name for queue in self._queues for name in QUEUES.get(queue, queue).split(",")]
        brokers = [name for name in served if name not in {"orders", "recovery"}]
        wait_until(lambda: self._sessions() == self._pairs * len(brokers), "sessions")

    def _stop(self) -> None:
        super()._stop()
        self._quotes.stop()
        self._watch.stop()
        if self._connection is not None:
            self._connection.close()
        self._producer.close()
        if "client" in self.__dict__:
            self.client.close()

    def _sessions(self) -> int:
        ((found,),) = self.query(
            """SELECT count(*) FROM broker_sessions
            WHERE status = 'LIVE_READY' AND ended_at IS NULL AND started_at > %s""",
            self._began,
        )
        return int(found)

    def _specs(self) -> Sequence[ProcessSpec]:
        workers = [
            _numbered(worker_spec(queue, self.home, self._environment), number)
            for queue in self._queues
            for number in range(self._pairs)
        ]
        return [*self._also, *workers, beat_spec(self.home, self._environment)]


def _numbered(spec: ProcessSpec, number: int) -> ProcessSpec:
    """A worker beside others of its queue: of its own name, and ready by its own mark."""
    if number == 0:
        return spec
    mark = Path(f"{spec.env['EXECUTION_READY_FILE']}-{number}")
    at = spec.argv.index("-n") + 1
    node = spec.argv[at].replace("@", f"-{number}@")
    return replace(
        spec,
        name=f"{spec.name}-{number}",
        argv=(*spec.argv[:at], node, *spec.argv[at + 1 :]),
        env={**spec.env, "EXECUTION_READY_FILE": str(mark)},
        ready=mark.exists,
        before_start=lambda: mark.unlink(missing_ok=True),
    )
