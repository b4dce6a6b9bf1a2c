"""The one way an order changes: a compare-and-set, with its attempt, history, events and reports.

`commit` writes the works of one order or of fifty with the same statement. Each stands for itself:
it is done on the version that was read, or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Self
from uuid import UUID

import psycopg2
import structlog
from sqlalchemy.exc import DBAPIError

from execution.domain.decimals import plain
from execution.domain.events import Event, OrderEventType, order_event
from execution.domain.identity import venue_order_id
from execution.domain.order_changes import Change, NextAttempt, foreseen
from execution.domain.orders import AttemptState, Order
from execution.domain.reports import VenueOrder
from execution.domain.vocabulary import OrderState
from execution.store import outbox, reports, touching
from execution.store.loading import DUE_FOR_NEWS
from execution.store.rows import to_json
from execution.store.statements import Direct, Link, Prepared

MOST_MEMBERS = 100
"""Works in one statement; a batch is split beyond that."""


@dataclass(slots=True)
class OrderWork:
    """Changes of an order that are committed together, or not at all.

    `order` is the order as it was read. `said` is the venue's word on its current attempt, with
    whatever it executed so far. With `controls_version` an intent to send is committed only while
    limits and trading states are those it was judged by.
    """

    order: Order
    changes: list[Change] = field(default_factory=list)
    said: VenueOrder | None = None
    controls_version: int | None = None
    events: list[Event] = field(default_factory=list)
    foreseen: Order = field(init=False)

    def __post_init__(self) -> None:
        self.foreseen, changes, self.changes = self.order, self.changes, []
        for change in changes:
            self.record(change)

    def record(self, change: Change) -> Self:
        """Add a change, which is made of what the ones before it leave. IllegalTransition.

        Nothing can be added to one that gives the order another attempt: it is read anew first.
        """
        if self.changes and self.last.followed_by is not None:
            raise ValueError("the order has another attempt now: load it anew")
        self.events += _events_of(self.foreseen, change)
        self.foreseen = foreseen(self.foreseen, change)
        self.changes.append(change)
        return self

    @property
    def last(self) -> Change:
        """The change that decides what is due afterwards."""
        return self.changes[-1]

    @property
    def executions(self) -> Sequence[Any]:
        """What the venue has executed, as it says itself."""
        return () if self.said is None else self.said.executions

    @property
    def family(self) -> UUID | None:
        """The bracket that has to be looked at again; None where no member's size changes."""
        if any(touching.concerns(self.order, c.state, c.order, c.attempt) for c in self.changes):
            return self.order.parent_order_id or self.order.order_id
        return None

    @property
    def settles_doubt(self) -> bool:
        """Whether this says what became of an order in doubt, whoever found it out."""
        before, after = self.order.state, self.foreseen.state
        in_doubt = {OrderState.UNKNOWN, OrderState.SUBMITTING}
        if after in in_doubt:
            return False
        return before is OrderState.UNKNOWN or (before in in_doubt and after.is_final)


def apply(
    link: Link,
    order: Order,
    change: Change,
    *,
    said: VenueOrder | None = None,
    controls_version: int | None = None,
) -> Order | None:
    """`commit` of one change: the order as it is then, None when somebody else has changed it."""
    work = OrderWork(order, [change], said=said, controls_version=controls_version)
    return commit(link, [work])[0]


def commit(link: Link, works: Sequence[OrderWork]) -> list[Order | None]:
    """Write works, each of another order: the orders as they are then, in the same sequence.

    None for one that somebody else has changed meanwhile, or whose limits have changed: nothing of
    it is written, and whoever wants it reads the order again. So it is, of several, for one that
    another transaction holds just now, and for one whose own values PostgreSQL refuses: alone it
    raises the error. A change that gives the order another attempt returns the order with the old
    one: load it anew.

    Several works, and those that give an order another attempt, need a transaction around them.
    """
    if len(works) == 1:
        return [_write(link, works).get(works[0].order.order_id)]
    if len({work.order.order_id for work in works}) < len(works):
        raise ValueError("two works of one order")
    if isinstance(link, Direct) and not link.in_transaction:
        raise ValueError("several works need a transaction")
    written: dict[UUID, Order] = {}
    for batch in _batches(works):
        held = _lock(link, batch)
        written |= _write_apart(link, [work for work in batch if work.order.order_id in held])
    return [written.get(work.order.order_id) for work in works]


