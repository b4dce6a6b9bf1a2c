"""Reduce-only: no such order turned a position around, or an alert names by how much."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from decimal import Decimal

from tests.oracle.case import Case, Place
from tests.oracle.ledger import Booked
from tests.oracle.words import concerns, names, plain

REVERSED = "REDUCE_ONLY_REVERSED"
_EPOCH = datetime.fromtimestamp(0, UTC)


def check_reversals(case: Case) -> None:
    """What reduce-only orders executed beyond zero is named by an alert; no alert is unfounded.

    Executions of one moment have no order that everybody agrees on: a reversal that happens
    whichever came first needs an alert, an alert needs a reversal that could have happened.
    """
    first = _beyond_zero(case, reducers_last=False)
    last = _beyond_zero(case, reducers_last=True)
    # A plain sale and a stop of one second: whichever came last turned the position around.
    certain = {key: min(first[key], last[key]) for key in first.keys() & last.keys()}
    possible = {
        key: max(first.get(key, Decimal(0)), last.get(key, Decimal(0)))
        for key in first.keys() | last.keys()
    }
    # One that an execution reported late has disproved is withdrawn.
    alerts = [
        row
        for row in case.facts.alerts
        if row["kind"] == REVERSED and "(withdrawn: " not in row["message"]
    ]
    for order_id, quantity in certain.items():
        name = f"order {case.orders[order_id]['client_order_id']}"
        mine = [row for row in alerts if concerns(row, order_id)]
        if not mine:
            text = f"{name}: reduce_only, and went {plain(quantity)} beyond zero without an alert"
            case.problem(text, kind="reversed")
        elif quantity == possible[order_id]:
            named = any(names(row["message"], quantity) for row in mine)
            case.expect(named, f"{name}: no alert names the {plain(quantity)} beyond zero")
    for row in alerts:
        caused = any(concerns(row, order_id) for order_id in possible)
        case.expect(caused, f"alert {REVERSED} {row['key']}: no position was reversed")


def _beyond_zero(case: Case, *, reducers_last: bool) -> dict[str, Decimal]:
    """By how much each reduce-only order made its position larger instead of smaller."""
    moves: defaultdict[Place, list[tuple[Booked, str | None]]] = defaultdict(list)
    for item in case.booked:
        attempt = case.attempt_called.get(item.venue_order_id)
        order = None if attempt is None else case.orders.get(attempt["order_id"])
        reducer = order["order_id"] if order is not None and order["reduce_only"] else None
        moves[case.place_of(item)].append((item, reducer))
    beyond: defaultdict[str, Decimal] = defaultdict(Decimal)
    for executions in moves.values():
        held = Decimal(0)
        # A stable sort: within a moment and a kind, the ledger's own order.
        executions.sort(
            key=lambda one: (one[0].executed_at or _EPOCH, (one[1] is not None) == reducers_last)
        )
        for item, reducer in executions:
            signed = item.quantity if item.side == "BUY" else -item.quantity
            after = held + signed
            if reducer is not None and after * signed > 0:
                beyond[reducer] += min(abs(after), item.quantity)
            held = after
            base = case.base_of(item)
            if item.commission and base is not None and item.commission_currency == base:
                held -= item.commission
    return beyond
