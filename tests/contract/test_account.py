"""C7xx: positions, the account, quotes."""

from __future__ import annotations

from decimal import Decimal

import pytest

from execution.domain.errors import BrokerUnavailable
from execution.domain.ports import Broker
from execution.domain.vocabulary import Side
from simulators.faults import FaultKind

from .harness import Ability, VenueHarness, needs, new_attempt, resting


@needs(Ability.POSITIONS)
async def test_c701_position(harness: VenueHarness, broker: Broker) -> None:
    """C701: what was bought is held, at what was paid."""
    await broker.submit(new_attempt(harness, quantity=2 * harness.lot))
    held = {position.symbol: position for position in await broker.positions()}
    position = held[harness.instrument.symbol]
    assert position.quantity == 2 * harness.lot
    assert position.average_price in {None, Decimal(101)}


@needs(Ability.NETTING)
async def test_c702_flat(harness: VenueHarness, broker: Broker) -> None:
    """C702: bought and sold again is not held."""
    await broker.submit(new_attempt(harness))
    await broker.submit(new_attempt(harness, side=Side.SELL))
    assert not [position for position in await broker.positions() if position.quantity]


@needs(Ability.SHORTING)
async def test_c703_short(harness: VenueHarness, broker: Broker) -> None:
    """C703: sold without being held is a negative position."""
    await broker.submit(new_attempt(harness, side=Side.SELL))
    (position,) = await broker.positions()
    assert position.quantity == -harness.lot


@needs(Ability.NETTING)
async def test_c704_average(harness: VenueHarness, broker: Broker) -> None:
    """C704: buying twice averages the price, selling a part leaves it."""
    await broker.submit(new_attempt(harness))
    await harness.set_price("102", "103")
    await broker.submit(new_attempt(harness))
    await broker.submit(new_attempt(harness, side=Side.SELL))
    (position,) = await broker.positions()
    assert position.quantity == harness.lot
    assert position.average_price in {None, Decimal(102)}


@needs(Ability.POSITIONS)
async def test_c705_resting_holds_nothing(harness: VenueHarness, broker: Broker) -> None:
    """C705: an order that rests is no position."""
    await broker.submit(resting(harness))
    assert not [position for position in await broker.positions() if position.quantity]


async def test_c706_account(harness: VenueHarness, broker: Broker) -> None:
    """C706: the account says its name, and that its money is not real."""
    account = await broker.account()
    assert account.account == harness.account
    assert account.is_real is False


async def test_c711_accounts_of_the_login(harness: VenueHarness, broker: Broker) -> None:
    """C711: the login's accounts, its own first; positions and executions name theirs."""
    names = [account.account for account in await broker.accounts()]
    assert names[0] == harness.account
    await broker.submit(new_attempt(harness))
    assert {position.account or names[0] for position in await broker.positions()} <= {names[0]}


@needs(Ability.BALANCES)
async def test_c707_balances(harness: VenueHarness, broker: Broker) -> None:
    """C707: balances come by currency, to the last digit."""
    await harness.set_balances(dict(harness.balances))
    balances = (await broker.account()).balances
    for currency, amount in harness.balances.items():
        assert balances[currency] == Decimal(amount)


async def test_c708_quote(harness: VenueHarness, broker: Broker) -> None:
    """C708: a quote is the market now, in exact decimals, with an aware time."""
    await harness.set_price("99.1", "100.3")
    quote = await broker.quote(harness.instrument)
    assert quote.symbol == harness.instrument.symbol
    assert (quote.bid, quote.ask) == (Decimal("99.1"), Decimal("100.3"))
    assert quote.at.utcoffset() is not None
    assert quote.source


async def test_c709_no_quote(harness: VenueHarness, broker: Broker) -> None:
    """C709: no market is BrokerUnavailable, never a made-up price."""
    with pytest.raises(BrokerUnavailable):
        await broker.quote(harness.unpriced)


@needs(FaultKind.DROP_REPLY, Ability.QUERY_FAULTS)
async def test_c710_lost_answer_to_a_question(harness: VenueHarness, broker: Broker) -> None:
    """C710: a question whose answers are lost is BrokerUnavailable, for it changed nothing."""
    await harness.arm(FaultKind.DROP_REPLY, on="query", times=10)
    with pytest.raises(BrokerUnavailable):
        await broker.account()
