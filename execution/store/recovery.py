"""What has stood still, found by index and in bounded batches."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Connection, text

from execution.domain.lifecycle import Step
from execution.domain.vocabulary import BrokerName
from execution.store.transitions import CHANNEL

BATCH = 200

# Each try doubles the wait for the next, up to this: a broker that is away is not stormed.
MAXIMUM_WAIT = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class DueOrder:
    """An order whose next step is overdue; `channel` is whose step it is, if not anybody's."""

    order_id: UUID
    broker: BrokerName
    step: int
    channel: int | None = None


def due_requests(connection: Connection, deadline: timedelta) -> list[tuple[UUID, Step]]:
    """Accepted requests overdue to become orders, with their next step; each is put off."""
    rows = connection.execute(
        text(
            """
            UPDATE order_requests SET resends = resends + 1,
                due_at = clock_timestamp()
                    + least(:deadline * power(2, least(resends, 10)), CAST(:most AS interval))
            WHERE request_id IN (
                SELECT request_id FROM order_requests
                WHERE due_at < clock_timestamp() ORDER BY due_at LIMIT :batch
                FOR UPDATE SKIP LOCKED)
            RETURNING order_id, step
            """
        ),
        {"deadline": deadline, "most": MAXIMUM_WAIT, "batch": BATCH},
    )
    return [(row.order_id, Step(row.step + 1)) for row in rows]


def due_orders(connection: Connection, deadline: timedelta) -> list[DueOrder]:
    """Orders whose next step is overdue; each is put off until its next turn."""
    rows = connection.execute(
        text(
            f"""
            UPDATE orders o SET resends = o.resends + 1,
                due_at = clock_timestamp()
                    + least(:deadline * power(2, least(o.resends, 10)), CAST(:most AS interval))
            FROM order_attempts a
            WHERE a.order_id = o.order_id AND a.attempt_no = o.attempt_no AND a.leg = 0
              AND o.order_id IN (
                SELECT order_id FROM orders
                WHERE due_at < clock_timestamp() ORDER BY due_at LIMIT :batch
                FOR UPDATE SKIP LOCKED)
            RETURNING o.order_id, o.broker, {CHANNEL} AS channel,
                -- Of an order in doubt, whose execution was heard of, nothing need be asked.
                CASE WHEN o.state = 'UNKNOWN' AND EXISTS (SELECT FROM execution_reports r
                        WHERE r.order_id = o.order_id AND r.applied_at IS NULL)
                    THEN {Step.SUBMIT_ORDER:d} ELSE o.step END AS step
            """
        ),
        {"deadline": deadline, "most": MAXIMUM_WAIT, "batch": BATCH},
    )
    return [DueOrder(row.order_id, BrokerName(row.broker), row.step, row.channel) for row in rows]


def orphan_reports(connection: Connection) -> list[int]:
    """Reports of no order of ours that are not applied, or not in a position yet."""
    rows = connection.execute(
        text(
            """
            SELECT report_id FROM execution_reports
            WHERE applied_at IS NULL AND order_id IS NULL
            UNION
            SELECT report_id FROM fills WHERE positioned_at IS NULL AND order_id IS NULL
            LIMIT :batch
            """
        ),
        {"batch": BATCH},
    )
    return [row.report_id for row in rows]


def forgotten_executions(connection: Connection, older_than: timedelta) -> list[DueOrder]:
    """Orders with executions to apply or to position for which nothing is due; now it is."""
    rows = connection.execute(
        text(
            """
            UPDATE orders SET due_at = clock_timestamp() + :older_than
            WHERE due_at IS NULL AND order_id IN (
                SELECT order_id FROM execution_reports WHERE applied_at IS NULL
                    AND received_at < clock_timestamp() - :older_than
                UNION
                SELECT order_id FROM fills WHERE positioned_at IS NULL
                    AND recorded_at < clock_timestamp() - :older_than
                LIMIT :batch)
            RETURNING order_id, broker
            """
        ),
        {"older_than": older_than, "batch": BATCH},
    )
    return [DueOrder(row.order_id, BrokerName(row.broker), Step.SUBMIT_ORDER) for row in rows]


_NOBODY_SERVES = """
    NOT EXISTS (SELECT FROM broker_sessions s WHERE s.broker = o.broker
        AND greatest(s.heartbeat_at, s.ended_at) > clock_timestamp() - :grace)
"""


def half_sent(connection: Connection, grace: timedelta) -> list[UUID]:
    """Orders whose sender has been gone for `grace`, with every other worker of their broker."""
    rows = connection.execute(
        text(
            f"""
            SELECT o.order_id FROM orders o
            WHERE o.due_at IS NOT NULL AND o.state = 'SUBMITTING' AND o.broker <> 'PAPER'
              AND o.updated_at < clock_timestamp() - :grace AND {_NOBODY_SERVES}
            ORDER BY o.due_at LIMIT :batch
            """
        ),
        {"grace": grace, "batch": BATCH},
    )
    return [row.order_id for row in rows]


def unserved(connection: Connection, grace: timedelta) -> list[UUID]:
    """Orders that wait, unsent, for a broker of which no worker has been heard of for `grace`.

    Those that are going to wait on come last: they stay, and must not keep others from their turn.
    """
    rows = connection.execute(
        text(
            f"""
            SELECT o.order_id FROM orders o
            WHERE o.due_at IS NOT NULL AND o.state = 'PENDING' AND o.broker <> 'PAPER'
              AND o.updated_at < clock_timestamp() - :grace AND {_NOBODY_SERVES}
            ORDER BY o.on_failure = 'wait' OR o.reduce_only OR o.parent_order_id IS NOT NULL,
                o.due_at
            LIMIT :batch
            """
        ),
        {"grace": grace, "batch": BATCH},
    )
    return [row.order_id for row in rows]
