"""The independent judge: what the venues hold against what the database and Redis say of it.

It imports nothing of the project, so that a mistake there cannot hide itself here: the rules are
written down a second time, from the published interface, and differently. `judge` expects a system
at rest (nothing in flight); orders that rest at a venue are fine with `allow_open`.
"""

from __future__ import annotations

import http.client
import json
import re
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from decimal import Context, Decimal, localcontext
from fractions import Fraction
from itertools import pairwise
from typing import Any, Self
from urllib.parse import urlsplit

import psycopg2
import psycopg2.extras
import redis

# fmt: off
STEPS = (
    "create_order", "persist_order", "connect_gateway", "submit_order",
    "await_fill", "persist_fill", "update_positions", "publish_fill_event",
)
# fmt: on
FINAL = frozenset({"FILLED", "CANCELLED", "REJECTED", "EXPIRED"})
WORKING = frozenset({"SUBMITTED", "PARTIALLY_FILLED"})
STATES = FINAL | WORKING | {"PENDING", "SUBMITTING", "UNKNOWN"}
# States of an attempt that say: the venue has, or had, this order.
TAKEN = WORKING | {"FILLED", "CANCELLED", "EXPIRED"}
STREAMS = ("orders", "fills")
CHANNELS = ("fills", "fills.live", "fills.paper", "orders")
# fmt: off
FILL_KEYS = frozenset({
    "schema", "event_id", "sequence", "type", "order_id", "client_order_id", "symbol",
    "asset_class", "side", "broker", "requested_broker", "environment", "account",
    "execution_mode", "execution_id", "last_quantity", "last_price", "cumulative_quantity",
    "leaves_quantity", "average_price", "currency", "multiplier", "commission",
    "commission_currency", "order_state", "executed_at", "strategy",
})
ORDER_KEYS = frozenset({
    "schema", "event_id", "sequence", "type", "order_id", "client_order_id", "symbol", "broker",
    "execution_mode", "state", "reason", "step", "at",
})
# What identifies an execution, and which columns a FILL message takes from fills and from orders.
_IDENTITY = ("broker", "environment", "account", "symbol", "side", "execution_id")
_FILL_OWN = (
    "order_id", "execution_mode", "cumulative_quantity", "leaves_quantity", "average_price",
    "currency", "multiplier", "commission", "commission_currency", "order_state", "executed_at",
)
_FILL_ORDERS = ("client_order_id", "asset_class", "requested_broker", "strategy")
# fmt: on
_OUR_ID = re.compile(r"[A-Za-z0-9_-]{22}", re.ASCII)
_RELATIVE = Decimal("1e-18")
# Wide enough that every sum and product of money here is exact; only quotients are rounded.
_EXACT = Context(prec=200)
_GRID = 10**40

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Venue:
    """What one venue holds, for the brokers that it stands for: rows as `GET /ledger` has them.

    Numbers are Decimal, times aware. `executions` are TRADE, CORRECTION, BUST and COMMISSION
    reports, oldest first.
    """

    brokers: frozenset[str]
    orders: Sequence[Row]
    executions: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Message:
    """One message as a consumer got it; `replayed` ones come from PostgreSQL, not from Redis."""

    channel: str
    text: str
    replayed: bool = False


@dataclass(slots=True)
class Facts:
    """Everything that is judged. Rows are tables' rows by column, ids as text.

    `messages` is None when nobody listened; `unbroken` says that whoever did never lost touch.
    """

    requests: list[Row] = field(default_factory=list)
    orders: list[Row] = field(default_factory=list)
    attempts: list[Row] = field(default_factory=list)
    reports: list[Row] = field(default_factory=list)
    fills: list[Row] = field(default_factory=list)
    positions: list[Row] = field(default_factory=list)
    paper_positions: list[Row] = field(default_factory=list)
    history: list[Row] = field(default_factory=list)
    events: list[Row] = field(default_factory=list)
    streams: list[Row] = field(default_factory=list)
    alerts: list[Row] = field(default_factory=list)
    commands: list[Row] = field(default_factory=list)
    venues: list[Venue] = field(default_factory=list)
    messages: list[Message] | None = None
    unbroken: bool = False


@dataclass(slots=True)
class Verdict:
    """What was found: one line for each problem, and how many of each thing there are.

    `requests` are the accepted ones. `duplicates` are venue orders and executions too many, `lost`
    what was accepted or executed and is not accounted for, `stuck` orders that stand still.
    """

    problems: list[str] = field(default_factory=list)
    requests: int = 0
    refused: int = 0
    orders: int = 0
    filled: int = 0
    rerouted: int = 0
    unknown: int = 0
    fills: int = 0
    events: int = 0
    messages: int = 0
    replayed: int = 0
    duplicates: int = 0
    lost: int = 0
    stuck: int = 0

    def counts(self) -> dict[str, int]:
        """The figures alone, ready for JSON."""
        return {name: value for name, value in asdict(self).items() if name != "problems"}

    def assert_clean(self) -> None:
        """AssertionError listing the problems, when there are any."""
        if self.problems:
            more = len(self.problems) - 50
            lines = [*self.problems[:50], *([f"... and {more} more"] if more > 0 else [])]
            text = "\n  ".join(lines)
            raise AssertionError(f"{len(self.problems)} problems {self.counts()}:\n  {text}")


