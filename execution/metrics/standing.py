"""How things stand: one function for each part that can fail by itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from sqlalchemy import Connection

from execution.domain.lifecycle import Step
from execution.domain.vocabulary import (
    FINAL_STATES,
    BreakerState,
    BrokerName,
    OrderState,
    SessionStatus,
)
from execution.metrics.labels import gauge, mode_at
from execution.store import clocks as stored_clocks
from execution.store import observing, sessions
from execution.store.alerts import KINDS

LATE = timedelta(minutes=1)
"""What is due for longer than this is overdue: recovery, which takes seconds, does not run."""
NOBODY = "NONE"
"""Status of a broker of which no worker is heard."""
OPEN_STATES = tuple(state for state in OrderState if state not in FINAL_STATES)


def orders(connection: Connection) -> Iterator[Metric]:
    """Orders that are not over, and requests on their way to become orders."""
    standing = defaultdict[tuple[str, str, str], int](int)
    waiting = defaultdict[tuple[str, str], int](int)
    oldest = defaultdict[tuple[str, str], float](float)
    overdue = 0
    for broker in BrokerName:
        for state in OPEN_STATES:
            standing[broker, mode_at(broker), state] = 0
        for step in list(Step)[Step.CONNECT_GATEWAY - 1 :]:
            waiting[broker, step.label] = 0
    for step in (Step.CREATE_ORDER, Step.PERSIST_ORDER):
        waiting["", step.label] = 0
    for row in observing.requests(connection, LATE):
        place = ("", _next(row.step))
        waiting[place] += row.requests
        oldest[place] = max(oldest[place], row.age)
        overdue += row.overdue
    for row in observing.open_orders(connection, LATE):
        place = (row.broker, _next(row.step))
        standing[row.broker, row.execution_mode, row.state] += row.orders
        waiting[place] += row.orders
        oldest[place] = max(oldest[place], row.age)
        overdue += row.overdue
    yield gauge(
        "execution_orders",
        "Orders that are not over (or are, with steps left to take), by where they stand.",
        ("broker", "execution_mode", "state"),
        standing.items(),
    )
    yield gauge(
        "execution_orders_unknown",
        "Orders of which nobody can say yet whether they arrived at their broker.",
        ("broker",),
        (
            ((broker,), standing[broker, mode_at(broker), OrderState.UNKNOWN])
            for broker in BrokerName
        ),
    )
    yield gauge(
        "execution_orders_waiting",
        "Orders, and requests that are no orders yet, by the step that comes next.",
        ("broker", "step"),
        waiting.items(),
    )
    yield gauge(
        "execution_oldest_order_age_seconds",
        "How long ago the order changed that has stood longest before this step.",
        ("broker", "step"),
        ((place, oldest[place]) for place in waiting),
    )
    yield gauge(
        "execution_orders_overdue",
        "Orders and requests that recovery should have sent on more than a minute ago.",
        (),
        [((), overdue)],
    )


def _next(completed: int) -> str:
    return Step(min(completed + 1, Step.PUBLISH_FILL_EVENT)).label


def brokers(connection: Connection, timeout: timedelta) -> Iterator[Metric]:
    """Each broker's connection, as its workers say, and its circuit breaker."""
    breaker = GaugeMetricFamily(
        "execution_breaker_state",
        "1 for the state that the broker's circuit breaker is in.",
        labels=("broker", "state"),
    )
    failures = CounterMetricFamily(
        "execution_breaker_failures",
        "Submissions that failed, whether they counted for the breaker or not.",
        labels=("broker",),
    )
    for row in observing.breakers(connection):
        for state in BreakerState:
            breaker.add_metric((row.broker, state), float(row.state == state))
        failures.add_metric((row.broker,), row.total_failures)
    yield breaker
    yield failures
    session = GaugeMetricFamily(
        "execution_session_status",
        "1 for what the broker's best worker says of its connection; NONE: no worker is heard.",
        labels=("broker", "status"),
    )
    for broker, status in sessions.statuses(connection, timeout).items():
        now = NOBODY if status.status is None else status.status
        for each in (*SessionStatus, NOBODY):
            session.add_metric((broker, each), float(now == each))
    yield session
    alive = {row.broker: row for row in observing.live_sessions(connection, timeout)}
    yield gauge(
        "execution_sessions",
        "Workers of the broker whose heartbeat is fresh.",
        ("broker",),
        (((broker,), alive[broker].sessions if broker in alive else 0) for broker in BrokerName),
    )


def alerts(connection: Connection) -> Iterator[Metric]:
    """What a person must look at."""
    found = dict.fromkeys(KINDS, 0)
    for row in observing.alerts(connection):
        found[row.kind] = row.alerts
    yield gauge(
        "execution_alerts_open",
        "Open alerts: see `execution alerts`.",
        ("kind",),
        (((kind,), number) for kind, number in found.items()),
    )


def clocks(connection: Connection) -> Iterator[Metric]:
    """How far machines' clocks are from the database's, as their processes have measured it."""
    yield gauge(
        "execution_clock_ahead_seconds",
        "How far the machine's clock is ahead of the database's; negative: behind.",
        ("host", "process"),
        (((row.host, row.process), row.ahead) for row in stored_clocks.measured(connection)),
    )


_MONEY = {
    "realised": ("execution_realised_pnl", "Realised profit of positions, before commissions."),
    "net": ("execution_net_pnl", "Realised profit less commissions in the same currency."),
    "cost": ("execution_costs", "What was paid for executions, by the currency it was paid in."),
}


def money(connection: Connection) -> Iterator[Metric]:
    """What positions have earned and cost; amounts of several currencies are never added."""
    families = {
        what: GaugeMetricFamily(name, says, labels=("broker", "execution_mode", "currency"))
        for what, (name, says) in _MONEY.items()
    }
    for row in observing.money(connection):
        families[row.what].add_metric((row.broker, row.mode, row.currency), row.amount)
    yield from families.values()


def outbox(connection: Connection) -> Iterator[Metric]:
    """Events that consumers have not been told of."""
    yield gauge(
        "execution_events_unnumbered",
        "Events that have no place in their stream yet.",
        (),
        [((), observing.unnumbered_events(connection))],
    )
    streams = observing.streams(connection)
    yield gauge(
        "execution_events_unpublished",
        "Numbered events that are not published yet.",
        ("stream",),
        (((row.stream,), row.unpublished) for row in streams),
    )
    yield gauge(
        "execution_oldest_unpublished_event_age_seconds",
        "How long ago the oldest event was written that is not published yet.",
        ("stream",),
        (((row.stream,), row.age if row.unpublished and row.age else 0.0) for row in streams),
    )
    told = CounterMetricFamily(
        "execution_events", "Events numbered in the stream.", labels=("stream",)
    )
    for row in streams:
        told.add_metric((row.stream,), row.last_sequence)
    yield told
