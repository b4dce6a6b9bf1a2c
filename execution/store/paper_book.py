"""The paper venue's own book: what it accepted and executed, in our database."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, text

from execution.domain.ports import Attempt
from execution.domain.reports import Execution, VenueOrder, VenuePosition
from execution.domain.vocabulary import OrderState, OrderType, Side
from execution.store.rows import to_json


@dataclass(frozen=True, slots=True)
class PaperFill:
    """One simulated execution: quantity in the instrument's units, price in its currency."""

    quantity: Decimal
    price: Decimal
    executed_at: datetime


@dataclass(frozen=True, slots=True)
class RestingOrder:
    """What matching needs of an order in the book."""

    venue_order_id: str
    symbol: str
    side: Side
    order_type: OrderType
    quantity: Decimal
    filled_quantity: Decimal
    limit_price: Decimal | None
    reference_price: Decimal | None
    rerouted: bool
    accepted_at: datetime

    @property
    def leaves_quantity(self) -> Decimal:
        """What is still to be filled."""
        return self.quantity - self.filled_quantity


def place(
    connection: Connection,
    attempt: Attempt,
    state: OrderState,
    reason: str | None,
    fills: Sequence[PaperFill],
    *,
    now: datetime,
) -> None:
    """Accept an attempt, with what it filled at once; the same one again changes nothing."""
    connection.execute(
        text(
            """
            WITH accepted AS (
                INSERT INTO paper_orders (venue_order_id, account, symbol, side, quantity,
                    filled_quantity, state, reason, accepted_at, terms)
                VALUES (:id, :account, :symbol, :side, :quantity, :filled, :state, :reason, :now,
                    CAST(:terms AS jsonb))
                ON CONFLICT DO NOTHING RETURNING venue_order_id, account
            )
            INSERT INTO paper_executions
                (execution_id, venue_order_id, account, quantity, price, executed_at)
            SELECT f.execution_id, a.venue_order_id, a.account, f.quantity, f.price, f.executed_at
            FROM accepted a, jsonb_to_recordset(CAST(:fills AS jsonb)) AS f(execution_id text,
                quantity numeric, price numeric, executed_at timestamptz)
            """
        ),
        {
            "id": attempt.venue_order_id,
            "account": attempt.account,
            "symbol": attempt.instrument.symbol,
            "side": attempt.side,
            "quantity": attempt.quantity,
            "filled": sum((fill.quantity for fill in fills), Decimal(0)),
            "state": state,
            "reason": reason,
            "now": now,
            "terms": json.dumps(to_json(_terms(attempt))),
            "fills": json.dumps(
                [
                    _fill_json(f"{attempt.venue_order_id}-{number}", fill)
                    for number, fill in enumerate(fills, start=1)
                ]
            ),
        },
    )


def fill(connection: Connection, order: RestingOrder, what: PaperFill) -> bool:
    """Fill a resting order. False when it changed since it was read: nothing is done then."""
    filled = order.filled_quantity + what.quantity
    state = OrderState.FILLED if filled >= order.quantity else OrderState.PARTIALLY_FILLED
    row = connection.execute(
        text(
            """
            WITH filled AS (
                UPDATE paper_orders SET filled_quantity = :filled, state = :state
                WHERE venue_order_id = :id AND filled_quantity = :before
                  AND state IN ('SUBMITTED', 'PARTIALLY_FILLED')
                RETURNING venue_order_id, account
            )
            INSERT INTO paper_executions
                (execution_id, venue_order_id, account, quantity, price, executed_at)
            SELECT venue_order_id || '-' || (1 + (SELECT count(*) FROM paper_executions
                    WHERE venue_order_id = :id)),
                venue_order_id, account, :quantity, :price, :executed_at FROM filled
            RETURNING execution_id
            """
        ),
        {
            "id": order.venue_order_id,
            "filled": filled,
            "state": state,
            "before": order.filled_quantity,
            "quantity": what.quantity,
            "price": what.price,
            "executed_at": what.executed_at,
        },
    ).one_or_none()
    return row is not None


def close(connection: Connection, venue_order_id: str, state: OrderState, reason: str) -> bool:
    """Cancel, expire or reject a resting order. False when it no longer rests."""
    row = connection.execute(
        text(
            """
            UPDATE paper_orders SET state = :state, reason = :reason
            WHERE venue_order_id = :id AND state IN ('SUBMITTED', 'PARTIALLY_FILLED')
            RETURNING venue_order_id
            """
        ),
        {"id": venue_order_id, "state": state, "reason": reason},
    ).one_or_none()
    return row is not None


def amend(
    connection: Connection,
    venue_order_id: str,
    quantity: Decimal | None,
    limit_price: Decimal | None,
) -> bool:
    """Change a resting order's total quantity (not below what is filled) or its limit."""
    row = connection.execute(
        text(
            """
            UPDATE paper_orders SET quantity = coalesce(:quantity, quantity),
                terms = terms || jsonb_strip_nulls(
                    jsonb_build_object('limit_price', CAST(:limit_price AS text)))
            WHERE venue_order_id = :id AND state IN ('SUBMITTED', 'PARTIALLY_FILLED')
              AND coalesce(:quantity, quantity) > filled_quantity
            RETURNING venue_order_id
            """
        ),
        {
            "id": venue_order_id,
            "quantity": quantity,
            "limit_price": to_json(limit_price),
        },
    ).one_or_none()
    return row is not None


