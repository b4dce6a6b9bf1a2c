"""Step 7: fills move positions, once each, and their messages are written with it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from execution.domain.decimals import plain
from execution.domain.events import Event, FillFacts, fill_event
from execution.domain.lifecycle import Step
from execution.domain.order_changes import Change
from execution.domain.orders import Order
from execution.domain.positions import FillEntry, Position, fill_entry
from execution.domain.reports import ReportKind
from execution.domain.vocabulary import BrokerName, Side
from execution.store import alerts, loading, outbox, work
from execution.store.statements import Prepared

_FILL = "FILL"

_SELECT = """
    SELECT f.*, o.client_order_id, o.asset_class, o.requested_broker, o.strategy, o.reduce_only
    FROM fills f LEFT JOIN orders o ON o.order_id = f.order_id
"""


def apply_for_order(connection: Connection, order_id: UUID, due: timedelta) -> Order | None:
    """Bring every fill of an order that is in no position yet into its position.

    Returns the order as it is then; None when there is no such order.
    """
    order = loading.load(connection, order_id, lock=True)
    if order is None:
        return None
    count = _apply(connection, "f.order_id = :order_id", {"order_id": order_id})
    # A late fill of an earlier attempt moves the position, and not the current attempt's steps.
    next_in_turn = order.step == Step.PERSIST_FILL
    if not count and not next_in_turn:
        return order
    # Of one that is over, nothing is left to do after it.
    waits = None if order.state.is_final else order.remaining
    change = Change(
        order.state,
        Step.UPDATE_POSITIONS,
        completes=next_in_turn,
        due=due if next_in_turn else waits,
        reason=order.reason,
    )
    moved = work.apply(connection, order, change)
    return None if moved is None else replace(moved, unfinished=0)


_POSITION_COLUMNS = """position_quantity, position_average_price, position_realised_pnl,
    position_commission, position_costs"""
_AFTER = """jsonb_to_recordset(CAST(:after AS jsonb)) AS s(fill_id bigint,
    position_quantity numeric, position_average_price numeric, position_realised_pnl numeric,
    position_commission numeric, position_costs jsonb)"""
_SETTLE = f"""
    UPDATE fills f SET positioned_at = clock_timestamp(),
        announced_at = coalesce(f.announced_at, clock_timestamp()),
        ({_POSITION_COLUMNS}) = (s.position_quantity, s.position_average_price,
            s.position_realised_pnl, s.position_commission, s.position_costs)
    FROM {_AFTER}
"""


def _after(position: Position) -> dict[str, Any]:
    """A fill's columns for the position after it, as JSON."""
    columns = {
        "position_quantity": position.quantity,
        "position_average_price": position.average_price,
        "position_realised_pnl": position.realised_pnl,
        "position_commission": position.commission,
    }
    return {name: plain(value) for name, value in columns.items()} | {
        "position_costs": _spelled(position.costs)
    }


def _spelled(costs: Mapping[str, Decimal]) -> dict[str, str]:
    return {currency: plain(amount) for currency, amount in costs.items()}


def _read(costs: Mapping[str, str]) -> dict[str, Decimal]:
    return {currency: Decimal(amount) for currency, amount in costs.items()}


def _after_each(
    position: Position, fills: Iterable[Row[Any]], multiplier: Decimal
) -> tuple[Position, str]:
    """The position after fills in their order, and `:after` for all of them."""
    rows = []
    for fill in fills:
        if fill.quantity > 0:  # one that was busted is 0
            position = position.apply(_entry(fill), multiplier)
        rows.append({"fill_id": fill.fill_id, **_after(position)})
    return position, json.dumps(rows)


def apply_orphan(connection: Connection, report_id: int) -> int:
    """The same for the fill of an order nobody here knows."""
    return _apply(
        connection,
        """f.order_id IS NULL
            AND (f.broker, f.environment, f.account, f.instrument_key, f.side, f.execution_id) IN (
            SELECT broker, environment, account, instrument_key, side,
                coalesce(corrects, execution_id)
            FROM execution_reports WHERE report_id = :report_id)""",
        {"report_id": report_id},
    )


