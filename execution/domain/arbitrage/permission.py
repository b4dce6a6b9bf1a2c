"""Whether the two legs of an entry may leave: every reason against it, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from execution.domain.arbitrage.legs import Leg, Legs
from execution.domain.arbitrage.prices import Observation
from execution.domain.decimals import exact, plain
from execution.domain.lending import Shortable
from execution.domain.routing import BrokerStatus
from execution.domain.vocabulary import (
    BreakerState,
    BrokerName,
    ExecutionMode,
    SessionStatus,
    Side,
)


class ShortSpot(StrEnum):
    """How coins are sold that the arbitrage did not buy: of those held, or borrowed ones."""

    INVENTORY = "inventory"
    MARGIN = "margin"


@dataclass(frozen=True, slots=True)
class Balances:
    """What an account holds, by currency, as of a time (aware)."""

    amounts: Mapping[str, Decimal]
    as_of: datetime


@dataclass(frozen=True, slots=True)
class Venue:
    """A leg's venue as it stands: `currency` pays for it, `base` is the coin, None for shares.

    `held` is our position in the instrument, with its sign. `lends` says that it lends coins.
    """

    broker: BrokerName
    status: BrokerStatus | None
    currency: str
    base: str | None = None
    balances: Balances | None = None
    held: Decimal = Decimal(0)
    lends: bool = False


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the user allows. Ages are the oldest that is believed.

    `largest_position` is in dollars of the trust, None for no bound.
    """

    leg_limit: timedelta
    balance_max_age: timedelta
    shortable_max_age: timedelta
    largest_position: Decimal | None = None
    short_spot: ShortSpot | None = None


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known at `now`. `closes_at` is the end of the trust's session, None out of it."""

    now: datetime
    mode: ExecutionMode
    trust: Venue
    spot: Venue
    closes_at: datetime | None
    shortable: Shortable | None = None


def not_both(known: Circumstances, leg_limit: timedelta) -> str | None:
    """Why two legs could not leave together now; None when they can."""
    return next(_standing(known, leg_limit), None)


@exact
def objections(
    legs: Legs, seen: Observation, known: Circumstances, bounds: Bounds
) -> tuple[str, ...]:
    """Every reason why an entry must not be made; none when it may."""
    found = [*_standing(known, bounds.leg_limit), *_position(legs, seen, known, bounds)]
    if legs.spot.side is Side.SELL:
        found += _short_spot(known, bounds)
    if known.mode is ExecutionMode.LIVE:
        found += _money(legs, seen, known, bounds)
        if legs.trust.side is Side.SELL:
            found += _short_trust(legs.trust, known, bounds)
    return tuple(found)


def _standing(known: Circumstances, leg_limit: timedelta) -> Iterator[str]:
    """Both venues healthy, and both sessions open for long enough. Coins trade at any time."""
    for venue in dict.fromkeys((known.trust.broker, known.spot.broker)):
        status = known.trust.status if venue is known.trust.broker else known.spot.status
        if status is None or status.status is None:
            yield f"no worker of {venue} is there"
        elif status.status is not SessionStatus.LIVE_READY:
            yield f"{venue} is {status.status}: {status.detail}"
        elif status.breaker is not BreakerState.CLOSED:
            yield f"the circuit breaker of {venue} is {status.breaker}"
    if known.closes_at is None:
        yield "the trust's session is not open"
    elif known.closes_at - known.now < leg_limit:
        yield f"the trust's session closes at {known.closes_at.isoformat()}"


def _position(legs: Legs, seen: Observation, known: Circumstances, bounds: Bounds) -> Iterator[str]:
    if bounds.largest_position is None:
        return
    after = abs(known.trust.held + legs.trust.side.sign * legs.trust.quantity) * seen.trust_price
    if after > bounds.largest_position:
        yield (
            f"{legs.trust.symbol} would be {plain(after)} dollars, above the largest position of "
            f"{plain(bounds.largest_position)}"
        )


def _short_spot(known: Circumstances, bounds: Bounds) -> Iterator[str]:
    if bounds.short_spot is None:
        yield "NAV_SHORT_SPOT is not set: inventory sells held coins, margin borrows them"
    elif (
        bounds.short_spot is ShortSpot.MARGIN
        and known.mode is ExecutionMode.LIVE
        and not known.spot.lends
    ):
        yield f"NAV_SHORT_SPOT is margin, and {known.spot.broker} lends no coins here"


def _money(legs: Legs, seen: Observation, known: Circumstances, bounds: Bounds) -> Iterator[str]:
    """Whatever is bought is paid for in full; a short sale of the trust needs its value as cover.

    What is in `seen` are the prices of the moment: a leg is not bought for much more.
    """
    needs = [(known.trust, known.trust.currency, legs.trust.quantity * seen.trust_price)]
    if legs.spot.side is Side.BUY:
        price = seen.spot_price
        needs.append((known.spot, known.spot.currency, legs.spot.quantity * price))
    elif bounds.short_spot is ShortSpot.INVENTORY and known.spot.base is not None:
        needs.append((known.spot, known.spot.base, legs.spot.quantity))
    for venue, currency, amount in needs:
        if venue.balances is None:
            yield f"nobody has said what the account at {venue.broker} holds"
            continue
        age = known.now - venue.balances.as_of
        if age > bounds.balance_max_age:
            yield f"the balances at {venue.broker} are {age.total_seconds():.0f} s old"
        has = venue.balances.amounts.get(currency, Decimal(0))
        if has < amount:
            yield f"{venue.broker} holds {plain(has)} {currency}, {plain(amount)} are needed"


def _short_trust(leg: Leg, known: Circumstances, bounds: Bounds) -> Iterator[str]:
    found = known.shortable
    if found is None:
        yield f"nobody has said how many shares of {leg.symbol} can be borrowed"
        return
    age = found.age(known.now)
    if age > bounds.shortable_max_age:
        yield f"how many shares of {leg.symbol} can be borrowed is {age.total_seconds():.0f} s old"
    # What is held is sold first and needs nobody to lend it.
    borrowed = leg.quantity - max(known.trust.held, Decimal(0))
    if borrowed > found.shares:
        yield f"{plain(found.shares)} shares of {leg.symbol} can be borrowed, not {plain(borrowed)}"
