"""Step 6: execution reports become fills, and fills an order's quantity, price and state."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from execution.domain.instruments import Instrument
from execution.domain.orders import Order
from execution.domain.reports import ReportKind
from execution.domain.vocabulary import AssetClass
from execution.store import alerts, brackets, progress, transitions

_UNAPPLIED = """
    SELECT * FROM execution_reports WHERE applied_at IS NULL AND {which}
    ORDER BY kind <> 'TRADE', executed_at, report_id FOR UPDATE
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
        progress.advance(connection, order, reports, due)
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
    if report.kind == ReportKind.TRADE:
        _insert_fill(connection, report, instrument)
        _catch_up(connection, report)
    else:
        _revise(connection, report)
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
            ON CONFLICT ON CONSTRAINT fills_identity_key DO UPDATE
                SET order_id = excluded.order_id, attempt_id = excluded.attempt_id
                WHERE fills.order_id IS NULL
            """
        ),
        {
            "report_id": report.report_id,
            "currency": instrument.currency if instrument else None,
            "base_asset": base_asset(instrument),
            "multiplier": instrument.multiplier if instrument else Decimal(1),
        },
    )


def _catch_up(connection: Connection, trade: Row[Any]) -> None:
    """Apply what was heard of a fill before the fill itself was."""
    earlier = connection.execute(
        text(
            """
            SELECT * FROM execution_reports
            WHERE (broker, environment, account, symbol, side)
                = (:broker, :environment, :account, :symbol, :side)
              AND kind <> 'TRADE' AND applied_at IS NOT NULL
              AND (execution_id = :execution_id OR corrects = :execution_id)
            ORDER BY report_id
            """
        ),
        {
            name: getattr(trade, name)
            for name in ("broker", "environment", "account", "symbol", "side", "execution_id")
        },
    ).all()
    for report in earlier:
        _revise(connection, report)


def _revise(connection: Connection, report: Row[Any]) -> None:
    match ReportKind(report.kind):
        case ReportKind.COMMISSION:
            _change_fill(connection, report, report.execution_id, _COMMISSION)
        case ReportKind.CORRECTION:
            _change_fill(connection, report, report.corrects, _CORRECTION)
        case ReportKind.BUST:
            _change_fill(connection, report, report.corrects or report.execution_id, _BUST)
        case ReportKind.TRADE:
            """A trade is no revision."""


def base_asset(instrument: Instrument | None) -> str | None:
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
