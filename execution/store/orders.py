"""Steps 3 to 5 as transactions: an order is sent, waits, is settled."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from execution.domain.events import OrderEventType
from execution.domain.identity import venue_order_id
from execution.domain.lifecycle import Step
from execution.domain.orders import Order
from execution.domain.ports import Part
from execution.domain.reports import VenueOrder
from execution.domain.vocabulary import BrokerName, ExecutionMode, OrderState
from execution.store import alerts, controls, order_gate, reports, transitions
from execution.store.statements import Link, Prepared
from execution.store.transitions import Also, Change, apply


@dataclass(frozen=True, slots=True)
class Timing:
    """How long things may take: a step until recovery, a send until the venue refuses it.

    `lease` is from the intent until somebody else may take the submission over.
    """

    step: timedelta
    submit_window: timedelta
    lease: timedelta


def gateway_connected(
    link: Link,
    order: Order,
    timing: Timing,
    fitted: Mapping[str, Decimal] = MappingProxyType({}),
    part: Part | None = None,
    *,
    account: str | None = None,
) -> Order | None:
    """Step 3: the connection was verified.

    `fitted` are the venue's terms for what is left of the order, `part` is as much of it as this
    attempt is for, `account` the venue's own name of the account (None: it stays as it is).
    """
    terms = dict(fitted)
    attempt: dict[str, Any] = {} if account is None else {"account": account}
    if "quantity" in terms:
        attempt["quantity"] = terms["quantity"]
        if order.parent_order_id is None:
            # What an earlier attempt filled stays part of the whole.
            terms["quantity"] += order.filled_quantity
        else:
            attempt["reduced"] = Decimal(0)
            terms["quantity"] += order.quantity - order.for_venue().quantity
    if part is not None:
        attempt |= {"quantity": part.quantity, "closes": part.closes}
    change = Change(
        OrderState.PENDING,
        Step.CONNECT_GATEWAY,
        completes=True,
        due=timing.step,
        order=terms,
        attempt=attempt,
        detail=({"fitted": fitted} if fitted else {})
        | ({"account": account} if account not in {None, order.account} else {})
        | ({"closes": part.closes} if part is not None and part.closes else {}),
    )
    return apply(link, order, change)


def gateway_waits(link: Link, order: Order, reason: str, due: timedelta) -> bool:
    """Step 3: the connection is away; try again when due. The same reason again is no news."""
    if order.reason == reason:
        postpone(link, order, due)
        return True
    change = Change(OrderState.PENDING, Step.CONNECT_GATEWAY, due=due, reason=reason, repeats=True)
    return apply(link, order, change) is not None


def back_to_gateway(
    link: Link,
    order: Order,
    reason: str,
    due: timedelta,
    *,
    sent: bool = False,
    failed: bool = False,
) -> bool:
    """Step 4: it provably never left, and the connection may come back: step 3 again when due.

    `sent`: it did leave, and the venue says that it took nothing. `failed`: for the venue's part.
    """
    change = Change(
        OrderState.PENDING,
        Step.SUBMIT_ORDER,
        due=due,
        reason=reason,
        order={"step": int(Step.PERSIST_ORDER)},
        attempt={
            "state": OrderState.PENDING,
            "lease_until": None,
            "intent_at": None,
            "send_by": None,
        },
        detail={"sent": sent, "failed": failed},
        repeats=True,
    )
    return apply(link, order, change) is not None


_ONE_MORE_INTENT = Also(attempt="intents = intents + 1", guard=controls.UNCHANGED)


def _intent(owner: UUID, timing: Timing) -> Change:
    """What `commit_intent` makes of an order."""
    return Change(
        OrderState.SUBMITTING,
        Step.SUBMIT_ORDER,
        due=timing.lease,
        attempt={"state": OrderState.SUBMITTING, "lease_owner": owner},
        clock={
            "intent_at": timedelta(0),
            "send_by": timing.submit_window,
            "lease_until": timing.lease,
        },
        detail={"intent": True},
    )


def commit_intent(
    link: Link, order: Order, owner: UUID, timing: Timing, controls_version: int
) -> Order | None:
    """Step 4, before the first byte: the intent to send, its lease and the venue's deadline.

    Returns the order with `send_by` set, or None when somebody else has taken it, or limits or
    states are not those of `controls_version` any more, by which it was judged.
    """
    order_gate.hold_open(link)
    parameters = {"controls": controls_version}
    return apply(link, order, _intent(owner, timing), _ONE_MORE_INTENT, parameters)


def extend_lease(link: Link, order: Order, owner: UUID, timing: Timing) -> Order | None:
    """Take over a submission whose lease ran out, to find out what became of it."""
    change = Change(
        order.state,
        Step.SUBMIT_ORDER,
        due=timing.lease,
        reason=order.reason,
        attempt={"lease_owner": owner},
        clock={"lease_until": timing.lease},
        detail={"takeover": True},
    )
    return apply(link, order, change)


# The venue's word on the attempt. Its last word is not replaced by an earlier one.
_REPORTED = ", ".join(
    f"""{column} = CASE WHEN :final OR a.reported_state IS NULL
        OR a.reported_state NOT IN ('FILLED', 'CANCELLED', 'REJECTED', 'EXPIRED')
        THEN CAST(:{column} AS {kind}) ELSE a.{column} END"""
    for column, kind in (
        ("reported_state", "text"),
        ("reported_quantity", "numeric"),
        ("reported_reason", "text"),
    )
)
_ACKNOWLEDGED = Also(attempt=_REPORTED)
_ACKNOWLEDGED_WITH_EXECUTIONS = Also(
    attempt=_REPORTED,
    parts=f"""unapplied AS (
        {reports.INSERT_SQL} WHERE EXISTS (SELECT FROM changed) {reports.ON_CONFLICT}
        RETURNING report_id
    )""",
)


def _reported_by(said: VenueOrder) -> dict[str, Any]:
    """The attempt's columns for the venue's word."""
    return {
        "reported_state": said.state,
        "reported_quantity": said.filled_quantity,
        "reported_reason": said.reason,
    }


def _acknowledgement(order: Order, news: VenueOrder, watcher: UUID, timing: Timing) -> Change:
    """What `acknowledged` makes of an order, but for the venue's word (`_reported_by`)."""
    return Change(
        # What an earlier attempt filled stays filled.
        OrderState.PARTIALLY_FILLED if order.filled_quantity else OrderState.SUBMITTED,
        Step.SUBMIT_ORDER,
        completes=True,
        due=timing.step,
        order={"broker_order_id": news.broker_order_id},
        attempt={
            "state": OrderState.SUBMITTED,
            "broker_order_id": news.broker_order_id,
            "watcher": watcher,
        },
        detail={"broker_order_id": news.broker_order_id, "note": news.reason},
    )


