"""Reduce-only: no such order turned a position around, or an alert names by how much."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import groupby

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
    certain = _beyond_zero(case, excusing=True)
    possible = _beyond_zero(case, excusing=False)
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


def _beyond_zero(case: Case, *, excusing: bool) -> dict[str, Decimal]:
    """By how much each reduce-only order made its position larger instead of smaller.

    Of one moment the executions are taken in the order that excuses it, or in the one that accuses.
    """
    moves: defaultdict[Place, list[tuple[Booked, str | None]]] = defaultdict(list)
    for item in case.booked:
        attempt = case.attempt_called.get(item.venue_order_id)
        order = None if attempt is None else case.orders.get(attempt["order_id"])
        reducer = order["order_id"] if order is not None and order["reduce_only"] else None
        moves[case.place_of(item)].append((item, reducer))
    beyond: defaultdict[str, Decimal] = defaultdict(Decimal)
    for executions in moves.values():
        held = Decimal(0)
        executions.sort(key=_moment)  # stable: the ledger's own order within a moment
        for _, together in groupby(executions, key=_moment):
            held = _through(case, held, list(together), beyond, excusing=excusing)
    return beyond


def _moment(one: tuple[Booked, str | None]) -> datetime:
    return one[0].executed_at or _EPOCH


def _through(
    case: Case,
    held: Decimal,
    together: Sequence[tuple[Booked, str | None]],
    beyond: defaultdict[str, Decimal],
    *,
    excusing: bool,
) -> Decimal:
    """What is held after the executions of one moment; adds what reducers took beyond zero."""
    for side, sign in (("BUY", 1), ("SELL", -1)):
        if excusing:  # what leaves most to reduce was first
            at = held - sign * sum(item.quantity for item, _ in together if item.side != side)
        else:  # what leaves least
            at = held + sign * sum(
                item.quantity for item, reducer in together if item.side == side and not reducer
            )
        for item, reducer in together:
            if reducer is not None and item.side == side:
                at += sign * item.quantity
                if at * sign > 0:
                    beyond[reducer] += min(abs(at), item.quantity)
    for item, _ in together:
        held += item.quantity if item.side == "BUY" else -item.quantity
        base = case.base_of(item)
        if item.commission and base is not None and item.commission_currency == base:
            held -= item.commission
    return held
