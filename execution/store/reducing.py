"""What stands against a position, read at one moment under a lock of the position's own.

Whoever lets something stand against a position, or shares it out anew, holds that lock until its
transaction ends, so that nobody else can take the same quantity. It comes after the rows of orders
and of the position, and before those of brackets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from execution.domain.orders import Order
from execution.domain.risk.reducing import PROTECTING, Book, Exit
from execution.domain.vocabulary import OrderState, OrderType, Side
from execution.store.exposure import HELD, LARGEST
from execution.store.positions import table_of
from execution.store.statements import Link, Prepared


@dataclass(frozen=True, slots=True)
class Place:
    """An account's position in a symbol at a broker; `account` is the venue's name of it."""

    account: str
    broker: str
    symbol: str

    def as_parameters(self) -> dict[str, Any]:
        """Named as the statements here take them."""
        return {"account": self.account, "broker": self.broker, "symbol": self.symbol}


def place_of(order: Order) -> Place:
    """The position that an order moves."""
    return Place(order.attempt.account, order.broker, order.symbol)


_LOCK = Prepared(
    """
    SELECT pg_advisory_xact_lock(hashtextextended(
        concat_ws('|', 'reducing', CAST(:account AS text), CAST(:broker AS text),
            CAST(:symbol AS text)), 0))
    """
)

_HERE = """o.symbol = CAST(:symbol AS text) AND o.broker = CAST(:broker AS text)
    AND a.account = CAST(:account AS text)"""
_EXITS = """FROM orders o JOIN order_attempts a
        ON a.order_id = o.order_id AND a.attempt_no = o.attempt_no AND a.leg = 0
    WHERE o.reduce_only AND o.state NOT IN ('FILLED', 'CANCELLED', 'REJECTED', 'EXPIRED')
        AND o.parent_order_id IS NULL"""
# One that was never sent counts with what it has claimed; one that goes on by a further attempt
# keeps its place meanwhile.
_LEAVES = f"""CASE WHEN o.state <> 'PENDING' OR o.attempt_no > 1 AND a.claimed IS NULL
    THEN {LARGEST} - o.filled_quantity ELSE coalesce(a.claimed, 0) END"""
_READ = {
    table: Prepared(
        f"""
        SELECT 'POSITION' AS kind, NULL AS side, {held} AS quantity,
            CAST(NULL AS uuid) AS order_id, NULL AS client_order_id, NULL AS order_type,
            NULL AS state, CAST(NULL AS numeric) AS filled, CAST(NULL AS integer) AS version,
            CAST(NULL AS timestamptz) AS since, CAST(NULL AS interval) AS waited,
            EXISTS (SELECT FROM fills f WHERE f.positioned_at IS NULL
                AND f.announced_at IS NOT NULL AND (f.account || '', f.broker || '', f.symbol || '')
                = (CAST(:account AS text), CAST(:broker AS text), CAST(:symbol AS text)))
                AS moving
        UNION ALL
        SELECT 'EXIT', o.side, {_LEAVES}, o.order_id, o.client_order_id, o.order_type, o.state,
            o.filled_quantity, o.version, o.created_at, clock_timestamp() - a.claimed_at, false
        {_EXITS} AND {_HERE}
        """
    )
    for table, held in HELD.items()
}


@dataclass(frozen=True, slots=True)
class Sent:
    """How an exit stands: what it has filled, and whether it was sent at all."""

    filled: Decimal
    version: int
    sent: bool
    waited: timedelta | None


@dataclass(frozen=True, slots=True)
class Standing:
    """The book of one side of a position, and how each exit in it stands, by its order's id."""

    book: Book
    exits: Mapping[UUID, Sent]


def lock(link: Link, place: Place) -> None:
    """Let one transaction at a time decide what stands against a position."""
    _LOCK.run(link, place.as_parameters())


def read(link: Link, place: Place, side: Side) -> Standing:
    """What stands on a side against a position; all of it as of one moment."""
    rows = _READ[table_of(place.broker)].run(link, place.as_parameters())
    return _standing(rows, side)


def read_both(link: Link, place: Place) -> tuple[Standing, Standing]:
    """What stands on either side, as of one moment."""
    rows = _READ[table_of(place.broker)].run(link, place.as_parameters())
    return _standing(rows, Side.BUY), _standing(rows, Side.SELL)


def _standing(rows: list[Any], side: Side) -> Standing:
    held = next(row for row in rows if row.kind == "POSITION")
    exits = [row for row in rows if row.kind == "EXIT" and row.side == side]
    book = Book(
        held.quantity,
        side,
        exits=tuple(_exit(row) for row in exits),
        moving=held.moving,
    )
    return Standing(book, {row.order_id: _sent(row) for row in exits})


def _exit(row: Any) -> Exit:
    return Exit(
        order_id=row.order_id,
        client_order_id=row.client_order_id,
        leaves=max(row.quantity, Decimal(0)),
        since=row.since,
        protects=OrderType(row.order_type) in PROTECTING,
    )


def _sent(row: Any) -> Sent:
    unsent = row.state == OrderState.PENDING
    return Sent(row.filled, row.version, sent=not unsent, waited=row.waited)


_ANY = Prepared(f"SELECT EXISTS (SELECT {_EXITS} AND {_HERE}) AS found")


def any_against(link: Link, place: Place) -> bool:
    """Whether anything reduce-only stands against a position, on whichever side."""
    found: bool = _ANY.one(link, place.as_parameters()).found
    return found


_CROWDED = Prepared(
    f"""
    WITH exits AS (
        SELECT a.account, o.broker, o.symbol, o.side, sum({_LEAVES}) AS leaves
        {_EXITS} AND o.state <> 'PENDING' GROUP BY 1, 2, 3, 4
    )
    SELECT DISTINCT e.account, e.broker, e.symbol FROM exits e
    LEFT JOIN positions l ON e.broker <> 'PAPER'
        AND (l.account, l.broker, l.symbol) = (e.account, e.broker, e.symbol)
    LEFT JOIN paper_positions p ON e.broker = 'PAPER'
        AND (p.account, p.broker, p.symbol) = (e.account, e.broker, e.symbol)
    WHERE e.leaves > greatest(
        CASE e.side WHEN 'SELL' THEN 1 ELSE -1 END * coalesce(l.quantity, p.quantity, 0), 0)
    LIMIT CAST(:most AS integer)
    """
)


def crowded(link: Link, most: int) -> list[Place]:
    """Positions against which more stands than there is of them; a move may be on its way."""
    rows = _CROWDED.run(link, {"most": most})
    return [Place(row.account, row.broker, row.symbol) for row in rows]


def cover(link: Link, book: Book, covers: Mapping[UUID, Decimal]) -> list[UUID]:
    """Let brackets cover so much from now on; returns the parents of those that change."""
    del link
    return [one.parent_id for one in book.brackets if covers[one.parent_id] != one.covers]
