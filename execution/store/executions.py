"""Step 6: execution reports become fills, and fills an order's quantity, price and state."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from execution.domain.instruments import Instrument
from execution.domain.lifecycle import Step
from execution.domain.order_changes import Change
from execution.domain.orders import Order
from execution.domain.reports import Execution, ReportKind
from execution.domain.vocabulary import AssetClass
from execution.store import (
    alerts,
    brackets,
    loading,
    positions,
    progress,
    venue_contracts,
    work,
)
from execution.store.reports import RESET_MARK, began_anew, reported
from execution.store.schema.executions import IDENTITY

_UNAPPLIED = """
    SELECT * FROM execution_reports WHERE applied_at IS NULL AND {which}
    ORDER BY kind <> 'TRADE', executed_at, report_id FOR UPDATE
"""


def apply_to_order(connection: Connection, order_id: UUID, due: timedelta) -> Order | None:
    """Step 6: apply every report of an order that is not applied yet.

    Returns the order as it is then; None, and nothing done, when it is not this step's turn. The
    order's row is locked, so two workers cannot both add the same execution up.
    """
    brackets.lock_family(connection, order_id)
    order = loading.load(connection, order_id, lock=True)
    if order is None or not _in_turn(order):
        return None
    reports = connection.execute(
        text(_UNAPPLIED.format(which="order_id = :order_id")), {"order_id": order_id}
    ).all()
    for report in reports:
        _apply(connection, report, order.instrument)
    if reports:
        progress.advance(connection, order, reports, due)
        order = loading.load(connection, order_id)
    if order is not None and order.step == Step.AWAIT_FILL:
        # Nothing of the current attempt: step 5 is over all the same.
        applied = Change(
            order.state, Step.PERSIST_FILL, completes=True, due=due, reason=order.reason
        )
        return work.apply(connection, order, applied)
    return order


def _in_turn(order: Order) -> bool:
    """Whether step 5 came before, or is not to come: the order is not known to be at its venue."""
    return order.step == Step.AWAIT_FILL or order.step < Step.SUBMIT_ORDER


def apply_orphan(
    connection: Connection, report_id: int, map_symbol: Callable[[str], Instrument | None]
) -> bool:
    """Apply a report of an order nobody here knows. False when it was applied before.

    It really happened, so it becomes a fill and moves the position; somebody must look at it.
    False, too, for what revises a fill of ours without our id: that is left for its order.
    """
    which = text(_UNAPPLIED.format(which="report_id = :report_id AND order_id IS NULL"))
    owner = _owner(connection, report_id)
    if owner is not None:
        loading.lock_order(connection, owner.order_id)  # before its reports, as everybody does
    report = connection.execute(which, {"report_id": report_id}).one_or_none()
    if report is None:
        return False
    if owner is not None:
        connection.execute(_ADOPT, {"report_id": report_id, **owner._asdict()})
        reported(connection, [owner.order_id], timedelta(0))
        return False
    listed = venue_contracts.instrument(connection, report.broker, report.symbol)
    _apply(connection, report, listed or map_symbol(report.symbol))
    alerts.alert(
        connection,
        alerts.UNKNOWN_ORDER,
        # What becomes of an execution later is the same matter.
        alerts.stranger(
            report.broker,
            report.account,
            report.instrument_key,
            report.corrects or report.execution_id,
        ),
        f"{report.broker} reports {report.side} {report.quantity} {report.symbol} at "
        f"{report.price} for an order that is not ours (execution {report.execution_id})",
        broker=report.broker,
    )
    return True


def apply_booked(
    connection: Connection, broker: str, execution: Execution, instrument: Instrument | None
) -> int:
    """Apply what was booked by hand, or its reversal; returns the report's id.

    It is of no order, and no alert: somebody has just said so.
    """
    report = connection.execute(
        text(
            """
            SELECT * FROM execution_reports WHERE broker = :broker AND account = :account
                AND execution_id = :execution_id AND applied_at IS NULL
            """
        ),
        {
            "broker": broker,
            "account": execution.account,
            "execution_id": execution.execution_id,
        },
    ).one()
    _apply(connection, report, instrument)
    return int(report.report_id)


def _apply(connection: Connection, report: Row[Any], instrument: Instrument | None) -> None:
    if report.unread_time is not None:
        _alert_of_time(connection, report)
    if report.kind == ReportKind.TRADE and began_anew(report.execution_id):
        _alert_of_reset(connection, report)
    if report.kind in {ReportKind.TRADE, ReportKind.BOOKING}:
        _insert_fill(connection, report, instrument)
        _catch_up(connection, report)
    else:
        _revise(connection, report)
    connection.execute(
        text("UPDATE execution_reports SET applied_at = clock_timestamp() WHERE report_id = :id"),
        {"id": report.report_id},
    )


def _alert_of_reset(connection: Connection, report: Row[Any]) -> None:
    """One alert for each time that a venue's ids began anew."""
    venue_id, _, times = report.execution_id.rpartition(RESET_MARK)
    alerts.alert(
        connection,
        alerts.VENUE_RESET,
        f"{report.broker}:{report.account}:{times}",
        f"{report.broker} reports execution {venue_id} of {report.symbol}, which was another one "
        f"before: its ids have begun anew (Binance's test network is reset about once a month). "
        f"It is booked as {report.execution_id}; what was held and what worked there before the "
        "reset is gone",
        broker=report.broker,
    )