def _batches(works: Sequence[OrderWork]) -> Iterator[Sequence[OrderWork]]:
    """Works that one statement can write: of one shape, and of no bracket but alone."""
    alike: dict[_Shape, list[OrderWork]] = {}
    for work in works:
        if work.family is not None or work.controls_version is not None:
            yield [work]
        else:
            alike.setdefault(_Shape.of(work), []).append(work)
    for group in alike.values():
        for first in range(0, len(group), MOST_MEMBERS):
            yield group[first : first + MOST_MEMBERS]


_LOCK = Prepared(
    """
    SELECT order_id FROM orders
    WHERE order_id = ANY(CAST(CAST(:order_ids AS text[]) AS uuid[]))
    ORDER BY order_id FOR NO KEY UPDATE SKIP LOCKED
    """
)


def _lock(link: Link, works: Sequence[OrderWork]) -> set[UUID]:
    """The orders that nobody else holds: one that is stuck must not hold up the others.

    In a statement of its own, since an UPDATE takes its locks in whatever order it finds the rows.
    """
    rows = _LOCK.run(link, {"order_ids": [str(work.order.order_id) for work in works]})
    return {row.order_id for row in rows}


def _write_apart(link: Link, works: Sequence[OrderWork]) -> dict[UUID, Order]:
    """Write works; where PostgreSQL refuses a value of one, each by itself."""
    if not works:
        return {}
    _say(link, "SAVEPOINT works")
    try:
        written = _write(link, works)
    except (psycopg2.Error, DBAPIError) as error:
        if not _is_of_values(error):
            raise
        _say(link, "ROLLBACK TO SAVEPOINT works")
        written = {}
        if len(works) == 1:
            structlog.get_logger().error(
                "change not written", order_id=str(works[0].order.order_id), error=str(error)
            )
        for work in works if len(works) > 1 else ():
            written |= _write_apart(link, [work])
    _say(link, "RELEASE SAVEPOINT works")
    return written


def _is_of_values(error: psycopg2.Error | DBAPIError) -> bool:
    """Whether an error is about a member's own values: data, constraints, what a trigger raises."""
    code = getattr(getattr(error, "orig", error), "pgcode", None) or ""
    return code[:2] in {"22", "23"} or code == "P0001"


def _say(link: Link, command: str) -> None:
    if isinstance(link, Direct):
        link.say(command)
    else:
        link.exec_driver_sql(command)


