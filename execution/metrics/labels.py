"""What several parts need to name their samples."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from prometheus_client.core import GaugeMetricFamily

from execution.domain.vocabulary import BrokerName, ExecutionMode


def mode_at(broker: str) -> str:
    """LIVE or PAPER, which the broker decides; empty before one is chosen.

    It is also a constraint of the tables: what is simulated is at PAPER, and nothing else is.
    """
    if not broker:
        return ""
    return ExecutionMode.PAPER if broker == BrokerName.PAPER else ExecutionMode.LIVE


def gauge(
    name: str,
    says: str,
    labels: Sequence[str],
    values: Iterable[tuple[Sequence[str], float]],
) -> GaugeMetricFamily:
    """Make a gauge of values, each with its labels' values."""
    family = GaugeMetricFamily(name, says, labels=labels)
    for where, value in values:
        family.add_metric(where, value)
    return family