def _apply(connection: Connection, which: str, parameters: dict[str, Any]) -> int:
    fills = connection.execute(
        text(
            f"""
            {_SELECT} WHERE f.positioned_at IS NULL AND {which}
            ORDER BY f.broker, f.account, f.symbol, f.executed_at, f.fill_id FOR UPDATE OF f
            """
        ),
        parameters,
    ).all()
    keys = dict.fromkeys((fill.broker, fill.account, fill.symbol) for fill in fills)
    for key in keys:
        _move(connection, [f for f in fills if (f.broker, f.account, f.symbol) == key])
    if fills:
        outbox.add(connection, [_message(fill) for fill in fills])
    return len(fills)


def table_of(broker: str) -> str:
    """Paper and live never mix: each has its own table."""
    return "paper_positions" if broker == BrokerName.PAPER else "positions"


def _move(connection: Connection, fills: Sequence[Row[Any]]) -> None:
    """Apply fills of one account, broker and symbol, under the position's row lock."""
    first, last = fills[0], fills[-1]
    table = table_of(first.broker)
    key = {"account": first.account, "broker": first.broker, "symbol": first.symbol}
    connection.execute(
        text(
            f"""
            INSERT INTO {table} (account, broker, symbol, asset_class, multiplier, currency,
                quantity, average_price, realised_pnl, commission)
            VALUES (:account, :broker, :symbol, :asset_class, :multiplier, :currency, 0, 0, 0, 0)
            ON CONFLICT DO NOTHING
            """
        ),
        key
        | {
            "asset_class": first.asset_class,
            "multiplier": first.multiplier,
            "currency": first.currency,
        },
    )
    row = lock(connection, key)
    if row is None:
        raise LookupError(f"no position of {key}")
    newest = (row.last_executed_at, row.last_fill_id)
    # A worker of the release before knows nothing of costs: what it has moved is folded anew.
    in_order = row.last_fill_id is None or (
        row.last_costs is not None and (first.executed_at, first.fill_id) > newest
    )
    if in_order and all(fill.announced_at is None for fill in fills):
        before = Position(
            row.quantity, row.average_price, row.realised_pnl, row.commission, _read(row.costs)
        )
        folded = fills
        position, settled = _after_each(before, fills, row.multiplier)
        newest = (last.executed_at, last.fill_id)
    else:
        # A late or corrected execution belongs somewhere in the middle: fold anew from there.
        before, folded = _since(connection, key, fills)
        position, settled = _after_each(before, folded, row.multiplier)
        newest = (folded[-1].executed_at, folded[-1].fill_id)
    _SETTLED.run(connection, {"after": settled, "ids": [fill.fill_id for fill in fills]})
    _write(connection, key, position, newest)
    _report_reversals(connection, folded, anew=folded is not fills)


# What of executions went beyond zero: as much of each as stands on its own side after it.
_BEYOND = text(
    """
    SELECT f.order_id, o.client_order_id, f.broker, f.symbol, f.side,
        sum(least(abs(f.position_quantity), f.quantity)) AS beyond
    FROM fills f JOIN orders o USING (order_id)
    WHERE f.order_id = ANY(:orders) AND f.quantity > 0 AND f.positioned_at IS NOT NULL
        AND f.position_quantity * CASE f.side WHEN 'BUY' THEN 1 ELSE -1 END > 0
    GROUP BY f.order_id, o.client_order_id, f.broker, f.symbol, f.side
    """
)


