"""How much of a share a broker has to lend to whoever sells it short."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol, runtime_checkable

from execution.domain.instruments import Instrument


@dataclass(frozen=True, slots=True)
class Shortable:
    """So many `shares` could be borrowed `at` a time (aware UTC); it is no promise to lend them."""

    symbol: str
    shares: Decimal
    at: datetime
    source: str

    def age(self, now: datetime) -> timedelta:
        """How old the word is: how old it may be is for its reader to judge."""
        return now - self.at


@runtime_checkable
class Lender(Protocol):
    """A broker that lends shares."""

    async def shortable(self, instrument: Instrument) -> Shortable:
        """How many shares can be borrowed now. BrokerUnavailable where that is not to be known."""