def resting(connection: Connection, venue_order_ids: Iterable[str]) -> list[RestingOrder]:
    """Those of some orders that rest in the book."""
    rows = connection.execute(
        text(
            """
            SELECT * FROM paper_orders
            WHERE venue_order_id = ANY(:ids) AND state IN ('SUBMITTED', 'PARTIALLY_FILLED')
            """
        ),
        {"ids": list(venue_order_ids)},
    )
    return [
        RestingOrder(
            venue_order_id=row.venue_order_id,
            symbol=row.symbol,
            side=Side(row.side),
            order_type=OrderType(row.terms["order_type"]),
            quantity=row.quantity,
            filled_quantity=row.filled_quantity,
            limit_price=_decimal(row.terms.get("limit_price")),
            reference_price=_decimal(row.terms.get("reference_price")),
            rerouted=row.terms["rerouted"],
            accepted_at=row.accepted_at,
        )
        for row in rows
    ]


def find(connection: Connection, venue_order_ids: Iterable[str]) -> list[VenueOrder]:
    """Orders by our ids, with all their executions."""
    return _orders(connection, "o.venue_order_id = ANY(:ids)", {"ids": list(venue_order_ids)})


def working(connection: Connection) -> list[VenueOrder]:
    """Every order that rests in the book."""
    return _orders(connection, "o.state IN ('SUBMITTED', 'PARTIALLY_FILLED')", {})


def executions(connection: Connection, since: datetime) -> list[Execution]:
    """Every execution since then, oldest first."""
    rows = connection.execute(
        text(
            """
            SELECT e.*, o.symbol, o.side FROM paper_executions e
            JOIN paper_orders o USING (venue_order_id)
            WHERE e.executed_at >= :since ORDER BY e.executed_at, e.execution_id
            """
        ),
        {"since": since},
    )
    return [
        Execution(
            execution_id=row.execution_id,
            symbol=row.symbol,
            side=Side(row.side),
            quantity=row.quantity,
            price=row.price,
            executed_at=row.executed_at,
            venue_order_id=row.venue_order_id,
            broker_order_id=row.venue_order_id,
        )
        for row in rows
    ]


def positions(connection: Connection) -> list[VenuePosition]:
    """Net quantity by symbol, over all accounts."""
    rows = connection.execute(
        text(
            """
            SELECT o.symbol, sum(CASE o.side WHEN 'BUY' THEN e.quantity ELSE -e.quantity END)
                AS quantity
            FROM paper_executions e JOIN paper_orders o USING (venue_order_id)
            GROUP BY o.symbol ORDER BY o.symbol
            """
        )
    )
    return [VenuePosition(row.symbol, row.quantity) for row in rows]


def _orders(connection: Connection, which: str, parameters: Mapping[str, Any]) -> list[VenueOrder]:
    rows = connection.execute(
        text(
            f"""
            SELECT o.*, coalesce((SELECT jsonb_agg(jsonb_build_object(
                    'execution_id', e.execution_id, 'quantity', e.quantity::text,
                    'price', e.price::text, 'executed_at', e.executed_at) ORDER BY e.executed_at)
                FROM paper_executions e WHERE e.venue_order_id = o.venue_order_id), '[]')
                AS executions
            FROM paper_orders o WHERE {which} ORDER BY o.accepted_at, o.venue_order_id
            """
        ),
        parameters,
    )
    return [
        VenueOrder(
            broker_order_id=row.venue_order_id,
            venue_order_id=row.venue_order_id,
            state=OrderState(row.state),
            reason=row.reason,
            symbol=row.symbol,
            side=Side(row.side),
            quantity=row.quantity,
            filled_quantity=row.filled_quantity,
            executions=tuple(
                Execution(
                    execution_id=item["execution_id"],
                    symbol=row.symbol,
                    side=Side(row.side),
                    quantity=Decimal(item["quantity"]),
                    price=Decimal(item["price"]),
                    executed_at=datetime.fromisoformat(item["executed_at"]),
                    venue_order_id=row.venue_order_id,
                    broker_order_id=row.venue_order_id,
                )
                for item in row.executions
            ),
        )
        for row in rows
    ]


def _terms(attempt: Attempt) -> dict[str, Any]:
    return {
        "order_type": attempt.order_type,
        "limit_price": attempt.limit_price,
        "reference_price": attempt.reference_price,
        "time_in_force": attempt.time_in_force,
        "rerouted": attempt.rerouted,
    }


def _fill_json(execution_id: str, what: PaperFill) -> dict[str, Any]:
    return {
        "execution_id": execution_id,
        "quantity": to_json(what.quantity),
        "price": to_json(what.price),
        "executed_at": to_json(what.executed_at),
    }


def _decimal(value: str | None) -> Decimal | None:
    return None if value is None else Decimal(value)
