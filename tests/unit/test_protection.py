"""A bracket's children against a venue that does as it likes: they come to rest at the right size.

The venue and what we know of it are apart: fills, acknowledgements and ends are news that arrive in
any order, late. Three venues: one that refuses changes within a group and reduces the others of one
by itself (Interactive Brokers), one that changes in place and reduces (paper), and one that changes
in place and knows of no groups (the ledger).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from execution.domain.brackets import Role
from execution.domain.protection import (
    REPLACEMENTS,
    Action,
    Add,
    Cancel,
    Cause,
    Explain,
    Family,
    Leg,
    Member,
    Phase,
    Resize,
    is_settling,
    plan,
)

STOP, PROFIT, FLATTEN = Role.STOP_LOSS, Role.TAKE_PROFIT, Role.FLATTEN
COVERING = (STOP, PROFIT)
EVENTS = Counter[str]()


def leg(number: int, quantity: str, phase: Phase = Phase.WORKING, **more: object) -> Leg:
    """A leg for a table of cases; the group is a number."""
    group = more.pop("group", None)
    fields = {name: Decimal(str(more.pop(name, 0))) for name in ("filled", "reduced")} | more
    return Leg(
        attempt_id=UUID(int=number),
        number=number,
        quantity=Decimal(quantity),
        phase=phase,
        group=None if group is None else UUID(int=1000 + int(str(group))),
        **fields,  # type: ignore[arg-type]
    )


def family(
    filled: str, stop: tuple[Leg, ...] = (), profit: tuple[Leg, ...] = (), **more: object
) -> Family:
    """A family of both children."""
    members = {
        role: Member(role, sum((one.filled for one in legs), Decimal(0)), legs=legs)
        for role, legs in ((STOP, stop), (PROFIT, profit))
    }
    return Family(Decimal(filled), members, **more)  # type: ignore[arg-type]


def short(actions: tuple[Action, ...]) -> list[tuple[object, ...]]:
    """Actions as (what, role, leg, quantity)."""
    found = list[tuple[object, ...]]()
    for action in actions:
        match action:
            case Add(role, quantity, group):
                found.append(("add", role, None if group is None else group.int - 1000, quantity))
            case Resize(role, one, quantity):
                found.append(("resize", role, one.number, quantity))
            case Cancel(role, one):
                found.append(("cancel", role, one.number))
            case Explain(role, one, cause):
                found.append(("explain", role, one.number, cause))
    return found


def test_children_are_placed_for_what_is_filled() -> None:
    """Nothing without a fill; then both, the stop first."""
    assert plan(family("0")) == ()
    assert short(plan(family("4"))) == [("add", STOP, None, 4), ("add", PROFIT, None, 4)]
    assert short(plan(family("4", in_groups=True))) == [("add", STOP, None, 4)]


def test_in_place_both_have_one_size() -> None:
    """What the parent fills makes both larger, what a child fills makes its sibling smaller."""
    grown = family("8", (leg(1, "5"),), (leg(2, "5"),))
    assert short(plan(grown)) == [("resize", STOP, 1, 8), ("resize", PROFIT, 2, 8)]
    taken = family("8", (leg(1, "8"),), (leg(2, "8", filled=3),))
    assert short(plan(taken)) == [("resize", STOP, 1, 5)]
    reduced = family("8", (leg(1, "8", reduced=3, group=1),), (leg(2, "8", filled=3, group=1),))
    assert plan(reduced) == ()
    done = family("8", (leg(1, "8"),), (leg(2, "8", Phase.ENDED, filled=8, cause=Cause.FILLED),))
    assert short(plan(done)) == [("cancel", STOP, 1)]


def test_in_place_waits_for_an_answer() -> None:
    """A child that is being sent is not touched; one that is unsent is changed at once."""
    sending = family("8", (leg(1, "5", Phase.SENDING),), (leg(2, "5", Phase.UNSENT),))
    assert short(plan(sending)) == [("resize", PROFIT, 2, 8)]
    assert is_settling(sending)
    assert not is_settling(family("8", (leg(1, "8"),), (leg(2, "8"),)))


def test_a_later_fill_gets_a_pair_of_its_own() -> None:
    """In groups nothing that works is changed: the stop first, the target into its group."""
    more = family("8", (leg(1, "5", group=1),), (leg(2, "5", group=1),), in_groups=True)
    assert short(plan(more)) == [("add", STOP, None, 3)]
    sent = replace(more.members[STOP], legs=(leg(1, "5", group=1), leg(3, "3", group=2)))
    half = replace(more, members={**more.members, STOP: sent})
    assert short(plan(half)) == [("add", PROFIT, 2, 3)]


def test_the_venue_reduces_the_other_of_a_pair() -> None:
    """What one of a group fills is no surplus of the other, and no deficit."""
    profit = leg(2, "8", group=1, filled=3)
    partly = family("8", (leg(1, "8", group=1, reduced=3),), (profit,), in_groups=True)
    assert plan(partly) == ()
    assert partly.open == partly.protected == 5
    assert partly.bare == 0


def test_the_newest_pairs_go_first() -> None:
    """A corrected parent or another exit: the newest pair goes, a smaller one follows."""
    stops = (leg(1, "5", group=1), leg(3, "3", group=2))
    targets = (leg(2, "5", group=1), leg(4, "3", group=2))
    less = family("8", stops, targets, in_groups=True, taken=Decimal(1))
    assert short(plan(less)) == [("cancel", STOP, 3), ("cancel", PROFIT, 4)]
    going = family(
        "8",
        (stops[0], replace(stops[1], cancelling=True)),
        (targets[0], replace(targets[1], cancelling=True)),
        in_groups=True,
        taken=Decimal(1),
    )
    assert plan(going) == ()
    gone = family(
        "8",
        (stops[0], replace(stops[1], phase=Phase.ENDED, cause=Cause.ASKED)),
        (targets[0], replace(targets[1], phase=Phase.ENDED, cause=Cause.ASKED)),
        in_groups=True,
        taken=Decimal(1),
    )
    assert short(plan(gone)) == [("add", STOP, None, 2)]


def test_unsent_pairs_become_smaller() -> None:
    """What is not sent yet, in a halt say, is sized in our own tables."""
    unsent = family("8", (leg(1, "3", Phase.UNSENT, group=1),), in_groups=True)
    assert short(plan(unsent)) == [("resize", STOP, 1, 8)]
    busted = replace(unsent, filled=Decimal(2))
    assert short(plan(busted)) == [("resize", STOP, 1, 2)]
    assert short(plan(replace(unsent, filled=Decimal(0)))) == [("cancel", STOP, 1)]


@pytest.mark.parametrize("in_groups", [False, True])
def test_protected_again_after_the_children_ended(*, in_groups: bool) -> None:
    """The target filled all there was; what the parent fills later is covered anew."""
    over = family(
        "8",
        (leg(1, "4", Phase.ENDED, group=1, cause=Cause.COVERED),),
        (leg(2, "4", Phase.ENDED, group=1, filled=4, cause=Cause.FILLED),),
        in_groups=in_groups,
    )
    added = [("add", STOP, None, 4)]
    assert short(plan(over)) == (added if in_groups else [*added, ("add", PROFIT, None, 4)])


@pytest.mark.parametrize("in_groups", [False, True])
def test_a_stop_that_the_venue_ends_is_placed_once_more(*, in_groups: bool) -> None:
    """Not before the fill that would explain it has had its time, and not for ever."""
    ended = leg(1, "4", Phase.ENDED, group=1, fresh=True)
    profit = (leg(2, "4", group=1),) if not in_groups else ()
    fresh = family("4", (ended,), profit, in_groups=in_groups)
    assert plan(fresh) == ()
    assert is_settling(fresh)
    stale = family("4", (replace(ended, fresh=False),), profit, in_groups=in_groups)
    assert short(plan(stale)) == [("explain", STOP, 1, Cause.DROPPED)]
    known = replace(ended, fresh=False, cause=Cause.DROPPED)
    dropped = family("4", (known,), profit, in_groups=in_groups)
    assert ("add", STOP, None, 4) in short(plan(dropped))
    again = family(
        "4",
        tuple(replace(known, number=10 + n, attempt_id=UUID(int=10 + n)) for n in range(2)),
        profit,
        in_groups=in_groups,
    )
    assert not any(action[:2] == ("add", STOP) for action in short(plan(again)))
    assert again.bare == 4


def test_a_target_without_its_stop_goes() -> None:
    """The venue ended the stop and left the target: both are placed anew, in one group."""
    stop = leg(1, "4", Phase.ENDED, group=1, cause=Cause.DROPPED)
    alone = family("4", (stop,), (leg(2, "4", group=1),), in_groups=True)
    assert short(plan(alone)) == [("cancel", PROFIT, 2)]
    gone = leg(2, "4", Phase.ENDED, group=1, cancelling=True, cause=Cause.ASKED)
    assert short(plan(family("4", (stop,), (gone,), in_groups=True))) == [("add", STOP, None, 4)]


def test_what_its_producer_cancelled_stays_cancelled() -> None:
    """The other one is kept, or placed alone where the venue's group took it along."""
    members = {
        STOP: Member(STOP, legs=(leg(1, "4", Phase.ENDED, group=1),)),
        PROFIT: Member(
            PROFIT,
            withdrawn=True,
            legs=(leg(2, "4", Phase.ENDED, group=1, cancelling=True, cause=Cause.ASKED),),
        ),
    }
    taken_along = Family(Decimal(4), members, in_groups=True)
    assert short(plan(taken_along)) == [("explain", STOP, 1, Cause.GROUP)]
    explained = replace(members[STOP], legs=(replace(members[STOP].legs[0], cause=Cause.GROUP),))
    alone = replace(taken_along, members={**members, STOP: explained})
    assert short(plan(alone)) == [("add", STOP, None, 4)]
    withdrawn = Member(STOP, withdrawn=True, legs=(leg(1, "4"),))
    bare = Family(Decimal(4), {STOP: withdrawn, PROFIT: Member(PROFIT, legs=(leg(2, "4"),))})
    assert short(plan(bare)) == [("cancel", STOP, 1)]


