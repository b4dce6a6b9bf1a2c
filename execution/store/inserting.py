"""Step 2: the order that step 1 has made of a request, and its first attempt, written at once."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from execution.domain.events import Event, order_event
from execution.domain.lifecycle import Step
from execution.domain.orders import Order
from execution.domain.vocabulary import OrderState
from execution.store import outbox
from execution.store.clock import now
from execution.store.loading import COLUMNS
from execution.store.requests import Spec
from execution.store.rows import order_from_row
from execution.store.statements import Link, Prepared

_ORDER_COLUMNS = (
    "order_id, client_order_id, symbol, asset_class, side, order_type, quantity, "
    "requested_quantity, limit_price, stop_price, trail_amount, trail_percent, "
    "take_profit_price, stop_loss_price, time_in_force, expires_at, outside_rth, post_only, "
    "reduce_only, reference_price, on_failure, instrument, environment, account, "
    "requested_broker, broker, execution_mode, state, reason, route_reason, strategy, "
    "parent_order_id, role, created_at"
)


_INSERT = Prepared(
    f"""
    WITH request AS (
        UPDATE order_requests SET step = 2, due_at = NULL
        WHERE order_id = CAST(:order_id AS uuid) AND step = 1 AND outcome = 'ACCEPTED'
        RETURNING spec, client_order_id AS asked_as
    ), cancels AS (
        SELECT c.command_id FROM order_commands c JOIN request ON c.client_order_id = asked_as
        WHERE c.kind = 'CANCEL' AND c.outcome = 'PENDING'
    ), made AS (
        INSERT INTO orders ({_ORDER_COLUMNS}, step, due_at)
        SELECT {_ORDER_COLUMNS}, 2,
            -- Recovery must not send on what a waiting cancel is about to end.
            CASE WHEN state = 'PENDING' AND NOT EXISTS (SELECT FROM cancels)
                THEN clock_timestamp() + CAST(:due AS interval) END
        FROM request, jsonb_populate_record(
            -- What an earlier release prepared does not know of every column.
            jsonb_populate_record(NULL::orders, '{{"post_only": false}}'), request.spec -> 'order')
        RETURNING *
    ), attempt AS (
        INSERT INTO order_attempts (attempt_id, order_id, attempt_no, broker,
            environment, account, execution_mode, venue_order_id, quantity, state, reason,
            one_cancels_other)
        SELECT CAST(request.spec #>> '{{attempt,attempt_id}}' AS uuid), made.order_id, 1,
            made.broker, made.environment,
            coalesce(request.spec #>> '{{attempt,account}}', made.account), made.execution_mode,
            request.spec #>> '{{attempt,venue_order_id}}', made.quantity, made.state,
            made.reason, CAST(request.spec #>> '{{attempt,one_cancels_other}}' AS uuid)
        FROM made, request
        RETURNING *
    ), history AS (
        INSERT INTO order_events (order_id, step, state, broker, attempt_no, detail)
        SELECT order_id, '{Step.PERSIST_ORDER.label}', state, broker, 1,
            jsonb_strip_nulls(jsonb_build_object('reason', coalesce(reason, route_reason),
                'parent_order_id', parent_order_id, 'role', role))
        FROM made
    ), told AS (
        {outbox.INSERT_EVENTS} WHERE EXISTS (SELECT FROM made)
    )
    SELECT {COLUMNS}, 0 AS unapplied, 0 AS unfinished,
        EXISTS (SELECT FROM cancels) AS cancelled
    FROM made o, attempt a
    """
)


def insert(link: Link, order_id: UUID, due: timedelta, spec: Spec) -> tuple[Order, bool] | None:
    """Step 2: the order that step 1 made, and its first attempt. None when it is not its turn.

    The second value is whether a cancel of it is waiting: then nothing is due but that.
    """
    events = outbox.as_json(_events_of(spec, order_id))
    values = {"order_id": order_id, "due": due, "events": events}
    row = _INSERT.one(link, values)
    return None if row is None else (order_from_row(row._asdict()), row.cancelled)


def _events_of(spec: Spec, order_id: UUID) -> list[Event]:
    """What is told of a new order."""
    order = spec.order
    kinds = [OrderState.PENDING]
    if order["state"] != OrderState.PENDING:
        kinds.append(OrderState(order["state"]))
    return [
        order_event(
            kind,
            key=1,
            at=now(),
            client_order_id=order["client_order_id"],
            order_id=order_id,
            symbol=order["symbol"],
            broker=order["broker"],
            execution_mode=order["execution_mode"],
            state=kind,
            reason=order["reason"],
            step=Step.PERSIST_ORDER.label,
        )
        for kind in kinds
    ]


_SPEC = Prepared(
    """
    SELECT spec FROM order_requests
    WHERE order_id = CAST(:order_id AS uuid) AND step = 1 AND outcome = 'ACCEPTED'
    """
)


def spec(link: Link, order_id: UUID) -> Spec | None:
    """What step 1 made of a request; None unless step 2 is due."""
    row = _SPEC.one(link, {"order_id": order_id})
    return None if row is None else Spec(**row.spec)
