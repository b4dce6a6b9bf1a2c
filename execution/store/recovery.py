"""What has stood still, found by index and in bounded batches."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Connection, text

from execution.domain.lifecycle import Step
from execution.domain.vocabulary import BrokerName
from execution.store import loading
from execution.store.loading import CHANNEL

BATCH = 200

# Each try doubles the wait for the next, up to this: a broker that is away is not stormed.
MAXIMUM_WAIT = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class DueOrder:
    """An order whose next step is overdue; `channel` is whose step it is, if not anybody's."""

    order_id: UUID
    broker: BrokerName
    step: Step
    channel: int | None = None


def overdue(table: str, key: str, which: str = "true") -> str:
    """SQL of a CTE `overdue` with the keys of a batch of rows that are due, in two halves.

    What was never resent has a batch of its own: however many wait to be tried again (for a broker
    that is away, say), a lost message need not queue behind them. In each half what is due first
    comes first. `which` is a further condition.
    """
    halves = (
        f"""{name} AS (
            SELECT {key} FROM {table}
            WHERE due_at < clock_timestamp() AND resends {resends} AND {which}
            ORDER BY due_at LIMIT :batch FOR UPDATE SKIP LOCKED)"""
        for name, resends in (("never_resent", "= 0"), ("resent", "> 0"))
    )
    both = f"SELECT {key} FROM never_resent UNION ALL SELECT {key} FROM resent"
    return f"{', '.join(halves)}, overdue AS ({both})"


NEXT_TURN = """resends = resends + 1, due_at = clock_timestamp()
    + least(:deadline * power(2, least(resends, 10)), CAST(:most AS interval))"""
"""Puts off a row that was sent again."""


def due_requests(connection: Connection, deadline: timedelta) -> list[tuple[UUID, Step]]:
    """Accepted requests overdue to become orders, with their next step; each is put off."""
    rows = connection.execute(
        text(
            f"""
            WITH {overdue("order_requests", "request_id", "outcome = 'ACCEPTED'")}
            UPDATE order_requests SET {NEXT_TURN}
            WHERE request_id IN (SELECT request_id FROM overdue)
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
            WITH {overdue("orders", "order_id")}, sent AS (
                UPDATE orders SET {NEXT_TURN} WHERE order_id IN (SELECT order_id FROM overdue)
                RETURNING *
            )
            SELECT o.order_id, o.broker, o.step, {CHANNEL} AS channel,
                o.state IN ('FILLED', 'CANCELLED', 'REJECTED', 'EXPIRED')
                    OR EXISTS ({loading.DUE_FOR_NEWS}) AS at_rest
            FROM sent o JOIN order_attempts a
                ON a.order_id = o.order_id AND a.attempt_no = o.attempt_no AND a.leg = 0
            """
        ),
        {"deadline": deadline, "most": MAXIMUM_WAIT, "batch": BATCH},
    )
    return [
        DueOrder(
            row.order_id,
            BrokerName(row.broker),
            Step.after(row.step, at_rest=row.at_rest),
            row.channel,
        )
        for row in rows
    ]


def stranded(connection: Connection) -> int:
    """Let orders be due that have news for step 5 and for which nothing is due; how many.

    There should be none: whoever records news makes its order due in the same transaction.
    """
    return connection.execute(
        text(
            """
            UPDATE orders SET due_at = clock_timestamp()
            WHERE due_at IS NULL AND order_id IN (
                (SELECT o.order_id FROM execution_reports r JOIN orders o USING (order_id)
                    WHERE r.applied_at IS NULL AND o.due_at IS NULL LIMIT :batch)
                UNION
                (SELECT o.order_id FROM fills f JOIN orders o USING (order_id)
                    WHERE f.positioned_at IS NULL AND o.due_at IS NULL LIMIT :batch)
                UNION
                (SELECT o.order_id FROM order_attempts a JOIN orders o
                        ON o.order_id = a.order_id AND o.attempt_no = a.attempt_no AND a.leg = 0
                    WHERE a.state IN ('SUBMITTED', 'PARTIALLY_FILLED')
                        AND a.reported_state IN ('FILLED', 'CANCELLED', 'REJECTED', 'EXPIRED')
                        AND o.state IN ('SUBMITTED', 'PARTIALLY_FILLED') AND o.due_at IS NULL
                    LIMIT :batch))
            """
        ),
        {"batch": BATCH},
    ).rowcount


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