class EventTap:
    """A consumer: keeps every message of the four channels, and replays what it missed.

    Between `start` and `stop`, or in a `with`, it listens. It comes back by itself when Redis goes
    away; `losses` counts how often it did.
    """

    def __init__(self, redis_url: str) -> None:
        self._url = redis_url
        self._lock = threading.Lock()
        self._messages: list[Message] = []
        self._listening = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="event-tap", daemon=True)
        self.losses = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Listen from now on. TimeoutError when Redis does not take the subscription."""
        self._thread.start()
        if not self._listening.wait(30):
            self.stop()
            raise TimeoutError("Redis did not take the subscription within 30 s")

    def stop(self) -> None:
        """Stop listening; what was heard stays."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(10)

    @property
    def messages(self) -> list[Message]:
        """What was heard so far, in the order heard, and then what was replayed."""
        with self._lock:
            return list(self._messages)

    def catch_up(self, database_url: str, *, patience: float = 5.0) -> int:
        """Replay from the table `events`, by sequence, what was not heard; returns how many.

        A message may still be on its way: before anything counts as missed, a tap that never lost
        touch waits for it up to `patience` seconds.
        """
        rows = _query(database_url, {"events": _QUERIES["events"]})["events"]
        numbered = [row for row in rows if row["sequence"] is not None]
        deadline = time.monotonic() + patience
        while missing := self._missing(numbered):
            waits = self._thread.is_alive() and not self.losses
            if not waits or time.monotonic() > deadline:
                break
            self._stopping.wait(0.02)
        replayed = [Message(row["stream"], _as_message(row), replayed=True) for row in missing]
        with self._lock:
            self._messages += replayed
        return len(replayed)

    def _missing(self, rows: Iterable[Row]) -> list[Row]:
        heard = {
            (message.channel, _sequence(message.text))
            for message in self.messages
            if message.channel in STREAMS
        }
        return [row for row in rows if (row["stream"], row["sequence"]) not in heard]

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._listen()
            except (redis.RedisError, OSError):
                if self._listening.is_set():
                    self.losses += 1
                    self._listening.clear()
                self._stopping.wait(0.1)

    def _listen(self) -> None:
        client = redis.Redis.from_url(self._url, decode_responses=True)
        subscription = client.pubsub()  # type: ignore[no-untyped-call]
        waiting = set(CHANNELS)
        try:
            subscription.subscribe(*CHANNELS)
            while not self._stopping.is_set():
                heard = subscription.get_message(timeout=0.1)
                if heard is None:
                    continue
                if heard["type"] == "subscribe":
                    if heard["channel"] not in waiting:
                        # The driver came back by itself, and does not say what it missed.
                        self.losses += 1
                    waiting.discard(heard["channel"])
                    if not waiting:
                        self._listening.set()
                elif heard["type"] == "message":
                    with self._lock:
                        self._messages.append(Message(heard["channel"], heard["data"]))
        finally:
            subscription.close()
            client.close()


def judge(
    database_url: str,
    ledgers: Mapping[str, str],
    tap: EventTap | None,
    *,
    allow_open: bool = False,
    patience: float = 5.0,
) -> Verdict:
    """Judge a system at rest. `ledgers` gives each live broker's control URL.

    One venue may stand for several brokers: then they have the same URL. Every broker that was
    sent anything needs one. With a tap, what it missed is replayed first. `allow_open` takes
    orders that rest at a venue, or wait, as they are. What is committed may wait up to `patience`
    seconds for its publication.
    """
    deadline = time.monotonic() + patience
    while _query(database_url, _UNPUBLISHED)["events"] and time.monotonic() < deadline:
        time.sleep(0.05)
    if tap is not None:
        tap.catch_up(database_url, patience=patience)
    facts = load(database_url, ledgers)
    if tap is not None:
        facts.messages, facts.unbroken = tap.messages, tap.losses == 0
    return judge_facts(facts, allow_open=allow_open)


def load(database_url: str, ledgers: Mapping[str, str]) -> Facts:
    """The facts of one snapshot of the database, and of the ledgers just after it."""
    tables = _query(database_url, _QUERIES)
    paper = Venue(frozenset({"PAPER"}), tables.pop("paper_orders"), tables.pop("paper_executions"))
    brokers_at: dict[str, set[str]] = defaultdict(set)
    for broker, url in ledgers.items():
        brokers_at[url.rstrip("/")].add(broker)
    venues = [_ledger(url, brokers) for url, brokers in brokers_at.items()]
    facts = Facts(venues=[paper, *venues])
    for name, rows in tables.items():
        setattr(facts, name, rows)
    return facts


def judge_facts(facts: Facts, *, allow_open: bool = False) -> Verdict:
    """The pure part of `judge`."""
    with localcontext(_EXACT):
        return _Judge(facts, allow_open=allow_open).verdict()


@dataclass(slots=True)
class Booked:
    """One execution of a venue as it stands after every correction."""

    brokers: frozenset[str]
    execution_id: str
    symbol: str
    side: str
    quantity: Decimal
    price: Decimal
    executed_at: datetime | None
    venue_order_id: str | None
    commission: Decimal | None
    commission_currency: str | None
    status: str = "GOOD"


@dataclass(slots=True)
class Walk:
    """An average-cost walk in exact fractions: what is held, what it cost, what was earned."""

    quantity: Fraction = Fraction(0)
    cost: Fraction = Fraction(0)
    earned: Fraction = Fraction(0)
    fees: Fraction = Fraction(0)
    last: Fraction = Fraction(0)

    def trade(self, signed: Fraction, price: Fraction) -> None:
        """Trade `signed` units: what goes against the holding leaves at its average cost."""
        against = self.quantity * signed < 0
        leaving = min(abs(signed), abs(self.quantity)) if against else Fraction(0)
        if leaving:
            direction = 1 if signed > 0 else -1
            share = self.cost * leaving / abs(self.quantity)
            # A long's cost is positive, a short's negative: proceeds and cost meet with one sign.
            self.earned += -direction * leaving * price - share
            self.quantity += direction * leaving
            self.cost = _on_grid(self.cost - share) if self.quantity else Fraction(0)
            signed -= direction * leaving
        self.quantity += signed
        self.cost += signed * price
        self.last = price

    def pay_in_kind(self, amount: Fraction) -> None:
        """A commission in what is traded takes units away, at their average cost.

        Where the trade left none, they are owed at its price: coins sold short and bought back.
        """
        if not self.quantity:
            self.cost = -amount * self.last
        else:
            self.cost = _on_grid(self.cost - self.cost * amount / self.quantity)
        self.quantity -= amount

    @property
    def average(self) -> Fraction:
        """What a unit of the holding cost."""
        return self.cost / self.quantity if self.quantity else Fraction(0)


