"""Children of a bracket in the tables: made, sized, ended; each in a transaction of its family.

What is to be done is decided by `execution.domain.protection`; a family's snapshot and when it is
due is in `execution.store.families`.
"""

from __future__ import annotations

import json
from decimal import Decimal
from uuid import UUID, uuid5

from sqlalchemy import Connection, text

from execution.domain.brackets import Child, Role, child_id, is_bracket
from execution.domain.decimals import plain
from execution.domain.events import OrderEventType, order_event
from execution.domain.identity import venue_order_id
from execution.domain.orders import Order
from execution.domain.payloads import fingerprint
from execution.domain.vocabulary import OrderState
from execution.store import outbox
from execution.store.clock import now
from execution.store.rows import instrument_to_json

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
    values = {
        "order_id": child.order_id,
        "request_id": uuid5(child.order_id, "request"),
        "attempt_id": uuid5(child.order_id, "attempt"),
        "venue_order_id": venue_order_id(child.order_id, 1),
        "client_order_id": child.client_order_id,
        "payload": json.dumps(payload),
        "payload_hash": fingerprint(payload),
        "parent_id": parent.order_id,
        "account": parent.attempt.account,
        "role": child.role,
        "side": child.side,
        "order_type": child.order_type,
        "quantity": quantity,
        "limit_price": child.limit_price,
        "stop_price": child.stop_price,
        "time_in_force": child.time_in_force,
        "instrument": json.dumps(instrument_to_json(parent.instrument)),
        "group": group,
        "events": outbox.as_json(
            order_event(
                kind,
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
            for kind in (OrderEventType.ACCEPTED, OrderState.PENDING)
        ),
    }
    made: int = connection.execute(_INSERT, values).scalar_one()
    return made > 0


_INSERT = text(
    f"""
    WITH request AS (
        INSERT INTO order_requests (request_id, client_order_id, payload, payload_hash,
            outcome, order_id, step)
        VALUES (:request_id, :client_order_id, CAST(:payload AS jsonb), :payload_hash,
            'ACCEPTED', :order_id, 2)
        ON CONFLICT DO NOTHING RETURNING request_id
    ), child AS (
        INSERT INTO orders (order_id, client_order_id, symbol, asset_class, side,
            order_type, quantity, requested_quantity, limit_price, stop_price,
            time_in_force, reduce_only, on_failure, instrument, environment, account,
            requested_broker, broker, execution_mode, state, strategy, parent_order_id,
            role, group_id, step, due_at, created_at)
        SELECT :order_id, :client_order_id, symbol, asset_class, :side, :order_type,
            :quantity, :quantity, :limit_price, :stop_price, :time_in_force, true, 'wait',
            CAST(:instrument AS jsonb), environment, account, broker, broker,
            execution_mode, 'PENDING', strategy, order_id, :role, group_id, 2,
            clock_timestamp(), clock_timestamp()
        FROM orders WHERE order_id = :parent_id AND EXISTS (SELECT FROM request)
        RETURNING *
    ), attempt AS (
        INSERT INTO order_attempts (attempt_id, order_id, attempt_no, broker, environment,
            account, execution_mode, venue_order_id, quantity, state, one_cancels_other)
        SELECT :attempt_id, order_id, 1, broker, environment, CAST(:account AS text),
            execution_mode, :venue_order_id, quantity, 'PENDING', :group FROM child
    ), history AS (
        INSERT INTO order_events (order_id, step, state, broker, attempt_no, detail)
        SELECT order_id, done.label, 'PENDING', broker, 1,
            jsonb_build_object('parent_order_id', parent_order_id, 'role', role)
        FROM child, unnest(ARRAY['create_order', 'persist_order']) AS done(label)
    ), told AS (
        {outbox.INSERT_EVENTS} WHERE EXISTS (SELECT FROM child)
    )
    SELECT count(*) FROM child
    """
)
