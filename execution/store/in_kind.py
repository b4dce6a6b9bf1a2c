"""What came in kind for a group's shares (a spin-off): booked by hand, counted with the group."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import Connection, text

from execution.domain.arbitrage.groups import Purpose, Role
from execution.domain.booking import Leg
from execution.domain.decimals import exact
from execution.domain.vocabulary import BrokerName, ExecutionMode
from execution.store.groups import Stored


@dataclass(frozen=True, slots=True)
class Received:
    """So much of another instrument, negative where a short group owes it, at `price` dollars."""

    symbol: str
    quantity: Decimal
    price: Decimal

    @property
    def worth(self) -> Decimal:
        """In dollars."""
        return self.quantity * self.price


def received(connection: Connection, stored: Stored) -> list[Received]:
    """What bookings since a group's entry gave for its shares of the trust, in proportion.

    A booking such as `--went "GBTC 10" --came "GBTC 10" --came "XYZ 5 @ 40"`; without a price
    (at cost) it is worth nothing here.
    """
    rows = connection.execute(
        text(
            """
            SELECT went, came FROM bookings
            WHERE reversed_at IS NULL AND (broker = :paper) = :on_paper
              AND happened_at >= :since AND happened_at <= coalesce(:until, happened_at)
            ORDER BY happened_at, booking_id
            """
        ),
        {
            "paper": BrokerName.PAPER,
            "on_paper": stored.group.mode is ExecutionMode.PAPER,
            "since": stored.signal["entered_at"],
            "until": stored.signal["ended_at"],
        },
    )
    found: list[Received] = []
    for row in rows:
        went, came = ([Leg.of(said) for said in legs] for legs in (row.went, row.came))
        found += _shared(stored, went, came)
    return found


@exact
def _shared(stored: Stored, went: list[Leg], came: list[Leg]) -> list[Received]:
    return list(_of_group(stored, went, came))


def _of_group(stored: Stored, went: list[Leg], came: list[Leg]) -> Iterator[Received]:
    shares = sum((leg.quantity for leg in went if leg.symbol == stored.pair.trust), Decimal(0))
    own = sum(
        (
            leg.side.sign * leg.filled
            for leg in stored.group.legs
            if leg.role is Role.TRUST and leg.purpose is Purpose.OPENING
        ),
        Decimal(0),
    )
    if not shares or not own:
        return
    for leg in came:
        if leg.symbol != stored.pair.trust:
            yield Received(leg.symbol, leg.quantity * own / shares, leg.price or Decimal(0))
