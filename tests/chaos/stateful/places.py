"""Where random lives take place: paper, the ledger venue, the simulated IB Gateway.

At each there is one market in SPY that stands still at 600. A move lets a stated size trade at a
price that reaches entries, targets or stops, and brings the market back: so orders fill in parts,
and which of them is the venue's affair.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from tests.fleet import Fleet
from tests.oracle import Venue
from tests.oracle.sources import ledger, paper_book
from tests.venues import IbGatewayVenue, LedgerForShares, SimulatedVenue

SYMBOL = "SPY"
MIDDLE = ("600.00", "600.02")
MOVES = {
    "dip": ("598.98", "599.00"),
    "rise": ("601.00", "601.02"),
    "fall": ("589.98", "590.00"),
    "rally": ("610.00", "610.02"),
}
"""Bid and ask: a dip fills what buys at 599 and a rise what sells at 601; a fall and a rally reach
stops and targets ten away."""


class Place(ABC):
    """One venue with its workers. `accounts` are those that orders may name."""

    name: ClassVar[str]
    broker: ClassVar[str]
    queues: ClassVar[tuple[str, ...]]
    accounts: ClassVar[tuple[str, ...]]
    faults: ClassVar[frozenset[str]] = frozenset({"halt", "restart", "cancel_child"})
    """What may go wrong here."""
    environment: ClassVar[Mapping[str, str]] = {}

    def __init__(self) -> None:
        self.fleet: Fleet

    def made(self, database_url: str, redis_url: str, home: Path) -> Fleet:
        """The fleet of workers, not started yet."""
        self.fleet = Fleet(
            database_url,
            redis_url,
            home,
            queues=("orders", *self.queues),
            ready=tuple(queue.upper() for queue in self.queues),
            environment={"BREAKER_THRESHOLD": "100000", **self.environment},
            **self.venue(),
        )
        return self.fleet

    def venue(self) -> dict[str, Any]:
        """The fleet's venue."""
        return {}

    def terms(self) -> dict[str, Any]:
        """What every order has in common here."""
        return {"symbol": SYMBOL, "time_in_force": "GTC", "on_failure": "wait"}

    @abstractmethod
    def stand_still(self) -> None:
        """Bring the market back to where nothing trades."""

    @abstractmethod
    def move(self, what: str, size: int) -> None:
        """Let `size` trade at a move's prices (or as near to that as the place can)."""

    @abstractmethod
    def let_trade(self, size: int) -> None:
        """Let `size` trade where the market stands."""

    @abstractmethod
    def held(self) -> Venue:
        """What the venue holds now."""

    @abstractmethod
    def calm(self) -> None:
        """Clear the faults that are armed."""

    def refuse(self, on: str) -> None:
        """Refuse the next `submit` or `modify` at the venue."""
        raise NotImplementedError

    def lose_reply(self, on: str) -> None:
        """Lose the answer to the next `submit`, `modify` or `cancel`."""
        raise NotImplementedError

    def slow(self, on: str) -> None:
        """Let the next `submit`, `modify` or `cancel` stand still for a while on its way."""
        raise NotImplementedError

    def end(self, venue_order_id: str) -> bool:
        """Let the venue end an order by itself; False where it works no more."""
        raise NotImplementedError


class Paper(Place):
    """The paper book: each fresh quote brings `DEPTH` to every order that it reaches."""

    name = "paper"
    broker = "PAPER"
    queues = ("paper",)
    accounts = ("one", "two")
    environment: ClassVar[Mapping[str, str]] = {"PAPER_DEPTH": "2", "PAPER_SLIPPAGE_MODEL": "none"}

    def terms(self) -> dict[str, Any]:
        return {"symbol": SYMBOL, "time_in_force": "GTC", "execution_mode": "PAPER"}

    def stand_still(self) -> None:
        self.fleet.quote(SYMBOL, *MIDDLE)

    def move(self, what: str, size: int) -> None:
        for _ in range((size + 1) // 2):
            before = len(self.held().executions)
            self.fleet.quote(SYMBOL, *MOVES[what])
            deadline = time.monotonic() + 0.6
            # The book is looked at four times a second; without an order here nothing happens.
            while len(self.held().executions) == before and time.monotonic() < deadline:
                time.sleep(0.05)
        self.stand_still()

    def let_trade(self, size: int) -> None:
        self.stand_still()

    def calm(self) -> None:
        """The paper book has no faults of its own."""

    def held(self) -> Venue:
        return paper_book(self.fleet.database_url)


class _AtVenue(Place):
    """A simulator with a control port."""

    kind: ClassVar[type[SimulatedVenue]]
    faults = Place.faults | {"refuse", "lose_reply", "slow", "end"}

    def venue(self) -> dict[str, Any]:
        return {"venue": self.kind}

    def stand_still(self) -> None:
        self.fleet.quote(SYMBOL, *MIDDLE)
        self._liquidity(0)
        self.fleet.venue.price(SYMBOL, *MIDDLE)

    def move(self, what: str, size: int) -> None:
        self.fleet.venue.price(SYMBOL, *MOVES[what])
        self._liquidity(size)
        self.stand_still()

    def let_trade(self, size: int) -> None:
        self._liquidity(size)

    def held(self) -> Venue:
        return ledger(self.fleet.venue.control_url, {self.broker})

    def calm(self) -> None:
        self.fleet.venue.disarm()

    def refuse(self, on: str) -> None:
        code, reason = self.kind.traded.refusal
        self.fleet.venue.arm("reject", on=on, code=code, reason=reason)

    def lose_reply(self, on: str) -> None:
        self.fleet.venue.arm("drop_reply", on=on)

    def slow(self, on: str) -> None:
        self.fleet.venue.arm("delay", on=on, seconds=0.7)

    def end(self, venue_order_id: str) -> bool:
        try:
            self.fleet.venue.control("POST", "orders/cancel", {"venue_order_id": venue_order_id})
        except OSError:  # it is over, and the control port says so by an error
            return False
        return True

    def _liquidity(self, size: int) -> None:
        body = {"symbol": SYMBOL, "size": str(size), "slice": None}
        self.fleet.venue.control("POST", "liquidity", body)


class Ledger(_AtVenue):
    """The ledger venue: changes in place, and no group of its own."""

    name = "ledger"
    broker = "IBKR"
    queues = ("ibkr", "paper")
    accounts = ("main", LedgerForShares.others[0])
    kind = LedgerForShares


class Ibkr(_AtVenue):
    """The simulated IB Gateway, by its socket."""

    name = "ibkr"
    broker = "IBKR"
    queues = ("ibkr", "paper")
    accounts = ("main", IbGatewayVenue.others[0])
    kind = IbGatewayVenue


PLACES: dict[str, type[Place]] = {place.name: place for place in (Paper, Ledger, Ibkr)}