def acknowledged(
    link: Link, order: Order, news: VenueOrder, watcher: UUID, timing: Timing
) -> Order | None:
    """Step 4, after: the venue holds the order. Its executions so far are recorded with it."""
    first_word = order.attempt.reported_state is None or news.state.is_final
    change, reported = _acknowledgement(order, news, watcher, timing), _reported_by(news)
    parameters = {**reported, "final": news.state.is_final}
    if not news.executions:
        now = apply(link, order, change, _ACKNOWLEDGED, parameters)
    else:
        parameters |= reports.parameters_of(order, news.executions)
        now = apply(link, order, change, _ACKNOWLEDGED_WITH_EXECUTIONS, parameters)
    if now is None or not first_word:
        return now
    return replace(now, attempt=replace(now.attempt, **reported))


def in_doubt(link: Link, order: Order, reason: str, due: timedelta) -> bool:
    """Step 4: nobody can say whether it arrived. The venue is asked again when due."""
    change = Change(
        OrderState.UNKNOWN,
        Step.SUBMIT_ORDER,
        due=due,
        reason=reason,
        attempt={"state": OrderState.UNKNOWN, "reason": reason, "lease_until": None},
    )
    return apply(link, order, change) is not None


# Its last word is not replaced by an earlier one.
_NEWS = Prepared(
    """
    WITH reported AS (
        UPDATE order_attempts SET reported_state = CAST(:state AS text),
            reported_quantity = CAST(:quantity AS numeric),
            reported_reason = CAST(:reason AS text),
            broker_order_id = coalesce(broker_order_id, CAST(:broker_order_id AS text)),
            updated_at = clock_timestamp()
        WHERE attempt_id = CAST(:attempt_id AS uuid)
            AND (reported_state, reported_quantity)
                IS DISTINCT FROM (CAST(:state AS text), CAST(:quantity AS numeric))
            AND (CAST(:final AS boolean) OR reported_state IS NULL
                OR reported_state NOT IN ('FILLED', 'CANCELLED', 'REJECTED', 'EXPIRED'))
        RETURNING attempt_id
    )
    UPDATE orders SET version = version + 1,
        due_at = least(due_at, clock_timestamp() + CAST(:due AS interval))
    WHERE order_id = CAST(:order_id AS uuid)
        AND (CAST(:fresh AS integer) > 0 OR EXISTS (SELECT FROM reported))
    RETURNING due_at, EXISTS (SELECT FROM reported) AS reported
    """
)


