"""Children of a bracket: made, sized and ended in the transaction that records a fill."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import Connection, text

from execution.domain.brackets import Child, Role, child_id, children
from execution.domain.commands import CommandKind
from execution.domain.decimals import plain
from execution.domain.events import OrderEventType, order_event
from execution.domain.identity import venue_order_id
from execution.domain.orders import Order
from execution.domain.payloads import fingerprint
from execution.domain.vocabulary import OrderState
from execution.store import commands, outbox, transitions
from execution.store.rows import instrument_to_json


def lock_family(connection: Connection, order_id: UUID) -> None:
    """Let one transaction at a time change an order, its parent or its children."""
    connection.execute(
        text(
            """
            SELECT FROM orders WHERE order_id = coalesce(
                (SELECT parent_order_id FROM orders WHERE order_id = :order_id), :order_id)
            FOR UPDATE
            """
        ),
        {"order_id": order_id},
    )


def follow(connection: Connection, order: Order, filled: Decimal) -> None:
    """Bring an order's family in line with what it has filled so far, `filled` in all.

    A parent's children cover what it has filled; what one child fills, its sibling no longer
    covers. New children and changes become due for recovery at once, so the caller need send
    nothing for them to happen. The caller holds the family's lock (`lock_family`), or two members
    would size each other by what they saw before the other's fill.
    """
    for child in children(order):
        known = transitions.load(connection, child.order_id)
        if known is None:
            if filled > 0:
                _insert(connection, order, child, filled)
        else:
            _size(connection, known, filled - _filled_by_sibling(connection, order, child.role))
    if order.parent_order_id is not None and order.role is not None:
        parent = transitions.load(connection, order.parent_order_id)
        sibling_id = child_id(order.parent_order_id, Role(order.role).other)
        sibling = transitions.load(connection, sibling_id)
        if parent is not None and sibling is not None:
            _size(connection, sibling, parent.filled_quantity - filled)


def _filled_by_sibling(connection: Connection, parent: Order, role: Role) -> Decimal:
    sibling = transitions.load(connection, child_id(parent.order_id, role.other))
    return sibling.filled_quantity if sibling is not None else Decimal(0)


def _size(connection: Connection, child: Order, covers: Decimal) -> None:
    """Make a child stand for `covers` in all, or cancel it when nothing is left to cover."""
    if child.state.is_final or child.quantity == covers:
        return
    if covers <= child.filled_quantity:
        kind, name = CommandKind.CANCEL, f"covered-{plain(covers)}"
        body: dict[str, Any] = {
            "client_order_id": child.client_order_id,
            "cancel_id": _external(name),
        }
    else:
        kind, name = CommandKind.MODIFY, f"size-{plain(covers)}-{child.version}"
        body = {
            "client_order_id": child.client_order_id,
            "modify_id": _external(name),
            "expected_version": child.version,
            "quantity": plain(covers),
        }
    command_id = uuid5(child.order_id, name)
    recorded = commands.record(
        connection,
        command_id=command_id,
        kind=kind,
        client_order_id=child.client_order_id,
        external_id=_external(name),
        payload=body,
        payload_hash=fingerprint(body),
        reason=None,
        due=timedelta(0),
        ours=True,
    )
    if recorded is not None and kind is CommandKind.MODIFY:
        # Nobody decided on the version it has by chance: it must be sized whatever it is.
        commands.mark_sent(connection, command_id)


def _external(name: str) -> str:
    return name.replace(".", "_")[:64]


def _insert(connection: Connection, parent: Order, child: Child, quantity: Decimal) -> None:
    """A child comes into being as an order after step 2, at its parent's broker."""
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
        "role": child.role,
        "side": child.side,
        "order_type": child.order_type,
        "quantity": quantity,
        "limit_price": child.limit_price,
        "stop_price": child.stop_price,
        "instrument": json.dumps(instrument_to_json(parent.instrument)),
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
                step="bracket",
            )
            for kind in (OrderEventType.ACCEPTED, OrderState.PENDING)
        ),
    }
    connection.execute(
        text(
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
                    :quantity, :quantity, :limit_price, :stop_price, 'GTC', true, 'wait',
                    CAST(:instrument AS jsonb), environment, account, broker, broker,
                    execution_mode, 'PENDING', strategy, order_id, :role, group_id, 2,
                    clock_timestamp(), clock_timestamp()
                FROM orders WHERE order_id = :parent_id AND EXISTS (SELECT FROM request)
                RETURNING *
            ), attempt AS (
                INSERT INTO order_attempts (attempt_id, order_id, attempt_no, broker, environment,
                    account, execution_mode, venue_order_id, quantity, state)
                SELECT :attempt_id, order_id, 1, broker, environment, account, execution_mode,
                    :venue_order_id, quantity, 'PENDING' FROM child
            ), history AS (
                INSERT INTO order_events (order_id, step, state, broker, attempt_no, detail)
                SELECT order_id, done.label, 'PENDING', broker, 1,
                    jsonb_build_object('parent_order_id', parent_order_id, 'role', role)
                FROM child, unnest(ARRAY['create_order', 'persist_order']) AS done(label)
            )
            {outbox.INSERT_EVENTS} WHERE EXISTS (SELECT FROM child)
            """
        ),
        values,
    )


def due_children(connection: Connection, parent_id: UUID) -> list[UUID]:
    """Children of an order that are due to be sent."""
    rows = connection.execute(
        text(
            """
            SELECT order_id FROM orders
            WHERE parent_order_id = :parent_id AND state = 'PENDING' AND step = 2
            """
        ),
        {"parent_id": parent_id},
    )
    return [row.order_id for row in rows]
