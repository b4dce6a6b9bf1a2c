"""The one way an order changes: a compare-and-set with its history and its events."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from execution.domain.decimals import plain
from execution.domain.events import Event, OrderEventType, order_event
from execution.domain.lifecycle import Step
from execution.domain.orders import AttemptState, Order
from execution.domain.vocabulary import OrderState
from execution.store import outbox, touching
from execution.store.rows import order_from_row, to_json
from execution.store.statements import Link, Prepared

_ORDER_COLUMNS = (
    "order_id",
    "client_order_id",
    "instrument",
    "side",
    "order_type",
    "quantity",
    "time_in_force",
    "limit_price",
    "stop_price",
    "trail_amount",
    "trail_percent",
    "expires_at",
    "outside_rth",
    "post_only",
    "reduce_only",
    "reference_price",
    "on_failure",
    "environment",
    "account",
    "requested_broker",
    "broker",
    "execution_mode",
    "state",
    "reason",
    "filled_quantity",
    "average_price",
    "strategy",
    "take_profit_price",
    "stop_loss_price",
    "parent_order_id",
    "role",
    "version",
    "step",
    "due_at",
    "resends",
    "created_at",
    "updated_at",
)
_ATTEMPT_COLUMNS = (
    "attempt_id",
    "attempt_no",
    "account",
    "venue_order_id",
    "broker_order_id",
    "quantity",
    "filled_quantity",
    "state",
    "intent_at",
    "send_by",
    "lease_owner",
    "lease_until",
    "watcher",
    "reported_state",
    "reported_quantity",
    "reported_reason",
    "replacement",
    "closes",
    "reduced",
    "one_cancels_other",
    "created_at",
)

CHANNEL = """
    CASE WHEN o.broker = 'IBKR' AND o.state NOT IN ('FILLED', 'CANCELLED', 'REJECTED', 'EXPIRED')
    THEN (SELECT i.client_id FROM ibkr_order_ids i WHERE i.venue_order_id = a.venue_order_id
        AND EXISTS (SELECT FROM ibkr_client_ids c WHERE c.client_id = i.client_id)) END
"""
"""Which client id alone can change the attempt `a`: while its order `o` is not over, and where
several are shared."""

_GROUP_FILLED = """
    CASE WHEN a.one_cancels_other IS NOT NULL THEN (SELECT coalesce(sum(g.filled_quantity), 0)
        FROM order_attempts g WHERE g.one_cancels_other = a.one_cancels_other
        AND g.attempt_id <> a.attempt_id) END
"""
_STANDING = """
    CASE WHEN o.parent_order_id IS NULL THEN 0 ELSE (SELECT count(*) FROM order_attempts s
        WHERE s.order_id = o.order_id AND s.attempt_id <> a.attempt_id
        AND s.state IN ('SUBMITTED', 'PARTIALLY_FILLED')) END
"""
DUE_FOR_NEWS = """
    SELECT clock_timestamp()
    WHERE EXISTS (SELECT FROM execution_reports r
            WHERE r.order_id = o.order_id AND r.applied_at IS NULL)
        OR EXISTS (SELECT FROM fills f
            WHERE f.order_id = o.order_id AND f.positioned_at IS NULL)
"""
"""When an order `o` is due of which nothing else is: at once while step 5 has something to go on
with (see `Order.has_news`), else never."""

COLUMNS = ", ".join(
    [
        *(f"o.{name}" for name in _ORDER_COLUMNS),
        *(f"a.{name} AS a_{name}" for name in _ATTEMPT_COLUMNS),
        f"{CHANNEL} AS a_channel",
        f"{_GROUP_FILLED} AS a_group_filled",
        f"{_STANDING} AS standing",
        "clock_timestamp() AS read_at",
    ]
)
"""What `order_from_row` needs of `orders o` and `order_attempts a`, without the two counts."""

_SELECT = f"""
    SELECT {COLUMNS},
        (SELECT count(*) FROM execution_reports r
            WHERE r.order_id = o.order_id AND r.applied_at IS NULL) AS unapplied,
        (SELECT count(*) FROM fills f
            WHERE f.order_id = o.order_id AND f.positioned_at IS NULL) AS unfinished
    FROM orders o JOIN order_attempts a ON a.order_id = o.order_id AND a.leg = 0
