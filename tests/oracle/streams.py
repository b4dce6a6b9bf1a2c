"""What the history and the streams tell, and what consumers received."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import pairwise
from typing import Any

from tests.oracle.case import Case
from tests.oracle.facts import CHANNELS, FILL_KEYS, ORDER_KEYS, STATES, STEPS, STREAMS, Message, Row
from tests.oracle.words import RELATIVE, in_order, is_booked, mode_fits, parse, path, plain

# fmt: off
# What identifies an execution, and which columns a FILL message takes from fills and from orders.
_IDENTITY = ("broker", "environment", "account", "symbol", "side", "execution_id")
_FILL_OWN = (
    "order_id", "execution_mode", "cumulative_quantity", "leaves_quantity", "average_price",
    "currency", "multiplier", "commission", "commission_currency", "order_state", "executed_at",
)
_FILL_ORDERS = ("client_order_id", "asset_class", "requested_broker", "strategy")
# fmt: on


def check_history(case: Case, order: Row) -> None:
    """A FILLED order went through the eight steps in their order."""
    if order["state"] != "FILLED":
        return
    labels = iter(row["step"] for row in case.history_of[order["order_id"]])
    missing = next((step for step in STEPS if step not in labels), None)
    if missing is not None:
        text = f"order {order['client_order_id']}: FILLED, and {missing} not in its turn"
        case.problem(text)


def check_state_events(case: Case, order: Row) -> None:
    """One message for each change of state, and each with the order's own words."""
    name, told = f"order {order['client_order_id']}", case.told_of[order["order_id"]]
    states = [row["type"] for row in told if row["type"] in STATES]
    lived = ["PENDING"]
    for row in case.history_of[order["order_id"]]:
        # A note does not change the order, so what it says of the state may be outdated.
        if row["step"] in {"create_order", "reroute_to_paper"} or row["state"] is None:
            continue
        if row["state"] != lived[-1]:
            lived.append(row["state"])
    case.expect(states == lived, f"{name}: went {path(lived)}, but told {path(states)}")
    case.expect(
        lived[-1] == order["state"], f"{name}: {order['state']}, but history says {lived[-1]}"
    )
    modes = [row["execution_mode"] for row in case.attempts_of[order["order_id"]]]
    turns = sum(pair == ("LIVE", "PAPER") for pair in pairwise(modes))
    said = sum(row["type"] == "REROUTED" for row in told)
    case.expect(said == turns, f"{name}: rerouted {turns} times, told {said} times")
    for row in told:
        payload = row["payload"]
        same = payload.get("client_order_id") == order["client_order_id"] and (
            row["type"] not in STATES or payload.get("state") == row["type"]
        )
        case.expect(same, f"{name}: message {row['sequence']} says something else")
        if payload.get("broker") is not None:
            case.expect(mode_fits(payload), f"{name}: message {row['sequence']} mixes modes")


def check_request_events(case: Case) -> None:
    """ACCEPTED once for each request that got an order's id, REFUSED for each refused one."""
    told = case.stream["orders"]
    accepted = Counter(row["order_id"] for row in told if row["type"] == "ACCEPTED")
    due = Counter(row["order_id"] for row in case.facts.requests if row["order_id"])
    refused = Counter(
        row["payload"].get("client_order_id") for row in told if row["type"] == "REFUSED"
    )
    due_refused = Counter(
        row["client_order_id"] for row in case.facts.requests if row["outcome"] != "ACCEPTED"
    )
    for word, said, should in (
        ("ACCEPTED", accepted, due),
        ("REFUSED", refused, due_refused),
    ):
        for key in said.keys() | should.keys():
            text = f"{word} of {key}: told {said[key]} times, not {should[key]}"
            case.expect(said[key] == should[key], text)


def check_streams(case: Case) -> None:
    """Both streams are complete, without gaps, published, and spelled as the interface says."""
    marks = {row["stream"]: row for row in case.facts.streams}
    for row in case.facts.events:
        _event(case, row)
    for event_id, count in Counter(row["event_id"] for row in case.facts.events).items():
        case.expect(count == 1, f"event {event_id}: there {count} times")
    for stream in STREAMS:
        rows = case.stream[stream]
        numbers = [row["sequence"] for row in rows]
        gap = next((n for n, number in enumerate(numbers, 1) if n != number), None)
        case.expect(gap is None, f"stream {stream}: breaks at sequence {gap}")
        mark = marks.get(stream)
        if mark is None:
            case.problem(f"stream {stream}: is not there")
            continue
        last, published = mark["last_sequence"], mark["published_sequence"]
        case.expect(last == len(rows), f"stream {stream}: last is {last} of {len(rows)}")
        case.expect(published == last, f"stream {stream}: published {published} of {last}")


def _event(case: Case, row: Row) -> None:
    name, payload = f"event {row['event_id']}", row["payload"]
    case.expect(row["sequence"] is not None, f"{name}: {row['type']} has no sequence")
    keys = {"fills": FILL_KEYS, "orders": ORDER_KEYS}.get(row["stream"])
    if keys is None or payload.keys() != keys - {"sequence"}:
        odd = sorted(payload.keys() ^ ((keys or frozenset()) - {"sequence"}))
        case.problem(f"{name}: keys differ from the interface's: {odd}")
        return
    same = (
        payload["event_id"] == row["event_id"]
        and payload["type"] == row["type"]
        and payload["order_id"] == row["order_id"]
        and payload["schema"] == 1
    )
    case.expect(same, f"{name}: its payload is another's")
    odd = [key for key, value in payload.items() if isinstance(value, float | Decimal)]
    case.expect(not odd, f"{name}: {odd} are JSON numbers, not strings")


