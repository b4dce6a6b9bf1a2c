"""`history_heads` and `history_seals`: the history of orders, bound under a key a minute later.

Not in the way of orders: lines are sealed once no transaction can still add one of their time.
The key never reaches the database. Seals are only added to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from execution.domain.history import NOTHING, HistoryKey, Line
from execution.store.engine import Store

LAG = timedelta(minutes=1)
"""Lines that are younger are not sealed: a transaction that began before may still add some."""
EVERY = timedelta(minutes=1)
SEALED = "history sealed"
"""What a worker's log says of each head."""
_MOST_LINES = 20_000
"""Lines of one seal, so that a database with years of history is sealed in parts."""


@dataclass(frozen=True, slots=True)
class Head:
    """The newest digest of all that is sealed, up to and including a time."""

    head_no: int
    upto: datetime
    digest: bytes
    key_id: str
    lines: int


def newest(connection: Connection) -> Head | None:
    """The head of what is sealed; None before the first seal."""
    row = connection.execute(
        text("SELECT * FROM history_heads ORDER BY head_no DESC LIMIT 1")
    ).one_or_none()
    return None if row is None else _head(row)


def _head(row: Row[Any]) -> Head:
    return Head(row.head_no, row.upto, bytes(row.digest), row.key_id, row.lines)


# Up to when: a minute ago, or where one seal's lines end, with all of the last one's time.
_DUE = text(
    """
    SELECT least(d.lagging, d.full_at) AS upto, d.full_at < d.lagging IS TRUE AS is_full FROM (
        SELECT clock_timestamp() - CAST(:lag AS interval) AS lagging, (
            SELECT at FROM order_events WHERE CAST(:after AS timestamptz) IS NULL OR at > :after
            ORDER BY at OFFSET :most LIMIT 1) AS full_at
    ) d
    """
)
_LINES = """
    SELECT order_id, at, step, state, broker, attempt_no, detail FROM order_events
"""
_BETWEEN = text(
    f"""
    {_LINES} WHERE at <= :upto AND (CAST(:after AS timestamptz) IS NULL OR at > :after)
    """
)
_BEFORE = text(
    """
    SELECT DISTINCT ON (order_id) order_id, digest FROM history_seals
    WHERE order_id = ANY(:order_ids) ORDER BY order_id, head_no DESC
    """
)


def seal(store: Store, key: HistoryKey, lag: timedelta = LAG) -> Head | None:
    """Seal what is older than `lag`; the new head, None where nothing is due. StoreUnavailable.

    One worker at a time does it; another one finds it done.
    """
    with store.transaction() as connection:
        held = connection.execute(
            text("SELECT pg_try_advisory_xact_lock(hashtextextended('history', 0))")
        ).scalar_one()
        if not held:
            return None
        last = newest(connection)
        after = None if last is None else last.upto
        due = connection.execute(_DUE, {"lag": lag, "after": after, "most": _MOST_LINES}).one()
        if after is not None and not due.is_full and due.upto - after < EVERY:
            return None
        lines = _between(connection, after, due.upto)
        return _seal(connection, key, last, due.upto, lines) if lines else None


def _between(
    connection: Connection, after: datetime | None, upto: datetime
) -> dict[UUID, list[Line]]:
    """The lines after a time and up to another, by their orders."""
    rows = connection.execute(_BETWEEN, {"upto": upto, "after": after})
    found: dict[UUID, list[Line]] = {}
    for row in rows:
        found.setdefault(row.order_id, []).append(Line(**row._asdict()))
    return found


