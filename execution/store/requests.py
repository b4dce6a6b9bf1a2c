"""`order_requests`: what producers asked for, malformed requests included."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from execution.domain.events import Event, OrderEventType, order_event
from execution.domain.instruments import Instrument
from execution.domain.lifecycle import Step
from execution.domain.vocabulary import OnFailure
from execution.store import outbox
from execution.store.rows import instrument_to_json, to_json
from execution.store.statements import Link, Prepared

_LONGEST_TEXT, _LONGEST_REASON = 64, 2_000
ACCEPTED = "ACCEPTED"
REFUSED = "REFUSED"


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a request: its ids, ACCEPTED or REFUSED, and why.

    `fresh` is True when this call recorded it, False when it had been there before.
    """

    request_id: UUID
    order_id: UUID | None
    client_order_id: str | None
    outcome: str
    reason: str | None
    fresh: bool


@dataclass(frozen=True, slots=True)
class AcceptedRequest:
    """An accepted request that is on its way to an order; when it came, and when it was read."""

    request_id: UUID
    order_id: UUID
    client_order_id: str
    payload: dict[str, Any]
    step: int
    received_at: datetime
    read_at: datetime


@dataclass(frozen=True, slots=True)
class AcceptedUnder:
    """The request that an id stands for, as it was kept.

    `on_failure` is what its order does after a failure; None while there is no order.
    """

    receipt: Receipt
    payload: Mapping[str, Any]
    on_failure: OnFailure | None


@dataclass(frozen=True, slots=True)
class Spec:
    """The columns of an order and of its first attempt as step 1 made them, as JSON values."""

    order: dict[str, Any]
    attempt: dict[str, Any]


def record(
    link: Link,
    *,
    request_id: UUID,
    order_id: UUID | None,
    client_order_id: str | None,
    payload: Mapping[str, Any],
    payload_hash: str,
    reason: str | None,
    due: timedelta | None,
    event: Event | None = None,
) -> Receipt | None:
    """Record a request, REFUSED when there is a `reason`, else ACCEPTED.

    Recovery takes it up after `due`: it sends an accepted one on, and announces a refused one that
    was recorded without its `event`. None when the id is taken: by the same payload (see `find`)
    or by another (see `accepted_under`).
    """
    outcome = ACCEPTED if reason is None else REFUSED
    values = {
        "request_id": request_id,
        "client_order_id": client_order_id,
        "payload": json.dumps(payload),
        "payload_hash": payload_hash,
        "outcome": outcome,
        "reason": reason,
        "order_id": order_id,
        "due": due,
    }
    if event is None:
        row = _RECORD.one(link, values)
    else:
        row = _RECORD_WITH_EVENT.one(link, values | {"events": outbox.as_json([event])})
    if row is None:
        return None
    return Receipt(request_id, order_id, client_order_id, outcome, reason, fresh=True)


def outcome_event(
    kind: OrderEventType,
    *,
    request_id: UUID,
    order_id: UUID | None,
    client_order_id: str | None,
    payload: Mapping[str, Any],
    reason: str | None,
    at: datetime,
) -> Event:
    """The message that a request was ACCEPTED or REFUSED when it came in."""
    symbol = payload.get("symbol")
    # A row that a producer wrote by hand may be of any size; Redis takes no event of any size.
    return order_event(
        kind,
        key=request_id,
        at=at,
        client_order_id=None if client_order_id is None else client_order_id[:_LONGEST_TEXT],
        order_id=order_id,
        symbol=symbol[:_LONGEST_TEXT] if isinstance(symbol, str) else None,
        reason=None if reason is None else reason[:_LONGEST_REASON],
        step="place_order",
    )


_INSERT = """
    INSERT INTO order_requests (request_id, client_order_id, payload, payload_hash, outcome, reason,
        order_id, due_at)
    VALUES (:request_id, :client_order_id, CAST(:payload AS jsonb), :payload_hash, :outcome,
        :reason, :order_id, clock_timestamp() + CAST(:due AS interval))
    ON CONFLICT DO NOTHING RETURNING request_id
"""
# Producers may add no events, so theirs is a statement that names no table of events.
_RECORD = Prepared(_INSERT)
_RECORD_WITH_EVENT = Prepared(
    f"""
    WITH request AS ({_INSERT}), told AS (
        {outbox.INSERT_EVENTS} WHERE EXISTS (SELECT FROM request)
    )
    SELECT request_id FROM request
    """
)


def unannounced(connection: Connection, limit: int) -> int:
    """Write the events of requests that a producer's client has refused; returns how many."""
    rows = connection.execute(
        text(
            """
            UPDATE order_requests SET due_at = NULL WHERE request_id IN (
                SELECT request_id FROM order_requests
                WHERE due_at < clock_timestamp() AND outcome = 'REFUSED'
                ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED)
            RETURNING request_id, client_order_id, payload, reason, received_at
            """
        ),
        {"limit": limit},
    ).all()
    events = [
        outcome_event(
            OrderEventType.REFUSED,
            request_id=row.request_id,
            order_id=None,
            client_order_id=row.client_order_id,
            payload=row.payload,
            reason=row.reason,
            at=row.received_at,
        )
        for row in rows
    ]
    outbox.add(connection, events)
    return len(events)


