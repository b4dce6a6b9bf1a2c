"""Step 6 in one statement, for what nearly always happens: first executions, nothing odd.

Everything else (brackets, late, corrected, busted, beyond the quantity) is `executions`' business,
which takes the order's lock and looks at everything; both write the same rows.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from execution.domain.orders import Order
from execution.domain.reports import Execution, ReportKind
from execution.domain.settlement import progress
from execution.domain.vocabulary import OrderState, Side
from execution.store import transitions
from execution.store.executions import base_asset
from execution.store.progress import own_progress, told_of_fill
from execution.store.rows import to_json
from execution.store.statements import Link, Prepared

_UNAPPLIED = Prepared(
    """
    SELECT execution_id, symbol, side, quantity, price, executed_at, kind FROM execution_reports
    WHERE order_id = CAST(:order_id AS uuid) AND applied_at IS NULL
        AND attempt_id = CAST(:attempt_id AS uuid)
    ORDER BY executed_at, report_id
    """
)


@dataclass(frozen=True, slots=True)
class Heard:
    """An order with all that its venue tells of it.

    When `order.unapplied` is as many as `executions`, these are what is recorded and not applied.
    """

    order: Order
    executions: tuple[Execution, ...]


def insert_sql(source: str, columns: str = "", values: str = "") -> str:
    """SQL that makes fills of the reports in `source`, with what each tells of the order.

    `columns` are more of them, with their `values` from reports `r` and running totals `t`.
    """
    return f"""
        INSERT INTO fills (report_id, order_id, attempt_id, broker, environment, account,
            symbol, side, execution_id, quantity, price, commission, commission_currency,
            execution_mode, executed_at, currency, base_asset, multiplier,
            cumulative_quantity, leaves_quantity, average_price, order_state,
            instrument_key {columns})
        SELECT r.report_id, r.order_id, r.attempt_id, r.broker, r.environment, r.account,
            r.symbol, r.side, r.execution_id, r.quantity, r.price, r.commission,
            r.commission_currency, r.execution_mode, r.executed_at, CAST(:currency AS text),
            CAST(:base_asset AS text), CAST(:multiplier AS numeric), t.cumulative_quantity,
            t.leaves_quantity, t.average_price, t.order_state, r.instrument_key {values}
        FROM {source} r JOIN jsonb_to_recordset(CAST(:running AS jsonb)) AS t(execution_id text,
            position integer, cumulative_quantity numeric, leaves_quantity numeric,
            average_price numeric, order_state text, position_quantity numeric,
            position_average_price numeric, position_realised_pnl numeric,
            position_commission numeric) USING (execution_id)
        ORDER BY t.position
    """


# What was read must still be all there is: as many reports, no fill, nothing that revises one.
NOTHING_ELSE_HEARD = """
        AND (SELECT count(*) FROM execution_reports r
            WHERE r.order_id = o.order_id AND r.applied_at IS NULL) = :heard
        AND NOT EXISTS (SELECT FROM fills f WHERE f.order_id = o.order_id)
        AND NOT EXISTS (SELECT FROM execution_reports r
            WHERE (r.broker, r.environment, r.account, r.side)
                = (o.broker, o.environment, o.account, o.side)
            AND r.execution_id = ANY(CAST(:ids AS text[])) AND r.kind <> 'TRADE')
        AND NOT EXISTS (SELECT FROM execution_reports r
            WHERE r.corrects = ANY(CAST(:ids AS text[])) AND r.broker = o.broker)
"""
APPLIED = """
        applied AS (
            UPDATE execution_reports r SET applied_at = changed.updated_at
            FROM changed WHERE r.order_id = changed.order_id AND r.applied_at IS NULL
            RETURNING r.report_id, r.order_id, r.attempt_id, r.broker, r.environment, r.account,
                r.symbol, r.side, r.execution_id, r.quantity, r.price, r.commission,
                r.commission_currency, r.execution_mode, r.executed_at, r.applied_at,
                r.instrument_key
        )
"""
PLAIN = transitions.Also(
    guard=NOTHING_ELSE_HEARD,
    parts=f"""
        {APPLIED}, unfinished AS (
            {insert_sql("applied")}
            ON CONFLICT ON CONSTRAINT fills_identity_key DO UPDATE
                SET order_id = excluded.order_id, attempt_id = excluded.attempt_id,
                    cumulative_quantity = excluded.cumulative_quantity,
                    leaves_quantity = excluded.leaves_quantity,
                    average_price = excluded.average_price, order_state = excluded.order_state
                WHERE fills.order_id IS NULL
            RETURNING fill_id
        )
    """,
)


def unapplied(link: Link, order: Order) -> list[Execution]:
    """What was heard of the current attempt and is not applied, in the order it counts."""
    rows = _UNAPPLIED.run(
        link, {"order_id": order.order_id, "attempt_id": order.attempt.attempt_id}
    )
    return [
        Execution(
            execution_id=row.execution_id,
            symbol=row.symbol,
            side=Side(row.side),
            quantity=row.quantity,
            price=row.price,
            executed_at=row.executed_at,
            kind=ReportKind(row.kind),
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class Told:
    """What `insert_sql` takes (`rows` are its `running`), and what each fill tells of its order."""

    parameters: dict[str, Any]
    running: list[dict[str, Any]]
    rows: list[dict[str, Any]]


def are_plain(order: Order, heard: Sequence[Execution]) -> bool:
    """Whether an order without fills and all that was heard of it are of the plain kind."""
    return (
        not order.filled_quantity
        and not order.unfinished
        and order.parent_order_id is None
        and order.take_profit_price is None
        and order.stop_loss_price is None
        and len(heard) > 0
        and all(execution.kind is ReportKind.TRADE for execution in heard)
        and all(execution.symbol == order.symbol for execution in heard)
        and len({execution.execution_id for execution in heard}) == len(heard)
        and sum(execution.quantity for execution in heard) <= order.quantity
    )


def plan(
    order: Order, in_order: Sequence[Execution], due: timedelta
) -> tuple[transitions.Change, Told]:
    """What plain executions, oldest first, make of a submitted order, and what is told of each."""
    so_far = list(progress((execution.quantity, execution.price) for execution in in_order))
    change = own_progress(order, so_far[-1], so_far[-1], due)
    ids = [execution.execution_id for execution in in_order]
    change = replace(
        change,
        attempt={**change.attempt, "filled_quantity": so_far[-1].filled_quantity},
        detail={"executions": ids, **change.detail},
    )
    running = [told_of_fill(order, at, change.state) for at in so_far]
    rows = [
        {"execution_id": name, "position": position} | to_json(told)
        for position, (name, told) in enumerate(zip(ids, running, strict=True))
    ]
    parameters = {
        "heard": len(ids),
        "ids": ids,
        "currency": order.instrument.currency,
        "base_asset": base_asset(order.instrument),
        "multiplier": order.instrument.multiplier,
        "running": json.dumps(rows),
    }
    return change, Told(parameters, running, rows)


def apply_plain(
    link: Link, order: Order, heard: Sequence[Execution], due: timedelta
) -> Order | None:
    """Make all that was heard of an order its fills; None, and nothing done, unless it is plain."""
    if order.state is not OrderState.SUBMITTED or order.unapplied != len(heard):
        return None
    if not are_plain(order, heard):
        return None
    in_order = sorted(heard, key=lambda execution: execution.executed_at)
    change, told = plan(order, in_order, due)
    now = transitions.apply(link, order, change, PLAIN, told.parameters)
    return None if now is None else replace(now, unapplied=0)
