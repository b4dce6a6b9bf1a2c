"""What a bracket's children are to be: a plan made from one snapshot of the family.

A parent's fills open the bracket's position; its stop and its target each cover all of it. At most
venues a child is one order there whose size is changed in place. At a venue that refuses changes
within a group (`Capabilities.changes_in_group`) a child stands there as several orders, its legs:
what the parent fills later gets a stop and a target of its own in a new group. A stop goes first,
its target into the same group once the stop works: protection is never behind profit, and what the
target fills the venue takes off a stop that it already has.

Nothing here knows a database, a clock or a venue; the plan is computed anew after each change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from enum import StrEnum
from uuid import UUID

from execution.domain.brackets import COVERING, Role
from execution.domain.decimals import exact

REPLACEMENTS = 1
"""How often a child that the venue ended by itself is placed again."""

_NOTHING = Decimal(0)


class Phase(StrEnum):
    """Where a leg is: UNSENT ones change in our tables alone, SENDING ones not until answered."""

    UNSENT = "UNSENT"
    SENDING = "SENDING"
    WORKING = "WORKING"
    ENDED = "ENDED"


class Cause(StrEnum):
    """Why a leg ended."""

    FILLED = "FILLED"
    ASKED = "ASKED"
    """We cancelled it."""
    COVERED = "COVERED"
    """Nothing was left for it to cover."""
    GROUP = "GROUP"
    """The other one of its group was cancelled or dropped."""
    DROPPED = "DROPPED"
    """The venue ended it by itself."""


@dataclass(frozen=True, slots=True)
class Leg:
    """One attempt of a child: `quantity` is what it was sent for, `filled` its own fills.

    Legs of one `group` cover the same position at a venue that takes off the others what one of
    them fills: `reduced` is how much of that is known here. `cancelling`: a cancel was asked for.
    `fresh`: it ended so short a time ago that the fill which explains it may be on its way.
    `outdated`: its child's prices have changed since it was sent, and it cannot.
    """

    attempt_id: UUID
    number: int
    quantity: Decimal
    phase: Phase
    filled: Decimal = _NOTHING
    reduced: Decimal = _NOTHING
    group: UUID | None = None
    cancelling: bool = False
    fresh: bool = False
    outdated: bool = False
    cause: Cause | None = None

    @property
    def is_live(self) -> bool:
        """False once it is over."""
        return self.phase is not Phase.ENDED

    @property
    @exact
    def leaves(self) -> Decimal:
        """What it still covers, or would if it were not over."""
        return max(self.quantity - self.reduced - self.filled, _NOTHING)


@dataclass(frozen=True, slots=True)
class Member:
    """A child: `filled` by all its legs, `withdrawn` where its producer cancelled it."""

    role: Role
    filled: Decimal = _NOTHING
    withdrawn: bool = False
    legs: tuple[Leg, ...] = ()

    @property
    def live(self) -> tuple[Leg, ...]:
        """Its legs that are not over, oldest first."""
        return tuple(leg for leg in self.legs if leg.is_live)

    @property
    def is_wanted(self) -> bool:
        """False where it is not to be placed (again)."""
        dropped = sum(leg.cause is Cause.DROPPED for leg in self.legs)
        return not self.withdrawn and dropped <= REPLACEMENTS

    @property
    def being_sent(self) -> Leg | None:
        """The leg that is on its way; no other may set out meanwhile."""
        return next((leg for leg in self.live if leg.phase in {Phase.UNSENT, Phase.SENDING}), None)

    @property
    def is_unexplained(self) -> bool:
        """Whether a leg ended and nobody knows why yet: a fill may be on its way."""
        return any(not leg.is_live and leg.cause is None for leg in self.legs)


@dataclass(frozen=True, slots=True)
class Family:
    """A snapshot. `members` has every role the parent asked for, without legs until it is placed.

    `filled` is the parent's; `taken` is what other exits have taken of the position or are about
    to; `flatten` is what is to be closed at the market (member FLATTEN). `step` is the venue's lot.
    `in_groups`: members of a group cannot be changed in place.
    """

    filled: Decimal
    members: Mapping[Role, Member]
    taken: Decimal = _NOTHING
    flatten: Decimal = _NOTHING
    step: Decimal | None = None
    in_groups: bool = False

    @property
    @exact
    def open(self) -> Decimal:
        """The bracket's position, never negative."""
        closed = sum((member.filled for member in self.members.values()), self.taken)
        return max(self.filled - closed, _NOTHING)

    @property
    @exact
    def over_closed(self) -> Decimal:
        """By how much more was closed than the parent had opened: the position is reversed."""
        closed = sum((member.filled for member in self.members.values()), self.taken)
        return max(closed - self.filled, _NOTHING)

    @property
    @exact
    def target(self) -> Decimal:
        """What the stop is to cover, and the target as well: whole steps of what stays open."""
        left = max(self.open - self.flattening, _NOTHING)
        if not self.step:
            return left
        return (left / self.step).to_integral_value(ROUND_FLOOR) * self.step

    @property
    @exact
    def flattening(self) -> Decimal:
        """What is still to be closed at the market; nothing once that order is over."""
        member = self.members.get(Role.FLATTEN)
        if member is None or (member.legs and not member.live):
            return _NOTHING
        return max(self.flatten - member.filled, _NOTHING)

    @property
    @exact
    def protected(self) -> Decimal:
        """What stops cover that the venue has acknowledged and is not asked to cancel."""
        stop = self.members.get(Role.STOP_LOSS)
        legs = () if stop is None else stop.live
        return sum(
            (leg.leaves for leg in legs if leg.phase is Phase.WORKING and not leg.cancelling),
            _NOTHING,
        )

    @property
    @exact
    def bare(self) -> Decimal:
        """How much of the position has no working stop, where a stop was asked for."""
        if Role.STOP_LOSS not in self.members:
            return _NOTHING
        return max(self.open - self.protected, _NOTHING)

    def legs_of(self, group: UUID) -> list[Leg]:
        """Every leg of a group, those that are over among them."""
        return [
            leg for member in self.members.values() for leg in member.legs if leg.group == group
        ]