class _Judge:
    """One run over the facts: each `_check_*` adds the problems it finds."""

    def __init__(self, facts: Facts, *, allow_open: bool) -> None:
        self.facts = facts
        self.allow_open = allow_open
        self.result = Verdict()
        self.orders = {row["order_id"]: row for row in facts.orders}
        self.attempts = {row["attempt_id"]: row for row in facts.attempts}
        self.attempt_called = {row["venue_order_id"]: row for row in facts.attempts}
        self.attempts_of = _grouped(
            sorted(facts.attempts, key=lambda row: (row["attempt_no"], row["leg"])), "order_id"
        )
        self.fills_of = _grouped(facts.fills, "order_id")
        self.history_of = _grouped(sorted(facts.history, key=_when), "order_id")
        numbered = [row for row in facts.events if row["sequence"] is not None]
        self.stream = _grouped(sorted(numbered, key=lambda row: row["sequence"]), "stream")
        self.told_of = _grouped(self.stream["orders"], "order_id")
        self.at_venue: dict[str, list[tuple[Venue, Row]]] = defaultdict(list)
        for venue in facts.venues:
            for row in venue.orders:
                self.at_venue[row["venue_order_id"]].append((venue, row))
        self.booked = [item for venue in facts.venues for item in self._book(venue)]
        self.booked_as: dict[str | None, list[Booked]] = defaultdict(list)
        for item in self.booked:
            self.booked_as[item.venue_order_id].append(item)

    def verdict(self) -> Verdict:
        self._check_requests()
        self._check_commands()
        for order in self.facts.orders:
            self._check_end(order)
            self._check_sums(order)
            self._check_attempts(order)
            self._check_history(order)
            self._check_state_events(order)
        for attempt in self.facts.attempts:
            self._check_attempt(attempt)
        self._check_venue_orders()
        self._check_executions()
        self._check_reports()
        self._check_positions()
        self._check_streams()
        self._check_request_events()
        self._check_fill_events()
        self._check_messages()
        self._count()
        return self.result

    def _problem(self, text: str, *, kind: str | None = None) -> None:
        self.result.problems.append(text)
        if kind is not None:
            setattr(self.result, kind, getattr(self.result, kind) + 1)

    def _expect(self, holds: object, text: str, *, kind: str | None = None) -> None:
        if not holds:
            self._problem(text, kind=kind)

    def _count(self) -> None:
        facts, result = self.facts, self.result
        result.requests = sum(row["outcome"] == "ACCEPTED" for row in facts.requests)
        result.refused = len(facts.requests) - result.requests
        result.orders, result.fills = len(facts.orders), len(facts.fills)
        result.events = len(facts.events)
        result.filled = sum(row["state"] == "FILLED" for row in facts.orders)
        result.unknown = sum(row["state"] == "UNKNOWN" for row in facts.orders)
        result.rerouted = sum(
            row["broker"] == "PAPER" and row["attempt_no"] > 1 for row in facts.attempts
        )
        heard = facts.messages or []
        result.replayed = sum(message.replayed for message in heard)
        result.messages = len(heard) - result.replayed

    # What producers were promised.

    def _check_requests(self) -> None:
        accepted: dict[str, Row] = {}
        for row in self.facts.requests:
            name = f"request {row['client_order_id']} ({row['request_id']})"
            if row["outcome"] != "ACCEPTED":
                self._expect(row["reason"], f"{name}: refused without a reason")
                if row["order_id"] in self.orders:
                    self._problem(f"{name}: refused, and an order all the same")
                continue
            accepted[row["order_id"]] = row
            order = self.orders.get(row["order_id"])
            if order is None:
                self._problem(f"{name}: accepted, and no order came of it", kind="lost")
            else:
                self._check_asked(name, row, order)
        for order in self.facts.orders:
            name = f"order {order['client_order_id']}"
            self._expect(order["order_id"] in accepted, f"{name}: nobody asked for it")
        for name, count in Counter(row["client_order_id"] for row in self.facts.orders).items():
            if count > 1:
                self._problem(f"order {name}: there are {count} of them", kind="duplicates")

    def _check_asked(self, name: str, request: Row, order: Row) -> None:
        asked = request["payload"]
        same = (
            order["client_order_id"] == request["client_order_id"]
            and order["side"] == asked["side"]
            and order["requested_quantity"] == Decimal(str(asked["quantity"]))
        )
        self._expect(same, f"{name}: the order is not what was asked for")

    def _check_commands(self) -> None:
        """A cancel or modify of an order that is there was done, or refused with a reason."""
        known = {row["client_order_id"] for row in self.facts.orders}
        for row in self.facts.commands:
            name = f"{row['kind']} {row['external_id']} of {row['client_order_id']}"
            if row["outcome"] == "PENDING" and row["client_order_id"] in known:
                self._problem(f"{name}: is still pending", kind="stuck")
            elif row["outcome"] == "REFUSED":
                self._expect(row["reason"], f"{name}: refused without a reason")

    def _check_end(self, order: Row) -> None:
        name, state = f"order {order['client_order_id']}", order["state"]
        self._expect(state in STATES, f"{name}: {state} is no state")
        if state == "REJECTED":
            self._expect(order["reason"], f"{name}: REJECTED without a reason")
        if state in FINAL:
            return
        alerted = any(
            alert["order_id"] == order["order_id"] and alert["resolved_at"] is None
            for alert in self.facts.alerts
        )
        if state == "UNKNOWN" and alerted:
            return
        current = self.attempts_of[order["order_id"]][-1:]
        over = [
            held["state"]
            for attempt in current
            for _, held in self.at_venue[attempt["venue_order_id"]]
            if held["state"] in FINAL
        ]
        if over:
            self._problem(f"{name}: {state}, but {over[0]} at the venue", kind="stuck")
        elif state == "UNKNOWN":
            self._problem(f"{name}: UNKNOWN without an alert", kind="stuck")
        elif not self.allow_open:
            self._problem(f"{name}: stands in {state}", kind="stuck")

    def _check_sums(self, order: Row) -> None:
        """What an order says is filled, against its fills and against the venue."""
        name, filled = f"order {order['client_order_id']}", order["filled_quantity"]
        fills = [(row["quantity"], row["price"]) for row in self.fills_of[order["order_id"]]]
        booked = [
            (item.quantity, item.price)
            for attempt in self.attempts_of[order["order_id"]]
            for item in self.booked_as[attempt["venue_order_id"]]
        ]
        for where, pairs in (("its fills", fills), ("the venue", booked)):
            quantity = sum((pair[0] for pair in pairs), Decimal(0))
            value = sum((pair[0] * pair[1] for pair in pairs), Decimal(0))
            size = sum((abs(pair[0] * pair[1]) for pair in pairs), Decimal(0))
            if quantity != filled:
                self._problem(f"{name}: {filled} filled, but {quantity} by {where}")
            elif not quantity:
                self._expect(order["average_price"] is None, f"{name}: a price of nothing")
            elif order["average_price"] is None or (
                abs(order["average_price"] * quantity - value) > _RELATIVE * size
            ):
                average = order["average_price"]
                self._problem(f"{name}: average {average}, but {value / quantity} by {where}")
        self._expect(
            (order["state"] == "FILLED") == (filled >= order["quantity"]),
            f"{name}: {order['state']} with {filled} of {order['quantity']} filled",
        )

    # What the venues hold.

    def _check_attempts(self, order: Row) -> None:
        """An order's attempts beside each other: no doubled execution, no paper beside live."""
        name, attempts = f"order {order['client_order_id']}", self.attempts_of[order["order_id"]]
        self._expect(attempts, f"{name}: has no attempt")
        executed = {
            attempt["venue_order_id"]: sum(
                (item.quantity for item in self.booked_as[attempt["venue_order_id"]]), Decimal(0)
            )
            for attempt in attempts
        }
        holding = [quantity for quantity in executed.values() if quantity]
        if len(holding) > 1 and sum(holding) > order["quantity"]:
            self._problem(f"{name}: {len(holding)} attempts executed too much", kind="duplicates")
        live: list[Row] = []
        for attempt in attempts:
            if attempt["execution_mode"] == "LIVE":
                live.append(attempt)
                continue
            for earlier in live:
                known_as = earlier["venue_order_id"]
                working = any(held["state"] in WORKING for _, held in self.at_venue[known_as])
                if earlier["state"] != "REJECTED" or executed[known_as] or working:
                    self._problem(f"{name}: on paper though attempt {known_as} is not refused")
        last = attempts[-1] if attempts else order
        for key in ("broker", "execution_mode", "environment", "account"):
            self._expect(last[key] == order[key], f"{name}: its last attempt has another {key}")

    def _check_attempt(self, attempt: Row) -> None:
        known_as = attempt["venue_order_id"]
        name, held = f"attempt {known_as}", self.at_venue[known_as]
        order = self.orders.get(attempt["order_id"])
        self._expect(order, f"{name}: belongs to no order")
        self._expect(_mode_fits(attempt), f"{name}: {attempt['execution_mode']} at the wrong place")
        for _ in held[1:]:
            self._problem(f"{name}: {len(held)} orders at the venue", kind="duplicates")
        if attempt["intent_at"] is not None and not self._ledger_of(attempt["broker"]):
            self._problem(f"{name}: {attempt['broker']} has no ledger to judge it by")
            return
        if attempt["state"] in TAKEN and not held and attempt["intent_at"] is not None:
            self._problem(f"{name}: {attempt['state']}, but the venue does not know it")
        if held and attempt["intent_at"] is None:
            self._problem(f"{name}: at the venue without a recorded intent")
        filled = sum(
            (
                row["quantity"]
                for row in self.fills_of[attempt["order_id"]]
                if row["attempt_id"] == attempt["attempt_id"]
            ),
            Decimal(0),
        )
        self._expect(
            attempt["filled_quantity"] == filled,
            f"{name}: {attempt['filled_quantity']} filled, but {filled} by its fills",
        )
        for venue, venue_order in held:
            self._check_held(name, attempt, order, venue, venue_order)

    def _check_held(
        self, name: str, attempt: Row, order: Row | None, venue: Venue, held: Row
    ) -> None:
        self._expect(attempt["broker"] in venue.brokers, f"{name}: at another broker's venue")
        if order is not None:
            same = (order["side"], _letters(order["symbol"])) == (
                held["side"],
                _letters(held["symbol"]),
            )
            self._expect(same, f"{name}: {held['side']} {held['symbol']} at the venue")
        self._expect(
            held["quantity"] == attempt["quantity"],
            f"{name}: for {attempt['quantity']}, but {held['quantity']} at the venue",
        )
        if attempt["state"] in FINAL and held["state"] in WORKING:
            self._problem(f"{name}: {attempt['state']}, but {held['state']} at the venue")

    def _ledger_of(self, broker: str) -> bool:
        return any(broker in venue.brokers for venue in self.facts.venues)

    def _check_venue_orders(self) -> None:
        for known_as, held in self.at_venue.items():
            if known_as in self.attempt_called or not known_as:
                continue
            for venue, order in held:
                # Others may trade on the same account; what carries an id like ours is ours.
                if _OUR_ID.fullmatch(known_as) or "PAPER" in venue.brokers:
                    text = f"venue order {order['broker_order_id']}: {known_as} is no attempt"
                    self._problem(text, kind="lost")

    def _book(self, venue: Venue) -> list[Booked]:
        """A venue's executions as they stand; a correction of a correction is followed back."""
        booked: dict[tuple[str, str, str], Booked] = {}
        names: dict[tuple[str, str, str], tuple[str, str, str]] = {}
        for row in venue.executions:
            kind = row.get("kind") or "TRADE"
            key = _execution_key(row)
            if kind == "TRADE":
                if key in booked:
                    self._problem(f"venue execution {key}: listed twice", kind="duplicates")
                booked[key] = _booked(venue, row)
                names[key] = key
                continue
            named = row.get("corrects") if kind in {"CORRECTION", "BUST"} else None
            root = names.get((*key[:2], named or row["execution_id"]))
            if root is None:
                self._problem(f"venue execution {key}: {kind} of an execution nobody knows")
                continue
            names[key] = root
            _revise(booked[root], kind, row)
        return list(booked.values())

    def _check_executions(self) -> None:
        """Every execution of a venue is one fill, and every fill one execution, to the digit."""
        unclaimed: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
        for fill in self.facts.fills:
            unclaimed[_execution_key(fill)].append(fill)
            name = f"fill {fill['execution_id']}"
            self._expect(_mode_fits(fill), f"{name}: {fill['execution_mode']} at the wrong place")
        for item in self.booked:
            key = (_letters(item.symbol), item.side, item.execution_id)
            mine = [fill for fill in unclaimed[key] if fill["broker"] in item.brokers]
            name = f"execution {item.execution_id} of {item.venue_order_id}"
            if not mine:
                text = f"{name}: {item.side} {item.quantity} {item.symbol} is no fill"
                self._problem(text, kind="lost")
            for _ in mine[1:]:
                self._problem(f"{name}: {len(mine)} fills", kind="duplicates")
            for fill in mine:
                unclaimed[key].remove(fill)
                self._check_fill(name, fill, item)
        for fills in unclaimed.values():
            for fill in fills:
                text = f"fill {fill['execution_id']}: no venue holds such an execution"
                self._problem(text, kind="duplicates")

    def _check_fill(self, name: str, fill: Row, item: Booked) -> None:
        for key in ("quantity", "price", "commission", "commission_currency", "status"):
            there, here = getattr(item, key), fill[key]
            if there != here and not (key == "commission_currency" and item.commission is None):
                self._problem(f"{name}: {key} {here}, but {there} at the venue")
        if item.executed_at is not None and item.executed_at != fill["executed_at"]:
            self._problem(f"{name}: at {fill['executed_at']}, not {item.executed_at}")
        attempt = self.attempt_called.get(item.venue_order_id)
        if attempt is None:
            self._expect(fill["order_id"] is None, f"{name}: is not of that order")
            alerted = any(item.execution_id in alert["key"] for alert in self.facts.alerts)
            self._expect(alerted, f"{name}: of no order of ours, and no alert says so")
            return
        self._expect(
            (fill["order_id"], fill["attempt_id"]) == (attempt["order_id"], attempt["attempt_id"]),
            f"{name}: recorded for another attempt",
        )
        for key in ("environment", "account", "execution_mode"):
            self._expect(fill[key] == attempt[key], f"{name}: {key} is not its attempt's")

    def _check_reports(self) -> None:
        """The raw reports: each of a venue's is there as it was told, and each was applied."""
        told = {
            (*_execution_key(row), row["kind"], row["broker"]): row for row in self.facts.reports
        }
        for row in self.facts.reports:
            applied = row["applied_at"] is not None
            self._expect(applied, f"report {row['execution_id']} {row['kind']}: was not applied")
        for fill in self.facts.fills:
            report = told.get((*_execution_key(fill), "TRADE", fill["broker"]))
            same = report is not None and report["report_id"] == fill["report_id"]
            self._expect(same, f"fill {fill['execution_id']}: has no report of its own")
        for venue in self.facts.venues:
            for row in venue.executions:
                kind = row.get("kind") or "TRADE"
                found = [told.get((*_execution_key(row), kind, name)) for name in venue.brokers]
                reports = [report for report in found if report is not None]
                name = f"venue execution {row['execution_id']} {kind}"
                self._expect(len(reports) == 1, f"{name}: {len(reports)} reports of it")
                for report in reports:
                    for key in ("quantity", "price"):
                        text = f"{name}: {key} reported as {report[key]}, not {row[key]}"
                        self._expect(report[key] == row[key], text)

    # What became of the money.

    def _check_positions(self) -> None:
        rows: dict[tuple[str, str, str], Row] = {}
        tables = (
            ("positions", False, self.facts.positions),
            ("paper_positions", True, self.facts.paper_positions),
        )
        for table, paper, held in tables:
            for row in held:
                key = (row["account"], row["broker"], row["symbol"])
                name = f"{table} {'/'.join(key)}"
                self._expect((row["broker"] == "PAPER") == paper, f"{name}: in the wrong table")
                self._expect(key not in rows, f"{name}: there twice")
                rows[key] = row
        fills: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
        for fill in self.facts.fills:
            fills[fill["account"], fill["broker"], fill["symbol"]].append(fill)
            text = f"fill {fill['execution_id']}: is in no position"
            self._expect(fill["positioned_at"] is not None, text)
        for key in rows.keys() | fills.keys():
            self._check_position("/".join(key), rows.get(key), fills.get(key, []))

    def _check_position(self, name: str, row: Row | None, fills: list[Row]) -> None:
        if row is None:
            self._problem(f"position {name}: missing")
            return
        walk, turnover = Walk(), Fraction(0)
        for fill in sorted(fills, key=lambda item: (item["executed_at"], item["fill_id"])):
            quantity, price = Fraction(fill["quantity"]), Fraction(fill["price"])
            walk.trade(quantity if fill["side"] == "BUY" else -quantity, price)
            turnover += abs(quantity * price)
            if not fill["commission"] or not quantity:
                continue
            if fill["commission_currency"] == self._base_of(fill):
                walk.pay_in_kind(Fraction(fill["commission"]))
            else:
                walk.fees += Fraction(fill["commission"])
        multipliers = {fill["multiplier"] for fill in fills} or {row["multiplier"]}
        self._expect(multipliers == {row["multiplier"]}, f"position {name}: multiplier differs")
        multiplier, slack = Fraction(row["multiplier"]), Fraction(_RELATIVE)
        # A rounded average carries an error of the size of prices, not of what is left of them.
        scale = turnover * multiplier
        for key, expected, tolerance in (
            ("quantity", walk.quantity, Fraction(0)),
            ("commission", walk.fees, Fraction(0)),
            ("average_price", walk.average, slack * abs(walk.average)),
            ("realised_pnl", walk.earned * multiplier, slack * scale),
        ):
            if abs(Fraction(row[key]) - expected) > tolerance:
                text = f"position {name}: {key} {row[key]}, but {_decimal(expected)} by its fills"
                self._problem(text)

    def _base_of(self, fill: Row) -> str | None:
        """The base asset of a crypto pair; nothing else can be held less by a commission."""
        order = self.orders.get(fill["order_id"])
        if order is not None and order["asset_class"] != "CRYPTO":
            return None
        base, dash, _ = fill["symbol"].partition("-")
        return base if dash else None

    # What the history and the streams tell.

    def _check_history(self, order: Row) -> None:
        if order["state"] != "FILLED":
            return
        labels = iter(row["step"] for row in self.history_of[order["order_id"]])
        missing = next((step for step in STEPS if step not in labels), None)
        if missing is not None:
            text = f"order {order['client_order_id']}: FILLED, and {missing} not in its turn"
            self._problem(text)

    def _check_state_events(self, order: Row) -> None:
        """One message for each change of state, and each with the order's own words."""
        name, told = f"order {order['client_order_id']}", self.told_of[order["order_id"]]
        states = [row["type"] for row in told if row["type"] in STATES]
        lived = ["PENDING"]
        for row in self.history_of[order["order_id"]]:
            # A note does not change the order, so what it says of the state may be outdated.
            if row["step"] in {"create_order", "reroute_to_paper"} or row["state"] is None:
                continue
            if row["state"] != lived[-1]:
                lived.append(row["state"])
        self._expect(states == lived, f"{name}: went {_path(lived)}, but told {_path(states)}")
        self._expect(
            lived[-1] == order["state"], f"{name}: {order['state']}, but history says {lived[-1]}"
        )
        modes = [row["execution_mode"] for row in self.attempts_of[order["order_id"]]]
        turns = sum(pair == ("LIVE", "PAPER") for pair in pairwise(modes))
        said = sum(row["type"] == "REROUTED" for row in told)
        self._expect(said == turns, f"{name}: rerouted {turns} times, told {said} times")
        for row in told:
            payload = row["payload"]
            same = payload.get("client_order_id") == order["client_order_id"] and (
                row["type"] not in STATES or payload.get("state") == row["type"]
            )
            self._expect(same, f"{name}: message {row['sequence']} says something else")
            if payload.get("broker") is not None:
                self._expect(_mode_fits(payload), f"{name}: message {row['sequence']} mixes modes")

    def _check_request_events(self) -> None:
        """ACCEPTED once for each request that got an order's id, REFUSED for each refused one."""
        told = self.stream["orders"]
        accepted = Counter(row["order_id"] for row in told if row["type"] == "ACCEPTED")
        due = Counter(row["order_id"] for row in self.facts.requests if row["order_id"])
        refused = Counter(
            row["payload"].get("client_order_id") for row in told if row["type"] == "REFUSED"
        )
        due_refused = Counter(
            row["client_order_id"] for row in self.facts.requests if row["outcome"] != "ACCEPTED"
        )
        for word, said, should in (
            ("ACCEPTED", accepted, due),
            ("REFUSED", refused, due_refused),
        ):
            for key in said.keys() | should.keys():
                text = f"{word} of {key}: told {said[key]} times, not {should[key]}"
                self._expect(said[key] == should[key], text)

    def _check_streams(self) -> None:
        marks = {row["stream"]: row for row in self.facts.streams}
        for row in self.facts.events:
            self._check_event(row)
        for event_id, count in Counter(row["event_id"] for row in self.facts.events).items():
            self._expect(count == 1, f"event {event_id}: there {count} times")
        for stream in STREAMS:
            rows = self.stream[stream]
            numbers = [row["sequence"] for row in rows]
            gap = next((n for n, number in enumerate(numbers, 1) if n != number), None)
            self._expect(gap is None, f"stream {stream}: breaks at sequence {gap}")
            mark = marks.get(stream)
            if mark is None:
                self._problem(f"stream {stream}: is not there")
                continue
            last, published = mark["last_sequence"], mark["published_sequence"]
            self._expect(last == len(rows), f"stream {stream}: last is {last} of {len(rows)}")
            self._expect(published == last, f"stream {stream}: published {published} of {last}")

    def _check_event(self, row: Row) -> None:
        name, payload = f"event {row['event_id']}", row["payload"]
        self._expect(row["sequence"] is not None, f"{name}: {row['type']} has no sequence")
        keys = {"fills": FILL_KEYS, "orders": ORDER_KEYS}.get(row["stream"])
        if keys is None or payload.keys() != keys - {"sequence"}:
            odd = sorted(payload.keys() ^ ((keys or frozenset()) - {"sequence"}))
            self._problem(f"{name}: keys differ from the interface's: {odd}")
            return
        same = (
            payload["event_id"] == row["event_id"]
            and payload["type"] == row["type"]
            and payload["order_id"] == row["order_id"]
            and payload["schema"] == 1
        )
        self._expect(same, f"{name}: its payload is another's")
        odd = [key for key, value in payload.items() if isinstance(value, float | Decimal)]
        self._expect(not odd, f"{name}: {odd} are JSON numbers, not strings")

    def _check_fill_events(self) -> None:
        """One FILL for each fill, with its figures; the last word on a fill is what it now is."""
        told: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
        for row in self.stream["fills"]:
            told[tuple(row["payload"].get(key) for key in _IDENTITY)].append(row)
        for fill in self.facts.fills:
            name = f"fill {fill['execution_id']}"
            events = told.pop(tuple(fill[key] for key in _IDENTITY), [])
            first = [row for row in events if row["type"] == "FILL"]
            kind = "lost" if not first else "duplicates"
            self._expect(len(first) == 1, f"{name}: {len(first)} FILL messages", kind=kind)
            if events:
                self._check_fill_message(name, fill, events[-1]["payload"])
        for rows in told.values():
            for row in rows:
                self._problem(f"event {row['event_id']}: {row['type']} of no fill")
        for order in self.facts.orders:
            self._check_running(order)

    def _check_fill_message(self, name: str, fill: Row, said: Row) -> None:
        order = self.orders.get(fill["order_id"]) or {}
        expected = {key: fill[key] for key in _FILL_OWN}
        expected |= {key: order.get(key) for key in _FILL_ORDERS}
        expected |= {"last_quantity": fill["quantity"], "last_price": fill["price"]}
        for key, value in expected.items():
            text = f"{name}: its message says {key} {said.get(key)!r}, not {_plain(value)!r}"
            self._expect(said.get(key) == _plain(value), text)

    def _check_running(self, order: Row) -> None:
        """Cumulative, leaves and average of an order's fills, where they came in their order."""
        fills = sorted(self.fills_of[order["order_id"]], key=lambda row: row["fill_id"])
        modified = any(row["type"] == "MODIFIED" for row in self.told_of[order["order_id"]])
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
            if row["cumulative_quantity"] != quantity or row["leaves_quantity"] != leaves:
                self._problem(f"{name}: does not say {quantity} filled and {leaves} left")
            elif abs(row["average_price"] * quantity - value) > _RELATIVE * size:
                self._problem(f"{name}: average {row['average_price']}, not {value / quantity}")
            full = row["order_state"] == "FILLED"
            self._expect(full == (not leaves), f"{name}: {row['order_state']} with {leaves} left")

    # What consumers heard.

    def _check_messages(self) -> None:
        if self.facts.messages is None:
            return
        rows = {(row["stream"], row["sequence"]): row for row in self.facts.events}
        by_channel: dict[str, list[Message]] = defaultdict(list)
        for message in self.facts.messages:
            by_channel[message.channel].append(message)
        for channel in CHANNELS:
            heard = list(self._check_heard(channel, by_channel[channel], rows))
            live = [number for number, replayed in heard if not replayed]
            text = f"channel {channel}: out of order"
            self._expect(_in_order(live), text)
            if self.facts.unbroken and live:
                self._check_unbroken(channel, set(live))
            if channel in STREAMS:
                missed = {row["sequence"] for row in self.stream[channel]} - {n for n, _ in heard}
                self._expect(
                    not missed, f"channel {channel}: {sorted(missed)[:5]} not heard, not replayed"
                )

    def _check_heard(
        self, channel: str, messages: list[Message], rows: Mapping[tuple[str, int], Row]
    ) -> Iterator[tuple[int, bool]]:
        """The sequence of each message that is, word for word, an event's; and if replayed."""
        stream, _, mode = channel.partition(".")
        for message in messages:
            said = _parse(message.text)
            sequence = said.get("sequence")
            row = rows.get((stream, sequence)) if isinstance(sequence, int) else None
            if row is None:
                self._problem(f"channel {channel}: sequence {sequence!r} is no event")
            elif said != {**row["payload"], "sequence": sequence}:
                self._problem(f"channel {channel}: message {sequence} differs from its event")
            elif mode and said.get("execution_mode") != mode.upper():
                self._problem(f"channel {channel}: message {sequence} is of the other mode")
            else:
                yield row["sequence"], message.replayed

    def _check_unbroken(self, channel: str, live: set[int]) -> None:
        """Who listened all the time heard everything from the first message on."""
        stream, _, mode = channel.partition(".")
        silent = [
            row["sequence"]
            for row in self.stream[stream]
            if row["sequence"] > min(live)
            and row["sequence"] not in live
            and mode.upper() in {"", row["payload"].get("execution_mode")}
        ]
        self._expect(not silent, f"channel {channel}: {silent[:5]} never came over Redis")


