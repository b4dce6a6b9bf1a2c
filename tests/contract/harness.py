"""What a case needs of a venue, so that no case knows which venue it runs against.

To join the suite, put a module `<venue>_harness.py` beside this one that names its harnesses in
`HARNESSES: tuple[type[VenueHarness], ...]`. A case is collected for a harness that has the fault
kinds and abilities it `needs`, and for no other; nothing is skipped.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar
from uuid import uuid4

from execution.domain.errors import RejectionScope
from execution.domain.instruments import Instrument
from execution.domain.ports import Attempt, Broker
from execution.domain.vocabulary import BrokerName, OrderState, OrderType, Side, TimeInForce
from simulators.faults import FaultKind

# Within this every condition of a case must come true.
DEADLINE_SECONDS = 15.0

Case = TypeVar("Case", bound=Callable[..., Awaitable[None]])


class Ability(StrEnum):
    """What a harness can do beside the faults, and what its venue is like."""

    RESTART = "restart"
    """The venue can go away and come back with its memory."""
    FENCE = "fence"
    """The venue refuses what comes after `send_by`."""
    LIQUIDITY = "liquidity"
    """The harness can limit how much trades."""
    EXECUTIONS = "executions"
    """The harness can make the venue report an execution of its own making."""
    ENDS = "ends"
    """The harness can end an order from the venue's side."""
    NETTING = "netting"
    """The venue nets opposite positions."""
    SHORTING = "shorting"
    """The venue sells what it does not hold."""
    POSITIONS = "positions"
    """The venue holds positions by symbol (a spot account holds balances)."""
    MODIFIES = "modifies"
    """The venue changes an order in place."""
    MOVES = "moves"
    """The venue changes the price of an order in place."""
    QUERY_FAULTS = "query_faults"
    """Faults strike questions, too."""
    FENCE_IN_TRANSIT = "fence_in_transit"
    """The venue refuses what comes late even if it was under way in time."""
    UNFENCED = "unfenced"
    """Without `send_by` an order is taken however late it comes."""
    STOPS_WORK_ON = "stops_work_on"
    """What a stop does not find at once when it triggers works on."""
    CORRECTIONS = "corrections"
    """The harness can make the venue correct and bust executions."""
    SAYS_IT_TOOK_NOTHING = "says_it_took_nothing"
    """An overloaded venue says that it took nothing, and means it."""
    REASONS = "reasons"
    """The venue tells why it has ended an order."""
    BALANCES = "balances"
    """The harness can set what the account holds."""
    REFUSES_EVERYBODY = "refuses_everybody"
    """A refusal can be about every order of the account, whatever it asks."""
    HALTS = "halts"
    """A refusal can be about every order of a symbol."""
    RESENDS = "resends"
    """The same attempt can be submitted a second time (in process, that is a caller's bug)."""


class Trait(StrEnum):
    """What a case has to take into account; a harness without `traits` has none of them."""

    WHOLE_SECONDS = "whole_seconds"
    """Execution times have whole seconds."""
    KEEPS_REFUSED = "keeps_refused"
    """What the venue has refused it still shows, as rejected."""
    ONE_CONNECTION = "one_connection"
    """Everything goes over one connection: when it drops, all that is under way is in doubt."""
    EXPIRY_IS_CANCEL = "expiry_is_cancel"
    """The venue tells that an order's time is over, but not otherwise than a cancel."""


@dataclass(frozen=True, slots=True)
class HeldOrder:
    """An order in the venue's own ledger."""

    venue_order_id: str
    state: str
    quantity: Decimal
    limit_price: Decimal | None


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the venue really holds, told past the adapter."""

    orders: tuple[HeldOrder, ...]
    execution_ids: tuple[str, ...]

    def count(self, attempt: Attempt) -> int:
        """How many orders the venue holds of this attempt's id."""
        return sum(order.venue_order_id == attempt.venue_order_id for order in self.orders)