def find(connection: Connection, client_order_id: str | None, payload_hash: str) -> Receipt | None:
    """The receipt of the same request, recorded before."""
    row = connection.execute(
        text(
            """
            SELECT request_id, order_id, client_order_id, outcome, reason FROM order_requests
            WHERE client_order_id IS NOT DISTINCT FROM :client_order_id
              AND payload_hash = :payload_hash
            """
        ),
        {"client_order_id": client_order_id, "payload_hash": payload_hash},
    ).one_or_none()
    return None if row is None else _receipt(row)


def accepted_under(connection: Connection, client_order_id: str | None) -> AcceptedUnder | None:
    """The request that was accepted under an id."""
    row = connection.execute(
        text(
            """
            SELECT r.request_id, r.order_id, r.client_order_id, r.outcome, r.reason, r.payload,
                coalesce(o.on_failure, r.spec #>> '{order,on_failure}') AS on_failure
            FROM order_requests r LEFT JOIN orders o ON o.order_id = r.order_id
            WHERE r.client_order_id = :client_order_id AND r.outcome = 'ACCEPTED'
            """
        ),
        {"client_order_id": client_order_id},
    ).one_or_none()
    if row is None:
        return None
    made = None if row.on_failure is None else OnFailure(row.on_failure)
    return AcceptedUnder(_receipt(row), row.payload, made)


def latest(connection: Connection, client_order_id: str) -> Receipt | None:
    """The accepted request under an id, else the latest refused one."""
    row = connection.execute(
        text(
            """
            SELECT request_id, order_id, client_order_id, outcome, reason FROM order_requests
            WHERE client_order_id = :client_order_id
            ORDER BY (outcome = 'ACCEPTED') DESC, received_at DESC LIMIT 1
            """
        ),
        {"client_order_id": client_order_id},
    ).one_or_none()
    return None if row is None else _receipt(row)


_IS_ACCEPTED = "coalesce(outcome, '') = 'ACCEPTED'"
"""For a request found by its key: said plainly, a plan that was made while the table was empty may
read all of a partial index of accepted ones instead."""

_ACCEPTED = Prepared(
    """
    SELECT request_id, order_id, client_order_id, payload, step, received_at,
        clock_timestamp() AS read_at
    FROM order_requests
    WHERE order_id = CAST(:order_id AS uuid) AND outcome = 'ACCEPTED'
    """
)


def accepted(link: Link, order_id: UUID) -> AcceptedRequest | None:
    """The accepted request that is to become order `order_id`."""
    row = _ACCEPTED.one(link, {"order_id": order_id})
    return None if row is None else AcceptedRequest(*row)


def refuse(link: Link, request: AcceptedRequest, reason: str, event: Event) -> bool:
    """Turn an accepted request into a refused one, in step 1. False when it is past that.

    `event` says so; the one that it was accepted goes before it.
    """
    row = _REFUSE.one(
        link,
        {
            "request_id": request.request_id,
            "reason": reason,
            "state": REFUSED,
            "events": outbox.as_json([_accepted_event(request), event]),
        },
    )
    return row is not None


def spec_of(made: Mapping[str, Mapping[str, Any]], instrument: Instrument) -> Spec:
    """What `execution.domain.creation.make_order` made, as it is kept."""
    order = to_json(made["order"]) | {"instrument": instrument_to_json(instrument)}
    return Spec(order, to_json(made["attempt"]))


def prepare(link: Link, request: AcceptedRequest, spec: Spec, due: timedelta) -> bool:
    """Keep the order that step 1 made of a request. False when it is not step 1's turn."""
    row = _PREPARE.one(
        link,
        {
            "request_id": request.request_id,
            "reason": spec.order["reason"],
            "state": spec.order["state"],
            "spec": json.dumps({"order": spec.order, "attempt": spec.attempt}),
            "due": due,
            "events": outbox.as_json([_accepted_event(request)]),
        },
    )
    return row is not None


def _accepted_event(request: AcceptedRequest) -> Event:
    return outcome_event(
        OrderEventType.ACCEPTED,
        request_id=request.request_id,
        order_id=request.order_id,
        client_order_id=request.client_order_id,
        payload=request.payload,
        reason=None,
        at=request.received_at,
    )


def _step_one(changes: str) -> Prepared:
    return Prepared(
        f"""
        WITH request AS (
            UPDATE order_requests SET step = 1, reason = :reason, resends = 0, {changes}
            WHERE request_id = CAST(:request_id AS uuid) AND step = 0 AND {_IS_ACCEPTED}
            RETURNING order_id
        ), history AS (
            INSERT INTO order_events (order_id, step, state, detail)
            SELECT order_id, '{Step.CREATE_ORDER.label}', CAST(:state AS text),
                jsonb_strip_nulls(jsonb_build_object('reason', CAST(:reason AS text)))
            FROM request
        ), told AS (
            {outbox.INSERT_EVENTS} WHERE EXISTS (SELECT FROM request)
            -- An earlier release wrote the first with the request.
            ON CONFLICT (event_id) DO NOTHING
        )
        SELECT order_id FROM request
        """
    )


_REFUSE = _step_one("outcome = 'REFUSED', due_at = NULL")
_PREPARE = _step_one(
    "spec = CAST(:spec AS jsonb), due_at = clock_timestamp() + CAST(:due AS interval)"
)


def _receipt(row: Row[Any]) -> Receipt:
    return Receipt(
        row.request_id, row.order_id, row.client_order_id, row.outcome, row.reason, fresh=False
    )
