"""The port every broker adapter implements, and what passes through it.

An adapter translates its library's errors, at one place, into the three of
`execution.domain.errors`: BrokerRejected (a definite no), BrokerUnavailable (it never left) and
OutcomeUnknown (it may have arrived). All methods are coroutines on the worker's one event loop.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol, runtime_checkable
from uuid import UUID

from execution.domain.instruments import Instrument
from execution.domain.reports import (
    Account,
    Execution,
    Quote,
    Unreadable,
    VenueOrder,
    VenuePosition,
)
from execution.domain.trading_rules import TradingRules
from execution.domain.vocabulary import AssetClass, BrokerName, OrderType, Side, TimeInForce

ALL_TERMS = frozenset({"quantity", "limit_price", "stop_price"})
"""What a modify may change."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to bring an order to one venue.

    `account` is the venue's own name of it, of several that one login owns.
    `venue_order_id` (22 characters) is what we call it there. `quantity` is what this attempt is
    for. Attempts with the same `one_cancels_other` cover the same position: what one fills, the
    others no longer cover (a venue that cannot do that leaves it to our cancels). `rerouted` says
    that it stands in for a live one. `send_by` is when the venue must refuse
    it (aware UTC); None outside `submit`. `closes` is the venue's own position that it closes.
    `group_filled` is what the others of its group have filled as far as was known when `quantity`
    was decided on: a venue that takes their fills off by itself takes off what there is beyond it.
    """

    attempt_id: UUID
    order_id: UUID
    client_order_id: str
    broker: BrokerName
    account: str
    venue_order_id: str
    instrument: Instrument
    side: Side
    order_type: OrderType
    quantity: Decimal
    time_in_force: TimeInForce
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_amount: Decimal | None = None
    trail_percent: Decimal | None = None
    expires_at: datetime | None = None
    outside_rth: bool = False
    post_only: bool = False
    reduce_only: bool = False
    reference_price: Decimal | None = None
    broker_order_id: str | None = None
    one_cancels_other: UUID | None = None
    rerouted: bool = False
    created_at: datetime | None = None
    send_by: datetime | None = None
    closes: str | None = None
    group_filled: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """As much of an order as is one thing to do at the venue: `closes` names what it closes there.

    A hedging venue holds opposite positions side by side; to net them each is closed by itself.
    """

    quantity: Decimal
    closes: str | None = None


@dataclass(frozen=True, slots=True)
class Modification:
    """What a modify changes; None leaves as it is. `quantity` is the new total of the attempt.

    `send_by` is when the venue should refuse it (aware UTC), where it can. `group_filled` is as an
    `Attempt`'s.
    """

    quantity: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    send_by: datetime | None = None
    group_filled: Decimal | None = None

    def names(self) -> frozenset[str]:
        """Which terms it changes."""
        return frozenset(name for name in ALL_TERMS if getattr(self, name) is not None)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a broker can do at all; step 1 refuses the rest by it.

    `absence_proven_after` is how long after `send_by` the venue's "no such order" is proof.
    `hedging` venues hold opposite positions side by side, netting ones do not. `modifies` names
    what of a working order changes in place; anything else is a cancel and a new attempt for
    what is left. Without `changes_in_group` nothing of an order with `one_cancels_other` does.
    `brackets` says that children may follow an order there, `late_executions` that the venue
    may report executions of orders that are over or not ours, `positions` that it holds
    positions by symbol (a spot venue has balances by currency instead). `post_only` orders rest
    or are refused; without `trail_amounts` trails are in percent only. `ids_once`: what the
    venue has heard under an id and not done it never does under that id. `resends_within`: a venue
    that takes an id anew once its first order has ended; see `pacing.may_go_again`.
    `remote`: it is reached over a connection, which may be slow, fail, and be turned from (circuit
    breaker, `on_failure`). `names_accounts`: its accounts have names of its own, others take any
    label. `one_cancels_other`: it keeps orders of one group together by itself.
    """

    order_types: frozenset[OrderType]
    times_in_force: frozenset[TimeInForce]
    asset_classes: frozenset[AssetClass]
    absence_proven_after: timedelta
    hedging: bool = False
    modifies: frozenset[str] = ALL_TERMS
    changes_in_group: bool = True
    brackets: bool = False
    late_executions: bool = True
    positions: bool = True
    post_only: bool = False
    trail_amounts: bool = True
    ids_once: bool = False
    resends_within: timedelta | None = None
    remote: bool = True
    names_accounts: bool = True
    one_cancels_other: bool = False


