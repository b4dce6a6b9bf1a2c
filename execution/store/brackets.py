"""Children of a bracket in the tables: made, sized, ended; each in a transaction of its family.

What is to be done is decided by `execution.domain.protection`; a family's snapshot and when it is
due is in `execution.store.families`.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import Connection, text

from execution.domain.brackets import Child, Role, child_id, is_bracket
from execution.domain.decimals import plain
from execution.domain.events import OrderEventType, order_event
from execution.domain.identity import venue_order_id
from execution.domain.lifecycle import Step
from execution.domain.orders import Order
from execution.domain.payloads import fingerprint
from execution.domain.protection import Cause
from execution.domain.vocabulary import OrderState
from execution.store import outbox, transitions
from execution.store.rows import instrument_to_json
from execution.store.transitions import Change, apply

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

    Every change of a member after that says so itself (`transitions.TOUCH`).
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


def add_leg(
    connection: Connection, order: Order, attempt_id: UUID, quantity: Decimal, group: UUID | None
) -> bool:
    """Place a child once more, beside what of it stands at the venue; step 3 is due for it."""
    attempt_no = order.attempt.attempt_no + 1
    change = Change(
        OrderState.PENDING,
        None,
        label=_LABEL,
        due=timedelta(0),
        order={
            "step": int(Step.PERSIST_ORDER),
            "attempt_no": attempt_no,
            "broker_order_id": None,
            "quantity": order.filled_quantity + _working(connection, order.order_id) + quantity,
        },
        detail={"quantity": quantity, "attempt_no": attempt_no},
        events=(OrderEventType.MODIFIED,),
    )
    if apply(connection, order, change) is None:
        return False
    connection.execute(
        text(
            """
            INSERT INTO order_attempts (attempt_id, order_id, attempt_no, broker, environment,
                account, execution_mode, venue_order_id, quantity, state, one_cancels_other)
            SELECT :attempt_id, order_id, :attempt_no, broker, environment, :account,
                execution_mode, :venue_order_id, :quantity, 'PENDING', :group
            FROM orders WHERE order_id = :order_id
            """
        ),
        {
            "attempt_id": attempt_id,
            "order_id": order.order_id,
            "attempt_no": attempt_no,
            "account": order.attempt.account,
            "venue_order_id": venue_order_id(order.order_id, attempt_no),
            "quantity": quantity,
            "group": group,
        },
    )
    return True


def _working(connection: Connection, order_id: UUID) -> Decimal:
    """What a child's attempts that are not over still cover."""
    covers: Decimal = connection.execute(
        text(
            """
            SELECT coalesce(sum(greatest(quantity - reduced - filled_quantity, 0)), 0)
            FROM order_attempts WHERE order_id = :order_id
              AND state NOT IN ('FILLED', 'CANCELLED', 'REJECTED', 'EXPIRED')
            """
        ),
        {"order_id": order_id},
    ).scalar_one()
    return covers


def resize(connection: Connection, order: Order, quantity: Decimal) -> bool:
    """A leg (the attempt of `order`) is for `quantity` in all, and the child for what that makes.

    What was reduced of it is in that quantity.
    """
    attempt = order.attempt
    left = max(attempt.quantity - attempt.reduced - attempt.filled_quantity, Decimal(0))
    total = order.filled_quantity + _working(connection, order.order_id) - left
    change = Change(
        order.state,
        None,
        label=_LABEL,
        due=order.remaining,
        reason=order.reason,
        order={"quantity": total + max(quantity - attempt.filled_quantity, Decimal(0))},
        attempt={"quantity": quantity, "reduced": Decimal(0)},
        detail={"quantity": quantity, "attempt_no": attempt.attempt_no},
        events=(OrderEventType.MODIFIED,),
    )
    return apply(connection, order, change) is not None


def expect(connection: Connection, order: Order, quantity: Decimal) -> Order | None:
    """A leg is about to be changed at its venue to `quantity` in all.

    Whatever it fills from now on is no surprise. Returns the order with that leg as it is then.
    """
    more = quantity - (order.attempt.quantity - order.attempt.reduced)
    change = Change(
        order.state,
        None,
        label=_LABEL,
        due=order.remaining,
        reason=order.reason,
        order={"quantity": order.quantity + max(more, Decimal(0))},
        detail={"intent": True, "quantity": quantity, "attempt_no": order.attempt.attempt_no},
    )
    return apply(connection, order, change)


