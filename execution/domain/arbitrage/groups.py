"""A group: the two legs of one entry and what closes them, as a state machine.

Nothing here acts. `decide` says, of a group as it stands in the tables, which state it belongs in,
which orders are to be placed or cancelled and what a person must be told. Whoever acts commits all
of that in one transaction, by compare-and-set, before anything is sent; so it can be asked again at
any time, by anybody, and says the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID, uuid5

from execution.domain.arbitrage.signals import Direction, ExitReason
from execution.domain.decimals import exact, plain
from execution.domain.vocabulary import ExecutionMode, OrderState, Side

_GROUPS = UUID("5b0f5f3e-2c43-5d0e-8e55-5b7f4c1d7a90")


class GroupState(StrEnum):
    """How a group stands. CLOSED and UNWOUND hold nothing; WAITING waits for the truth of a leg."""

    OPENING = "OPENING"
    OPEN = "OPEN"
    CLOSING = "CLOSING"
    CLOSED = "CLOSED"
    UNWINDING = "UNWINDING"
    UNWOUND = "UNWOUND"
    WAITING = "WAITING"

    @property
    def is_over(self) -> bool:
        """True where nothing is held; an execution that comes late opens it again."""
        return self in {GroupState.CLOSED, GroupState.UNWOUND}


_S = GroupState
PERMITTED: Mapping[GroupState, frozenset[GroupState]] = MappingProxyType(
    {
        _S.OPENING: frozenset({_S.OPEN, _S.UNWINDING, _S.WAITING}),
        _S.OPEN: frozenset({_S.CLOSING, _S.UNWINDING}),
        _S.CLOSING: frozenset({_S.CLOSED, _S.WAITING}),
        _S.UNWINDING: frozenset({_S.UNWOUND, _S.WAITING}),
        _S.WAITING: frozenset({_S.OPENING, _S.CLOSING, _S.UNWINDING}),
        # What a venue tells of an order that was over.
        _S.CLOSED: frozenset({_S.UNWINDING}),
        _S.UNWOUND: frozenset({_S.UNWINDING}),
    }
)
"""From each state to which others a group may go."""


class Role(StrEnum):
    """Which of the two instruments."""

    TRUST = "TRUST"
    SPOT = "SPOT"


class Purpose(StrEnum):
    """What an order of a group is for."""

    OPENING = "OPENING"
    REDUCING = "REDUCING"


def group_id_of(trust: str, spot: str, interval: str, observed_at: datetime) -> UUID:
    """The id of the group that an observation opens: of one there is one group."""
    return uuid5(_GROUPS, f"{trust}\x1f{spot}\x1f{interval}\x1f{observed_at.isoformat()}")


def client_order_id(group_id: UUID, number: int) -> str:
    """What the `number`th order of a group is called: the same again is the same order."""
    return f"nav-{group_id.hex[:24]}-{number}"


@dataclass(frozen=True, slots=True)
class Leg:
    """An order of a group as it stands.

    `state` is None while the request is no order yet; `refused` says that it will never be one, or
    went where it was not to go. `filled` is what was executed, positive; `held` what it did to what
    we hold, with its sign, after commissions taken in the coin itself. `heard` says that all that
    was reported of it is in these numbers. `cancels` counts cancels that were asked for,
    `cancelling` says that one is under way. Times are aware.
    """

    client_order_id: str
    role: Role
    purpose: Purpose
    side: Side
    quantity: Decimal
    placed_at: datetime
    changed_at: datetime
    state: OrderState | None = None
    refused: bool = False
    reason: str | None = None
    filled: Decimal = Decimal(0)
    held: Decimal = Decimal(0)
    heard: bool = True
    cancels: int = 0
    cancelling: bool = False

    @property
    def is_over(self) -> bool:
        """Whether nothing more is expected of it."""
        if self.refused:
            return True
        return self.state is not None and self.state.is_final and self.heard

    @property
    def is_short(self) -> bool:
        """Whether it is over with less than was asked for."""
        return self.is_over and self.filled < self.quantity

    @property
    def is_full(self) -> bool:
        """Whether all that was asked for is done."""
        return self.is_over and self.filled >= self.quantity

    @property
    def is_in_doubt(self) -> bool:
        """Whether its venue may have it or not."""
        return self.state is OrderState.UNKNOWN


@dataclass(frozen=True, slots=True)
class Group:
    """A group as it stands: `phase` is what it is at, the same as `state` unless it waits.

    `since` is when the phase began; `exit_reason` says that the detector wants it closed.
    """

    group_id: UUID
    direction: Direction
    mode: ExecutionMode
    state: GroupState
    phase: GroupState
    since: datetime
    legs: tuple[Leg, ...]
    exit_reason: ExitReason | None = None


@dataclass(frozen=True, slots=True)
class Lot:
    """What of one instrument can be traded: steps and bounds in its units, value in its currency.

    None where there is no such rule. `price` is about what it trades at, None where nobody knows.
    """

    step: Decimal | None = None
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    minimum_value: Decimal | None = None
    price: Decimal | None = None

    def tradable(self, quantity: Decimal) -> Decimal:
        """As much of `quantity` as one order can be for: 0 where it is too small for any."""
        if self.maximum is not None:
            quantity = min(quantity, self.maximum)
        if self.step is not None:
            quantity -= quantity % self.step
        too_small = self.minimum is not None and quantity < self.minimum
        if self.minimum_value is not None and self.price is not None:
            too_small = too_small or quantity * self.price < self.minimum_value
        return Decimal(0) if too_small else max(quantity, Decimal(0))


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a decision needs to know besides the group.

    `leg_limit` is how long an order may stand unfilled. `not_both` says why the two legs of an exit
    cannot leave together now; `forced_to_paper` that every new order would be simulated.
    """

    now: datetime
    leg_limit: timedelta
    lots: Mapping[Role, Lot]
    not_both: str | None = None
    forced_to_paper: bool = False


