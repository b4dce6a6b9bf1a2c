"""The paper venue's own book: what it accepted and executed, in our database."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from execution.domain.paper.order import PaperOrder
from execution.domain.paper.trading import Matched, PaperFill
from execution.domain.ports import Attempt
from execution.domain.reports import Execution, VenueOrder, VenuePosition
from execution.domain.vocabulary import OrderState, OrderType, Side, TimeInForce
from execution.store.rows import to_json
from execution.store.statements import Link, Prepared

# Its terms are what was asked; two of them a modify may change.
_TERMS = (
    "client_order_id",
    "order_type",
    "time_in_force",
    "limit_price",
    "stop_price",
    "trail_amount",
    "trail_percent",
    "reference_price",
    "rerouted",
)
_AMENDED_TERMS = ("limit_price", "stop_price")
# What matching and modifying may change of a row, with its type.
_CHANGING = {
    "quantity": "numeric",
    "filled_quantity": "numeric",
    "executions": "integer",
    "state": "text",
    "reason": "text",
    "triggered_at": "timestamptz",
    "trail_extreme": "numeric",
    "taken_at": "timestamptz",
    "taken_quantity": "numeric",
}
_PLACED = ("ends_at", "closes_at", "one_cancels_other", *_CHANGING)
_FILLS = """jsonb_to_recordset(CAST(:fills AS jsonb)) AS f(execution_id text,
    venue_order_id text, quantity numeric, price numeric, executed_at timestamptz)"""

# What an order of a group (`one_cancels_other`) fills in `changed`, its siblings give up.
_GIVE_UP = f"""
    UPDATE paper_orders s SET version = s.version + 1,
        quantity = CASE WHEN s.quantity - g.filled > s.filled_quantity
            THEN s.quantity - g.filled ELSE s.quantity END,
        state = CASE WHEN s.quantity - g.filled > s.filled_quantity THEN s.state
            ELSE 'CANCELLED' END,
        reason = CASE WHEN s.quantity - g.filled > s.filled_quantity THEN s.reason
            ELSE 'one cancels the other' END
    FROM (
        SELECT c.one_cancels_other, c.venue_order_id, sum(f.quantity) AS filled
        FROM changed c JOIN {_FILLS} USING (venue_order_id)
        WHERE c.one_cancels_other IS NOT NULL GROUP BY 1, 2
    ) g
    WHERE s.one_cancels_other = g.one_cancels_other AND s.venue_order_id <> g.venue_order_id
        AND s.state IN ('SUBMITTED', 'PARTIALLY_FILLED')
