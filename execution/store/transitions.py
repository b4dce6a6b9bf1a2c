"""The one way an order changes: a compare-and-set with its history and its events."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from execution.domain.events import Event, order_event
from execution.domain.lifecycle import Step
from execution.domain.orders import Order
from execution.domain.vocabulary import OrderState
from execution.store import outbox
from execution.store.rows import order_from_row, to_json

_ATTEMPT_COLUMNS = (
    "attempt_id",
    "venue_order_id",
    "broker_order_id",
    "quantity",
    "filled_quantity",
    "state",
    "intent_at",
    "send_by",
    "lease_owner",
    "lease_until",
    "watcher",
    "reported_state",
    "reported_quantity",
    "reported_reason",
    "created_at",
)

SELECT_ORDER = f"""
    SELECT o.*, {", ".join(f"a.{name} AS a_{name}" for name in _ATTEMPT_COLUMNS)},
        clock_timestamp() AS read_at,
        (SELECT count(*) FROM execution_reports r
            WHERE r.order_id = o.order_id AND r.applied_at IS NULL) AS unapplied,
        (SELECT count(*) FROM fills f
            WHERE f.order_id = o.order_id AND f.positioned_at IS NULL) AS unfinished
    FROM orders o JOIN order_attempts a
        ON a.order_id = o.order_id AND a.attempt_no = o.attempt_no AND a.leg = 0
"""


def load(connection: Connection, order_id: UUID, *, lock: bool = False) -> Order | None:
    """An order with its current attempt; `lock` keeps others from changing it meanwhile."""
    statement = SELECT_ORDER + " WHERE o.order_id = :order_id"
    if lock:  # first, in a statement of its own: the attempt must be read as it is after the wait
        connection.execute(
            text("SELECT FROM orders WHERE order_id = :order_id FOR UPDATE"), {"order_id": order_id}
        )
    row = connection.execute(text(statement), {"order_id": order_id}).mappings().one_or_none()
    return None if row is None else order_from_row(dict(row))


def load_by_venue_id(connection: Connection, venue_order_id: str) -> Order | None:
    """The order whose current attempt is called so at its venue."""
    row = (
        connection.execute(
            text(SELECT_ORDER + " WHERE a.venue_order_id = :venue_order_id"),
            {"venue_order_id": venue_order_id},
        )
        .mappings()
        .one_or_none()
    )
    return None if row is None else order_from_row(dict(row))


def load_by_client_id(
    connection: Connection, client_order_id: str | None, *, lock: bool = False
) -> Order | None:
    """The order that its producer calls so."""
    statement = SELECT_ORDER + " WHERE o.client_order_id = :client_order_id"
    if lock:
        connection.execute(
            text("SELECT FROM orders WHERE client_order_id = :id FOR UPDATE"),
            {"id": client_order_id},
        )
    row = (
        connection.execute(text(statement), {"client_order_id": client_order_id})
        .mappings()
        .one_or_none()
    )
    return None if row is None else order_from_row(dict(row))


@dataclass(frozen=True, slots=True)
class Change:
    """What a step makes of an order.

    `step` is the step that did it (for history) and, where `completes` is True, the last one
    completed from now on. `due` is how long recovery gives the next step; None: nothing is due.
    `order` and `attempt` are further columns; `detail` is kept with the history.
    """

    state: OrderState
    step: Step | None
    completes: bool = False
    due: timedelta | None = None
    reason: str | None = None
    order: Mapping[str, Any] = field(default_factory=dict)
    attempt: Mapping[str, Any] = field(default_factory=dict)
    detail: Mapping[str, Any] = field(default_factory=dict)
    events: Sequence[str] = ()
    label: str | None = None


def with_events(change: Change, events: Sequence[str], reports: Sequence[Row[Any]]) -> Change:
    """The same change, telling more: further event types, and the executions it comes from."""
    detail = {"executions": [row.execution_id for row in reports], **change.detail}
    return replace(change, events=(*change.events, *events), detail=detail)


def apply(connection: Connection, order: Order, change: Change) -> bool:
    """Make a change, in one statement, on the version that was read.

    False when somebody else changed the order meanwhile: nothing is done then, and the caller
    reads it again or stops.
    """
    order_set = dict(change.order) | {"state": change.state, "reason": change.reason}
    if change.completes and change.step is not None:
        order_set["step"] = int(change.step)
    attempt_set = dict(change.attempt)
    parameters: dict[str, Any] = {
        "order_id": order.order_id,
        "version": order.version,
        "attempt_id": order.attempt.attempt_id,
        "due": change.due,
        "step_label": change.label or (change.step.label if change.step else None),
        "state": change.state,
        "broker": order.broker,
        "attempt_no": order.attempt.attempt_no,
        "detail": json.dumps(to_json(_without_none({"reason": change.reason, **change.detail}))),
        "events": outbox.as_json(_events(order, change)),
    }
    parameters |= {f"o_{name}": value for name, value in order_set.items()}
    parameters |= {f"a_{name}": value for name, value in attempt_set.items()}
    order_sql = "".join(f", {name} = :o_{name}" for name in order_set)
    attempt_sql = "".join(f", {name} = :a_{name}" for name in attempt_set)
    row = connection.execute(
        text(
            f"""
            WITH changed AS (
                UPDATE orders SET version = version + 1, updated_at = clock_timestamp(),
                    due_at = clock_timestamp() + CAST(:due AS interval), resends = 0 {order_sql}
                WHERE order_id = :order_id AND version = :version
                RETURNING order_id
            ), attempt AS (
                UPDATE order_attempts SET updated_at = clock_timestamp() {attempt_sql}
                WHERE attempt_id = :attempt_id AND EXISTS (SELECT FROM changed)
            ), history AS (
                INSERT INTO order_events (order_id, step, state, broker, attempt_no, detail)
                SELECT order_id, :step_label, :state, :broker, :attempt_no,
                    CAST(:detail AS jsonb)
                FROM changed
            ), told AS (
                {outbox.INSERT_EVENTS} WHERE EXISTS (SELECT FROM changed)
                ON CONFLICT (event_id) DO NOTHING
            )
            SELECT order_id FROM changed
            """
        ),
        parameters,
    ).one_or_none()
    return row is not None


def _events(order: Order, change: Change) -> list[Event]:
    """One message for a new state, and one for each further type the change names."""
    kinds = list(change.events)
    if change.state != order.state:
        kinds.insert(0, change.state.value)
    return [
        order_event(
            kind,
            key=order.version + 1,
            at=order.read_at,
            client_order_id=order.client_order_id,
            order_id=order.order_id,
            symbol=order.symbol,
            broker=change.order.get("broker", order.broker),
            execution_mode=change.order.get("execution_mode", order.execution_mode),
            state=change.state,
            reason=change.reason,
            step=change.label or (change.step.label if change.step else None),
        )
        for kind in kinds
    ]


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
