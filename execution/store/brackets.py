"""Children of a bracket in the tables: made, sized, ended; each in a transaction of its family.

What is to be done is decided by `execution.domain.protection`; a family's snapshot and when it is
due is in `execution.store.families`.
"""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from uuid import UUID, uuid5

from sqlalchemy import Connection, text

from execution.domain.brackets import Child, Role, child_id, is_bracket
from execution.domain.decimals import plain
from execution.domain.events import Event, OrderEventType, order_event
from execution.domain.identity import venue_order_id
from execution.domain.lifecycle import Step
from execution.domain.orders import Order
from execution.domain.payloads import fingerprint
from execution.domain.vocabulary import OnFailure, OrderState
from execution.store import inserting, orders, outbox
from execution.store.clock import now
from execution.store.requests import Spec, spec_of

_LABEL = "bracket"


def lock_family(connection: Connection, order_id: UUID) -> None:
    """Let one transaction at a time change an order, its parent or its children.

    Always the parent first, then the children in the order of their ids.
    """
    found = connection.execute(
        text(
            """
            SELECT order_id,
                take_profit_price IS NOT NULL OR stop_loss_price IS NOT NULL AS is_bracket
            FROM orders WHERE order_id = coalesce(
                (SELECT parent_order_id FROM orders WHERE order_id = :order_id), :order_id)
            FOR NO KEY UPDATE
            """
        ),
        {"order_id": order_id},
    ).one_or_none()
    if found is not None and found.is_bracket:
        connection.execute(
            text(
                """
                SELECT FROM orders WHERE order_id = ANY(:children) ORDER BY order_id
                FOR NO KEY UPDATE
                """
            ),
            {"children": [child_id(found.order_id, role) for role in Role]},
        )


def standing(connection: Connection, order: Order) -> set[UUID]:
    """Attempts of a bracket's child that work at the venue, the current one apart."""
    if not order.standing:
        return set()
    rows = connection.execute(
        text(
            """
            SELECT attempt_id FROM order_attempts
            WHERE order_id = :order_id AND attempt_id <> :attempt_id
              AND state IN ('SUBMITTED', 'PARTIALLY_FILLED')
            """
        ),
        {"order_id": order.order_id, "attempt_id": order.attempt.attempt_id},
    )
    return set(rows.scalars())


def follow(connection: Connection, order: Order, filled: Decimal) -> None:
    """Let a bracket's family be looked at from its parent's first fill on, `filled` in all.

    Every change of a member after that says so itself (`execution.store.touching`).
    """
    if is_bracket(order) and filled > 0:
        connection.execute(
            text(
                """
                INSERT INTO brackets (parent_order_id, symbol, due_at, bare_since)
                VALUES (:parent_id, :symbol, clock_timestamp() + interval '1 second',
                    clock_timestamp())
                ON CONFLICT DO NOTHING
                """
            ),
            {"parent_id": order.order_id, "symbol": order.symbol},
        )


_FILLED = text(
    """
    SELECT a.attempt_id, a.one_cancels_other, f.filled - a.filled_quantity AS more,
        a.attempt_no <> o.attempt_no AND a.state IN ('SUBMITTED', 'PARTIALLY_FILLED')
            AND f.filled >= a.quantity - a.reduced AS is_whole
    FROM order_attempts a JOIN orders o USING (order_id)
    JOIN (SELECT attempt_id, sum(quantity) AS filled FROM fills
        WHERE order_id = :order_id GROUP BY attempt_id) f USING (attempt_id)
    WHERE a.order_id = :order_id AND a.filled_quantity <> f.filled
    """
)
_REDUCE = text(
    """
    UPDATE order_attempts SET reduced = reduced + :more, updated_at = clock_timestamp()
    WHERE one_cancels_other = :one_cancels_other AND attempt_id <> :attempt_id
      AND end_cause IS NULL
    """
)


def reduce_others(connection: Connection, order: Order) -> None:
    """Take what a child's attempts have just filled off the others of their groups.

    Their venue has done so by itself, whether they have ended since or not. Before the fills are
    added up in `order_attempts`; an earlier attempt that is filled is over.
    """
    for row in connection.execute(_FILLED, {"order_id": order.order_id}).all():
        if row.more > 0 and row.one_cancels_other is not None:
            names = ("more", "one_cancels_other", "attempt_id")
            connection.execute(_REDUCE, {name: getattr(row, name) for name in names})
        state = "FILLED" if row.is_whole else "PARTIALLY_FILLED"
        connection.execute(
            text(
                """
                UPDATE order_attempts a SET state = :state FROM orders o
                WHERE a.attempt_id = :attempt_id AND o.order_id = a.order_id
                  AND a.attempt_no <> o.attempt_no AND a.state IN ('SUBMITTED', 'PARTIALLY_FILLED')
                """
            ),
            {"attempt_id": row.attempt_id, "state": state},
        )