def test_whole_steps_only() -> None:
    """What is less than the venue's lot cannot be covered, and is bare."""
    odd = family("1.7", step=Decimal("0.5"))
    assert odd.target == Decimal("1.5")
    covered = family("1.7", (leg(1, "1.5"),), (leg(2, "1.5"),), step=Decimal("0.5"))
    assert plan(covered) == ()
    assert covered.bare == Decimal("0.2")


def test_flattening_waits_for_the_children() -> None:
    """The market order goes once nothing else can close the same."""
    members = {
        STOP: Member(STOP, legs=()),
        PROFIT: Member(PROFIT, legs=(leg(2, "4"),)),
        FLATTEN: Member(FLATTEN),
    }
    withdrawn = replace(members[STOP], withdrawn=True)
    before = Family(Decimal(4), {**members, STOP: withdrawn}, flatten=Decimal(4))
    assert short(plan(before)) == [("cancel", PROFIT, 2)]
    ended = leg(2, "4", Phase.ENDED, cancelling=True, cause=Cause.ASKED)
    gone = {**members, STOP: withdrawn, PROFIT: Member(PROFIT, legs=(ended,))}
    assert short(plan(replace(before, members=gone))) == [("add", FLATTEN, None, 4)]
    sent = Member(FLATTEN, legs=(leg(3, "4", Phase.SENDING),))
    assert plan(replace(before, members={**gone, FLATTEN: sent})) == ()


