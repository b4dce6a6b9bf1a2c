"""What the venues hold: their orders against our attempts, their executions against our fills."""

from __future__ import annotations

import re
from collections import defaultdict
from decimal import Decimal

from tests.oracle.case import Case
from tests.oracle.facts import FINAL, TAKEN, WORKING, Row, Venue
from tests.oracle.ledger import Booked
from tests.oracle.words import execution_key, is_booked, letters, mode_fits

_OUR_ID = re.compile(r"[A-Za-z0-9_-]{22}", re.ASCII)


def check_attempts(case: Case, order: Row) -> None:
    """An order's attempts beside each other: no doubled execution, no paper beside live."""
    name, attempts = f"order {order['client_order_id']}", case.attempts_of[order["order_id"]]
    case.expect(attempts, f"{name}: has no attempt")
    executed = {
        attempt["venue_order_id"]: sum(
            (item.quantity for item in case.booked_as[attempt["venue_order_id"]]), Decimal(0)
        )
        for attempt in attempts
    }
    holding = [quantity for quantity in executed.values() if quantity]
    if len(holding) > 1 and sum(holding) > order["quantity"]:
        case.problem(f"{name}: {len(holding)} attempts executed too much", kind="duplicates")
    live: list[Row] = []
    for attempt in attempts:
        if attempt["execution_mode"] == "LIVE":
            live.append(attempt)
            continue
        for earlier in live:
            known_as = earlier["venue_order_id"]
            working = any(held["state"] in WORKING for _, held in case.at_venue[known_as])
            if earlier["state"] != "REJECTED" or executed[known_as] or working:
                case.problem(f"{name}: on paper though attempt {known_as} is not refused")
    last = attempts[-1] if attempts else order
    for key in ("broker", "execution_mode", "environment"):
        case.expect(last[key] == order[key], f"{name}: its last attempt has another {key}")
    # Live, `main` stands for the login's own account, whatever the venue calls that.
    alias = order["account"] == "main" and last["execution_mode"] == "LIVE"
    case.expect(
        alias or last["account"] == order["account"],
        f"{name}: its last attempt has another account",
    )


def check_attempt(case: Case, attempt: Row) -> None:
    """An attempt stands at its venue as it does here, at most once, with a recorded intent."""
    known_as = attempt["venue_order_id"]
    name, held = f"attempt {known_as}", case.at_venue[known_as]
    order = case.orders.get(attempt["order_id"])
    case.expect(order, f"{name}: belongs to no order")
    case.expect(mode_fits(attempt), f"{name}: {attempt['execution_mode']} at the wrong place")
    for _ in held[1:]:
        case.problem(f"{name}: {len(held)} orders at the venue", kind="duplicates")
    if attempt["intent_at"] is not None and not _ledger_of(case, attempt["broker"]):
        case.problem(f"{name}: {attempt['broker']} has no ledger to judge it by")
        return
    if attempt["state"] in TAKEN and not held and attempt["intent_at"] is not None:
        case.problem(f"{name}: {attempt['state']}, but the venue does not know it")
    if held and attempt["intent_at"] is None:
        case.problem(f"{name}: at the venue without a recorded intent")
    filled = sum(
        (
            row["quantity"]
            for row in case.fills_of[attempt["order_id"]]
            if row["attempt_id"] == attempt["attempt_id"]
        ),
        Decimal(0),
    )
    case.expect(
        attempt["filled_quantity"] == filled,
        f"{name}: {attempt['filled_quantity']} filled, but {filled} by its fills",
    )
    for venue, venue_order in held:
        _held(case, name, attempt, venue, venue_order)


def _held(case: Case, name: str, attempt: Row, venue: Venue, held: Row) -> None:
    order = case.orders.get(attempt["order_id"])
    case.expect(attempt["broker"] in venue.brokers, f"{name}: at another broker's venue")
    if order is not None:
        same = (order["side"], letters(order["symbol"])) == (
            held["side"],
            letters(held["symbol"]),
        )
        case.expect(same, f"{name}: {held['side']} {held['symbol']} at the venue")
    case.expect(
        held.get("account") in {None, attempt["account"]},
        f"{name}: in account {attempt['account']}, but in {held.get('account')} at the venue",
    )
    # What others of its group filled the paper book takes off it at once, others by the side.
    least = attempt["quantity"] - (attempt.get("reduced") or 0)
    # A bracket's child may end while its size is being changed, and whoever did that may be dead.
    resized = order is not None and order["parent_order_id"] and held["state"] not in WORKING
    case.expect(
        least <= held["quantity"] <= attempt["quantity"] or resized,
        f"{name}: for {attempt['quantity']}, but {held['quantity']} at the venue",
    )
    if order is not None and held["state"] in WORKING:
        _prices(case, name, attempt, order, held)
    if attempt["state"] in FINAL and held["state"] in WORKING:
        case.problem(f"{name}: {attempt['state']}, but {held['state']} at the venue")