class VenueHarness(Protocol):
    """One venue under test. A fresh one serves each case; `folder` is its own."""

    name: ClassVar[str]
    faults: ClassVar[frozenset[FaultKind]]
    abilities: ClassVar[frozenset[Ability]]
    order_types: ClassVar[frozenset[OrderType]]
    times_in_force: ClassVar[frozenset[TimeInForce]]
    broker: ClassVar[BrokerName]
    account: ClassVar[str]
    instrument: ClassVar[Instrument]
    unpriced: ClassVar[Instrument]
    """An instrument without a market."""
    lot: ClassVar[Decimal]
    """A quantity that is easy to trade; cases use multiples of it."""
    exact_quantities: ClassVar[Sequence[Decimal]]
    """Quantities that the venue takes to the last digit, the awkward ones."""
    balances: ClassVar[Mapping[str, str]]
    """Balances that the venue keeps to the last digit."""
    clock_step: ClassVar[timedelta]
    """What lies further apart has different times there."""
    answer_seconds: ClassVar[float]
    """How long an impatient adapter waits for an answer."""

    def __init__(self, folder: Path) -> None: ...

    async def start(self) -> None:
        """Start the venue, or start it again with what it remembers."""

    async def stop(self) -> None:
        """End the venue at once; safe when it is not running."""

    def adapter(self, *, impatient: bool = False) -> Broker:
        """Another adapter to this venue, not connected; the case closes it.

        An impatient one gives up after `answer_seconds`, any other only after `DEADLINE_SECONDS`,
        so that a busy machine puts nothing in doubt.
        """

    async def set_price(self, bid: str, ask: str) -> None:
        """Set the market of `instrument`."""

    async def set_liquidity(self, size: Decimal | None, slice_size: Decimal | None = None) -> None:
        """Limit what trades at the price, in all and in one execution."""

    async def set_balances(self, balances: dict[str, str]) -> None:
        """Set what the account holds, by currency."""

    async def arm(self, kind: FaultKind, **options: Any) -> None:
        """Arm a fault; options as in `simulators.faults.Fault`."""

    def refusal(self, scope: RejectionScope) -> dict[str, str]:
        """Options of a REJECT that this venue means so: code, reason, and scope if it tells one."""

    async def clear(self) -> None:
        """Disarm every fault, and let go of what they hold."""

    async def fired(self, kind: FaultKind) -> int:
        """How often faults of that kind have fired."""

    async def report_execution(self, **fields: Any) -> None:
        """Make the venue report an execution; fields as in `simulators.ledger.interventions`."""

    async def end_order(self, attempt: Attempt, state: OrderState, reason: str) -> None:
        """End a working order from the venue's side."""

    async def ledger(self) -> Ledger:
        """Everything that the venue holds."""


def needs(*wanted: FaultKind | Ability | OrderType | TimeInForce) -> Callable[[Case], Case]:
    """Collect the case only for harnesses that have all of `wanted`."""

    def mark(case: Case) -> Case:
        case.__dict__["needs"] = frozenset(wanted)
        return case

    return mark


def has_all(harness: type[VenueHarness], wanted: frozenset[StrEnum]) -> bool:
    """True when the harness has everything a case needs."""
    return wanted <= (
        harness.faults | harness.abilities | harness.order_types | harness.times_in_force
    )


def has_trait(harness: VenueHarness, trait: Trait) -> bool:
    """Whether a case has to take that into account."""
    traits: frozenset[Trait] = getattr(harness, "traits", frozenset())
    return trait in traits


def new_attempt(harness: VenueHarness, **changes: Any) -> Attempt:
    """A MARKET order to BUY one lot under an id of its own, with `changes`."""
    standard = Attempt(
        attempt_id=uuid4(),
        order_id=uuid4(),
        client_order_id=secrets.token_hex(8),
        broker=harness.broker,
        account=harness.account,
        venue_order_id=secrets.token_hex(11),
        instrument=harness.instrument,
        side=Side.BUY,
        order_type=OrderType.MARKET,
        quantity=harness.lot,
        time_in_force=TimeInForce.GTC,
        created_at=datetime.now(UTC),
    )
    return replace(standard, **changes)


def resting(harness: VenueHarness, **changes: Any) -> Attempt:
    """A LIMIT order to BUY one lot at 95, which rests in the market of 99 and 101."""
    limit = {"order_type": OrderType.LIMIT, "limit_price": Decimal(95)}
    return new_attempt(harness, **(limit | changes))


def doubling(seconds: float) -> Iterator[float]:
    """Spans to try a case with, ever longer: on a busy machine the first may be too short.

    AssertionError when none up to the deadline was long enough.
    """
    while seconds < DEADLINE_SECONDS:
        yield seconds
        seconds *= 2
    raise AssertionError(f"nothing came in time within {DEADLINE_SECONDS:g} s")


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until the condition holds. TimeoutError when it does not within the deadline."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not await condition():  # noqa: ASYNC110 - it is asked over a wire, which has no event
            await asyncio.sleep(0.002)