def _seal(
    connection: Connection,
    key: HistoryKey,
    last: Head | None,
    upto: datetime,
    of_orders: Mapping[UUID, Sequence[Line]],
) -> Head:
    before = {
        row.order_id: bytes(row.digest)
        for row in connection.execute(_BEFORE, {"order_ids": list(of_orders)})
    }
    sealed = [
        (order_id, key.of_lines(before.get(order_id, NOTHING), lines))
        for order_id, lines in of_orders.items()
    ]
    digest = key.of_head(NOTHING if last is None else last.digest, upto, sealed)
    count = sum(map(len, of_orders.values()))
    head = Head(1 if last is None else last.head_no + 1, upto, digest, key.key_id, count)
    connection.execute(
        text(
            """
            INSERT INTO history_heads (head_no, upto, digest, key_id, lines)
            VALUES (:head_no, :upto, :digest, :key_id, :lines)
            """
        ),
        {name: getattr(head, name) for name in Head.__slots__},
    )
    connection.execute(
        text(
            """
            INSERT INTO history_seals (order_id, head_no, lines, digest)
            VALUES (:order_id, :head_no, :lines, :digest)
            """
        ),
        [
            {
                "order_id": order_id,
                "head_no": head.head_no,
                "lines": len(of_orders[order_id]),
                "digest": made,
            }
            for order_id, made in sealed
        ],
    )
    return head


@dataclass(frozen=True, slots=True)
class Difference:
    """What is not as it was sealed; `order_id` is None for what concerns the seals themselves."""

    head_no: int
    order_id: UUID | None
    what: str


@dataclass(slots=True)
class Verified:
    """How much was looked at; `unsealed` lines are younger than the newest head."""

    heads: int = 0
    lines: int = 0
    unsealed: int = 0
    newest: Head | None = None


def verify(
    connection: Connection,
    keys: Mapping[str, HistoryKey],
    exported: Mapping[int, bytes],
    counted: Verified,
) -> Iterator[Difference]:
    """Compare the history with its seals, from the first one on; each difference that is found.

    `keys` are known by their ids, `exported` are digests of heads that were kept elsewhere, by
    number. `counted` is filled as it goes. All in the caller's transaction, of one snapshot.
    """
    before_of: dict[UUID, bytes] = {}
    last: Head | None = None
    missing = dict(exported)
    heads = connection.execute(text("SELECT * FROM history_heads ORDER BY head_no")).all()
    for row in heads:
        head = _head(row)
        number = 1 if last is None else last.head_no + 1
        if head.head_no != number:
            yield Difference(number, None, f"heads {number} to {head.head_no - 1} are missing")
        key = keys.get(head.key_id)
        if key is None:
            yield Difference(head.head_no, None, f"its key {head.key_id} is not known here")
        else:
            yield from _of_head(connection, key, head, last, before_of)
        kept = missing.pop(head.head_no, None)
        if kept is not None and kept != head.digest:
            yield Difference(head.head_no, None, "it is not the one that was kept elsewhere")
        last = head
        counted.heads += 1
        counted.lines += head.lines
    for number in sorted(missing):
        yield Difference(number, None, "it was kept elsewhere, and is not here")
    counted.newest = last
    counted.unsealed = connection.execute(
        text(
            """
            SELECT count(*) FROM order_events
            WHERE CAST(:upto AS timestamptz) IS NULL OR at > :upto
            """
        ),
        {"upto": None if last is None else last.upto},
    ).scalar_one()


def _of_head(
    connection: Connection,
    key: HistoryKey,
    head: Head,
    last: Head | None,
    before_of: dict[UUID, bytes],
) -> Iterator[Difference]:
    """What of one head's seals and lines differs; `before_of` goes on with what was sealed."""
    after = None if last is None else last.upto
    lines = _between(connection, after, head.upto)
    seals = {
        row.order_id: row
        for row in connection.execute(
            text("SELECT * FROM history_seals WHERE head_no = :head_no"), {"head_no": head.head_no}
        )
    }
    sealed = [(order_id, bytes(row.digest)) for order_id, row in seals.items()]
    if key.of_head(NOTHING if last is None else last.digest, head.upto, sealed) != head.digest:
        yield Difference(head.head_no, None, "its seals are not those that it was made of")
    for order_id in sorted(lines.keys() | seals.keys()):
        found, made = lines.get(order_id, []), seals.get(order_id)
        if made is None:
            yield Difference(head.head_no, order_id, f"{len(found)} lines were inserted")
            continue
        digest = key.of_lines(before_of.get(order_id, NOTHING), found)
        if digest != bytes(made.digest):
            more = len(found) - made.lines
            what = f"{more} lines were inserted" if more > 0 else f"{-more} lines are missing"
            yield Difference(head.head_no, order_id, what if more else "a line was changed")
        before_of[order_id] = bytes(made.digest)