def cancel_intended(connection: Connection, order: Order) -> Order | None:
    """A leg is about to be cancelled at its venue; its end is no surprise from now on."""
    change = Change(
        order.state,
        None,
        label=_LABEL,
        due=order.remaining,
        reason=order.reason,
        detail={"intent": True, "cancels": order.attempt.attempt_no},
    )
    changed = apply(connection, order, change)
    if changed is not None:
        _mark_cancelled(connection, order.attempt.attempt_id)
    return changed


def _mark_cancelled(connection: Connection, attempt_id: UUID) -> None:
    connection.execute(
        text(
            """
            UPDATE order_attempts SET cancel_asked_at = coalesce(cancel_asked_at, clock_timestamp())
            WHERE attempt_id = :attempt_id
            """
        ),
        {"attempt_id": attempt_id},
    )


def end_unsent(connection: Connection, order: Order, reason: str) -> bool:
    """End a child's attempt that never left."""
    change = Change(
        order.working_state if order.standing else OrderState.CANCELLED,
        None,
        label=_LABEL,
        reason=None if order.standing else reason,
        order={"step": int(Step.SUBMIT_ORDER)} if order.standing else {},
        attempt={"state": OrderState.CANCELLED, "reason": reason},
    )
    if apply(connection, order, change) is None:
        return False
    _mark_cancelled(connection, order.attempt.attempt_id)
    return True


def end_leg(connection: Connection, order: Order) -> bool:
    """A child's attempt, current or not, is over at its venue, and all it executed is here.

    The child is over with the last of its attempts: FILLED where nothing of it was left, else as
    the venue says. One that is being sent goes on being sent.
    """
    attempt = order.attempt
    end = attempt.reported_state or OrderState.CANCELLED
    if attempt.filled_quantity >= attempt.quantity - attempt.reduced > 0:
        end = OrderState.FILLED
    current = transitions.load(connection, order.order_id)
    is_current = current is not None and current.attempt.attempt_id == attempt.attempt_id
    change = Change(
        order.state,
        Step.AWAIT_FILL,
        due=order.remaining,
        reason=order.reason,
        attempt={"state": end, "reason": attempt.reported_reason},
        detail={"attempt_state": end, "attempt_no": attempt.attempt_no},
    )
    if order.state.is_working:
        more: dict[str, Any] = {"step": int(Step.SUBMIT_ORDER)} if is_current else {}
        if order.standing:
            change = _with(change, order.working_state, more)
        else:
            over = end
            if end is OrderState.FILLED:
                more |= {"quantity": order.filled_quantity}
            more |= {"step": int(Step.PUBLISH_FILL_EVENT)}
            change = _with(change, over, more, reason=attempt.reported_reason)
    return apply(connection, order, change) is not None


def _with(
    change: Change, state: OrderState, columns: dict[str, Any], reason: str | None = None
) -> Change:
    return Change(
        state,
        change.step,
        reason=reason if state.is_final and state is not OrderState.FILLED else None,
        order=columns,
        attempt=change.attempt,
        detail=change.detail,
    )


def explain(connection: Connection, attempt_id: UUID, cause: Cause) -> None:
    """Record why a leg ended."""
    connection.execute(
        text("UPDATE order_attempts SET end_cause = :cause WHERE attempt_id = :attempt_id"),
        {"attempt_id": attempt_id, "cause": cause},
    )


def fit_total(connection: Connection, order: Order) -> None:
    """Let a working child's quantity be what it has filled and its attempts still cover."""
    total = order.filled_quantity + _working(connection, order.order_id)
    if not order.state.is_final and total not in {order.quantity, Decimal(0)}:
        change = Change(
            order.state,
            None,
            label=_LABEL,
            due=order.remaining,
            reason=order.reason,
            order={"quantity": total},
            detail={"quantity": total},
            events=(OrderEventType.MODIFIED,),
        )
        apply(connection, order, change)


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
                at=datetime.now(UTC),
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