def _alert_of_time(connection: Connection, report: Row[Any]) -> None:
    """One alert for each order: what its venue writes of the time is the same each time."""
    alerts.alert(
        connection,
        alerts.EXECUTION_TIME_UNKNOWN,
        f"{report.broker}:{report.order_id or report.execution_id}",
        f"{report.broker} gives the time of execution {report.execution_id} ({report.side} "
        f"{report.quantity} {report.symbol}) as {report.unread_time!r}, which cannot be read: it "
        f"is booked with the time of its receipt, {report.executed_at:%Y-%m-%d %H:%M:%S} UTC",
        order_id=report.order_id,
        broker=report.broker,
    )


def _owner(connection: Connection, report_id: int) -> Row[Any] | None:
    """The order and attempt whose fill a report of no order revises; None for all else."""
    report = connection.execute(
        text("SELECT * FROM execution_reports WHERE report_id = :report_id"),
        {"report_id": report_id},
    ).one_or_none()
    if report is None or report.kind == ReportKind.TRADE:
        return None
    where = _place(report, report.corrects or report.execution_id)
    return connection.execute(_OWNER, where).one_or_none()


def _insert_fill(connection: Connection, report: Row[Any], instrument: Instrument | None) -> None:
    """Make a report a fill, or let a fill of no order be its order's, whatever it was taken for."""
    elsewhere = connection.execute(
        text(
            f"""
            WITH before AS (
                SELECT r.symbol FROM fills r WHERE {_SAME} AND r.execution_id = :execution_id
            )
            INSERT INTO fills (report_id, order_id, attempt_id, broker, environment, account,
                instrument_key, symbol, side, execution_id, quantity, price, commission,
                commission_currency, currency, base_asset, multiplier, execution_mode, executed_at,
                status)
            SELECT report_id, order_id, attempt_id, broker, environment, account, instrument_key,
                symbol, side, execution_id, quantity, price, commission, commission_currency,
                :currency, :base_asset, :multiplier, execution_mode, executed_at,
                CASE kind WHEN 'BOOKING' THEN 'BOOKED' ELSE 'GOOD' END
            FROM execution_reports WHERE report_id = :report_id
            ON CONFLICT ON CONSTRAINT fills_identity_key DO UPDATE
                SET order_id = excluded.order_id, attempt_id = excluded.attempt_id,
                    symbol = excluded.symbol, currency = excluded.currency,
                    base_asset = excluded.base_asset, multiplier = excluded.multiplier,
                    positioned_at = CASE WHEN fills.symbol = excluded.symbol
                        THEN fills.positioned_at END,
                    revised = CASE WHEN fills.symbol = excluded.symbol
                        THEN fills.revised ELSE 'CORRECTION' END,
                    revisions = fills.revisions + (fills.symbol <> excluded.symbol)::integer
                WHERE fills.order_id IS NULL
            RETURNING (SELECT b.symbol FROM before b WHERE b.symbol <> fills.symbol)
            """
        ),
        _place(report, report.execution_id)
        | {
            "report_id": report.report_id,
            "currency": instrument.currency if instrument else None,
            "base_asset": _base_asset(instrument),
            "multiplier": instrument.multiplier if instrument else Decimal(1),
        },
    ).scalar_one_or_none()
    if elsewhere is not None:
        positions.refold(connection, report.broker, report.account, elsewhere)


def _catch_up(connection: Connection, trade: Row[Any]) -> None:
    """Apply what was heard of a fill before the fill itself was."""
    earlier = connection.execute(
        text(
            f"""
            SELECT * FROM execution_reports r WHERE {_SAME} AND kind <> 'TRADE'
              AND applied_at IS NOT NULL
              AND (execution_id = :execution_id OR corrects = :execution_id)
            ORDER BY report_id
            """
        ),
        _place(trade, trade.execution_id),
    ).all()
    for report in earlier:
        _revise(connection, report)


def _revise(connection: Connection, report: Row[Any]) -> None:
    match ReportKind(report.kind):
        case ReportKind.COMMISSION:
            values = {
                "commission": report.commission,
                "commission_currency": report.commission_currency,
                "kind": report.kind,
            }
            connection.execute(_COMMISSION, _place(report, report.execution_id) | values)
        case ReportKind.CORRECTION | ReportKind.BUST:
            _correct(connection, _place(report, report.corrects or report.execution_id))
        case ReportKind.TRADE | ReportKind.BOOKING:
            """A trade is no revision."""