def insert(
    connection: Connection, parent: Order, child: Child, quantity: Decimal, group: UUID | None
) -> bool:
    """A child comes into being as an order after step 2, at its parent's broker.

    False when it is there already.
    """
    payload = {
        "client_order_id": child.client_order_id,
        "symbol": parent.symbol,
        "side": child.side,
        "quantity": plain(quantity),
        "order_type": child.order_type,
        "parent_order_id": str(parent.order_id),
        "role": child.role,
    }
    spec = _spec(parent, child, quantity, group)
    asked = connection.execute(
        _REQUEST,
        {
            "order_id": child.order_id,
            "request_id": uuid5(child.order_id, "request"),
            "client_order_id": child.client_order_id,
            "payload": json.dumps(payload),
            "payload_hash": fingerprint(payload),
            "spec": json.dumps({"order": spec.order, "attempt": spec.attempt}),
            "state": OrderState.PENDING,
            "parent_id": parent.order_id,
            "role": child.role,
            "events": outbox.as_json([_accepted(parent, child)]),
        },
    ).scalar_one()
    if not asked:
        return False
    made = inserting.insert(connection, child.order_id, timedelta(0), spec)
    if made is not None and made[1]:
        # What a cancel that came before it makes of it, its family decides.
        orders.postpone(connection, made[0], timedelta(0))
    return made is not None


def _accepted(parent: Order, child: Child) -> Event:
    return order_event(
        OrderEventType.ACCEPTED,
        key=1,
        at=now(),
        client_order_id=child.client_order_id,
        order_id=child.order_id,
        symbol=parent.symbol,
        broker=parent.broker,
        execution_mode=parent.execution_mode,
        state=OrderState.PENDING,
        step=_LABEL,
    )


def _spec(parent: Order, child: Child, quantity: Decimal, group: UUID | None) -> Spec:
    """The child as step 1 would have made it of a request."""
    order = {
        "order_id": child.order_id,
        "client_order_id": child.client_order_id,
        "symbol": parent.symbol,
        "asset_class": parent.instrument.asset_class,
        "side": child.side,
        "order_type": child.order_type,
        "quantity": quantity,
        "requested_quantity": quantity,
        "limit_price": child.limit_price,
        "stop_price": child.stop_price,
        "time_in_force": child.time_in_force,
        "outside_rth": False,
        "post_only": False,
        "reduce_only": True,
        "on_failure": OnFailure.WAIT,
        "environment": parent.environment,
        "account": parent.account,
        "requested_broker": parent.broker,
        "broker": parent.broker,
        "execution_mode": parent.execution_mode,
        "state": OrderState.PENDING,
        "reason": None,
        "strategy": parent.strategy,
        "parent_order_id": parent.order_id,
        "role": child.role,
        "created_at": now(),
    }
    attempt = {
        "attempt_id": uuid5(child.order_id, "attempt"),
        "venue_order_id": venue_order_id(child.order_id, 1),
        "account": parent.attempt.account,
        "one_cancels_other": group,
    }
    return spec_of({"order": order, "attempt": attempt}, parent.instrument)


_REQUEST = text(
    f"""
    WITH request AS (
        INSERT INTO order_requests (request_id, client_order_id, payload, payload_hash,
            outcome, order_id, step, spec)
        VALUES (:request_id, :client_order_id, CAST(:payload AS jsonb), :payload_hash,
            'ACCEPTED', :order_id, 1, CAST(:spec AS jsonb))
        ON CONFLICT DO NOTHING RETURNING order_id
    ), history AS (
        INSERT INTO order_events (order_id, step, state, detail)
        SELECT order_id, '{Step.CREATE_ORDER.label}', :state,
            jsonb_build_object('parent_order_id', CAST(:parent_id AS uuid), 'role', :role)
        FROM request
    ), published AS (
        {outbox.INSERT_EVENTS} WHERE EXISTS (SELECT FROM request)
    )
    SELECT count(*) > 0 FROM request
    """
)