@dataclass(frozen=True, slots=True)
class Reduction:
    """An order that brings what is held of one instrument nearer to nothing."""

    role: Role
    side: Side
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class Decision:
    """Where a group belongs, and what is to be done with it.

    `state` and `phase` as in `Group`; `reason` of a change. `cancels` are client_order_ids.
    `alert` is what a person must look at as it stands; None: nothing, or nothing any more.
    """

    state: GroupState
    phase: GroupState
    reason: str | None = None
    reductions: tuple[Reduction, ...] = ()
    cancels: tuple[str, ...] = ()
    alert: str | None = None


@exact
def decide(group: Group, around: Surroundings) -> Decision:
    """What is to become of a group. Asked again after each change until nothing changes."""
    if group.state.is_over:
        return _over(group, around)
    if group.state is GroupState.OPEN:
        return _open(group)
    doubtful = [leg.client_order_id for leg in group.legs if leg.is_in_doubt]
    if doubtful:
        what = f"waits for the truth of {', '.join(doubtful)}"
        return Decision(GroupState.WAITING, group.phase, what, alert=f"{group.phase}: {what}")
    if group.state is GroupState.WAITING:
        return Decision(group.phase, group.phase, "every leg is known")
    if group.phase is GroupState.OPENING:
        return _opening(group, around)
    return _reducing(group, around)


def exposure(legs: Sequence[Leg], role: Role) -> tuple[Decimal, Decimal]:
    """What a group's executions left of one instrument, signed: as executed, and as held.

    They differ by commissions that were taken in the coin itself.
    """
    of_role = [leg for leg in legs if leg.role is role]
    executed = sum((leg.side.sign * leg.filled for leg in of_role), Decimal(0))
    return executed, sum((leg.held for leg in of_role), Decimal(0))


def excess(legs: Sequence[Leg], role: Role) -> Reduction | None:
    """What would bring one instrument back to nothing, whatever its steps; None at nothing.

    What a commission took of bought coins cannot be sold, and what one took of coins that were
    bought back is a cost, not a position.
    """
    executed, held = exposure(legs, role)
    if executed > 0 and held > 0:
        return Reduction(role, Side.SELL, min(executed, held))
    if executed < 0:
        return Reduction(role, Side.BUY, -executed)
    return None


def _stay(group: Group, alert: str | None = None) -> Decision:
    return Decision(group.state, group.phase, alert=alert)


def _to(state: GroupState, reason: str | None) -> Decision:
    return Decision(state, state, reason)


def _opening(group: Group, around: Surroundings) -> Decision:
    for leg in group.legs:
        if leg.is_short:
            ended = "REFUSED" if leg.refused else leg.state
            why = f": {leg.reason}" if leg.reason else ""
            return _to(GroupState.UNWINDING, f"{leg.role} {leg.client_order_id} is {ended}{why}")
    if all(leg.is_full for leg in group.legs):
        return _to(GroupState.OPEN, None)
    for leg in group.legs:
        if not leg.is_over and around.now - leg.placed_at > around.leg_limit:
            limit = around.leg_limit.total_seconds()
            reason = f"{leg.role} {leg.client_order_id} stands unfilled for {limit:g} s"
            return _to(GroupState.UNWINDING, reason)
    return _stay(group)


