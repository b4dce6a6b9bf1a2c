"""Steps 3 to 5 and 8 as transactions: an order is sent, waits, is settled."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from types import MappingProxyType
from uuid import UUID

from sqlalchemy import Connection, text

from execution.domain import order_changes
from execution.domain.lifecycle import Step
from execution.domain.order_changes import Timing
from execution.domain.orders import Order
from execution.domain.ports import Part
from execution.domain.reports import VenueOrder
from execution.domain.vocabulary import OrderState
from execution.store import alerts, loading, order_gate, reports
from execution.store.statements import Link, Prepared
from execution.store.work import OrderWork, apply, commit, reported_by


def gateway_connected(
    link: Link,
    order: Order,
    timing: Timing,
    fitted: Mapping[str, Decimal] = MappingProxyType({}),
    part: Part | None = None,
    *,
    account: str | None = None,
) -> Order | None:
    """Step 3: the connection was verified (`order_changes.gateway_connected`)."""
    change = order_changes.gateway_connected(order, timing, fitted, part, account=account)
    return apply(link, order, change)


def gateway_waits(link: Link, order: Order, reason: str, due: timedelta) -> bool:
    """Step 3: the connection is away; try again when due. The same reason again is no news."""
    if order.reason == reason:
        postpone(link, order, due)
        return True
    return apply(link, order, order_changes.gateway_waits(reason, due)) is not None


def back_to_gateway(
    link: Link,
    order: Order,
    reason: str,
    due: timedelta,
    *,
    sent: bool = False,
    failed: bool = False,
) -> bool:
    """Step 4: it provably never left (`order_changes.back_to_gateway`)."""
    change = order_changes.back_to_gateway(reason, due, sent=sent, failed=failed)
    return apply(link, order, change) is not None


def commit_intent(
    link: Link, order: Order, owner: UUID, timing: Timing, controls_version: int
) -> Order | None:
    """Step 4, before the first byte: the intent to send, its lease and the venue's deadline.

    Returns the order with `send_by` set, or None when somebody else has taken it, or limits or
    states are not those of `controls_version` any more, by which it was judged.
    """
    order_gate.hold_open(link)
    change = order_changes.intent(owner, timing)
    return apply(link, order, change, controls_version=controls_version)


def extend_lease(link: Link, order: Order, owner: UUID, timing: Timing) -> Order | None:
    """Take over a submission whose lease ran out, to find out what became of it."""
    return apply(link, order, order_changes.lease_extended(order, owner, timing))


def acknowledged(
    link: Link, order: Order, news: VenueOrder, watcher: UUID, timing: Timing
) -> Order | None:
    """Step 4, after: the venue holds the order. Its executions so far are recorded with it."""
    return apply(link, order, order_changes.acknowledged(order, news, watcher, timing), said=news)


def in_doubt(link: Link, order: Order, reason: str, due: timedelta) -> bool:
    """Step 4: nobody can say whether it arrived. The venue is asked again when due."""
    return apply(link, order, order_changes.in_doubt(reason, due)) is not None


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
    loading.lock_order(link, order.order_id)
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
    attempt = replace(order.attempt, **reported_by(said)) if row.reported else order.attempt
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
    return apply(link, order, order_changes.watched(order, watcher)) is not None


def fill_heard(link: Link, order: Order, timing: Timing) -> Order | None:
    """Step 5: an execution has come; steps 6 to 8 are due."""
    return apply(link, order, order_changes.executions_due(order, timing))


def all_published(link: Link, done: Sequence[Order], due: timedelta) -> set[UUID]:
    """Step 8 of many orders: the messages are out. Returns for which of them it was done."""
    works = [OrderWork(order, [order_changes.published(order, due)]) for order in done]
    return {order.order_id for order in commit(link, works) if order is not None}


def published(link: Link, order: Order, due: timedelta) -> Order | None:
    """Step 8 of one order."""
    return apply(link, order, order_changes.published(order, due))


_POSTPONE = Prepared(
    f"""
    UPDATE orders o
    SET due_at = coalesce(clock_timestamp() + CAST(:due AS interval), ({loading.DUE_FOR_NEWS}))
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
    change = order_changes.settled(
        order, state, reason, step=step, code=code, attempt_state=attempt_state
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
    change = order_changes.rerouted(
        order, reason, attempt_id=attempt_id, step=step, timing=timing, code=code
    )
    return apply(connection, order, change) is not None


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
