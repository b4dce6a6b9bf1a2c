"""What waits in Redis: the queues' messages, and those a worker has and has not acknowledged."""

from __future__ import annotations

from collections.abc import Iterator

import redis
from prometheus_client.core import GaugeMetricFamily, Metric

from execution.events import lists

UNACKNOWLEDGED = "unacked"
"""Kombu's hash of messages that were handed to a worker."""
MOST_UNSERVED = 20
"""Lists without a worker that are named; the others are counted together."""


def queues(client: redis.Redis) -> Iterator[Metric]:
    """Ask for the length of every list that holds messages. Raises RedisError."""
    served = dict.fromkeys(lists.QUEUES, 0)
    unserved: dict[str, int] = {}
    for name, length in lists.lengths(client).items():
        queue = lists.queue_of(name)
        if queue is not None:
            served[queue] = served.get(queue, 0) + length
            continue
        label = lists.shown(name)
        if label not in unserved and len(unserved) >= MOST_UNSERVED:
            label = "others"
        unserved[label] = unserved.get(label, 0) + length
    yield _by(
        "execution_queue_messages",
        "Messages that no worker has taken yet, of all priorities.",
        "queue",
        served,
    )
    yield _by(
        "execution_unserved_messages",
        "Messages in lists that no worker reads.",
        "list",
        unserved,
    )
    yield GaugeMetricFamily(
        "execution_unacknowledged_messages",
        "Messages that workers have taken and not acknowledged.",
        value=client.hlen(UNACKNOWLEDGED),
    )


def _by(name: str, says: str, label: str, values: dict[str, int]) -> Metric:
    family = GaugeMetricFamily(name, says, labels=(label,))
    for value, length in values.items():
        family.add_metric((value,), length)
    return family