def _open(group: Group) -> Decision:
    for leg in group.legs:
        if leg.purpose is Purpose.OPENING and not leg.is_full:
            reason = f"{leg.role} {leg.client_order_id} is not filled any more"
            return _to(GroupState.UNWINDING, reason)
    if group.exit_reason is not None:
        return _to(GroupState.CLOSING, group.exit_reason)
    more = [leg.client_order_id for leg in group.legs if leg.filled > leg.quantity]
    return _stay(group, f"more was filled than asked for: {', '.join(more)}" if more else None)


def _over(group: Group, around: Surroundings) -> Decision:
    """What is over stays so, unless a venue still tells of it."""
    remains = []
    for role in Role:
        rest = excess(group.legs, role)
        if rest is None:
            continue
        if around.lots[role].tradable(rest.quantity):
            return _to(GroupState.UNWINDING, f"an execution of the {role} came late")
        if _matters(rest.quantity, around.lots[role]):
            remains.append(f"{plain(rest.quantity)} of the {role}")
    said = f"too little is left for an order: {', '.join(remains)}" if remains else None
    return _stay(group, said)


def _matters(quantity: Decimal, lot: Lot) -> bool:
    """Whether a rest too small for an order is at least one step; without steps any is."""
    return quantity >= lot.step if lot.step is not None else True


def _reducing(group: Group, around: Surroundings) -> Decision:
    """Cancel what rests, then bring each instrument to nothing as soon as its orders are over."""
    work = _Reducing(group, around)
    for role in Role:
        work.look(role)
    if work.is_done:
        ended = GroupState.CLOSED if group.phase is GroupState.CLOSING else GroupState.UNWOUND
        return _to(ended, None)
    reductions, alerts = work.reductions, work.alerts
    begun = any(leg.purpose is Purpose.REDUCING for leg in group.legs)
    if reductions and around.forced_to_paper and group.mode is ExecutionMode.LIVE:
        alerts.append("FORCE_PAPER_TRADING is set: what is held live cannot be closed")
        reductions = []
    elif reductions and not begun and group.phase is GroupState.CLOSING and around.not_both:
        # Both legs are still held, so nothing is lost by letting them leave together later.
        work.late(f"both legs are held, {around.not_both}")
        reductions = []
    if not alerts:
        work.late("is not done")
    said = f"{group.phase}: {'; '.join(alerts)}" if alerts else None
    return Decision(
        group.state,
        group.phase,
        reductions=tuple(reductions),
        cancels=tuple(work.cancels),
        alert=said,
    )


class _Reducing:
    """What is to be done about each instrument, collected."""

    def __init__(self, group: Group, around: Surroundings) -> None:
        self._group, self._around = group, around
        self.reductions: list[Reduction] = []
        self.cancels: list[str] = []
        self.alerts: list[str] = []
        self.is_done = True

    def look(self, role: Role) -> None:
        legs = [leg for leg in self._group.legs if leg.role is role]
        working = [leg for leg in legs if not leg.is_over]
        for leg in working:
            self.is_done = False
            if leg.purpose is Purpose.OPENING:
                if not leg.cancelling:
                    self.cancels.append(leg.client_order_id)
            elif self._around.now - leg.placed_at > self._around.leg_limit:
                self.alerts.append(f"{role} {leg.client_order_id} stands unfilled")
        rest = excess(legs, role)
        quantity = self._around.lots[role].tradable(rest.quantity) if rest else Decimal(0)
        if working or rest is None or not quantity:
            return
        self.is_done = False
        failures = _failures(legs)
        if failures:
            last = max(leg.changed_at for leg in legs)
            self.alerts.append(f"{role} was refused {len(failures)} times: {failures[-1].reason}")
            if self._around.now < last + pause(len(failures)):
                return
        self.reductions.append(Reduction(role, rest.side, quantity))

    def late(self, what: str) -> None:
        """Say it once the phase has taken longer than an order may stand."""
        if self._around.now - self._group.since > self._around.leg_limit:
            self.alerts.append(what)


def _failures(legs: Sequence[Leg]) -> list[Leg]:
    """The last reducing orders that did nothing, since one that did."""
    failed: list[Leg] = []
    for leg in legs:
        if leg.purpose is Purpose.REDUCING:
            failed = [] if leg.filled else [*failed, leg]
    return failed


_LONGEST_PAUSE = 300


def pause(failures: int) -> timedelta:
    """How long after so many refusals the next order waits: twice as long each time."""
    return timedelta(seconds=min(2 ** min(failures, 10), _LONGEST_PAUSE))
