"""A group's state machine: every outcome of its legs ends in a state that is permitted."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import product
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execution.domain.arbitrage.groups import (
    PERMITTED,
    Decision,
    Group,
    GroupState,
    Leg,
    Lot,
    Purpose,
    Reduction,
    Role,
    Surroundings,
    client_order_id,
    decide,
    excess,
    group_id_of,
    pause,
)
from execution.domain.arbitrage.signals import Direction, ExitReason
from execution.domain.vocabulary import ExecutionMode, OrderState, Side

START = datetime(2026, 1, 5, 15, tzinfo=UTC)
LIMIT = timedelta(seconds=60)
GROUP = UUID(int=7)
LOTS = {Role.TRUST: Lot(step=Decimal(1)), Role.SPOT: Lot(step=Decimal("0.00001"))}
SIZES = {Role.TRUST: Decimal(100), Role.SPOT: Decimal("0.08")}
S = GroupState


def leg(role: Role, number: int = 0, **changes: Any) -> Leg:
    """An opening leg of a group that is long the trust, not at its venue yet."""
    values: dict[str, Any] = {
        "client_order_id": client_order_id(GROUP, number or (1 if role is Role.TRUST else 2)),
        "role": role,
        "purpose": Purpose.OPENING,
        "side": Side.BUY if role is Role.TRUST else Side.SELL,
        "quantity": SIZES[role],
        "placed_at": START,
        "changed_at": START,
    }
    return filled(Leg(**{**values, **changes}))


def filled(one: Leg) -> Leg:
    """With what it holds as its executions say, where nothing was taken as a commission."""
    return replace(one, held=one.side.sign * one.filled) if not one.held else one


def full(role: Role, **changes: Any) -> Leg:
    """An opening leg that is filled."""
    return leg(role, state=OrderState.FILLED, filled=SIZES[role], **changes)


def group(*legs: Leg, state: GroupState = S.OPENING, **changes: Any) -> Group:
    """A live group that is long the trust."""
    values: dict[str, Any] = {
        "group_id": GROUP,
        "direction": Direction.LONG_TRUST_SHORT_SPOT,
        "mode": ExecutionMode.LIVE,
        "state": state,
        "phase": state,
        "since": START,
        "legs": legs,
    }
    return Group(**{**values, **changes})


def around(seconds: float = 1, **changes: Any) -> Surroundings:
    """So many seconds after the start."""
    values: dict[str, Any] = {
        "now": START + timedelta(seconds=seconds),
        "leg_limit": LIMIT,
        "lots": LOTS,
    }
    return Surroundings(**{**values, **changes})


# Every way in which an opening leg can stand: state, share that is filled, whether all is heard.
WAYS: list[dict[str, Any]] = [
    {"state": None},
    {"state": None, "refused": True},
    *({"state": state} for state in OrderState if state is not OrderState.FILLED),
    *(
        {"state": state, "share": Decimal("0.5")}
        for state in OrderState
        if state
        not in {
            OrderState.FILLED,
            OrderState.PENDING,
            OrderState.SUBMITTING,
            OrderState.REJECTED,
        }
    ),
    {"state": OrderState.FILLED, "share": Decimal(1)},
    {"state": OrderState.FILLED, "share": Decimal("1.1")},
    {"state": OrderState.CANCELLED, "heard": False},
]


def standing(role: Role, way: dict[str, Any]) -> Leg:
    """A leg that stands so."""
    changes = dict(way)
    share = changes.pop("share", Decimal(0))
    return leg(role, **changes, filled=SIZES[role] * share)


@pytest.mark.parametrize("seconds", [1, 61])
def test_every_outcome_of_both_legs(seconds: float) -> None:
    """One in doubt waits, one that fell short unwinds, both full are open; else it goes on."""
    for ways in product(WAYS, repeat=2):
        legs = [standing(role, way) for role, way in zip(Role, ways, strict=True)]
        decision = decide(group(*legs), around(seconds))
        assert decision.state is S.OPENING or decision.state in PERMITTED[S.OPENING]
        if any(one.is_in_doubt for one in legs):
            expected = S.WAITING
        elif any(one.is_short for one in legs):
            expected = S.UNWINDING
        elif all(one.is_full for one in legs):
            expected = S.OPEN
        else:
            expected = S.UNWINDING if seconds > LIMIT.total_seconds() else S.OPENING
        assert decision.state is expected, ways
        assert (decision.alert is not None) == (expected is S.WAITING)
        assert not decision.reductions
        assert not decision.cancels


@pytest.mark.parametrize("phase", [S.OPENING, S.CLOSING, S.UNWINDING])
def test_waits_for_the_truth_and_goes_on(phase: GroupState) -> None:
    """While a leg is UNKNOWN nothing is placed or cancelled; then it is at what it was at."""
    doubtful = leg(Role.SPOT, state=OrderState.UNKNOWN)
    waiting = group(full(Role.TRUST), doubtful, state=S.WAITING, phase=phase)
    decision = decide(waiting, around(1000))
    assert (decision.state, decision.phase) == (S.WAITING, phase)
    assert decision.alert is not None
    assert (decision.reductions, decision.cancels) == ((), ())
    known = replace(waiting, legs=(full(Role.TRUST), full(Role.SPOT)))
    decision = decide(known, around(1000))
    assert (decision.state, decision.phase) == (phase, phase)


def test_unwinding_cancels_what_rests_and_flattens_what_filled() -> None:
    """At once, each instrument by itself; a cancel that is under way is not asked for again."""
    resting = leg(Role.SPOT, state=OrderState.PARTIALLY_FILLED, filled=Decimal("0.02"))
    decision = decide(group(full(Role.TRUST), resting, state=S.UNWINDING), around())
    assert decision.cancels == (resting.client_order_id,)
    assert decision.reductions == (Reduction(Role.TRUST, Side.SELL, Decimal(100)),)
    asked = replace(resting, cancelling=True, cancels=1)
    decision = decide(group(full(Role.TRUST), asked, state=S.UNWINDING), around())
    assert decision.cancels == ()
    over = replace(resting, state=OrderState.CANCELLED)
    decision = decide(group(full(Role.TRUST), over, state=S.UNWINDING), around())
    assert decision.reductions == (
        Reduction(Role.TRUST, Side.SELL, Decimal(100)),
        Reduction(Role.SPOT, Side.BUY, Decimal("0.02")),
    )


def test_nothing_is_flattened_before_all_is_heard() -> None:
    """An order that is over may have executions that are not in the books yet."""
    unheard = replace(full(Role.TRUST), state=OrderState.CANCELLED, heard=False)
    refused = leg(Role.SPOT, refused=True)
    decision = decide(group(unheard, refused, state=S.UNWINDING), around())
    assert (decision.state, decision.reductions) == (S.UNWINDING, ())


def test_what_reduces_is_tried_again_with_pauses_and_an_alert() -> None:
    """A refused one is placed again after a while, longer each time; a person knows meanwhile."""
    refused = leg(
        Role.TRUST,
        3,
        purpose=Purpose.REDUCING,
        side=Side.SELL,
        state=OrderState.REJECTED,
        reason="no",
    )
    legs = (full(Role.TRUST), leg(Role.SPOT, refused=True), refused)
    early = decide(group(*legs, state=S.UNWINDING), around(1))
    assert early.reductions == ()
    assert early.alert is not None
    assert "refused 1 times: no" in early.alert
    late = decide(group(*legs, state=S.UNWINDING), around(2.1))
    assert late.reductions == (Reduction(Role.TRUST, Side.SELL, Decimal(100)),)
    assert late.alert is not None
    again = (*legs, replace(refused, client_order_id="x"))
    assert decide(group(*again, state=S.UNWINDING), around(2.1)).reductions == ()
    assert [pause(count).total_seconds() for count in (1, 2, 8, 9, 1000)] == [2, 4, 256, 300, 300]


def test_a_live_group_is_never_closed_on_paper() -> None:
    """With FORCE_PAPER_TRADING every new order would be simulated: then a person must act."""
    legs = (full(Role.TRUST), leg(Role.SPOT, refused=True))
    decision = decide(group(*legs, state=S.UNWINDING), around(forced_to_paper=True))
    assert decision.reductions == ()
    assert decision.alert is not None
    assert "FORCE_PAPER_TRADING" in decision.alert
    paper = group(*legs, state=S.UNWINDING, mode=ExecutionMode.PAPER)
    assert decide(paper, around(forced_to_paper=True)).reductions


def test_an_exit_leaves_with_both_legs_or_waits() -> None:
    """Nothing is placed while a venue is away; a person hears of it once it takes long."""
    held = group(full(Role.TRUST), full(Role.SPOT), state=S.CLOSING)
    away = decide(held, around(1, not_both="IBKR is DOWN"))
    assert (away.state, away.reductions, away.alert) == (S.CLOSING, (), None)
    late = decide(held, around(61, not_both="IBKR is DOWN"))
    assert late.alert is not None
    assert "IBKR is DOWN" in late.alert
    both = decide(held, around(1))
    assert [one.role for one in both.reductions] == [Role.TRUST, Role.SPOT]
    # One of them is closed already: the other is closed wherever it can be.
    closed = leg(
        Role.TRUST,
        3,
        purpose=Purpose.REDUCING,
        side=Side.SELL,
        state=OrderState.FILLED,
        filled=SIZES[Role.TRUST],
    )
    one_left = replace(held, legs=(*held.legs, closed))
    decision = decide(one_left, around(1, not_both="IBKR is DOWN"))
    assert decision.reductions == (Reduction(Role.SPOT, Side.BUY, SIZES[Role.SPOT]),)


def test_a_reducing_order_that_stands_is_told() -> None:
    """It goes on waiting: what reduces risk is not taken back."""
    standing = leg(
        Role.TRUST, 3, purpose=Purpose.REDUCING, side=Side.SELL, state=OrderState.SUBMITTED
    )
    legs = (full(Role.TRUST), leg(Role.SPOT, refused=True), standing)
    assert decide(group(*legs, state=S.UNWINDING), around(59)).alert is None
    decision = decide(group(*legs, state=S.UNWINDING), around(61))
    assert decision.alert is not None
    assert "stands unfilled" in decision.alert
    assert (decision.reductions, decision.cancels) == ((), ())


def test_an_unwinding_that_is_not_done_is_told() -> None:
    """Such as one whose cancel the venue does not carry out."""
    resting = leg(Role.SPOT, state=OrderState.SUBMITTED, cancelling=True)
    legs = (leg(Role.TRUST, refused=True), resting)
    assert decide(group(*legs, state=S.UNWINDING), around(60)).alert is None
    assert decide(group(*legs, state=S.UNWINDING), around(61)).alert == "UNWINDING: is not done"


def test_open_until_the_detector_wants_it_closed() -> None:
    """Or until a fill was taken back; more filled than asked for is told."""
    legs = (full(Role.TRUST), full(Role.SPOT))
    assert decide(group(*legs, state=S.OPEN), around(10**6)) == Decision(S.OPEN, S.OPEN)
    wanted = group(*legs, state=S.OPEN, exit_reason=ExitReason.REVERTED)
    assert decide(wanted, around()).state is S.CLOSING
    busted = (full(Role.TRUST), replace(full(Role.SPOT), filled=Decimal(0)))
    assert decide(group(*busted, state=S.OPEN), around()).state is S.UNWINDING
    over = (full(Role.TRUST), replace(full(Role.SPOT), filled=Decimal(1)))
    assert decide(group(*over, state=S.OPEN), around()).alert is not None


@pytest.mark.parametrize("state", [S.CLOSED, S.UNWOUND])
def test_a_late_execution_opens_it_again(state: GroupState) -> None:
    """What is over and holds something after all is unwound."""
    legs = (leg(Role.TRUST, state=OrderState.CANCELLED), leg(Role.SPOT, refused=True))
    assert decide(group(*legs, state=state), around()) == Decision(state, state)
    late = (replace(full(Role.TRUST), state=OrderState.CANCELLED), legs[1])
    assert decide(group(*late, state=state), around()).state is S.UNWINDING


def test_what_is_too_little_for_an_order() -> None:
    """Less than a step is nothing; more, and less than the venue takes, is told for good."""
    lots = {**LOTS, Role.SPOT: Lot(Decimal("0.00001"), minimum_value=Decimal(5), price=Decimal(10))}
    rest = leg(Role.SPOT, state=OrderState.CANCELLED, filled=Decimal("0.3"))
    unwinding = group(leg(Role.TRUST, refused=True), rest, state=S.UNWINDING)
    assert decide(unwinding, around(lots=lots)).state is S.UNWOUND
    over = replace(unwinding, state=S.UNWOUND, phase=S.UNWOUND)
    decision = decide(over, around(lots=lots))
    assert decision.state is S.UNWOUND
    assert decision.alert is not None
    assert "0.3 of the SPOT" in decision.alert
    tiny = replace(rest, filled=Decimal("0.000009"), held=Decimal("-0.000009"))
    over = replace(over, legs=(over.legs[0], tiny))
    assert decide(over, around(lots=lots)).alert is None


def test_lots() -> None:
    """In steps, within bounds, worth enough."""
    lot = Lot(Decimal("0.1"), Decimal("0.2"), Decimal(5), Decimal(10), Decimal(20))
    assert lot.tradable(Decimal("0.79")) == Decimal("0.7")
    assert lot.tradable(Decimal(9)) == 5
    assert lot.tradable(Decimal("0.49")) == 0
    assert replace(lot, price=None).tradable(Decimal("0.29")) == Decimal("0.2")
    assert replace(lot, price=None).tradable(Decimal("0.19")) == 0
    assert Lot().tradable(Decimal("0.123")) == Decimal("0.123")


def test_commissions_in_the_coin() -> None:
    """What they took of bought coins cannot be sold; of coins bought back they are a cost."""
    fee = Decimal("0.00008")
    bought = leg(
        Role.SPOT,
        side=Side.BUY,
        state=OrderState.FILLED,
        filled=Decimal("0.08"),
        held=Decimal("0.08") - fee,
    )
    assert excess([bought], Role.SPOT) == Reduction(Role.SPOT, Side.SELL, Decimal("0.08") - fee)
    sold = leg(
        Role.SPOT,
        3,
        side=Side.SELL,
        state=OrderState.FILLED,
        quantity=Decimal("0.07992"),
        filled=Decimal("0.07992"),
    )
    assert excess([bought, sold], Role.SPOT) is None
    short = full(Role.SPOT)
    back = replace(bought, client_order_id="x")
    assert excess([short], Role.SPOT) == Reduction(Role.SPOT, Side.BUY, Decimal("0.08"))
    assert excess([short, back], Role.SPOT) is None


def test_names() -> None:
    """The same observation is the same group, and its orders are called the same."""
    first = group_id_of("GBTC", "BTC-USDT", "1d", START)
    assert first == group_id_of("GBTC", "BTC-USDT", "1d", START)
    assert first != group_id_of("GBTC", "BTC-USDT", "1d", START + timedelta(days=1))
    names = {client_order_id(first, number) for number in (1, 2, 999_999)}
    assert len(names) == 3
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,36}", name) for name in names)


class World:
    """Venues of a kind: what is placed comes to one of the ends that the draw gives."""

    def __init__(self, data: st.DataObject) -> None:
        self._data = data
        self.now = START
        self.legs: list[Leg] = [leg(Role.TRUST), leg(Role.SPOT)]
        self.group = group(*self.legs)
        self.alert: str | None = None
        self.visited: list[GroupState] = []

    def look(self, *, calm: bool) -> None:
        """Move the group on as far as it goes, as a sweep does."""
        for _ in range(10):
            self.group = replace(self.group, legs=tuple(self.legs))
            forced = not calm and self._draw(st.booleans())
            away = "away" if not calm and self._draw(st.booleans()) else None
            decision = decide(
                self.group,
                Surroundings(self.now, LIMIT, LOTS, not_both=away, forced_to_paper=forced),
            )
            self.alert = decision.alert
            if not self._follow(decision):
                return
        raise AssertionError("it never comes to rest")

    def _follow(self, decision: Decision) -> bool:
        """What whoever acts does; whether anything changed."""
        was = (self.group.state, self.group.phase)
        now = (decision.state, decision.phase)
        if decision.state is not self.group.state:
            assert decision.state in PERMITTED[self.group.state]
            self.visited.append(decision.state)
        for reduction in decision.reductions:
            number = len(self.legs) + 1
            self.legs.append(
                leg(
                    reduction.role,
                    number,
                    purpose=Purpose.REDUCING,
                    side=reduction.side,
                    quantity=reduction.quantity,
                    placed_at=self.now,
                    changed_at=self.now,
                )
            )
        names = {one.client_order_id: index for index, one in enumerate(self.legs)}
        for name in decision.cancels:
            index = names[name]
            self.legs[index] = replace(self.legs[index], cancelling=True)
        since = self.group.since if decision.phase is self.group.phase else self.now
        self.group = replace(self.group, state=now[0], phase=now[1], since=since)
        return was != now or bool(decision.reductions)

    def happen(self, *, calm: bool) -> None:
        """Time passes, and each order that is not over comes further, or not."""
        self.now += timedelta(seconds=1 if not calm else 400)
        for index, one in enumerate(self.legs):
            if one.is_over:
                continue
            self.legs[index] = replace(self._next(one, calm=calm), changed_at=self.now)

    def _next(self, one: Leg, *, calm: bool) -> Leg:
        if calm:
            ends = OrderState.CANCELLED if one.cancelling else OrderState.FILLED
            share = one.filled if one.cancelling else one.quantity
            return self._at(one, ends, share)
        step = self._draw(st.sampled_from(["nothing", "refuse", "doubt", "part", "fill", "end"]))
        if step == "refuse" and not one.filled and one.state in {None, OrderState.UNKNOWN}:
            return self._at(one, OrderState.REJECTED, one.filled)
        if step == "doubt" and not one.filled:
            return self._at(one, OrderState.UNKNOWN, one.filled)
        if step == "part":
            share = max(one.filled, self._rounded(one, self._draw(st.integers(1, 9))))
            return self._at(one, OrderState.PARTIALLY_FILLED, share)
        if step == "fill":
            return self._at(one, OrderState.FILLED, one.quantity)
        if step == "end":
            ends = self._draw(st.sampled_from([OrderState.CANCELLED, OrderState.EXPIRED]))
            return self._at(one, ends, one.filled)
        return one

    @staticmethod
    def _rounded(one: Leg, tenths: int) -> Decimal:
        step = LOTS[one.role].step
        assert step is not None
        return one.quantity * tenths / 10 // step * step

    @staticmethod
    def _at(one: Leg, state: OrderState, share: Decimal) -> Leg:
        return replace(one, state=state, filled=share, held=one.side.sign * share)

    def _draw(self, strategy: st.SearchStrategy[Any]) -> Any:
        return self._data.draw(strategy)

    def held(self) -> dict[Role, Decimal]:
        """What is held of each."""
        return {
            role: sum((one.held for one in self.legs if one.role is role), Decimal(0))
            for role in Role
        }


@given(st.data())
def test_no_leg_is_left_alone_whatever_happens(data: st.DataObject) -> None:
    """At rest a group holds both legs or none; else there is an alert. It comes to rest in the end.

    That is as soon as nothing goes wrong any more.
    """
    world = World(data)
    for _ in range(data.draw(st.integers(0, 12))):
        world.happen(calm=False)
        world.look(calm=False)
        if world.group.state in {S.OPEN, S.CLOSED, S.UNWOUND}:
            held = world.held()
            whole = {
                role: one.side.sign * one.quantity
                for role, one in zip(Role, world.legs[:2], strict=True)
            }
            assert held == whole if world.group.state is S.OPEN else not any(held.values())
        if world.group.state is S.OPEN and data.draw(st.booleans()):
            world.group = replace(world.group, exit_reason=ExitReason.REVERTED)
            world.look(calm=False)
        assert (world.group.state is S.WAITING) <= (world.alert is not None)
        late = world.now - world.group.since > LIMIT
        if late and world.group.state in {S.UNWINDING, S.CLOSING}:
            assert world.alert is not None
    for _ in range(6):
        world.happen(calm=True)
        world.look(calm=True)
    assert world.group.state in {S.OPEN, S.CLOSED, S.UNWOUND}
    assert world.alert is None
    if world.group.state is not S.OPEN:
        assert not any(world.held().values())
