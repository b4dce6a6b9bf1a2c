"""What waits in Redis: the queues' messages, and those a worker has and has not acknowledged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import redis
from prometheus_client.core import GaugeMetricFamily, Metric

from execution.domain.lifecycle import INTAKE_QUEUE
from execution.domain.vocabulary import BrokerName

RECOVERY_QUEUE = "recovery"
QUEUES = (INTAKE_QUEUE, RECOVERY_QUEUE, *(broker.queue for broker in BrokerName))
UNACKNOWLEDGED = "unacked"
"""Kombu's hash of messages that were handed to a worker."""


def queues(client: redis.Redis) -> Iterator[Metric]:
    """Ask for the lengths, in one round trip. Raises RedisError."""
    pipeline: Any = client.pipeline(transaction=False)
    for queue in QUEUES:
        pipeline.llen(queue)
    pipeline.hlen(UNACKNOWLEDGED)
    *lengths, unacknowledged = pipeline.execute()
    waiting = GaugeMetricFamily(
        "execution_queue_messages", "Messages that no worker has taken yet.", labels=("queue",)
    )
    for queue, length in zip(QUEUES, lengths, strict=True):
        waiting.add_metric((queue,), length)
    yield waiting
    yield GaugeMetricFamily(
        "execution_unacknowledged_messages",
        "Messages that workers have taken and not acknowledged.",
        value=unacknowledged,
    )