def _report_reversals(connection: Connection, folded: Sequence[Row[Any]], *, anew: bool) -> None:
    """Raise an alert for each reduce-only order that has turned a position around.

    `anew`: the fills were folded before, without one that was reported late. It may show that
    another order did, or that this one did not.
    """
    orders = list({fill.order_id for fill in folded if fill.reduce_only})
    if not orders:
        return
    found = connection.execute(_BEYOND, {"orders": orders}).all()
    for row in found:
        alerts.alert(
            connection,
            alerts.REDUCE_ONLY_REVERSED,
            row.order_id,
            f"order {row.client_order_id} is reduce_only, and its {row.side} went "
            f"{plain(row.beyond)} {row.symbol} beyond zero",
            order_id=row.order_id,
            broker=row.broker,
            renew=True,
            reopen=False,
        )
    if anew:
        alerts.withdraw(
            connection,
            alerts.REDUCE_ONLY_REVERSED,
            set(orders) - {row.order_id for row in found},
            "executions that were reported late show that it did not",
        )


def lock(connection: Connection, key: Mapping[str, Any]) -> Row[Any] | None:
    """A position's row by its account, broker and symbol, locked; None when there is none."""
    return connection.execute(
        text(
            f"""
            SELECT p.*, f.position_costs AS last_costs FROM {table_of(key["broker"])} p
            LEFT JOIN fills f ON f.fill_id = p.last_fill_id
            WHERE (p.account, p.broker, p.symbol) = (:account, :broker, :symbol)
            FOR UPDATE OF p
            """
        ),
        key,
    ).one_or_none()


def _write(
    connection: Connection,
    key: Mapping[str, Any],
    position: Position,
    newest: tuple[datetime | None, int | None],
) -> None:
    """Let a position's row be so; `newest` is the time and the id of its last fill."""
    table = table_of(key["broker"])
    connection.execute(
        text(
            f"""
            UPDATE {table} SET quantity = :quantity, average_price = :average_price,
                realised_pnl = :realised_pnl, commission = :commission,
                costs = CAST(:costs AS jsonb), last_executed_at = :last_executed_at,
                last_fill_id = :last_fill_id, updated_at = clock_timestamp()
            WHERE (account, broker, symbol) = (:account, :broker, :symbol)
            """
        ),
        {
            **key,
            "quantity": position.quantity,
            "average_price": position.average_price,
            "realised_pnl": position.realised_pnl,
            "commission": position.commission,
            "costs": json.dumps(_spelled(position.costs)),
            "last_executed_at": newest[0],
            "last_fill_id": newest[1],
        },
    )


def held_at(connection: Connection, key: Mapping[str, Any], at: datetime) -> Position:
    """What a position was at a moment: after the last of its fills until then."""
    fill = connection.execute(
        text(
            f"""
            SELECT {_POSITION_COLUMNS} FROM fills f
            WHERE (f.account, f.broker, f.symbol) = (:account, :broker, :symbol)
                AND f.executed_at <= :at AND f.positioned_at IS NOT NULL
            ORDER BY f.executed_at DESC, f.fill_id DESC LIMIT 1
            """
        ),
        {**key, "at": at},
    ).one_or_none()
    return Position() if fill is None else _position_after(fill)


def _position_after(fill: Row[Any]) -> Position:
    return Position(
        fill.position_quantity,
        fill.position_average_price,
        fill.position_realised_pnl,
        fill.position_commission,
        _read(fill.position_costs or {}),
    )


def name_asset_class(connection: Connection, key: Mapping[str, Any], asset_class: str) -> None:
    """Say what a position is in, where no order of it has said so."""
    connection.execute(
        text(
            f"""
            UPDATE {table_of(key["broker"])} SET asset_class = :asset_class
            WHERE (account, broker, symbol) = (:account, :broker, :symbol)
                AND asset_class IS NULL
            """
        ),
        {**key, "asset_class": asset_class},
    )


