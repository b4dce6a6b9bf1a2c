"""Step 6: execution reports become fills, and fills an order's quantity, price and state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from execution.domain.decimals import exact
from execution.domain.events import OrderEventType
from execution.domain.instruments import Instrument
from execution.domain.lifecycle import Step
from execution.domain.orders import Order
from execution.domain.reports import ReportKind
from execution.domain.settlement import Progress, progress, state_after, total
from execution.domain.vocabulary import AssetClass, OrderState
from execution.store import alerts, brackets, transitions

_UNAPPLIED = """
    SELECT * FROM execution_reports WHERE applied_at IS NULL AND {which}
    ORDER BY executed_at, report_id FOR UPDATE
"""


def apply_to_order(connection: Connection, order_id: UUID, due: timedelta) -> Order | None:
    """Apply every report of an order that waits; None when there is no such order.

    The order's row is locked, so two workers cannot both add the same execution up.
    """
    brackets.lock_family(connection, order_id)
    order = transitions.load(connection, order_id, lock=True)
    if order is None:
        return None
    reports = connection.execute(
        text(_UNAPPLIED.format(which="order_id = :order_id")), {"order_id": order_id}
    ).all()
    for report in reports:
        _apply(connection, report, order.instrument)
    if reports:
        _advance(connection, order, reports, due)
    return order


def apply_orphan(
    connection: Connection, report_id: int, map_symbol: Callable[[str], Instrument | None]
) -> bool:
    """Apply a report of an order nobody here knows. False when it was applied before.

    It really happened, so it becomes a fill and moves the position; somebody must look at it.
    """
    report = connection.execute(
        text(_UNAPPLIED.format(which="report_id = :report_id AND order_id IS NULL")),
        {"report_id": report_id},
    ).one_or_none()
    if report is None:
        return False
    _apply(connection, report, map_symbol(report.symbol))
    alerts.alert(
        connection,
        alerts.UNKNOWN_ORDER,
        f"{report.broker}:{report.account}:{report.symbol}:{report.execution_id}",
        f"{report.broker} reports {report.side} {report.quantity} {report.symbol} at "
        f"{report.price} for an order that is not ours (execution {report.execution_id})",
        broker=report.broker,
    )
    return True


def _apply(connection: Connection, report: Row[Any], instrument: Instrument | None) -> None:
    match ReportKind(report.kind):
        case ReportKind.TRADE:
            _insert_fill(connection, report, instrument)
        case ReportKind.COMMISSION:
            _change_fill(connection, report, report.execution_id, _COMMISSION)
        case ReportKind.CORRECTION:
            _change_fill(connection, report, report.corrects, _CORRECTION)
        case ReportKind.BUST:
            _change_fill(connection, report, report.corrects or report.execution_id, _BUST)
    connection.execute(
        text("UPDATE execution_reports SET applied_at = clock_timestamp() WHERE report_id = :id"),
        {"id": report.report_id},
    )


def _insert_fill(connection: Connection, report: Row[Any], instrument: Instrument | None) -> None:
    connection.execute(
        text(
            """
            INSERT INTO fills (report_id, order_id, attempt_id, broker, environment, account,
                symbol, side, execution_id, quantity, price, commission, commission_currency,
                currency, base_asset, multiplier, execution_mode, executed_at)
            SELECT report_id, order_id, attempt_id, broker, environment, account, symbol, side,
                execution_id, quantity, price, commission, commission_currency, :currency,
                :base_asset, :multiplier, execution_mode, executed_at
            FROM execution_reports WHERE report_id = :report_id
            ON CONFLICT DO NOTHING
            """
        ),
        {
            "report_id": report.report_id,
            "currency": instrument.currency if instrument else None,
            "base_asset": _base_asset(instrument),
            "multiplier": instrument.multiplier if instrument else Decimal(1),
        },
    )


def _base_asset(instrument: Instrument | None) -> str | None:
    """What a crypto pair's commission may be taken from; currencies are not held as positions."""
    crypto = instrument is not None and instrument.asset_class is AssetClass.CRYPTO
    return instrument.base_currency if instrument is not None and crypto else None


# What a later report changes of a fill. The position is folded anew (positioned_at), because the
# fill may lie anywhere in its history.
_COMMISSION = "commission = :commission, commission_currency = :commission_currency"
_CORRECTION = "quantity = :quantity, price = :price, status = 'CORRECTED'"
_BUST = "quantity = 0, status = 'BUSTED'"