def news(link: Link, order: Order, said: VenueOrder, due: timedelta) -> Order | None:
    """Record what a venue says of a waiting order, in one transaction; None if it is nothing new.

    Else the order with it. Then step 5 is due, in the same transaction: what wakes it may be lost.
    """
    transitions.lock_order(link, order.order_id)
    fresh = reports.record(link, order, said.executions)
    row = _NEWS.one(
        link,
        {
            "state": said.state,
            "quantity": said.filled_quantity,
            "reason": said.reason,
            "broker_order_id": said.broker_order_id,
            "attempt_id": order.attempt.attempt_id,
            "final": said.state.is_final,
            "due": due,
            "order_id": order.order_id,
            "fresh": fresh,
        },
    )
    if row is None:
        return None
    attempt = replace(order.attempt, **_reported_by(said)) if row.reported else order.attempt
    return replace(
        order,
        # Not what it is now: where somebody has changed the order since it was read, whoever goes
        # on with this copy must notice.
        version=order.version + 1,
        due_at=row.due_at,
        unapplied=order.unapplied + fresh,
        attempt=attempt,
    )


def watched(link: Link, order: Order, watcher: UUID) -> bool:
    """Step 5: nothing has happened yet; this session waits for it. Nothing is due meanwhile."""
    change = Change(
        order.state,
        None,
        label="waiting",
        reason=order.reason,
        attempt={"watcher": watcher},
    )
    return apply(link, order, change) is not None


def fill_heard(link: Link, order: Order, timing: Timing) -> Order | None:
    """Step 5: an execution has come; steps 6 to 8 are due."""
    return apply(link, order, _hearing(order, timing))


def _hearing(order: Order, timing: Timing) -> Change:
    """What `fill_heard` makes of an order.

    An execution may also come for one that is not at its venue, as far as we know, or on its way to
    another: what is next for that stays next.
    """
    at_venue = order.step >= Step.SUBMIT_ORDER
    return Change(
        order.state,
        Step.AWAIT_FILL,
        completes=at_venue,
        due=timing.step if at_venue else order.remaining,
        reason=order.reason,
    )


_ALL_PUBLISHED = Prepared(
    f"""
    WITH told AS (
        SELECT r.order_id, r.due, r.step
        FROM jsonb_to_recordset(CAST(:orders AS jsonb))
            AS r(order_id uuid, version integer, due interval, step smallint)
        JOIN orders o ON o.order_id = r.order_id AND o.version = r.version
        -- Whoever holds one of them must not hold up everybody's messages.
        FOR UPDATE OF o SKIP LOCKED
    ), changed AS (
        UPDATE orders o SET version = version + 1, updated_at = clock_timestamp(), resends = 0,
            due_at = clock_timestamp() + told.due, step = told.step
        FROM told WHERE o.order_id = told.order_id
        RETURNING o.order_id, o.updated_at, o.state, o.broker, o.attempt_no, o.reason
    ), history AS (
        INSERT INTO order_events (order_id, at, step, state, broker, attempt_no, detail)
        SELECT order_id, updated_at, '{Step.PUBLISH_FILL_EVENT.label}', state, broker, attempt_no,
            jsonb_strip_nulls(jsonb_build_object('reason', reason))
        FROM changed
    )
    SELECT order_id FROM changed
    """
)


def all_published(link: Link, done: Sequence[Order], due: timedelta) -> set[UUID]:
    """`published` for many orders in one statement; returns for which of them it was done."""
    changes = [(order, _telling(order, due)) for order in done]
    rows = [
        {
            "order_id": str(order.order_id),
            "version": order.version,
            "due": None if change.due is None else f"{change.due.total_seconds()} seconds",
            "step": transitions.foreseen(order, change).step,
        }
        for order, change in changes
    ]
    return {row.order_id for row in _ALL_PUBLISHED.run(link, {"orders": json.dumps(rows)})}


def published(link: Link, order: Order, due: timedelta) -> Order | None:
    """Step 8: the messages are out."""
    return apply(link, order, _telling(order, due))


