"""Steps that follow each other in one process and touch nothing outside are written together.

A step that goes on in place may leave its change to the next one's statement. What must be on disk
before anything outside happens still is: the request before it is acknowledged, the intent before
the send, everything before it is published. A process that dies in between leaves the order where
it was written last, and recovery takes it on from there; every step has its line of history.

Here are steps 1 to 3 with the intent of step 4; `finishing` has steps 4 to 7.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from execution.domain.instruments import Instrument
from execution.domain.lifecycle import Step
from execution.domain.orders import AttemptState, Order
from execution.domain.vocabulary import OrderState
from execution.store import (
    controls,
    inserting,
    orders,
    outbox,
    requests,
    transitions,
)
from execution.store.orders import Timing
from execution.store.requests import AcceptedRequest, Spec
from execution.store.statements import Link, Prepared


@dataclass(frozen=True, slots=True)
class Draft:
    """An order that steps 1 to 3 have made and not written; `times` (monotonic) is when each did.

    `order` is as it will be before its intent.
    """

    request: AcceptedRequest
    spec: Spec
    order: Order
    times: tuple[float, ...]

    def after(self, order: Order) -> Draft:
        """The same after one more step."""
        return replace(self, order=order, times=(*self.times, time.monotonic()))


def drafted(
    request: AcceptedRequest,
    spec: Spec,
    made: Mapping[str, Mapping[str, Any]],
    instrument: Instrument,
) -> Draft:
    """Step 1's order as step 2 would insert it."""
    columns, attempt = made["order"], made["attempt"]
    order = Order(
        **{name: columns[name] for name in Order.__slots__ if name in columns},
        instrument=instrument,
        filled_quantity=columns["quantity"] * 0,
        average_price=None,
        parent_order_id=None,
        role=None,
        version=1,
        step=int(Step.PERSIST_ORDER),
        due_at=None,
        resends=0,
        updated_at=columns["created_at"],
        read_at=columns["created_at"],
        unapplied=0,
        unfinished=0,
        attempt=AttemptState(
            attempt_id=attempt["attempt_id"],
            attempt_no=1,
            venue_order_id=attempt["venue_order_id"],
            broker_order_id=None,
            quantity=columns["quantity"],
            filled_quantity=columns["quantity"] * 0,
            state=OrderState.PENDING,
            intent_at=None,
            send_by=None,
            lease_owner=None,
            lease_until=None,
            watcher=None,
            reported_state=None,
            reported_quantity=None,
            reported_reason=None,
            replacement=None,
            closes=None,
            created_at=columns["created_at"],
        ),
    )
    return Draft(request, spec, order, (time.monotonic(),))


_BEGIN = Prepared(
    f"""
    WITH request AS (
        UPDATE order_requests SET step = 2, due_at = NULL, resends = 0
        WHERE request_id = CAST(:request_id AS uuid) AND step = 0 AND {requests.IS_ACCEPTED}
            -- A cancel that overtook its order must end it before it is sent.
            AND NOT EXISTS (SELECT FROM order_commands c
                WHERE c.client_order_id = CAST(:client_order_id AS text)
                AND c.kind = 'CANCEL' AND c.outcome = 'PENDING')
            {controls.UNCHANGED}
        RETURNING order_id
    ), changed AS (
        INSERT INTO orders ({inserting.ORDER_COLUMNS}, step, version, due_at)
        SELECT {", ".join(f"n.{name.strip()}" for name in inserting.ORDER_COLUMNS.split(","))},
            {int(Step.CONNECT_GATEWAY)}, 3, clock_timestamp() + CAST(:lease AS interval)
        FROM request, jsonb_populate_record(NULL::orders, CAST(:order AS jsonb)) n
        RETURNING order_id, broker, environment, account, execution_mode, quantity, updated_at,
            due_at
    ), attempt AS (
        INSERT INTO order_attempts (attempt_id, order_id, attempt_no, broker, environment,
            account, execution_mode, venue_order_id, quantity, state, intent_at, intents, send_by,
            lease_owner, lease_until, created_at)
        SELECT CAST(:attempt_id AS uuid), order_id, 1, broker, environment, account,
            execution_mode, CAST(:venue_order_id AS text), quantity, 'SUBMITTING', updated_at, 1,
            updated_at + CAST(:window AS interval), CAST(:owner AS uuid),
            updated_at + CAST(:lease AS interval), updated_at
        FROM changed
    ), history AS (
        INSERT INTO order_events (order_id, at, step, state, broker, attempt_no, detail)
        -- Step 1 makes the order, and knows of no attempt yet.
        SELECT order_id, updated_at - h.ago, h.step, h.state,
            CASE WHEN h.step <> '{Step.CREATE_ORDER.label}' THEN broker END,
            CASE WHEN h.step <> '{Step.CREATE_ORDER.label}' THEN 1 END, h.detail
        FROM changed, {transitions.HISTORY}
    ), told AS (
        {outbox.INSERT_EVENTS} WHERE EXISTS (SELECT FROM changed)
    )
    SELECT updated_at AS changed_at, due_at FROM changed
    """
)


def begin(
    link: Link, draft: Draft, owner: UUID, timing: Timing, controls_version: int
) -> Order | None:
    """Steps 1 to 3 and step 4's intent in one statement; see `orders.commit_intent`.

    None, and nothing done, when the request is past step 1, a cancel waits for the order, or
    limits or states are not those of `controls_version` any more.
    """
    order, now = draft.order, time.monotonic()
    columns = draft.spec.order | {"state": OrderState.SUBMITTING.value}
    # Before it was connected it was version 1; connecting made it 2, and the intent makes it 3.
    unsent = replace(order, version=2)
    intent = orders.intent(owner, timing)
    told = inserting.events_of_insert(draft.spec, order.order_id)
    told += transitions.events_of(unsent, intent)
    route_reason = draft.spec.order["route_reason"]
    details: list[dict[str, Any]] = [{}, {"reason": route_reason} if route_reason else {}, {}]
    lines = [
        {"ago": f"{now - at:.6f} seconds", "step": step.label, "state": "PENDING", "detail": detail}
        for step, at, detail in zip(Step, draft.times, details, strict=False)
    ]
    lines.append(
        {
            "ago": "0",
            "step": Step.SUBMIT_ORDER.label,
            "state": OrderState.SUBMITTING,
            "detail": intent.detail,
        }
    )
    controls.hold(link)
    row = _BEGIN.one(
        link,
        {
            "controls": controls_version,
            "request_id": draft.request.request_id,
            "client_order_id": draft.request.client_order_id,
            "order": json.dumps(columns),
            "attempt_id": order.attempt.attempt_id,
            "venue_order_id": order.attempt.venue_order_id,
            "window": timing.submit_window,
            "lease": timing.lease,
            "owner": owner,
            "history": json.dumps(lines),
            "events": outbox.as_json(told),
        },
    )
    if row is None:
        return None
    return replace(
        order,
        state=OrderState.SUBMITTING,
        version=3,
        due_at=row.due_at,
        updated_at=row.changed_at,
        read_at=row.changed_at,
        attempt=replace(
            order.attempt,
            state=OrderState.SUBMITTING,
            intent_at=row.changed_at,
            send_by=row.changed_at + timing.submit_window,
            lease_owner=owner,
            lease_until=row.changed_at + timing.lease,
            created_at=row.changed_at,
        ),
    )
