"""`execution_reports`: every execution anybody heard of, once, exactly as the venue told it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import Connection, text

from execution.domain.orders import Order
from execution.domain.reports import Execution
from execution.domain.vocabulary import BrokerName, ExecutionMode
from execution.store.rows import to_json


def record(connection: Connection, order: Order, executions: Iterable[Execution]) -> int:
    """Record executions of an order's current attempt; returns how many were new."""
    return _insert(
        connection,
        executions,
        broker=order.broker,
        environment=order.environment,
        account=order.account,
        mode=order.execution_mode,
        order_id=order.order_id,
        attempt_id=order.attempt.attempt_id,
    )


def record_from_venue(
    connection: Connection,
    executions: Iterable[Execution],
    *,
    broker: BrokerName,
    environment: str,
    account: str,
) -> int:
    """Record executions as a venue lists them, matched to attempts by our id; returns the new."""
    mode = ExecutionMode.PAPER if broker is BrokerName.PAPER else ExecutionMode.LIVE
    return _insert(
        connection,
        executions,
        broker=broker,
        environment=environment,
        account=account,
        mode=mode,
        order_id=None,
        attempt_id=None,
    )


def _insert(
    connection: Connection,
    executions: Iterable[Execution],
    *,
    broker: BrokerName,
    environment: str,
    account: str,
    mode: ExecutionMode,
    order_id: UUID | None,
    attempt_id: UUID | None,
) -> int:
    rows = [
        {name: to_json(getattr(execution, name)) for name in Execution.__slots__}
        for execution in executions
    ]
    if not rows:
        return 0
    result = connection.execute(
        text(
            """
            INSERT INTO execution_reports (broker, environment, account, symbol, side,
                execution_id, kind, execution_mode, quantity, price, commission,
                commission_currency, corrects, executed_at, venue_order_id, broker_order_id,
                order_id, attempt_id)
            SELECT DISTINCT ON (r.symbol, r.side, r.execution_id, r.kind)
                :broker, :environment, coalesce(a.account, :account), r.symbol, r.side,
                r.execution_id, r.kind, :mode, r.quantity, r.price, r.commission,
                r.commission_currency, r.corrects, r.executed_at, r.venue_order_id,
                r.broker_order_id, coalesce(CAST(:order_id AS uuid), a.order_id),
                coalesce(CAST(:attempt_id AS uuid), a.attempt_id)
            FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(execution_id text, symbol text,
                side text, quantity numeric, price numeric, executed_at timestamptz, kind text,
                venue_order_id text, broker_order_id text, commission numeric,
                commission_currency text, corrects text)
            LEFT JOIN LATERAL (
                SELECT account, order_id, attempt_id FROM order_attempts
                WHERE broker = :broker AND venue_order_id = r.venue_order_id
            ) a ON true
            ORDER BY r.symbol, r.side, r.execution_id, r.kind
            -- One that came without our id before is told apart by it now.
            ON CONFLICT ON CONSTRAINT execution_reports_identity_key DO UPDATE
                SET order_id = excluded.order_id, attempt_id = excluded.attempt_id,
                    venue_order_id = excluded.venue_order_id, applied_at = NULL
                WHERE execution_reports.order_id IS NULL AND excluded.order_id IS NOT NULL
            RETURNING report_id
            """
        ),
        {
            "broker": broker,
            "environment": environment,
            "account": account,
            "mode": mode,
            "order_id": order_id,
            "attempt_id": attempt_id,
            "rows": json.dumps(rows),
        },
    )
    return len(result.all())