"""


_PLACE = Prepared(
    f"""
    WITH changed AS (
        INSERT INTO paper_orders
            (venue_order_id, account, symbol, side, accepted_at, terms,
            {", ".join(_PLACED)})
        SELECT CAST(:id AS text), CAST(:account AS text), CAST(:symbol AS text),
            CAST(:side AS text), CAST(:accepted_at AS timestamptz), CAST(:terms AS jsonb),
            {", ".join(f"n.{name}" for name in _PLACED)}
        FROM jsonb_populate_record(NULL::paper_orders, CAST(:row AS jsonb)) n
        WHERE CAST(:send_by AS timestamptz) IS NULL
            OR clock_timestamp() <= CAST(:send_by AS timestamptz)
        ON CONFLICT DO NOTHING RETURNING venue_order_id, account, one_cancels_other
    ), given_up AS ({_GIVE_UP}), filled AS (
        INSERT INTO paper_executions
            (execution_id, venue_order_id, account, quantity, price, executed_at)
        SELECT f.execution_id, a.venue_order_id, a.account, f.quantity, f.price, f.executed_at
        FROM changed a JOIN {_FILLS} USING (venue_order_id)
    )
    SELECT venue_order_id FROM changed
    """
)


def _told(which: str) -> Prepared:
    return Prepared(
        f"""
        SELECT o.venue_order_id, o.state, o.reason, o.symbol, o.side, o.quantity,
            o.filled_quantity, CAST(o.terms ->> 'limit_price' AS numeric) AS limit_price,
            CAST(o.terms ->> 'stop_price' AS numeric) AS stop_price,
            coalesce((SELECT jsonb_agg(jsonb_build_object(
                'execution_id', e.execution_id, 'quantity', e.quantity::text,
                'price', e.price::text, 'executed_at', e.executed_at) ORDER BY e.executed_at,
                length(e.execution_id), e.execution_id)
            FROM paper_executions e WHERE e.venue_order_id = o.venue_order_id), '[]') AS executions
        FROM paper_orders o WHERE {which} ORDER BY o.accepted_at, o.venue_order_id
        """
    )


_FIND = _told("o.venue_order_id = ANY(CAST(:ids AS text[]))")
_WORKING = _told("o.state IN ('SUBMITTED', 'PARTIALLY_FILLED')")


def place(link: Link, attempt: Attempt, matched: Matched) -> VenueOrder | None:
    """Accept an attempt, with what it filled at once; the same one again changes nothing.

    Returns the order as it is in the book. Nothing is accepted after the attempt's `send_by`, by
    the clock of the database that set it: None for what came later and is not there.
    """
    order = matched.order
    fills = _fills(matched, before=0)
    placed = _PLACE.one(
        link,
        {
            "id": order.venue_order_id,
            "account": attempt.account,
            "symbol": order.symbol,
            "side": order.side,
            "accepted_at": order.accepted_at,
            "send_by": attempt.send_by,
            "terms": json.dumps(_values(order, _TERMS)),
            "row": json.dumps(_values(order, _PLACED)),
            "fills": json.dumps(fills),
        },
    )
    if placed is None:
        found = find(link, [order.venue_order_id])
        return found[0] if found else None
    return _venue_order(order, fills)


def apply(connection: Connection, changes: Sequence[Matched]) -> set[str]:
    """Write what became of working orders, all in one statement; returns the ids it was done for.

    An order that changed since it was read (`version`) is left alone with its fills. What one of
    several orders with the same `one_cancels_other` fills, the others give up in the same breath;
    so of these only one may be among `changes` when it fills.
    """
    rows = [
        {
            "venue_order_id": change.order.venue_order_id,
            "version": change.order.version,
            "terms": _values(change.order, _AMENDED_TERMS),
            **_values(change.order, _CHANGING),
        }
        for change in changes
    ]
    fills = [
        fill
        for change in changes
        for fill in _fills(change, before=change.order.executions - len(change.fills))
    ]
    done = connection.execute(
        text(
            f"""
            WITH changed AS (
                UPDATE paper_orders o SET version = o.version + 1, terms = o.terms || n.terms,
                    {", ".join(f"{name} = n.{name}" for name in _CHANGING)}
                FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS n(venue_order_id text,
                    version integer, terms jsonb,
                    {", ".join(f"{name} {kind}" for name, kind in _CHANGING.items())})
                WHERE o.venue_order_id = n.venue_order_id AND o.version = n.version
                    AND o.state IN ('SUBMITTED', 'PARTIALLY_FILLED')
                RETURNING o.venue_order_id, o.account, o.one_cancels_other
            ), given_up AS ({_GIVE_UP}), filled AS (
                INSERT INTO paper_executions
                    (execution_id, venue_order_id, account, quantity, price, executed_at)
                SELECT f.execution_id, c.venue_order_id, c.account, f.quantity, f.price,
                    f.executed_at
                FROM changed c JOIN {_FILLS} USING (venue_order_id)
            )
            SELECT venue_order_id FROM changed
            """
        ),
        {"rows": json.dumps(rows), "fills": json.dumps(fills)},
    )
    return set(done.scalars())


def lock_group(connection: Connection, group: UUID) -> None:
    """Let none of a group trade before this transaction ends."""
    connection.execute(
        text(
            """
            SELECT FROM paper_orders WHERE one_cancels_other = :group
            ORDER BY venue_order_id FOR UPDATE
            """
        ),
        {"group": group},
    )


def group_filled(connection: Connection, order: PaperOrder) -> Decimal:
    """What the others of an order's group have filled."""
    filled: Decimal = connection.execute(
        text(
            """
            SELECT coalesce(sum(filled_quantity), 0) FROM paper_orders
            WHERE one_cancels_other = :group AND venue_order_id <> :id
            """
        ),
        {"group": order.one_cancels_other, "id": order.venue_order_id},
    ).scalar_one()
    return filled


def close(connection: Connection, venue_order_id: str, state: OrderState, reason: str) -> bool:
    """Cancel, expire or reject a resting order. False when it no longer rests."""
    row = connection.execute(
        text(
            """
            UPDATE paper_orders SET state = :state, reason = :reason, version = version + 1
            WHERE venue_order_id = :id AND state IN ('SUBMITTED', 'PARTIALLY_FILLED')
            RETURNING venue_order_id
            """
        ),
        {"id": venue_order_id, "state": state, "reason": reason},
    ).one_or_none()
    return row is not None


