"""Collects everything at a scrape; what cannot be had is left out, counted and named."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial

import redis
import structlog
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from execution.domain.errors import StoreUnavailable
from execution.metrics import standing
from execution.metrics.queues import queues
from execution.metrics.totals import totals
from execution.store import observing
from execution.store.engine import Store

logger = structlog.get_logger(__name__)

LONGEST_STATEMENT = timedelta(seconds=2)
BUDGET = 5.0
"""Seconds after which a scrape asks PostgreSQL for nothing more; what is left is counted."""

Part = Callable[[Connection], Iterator[Metric]]


class ServiceCollector(Collector):
    """Reads PostgreSQL and Redis when Prometheus asks; one scrape at a time."""

    def __init__(self, store: Store, client: redis.Redis, session_timeout: timedelta) -> None:
        self._store = store
        self._client = client
        self._parts: dict[str, Part] = {
            "orders": standing.orders,
            "brokers": partial(standing.brokers, timeout=session_timeout),
            "alerts": standing.alerts,
            "clocks": standing.clocks,
            "money": standing.money,
            "outbox": standing.outbox,
            "totals": totals,
        }
        self._one_at_a_time = threading.Lock()
        self.measuring_errors = 0
        self._errors = dict.fromkeys(("queues", *self._parts), 0)

    def describe(self) -> list[Metric]:
        """Nothing: else registering it would ask the servers."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Everything that can be had, then how getting it went. Raises nothing."""
        with self._one_at_a_time:
            found = list(self._collect())
        yield from found

    def _collect(self) -> Iterator[Metric]:
        began = time.monotonic()
        up: dict[str, bool] = {}
        took: dict[str, float] = {}
        for name in self._errors:
            started = time.monotonic()
            asked = list[Metric]()
            up[name] = name == "queues" or started - began < BUDGET
            if up[name]:
                up[name] = self._ask(name, asked)
            if not up[name]:
                self._errors[name] += 1
            took[name] = time.monotonic() - started
            yield from asked
        yield _by_part("execution_scrape_up", "1 when this part could be read.", up)
        yield _by_part("execution_scrape_duration_seconds", "What reading this part took.", took)
        errors = CounterMetricFamily(
            "execution_scrape_errors",
            "Scrapes at which this part could not be read.",
            labels=("part",),
        )
        for name, count in self._errors.items():
            errors.add_metric((name,), count)
        yield errors
        yield CounterMetricFamily(
            "execution_measuring_errors",
            "Times that history could not be measured; it is tried again.",
            value=self.measuring_errors,
        )

    def _ask(self, name: str, found: list[Metric]) -> bool:
        """Fill `found` with a part's metrics; False, and none of them, when it cannot be read."""
        try:
            if name == "queues":
                found += queues(self._client)
                return True
            with self._store.transaction() as connection:
                observing.bounded(connection, LONGEST_STATEMENT)
                found += self._parts[name](connection)
        except (StoreUnavailable, SQLAlchemyError, redis.RedisError) as error:
            reason = str(error).partition("\n")[0]
            logger.warning("cannot be read", part=name, error=reason)
        except Exception:
            # A defect in one part must not blind the others: the metrics are for such days.
            logger.exception("cannot be read", part=name)
        else:
            return True
        found.clear()
        return False


def _by_part(name: str, says: str, values: dict[str, bool] | dict[str, float]) -> Metric:
    family = GaugeMetricFamily(name, says, labels=("part",))
    for part, value in values.items():
        family.add_metric((part,), float(value))
    return family