"""
SELECT_ORDER = f"{_SELECT} AND a.attempt_no = o.attempt_no "
SELECT_ATTEMPT = _SELECT
"""An order as `SELECT_ORDER` reads it, with any of its attempts in the place of the current one:
earlier ones of a bracket's child may stand at the venue beside it."""

_BY_ID = Prepared(SELECT_ORDER + " WHERE o.order_id = CAST(:order_id AS uuid)")
# Not FOR UPDATE: reports that refer to the order may come meanwhile.
_LOCK_BY_ID = Prepared(
    "SELECT FROM orders WHERE order_id = CAST(:order_id AS uuid) FOR NO KEY UPDATE"
)
_BY_VENUE_ID = Prepared(SELECT_ORDER + " WHERE a.venue_order_id = :venue_order_id")
_STANDING_BY_VENUE_ID = Prepared(
    SELECT_ATTEMPT
    + """ WHERE a.venue_order_id = :venue_order_id AND o.parent_order_id IS NOT NULL
        AND a.state IN ('SUBMITTED', 'PARTIALLY_FILLED')"""
)
_BY_ATTEMPT = Prepared(SELECT_ATTEMPT + " WHERE a.attempt_id = CAST(:attempt_id AS uuid)")
_BY_CLIENT_ID = Prepared(SELECT_ORDER + " WHERE o.client_order_id = :client_order_id")
_LOCK_BY_CLIENT_ID = Prepared(
    "SELECT FROM orders WHERE client_order_id = :client_order_id FOR NO KEY UPDATE"
)


def load(link: Link, order_id: UUID, *, lock: bool = False) -> Order | None:
    """An order with its current attempt; `lock` keeps others from changing it meanwhile."""
    if lock:  # first, in a statement of its own: the attempt must be read as it is after the wait
        lock_order(link, order_id)
    return _order(_BY_ID.one(link, {"order_id": order_id}))


def lock_order(link: Link, order_id: UUID) -> None:
    """Keep others from changing an order; before anything else of it is locked, or they may meet.

    Whoever has the order's attempt, fills or position first, and wants the order then, is in a
    deadlock with every step: PostgreSQL ends one of them, a second later.
    """
    _LOCK_BY_ID.run(link, {"order_id": order_id})


def load_by_venue_id(link: Link, venue_order_id: str) -> Order | None:
    """The order whose current attempt is called so at its venue."""
    return _order(_BY_VENUE_ID.one(link, {"venue_order_id": venue_order_id}))


def load_standing(link: Link, venue_order_id: str) -> Order | None:
    """A bracket's child with the attempt that works at its venue under that name.

    It may be an earlier one than the current: `Order.attempt` is the one that is named.
    """
    return _order(_STANDING_BY_VENUE_ID.one(link, {"venue_order_id": venue_order_id}))


def load_with_attempt(link: Link, attempt_id: UUID) -> Order | None:
    """An order with one of its attempts in the place of the current one."""
    return _order(_BY_ATTEMPT.one(link, {"attempt_id": attempt_id}))


def load_by_client_id(
    link: Link, client_order_id: str | None, *, lock: bool = False
) -> Order | None:
    """The order that its producer calls so."""
    if lock:
        _LOCK_BY_CLIENT_ID.run(link, {"client_order_id": client_order_id})
    return _order(_BY_CLIENT_ID.one(link, {"client_order_id": client_order_id}))


def _order(row: Any) -> Order | None:
    return None if row is None else order_from_row(row._asdict())