def _telling(order: Order, due: timedelta) -> Change:
    """What `published` makes of an order. One that is not final waits for more at step 5 again.

    What was reported meanwhile is due there at once (`Order.has_news`).
    """
    return Change(
        order.state,
        Step.PUBLISH_FILL_EVENT,
        completes=order.state.is_final,
        due=due if order.has_news else None,
        reason=order.reason,
        order={} if order.state.is_final else {"step": int(Step.SUBMIT_ORDER)},
    )


_POSTPONE = Prepared(
    f"""
    UPDATE orders o
    SET due_at = coalesce(clock_timestamp() + CAST(:due AS interval), ({transitions.DUE_FOR_NEWS}))
    WHERE order_id = CAST(:order_id AS uuid) AND version = :version
    """
)


def postpone(link: Link, order: Order, due: timedelta | None) -> None:
    """Look at an order again when due, or not at all; nothing else about it is new."""
    values = {"order_id": order.order_id, "version": order.version, "due": due}
    _POSTPONE.run(link, values)


def settle(
    connection: Connection,
    order: Order,
    state: OrderState,
    reason: str | None,
    *,
    step: Step,
    code: str | None = None,
    attempt_state: OrderState | None = None,
) -> bool:
    """End an order that will not fill any further: CANCELLED, EXPIRED or REJECTED.

    Its attempt ends alike, unless it has an end of its own (`attempt_state`). It waits for no
    broker any more. A bracket's child of which another attempt still works at the venue goes on
    with that one.
    """
    goes_on = order.standing > 0
    ended = attempt_state or state
    detail = {"code": code} | ({"attempt_state": ended} if goes_on or ended is not state else {})
    change = Change(
        order.working_state if goes_on else state,
        step,
        reason=None if goes_on else reason,
        order={"step": int(Step.SUBMIT_ORDER)} if goes_on else {},
        attempt={"state": ended, "reason": reason, "error_code": code},
        detail=detail,
    )
    if apply(connection, order, change) is None:
        return False
    if order.state is OrderState.PENDING and order.reason is not None:
        alerts.resolve(connection, alerts.WAITING, order.order_id)
    return True


def reroute(
    connection: Connection,
    order: Order,
    reason: str,
    *,
    attempt_id: UUID,
    step: Step,
    timing: Timing,
    code: str | None = None,
) -> bool:
    """Give up this attempt and make the next, on paper; both or neither.

    Only for an attempt that the venue definitely refused or that never left: the database's own
    guard refuses anything else.
    """
    change = Change(
        OrderState.PENDING,
        step,
        due=timing.step,
        reason=reason,
        order={
            "broker": BrokerName.PAPER,
            "execution_mode": ExecutionMode.PAPER,
            "attempt_no": order.attempt.attempt_no + 1,
            "broker_order_id": None,
            "route_reason": reason,
            "step": int(Step.PERSIST_ORDER),
        },
        attempt={"state": OrderState.REJECTED, "reason": reason, "error_code": code},
        detail={
            "rerouted_to": BrokerName.PAPER,
            "attempt_state": OrderState.REJECTED,
            "code": code,
        },
        events=(OrderEventType.REROUTED,),
    )
    if apply(connection, order, change) is None:
        return False
    attempt_no = order.attempt.attempt_no + 1
    connection.execute(
        text(
            """
            INSERT INTO order_attempts (attempt_id, order_id, attempt_no, broker, environment,
                account, execution_mode, venue_order_id, quantity, state)
            SELECT :attempt_id, order_id, :attempt_no, broker, environment, account,
                execution_mode, :venue_order_id, quantity - filled_quantity, 'PENDING'
            FROM orders WHERE order_id = :order_id
            """
        ),
        {
            "attempt_id": attempt_id,
            "order_id": order.order_id,
            "attempt_no": attempt_no,
            "venue_order_id": venue_order_id(order.order_id, attempt_no),
        },
    )
    return True


def note(connection: Connection, order: Order, label: str, detail: dict[str, str | None]) -> None:
    """Add a line to an order's history without changing the order; once for each attempt."""
    connection.execute(
        text(
            """
            INSERT INTO order_events (order_id, step, state, broker, attempt_no, detail)
            SELECT :order_id, :step, :state, :broker, :attempt_no, CAST(:detail AS jsonb)
            WHERE NOT EXISTS (SELECT FROM order_events
                WHERE order_id = :order_id AND step = :step AND attempt_no = :attempt_no)
            """
        ),
        {
            "order_id": order.order_id,
            "step": label,
            "state": order.state,
            "broker": order.broker,
            "attempt_no": order.attempt.attempt_no,
            "detail": json.dumps(detail),
        },
    )
