"""The facts with what is looked up in them again and again, and the verdict as it grows."""

from __future__ import annotations

from collections import defaultdict
from decimal import Context

from tests.oracle.facts import Facts, Row, Venue, Verdict
from tests.oracle.ledger import Booked, book
from tests.oracle.words import grouped, letters, when

EXACT = Context(prec=200)
"""Wide enough that every sum and product of money here is exact; only quotients are rounded."""


Place = tuple[str, str, str]
"""An account at a broker in a symbol: where positions are kept."""


class Case:
    """One run over the facts: each check adds the problems it finds.

    `booked_as` holds the executions of each order at a venue, by the id we gave it.
    """

    def __init__(self, facts: Facts, *, allow_open: bool) -> None:
        self.facts = facts
        self.allow_open = allow_open
        self.result = Verdict()
        self.orders = {row["order_id"]: row for row in facts.orders}
        self.attempts = {row["attempt_id"]: row for row in facts.attempts}
        self.attempt_called = {row["venue_order_id"]: row for row in facts.attempts}
        self.attempts_of = grouped(
            sorted(facts.attempts, key=lambda row: (row["attempt_no"], row["leg"])), "order_id"
        )
        self.fills_of = grouped(facts.fills, "order_id")
        self.history_of = grouped(sorted(facts.history, key=when), "order_id")
        numbered = [row for row in facts.events if row["sequence"] is not None]
        self.stream = grouped(sorted(numbered, key=lambda row: row["sequence"]), "stream")
        self.told_of = grouped(self.stream["orders"], "order_id")
        self.at_venue: dict[str, list[tuple[Venue, Row]]] = defaultdict(list)
        self.booked: list[Booked] = []
        self.booked_as: dict[str | None, list[Booked]] = defaultdict(list)
        for venue in facts.venues:
            for row in venue.orders:
                self.at_venue[row["venue_order_id"]].append((venue, row))
            booked, problems = book(venue)
            self.booked += booked
            for text, kind in problems:
                self.problem(text, kind=kind)
        for item in self.booked:
            self.booked_as[item.venue_order_id].append(item)

    def account_at_venue(self, attempt: Row) -> str:
        """The venue's own account that an attempt is in; ours where the venue names none."""
        for _, held in self.at_venue[attempt["venue_order_id"]]:
            if held.get("account"):
                return str(held["account"])
        return str(attempt["account"])

    def place_of(self, item: Booked) -> Place:
        """Where an execution moves a position; one of no order of ours is looked up by symbol."""
        attempt = self.attempt_called.get(item.venue_order_id)
        order = None if attempt is None else self.orders.get(attempt["order_id"])
        if attempt is not None and order is not None:
            return self.account_at_venue(attempt), attempt["broker"], order["symbol"]
        alike = (
            (fill["account"], fill["broker"], fill["symbol"])
            for fill in self.facts.fills
            if fill["broker"] in item.brokers and letters(fill["symbol"]) == letters(item.symbol)
        )
        account, broker, symbol = next(alike, ("", min(item.brokers), item.symbol))
        return item.account or account, broker, symbol

    def base_of(self, item: Booked) -> str | None:
        """The base asset of a crypto pair; nothing else can be held less by a commission."""
        attempt = self.attempt_called.get(item.venue_order_id)
        order = None if attempt is None else self.orders.get(attempt["order_id"])
        if order is not None and order["asset_class"] != "CRYPTO":
            return None
        base, dash, _ = item.symbol.partition("-")
        return base if dash else None

    def problem(self, text: str, *, kind: str | None = None) -> None:
        """Add a problem; `kind` is the figure of the verdict that counts it."""
        self.result.problems.append(text)
        if kind is not None:
            setattr(self.result, kind, getattr(self.result, kind) + 1)

    def expect(self, holds: object, text: str, *, kind: str | None = None) -> None:
        """Add a problem unless something holds."""
        if not holds:
            self.problem(text, kind=kind)

    def count(self) -> None:
        """Fill in the verdict's figures."""
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