def _booked(venue: Venue, row: Row) -> Booked:
    return Booked(
        brokers=venue.brokers,
        execution_id=row["execution_id"],
        symbol=row["symbol"],
        side=row["side"],
        quantity=row["quantity"],
        price=row["price"],
        executed_at=row.get("executed_at"),
        venue_order_id=row.get("venue_order_id"),
        commission=row.get("commission"),
        commission_currency=row.get("commission_currency"),
    )


def _revise(booked: Booked, kind: str, row: Row) -> None:
    if kind == "CORRECTION":
        booked.quantity, booked.price, booked.status = row["quantity"], row["price"], "CORRECTED"
    elif kind == "BUST":
        booked.quantity, booked.status = Decimal(0), "BUSTED"
    else:
        booked.commission = row.get("commission")
        booked.commission_currency = row.get("commission_currency")


def _grouped(rows: Iterable[Row], key: str) -> defaultdict[Any, list[Row]]:
    groups: defaultdict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row[key]].append(row)
    return groups


def _when(row: Row) -> tuple[datetime, int]:
    """What one statement wrote may bear one time; then the steps' own order decides."""
    return row["at"], STEPS.index(row["step"]) if row["step"] in STEPS else -1


def _letters(symbol: str) -> str:
    """A symbol without what venues put between its parts."""
    return "".join(char for char in symbol.upper() if char.isalnum())