@dataclass(frozen=True, slots=True)
class _Shape:
    """What kind of change a work is: works of one shape are one statement. There are about thirty.

    The columns that are set are named in it, since a trigger may be of one of them.
    """

    order: tuple[str, ...]
    attempt: tuple[str, ...]
    clock: tuple[str, ...]
    events: bool
    intent: bool
    said: bool
    executions: bool
    family: bool
    settles_doubt: bool

    @classmethod
    def of(cls, work: OrderWork) -> _Shape:
        def named(columns: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
            return tuple(dict.fromkeys(name for one in columns for name in one))

        return cls(
            named(change.columns for change in work.changes),
            named(change.attempt for change in work.changes),
            named(change.clock for change in work.changes),
            events=bool(work.events),
            intent=work.controls_version is not None,
            said=work.said is not None,
            executions=bool(work.executions),
            family=work.family is not None,
            settles_doubt=work.settles_doubt,
        )


def _write(link: Link, works: Sequence[OrderWork]) -> dict[UUID, Order]:
    """Write works of one shape with one statement; the orders that were changed."""
    shape = _Shape.of(works[0])
    values: dict[str, Any] = {"works": json.dumps([_row(work) for work in works])}
    if shape.events:
        values["events"] = outbox.as_json(event for work in works for event in work.events)
    if shape.executions:
        values |= reports.parameters(
            (reports.About.of(work.order), work.executions) for work in works
        )
    rows = {row.order_id: row for row in _statement(shape).run(link, values)}
    done = [work for work in works if work.order.order_id in rows]
    _insert_attempts(link, [work for work in done if work.last.followed_by is not None])
    return {work.order.order_id: _as_written(work, rows[work.order.order_id]) for work in done}


def _row(work: OrderWork) -> dict[str, Any]:
    """A work as `_WORK` reads it."""
    order, last = work.order, work.last
    columns: dict[str, Any] = {}
    attempt: dict[str, Any] = {}
    clock: dict[str, float] = {}
    for change in work.changes:
        columns |= change.columns
        attempt |= change.attempt
        clock |= {name: distance.total_seconds() for name, distance in change.clock.items()}
    row: dict[str, Any] = {
        "order_id": order.order_id,
        "version": order.version,
        "attempt_id": order.attempt.attempt_id,
        "broker": order.broker,
        "attempt_no": order.attempt.attempt_no,
        "changes": len(work.changes),
        "due": None if last.due is None else last.due.total_seconds(),
        "repeats": last.repeats,
        "columns": columns,
        "attempt": attempt,
        "clock": clock,
        "history": [_line(change) for change in work.changes],
        "family": work.family,
        "controls": work.controls_version,
    }
    if work.said is not None:
        row["said"] = reported_by(work.said) | {"final": work.said.state.is_final}
    return {name: to_json(value) for name, value in row.items()}


def _line(change: Change) -> dict[str, Any]:
    """A line of the order's history."""
    detail = {"reason": change.reason, **change.detail}
    return {
        "label": change.made_by,
        "state": change.state,
        "detail": {name: value for name, value in detail.items() if value is not None},
    }


def reported_by(said: VenueOrder) -> dict[str, Any]:
    """The attempt's columns for a venue's word."""
    return {
        "reported_state": said.state,
        "reported_quantity": said.filled_quantity,
        "reported_reason": said.reason,
    }


def _as_written(work: OrderWork, row: Any) -> Order:
    changed, last = work.foreseen, work.last
    moved = {
        name: row.changed_at + distance
        for change in work.changes
        for name, distance in change.clock.items()
        if name in AttemptState.__slots__
    }
    said = work.said
    if said is not None and (work.order.attempt.reported_state is None or said.state.is_final):
        moved |= reported_by(said)
    return replace(
        changed,
        due_at=row.due_at,
        resends=work.order.resends if last.repeats else 0,
        updated_at=row.changed_at,
        read_at=row.changed_at,
        unapplied=work.order.unapplied + row.unapplied,
        attempt=replace(changed.attempt, **moved),
    )


_WORK = """
    SELECT * FROM jsonb_to_recordset(CAST(:works AS jsonb)) AS w(order_id uuid, version integer,
        attempt_id uuid, broker text, attempt_no smallint, changes integer, due float8,
        repeats boolean, columns jsonb, attempt jsonb, clock jsonb, history jsonb, family uuid,
        controls bigint, said jsonb)
"""
# The venue's last word on an attempt is not replaced by an earlier one.
_SAID = [
    f"""{column} = CASE WHEN CAST(c.said ->> 'final' AS boolean) OR a.reported_state IS NULL
        OR a.reported_state NOT IN ('FILLED', 'CANCELLED', 'REJECTED', 'EXPIRED')
        THEN CAST(c.said ->> '{column}' AS {kind}) ELSE a.{column} END"""
    for column, kind in (
        ("reported_state", "text"),
        ("reported_quantity", "numeric"),
        ("reported_reason", "text"),
    )
]
_UNCHANGED_CONTROLS = """ AND EXISTS (SELECT FROM risk_controls
    WHERE single AND risk_controls.version = w.controls)"""


@lru_cache(maxsize=256)
def _statement(shape: _Shape) -> Prepared:
    """The statement of one shape."""
    columns = "".join(f", {name} = p.{name}" for name in shape.order)
    assignments = [
        *(f"{name} = p.{name}" for name in shape.attempt),
        *(
            f"{name} = c.updated_at + make_interval(secs => CAST(c.clock ->> '{name}' AS float8))"
            for name in shape.clock
        ),
        *(["intents = a.intents + 1"] if shape.intent else []),
        *(_SAID if shape.said else []),
    ]
    parts = []
    if assignments:
        parts.append(
            f"""attempt AS (
                UPDATE order_attempts a SET updated_at = c.updated_at, {", ".join(assignments)}
                FROM changed c
                    CROSS JOIN LATERAL jsonb_populate_record(NULL::order_attempts, c.attempt) p
                WHERE a.attempt_id = c.attempt_id
            )"""
        )
    if shape.events:
        parts.append(
            f"""published AS (
                {outbox.INSERT_EVENTS} WHERE e.order_id IN (SELECT order_id FROM changed)
                ON CONFLICT (event_id) DO NOTHING
            )"""
        )
    if shape.executions:
        parts.append(
            f"""unapplied AS (
                {reports.INSERT_SQL} WHERE heard.order_id IN (SELECT order_id FROM changed)
                {reports.ON_CONFLICT} RETURNING order_id
            )"""
        )
    if shape.family:
        parts.append(
            f"touched AS ({touching.TOUCH} FROM changed c WHERE b.parent_order_id = c.family)"
        )
    if shape.settles_doubt:
        parts.append(
            """settled AS (
                UPDATE alerts SET resolved_at = clock_timestamp()
                WHERE kind = 'UNKNOWN_OUTCOME' AND resolved_at IS NULL
                    AND key IN (SELECT CAST(order_id AS text) FROM changed)
            )"""
        )
    unapplied = (
        "(SELECT count(*) FROM unapplied u WHERE u.order_id = changed.order_id)"
        if shape.executions
        else "0"
    )
    return Prepared(
        f"""
        WITH work AS ({_WORK}), changed AS (
            UPDATE orders o SET version = o.version + w.changes, updated_at = clock_timestamp(),
                -- Nothing is due only while nothing is left to do.
                due_at = CASE WHEN w.due IS NULL THEN ({DUE_FOR_NEWS})
                    ELSE clock_timestamp() + make_interval(secs => w.due) END,
                resends = CASE WHEN w.repeats THEN o.resends ELSE 0 END {columns}
            FROM work w CROSS JOIN LATERAL jsonb_populate_record(NULL::orders, w.columns) p
            WHERE o.order_id = w.order_id AND o.version = w.version
                {_UNCHANGED_CONTROLS if shape.intent else ""}
            RETURNING o.order_id, o.updated_at, o.due_at, w.attempt_id, w.attempt, w.clock,
                w.broker, w.attempt_no, w.history, w.family, w.said
        ), history AS (
            INSERT INTO order_events (order_id, at, step, state, broker, attempt_no, detail)
            SELECT c.order_id, c.updated_at, h.label, h.state, c.broker, c.attempt_no, h.detail
            FROM changed c CROSS JOIN LATERAL jsonb_to_recordset(c.history)
                AS h(label text, state text, detail jsonb)
        ) {"".join(f", {part}" for part in parts)}
        SELECT order_id, updated_at AS changed_at, due_at, {unapplied} AS unapplied FROM changed
        """
    )


# A statement of its own: the trigger that keeps paper and live apart must see the old attempt's
# end. Most of it stands on the order's row by now.
_NEXT_ATTEMPTS = Prepared(
    """
    INSERT INTO order_attempts (attempt_id, order_id, attempt_no, broker, environment, account,
        execution_mode, venue_order_id, quantity, state, one_cancels_other)
    SELECT n.attempt_id, o.order_id, n.attempt_no, o.broker, o.environment,
        coalesce(n.account, o.account), o.execution_mode, n.venue_order_id,
        coalesce(n.quantity, o.quantity - o.filled_quantity), 'PENDING', n.one_cancels_other
    FROM jsonb_to_recordset(CAST(:attempts AS jsonb)) AS n(attempt_id uuid, order_id uuid,
        attempt_no smallint, account text, venue_order_id text, quantity numeric,
        one_cancels_other uuid)
    JOIN orders o ON o.order_id = n.order_id
    """
)


def _insert_attempts(link: Link, works: Sequence[OrderWork]) -> None:
    if not works:
        return
    if isinstance(link, Direct) and not link.in_transaction:
        raise ValueError("an order and its next attempt need a transaction")
    rows = []
    for work in works:
        following, number = work.last.followed_by, work.order.attempt.attempt_no + 1
        known_as = venue_order_id(work.order.order_id, number)
        named = {name: getattr(following, name) for name in NextAttempt.__slots__}
        order = {"order_id": work.order.order_id, "attempt_no": number, "venue_order_id": known_as}
        rows.append(to_json(named | order))
    _NEXT_ATTEMPTS.run(link, {"attempts": json.dumps(rows)})


def _events_of(order: Order, change: Change) -> list[Event]:
    """One message for a new state, and one for each further type the change names."""
    kinds = list(change.events)
    if change.state != order.state:
        kinds.insert(0, change.state.value)
    return [
        order_event(
            kind,
            key=order.version + 1,
            at=order.read_at,
            client_order_id=order.client_order_id,
            order_id=order.order_id,
            symbol=order.symbol,
            broker=change.order.get("broker", order.broker),
            execution_mode=change.order.get("execution_mode", order.execution_mode),
            state=change.state,
            reason=_terms(change) if kind == OrderEventType.MODIFIED else change.reason,
            step=change.made_by,
        )
        for kind in kinds
    ]


def _terms(change: Change) -> str:
    """What a change made of an order's terms, as MODIFIED says it: `limit_price 590.25`.

    A note of the change says why it was made.
    """
    names = ("quantity", "limit_price", "stop_price")
    terms = ", ".join(f"{n} {plain(change.order[n])}" for n in names if n in change.order)
    note = change.detail.get("note")
    return terms if note is None else f"{terms} ({note})"