def _change_fill(
    connection: Connection, report: Row[Any], execution_id: str | None, changes: str
) -> None:
    connection.execute(
        text(
            f"""
            UPDATE fills SET {changes}, positioned_at = NULL, revised = :kind,
                revisions = revisions + 1
            WHERE broker = :broker AND environment = :environment AND account = :account
              AND symbol = :symbol AND side = :side AND execution_id IN (
                -- A correction may correct a correction: follow them down to the trade.
                WITH RECURSIVE chain AS (
                    SELECT CAST(:execution_id AS text) AS execution_id
                    UNION
                    SELECT r.corrects FROM execution_reports r
                    JOIN chain c ON c.execution_id = r.execution_id
                    WHERE r.broker = :broker AND r.environment = :environment
                      AND r.account = :account AND r.symbol = :symbol AND r.side = :side
                      AND r.kind = 'CORRECTION' AND r.corrects IS NOT NULL
                ) SELECT execution_id FROM chain)
            """
        ),
        {
            "broker": report.broker,
            "environment": report.environment,
            "account": report.account,
            "symbol": report.symbol,
            "side": report.side,
            "execution_id": execution_id,
            "quantity": report.quantity,
            "price": report.price,
            "commission": report.commission,
            "commission_currency": report.commission_currency,
            "kind": report.kind,
        },
    )


def _advance(
    connection: Connection, order: Order, reports: Sequence[Row[Any]], due: timedelta
) -> None:
    rows = connection.execute(
        text(
            """
            SELECT fill_id, quantity, price, attempt_id, cumulative_quantity FROM fills
            WHERE order_id = :order_id ORDER BY executed_at, fill_id
            """
        ),
        {"order_id": order.order_id},
    ).all()
    steps = list(progress((row.quantity, row.price) for row in rows))
    filled = total((row.quantity, row.price) for row in rows)
    of_attempt = total(
        (row.quantity, row.price) for row in rows if row.attempt_id == order.attempt.attempt_id
    )
    state = state_after(
        order.state,
        order.quantity,
        filled.filled_quantity,
        order.attempt.reported_state,
        order.attempt.reported_quantity,
    )
    attempt_state = order.attempt.state
    if not order.state.is_final:
        # A late fill of an earlier attempt may fill the order; this attempt is what it was.
        own = state is not OrderState.FILLED or of_attempt.filled_quantity > 0
        attempt_state = state if own else order.attempt.state
    change = transitions.Change(
        state,
        Step.PERSIST_FILL,
        completes=True,
        due=due,
        reason=order.attempt.reported_reason if state.is_final and not _full(state) else None,
        order={
            "filled_quantity": filled.filled_quantity,
            "average_price": filled.average_price,
        },
        attempt={"state": attempt_state, "filled_quantity": of_attempt.filled_quantity},
        detail={
            "executions": [row.execution_id for row in reports],
            "note": order.attempt.reported_reason,
        },
        events=_unexpected(connection, order, filled),
    )
    transitions.apply(connection, order, change)
    connection.execute(
        text(
            """
            UPDATE order_attempts a SET filled_quantity = f.filled, updated_at = clock_timestamp()
            FROM (SELECT attempt_id, sum(quantity) AS filled FROM fills
                WHERE order_id = :order_id GROUP BY attempt_id) f
            WHERE a.attempt_id = f.attempt_id AND a.filled_quantity <> f.filled
            """
        ),
        {"order_id": order.order_id},
    )
    brackets.follow(connection, order, filled.filled_quantity)
    for row, running in zip(rows, steps, strict=True):
        if row.cumulative_quantity is None:
            _stamp(connection, row.fill_id, order, running, state)


def _full(state: OrderState) -> bool:
    return state is OrderState.FILLED


@exact
def _stamp(
    connection: Connection, fill_id: int, order: Order, running: Progress, state: OrderState
) -> None:
    """What the fill's message will say of the order as of this fill."""
    last = running.filled_quantity >= order.quantity
    connection.execute(
        text(
            """
            UPDATE fills SET cumulative_quantity = :cumulative, leaves_quantity = :leaves,
                average_price = :average, order_state = :state WHERE fill_id = :fill_id
            """
        ),
        {
            "fill_id": fill_id,
            "cumulative": running.filled_quantity,
            "leaves": max(order.quantity - running.filled_quantity, Decimal(0)),
            "average": running.average_price,
            "state": OrderState.FILLED
            if last
            else (OrderState.PARTIALLY_FILLED if not state.is_final or _full(state) else state),
        },
    )


def _unexpected(connection: Connection, order: Order, filled: Progress) -> tuple[str, ...]:
    """Alert on what a venue should not have done; it counts all the same."""
    if filled.filled_quantity > order.quantity and order.filled_quantity <= order.quantity:
        alerts.alert(
            connection,
            alerts.OVERFILLED,
            order.order_id,
            f"order {order.client_order_id}: {filled.filled_quantity} filled of {order.quantity}",
            order_id=order.order_id,
            broker=order.broker,
        )
        return (OrderEventType.OVERFILLED,)
    if order.state.is_final and order.state is not OrderState.FILLED:
        alerts.alert(
            connection,
            alerts.LATE_FILL,
            order.order_id,
            f"order {order.client_order_id} was {order.state} when an execution came",
            order_id=order.order_id,
            broker=order.broker,
        )
    return ()