def _execution_key(row: Row) -> tuple[str, str, str]:
    return _letters(row["symbol"]), row["side"], row["execution_id"]


def _mode_fits(row: Row) -> bool:
    return bool((row["broker"] == "PAPER") == (row["execution_mode"] == "PAPER"))


def _in_order(numbers: Sequence[int]) -> bool:
    """True when each number first comes after all smaller ones; repeats may come any time."""
    firsts = list(dict.fromkeys(numbers))
    return firsts == sorted(firsts)


def _path(states: Iterable[str]) -> str:
    return " -> ".join(states)


def _on_grid(value: Fraction) -> Fraction:
    """Forty decimals: else the denominators of a long history grow without bound."""
    return Fraction(round(value * _GRID), _GRID)


def _decimal(value: Fraction) -> Decimal:
    return Decimal(value.numerator) / Decimal(value.denominator)


def _plain(value: object) -> object:
    """A column as a message spells it."""
    if isinstance(value, Decimal):
        text = format(value, "f")
        text = text.rstrip("0").rstrip(".") if "." in text else text
        return "0" if text == "-0" else text
    if isinstance(value, datetime):
        moment = value.astimezone(UTC).isoformat(timespec="microseconds")
        return moment.removesuffix("+00:00") + "Z"
    return value


def _parse(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text, parse_float=Decimal)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _sequence(text: str) -> int | None:
    sequence = _parse(text).get("sequence")
    return sequence if isinstance(sequence, int) else None