class Broker(Protocol):
    """A venue, as the lifecycle sees it.

    Questions (`find`, `open_orders`, `executions`, `positions`, `account`, `quote`) raise
    BrokerUnavailable for any missing answer; None and empty lists are answers.
    """

    name: BrokerName
    capabilities: Capabilities
    needs_loop: bool
    """False: its answers to questions and orders are plain blocking work, safe on any thread."""

    async def all_rules(self) -> Sequence[TradingRules]:
        """The rules of every instrument that the venue tells of at once; empty where it does not.

        Raises BrokerUnavailable.
        """

    async def rules(self, instrument: Instrument) -> TradingRules | None:
        """What the venue takes of an instrument; None where it has no rules.

        Raises BrokerRejected (scope TERMS) for what it does not list, or BrokerUnavailable.
        """

    async def connect(self) -> None:
        """Connect or verify the connection. Raises BrokerUnavailable."""

    async def close(self) -> None:
        """Let go of the connection; never raises."""

    async def health_check(self) -> None:
        """Ask the venue a question that only a working session answers. BrokerUnavailable."""

    async def part(self, attempt: Attempt) -> Part | None:
        """What of an attempt comes next where it takes several; None: all of it is one order.

        Raises BrokerRejected where nothing of it can be done, or BrokerUnavailable.
        """

    async def submit(self, attempt: Attempt) -> VenueOrder:
        """Send the attempt, once; the answer holds what the venue has done with it so far.

        Raises BrokerRejected, BrokerUnavailable or OutcomeUnknown; never sends by itself again.
        """

    async def cancel(self, attempt: Attempt) -> None:
        """Ask for a cancel. BrokerRejected when it is too late or unknown there."""

    async def modify(self, attempt: Attempt, change: Modification) -> VenueOrder:
        """Change a working order in place. BrokerRejected leaves it as it was."""

    async def find(self, attempt: Attempt) -> VenueOrder | None:
        """Ask by our id. None: the venue does not know it (proof only by `capabilities`).

        OutcomeUnknown when the venue does not show it, and tells of none so old.
        """

    async def open_orders(self) -> Sequence[VenueOrder]:
        """Every working order of the login's accounts."""

    async def executions(self, since: datetime) -> Sequence[Execution]:
        """Every execution of the login's accounts since then, ours or not, oldest first."""

    def watch(self, waiting: Callable[[], Sequence[Attempt]]) -> AsyncGenerator[VenueOrder, None]:
        """Yield news of orders for as long as the connection stands.

        A polling adapter asks for each of `waiting()`, which is read anew every round; an
        event-driven one yields what its library hears, of a new order once it is among them: its
        news must not overtake the answer to `submit`. Raises BrokerUnavailable when it is lost.
        """

    async def positions(self) -> Sequence[VenuePosition]:
        """What each account of the login holds."""

    async def account(self) -> Account:
        """The account of orders that name none: its name, balances, and if its money is real."""

    async def accounts(self) -> Sequence[Account]:
        """Every account of the login that orders may be for, that of `account` first."""

    async def quote(self, instrument: Instrument) -> Quote:
        """Best bid and ask now. BrokerUnavailable when the venue has none."""

    async def quotes(self, instruments: Sequence[Instrument]) -> Sequence[Quote]:
        """Those of several, as few requests as it takes; what has no market is left out.

        A venue that is no source of quotes for others gives none.
        """


@runtime_checkable
class ReportsUnreadable(Protocol):
    """A broker that says which of the venue's messages it could not read."""

    def unreadable(self) -> Sequence[Unreadable]:
        """Those that may hold an execution, since this was asked last; the rest it has read."""


@runtime_checkable
class Halts(Protocol):
    """A broker that knows which symbols are listed and not traded now."""

    def halted(self, instruments: Sequence[Instrument]) -> Sequence[str]:
        """Those of some instruments, in our spelling, by its latest word."""
