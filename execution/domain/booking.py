"""What came into a position or left it without an order, as executions of a kind of their own.

An assignment, an exercise, an expiry, a split, a transfer, a renaming: what went and what came,
each at a price or at cost. At cost means that no profit is realised: what went leaves at its
average price, and what came takes over what went was worth.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Context, Decimal
from uuid import UUID, uuid5

from execution.domain.decimals import exact, plain
from execution.domain.errors import ExecutionError
from execution.domain.instruments import Instrument
from execution.domain.positions import FillEntry, Position
from execution.domain.vocabulary import BrokerName, Side

_BOOKINGS = UUID("0f7c2a52-9a0c-5e0c-8d4f-4a5b5b0f7a11")
_LEG = re.compile(r"(\S+)\s+([+-]?\d+(?:\.\d+)?)(?:\s*@\s*(-?\d+(?:\.\d+)?))?")
_PRICES = Context(prec=28)
_LARGEST, _ZERO = Decimal(10) ** 15, Decimal(0)


class NotBooked(ExecutionError):
    """Nothing was booked; the message says why."""


@dataclass(frozen=True, slots=True)
class Leg:
    """What went or came: `quantity` as it is or was held (short is negative).

    `price` None: at cost.
    """

    symbol: str
    quantity: Decimal
    price: Decimal | None = None

    @classmethod
    def of(cls, said: str) -> Leg:
        """Read `SPY 100 @ 600`, or `SPY 100` for at cost. NotBooked."""
        found = _LEG.fullmatch(said.strip())
        if found is None:
            raise NotBooked(f"{said!r} is not like 'SPY 100 @ 600' or, at cost, 'SPY 100'")
        symbol, quantity, price = found.groups()
        leg = cls(symbol, Decimal(quantity), None if price is None else Decimal(price))
        if not leg.quantity or max(abs(leg.quantity), abs(leg.price or _ZERO)) >= _LARGEST:
            raise NotBooked(f"{said!r}: a quantity is not 0, and a number is below 1e15")
        return leg

    def __str__(self) -> str:
        price = "" if self.price is None else f" @ {plain(self.price)}"
        return f"{self.symbol} {plain(self.quantity)}{price}"


@dataclass(frozen=True, slots=True)
class Booking:
    """What somebody (`by`) wants booked in an account, and how they know.

    `at` is when it happened (aware UTC), None for now. `name` tells the same booking from another
    one that looks alike.
    """

    broker: BrokerName
    account: str
    went: tuple[Leg, ...]
    came: tuple[Leg, ...]
    evidence: str
    by: str
    at: datetime | None = None
    name: str | None = None

    @property
    def booking_id(self) -> UUID:
        """The same for the same booking, so that it is booked once however often it is asked for.

        By its name, else by what happened where and the evidence of it.
        """
        return uuid5(
            _BOOKINGS, f"{self.broker}\x1f{self.account}\x1f{self.name or self._content()}"
        )

    def _content(self) -> str:
        at = "" if self.at is None else self.at.isoformat()
        went, came = ("; ".join(map(str, legs)) for legs in (self.went, self.came))
        return f"{went}\x1f{came}\x1f{at}\x1f{self.evidence}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One leg as an execution: `quantity` is positive. `realised` is the profit it makes."""

    instrument: Instrument
    side: Side
    quantity: Decimal
    price: Decimal
    realised: Decimal = field(compare=False)


@exact
def entries(
    booking: Booking, instruments: Mapping[str, Instrument], held: Mapping[str, Position]
) -> list[Entry]:
    """The executions of a booking, what went before what came.

    `instruments` and `held` are by the legs' symbols; `held` is as of the booking's time. NotBooked
    for what cannot have happened so.
    """
    if not booking.went and not booking.came:
        raise NotBooked("say what went, what came, or both")
    now, found, worth = dict(held), list[Entry](), Decimal(0)
    for leg in booking.went:
        instrument, position = instruments[leg.symbol], now[leg.symbol]
        if leg.quantity * position.quantity <= 0 or abs(leg.quantity) > abs(position.quantity):
            raise NotBooked(
                f"{plain(leg.quantity)} {leg.symbol} cannot have gone: "
                f"{plain(position.quantity)} are held"
            )
        price = position.average_price if leg.price is None else leg.price
        side = Side.SELL if leg.quantity > 0 else Side.BUY
        now[leg.symbol] = _add(found, instrument, position, (side, abs(leg.quantity), price))
        worth += leg.quantity * price * instrument.multiplier
    for leg, price in _priced(booking, instruments, worth):
        side = Side.BUY if leg.quantity > 0 else Side.SELL
        instrument, position = instruments[leg.symbol], now[leg.symbol]
        now[leg.symbol] = _add(found, instrument, position, (side, abs(leg.quantity), price))
    return found


def _add(
    found: list[Entry],
    instrument: Instrument,
    position: Position,
    trade: tuple[Side, Decimal, Decimal],
) -> Position:
    after = position.apply(FillEntry(*trade), instrument.multiplier)
    found.append(Entry(instrument, *trade, after.realised_pnl - position.realised_pnl))
    return after


def _priced(
    booking: Booking, instruments: Mapping[str, Instrument], worth: Decimal
) -> list[tuple[Leg, Decimal]]:
    """What came with its prices: at most one takes over what the rest leaves of what went."""
    at_cost = [leg for leg in booking.came if leg.price is None]
    if not at_cost:
        return [(leg, leg.price) for leg in booking.came if leg.price is not None]
    if len(at_cost) > 1 or not booking.went:
        raise NotBooked("what came needs a price; one of them may take over what went at cost")
    currencies = {instruments[leg.symbol].currency for leg in (*booking.went, *booking.came)}
    if len(currencies) > 1:
        raise NotBooked(f"what came needs a price: {' and '.join(sorted(currencies))} differ")
    for leg in booking.came:
        if leg.price is not None:
            worth -= leg.quantity * leg.price * instruments[leg.symbol].multiplier
    (heir,) = at_cost
    units = heir.quantity * instruments[heir.symbol].multiplier
    price = _PRICES.divide(worth, units)
    if price < 0:
        raise NotBooked(f"{heir} would have a price of {plain(price)}: say one")
    return [(leg, price if leg is heir else leg.price or Decimal(0)) for leg in booking.came]