def _prices(case: Case, name: str, attempt: Row, order: Row, held: Row) -> None:
    """What works at a venue has the order's prices; a trail moves its stop by itself."""
    last = case.attempts_of[order["order_id"]][-1]
    asked = any(
        command["outcome"] == "PENDING" and command["client_order_id"] == order["client_order_id"]
        for command in case.facts.commands
    )
    if (
        asked
        or attempt["attempt_no"] != last["attempt_no"]
        or held.get("order_type") == "TRAILING_STOP"
    ):
        return
    for key in ("limit_price", "stop_price"):
        if key in held and key in order:
            text = f"{name}: {key} {order[key]}, but {held[key]} at the venue"
            case.expect(held[key] == order[key], text)


def _ledger_of(case: Case, broker: str) -> bool:
    return any(broker in venue.brokers for venue in case.facts.venues)


def check_unknown(case: Case) -> None:
    """No order at a venue carries an id like ours that is no attempt's."""
    for known_as, held in case.at_venue.items():
        if known_as in case.attempt_called or not known_as:
            continue
        for venue, order in held:
            # Others may trade on the same account; what carries an id like ours is ours.
            if _OUR_ID.fullmatch(known_as) or "PAPER" in venue.brokers:
                text = f"venue order {order['broker_order_id']}: {known_as} is no attempt"
                case.problem(text, kind="lost")


def check_executions(case: Case) -> None:
    """Every execution of a venue is one fill, and every fill one execution, to the digit."""
    unclaimed: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for fill in case.facts.fills:
        name = f"fill {fill['execution_id']}"
        case.expect(mode_fits(fill), f"{name}: {fill['execution_mode']} at the wrong place")
        if is_booked(fill):
            case.expect(fill["order_id"] is None, f"{name}: was booked, and is of an order")
        else:
            unclaimed[execution_key(fill)].append(fill)
    for item in case.booked:
        key = (letters(item.symbol), item.side, item.execution_id)
        mine = [fill for fill in unclaimed[key] if fill["broker"] in item.brokers]
        name = f"execution {item.execution_id} of {item.venue_order_id}"
        if not mine:
            text = f"{name}: {item.side} {item.quantity} {item.symbol} is no fill"
            case.problem(text, kind="lost")
        for _ in mine[1:]:
            case.problem(f"{name}: {len(mine)} fills", kind="duplicates")
        for fill in mine:
            unclaimed[key].remove(fill)
            _fill(case, name, fill, item)
    for fills in unclaimed.values():
        for fill in fills:
            text = f"fill {fill['execution_id']}: no venue holds such an execution"
            case.problem(text, kind="duplicates")


def _fill(case: Case, name: str, fill: Row, item: Booked) -> None:
    for key in ("quantity", "price", "commission", "commission_currency", "status"):
        there, here = getattr(item, key), fill[key]
        if there != here and not (key == "commission_currency" and item.commission is None):
            case.problem(f"{name}: {key} {here}, but {there} at the venue")
    if item.executed_at is not None and item.executed_at != fill["executed_at"]:
        alerted = _time_is_unknown(case, fill)
        case.expect(alerted, f"{name}: at {fill['executed_at']}, not {item.executed_at}")
    attempt = case.attempt_called.get(item.venue_order_id)
    if attempt is None:
        case.expect(fill["order_id"] is None, f"{name}: is not of that order")
        alerted = any(item.execution_id in alert["key"] for alert in case.facts.alerts)
        case.expect(alerted, f"{name}: of no order of ours, and no alert says so")
        return
    case.expect(
        (fill["order_id"], fill["attempt_id"]) == (attempt["order_id"], attempt["attempt_id"]),
        f"{name}: recorded for another attempt",
    )
    for key in ("environment", "account", "execution_mode"):
        case.expect(fill[key] == attempt[key], f"{name}: {key} is not its attempt's")


def _time_is_unknown(case: Case, fill: Row) -> bool:
    """Whether the venue gave a time that could not be read, and an alert says so."""
    unread = any(
        report["report_id"] == fill["report_id"] and report.get("unread_time") is not None
        for report in case.facts.reports
    )
    about = {fill["order_id"] or fill["execution_id"]}
    return unread and any(
        alert["kind"] == "EXECUTION_TIME_UNKNOWN" and alert["key"].split(":", 1)[1] in about
        for alert in case.facts.alerts
    )


def check_reports(case: Case) -> None:
    """The raw reports: each of a venue's is there as it was told, and each was applied."""
    told = {(*execution_key(row), row["kind"], row["broker"]): row for row in case.facts.reports}
    for row in case.facts.reports:
        applied = row["applied_at"] is not None
        case.expect(applied, f"report {row['execution_id']} {row['kind']}: was not applied")
    for fill in case.facts.fills:
        kind = "BOOKING" if is_booked(fill) else "TRADE"
        report = told.get((*execution_key(fill), kind, fill["broker"]))
        same = report is not None and report["report_id"] == fill["report_id"]
        case.expect(same, f"fill {fill['execution_id']}: has no report of its own")
    for venue in case.facts.venues:
        for row in venue.executions:
            kind = row.get("kind") or "TRADE"
            found = [told.get((*execution_key(row), kind, name)) for name in venue.brokers]
            reports = [report for report in found if report is not None]
            name = f"venue execution {row['execution_id']} {kind}"
            case.expect(len(reports) == 1, f"{name}: {len(reports)} reports of it")
            for report in reports:
                for key in ("quantity", "price"):
                    text = f"{name}: {key} reported as {report[key]}, not {row[key]}"
                    case.expect(report[key] == row[key], text)