@dataclass(frozen=True, slots=True)
class Change:
    """What a step makes of an order.

    `step` is the step that did it (for history) and, where `completes` is True, the last one
    completed from now on. `due` is how long recovery gives the next step; None: nothing is due,
    unless something was reported and is not in a position yet.
    `repeats` says that the same step is tried again, so that how often it was stays counted.
    `order` and `attempt` are further columns, `clock` times of the attempt as distances from the
    database's clock; `detail` is kept with the history.
    """

    state: OrderState
    step: Step | None
    completes: bool = False
    due: timedelta | None = None
    reason: str | None = None
    order: Mapping[str, Any] = field(default_factory=dict)
    attempt: Mapping[str, Any] = field(default_factory=dict)
    clock: Mapping[str, timedelta] = field(default_factory=dict)
    detail: Mapping[str, Any] = field(default_factory=dict)
    events: Sequence[str] = ()
    label: str | None = None
    repeats: bool = False


def beside_its_fills(order: Order) -> tuple[Mapping[str, Any], timedelta | None]:
    """Further columns and the due time of an order that ends otherwise than by a fill.

    Fills that are on their way through steps 6 to 8 stay on it; else nothing is left to do.
    """
    if order.step in (Step.PERSIST_FILL, Step.UPDATE_POSITIONS):
        return {}, order.remaining
    return {"step": int(Step.PUBLISH_FILL_EVENT)}, None


@dataclass(frozen=True, slots=True)
class Also:
    """More that happens in a change's own statement, or not at all.

    `parts` are further `name AS (…)` of it, which may read `changed` (order_id); `guard` is a
    further condition on the order `o`, `attempt` further assignments for the attempt `a`.
    """

    parts: str = ""
    guard: str = ""
    attempt: str = ""


def with_events(change: Change, events: Sequence[str], reports: Sequence[Row[Any]]) -> Change:
    """The same change, telling more: further event types, and the executions it comes from."""
    detail = {"executions": [row.execution_id for row in reports], **change.detail}
    return replace(change, events=(*change.events, *events), detail=detail)


_NOTHING_ELSE = Also()


def apply(
    link: Link,
    order: Order,
    change: Change,
    also: Also = _NOTHING_ELSE,
    parameters: Mapping[str, Any] | None = None,
) -> Order | None:
    """Make a change, in one statement, on the version that was read.

    Returns the order as it is then. None when somebody else changed it meanwhile, or a guard does
    not hold: nothing is done then, and the caller reads it again or stops. A change that gives the
    order another attempt returns the order with the old one: load it anew.
    """
    events, columns = _events_of(order, change), _order_set(change)
    values: dict[str, Any] = {
        "order_id": order.order_id,
        "version": order.version,
        "attempt_id": order.attempt.attempt_id,
        "due": change.due,
        "broker": order.broker,
        "attempt_no": order.attempt.attempt_no,
        "label": _label(change),
        "state": change.state,
        "detail": json.dumps(to_json(_without_none({"reason": change.reason, **change.detail}))),
        "events": outbox.as_json(events) if events else None,
        **{f"o_{name}": value for name, value in columns.items()},
        **{f"a_{name}": value for name, value in change.attempt.items()},
        **{f"c_{name}": value for name, value in change.clock.items()},
        **(parameters or {}),
    }
    if touching.concerns(order, change.state, change.order, change.attempt):
        values["family"] = order.parent_order_id or order.order_id
        also = replace(also, parts=", ".join(filter(None, (also.parts, touching.PART))))
    if _settles_doubt(order.state, change.state):
        also = replace(also, parts=", ".join(filter(None, (also.parts, _SETTLED))))
    statement = _statement(
        tuple(columns),
        tuple(change.attempt),
        tuple(change.clock),
        also,
        events=bool(events),
        due=change.due is not None,
        repeats=change.repeats,
    )
    row = statement.one(link, values)
    if row is None:
        return None
    changed = foreseen(order, change)
    moved = {
        name: row.changed_at + distance
        for name, distance in change.clock.items()
        if name in AttemptState.__slots__
    }
    return replace(
        changed,
        due_at=row.due_at,
        resends=order.resends if change.repeats else 0,
        updated_at=row.changed_at,
        read_at=row.changed_at,
        unapplied=order.unapplied + row.unapplied,
        attempt=replace(changed.attempt, **moved),
    )


