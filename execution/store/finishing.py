"""Steps 4 or 5 to 7, where a venue's executions are plain, in one statement (see `in_one`).

Two kinds come here: an order that its venue has filled in its first answer (`Taken`), of which
nothing is recorded yet, and one whose first executions are recorded (`Rested`, since mostly it
rested at its venue until they were heard).
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from psycopg2 import errors
from sqlalchemy import Connection

from execution.domain.lifecycle import Step
from execution.domain.orders import Order
from execution.domain.positions import Position
from execution.domain.reports import Execution, VenueOrder
from execution.domain.vocabulary import OrderState
from execution.store import first_fills, orders, positions, reports, transitions
from execution.store.executions import base_asset
from execution.store.first_fills import Heard
from execution.store.orders import Timing
from execution.store.rows import to_json
from execution.store.statements import Link


@dataclass(frozen=True, slots=True)
class Taken:
    """An order that its venue has taken and filled, which steps 4 to 6 have not written.

    `order` is as it was sent; `times` (monotonic) is when each of these steps was done.
    """

    order: Order
    said: VenueOrder
    watcher: UUID
    times: tuple[float, ...]

    @property
    def executions(self) -> Sequence[Execution]:
        """All that the venue has told of it."""
        return self.said.executions

    def after(self) -> Taken:
        """The same after one more step."""
        return replace(self, times=(*self.times, time.monotonic()))


@dataclass(frozen=True, slots=True)
class Rested:
    """An order with its first executions, which are recorded; steps 5 and 6 have not written.

    `order` is as it was before step 5; `times` (monotonic) is when each of these steps was done.
    """

    order: Order
    executions: Sequence[Execution]
    times: tuple[float, ...]

    def after(self) -> Rested:
        """The same after one more step."""
        return replace(self, times=(*self.times, time.monotonic()))


Unwritten = Taken | Rested


def filled_at_once(order: Order, said: VenueOrder) -> bool:
    """Whether a venue's first answer is all there will be, and nothing about it is odd."""
    return (
        said.state is OrderState.FILLED
        and said.filled_quantity == order.quantity
        and not order.filled_quantity
        and order.attempt.reported_state is None
        and first_fills.are_plain(order, said.executions)
    )


def first_heard(heard: Heard) -> bool:
    """Whether what was heard of an order is the first of it, all of it, and nothing about it odd.

    That nobody has heard more of it, or applied any of it, is looked at when it is written.
    """
    order = heard.order
    return (
        order.state is OrderState.SUBMITTED
        and order.unapplied == len(heard.executions)
        and first_fills.are_plain(order, heard.executions)
    )


_NOTHING_HEARD = """
    AND NOT EXISTS (SELECT FROM execution_reports r WHERE r.order_id = o.order_id)
    AND NOT EXISTS (SELECT FROM fills f WHERE f.order_id = o.order_id)
"""
_INSERT_APPLIED = reports.insert_sql(
    source="changed", column="applied_at", value="changed.updated_at"
)
_REPORTED = f"""
    reported AS (
        {_INSERT_APPLIED}
        RETURNING report_id, order_id, attempt_id, broker, environment, account, symbol, side,
            execution_id, quantity, price, commission, commission_currency, execution_mode,
            executed_at, applied_at, instrument_key
    )
"""


_TABLES = ("positions", "paper_positions")
_TAKEN = transitions.Also(
    guard=_NOTHING_HEARD,
    parts=f"""
        {_REPORTED}, unfinished AS ({first_fills.insert_sql("reported")} RETURNING fill_id)
    """,
)


def _finished(table: str, guard: str, reported: str, source: str) -> transitions.Also:
    """The fills of the reports that a part called `source` gives, and the position they move."""
    fills = first_fills.insert_sql(
        source,
        f", announced_at, positioned_at, {positions.POSITION_COLUMNS}",
        """, r.applied_at, r.applied_at, t.position_quantity, t.position_average_price,
            t.position_realised_pnl, t.position_commission""",
    )
    moved = positions.move_sql(table, "(SELECT max(fill_id) FROM finished)")
    return transitions.Also(
        guard=guard,
        parts=f"{reported}, finished AS ({fills} RETURNING fill_id), moved AS ({moved})",
    )


