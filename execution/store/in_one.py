"""Steps that follow each other in one process and touch nothing outside are written together.

A step that goes on in place may leave its change to the next one's statement. What must be on disk
before anything outside happens still is: the request before it is acknowledged, the intent before
the send, everything before it is published. A process that dies in between leaves the order where
it was written last, and recovery takes it on from there; every step has its line of history.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from psycopg2 import errors
from sqlalchemy import Connection

from execution.domain.instruments import Instrument
from execution.domain.lifecycle import Step
from execution.domain.orders import AttemptState, Order
from execution.domain.positions import Position
from execution.domain.reports import Execution, VenueOrder
from execution.domain.vocabulary import OrderState
from execution.store import (
    controls,
    first_fills,
    orders,
    outbox,
    positions,
    reports,
    requests,
    transitions,
)
from execution.store.executions import base_asset
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
        INSERT INTO orders ({orders.ORDER_COLUMNS}, step, version, due_at)
        SELECT {", ".join(f"n.{name.strip()}" for name in orders.ORDER_COLUMNS.split(","))},
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
    told = orders.events_of_insert(draft.spec, order.order_id)
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


@dataclass(frozen=True, slots=True)
class Taken:
    """An order that its venue has taken and filled, which steps 4 to 6 have not written.

    `order` is as it was sent; `times` (monotonic) is when each of these steps was done.
    """

    order: Order
    said: VenueOrder
    watcher: UUID
    times: tuple[float, ...]

    def after(self) -> Taken:
        """The same after one more step."""
        return replace(self, times=(*self.times, time.monotonic()))


def filled_at_once(order: Order, said: VenueOrder) -> bool:
    """Whether a venue's first answer is all there will be, and nothing about it is odd."""
    return (
        said.state is OrderState.FILLED
        and said.filled_quantity == order.quantity
        and not order.filled_quantity
        and order.attempt.reported_state is None
        and first_fills.are_plain(order, said.executions)
    )


_NOTHING_HEARD = """
    AND NOT EXISTS (SELECT FROM execution_reports r WHERE r.order_id = o.order_id)
    AND NOT EXISTS (SELECT FROM fills f WHERE f.order_id = o.order_id)
"""
_INSERT_APPLIED = reports.insert_sql(
    source="changed", column="applied_at", value="changed.updated_at"
)
_REPORTED = f"""
    reported AS (
        {_INSERT_APPLIED}
        RETURNING report_id, order_id, attempt_id, broker, environment, account, symbol, side,
            execution_id, quantity, price, commission, commission_currency, execution_mode,
            executed_at, applied_at
    )
"""


_PLAIN_FILLS = f"""
    {_REPORTED}, unfinished AS ({first_fills.insert_sql("reported")} RETURNING fill_id)
"""
_FILLED = transitions.Also(guard=_NOTHING_HEARD, parts=_PLAIN_FILLS)
_POSITIONED_FILLS = first_fills.insert_sql(
    "reported",
    f", announced_at, positioned_at, {positions.POSITION_COLUMNS}",
    """, r.applied_at, r.applied_at, t.position_quantity, t.position_average_price,
        t.position_realised_pnl, t.position_commission""",
)
_LAST_FILL = "(SELECT max(fill_id) FROM finished)"
_FINISHED = {
    table: transitions.Also(
        guard=_NOTHING_HEARD,
        parts=f"""
            {_REPORTED}, finished AS ({_POSITIONED_FILLS} RETURNING fill_id),
            moved AS ({positions.move_sql(table, _LAST_FILL)})
        """,
    )
    for table in ("positions", "paper_positions")
}


def finish(link: Link, taken: Taken, timing: Timing) -> Order | None:
    """Steps 4 to 7, from the venue's answer to the position, in one statement.

    None, and nothing done, when its place in the position is not at the end, or anything was heard
    of the order meanwhile.
    """
    order, heard = taken.order, _in_order(taken)
    held = positions.lock(link, order)
    if held is None or (held.last_executed_at or heard[0].executed_at) > heard[0].executed_at:
        return None
    decided, told, parameters = _decided(taken, heard, timing)
    filled = decided[-1][0]
    moved = transitions.Change(filled.state, Step.UPDATE_POSITIONS, completes=True, due=timing.step)
    position = Position(held.quantity, held.average_price, held.realised_pnl, held.commission)
    rows = []
    for execution, row in zip(heard, told.rows, strict=True):
        entry = positions.entry(execution, base_asset(order.instrument))
        position = position.apply(entry, held.multiplier)
        rows.append(row | positions.after(position))
    try:
        return transitions.apply_all(
            link,
            order,
            [*decided, (moved, 0.0)],
            also=_FINISHED[positions.table_of(order.broker)],
            parameters={
                **parameters,
                "running": json.dumps(rows),
                **positions.move_parameters(order, position, heard[-1].executed_at),
            },
            more_events=[
                positions.message_of(order, execution, so_far)
                for execution, so_far in zip(heard, told.running, strict=True)
            ],
        )
    except errors.UniqueViolation:
        return None  # somebody has heard of such an execution: the long way looks at it


def finish_late(connection: Connection, taken: Taken, timing: Timing) -> Order | None:
    """The same where the position must be folded anew, or made; None as `finish` says."""
    decided, _, parameters = _decided(taken, _in_order(taken), timing)
    try:
        written = transitions.apply_all(
            connection, taken.order, decided, also=_FILLED, parameters=parameters
        )
    except errors.UniqueViolation:
        return None
    if written is None:
        return None
    positions.apply_for_order(connection, taken.order.order_id, timing.step)
    return transitions.load(connection, taken.order.order_id)


def _in_order(taken: Taken) -> list[Execution]:
    return sorted(taken.said.executions, key=lambda execution: execution.executed_at)


def _decided(
    taken: Taken, heard: Sequence[Execution], timing: Timing
) -> tuple[list[tuple[transitions.Change, float]], first_fills.Told, dict[str, Any]]:
    """The changes of steps 4 to 6, with how long ago each was decided, and what they take."""
    order, said = taken.order, taken.said
    acknowledged = orders.acknowledgement(order, said, taken.watcher, timing)
    acknowledged = replace(
        acknowledged, attempt={**acknowledged.attempt, **orders.reported_by(said)}
    )
    submitted = transitions.foreseen(order, acknowledged)
    waited = orders.hearing(submitted, timing)
    filled, told = first_fills.plan(transitions.foreseen(submitted, waited), heard, timing.step)
    now = time.monotonic()
    decided = [
        (change, now - at)
        for change, at in zip((acknowledged, waited, filled), taken.times, strict=True)
    ]
    reported = reports.parameters(
        heard,
        broker=order.broker,
        environment=order.environment,
        account=order.account,
        mode=order.execution_mode,
        order_id=order.order_id,
        attempt_id=order.attempt.attempt_id,
    )
    return decided, told, {**reported, **told.parameters}