_SETTLED = """settled AS (
    UPDATE alerts SET resolved_at = clock_timestamp()
    WHERE kind = 'UNKNOWN_OUTCOME' AND key = CAST(CAST(:order_id AS uuid) AS text)
        AND resolved_at IS NULL AND EXISTS (SELECT FROM changed))"""


def _settles_doubt(before: OrderState, after: OrderState) -> bool:
    """Whether a change says what became of an order in doubt, whoever found it out."""
    in_doubt = {OrderState.UNKNOWN, OrderState.SUBMITTING}
    if after in in_doubt:
        return False
    return before is OrderState.UNKNOWN or (before in in_doubt and after.is_final)


def _label(change: Change) -> str | None:
    return change.label or (change.step.label if change.step else None)


def _order_set(change: Change) -> dict[str, Any]:
    columns = dict(change.order) | {"state": change.state, "reason": change.reason}
    if change.completes and change.step is not None:
        columns["step"] = int(change.step)
    return columns


def foreseen(order: Order, change: Change) -> Order:
    """An order as a change will leave it, but for what the database's clock says."""
    known = {name: value for name, value in _order_set(change).items() if name in Order.__slots__}
    kept = {name: value for name, value in change.attempt.items() if name in AttemptState.__slots__}
    attempt = replace(order.attempt, **kept)
    return replace(order, **known, version=order.version + 1, attempt=attempt)


@lru_cache(maxsize=256)
def _statement(
    order: tuple[str, ...],
    attempt: tuple[str, ...],
    clock: tuple[str, ...],
    also: Also,
    *,
    events: bool,
    due: bool,
    repeats: bool,
) -> Prepared:
    """The statement of one kind of change; there are about twenty kinds."""
    # Nothing is due only while nothing is left to do.
    due_sql = "clock_timestamp() + CAST(:due AS interval)" if due else f"({DUE_FOR_NEWS})"
    order_sql = "".join(f", {name} = :o_{name}" for name in order)
    assignments = [
        *(f"{name} = :a_{name}" for name in attempt),
        *(f"{name} = changed.updated_at + CAST(:c_{name} AS interval)" for name in clock),
        *([also.attempt] if also.attempt else []),
    ]
    parts = []
    if assignments:
        parts.append(
            f"""attempt AS (
                UPDATE order_attempts a SET updated_at = changed.updated_at,
                    {", ".join(assignments)}
                FROM changed WHERE a.attempt_id = CAST(:attempt_id AS uuid)
            )"""
        )
    if events:
        parts.append(
            f"""told AS (
                {outbox.INSERT_EVENTS} WHERE EXISTS (SELECT FROM changed)
                ON CONFLICT (event_id) DO NOTHING
            )"""
        )
    if also.parts:
        parts.append(also.parts)
    # What a part called so returns is more for step 6 to apply.
    unapplied = "(SELECT count(*) FROM unapplied)" if "unapplied AS" in also.parts else "0"
    return Prepared(
        f"""
        WITH changed AS (
            UPDATE orders o SET version = version + 1, updated_at = clock_timestamp(),
                due_at = {due_sql}{"" if repeats else ", resends = 0"} {order_sql}
            WHERE order_id = CAST(:order_id AS uuid) AND version = :version {also.guard}
            RETURNING order_id, updated_at, due_at
        ), history AS (
            INSERT INTO order_events (order_id, at, step, state, broker, attempt_no, detail)
            SELECT order_id, updated_at, CAST(:label AS text), CAST(:state AS text),
                CAST(:broker AS text), CAST(:attempt_no AS smallint), CAST(:detail AS jsonb)
            FROM changed
        ) {"".join(f", {part}" for part in parts)}
        SELECT updated_at AS changed_at, due_at, {unapplied} AS unapplied FROM changed
        """
    )


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
            step=_label(change),
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


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