@dataclass(frozen=True, slots=True)
class Add:
    """Place a child, or another leg of it, for `quantity`; `group` None: one of its own."""

    role: Role
    quantity: Decimal
    group: UUID | None = None


@dataclass(frozen=True, slots=True)
class Resize:
    """Let a leg be for `quantity` in all: in our tables while it is unsent, else at the venue.

    Nothing is `reduced` of it then: the quantity is by all fills that are known.
    """

    role: Role
    leg: Leg
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class Cancel:
    """End a leg: in our tables while it is unsent, else at the venue."""

    role: Role
    leg: Leg


@dataclass(frozen=True, slots=True)
class Explain:
    """Record why a leg ended."""

    role: Role
    leg: Leg
    cause: Cause


Action = Add | Resize | Cancel | Explain


@exact
def plan(family: Family) -> tuple[Action, ...]:
    """What to do next, at most one change of a leg; empty when nothing is or something is awaited.

    What makes a leg smaller or ends it comes before what makes one larger.
    """
    causes = tuple(_explain(family))
    if causes:
        return causes  # what follows depends on them
    size = _paired if family.in_groups else _in_place
    actions = dict[object, Action]()
    for action in sorted((*_withdraw(family), *size(family)), key=_rank):
        place = action.role if isinstance(action, Add) else action.leg.attempt_id
        actions.setdefault(place, action)
    return tuple(actions.values()) or tuple(_flatten(family))


def is_settling(family: Family) -> bool:
    """Whether something is on its way of which news will come, or a fill may come late."""
    legs = [leg for member in family.members.values() for leg in member.legs]
    return any(
        leg.cancelling or leg.phase in {Phase.UNSENT, Phase.SENDING}
        if leg.is_live
        else leg.cause is None
        for leg in legs
    )


def _rank(action: Action) -> int:
    match action:
        case Cancel():
            return 0
        case Resize(leg=leg, quantity=quantity) if quantity < leg.quantity:
            return 1
        case Resize():
            return 2
        case _:
            return 3


def _explain(family: Family) -> Iterator[Explain]:
    """Name the causes that can be named by now."""
    for member in family.members.values():
        for leg in member.legs:
            cause = _cause(family, leg) if not leg.is_live and leg.cause is None else None
            if cause is not None:
                yield Explain(member.role, leg, cause)


def _cause(family: Family, leg: Leg) -> Cause | None:
    if leg.filled >= leg.quantity:
        return Cause.FILLED
    if leg.cancelling:
        return Cause.ASKED
    if not leg.leaves or not family.target:
        return Cause.COVERED
    if family.in_groups and leg.group is not None:
        others = (other for other in family.legs_of(leg.group) if other is not leg)
        if any(other.cancelling or other.cause is Cause.DROPPED for other in others):
            return Cause.GROUP
    return None if leg.fresh else Cause.DROPPED


def _withdraw(family: Family) -> Iterator[Cancel]:
    for member in family.members.values():
        if member.withdrawn:
            yield from (Cancel(member.role, leg) for leg in _cancellable(member.live))


def _cancellable(legs: Iterable[Leg]) -> Iterator[Leg]:
    """Legs that can be cancelled now; one that is being sent is waited for."""
    return (leg for leg in legs if leg.phase is not Phase.SENDING and not leg.cancelling)


def _covering(family: Family) -> Iterator[Member]:
    return (family.members[role] for role in COVERING if role in family.members)


def _in_place(family: Family) -> Iterator[Action]:
    """Each child is one order at the venue, of the one size that is right now."""
    target = family.target
    for member in _covering(family):
        live = member.live
        if member.withdrawn:
            continue
        if not live:
            if target and member.is_wanted and not member.is_unexplained:
                yield Add(member.role, target)
            continue
        *others, leg = live
        yield from (Cancel(member.role, other) for other in _cancellable(others))
        if others or leg.cancelling or leg.phase is Phase.SENDING:
            continue
        if not target:
            yield Cancel(member.role, leg)
        elif leg.leaves != target:
            yield Resize(member.role, leg, leg.filled + target)


