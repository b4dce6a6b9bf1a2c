"""What producers were promised: requests, commands, how each order ended and what it filled."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

from tests.oracle.case import Case
from tests.oracle.facts import FINAL, STATES, Row
from tests.oracle.words import RELATIVE


def check_requests(case: Case) -> None:
    """Each accepted request is one order, as asked; a refused one has a reason and no order."""
    accepted: dict[str, Row] = {}
    for row in case.facts.requests:
        name = f"request {row['client_order_id']} ({row['request_id']})"
        if row["outcome"] != "ACCEPTED":
            case.expect(row["reason"], f"{name}: refused without a reason")
            if row["order_id"] in case.orders:
                case.problem(f"{name}: refused, and an order all the same")
            continue
        accepted[row["order_id"]] = row
        order = case.orders.get(row["order_id"])
        if order is None:
            case.problem(f"{name}: accepted, and no order came of it", kind="lost")
        else:
            _asked(case, name, row, order)
    for order in case.facts.orders:
        name = f"order {order['client_order_id']}"
        case.expect(order["order_id"] in accepted, f"{name}: nobody asked for it")
    for name, count in Counter(row["client_order_id"] for row in case.facts.orders).items():
        if count > 1:
            case.problem(f"order {name}: there are {count} of them", kind="duplicates")


def _asked(case: Case, name: str, request: Row, order: Row) -> None:
    asked = request["payload"]
    same = (
        order["client_order_id"] == request["client_order_id"]
        and order["side"] == asked["side"]
        and order["requested_quantity"] == Decimal(str(asked["quantity"]))
    )
    case.expect(same, f"{name}: the order is not what was asked for")


def check_commands(case: Case) -> None:
    """A cancel or modify of an order that is there was done, or refused with a reason."""
    known = {row["client_order_id"] for row in case.facts.orders}
    for row in case.facts.commands:
        name = f"{row['kind']} {row['external_id']} of {row['client_order_id']}"
        if row["outcome"] == "PENDING" and row["client_order_id"] in known:
            case.problem(f"{name}: is still pending", kind="stuck")
        elif row["outcome"] == "REFUSED":
            case.expect(row["reason"], f"{name}: refused without a reason")


def check_end(case: Case, order: Row) -> None:
    """Each order is over, or stands where it may, in agreement with its venue."""
    name, state = f"order {order['client_order_id']}", order["state"]
    case.expect(state in STATES, f"{name}: {state} is no state")
    if state == "REJECTED":
        case.expect(order["reason"], f"{name}: REJECTED without a reason")
    if state in FINAL:
        return
    alerted = any(
        alert["order_id"] == order["order_id"] and alert["resolved_at"] is None
        for alert in case.facts.alerts
    )
    if state == "UNKNOWN" and alerted:
        return
    current = case.attempts_of[order["order_id"]][-1:]
    over = [
        held["state"]
        for attempt in current
        for _, held in case.at_venue[attempt["venue_order_id"]]
        if held["state"] in FINAL
    ]
    if over:
        case.problem(f"{name}: {state}, but {over[0]} at the venue", kind="stuck")
    elif state == "UNKNOWN":
        case.problem(f"{name}: UNKNOWN without an alert", kind="stuck")
    elif not case.allow_open:
        case.problem(f"{name}: stands in {state}", kind="stuck")


def check_sums(case: Case, order: Row) -> None:
    """What an order says is filled, against its fills and against the venue."""
    name, filled = f"order {order['client_order_id']}", order["filled_quantity"]
    fills = [(row["quantity"], row["price"]) for row in case.fills_of[order["order_id"]]]
    booked = [
        (item.quantity, item.price)
        for attempt in case.attempts_of[order["order_id"]]
        for item in case.booked_as[attempt["venue_order_id"]]
    ]
    for where, pairs in (("its fills", fills), ("the venue", booked)):
        quantity = sum((pair[0] for pair in pairs), Decimal(0))
        value = sum((pair[0] * pair[1] for pair in pairs), Decimal(0))
        size = sum((abs(pair[0] * pair[1]) for pair in pairs), Decimal(0))
        if quantity != filled:
            case.problem(f"{name}: {filled} filled, but {quantity} by {where}")
        elif not quantity:
            case.expect(order["average_price"] is None, f"{name}: a price of nothing")
        elif order["average_price"] is None or (
            abs(order["average_price"] * quantity - value) > RELATIVE * size
        ):
            average = order["average_price"]
            case.problem(f"{name}: average {average}, but {value / quantity} by {where}")
    case.expect(
        (order["state"] == "FILLED") == (filled >= order["quantity"]),
        f"{name}: {order['state']} with {filled} of {order['quantity']} filled",
    )