def refold(connection: Connection, broker: str, account: str, symbol: str) -> None:
    """Fold a position anew from all the fills that are in it, some having left it.

    Fills that are on their way into it come later, by their own step 7.
    """
    key = {"account": account, "broker": broker, "symbol": symbol}
    row = lock(connection, key)
    if row is None:
        return
    history = connection.execute(
        text(
            f"""
            {_SELECT} WHERE (f.account, f.broker, f.symbol) = (:account, :broker, :symbol)
                AND f.positioned_at IS NOT NULL
            ORDER BY f.executed_at, f.fill_id
            """
        ),
        key,
    ).all()
    position, settled = _after_each(Position(), history, row.multiplier)
    _SETTLED.run(connection, {"after": settled, "ids": []})
    newest = (history[-1].executed_at, history[-1].fill_id) if history else (None, None)
    _write(connection, key, position, newest)
    _report_reversals(connection, history, anew=True)


# What another order's step 6 has revised since it was read stays due: its own step 7 folds it.
_SETTLED = Prepared(
    f"""{_SETTLE} WHERE f.fill_id = s.fill_id
        AND (f.positioned_at IS NOT NULL OR f.fill_id = ANY(CAST(:ids AS bigint[])))"""
)


def _since(
    connection: Connection, key: dict[str, Any], fills: Sequence[Row[Any]]
) -> tuple[Position, Sequence[Row[Any]]]:
    """What a position was before the first of some fills or earlier, and all its fills since."""
    first, ids = fills[0], [fill.fill_id for fill in fills]
    place = {**key, "ids": ids, "at": first.executed_at, "id": first.fill_id}
    mine = "(f.account, f.broker, f.symbol) = (:account, :broker, :symbol)"
    earlier = connection.execute(
        text(
            f"""
            SELECT {_POSITION_COLUMNS}, f.executed_at, f.fill_id FROM fills f WHERE {mine}
                AND f.executed_at <= :at AND (f.executed_at, f.fill_id) < (:at, :id)
                AND f.positioned_at IS NOT NULL AND f.position_costs IS NOT NULL
            ORDER BY f.executed_at DESC, f.fill_id DESC LIMIT 1
            """
        ),
        place,
    ).one_or_none()
    before, since = Position(), ""
    if earlier is not None:
        before = _position_after(earlier)
        since = "AND f.executed_at >= :at AND (f.executed_at, f.fill_id) > (:at, :id)"
        place |= {"at": earlier.executed_at, "id": earlier.fill_id}
    history = connection.execute(
        text(
            f"""
            {_SELECT} WHERE {mine} {since}
                AND (f.positioned_at IS NOT NULL OR f.fill_id = ANY(:ids))
            ORDER BY f.executed_at, f.fill_id
            """
        ),
        place,
    ).all()
    return before, history


def _entry(fill: Row[Any]) -> FillEntry:
    return fill_entry(
        Side(fill.side),
        fill.quantity,
        fill.price,
        cost=(fill.commission, fill.commission_currency),
        currency=fill.currency,
        base_asset=fill.base_asset,
    )


def _message(fill: Row[Any]) -> Event:
    kind = ReportKind.BOOKING.value if fill.status == "BOOKED" else _FILL
    if fill.announced_at is not None and fill.revised != ReportKind.TRADE:
        kind = fill.revised
    facts = FillFacts(
        order_id=fill.order_id,
        client_order_id=fill.client_order_id,
        symbol=fill.symbol,
        asset_class=fill.asset_class,
        side=fill.side,
        broker=fill.broker,
        requested_broker=fill.requested_broker,
        environment=fill.environment,
        account=fill.account,
        execution_mode=fill.execution_mode,
        execution_id=fill.execution_id,
        last_quantity=fill.quantity,
        last_price=fill.price,
        cumulative_quantity=fill.cumulative_quantity,
        leaves_quantity=fill.leaves_quantity,
        average_price=fill.average_price,
        currency=fill.currency,
        multiplier=fill.multiplier,
        commission=fill.commission,
        commission_currency=fill.commission_currency,
        order_state=fill.order_state,
        executed_at=fill.executed_at,
        strategy=fill.strategy,
    )
    return fill_event(kind, facts, fill.revisions)