def _as_message(row: Row) -> str:
    return json.dumps({**row["payload"], "sequence": row["sequence"]})


# JSON comes as text: the driver would read its numbers as floats.
_QUERIES = {
    "requests": "SELECT request_id, client_order_id, payload::text AS payload, outcome, reason, "
    "order_id FROM order_requests",
    "orders": "SELECT * FROM orders",
    "attempts": "SELECT * FROM order_attempts",
    "reports": "SELECT * FROM execution_reports",
    "fills": "SELECT * FROM fills",
    "positions": "SELECT * FROM positions",
    "paper_positions": "SELECT * FROM paper_positions",
    "history": "SELECT order_id, at, step, state FROM order_events ORDER BY at",
    "events": "SELECT event_id, stream, sequence, type, order_id, payload::text AS payload "
    "FROM events ORDER BY event_no",
    "streams": "SELECT * FROM streams",
    "alerts": "SELECT * FROM alerts",
    "commands": "SELECT kind, client_order_id, external_id, outcome, reason FROM order_commands",
    "paper_orders": "SELECT *, venue_order_id AS broker_order_id FROM paper_orders",
    "paper_executions": "SELECT e.*, o.symbol, o.side FROM paper_executions e "
    "JOIN paper_orders o USING (venue_order_id) ORDER BY e.executed_at, e.execution_id",
}