def check_fill_events(case: Case) -> None:
    """One FILL for each fill, with its figures; the last word on a fill is what it now is."""
    told: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in case.stream["fills"]:
        told[tuple(row["payload"].get(key) for key in _IDENTITY)].append(row)
    for fill in case.facts.fills:
        name = f"fill {fill['execution_id']}"
        events = told.pop(tuple(fill[key] for key in _IDENTITY), [])
        word = "BOOKING" if is_booked(fill) else "FILL"
        first = [row for row in events if row["type"] == word]
        kind = "lost" if not first else "duplicates"
        case.expect(len(first) == 1, f"{name}: {len(first)} {word} messages", kind=kind)
        if events:
            _fill_message(case, name, fill, events[-1]["payload"])
    for rows in told.values():
        for row in rows:
            case.problem(f"event {row['event_id']}: {row['type']} of no fill")
    for order in case.facts.orders:
        _running(case, order)


def _fill_message(case: Case, name: str, fill: Row, said: Row) -> None:
    order = case.orders.get(fill["order_id"]) or {}
    expected = {key: fill[key] for key in _FILL_OWN}
    expected |= {key: order.get(key) for key in _FILL_ORDERS}
    expected |= {"last_quantity": fill["quantity"], "last_price": fill["price"]}
    for key, value in expected.items():
        text = f"{name}: its message says {key} {said.get(key)!r}, not {plain(value)!r}"
        case.expect(said.get(key) == plain(value), text)


def _running(case: Case, order: Row) -> None:
    """Cumulative, leaves and average of an order's fills, where they came in their order."""
    fills = sorted(case.fills_of[order["order_id"]], key=lambda row: row["fill_id"])
    modified = any(row["type"] == "MODIFIED" for row in case.told_of[order["order_id"]])
    revised = any(row["revised"] for row in fills)
    if revised or modified or fills != sorted(fills, key=lambda row: row["executed_at"]):
        return
    quantity = value = size = Decimal(0)
    for row in fills:
        name = f"fill {row['execution_id']}"
        quantity += row["quantity"]
        value += row["quantity"] * row["price"]
        size += abs(row["quantity"] * row["price"])
        leaves = max(order["quantity"] - quantity, Decimal(0))
        if order["parent_order_id"] is not None:
            # What its sibling fills makes a bracket's child smaller, after a fill of its own too.
            leaves = max(leaves, row["leaves_quantity"])
        if row["cumulative_quantity"] != quantity or row["leaves_quantity"] != leaves:
            case.problem(f"{name}: does not say {quantity} filled and {leaves} left")
        elif abs(row["average_price"] * quantity - value) > RELATIVE * size:
            case.problem(f"{name}: average {row['average_price']}, not {value / quantity}")
        full = row["order_state"] == "FILLED"
        case.expect(full == (not leaves), f"{name}: {row['order_state']} with {leaves} left")


def check_messages(case: Case) -> None:
    """Consumers received every event, word for word and in order, from Redis or by replay."""
    if case.facts.messages is None:
        return
    rows = {(row["stream"], row["sequence"]): row for row in case.facts.events}
    by_channel: dict[str, list[Message]] = defaultdict(list)
    for message in case.facts.messages:
        by_channel[message.channel].append(message)
    for channel in CHANNELS:
        heard = list(_heard(case, channel, by_channel[channel], rows))
        live = [number for number, replayed in heard if not replayed]
        text = f"channel {channel}: out of order"
        case.expect(in_order(live), text)
        if case.facts.unbroken and live:
            _unbroken(case, channel, set(live))
        if channel in STREAMS:
            missed = {row["sequence"] for row in case.stream[channel]} - {n for n, _ in heard}
            case.expect(
                not missed, f"channel {channel}: {sorted(missed)[:5]} not heard, not replayed"
            )


def _heard(
    case: Case, channel: str, messages: list[Message], rows: Mapping[tuple[str, int], Row]
) -> Iterator[tuple[int, bool]]:
    """The sequence of each message that is, word for word, an event's; and if replayed."""
    stream, _, mode = channel.partition(".")
    for message in messages:
        said = parse(message.text)
        sequence = said.get("sequence")
        row = rows.get((stream, sequence)) if isinstance(sequence, int) else None
        if row is None:
            case.problem(f"channel {channel}: sequence {sequence!r} is no event")
        elif said != {**row["payload"], "sequence": sequence}:
            case.problem(f"channel {channel}: message {sequence} differs from its event")
        elif mode and said.get("execution_mode") != mode.upper():
            case.problem(f"channel {channel}: message {sequence} is of the other mode")
        else:
            yield row["sequence"], message.replayed


def _unbroken(case: Case, channel: str, live: set[int]) -> None:
    """Who listened all the time heard everything from the first message on."""
    stream, _, mode = channel.partition(".")
    silent = [
        row["sequence"]
        for row in case.stream[stream]
        if row["sequence"] > min(live)
        and row["sequence"] not in live
        and mode.upper() in {"", row["payload"].get("execution_mode")}
    ]
    case.expect(not silent, f"channel {channel}: {silent[:5]} never came over Redis")
