"""What stands against a position, read at one moment under a lock of the position's own.

Whoever lets something stand against a position, or shares it out anew, holds that lock until its
transaction ends, so that nobody else can take the same quantity. It comes after the rows of orders
and of the position, and before those of brackets.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from execution.domain.decimals import exact, plain
from execution.domain.orders import Order
from execution.domain.risk.reducing import PROTECTING, Book, Bracket, Exit
from execution.domain.vocabulary import OrderState, OrderType, Side
from execution.store.exposure import HELD, LARGEST
from execution.store.positions import table_of
from execution.store.statements import Link, Prepared
from execution.store.touching import TOUCH

_NOTHING = Decimal(0)


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
# One that is over counts while it has a position without a stop: others may still close that.
_COUNTS = "(NOT b.over OR b.bare_since IS NOT NULL)"
# Whoever fits a bracket's children holds its row while it decides: nobody takes of it meanwhile.
_LOCK_BRACKETS = Prepared(
    f"""
    SELECT FROM brackets b WHERE b.symbol = CAST(:symbol AS text) AND {_COUNTS}
    ORDER BY b.parent_order_id FOR UPDATE
    """
)

_HERE = """o.symbol = CAST(:symbol AS text) AND o.broker = CAST(:broker AS text)
    AND a.account = CAST(:account AS text)"""
_NOT_OVER = "state NOT IN ('FILLED', 'CANCELLED', 'REJECTED', 'EXPIRED')"
_EXITS = f"""FROM orders o JOIN order_attempts a
        ON a.order_id = o.order_id AND a.attempt_no = o.attempt_no AND a.leg = 0
    WHERE o.reduce_only AND o.{_NOT_OVER} AND o.parent_order_id IS NULL"""
# One that was never sent counts with what it has claimed; one that goes on by a further attempt
# keeps its place meanwhile.
_LEAVES = f"""CASE WHEN o.state <> 'PENDING' OR o.attempt_no > 1 AND a.claimed IS NULL
    THEN {LARGEST} - o.filled_quantity ELSE coalesce(a.claimed, 0) END"""
_BRACKETS = f"""FROM brackets b JOIN orders o ON o.order_id = b.parent_order_id
    JOIN order_attempts a
        ON a.order_id = o.order_id AND a.attempt_no = o.attempt_no AND a.leg = 0
    WHERE {_COUNTS}"""
_CLOSED_BY_CHILDREN = """(SELECT coalesce(sum(c.filled_quantity), 0) FROM orders c
    WHERE c.parent_order_id = o.order_id)"""
# A leg and the others of its group count once, at the larger; so does a child that is just growing.
_STANDS = f"""(SELECT greatest(coalesce(sum(g.leaves), 0), coalesce(max(g.growing), 0))
    FROM (SELECT max(m.leaves) AS leaves, max(m.growing) AS growing
        FROM (SELECT coalesce(l.one_cancels_other, o.order_id) AS one_of,
                sum(greatest(l.quantity - l.reduced - l.filled_quantity, 0)) AS leaves,
                max(c.quantity - c.filled_quantity) AS growing
            FROM orders c JOIN order_attempts l ON l.order_id = c.order_id AND l.leg = 0
            WHERE c.parent_order_id = o.order_id AND c.{_NOT_OVER} AND l.{_NOT_OVER}
                AND c.role <> 'FLATTEN'
            GROUP BY 1, c.role) m
        GROUP BY m.one_of) g)
    + (SELECT coalesce(sum(c.quantity - c.filled_quantity), 0) FROM orders c
        WHERE c.parent_order_id = o.order_id AND c.{_NOT_OVER} AND c.role = 'FLATTEN')"""
_READ = {
    table: Prepared(
        f"""
        SELECT 'POSITION' AS kind, NULL AS side, {held} AS quantity,
            CAST(NULL AS uuid) AS order_id, NULL AS client_order_id, NULL AS order_type,
            NULL AS state, CAST(NULL AS numeric) AS filled, CAST(NULL AS integer) AS version,
            CAST(NULL AS timestamptz) AS since, CAST(NULL AS interval) AS waited,
            CAST(NULL AS numeric) AS taken, CAST(NULL AS numeric) AS closed,
            CAST(NULL AS numeric) AS stands, false AS over,
            EXISTS (SELECT FROM fills f WHERE f.positioned_at IS NULL
                AND f.announced_at IS NOT NULL AND (f.account || '', f.broker || '', f.symbol || '')
                = (CAST(:account AS text), CAST(:broker AS text), CAST(:symbol AS text)))
                AS moving
        UNION ALL
        SELECT 'EXIT', o.side, {_LEAVES}, o.order_id, o.client_order_id, o.order_type, o.state,
            o.filled_quantity, o.version, o.created_at, clock_timestamp() - a.claimed_at,
            NULL, NULL, NULL, false, false
        {_EXITS} AND {_HERE}
        UNION ALL
        SELECT 'BRACKET', o.side, o.filled_quantity, o.order_id, o.client_order_id, NULL, NULL,
            {_CLOSED_BY_CHILDREN}, NULL, o.created_at, NULL, b.taken, b.closed, {_STANDS}, b.over,
            false
        {_BRACKETS} AND b.symbol = CAST(:symbol AS text) AND {_HERE}
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
class Taken:
    """A bracket's row: `of` is what its parent filled and its children have not closed."""

    of: Decimal
    taken: Decimal
    closed: Decimal