@dataclass
class AtVenue:
    """An order as the venue has it."""

    role: Role
    group: UUID | None
    size: int
    filled: int = 0
    there: bool = False
    over: bool = False

    @property
    def leaves(self) -> int:
        return 0 if self.over else self.size - self.filled


@dataclass
class World:
    """The venue, what we know of it, and the news that are on their way."""

    in_groups: bool
    reduces: bool
    group_cancel: bool = True
    parent: int = 0
    known_parent: int = 0
    taken: int = 0
    halted: bool = False
    venue: dict[UUID, AtVenue] = field(default_factory=dict)
    legs: dict[UUID, Leg] = field(default_factory=dict)
    withdrawn: set[Role] = field(default_factory=set)
    news: list[Callable[[], None]] = field(default_factory=list)
    dropped: int = 0
    shrunk: bool = False
    ids: int = 0

    def family(self, *, fresh: bool = True) -> Family:
        """What is known."""
        members = {}
        for role in COVERING:
            legs = tuple(
                replace(one, fresh=fresh and not one.is_live and one.cause is None)
                for name, one in self.legs.items()
                if self.venue[name].role is role
            )
            filled = sum((one.filled for one in legs), Decimal(0))
            members[role] = Member(role, filled, role in self.withdrawn, legs)
        return Family(
            Decimal(self.known_parent),
            members,
            taken=Decimal(self.taken),
            in_groups=self.in_groups,
        )

    def change(self, name: UUID, **values: object) -> None:
        """What is known of a leg."""
        self.legs[name] = replace(self.legs[name], **values)  # type: ignore[arg-type]

    def turn(self, *, fresh: bool = True, refuse: bool = False) -> bool:
        """Carry a plan out."""
        actions = plan(self.family(fresh=fresh))
        changed = [a.leg.attempt_id for a in actions if not isinstance(a, Add)]
        assert len(changed) == len(set(changed)), "one change of a leg at a time"
        for action in actions:
            EVENTS[type(action).__name__] += 1
            match action:
                case Add():
                    self.add(action)
                case Resize():
                    self.resize(action, refuse=refuse)
                case Cancel():
                    self.cancel(action)
                case Explain():
                    self.change(action.leg.attempt_id, cause=action.cause)
        return bool(actions)

    def add(self, action: Add) -> None:
        """Another leg, unsent as yet."""
        assert not any(
            one.phase in {Phase.UNSENT, Phase.SENDING}
            for name, one in self.legs.items()
            if self.venue[name].role is action.role
        ), "one leg of a child is sent at a time"
        self.ids += 1
        name = UUID(int=self.ids)
        same = UUID(int=999)
        own = UUID(int=1000 + self.ids) if self.in_groups else same
        group = (action.group or own) if self.reduces else None
        self.legs[name] = Leg(name, self.ids, action.quantity, Phase.UNSENT, group=group)
        self.venue[name] = AtVenue(action.role, group, int(action.quantity))
        self.send()

    def send(self) -> None:
        """What is unsent goes out, unless a halt keeps it."""
        for name, one in self.legs.items():
            if one.phase is Phase.UNSENT and not self.halted:
                self.change(name, phase=Phase.SENDING)
                at = self.venue[name]
                at.size, at.there = self.reduced(name, int(one.quantity - one.reduced)), True
                if at.size <= 0:
                    self.end(name)
                self.news.append(partial(self.acknowledge, name))

    def acknowledge(self, name: UUID) -> None:
        """The venue's answer."""
        if self.legs[name].phase is Phase.SENDING:
            self.change(name, phase=Phase.WORKING)

    def resize(self, action: Resize, *, refuse: bool) -> None:
        """In our tables, or at a venue that may refuse it."""
        name = action.leg.attempt_id
        if action.leg.phase is Phase.UNSENT:
            self.change(name, quantity=action.quantity, reduced=Decimal(0))
            return
        assert action.leg.phase is Phase.WORKING, "what is being sent is left alone"
        assert not self.in_groups, "members of a group are never changed in place"
        at = self.venue[name]
        if refuse or at.over:
            return
        size = self.reduced(name, int(action.quantity))
        if size > at.filled:
            at.size = size
            self.change(name, quantity=action.quantity, reduced=Decimal(0))

    def reduced(self, name: UUID, size: int) -> int:
        """A size less what the others of the group have filled and we did not know of."""
        if self.in_groups or not self.reduces:
            return size
        others = [one for key, one in self.venue.items() if key != name]
        known = sum(int(one.filled) for key, one in self.legs.items() if key != name)
        return size - sum(one.filled for one in others) + known

    def cancel(self, action: Cancel) -> None:
        """A cancel; it crosses whatever is on its way."""
        name = action.leg.attempt_id
        self.change(name, cancelling=True)
        if action.leg.phase is Phase.UNSENT:
            self.change(name, phase=Phase.ENDED)
            self.venue[name].over = True
            return
        self.news.append(lambda: self.end(name, by_client=True))

    def end(self, name: UUID, *, by_client: bool = False) -> None:
        """An order is over at the venue, and with it its group if a client cancelled it."""
        at = self.venue[name]
        if at.over or not at.there:
            return
        at.over = True
        self.news.append(lambda: self.hear_end(name))
        if by_client and self.in_groups and self.group_cancel:
            for other in self.others(name):
                self.end(other)

    def hear_end(self, name: UUID) -> None:
        """We hear that it is over, which counts once all of its own fills are here."""
        if self.legs[name].filled < self.venue[name].filled:
            self.news.append(lambda: self.hear_end(name))
        else:
            self.change(name, phase=Phase.ENDED)

    def others(self, name: UUID) -> list[UUID]:
        """Orders of the same group at the venue that work."""
        group = self.venue[name].group
        return [
            key
            for key, one in self.venue.items()
            if key != name and one.group == group and one.there and not one.over
        ]

    def tradable(self, role: Role) -> list[UUID]:
        """Orders of a role that may trade now.

        What one of a group trades before the other has joined it no venue can take off the other:
        nobody can tell there, and it is left out here.
        """
        if any(one.phase is Phase.SENDING for one in self.legs.values()):
            return []
        both = self.in_groups and not self.withdrawn
        return [
            name
            for name, at in self.venue.items()
            if at.role is role and at.there and not at.over and (self.others(name) or not both)
        ]

    def fill(self, name: UUID, most: int) -> None:
        """A trade of a child."""
        at = self.venue[name]
        done = min(most, at.leaves)
        if done <= 0:
            return
        at.filled += done
        self.news.append(lambda: self.hear_fill(name, done))
        if self.in_groups or self.reduces:
            for other in self.others(name):
                one = self.venue[other]
                if at.leaves and one.leaves > done:
                    one.size -= done
                else:
                    self.end(other)
        if not at.leaves:
            self.end(name)

    def hear_fill(self, name: UUID, done: int) -> None:
        """We hear of it, and take it off the others of its group."""
        self.change(name, filled=self.legs[name].filled + done)
        group = self.legs[name].group
        for other, one in list(self.legs.items()):
            if other != name and group is not None and one.group == group:
                self.change(other, reduced=one.reduced + done)

    def fill_parent(self, quantity: int) -> None:
        """A trade of the parent."""
        self.parent += quantity
        self.news.append(lambda: self.hear_parent(quantity))

    def hear_parent(self, quantity: int) -> None:
        self.known_parent += quantity

    def end_one(self, number: int) -> None:
        """The venue ends an order by itself, as often as one is placed again."""
        working = [name for name, at in self.venue.items() if at.there and not at.over]
        if self.dropped < REPLACEMENTS:
            self.dropped += 1
            self.end(working[number % len(working)])

    def shrink(self, *, busted: bool) -> None:
        """The position becomes smaller, by a bust of the parent's or by another exit."""
        self.shrunk = True
        if busted:
            self.parent, self.known_parent = self.parent - 1, self.known_parent - 1
        else:
            self.taken += 1

    def covers(self, role: Role) -> int:
        """What a role covers at the venue."""
        return sum(at.leaves for at in self.venue.values() if at.role is role and at.there)

    @property
    def open(self) -> int:
        """The position that really is."""
        return self.parent - self.taken - sum(at.filled for at in self.venue.values())

    def settle(self) -> None:
        """Let everything arrive and every plan be carried out."""
        self.halted = False
        for _ in range(200):
            self.send()
            arrived = list(self.news)
            self.news.clear()
            for news in arrived:
                news()
            if not arrived and not self.turn(fresh=False) and not self.news:
                return
        raise AssertionError("it does not come to rest")


