"""What came and went without an order, as executions: corporate actions worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execution.domain.booking import Booking, Leg, NotBooked, entries
from execution.domain.instruments import Instrument
from execution.domain.positions import FillEntry, Position
from execution.domain.vocabulary import AssetClass, BrokerName, Side

PUT = "SPY261218P00600000"
INSTRUMENTS = {
    name: Instrument(name, kind, currency, Decimal(multiplier))
    for name, kind, currency, multiplier in (
        ("SPY", AssetClass.EQUITY, "USD", 1),
        ("FB", AssetClass.EQUITY, "USD", 1),
        ("META", AssetClass.EQUITY, "USD", 1),
        ("SAP", AssetClass.EQUITY, "EUR", 1),
        (PUT, AssetClass.OPTION, "USD", 100),
    )
}


def book(
    held: dict[str, Position], went: str = "", came: str = ""
) -> tuple[dict[str, Position], list[str]]:
    """Positions after a booking, and what was executed; several legs are parted by commas."""
    legs = [tuple(Leg.of(one) for one in said.split(",") if one) for said in (went, came)]
    booking = Booking(BrokerName.IBKR, "DU1", legs[0], legs[1], "statement", "me")
    now = {name: held.get(name, Position()) for name in INSTRUMENTS}
    done = entries(booking, INSTRUMENTS, now)
    for one in done:
        name = one.instrument.symbol
        fill = FillEntry(one.side, one.quantity, one.price)
        after = now[name].apply(fill, one.instrument.multiplier)
        assert after.realised_pnl - now[name].realised_pnl == one.realised
        now[name] = after
    texts = [f"{one.side} {one.quantity} {one.instrument.symbol} at {one.price}" for one in done]
    return {name: one for name, one in now.items() if one != Position()}, texts


def at(quantity: int | str, price: str) -> Position:
    """A position."""
    return Position(Decimal(quantity), Decimal(price))


def test_a_short_put_is_assigned() -> None:
    """It is gone at nothing, which realises its premium; the shares come at the strike."""
    held, done = book({PUT: at(-2, "3.50")}, f"{PUT} -2 @ 0", "SPY 200 @ 600")
    assert done == [f"BUY 2 {PUT} at 0", "BUY 200 SPY at 600"]
    assert held == {PUT: Position(realised_pnl=Decimal(700)), "SPY": at(200, "600")}


def test_a_long_option_expires_worthless() -> None:
    """What was paid for it is lost."""
    held, done = book({PUT: at(3, "1.20")}, f"{PUT} 3 @ 0")
    assert done == [f"SELL 3 {PUT} at 0"]
    assert held == {PUT: Position(realised_pnl=Decimal(-360))}


@pytest.mark.parametrize(("before", "after"), [("7", "70"), ("-7", "-70"), ("10", "1")])
def test_a_split_keeps_the_cost(before: str, after: str) -> None:
    """One share becomes ten, or ten one: no profit, and the cost of all of them is what it was."""
    held, _ = book({"SPY": at(before, "123.45")}, f"SPY {before}", f"SPY {after}")
    spy = held["SPY"]
    assert (spy.quantity, spy.realised_pnl) == (Decimal(after), Decimal(0))
    cost = Decimal(before) * Decimal("123.45")
    assert abs(spy.quantity * spy.average_price - cost) < Decimal("1e-20")


def test_a_renaming_keeps_the_cost() -> None:
    """The old name is flat, the new one is held at the same price."""
    held, done = book({"FB": at(10, "331.5")}, "FB 10", "META 10")
    assert done == ["SELL 10 FB at 331.5", "BUY 10 META at 331.5"]
    assert held == {"META": at(10, "331.5")}


def test_a_spin_off_takes_a_part_of_the_cost() -> None:
    """What has a price has it; the rest of what went stays with the one that has none."""
    held, _ = book({"SPY": at(10, "100")}, "SPY 10", "SPY 10,FB 5 @ 40")
    assert held == {"SPY": at(10, "80"), "FB": at(5, "40")}


def test_transfers() -> None:
    """In at a price; out at cost, which realises nothing, or at a price, which does."""
    assert book({}, "", "SPY 5 @ 90")[0] == {"SPY": at(5, "90")}
    out = book({"SPY": at(5, "90")}, "SPY 2")[0]["SPY"]
    assert out == at(3, "90")
    sold = book({"SPY": at(5, "90")}, "SPY 2 @ 100")[0]["SPY"]
    assert sold == Position(Decimal(3), Decimal(90), Decimal(20))


@pytest.mark.parametrize(
    ("went", "came", "why"),
    [
        ("", "", "say what went"),
        ("SPY 6 @ 1", "", "cannot have gone: 5 are held"),
        ("SPY -1 @ 1", "", "cannot have gone: 5 are held"),
        ("FB 1 @ 1", "", "cannot have gone: 0 are held"),
        ("", "SPY 1", "needs a price"),
        ("SPY 5", "FB 1,META 1", "one of them may take over"),
        ("SPY 5", "SAP 5", "EUR and USD differ"),
        ("SPY 5", "FB -5", "would have a price of -90"),
        ("SPY 5", "FB 5,META 1 @ 900", "would have a price of -90"),
    ],
)
def test_what_cannot_be(went: str, came: str, why: str) -> None:
    """It is refused, by name."""
    with pytest.raises(NotBooked, match=why):
        book({"SPY": at(5, "90")}, went, came)


@pytest.mark.parametrize("said", ["SPY", "SPY x", "SPY 0", "5 SPY @", "SPY 1e5", "SPY 5 @ @"])
def test_what_cannot_be_read(said: str) -> None:
    """Neither can it be booked."""
    with pytest.raises(NotBooked):
        Leg.of(said)


def test_once() -> None:
    """The same booking has the same id, another one another, and so has one with a name."""
    one = Booking(BrokerName.IBKR, "DU1", (Leg.of("SPY 5 @ 1"),), (), "statement of May 5", "me")
    assert one.booking_id == replace(one, by="somebody else").booking_id
    others = [
        replace(one, account="DU2"),
        replace(one, evidence="statement of May 6"),
        replace(one, went=(Leg.of("SPY 5 @ 2"),)),
        replace(one, went=(), came=one.went),
        replace(one, at=datetime(2026, 5, 5, tzinfo=UTC)),
        replace(one, name="1"),
        replace(one, name="2"),
    ]
    ids = {one.booking_id, *(other.booking_id for other in others)}
    assert len(ids) == 1 + len(others)
    named = replace(others[-1], evidence="another", went=(Leg.of("SPY 1 @ 1"),))
    assert named.booking_id == others[-1].booking_id


amounts = st.decimals(min_value="0.001", max_value=10_000, places=3)


@given(amounts, amounts, amounts, st.sampled_from([1, -1]))
def test_at_cost_nothing_is_realised(
    quantity: Decimal, price: Decimal, came: Decimal, sign: int
) -> None:
    """Whatever is exchanged for whatever: the cost stays, and there is no profit."""
    held, done = book(
        {"FB": Position(sign * quantity, price)}, f"FB {sign * quantity}", f"META {sign * came}"
    )
    meta = held["META"]
    assert meta.quantity == sign * came
    cost = Fraction(quantity) * Fraction(price)
    assert abs(Fraction(abs(meta.quantity)) * Fraction(meta.average_price) - cost) < Fraction(
        1, 10**15
    )
    assert held.get("FB", Position()).realised_pnl == meta.realised_pnl == 0
    assert [text.split()[0] for text in done] == (
        [Side.SELL, Side.BUY] if sign > 0 else [Side.BUY, Side.SELL]
    )