def changed(connection: Connection, known: Mapping[str, int]) -> list[PaperOrder]:
    """Those of some orders that changed since the version known of each; 0 for none yet."""
    rows = connection.execute(
        text(
            """
            SELECT o.* FROM unnest(CAST(:ids AS text[]), CAST(:versions AS integer[]))
                AS known(venue_order_id, version)
            JOIN paper_orders o USING (venue_order_id)
            WHERE o.version <> known.version
            """
        ),
        {"ids": list(known), "versions": list(known.values())},
    )
    return [_order(row) for row in rows]


def find(link: Link, venue_order_ids: Iterable[str]) -> list[VenueOrder]:
    """Orders by our ids, with all their executions."""
    return [_from_row(row) for row in _FIND.run(link, {"ids": list(venue_order_ids)})]


def working(link: Link) -> list[VenueOrder]:
    """Every order that rests in the book."""
    return [_from_row(row) for row in _WORKING.run(link, {})]


def executions(connection: Connection, since: datetime) -> list[Execution]:
    """Every execution since then, oldest first."""
    rows = connection.execute(
        text(
            """
            SELECT e.*, o.symbol, o.side FROM paper_executions e
            JOIN paper_orders o USING (venue_order_id)
            WHERE e.executed_at >= :since
            ORDER BY e.executed_at, length(e.execution_id), e.execution_id
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


def _from_row(row: Any) -> VenueOrder:
    return _venue_order(row, row.executions)


def _venue_order(order: Any, executions: Iterable[Mapping[str, Any]]) -> VenueOrder:
    """An order of the book, as a row or as it is placed, as its venue tells of it."""
    return VenueOrder(
        broker_order_id=order.venue_order_id,
        venue_order_id=order.venue_order_id,
        state=OrderState(order.state),
        reason=order.reason,
        symbol=order.symbol,
        side=Side(order.side),
        quantity=order.quantity,
        filled_quantity=order.filled_quantity,
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        executions=tuple(
            Execution(
                execution_id=item["execution_id"],
                symbol=order.symbol,
                side=Side(order.side),
                quantity=Decimal(item["quantity"]),
                price=Decimal(item["price"]),
                executed_at=datetime.fromisoformat(item["executed_at"]),
                venue_order_id=order.venue_order_id,
                broker_order_id=order.venue_order_id,
            )
            for item in executions
        ),
    )


def _order(row: Row[Any]) -> PaperOrder:
    terms = row.terms
    return PaperOrder(
        venue_order_id=row.venue_order_id,
        client_order_id=terms.get("client_order_id", row.venue_order_id),
        symbol=row.symbol,
        side=Side(row.side),
        order_type=OrderType(terms["order_type"]),
        quantity=row.quantity,
        time_in_force=TimeInForce(terms["time_in_force"]),
        accepted_at=row.accepted_at,
        limit_price=_decimal(terms.get("limit_price")),
        stop_price=_decimal(terms.get("stop_price")),
        trail_amount=_decimal(terms.get("trail_amount")),
        trail_percent=_decimal(terms.get("trail_percent")),
        reference_price=_decimal(terms.get("reference_price")),
        rerouted=terms["rerouted"],
        one_cancels_other=row.one_cancels_other,
        ends_at=row.ends_at,
        closes_at=row.closes_at,
        state=OrderState(row.state),
        reason=row.reason,
        filled_quantity=row.filled_quantity,
        executions=row.executions,
        triggered_at=row.triggered_at,
        trail_extreme=row.trail_extreme,
        taken_at=row.taken_at,
        taken_quantity=row.taken_quantity,
        version=row.version,
    )


def _values(order: PaperOrder, names: Iterable[str]) -> dict[str, Any]:
    return {name: to_json(getattr(order, name)) for name in names}


def _fills(matched: Matched, *, before: int) -> list[dict[str, Any]]:
    """What an order filled, under ids that number its executions; `before` is how many it had."""
    name = matched.order.venue_order_id
    return [
        {
            "execution_id": f"{name}-{number}",
            "venue_order_id": name,
            **{field: to_json(getattr(fill, field)) for field in PaperFill.__slots__},
        }
        for number, fill in enumerate(matched.fills, start=before + 1)
    ]


def _decimal(value: str | None) -> Decimal | None:
    return None if value is None else Decimal(value)
