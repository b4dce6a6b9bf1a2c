"""What has been added up of history, which goes on whoever is restarted."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from sqlalchemy import Connection

from execution.domain.vocabulary import BrokerName
from execution.metrics.labels import gauge, mode_at
from execution.recovering import Repairs
from execution.store import observing, requests
from execution.store.measuring import BOUNDS


def totals(connection: Connection) -> Iterator[Metric]:
    """What has been added up of history since migration 0016, whoever ran meanwhile."""
    latency = HistogramMetricFamily(
        "execution_step_latency_seconds",
        "From the order's last change to the end of this step.",
        labels=("broker", "step"),
    )
    counters = {
        "state": CounterMetricFamily(
            "execution_order_states",
            "Times that an order came to a state.",
            labels=("broker", "execution_mode", "state"),
        ),
        "request": CounterMetricFamily(
            "execution_requests", "Requests received, by outcome.", labels=("outcome",)
        ),
        "fill": CounterMetricFamily(
            "execution_fills", "Executions recorded.", labels=("broker", "execution_mode")
        ),
        "instead": CounterMetricFamily(
            "execution_fills_on_paper_instead",
            "Executions on paper of orders that were meant for a live broker.",
            labels=("requested_broker",),
        ),
        "repair": CounterMetricFamily(
            "execution_recovery_repairs", "What recovery has sent on.", labels=("kind",)
        ),
    }
    plain = {("request", outcome): 0 for outcome in (requests.ACCEPTED, requests.REFUSED)}
    plain |= {("repair", kind): 0 for kind in Repairs.__slots__}
    plain |= {("instead", broker): 0 for broker in BrokerName if broker is not BrokerName.PAPER}
    buckets = defaultdict[tuple[str, str], dict[float, tuple[int, float]]](dict)
    for row in observing.totals(connection):
        if row.metric == "step":
            buckets[row.broker, row.label][row.le] = (row.total, row.seconds)
        elif row.metric == "state":
            labels = (row.broker, mode_at(row.broker), row.label)
            counters["state"].add_metric(labels, row.total)
        elif row.metric == "fill":
            counters["fill"].add_metric((row.broker, row.label), row.total)
        elif row.metric == "instead":
            plain[row.metric, row.broker] = row.total
        else:
            plain[row.metric, row.label] = row.total
    for (metric, label), total in plain.items():
        counters[metric].add_metric((label,), total)
    for place, found in sorted(buckets.items()):
        counts = accumulate(found.get(bound, (0, 0.0))[0] for bound in BOUNDS)
        named = [(_bound(le), float(n)) for le, n in zip(BOUNDS, counts, strict=True)]
        latency.add_metric(place, named, sum(seconds for _, seconds in found.values()))
    yield latency
    yield from counters.values()
    yield gauge(
        "execution_unmeasured_seconds",
        "How much of the history's end is not in the totals yet; 20 s and a bit is usual.",
        (),
        [((), observing.unmeasured_for(connection))],
    )


def _bound(seconds: float) -> str:
    return "+Inf" if math.isinf(seconds) else f"{seconds}"