_TOLD = ("execution_id", "quantity", "price", "executed_at", "commission", "commission_currency")
# Order and position are moved by what was told, and the fill is made of what is recorded: that may
# have been recorded before, with less (a commission may be told later).
_AS_TOLD = f"""
    {first_fills.NOTHING_ELSE_HEARD}
    AND (SELECT count(*) FROM execution_reports r
        JOIN jsonb_to_recordset(CAST(:told AS jsonb)) AS t(execution_id text, quantity numeric,
            price numeric, executed_at timestamptz, commission numeric, commission_currency text)
            USING (execution_id, quantity, price, executed_at)
        WHERE r.order_id = o.order_id AND r.applied_at IS NULL
            AND (r.commission, r.commission_currency)
                IS NOT DISTINCT FROM (t.commission, t.commission_currency)) = :heard
"""
_RESTED = transitions.Also(guard=_AS_TOLD, parts=first_fills.PLAIN.parts)
_FINISHED: dict[tuple[type[Unwritten], str], transitions.Also] = {
    (Taken, table): _finished(table, _NOTHING_HEARD, _REPORTED, "reported") for table in _TABLES
} | {
    (Rested, table): _finished(table, _AS_TOLD, first_fills.APPLIED, "applied") for table in _TABLES
}


def finish(link: Link, unwritten: Unwritten, timing: Timing) -> Order | None:
    """All up to step 7, from the venue's word to the position, in one statement.

    None, and nothing done, when its place in the position is not at the end, or anything was heard
    of the order meanwhile.
    """
    order, heard = unwritten.order, _in_order(unwritten)
    # Before its position, as every step does, or two of them may meet.
    transitions.lock_ahead(link, order.order_id)
    held = positions.lock(link, order)
    if held is None or (held.last_executed_at or heard[0].executed_at) > heard[0].executed_at:
        return None
    decided, told, parameters = _decided(unwritten, heard, timing)
    filled = decided[-1][0]
    moved = transitions.Change(
        filled.state,
        Step.UPDATE_POSITIONS,
        completes=True,
        due=timing.step,
        reason=filled.reason,  # of one that the venue ended short
    )
    position = Position(held.quantity, held.average_price, held.realised_pnl, held.commission)
    rows = []
    for execution, row in zip(heard, told.rows, strict=True):
        entry = positions.entry(execution, base_asset(order.instrument))
        position = position.apply(entry, held.multiplier)
        rows.append(row | positions.after(position))
    try:
        written = transitions.apply_all(
            link,
            order,
            [*decided, (moved, 0.0)],
            also=_FINISHED[type(unwritten), positions.table_of(order.broker)],
            parameters={
                **parameters,
                "running": json.dumps(rows),
                **positions.move_parameters(order, position, heard[-1].executed_at),
            },
            more_events=[
                positions.message_of(order, execution, so_far)
                for execution, so_far in zip(heard, told.running, strict=True)
            ],
        )
    except errors.UniqueViolation:
        return None  # somebody has heard of such an execution: the long way looks at it
    return None if written is None else replace(written, unapplied=0)


def finish_late(connection: Connection, unwritten: Unwritten, timing: Timing) -> Order | None:
    """The same where the position must be folded anew, or made.

    None, and nothing done, when anything was heard of the order meanwhile, or otherwise.
    """
    order = unwritten.order
    decided, _, parameters = _decided(unwritten, _in_order(unwritten), timing)
    also = _TAKEN if isinstance(unwritten, Taken) else _RESTED
    try:
        written = transitions.apply_all(
            connection, order, decided, also=also, parameters=parameters
        )
    except errors.UniqueViolation:
        return None
    if written is None:
        return None
    positions.apply_for_order(connection, order.order_id, timing.step)
    return transitions.load(connection, order.order_id)


def _as_told(execution: Execution) -> dict[str, Any]:
    return {name: to_json(getattr(execution, name)) for name in _TOLD}


def _in_order(unwritten: Unwritten) -> list[Execution]:
    return sorted(unwritten.executions, key=lambda execution: execution.executed_at)


def _decided(
    unwritten: Unwritten, heard: Sequence[Execution], timing: Timing
) -> tuple[list[tuple[transitions.Change, float]], first_fills.Told, dict[str, Any]]:
    """The changes up to step 6, with how long ago each was decided, and what they take."""
    order, changes = unwritten.order, list[transitions.Change]()
    parameters: dict[str, Any] = {}
    if isinstance(unwritten, Taken):
        taken = orders.acknowledgement(order, unwritten.said, unwritten.watcher, timing)
        reported = orders.reported_by(unwritten.said)
        changes.append(replace(taken, attempt={**taken.attempt, **reported}))
        order = transitions.foreseen(order, changes[-1])
        parameters = reports.parameters_of(order, heard)
    changes.append(orders.hearing(order, timing))
    order = transitions.foreseen(order, changes[-1])
    filled, told = first_fills.plan(order, heard, timing.step)
    changes.append(filled)
    now = time.monotonic()
    decided = [(change, now - at) for change, at in zip(changes, unwritten.times, strict=True)]
    parameters["told"] = json.dumps([_as_told(execution) for execution in heard])
    return decided, told, parameters | told.parameters