_UNPUBLISHED = {
    "events": "SELECT event_no FROM events JOIN streams USING (stream) "
    "WHERE sequence IS NULL OR sequence > published_sequence LIMIT 1"
}


def _query(database_url: str, queries: Mapping[str, str]) -> dict[str, list[Row]]:
    """The rows of each query, all of one snapshot."""
    scheme, mark, rest = database_url.partition("://")
    dsn = f"postgresql{mark}{rest}" if scheme.startswith("postgres") else database_url
    connection = psycopg2.connect(dsn)
    try:
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        tables: dict[str, list[Row]] = {}
        for name, query in queries.items():
            with connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
                cursor.execute(query)
                rows = [dict(row) for row in cursor.fetchall()]
            for row in rows:
                if isinstance(row.get("payload"), str):
                    row["payload"] = json.loads(row["payload"], parse_float=Decimal)
            tables[name] = [*rows]
    finally:
        connection.close()
    return tables


def _ledger(url: str, brokers: Iterable[str]) -> Venue:
    """What a simulator's control port says it holds."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
    try:
        connection.request("GET", f"{address.path}/ledger")
        reply = connection.getresponse()
        body = reply.read()
    finally:
        connection.close()
    if reply.status != http.client.OK:
        raise RuntimeError(f"{url}/ledger answered {reply.status}: {body[:200]!r}")
    held = json.loads(body, parse_float=Decimal)
    return Venue(
        frozenset(brokers),
        [_typed(row) for row in held["orders"]],
        [_typed(row) for row in held["executions"]],
    )


def _typed(row: Mapping[str, Any]) -> dict[str, Any]:
    """A ledger's JSON with its numbers as Decimal and its times aware."""
    typed = dict(row)
    for name in ("quantity", "filled_quantity", "price", "commission"):
        if typed.get(name) is not None:
            typed[name] = Decimal(str(typed[name]))
    if typed.get("executed_at") is not None:
        typed["executed_at"] = datetime.fromisoformat(typed["executed_at"])
    return typed