VENUES: dict[str, dict[str, bool]] = {
    "groups": {"in_groups": True, "reduces": True},
    "reduces": {"in_groups": False, "reduces": True},
    "ledger": {"in_groups": False, "reduces": False},
}
OPERATIONS = st.lists(st.integers(0, 2**24), min_size=20, max_size=120)
"""Each picks one of the things that can happen at that moment, and how large it is."""


def possible(world: World) -> list[str]:
    """What can happen now; what is listed more than once is more likely."""
    found = ["parent", "turn", "turn", "resume" if world.halted else "halt"]
    found += ["hear"] * min(len(world.news), 3)
    working = any(at.there and not at.over for at in world.venue.values())
    found += [role.value for role in COVERING if world.tradable(role)] * 3
    if working:
        found += ["refuse", "drop"]
    if world.known_parent and world.open > 0:
        found += ["take", "bust", "withdraw"]
    return found


def run(world: World, operations: list[int]) -> None:
    """Let it all happen; what a venue covers in stops is never more than is open there."""
    for code in operations:
        things = possible(world)
        what = things[code % len(things)]
        EVENTS[what] += 1
        happen(world, what, code // 64)
        if world.reduces and not world.shrunk:
            assert world.covers(STOP) <= max(world.open, 0), "a stop larger than what is open"


def happen(world: World, what: str, number: int) -> None:
    """One thing happens, as large as `number` says; rare ones do not every time."""
    match what:
        case "parent":
            world.fill_parent(number % 5 + 1)
        case "turn" | "refuse":
            world.turn(refuse=what == "refuse")
        case "hear":
            world.news.pop(number % len(world.news))()
        case "halt" | "resume":
            world.halted = what == "halt"
            world.send()
        case Role.STOP_LOSS | Role.TAKE_PROFIT:
            ours = world.tradable(Role(what))
            world.fill(ours[number % len(ours)], number % 4 + 1)
        case "drop" | "withdraw" if not number % 16:
            world.end_one(number) if what == "drop" else world.withdrawn.add(PROFIT)
        case "take" | "bust" if not number % 4:
            world.shrink(busted=what == "bust")


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("group_cancel", [True, False])
@settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck))
@given(operations=OPERATIONS)
def test_comes_to_rest(venue: str, *, group_cancel: bool, operations: list[int]) -> None:
    """Whatever happens, in the end stop and target are what is open, or are not wanted."""
    kind = VENUES[venue]
    world = World(kind["in_groups"], kind["reduces"], group_cancel)
    run(world, operations)
    world.settle()
    known = world.family(fresh=False)
    assert known.open == max(world.open, 0)
    assert plan(known) == ()
    assert not is_settling(known)
    if known.members[STOP].is_wanted:
        assert world.covers(STOP) == known.target
        assert known.protected == known.target
    wanted = known.members[PROFIT].is_wanted
    dropped = any(one.cause is Cause.DROPPED for one in known.members[PROFIT].legs)
    if wanted and not (world.in_groups and dropped):
        assert world.covers(PROFIT) == known.target


def test_outdated_prices_go_one_group_after_the_other() -> None:
    """What was sent under other prices is replaced, and nothing else is bare meanwhile."""
    stops = (leg(1, "5", group=1, outdated=True), leg(3, "3", group=2, outdated=True))
    profits = (leg(2, "5", group=1), leg(4, "3", group=2))
    old = family("8", stops, profits, in_groups=True)
    assert short(plan(old)) == [("cancel", STOP, 1), ("cancel", PROFIT, 2)]
    going = family(
        "8",
        (replace(stops[0], cancelling=True), stops[1]),
        (replace(profits[0], cancelling=True), profits[1]),
        in_groups=True,
    )
    assert plan(going) == ()
    gone = {"phase": Phase.ENDED, "cancelling": True, "cause": Cause.ASKED}
    left = family(
        "8",
        (replace(stops[0], **gone), stops[1]),  # type: ignore[arg-type]
        (replace(profits[0], **gone), profits[1]),  # type: ignore[arg-type]
        in_groups=True,
    )
    assert short(plan(left)) == [("add", STOP, None, 5)]