@dataclass(frozen=True, slots=True)
class _Group:
    """Legs that stand together, and how much of the position they cover."""

    legs: tuple[tuple[Role, Leg], ...]
    covers: Decimal

    @property
    def is_going(self) -> bool:
        """Whether it is being cancelled; it may fill until it is over."""
        return any(leg.cancelling for _, leg in self.legs)


def _groups(family: Family) -> list[_Group]:
    """What stands, oldest first."""
    together: dict[UUID, list[tuple[Role, Leg]]] = {}
    for member in _covering(family):
        for leg in member.live:
            together.setdefault(leg.group or leg.attempt_id, []).append((member.role, leg))
    found = [_Group(tuple(legs), max(leg.leaves for _, leg in legs)) for legs in together.values()]
    return sorted(found, key=lambda group: max(leg.number for _, leg in group.legs))


def _paired(family: Family) -> Iterator[Action]:
    """A stop and its target in a group of their own for each part of the position."""
    groups = _groups(family)
    staying = [group for group in groups if not group.is_going and group.covers]
    over = [group for group in groups if not group.is_going and not group.covers]
    for group in over:  # the venue ends it as well; one that did not would reverse the position
        yield from _end(group)
    surplus = sum((group.covers for group in staying), -family.target)
    if surplus > 0:
        yield from _cut(staying, surplus)
        return
    if not surplus and not any(group.is_going for group in groups):
        yield from _renew(staying)
    stop, profit = (family.members.get(role) for role in COVERING)
    leading = next((one for one in (stop, profit) if one is not None and one.is_wanted), None)
    if leading is None:
        return
    if leading is stop and profit is not None and not stop.is_unexplained:
        standing = {leg.group for leg in stop.live}
        # A target whose stop is gone has no place: both are placed anew, in one group.
        orphans = (leg for leg in profit.live if leg.group not in standing)
        yield from (Cancel(profit.role, leg) for leg in _cancellable(orphans))
        if profit.is_wanted:
            yield from _targets(stop, profit)
    missing = -surplus - sum(group.covers for group in groups if group.is_going)
    unsent = leading.being_sent
    if missing <= 0 or leading.is_unexplained:
        return
    if unsent is None:
        yield Add(leading.role, missing)
    elif unsent.phase is Phase.UNSENT and not unsent.cancelling:
        yield Resize(leading.role, unsent, unsent.leaves + missing)


def _renew(groups: list[_Group]) -> Iterator[Cancel]:
    """End one group whose prices are outdated, so that another takes its place; then the next."""
    waiting = any(
        leg.phase in {Phase.UNSENT, Phase.SENDING} for one in groups for _, leg in one.legs
    )
    outdated = [one for one in groups if any(leg.outdated for _, leg in one.legs)]
    if outdated and not waiting:
        yield from _end(outdated[0])


def _end(group: _Group) -> Iterator[Cancel]:
    for role, leg in group.legs:
        yield from (Cancel(role, one) for one in _cancellable((leg,)))


def _cut(groups: list[_Group], surplus: Decimal) -> Iterator[Action]:
    """End the newest groups until no more is covered than is open; unsent ones become smaller."""
    for group in reversed(groups):
        if surplus <= 0:
            return
        unsent = all(leg.phase is Phase.UNSENT for _, leg in group.legs)
        if unsent and group.covers > surplus:
            for role, leg in group.legs:
                yield Resize(role, leg, leg.leaves - surplus)
            return
        yield from _end(group)
        surplus -= group.covers


def _targets(stop: Member, profit: Member) -> Iterator[Action]:
    """A target joins each working stop that has none; one that is unsent follows its stop."""
    sending, joined = profit.being_sent, {leg.group for leg in profit.live}
    if sending is not None:
        for leg in stop.live:
            follows = sending.phase is Phase.UNSENT and sending.group == leg.group
            if follows and leg.leaves not in {_NOTHING, sending.leaves}:
                yield Resize(profit.role, sending, leg.leaves)
    elif not profit.is_unexplained:
        for leg in stop.live:
            works = leg.phase is Phase.WORKING and not leg.cancelling
            if works and leg.leaves and leg.group is not None and leg.group not in joined:
                yield Add(profit.role, leg.leaves, leg.group)
                return


def _flatten(family: Family) -> Iterator[Add]:
    """Close at the market what was decided on, once the children leave it alone."""
    member = family.members.get(Role.FLATTEN)
    quantity = min(family.flattening, family.open)
    if member is None or member.legs or quantity <= 0:
        return
    for child in _covering(family):
        covers = sum((leg.leaves for leg in child.live), _NOTHING)
        if covers > family.target or child.is_unexplained:
            return
    yield Add(Role.FLATTEN, quantity)