def _correct(connection: Connection, where: dict[str, Any]) -> None:
    """Let a fill be what the last correction or bust of it says, in whatever order they came."""
    revisions = connection.execute(_REVISIONS, where).all()
    if not revisions:
        return
    last, busted = revisions[-1], revisions[-1].kind == ReportKind.BUST
    corrections = [row for row in revisions if row.kind == ReportKind.CORRECTION]
    values = {
        "quantity": Decimal(0) if busted else last.quantity,
        "price": corrections[-1].price if corrections else None,
        "status": "BUSTED" if busted else "CORRECTED",
        "kind": last.kind,
    }
    connection.execute(_CORRECTION, where | values)


def _base_asset(instrument: Instrument | None) -> str | None:
    """What a crypto pair's commission may be taken from; currencies are not held as positions."""
    crypto = instrument is not None and instrument.asset_class is AssetClass.CRYPTO
    return instrument.base_currency if instrument is not None and crypto else None


_SAME = """(r.broker, r.environment, r.account, r.instrument_key, r.side)
    = (:broker, :environment, :account, :instrument_key, :side)"""
"""Whatever belongs to one execution has these in common."""


def _place(report: Row[Any], execution_id: str | None) -> dict[str, Any]:
    values = {name: getattr(report, name) for name in IDENTITY}
    return values | {"execution_id": execution_id}


# A correction may correct a correction, down to the trade. One that bears the id of what it
# corrects ends the way.
_BELOW = f"""below AS (
        SELECT CAST(:execution_id AS text) AS execution_id
        UNION
        SELECT r.corrects FROM execution_reports r JOIN below b USING (execution_id)
        WHERE {_SAME} AND r.kind = 'CORRECTION' AND r.corrects <> r.execution_id
    )"""
# Down to the trade, and up again to all that revises it; the last of them counts.
_REVISIONS = text(
    f"""
    WITH RECURSIVE {_BELOW}, revisions AS (
        SELECT b.execution_id AS root, 1 AS depth, r.report_id, r.execution_id, r.kind, r.quantity,
            r.price, r.executed_at
        FROM below b JOIN execution_reports r
            ON r.corrects = b.execution_id
            OR (r.corrects IS NULL AND r.execution_id = b.execution_id)
        WHERE {_SAME} AND r.kind IN ('CORRECTION', 'BUST') AND NOT EXISTS (
            SELECT FROM execution_reports r WHERE {_SAME} AND r.execution_id = b.execution_id
                AND r.kind = 'CORRECTION' AND r.corrects <> r.execution_id)
        UNION
        SELECT v.root, v.depth + 1, r.report_id, r.execution_id, r.kind, r.quantity, r.price,
            r.executed_at
        FROM revisions v JOIN execution_reports r
            ON r.corrects = v.execution_id
            OR (r.corrects IS NULL AND r.execution_id = v.execution_id)
        WHERE {_SAME} AND v.kind = 'CORRECTION' AND v.execution_id <> v.root
            AND r.kind IN ('CORRECTION', 'BUST') AND r.report_id <> v.report_id
    )
    SELECT * FROM revisions ORDER BY executed_at, depth, report_id
    """
)

# The position is folded anew (positioned_at), because the fill may lie anywhere in its history.
_REVISED = f"""positioned_at = NULL, revised = :kind, revisions = revisions + 1
    WHERE {_SAME} AND execution_id IN (WITH RECURSIVE {_BELOW} SELECT execution_id FROM below)"""
# What changes nothing, since it was known or a later one was heard first, is not told.
_COMMISSION = text(
    f"""
    UPDATE fills r SET commission = :commission, commission_currency = :commission_currency,
        {_REVISED}
        AND (commission, commission_currency) IS DISTINCT FROM
            (CAST(:commission AS numeric), CAST(:commission_currency AS text))
    """
)
_CORRECTION = text(
    f"""
    UPDATE fills r SET quantity = :quantity, price = coalesce(CAST(:price AS numeric), price),
        status = :status, {_REVISED}
        AND (quantity, price, status)
            IS DISTINCT FROM (:quantity, coalesce(CAST(:price AS numeric), price), :status)
    """
)
_OWNER = text(
    f"""
    SELECT r.order_id, r.attempt_id FROM fills r WHERE r.order_id IS NOT NULL AND {_SAME}
        AND r.execution_id IN (WITH RECURSIVE {_BELOW} SELECT execution_id FROM below)
    LIMIT 1
    """
)
_ADOPT = text(
    """
    UPDATE execution_reports SET order_id = :order_id, attempt_id = :attempt_id
    WHERE report_id = :report_id
    """
)