@dataclass(frozen=True, slots=True)
class Standing:
    """The book of one side of a position, and how each exit and each bracket in it stands.

    Exits by their orders' ids, brackets by their parents'.
    """

    book: Book
    exits: Mapping[UUID, Sent]
    brackets: Mapping[UUID, Taken]


def lock(link: Link, place: Place) -> None:
    """Let one transaction at a time decide what stands against a position."""
    _LOCK.run(link, place.as_parameters())
    _LOCK_BRACKETS.run(link, {"symbol": place.symbol})


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
    opened = [row for row in rows if row.kind == "BRACKET" and row.side == side.opposite]
    brackets = {row.order_id: _taken(row) for row in opened}
    book = Book(
        held.quantity,
        side,
        exits=tuple(_exit(row) for row in exits),
        brackets=tuple(_bracket(row, brackets[row.order_id]) for row in opened),
        moving=held.moving,
    )
    return Standing(book, {row.order_id: _sent(row) for row in exits}, brackets)


def _exit(row: Any) -> Exit:
    return Exit(
        order_id=row.order_id,
        client_order_id=row.client_order_id,
        leaves=max(row.quantity, _NOTHING),
        since=row.since,
        protects=OrderType(row.order_type) in PROTECTING,
    )


def _sent(row: Any) -> Sent:
    unsent = row.state == OrderState.PENDING
    return Sent(row.filled, row.version, sent=not unsent, waited=row.waited)


@exact
def _taken(row: Any) -> Taken:
    return Taken(max(row.quantity - row.filled, _NOTHING), row.taken, row.closed)


@exact
def _bracket(row: Any, taken: Taken) -> Bracket:
    return Bracket(
        parent_id=row.order_id,
        client_order_id=row.client_order_id,
        open=max(taken.of - taken.closed, _NOTHING),
        covers=max(taken.of - taken.taken, _NOTHING),
        stands=row.stands,
        since=row.since,
        wanted=not row.over,
    )


_ANY = Prepared(
    f"""
    SELECT EXISTS (SELECT {_EXITS} AND {_HERE})
        OR EXISTS (SELECT FROM brackets b WHERE b.symbol = CAST(:symbol AS text) AND {_COUNTS})
        AS found
    """
)


def any_against(link: Link, place: Place) -> bool:
    """Whether anything may stand against a position, on whichever side."""
    found: bool = _ANY.one(link, place.as_parameters()).found
    return found


_CROWDED = Prepared(
    f"""
    WITH each AS (
        SELECT a.account, o.broker, o.symbol, CASE o.side WHEN 'SELL' THEN 1 ELSE -1 END AS sign,
            {_LEAVES} AS leaves, false AS displaced
        {_EXITS} AND o.state <> 'PENDING'
        UNION ALL
        SELECT a.account, o.broker, o.symbol, CASE o.side WHEN 'BUY' THEN 1 ELSE -1 END,
            greatest(o.filled_quantity - {_CLOSED_BY_CHILDREN} - b.taken, 0), b.taken > b.closed
        {_BRACKETS}
    ), standing AS (
        SELECT account, broker, symbol, sign, sum(leaves) AS leaves, bool_or(displaced) AS displaced
        FROM each GROUP BY account, broker, symbol, sign
    )
    SELECT DISTINCT e.account, e.broker, e.symbol FROM standing e
    LEFT JOIN positions l ON e.broker <> 'PAPER'
        AND (l.account, l.broker, l.symbol) = (e.account, e.broker, e.symbol)
    LEFT JOIN paper_positions p ON e.broker = 'PAPER'
        AND (p.account, p.broker, p.symbol) = (e.account, e.broker, e.symbol)
    WHERE e.displaced OR e.leaves > greatest(e.sign * coalesce(l.quantity, p.quantity, 0), 0)
    LIMIT CAST(:most AS integer)
    """
)


def crowded(link: Link, most: int) -> list[Place]:
    """Positions to be shared out anew.

    Those against which more stands than there is of them, a move being on its way perhaps, and
    those where an exit takes of a bracket, and may be over.
    """
    rows = _CROWDED.run(link, {"most": most})
    return [Place(row.account, row.broker, row.symbol) for row in rows]


_COVER = Prepared(
    f"""
    {TOUCH}, taken = n.taken, closed = n.closed
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS n(parent_id uuid, taken numeric,
        closed numeric)
    WHERE b.parent_order_id = n.parent_id
    """
)


@exact
def cover(
    link: Link,
    standing: Standing,
    covers: Mapping[UUID, Decimal],
    opened: Mapping[UUID, Decimal] | None = None,
) -> list[UUID]:
    """Let brackets cover so much from now on, and so much be open of them for good.

    Returns the parents of those that change: they are due to be fitted.
    """
    rows = []
    for parent_id, was in standing.brackets.items():
        taken = max(was.of - covers[parent_id], _NOTHING)
        closed = was.closed if opened is None else max(was.of - opened[parent_id], _NOTHING)
        # What children have closed since may make both smaller; nothing is given back by that.
        now = Taken(was.of, max(taken, closed), closed)
        if now != was:
            row = {"taken": plain(now.taken), "closed": plain(now.closed)}
            rows.append({"parent_id": str(parent_id), **row})
    if rows:
        _COVER.run(link, {"rows": json.dumps(rows)})
    return [UUID(row["parent_id"]) for row in rows]
