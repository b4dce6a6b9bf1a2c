"""`execution_reports`: every execution anybody heard of, once, exactly as the venue told it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from execution.domain.orders import Order
from execution.domain.reports import Execution
from execution.domain.vocabulary import BrokerName, ExecutionMode
from execution.store.rows import to_json
from execution.store.statements import Link, Prepared


def record(link: Link, order: Order, executions: Iterable[Execution]) -> int:
    """Record executions of an order's current attempt; returns how many were new."""
    return _insert(link, executions, **_about(order))


def record_from_venue(
    link: Link,
    executions: Iterable[Execution],
    *,
    broker: BrokerName,
    environment: str,
    account: str,
) -> int:
    """Record executions as a venue lists them, matched to attempts by our id; returns the new."""
    mode = ExecutionMode.PAPER if broker is BrokerName.PAPER else ExecutionMode.LIVE
    return _insert(
        link,
        executions,
        broker=broker,
        environment=environment,
        account=account,
        mode=mode,
        order_id=None,
        attempt_id=None,
    )


def insert_sql(*, source: str = "", column: str = "", value: str = "") -> str:
    """SQL that inserts reports as `parameters` gives them, as a part of any statement.

    `column` is one more, with its `value` from `source`, another part of that statement.
    """
    more, read, joined = (f", {column}", f", {value}", f"{source}, ") if column else ("", "", "")
    return f"""
        INSERT INTO execution_reports (broker, environment, account, symbol, side,
            execution_id, kind, execution_mode, quantity, price, commission,
            commission_currency, corrects, executed_at, venue_order_id, broker_order_id,
            order_id, attempt_id{more})
        SELECT heard.*{read} FROM {joined}(
            SELECT DISTINCT ON (r.symbol, r.side, r.execution_id, r.kind)
                CAST(:report_broker AS text), CAST(:report_environment AS text),
                coalesce(a.account, CAST(:report_account AS text)), r.symbol, r.side,
                r.execution_id, r.kind, CAST(:report_mode AS text), r.quantity, r.price,
                r.commission, r.commission_currency, r.corrects, r.executed_at, r.venue_order_id,
                r.broker_order_id, coalesce(CAST(:report_order_id AS uuid), a.order_id),
                coalesce(CAST(:report_attempt_id AS uuid), a.attempt_id)
            FROM jsonb_to_recordset(CAST(:reports AS jsonb)) AS r(execution_id text, symbol text,
                side text, quantity numeric, price numeric, executed_at timestamptz, kind text,
                venue_order_id text, broker_order_id text, commission numeric,
                commission_currency text, corrects text)
            LEFT JOIN LATERAL (
                SELECT account, order_id, attempt_id FROM order_attempts
                WHERE broker = :report_broker AND venue_order_id = r.venue_order_id
                LIMIT 1  -- it is unique: this keeps a plan for few rows from reading them all
            ) a ON true
            ORDER BY r.symbol, r.side, r.execution_id, r.kind
        ) AS heard
    """


# One that came without our id before is told apart by it now.
ON_CONFLICT = """
    ON CONFLICT ON CONSTRAINT execution_reports_identity_key DO UPDATE
        SET order_id = excluded.order_id, attempt_id = excluded.attempt_id,
            venue_order_id = excluded.venue_order_id, applied_at = NULL
        WHERE execution_reports.order_id IS NULL AND excluded.order_id IS NOT NULL
"""
_INSERT = Prepared(f"{insert_sql()} {ON_CONFLICT} RETURNING report_id")


def parameters(
    executions: Iterable[Execution],
    *,
    broker: BrokerName,
    environment: str,
    account: str,
    mode: ExecutionMode,
    order_id: UUID | None,
    attempt_id: UUID | None,
) -> dict[str, Any]:
    """What `insert_sql` takes."""
    rows = [
        {name: to_json(getattr(execution, name)) for name in Execution.__slots__}
        for execution in executions
    ]
    return {
        "report_broker": broker,
        "report_environment": environment,
        "report_account": account,
        "report_mode": mode,
        "report_order_id": order_id,
        "report_attempt_id": attempt_id,
        "reports": json.dumps(rows),
    }


def parameters_of(order: Order, executions: Iterable[Execution]) -> dict[str, Any]:
    """`parameters` for executions of an order's current attempt."""
    return parameters(executions, **_about(order))


def _about(order: Order) -> dict[str, Any]:
    return {
        "broker": order.broker,
        "environment": order.environment,
        "account": order.account,
        "mode": order.execution_mode,
        "order_id": order.order_id,
        "attempt_id": order.attempt.attempt_id,
    }


def _insert(link: Link, executions: Iterable[Execution], **about: Any) -> int:
    heard = tuple(executions)
    return len(_INSERT.run(link, parameters(heard, **about))) if heard else 0
