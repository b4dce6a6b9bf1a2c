"""C1xx: submitting: identity, prices, exact numbers, times in force, concurrency."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from execution.domain.errors import BrokerRejected
from execution.domain.ports import Broker
from execution.domain.reports import ReportKind
from execution.domain.vocabulary import OrderState, OrderType, Side, TimeInForce

from .harness import Ability, VenueHarness, eventually, needs, new_attempt, resting


@pytest.mark.parametrize(("side", "price"), [(Side.BUY, "101"), (Side.SELL, "99")])
@needs(Ability.SHORTING)
async def test_c101_market(harness: VenueHarness, broker: Broker, side: Side, price: str) -> None:
    """C101: a MARKET order fills whole: BUY at the ask, SELL at the bid."""
    attempt = new_attempt(harness, side=side)
    await broker.submit(attempt)
    found = await broker.find(attempt)
    assert found is not None
    assert found.state is OrderState.FILLED
    assert found.side is side
    assert found.filled_quantity == attempt.quantity
    assert [execution.price for execution in found.executions] == [Decimal(price)]


async def test_c102_limit_rests(harness: VenueHarness, broker: Broker) -> None:
    """C102: a LIMIT order away from the market works, unfilled."""
    order = await broker.submit(resting(harness))
    assert order.state is OrderState.SUBMITTED
    assert order.filled_quantity == 0
    assert not order.executions


async def test_c103_limit_crosses_at_once(harness: VenueHarness, broker: Broker) -> None:
    """C103: a LIMIT order through the market fills at its limit or better."""
    attempt = resting(harness, limit_price=Decimal(105))
    await broker.submit(attempt)
    found = await broker.find(attempt)
    assert found is not None
    assert found.state is OrderState.FILLED
    assert all(execution.price <= 105 for execution in found.executions)


async def test_c104_limit_crossed_later(harness: VenueHarness, broker: Broker) -> None:
    """C104: a resting LIMIT order fills once the market reaches it, at its limit or better."""
    attempt = resting(harness)
    await broker.submit(attempt)
    await harness.set_price("93", "94")
    found = await broker.find(attempt)
    assert found is not None
    assert found.state is OrderState.FILLED
    assert all(execution.price <= 95 for execution in found.executions)


async def test_c105_identity(harness: VenueHarness, broker: Broker) -> None:
    """C105: the answer names our id and the venue's; find gives the same two."""
    attempt = resting(harness)
    order = await broker.submit(attempt)
    found = await broker.find(attempt)
    assert order.venue_order_id == attempt.venue_order_id
    assert order.broker_order_id
    assert order.symbol == attempt.instrument.symbol
    assert found is not None
    assert (found.venue_order_id, found.broker_order_id) == (
        order.venue_order_id,
        order.broker_order_id,
    )


async def test_c106_once(harness: VenueHarness, broker: Broker) -> None:
    """C106: one submit is one order in the venue's own ledger."""
    attempt = new_attempt(harness)
    await broker.submit(attempt)
    assert (await harness.ledger()).count(attempt) == 1


async def test_c107_fifty_at_once(harness: VenueHarness, broker: Broker) -> None:
    """C107: fifty submits at once are fifty orders, each with its own answer."""
    attempts = [resting(harness) for _ in range(50)]
    orders = await asyncio.gather(*(broker.submit(attempt) for attempt in attempts))
    ledger = await harness.ledger()
    assert [order.venue_order_id for order in orders] == [
        attempt.venue_order_id for attempt in attempts
    ]
    assert len({order.broker_order_id for order in orders}) == 50
    assert all(ledger.count(attempt) == 1 for attempt in attempts)


async def test_c108_exact_quantity(harness: VenueHarness, broker: Broker) -> None:
    """C108: awkward quantities arrive to the last digit, and no exponent is ever sent."""
    for quantity in harness.exact_quantities:
        attempt = resting(harness, quantity=quantity)
        order = await broker.submit(attempt)
        held = {order.venue_order_id: order for order in (await harness.ledger()).orders}
        assert order.quantity == quantity
        assert held[attempt.venue_order_id].quantity == quantity


async def test_c109_exact_price(harness: VenueHarness, broker: Broker) -> None:
    """C109: a limit price arrives as it is, 9E+1 in digits."""
    for price in (Decimal("94.1"), Decimal("9E+1"), Decimal("94.10")):
        attempt = resting(harness, limit_price=price)
        await broker.submit(attempt)
        held = {order.venue_order_id: order for order in (await harness.ledger()).orders}
        assert held[attempt.venue_order_id].limit_price == price


async def test_c110_execution_fields(harness: VenueHarness, broker: Broker) -> None:
    """C110: an execution says whose it is, which way, how much, and when in aware UTC."""
    attempt = new_attempt(harness)
    before = datetime.now(UTC)
    order = await broker.submit(attempt)
    found = await broker.find(attempt)
    assert found is not None
    (execution,) = found.executions
    assert execution.execution_id
    assert execution.kind is ReportKind.TRADE
    assert execution.venue_order_id == attempt.venue_order_id
    assert execution.broker_order_id == order.broker_order_id
    assert (execution.symbol, execution.side) == (attempt.instrument.symbol, Side.BUY)
    assert execution.quantity == attempt.quantity
    assert execution.executed_at.utcoffset() == timedelta(0)
    assert abs(execution.executed_at - before) < timedelta(seconds=30)
    assert execution.commission is None or execution.commission >= 0
    assert (execution.commission is None) == (execution.commission_currency is None)


@needs(TimeInForce.IOC)
async def test_c111_ioc_unfilled(harness: VenueHarness, broker: Broker) -> None:
    """C111: an IOC order away from the market is over at once, unfilled."""
    attempt = resting(harness, time_in_force=TimeInForce.IOC)
    await broker.submit(attempt)
    found = await broker.find(attempt)
    assert found is not None
    assert found.state in {OrderState.CANCELLED, OrderState.EXPIRED}
    assert found.filled_quantity == 0
    assert not await broker.open_orders()


@needs(TimeInForce.IOC, Ability.LIQUIDITY)
async def test_c112_ioc_in_part(harness: VenueHarness, broker: Broker) -> None:
    """C112: an IOC order takes what there is, and the rest is over."""
    await harness.set_liquidity(harness.lot)
    attempt = new_attempt(harness, quantity=3 * harness.lot, time_in_force=TimeInForce.IOC)
    await broker.submit(attempt)
    found = await broker.find(attempt)
    assert found is not None
    assert found.state in {OrderState.CANCELLED, OrderState.EXPIRED}
    assert found.filled_quantity == harness.lot


@needs(TimeInForce.FOK, Ability.LIQUIDITY)
async def test_c113_fok_nothing(harness: VenueHarness, broker: Broker) -> None:
    """C113: a FOK order that cannot fill whole fills not at all, and is over."""
    await harness.set_liquidity(2 * harness.lot)
    attempt = resting(
        harness,
        quantity=3 * harness.lot,
        time_in_force=TimeInForce.FOK,
        limit_price=Decimal(105),
    )
    await broker.submit(attempt)
    found = await broker.find(attempt)
    assert found is not None
    assert found.state in {OrderState.CANCELLED, OrderState.EXPIRED}
    assert not found.executions


@needs(TimeInForce.FOK)
async def test_c114_fok_whole(harness: VenueHarness, broker: Broker) -> None:
    """C114: a FOK order that can fill whole does."""
    attempt = resting(harness, time_in_force=TimeInForce.FOK, limit_price=Decimal(105))
    await broker.submit(attempt)
    found = await broker.find(attempt)
    assert found is not None
    assert found.state is OrderState.FILLED


@needs(Ability.LIQUIDITY)
async def test_c115_partial(harness: VenueHarness, broker: Broker) -> None:
    """C115: a thin market fills in part; the order works on, and fills when there is more."""
    await harness.set_liquidity(harness.lot)
    attempt = resting(harness, quantity=3 * harness.lot, limit_price=Decimal(105))
    await broker.submit(attempt)
    partly = await broker.find(attempt)
    await harness.set_liquidity(None)
    wholly = await broker.find(attempt)
    assert partly is not None
    assert wholly is not None
    assert partly.state is OrderState.PARTIALLY_FILLED
    assert partly.filled_quantity == harness.lot
    assert wholly.state is OrderState.FILLED
    assert sum(execution.quantity for execution in wholly.executions) == attempt.quantity


@needs(Ability.LIQUIDITY)
async def test_c116_several_executions(harness: VenueHarness, broker: Broker) -> None:
    """C116: an order that trades in pieces has an execution for each, under ids of their own."""
    await harness.set_liquidity(None, harness.lot)
    attempt = new_attempt(harness, quantity=3 * harness.lot)
    await broker.submit(attempt)
    found = await broker.find(attempt)
    assert found is not None
    assert [execution.quantity for execution in found.executions] == [harness.lot] * 3
    assert len({execution.execution_id for execution in found.executions}) == 3
    assert found.filled_quantity == attempt.quantity


@needs(OrderType.STOP)
async def test_c117_stop(harness: VenueHarness, broker: Broker) -> None:
    """C117: a STOP order rests until the market reaches it, then trades at the market."""
    attempt = new_attempt(harness, order_type=OrderType.STOP, stop_price=Decimal(110))
    order = await broker.submit(attempt)
    await harness.set_price("110", "112")
    found = await broker.find(attempt)
    assert order.state is OrderState.SUBMITTED
    assert found is not None
    assert found.state is OrderState.FILLED
    assert found.executions[0].price == 112


@needs(OrderType.STOP_LIMIT)
async def test_c118_stop_limit(harness: VenueHarness, broker: Broker) -> None:
    """C118: a STOP_LIMIT order that is reached, but past its limit, rests; then fills within it."""
    attempt = new_attempt(
        harness,
        order_type=OrderType.STOP_LIMIT,
        stop_price=Decimal(110),
        limit_price=Decimal(111),
    )
    await broker.submit(attempt)
    await harness.set_price("110", "112")
    past = await broker.find(attempt)
    await harness.set_price("108", "109")
    found = await broker.find(attempt)
    assert past is not None
    assert past.state is OrderState.SUBMITTED
    assert found is not None
    assert found.state is OrderState.FILLED
    assert found.executions[0].price <= 111


@needs(OrderType.TRAILING_STOP, Ability.SHORTING)
async def test_c119_trailing_stop(harness: VenueHarness, broker: Broker) -> None:
    """C119: a trailing SELL stop follows the market up, and trades when it comes back down."""
    attempt = new_attempt(
        harness,
        side=Side.SELL,
        order_type=OrderType.TRAILING_STOP,
        trail_amount=Decimal(5),
    )
    await broker.submit(attempt)
    await harness.set_price("119", "121")
    higher = await broker.find(attempt)
    await harness.set_price("113", "115")
    found = await broker.find(attempt)
    assert higher is not None
    assert higher.state is OrderState.SUBMITTED
    assert found is not None
    assert found.state is OrderState.FILLED


async def test_c120_no_market(harness: VenueHarness, broker: Broker) -> None:
    """C120: a MARKET order in what has no market is refused and not held, or over, unfilled."""
    attempt = new_attempt(harness, instrument=harness.unpriced)
    try:
        await broker.submit(attempt)
    except BrokerRejected:
        assert not (await harness.ledger()).orders
    else:
        found = await broker.find(attempt)
        assert found is not None
        assert found.state.is_final
        assert found.filled_quantity == 0


@needs(TimeInForce.GTD)
async def test_c121_good_till_date(harness: VenueHarness, broker: Broker) -> None:
    """C121: a GTD order expires at its time, by the venue's clock."""
    expires_at = datetime.now(UTC) + timedelta(milliseconds=150)
    attempt = resting(harness, time_in_force=TimeInForce.GTD, expires_at=expires_at)
    order = await broker.submit(attempt)

    async def expired() -> bool:
        found = await broker.find(attempt)
        return found is not None and found.state is OrderState.EXPIRED

    assert order.state is OrderState.SUBMITTED
    await eventually(expired)


@needs(Ability.RESENDS)
async def test_c122_same_id_again(harness: VenueHarness, broker: Broker) -> None:
    """C122: a repeated id is never BrokerRejected, for the venue does hold such an order."""
    attempt = new_attempt(harness)
    await broker.submit(attempt)
    try:
        await broker.submit(attempt)
    except BrokerRejected:
        pytest.fail("a repeat was reported as a definite no")
    except Exception:  # noqa: BLE001 - a venue that protects may say anything else
        assert (await harness.ledger()).count(attempt) == 1
    found = await broker.find(attempt)
    assert found is not None
    assert found.state is OrderState.FILLED


@needs(Ability.RESENDS)
async def test_c123_the_one_we_know(harness: VenueHarness, broker: Broker) -> None:
    """C123: with the venue's own id in hand, find gives that order and no other."""
    attempt = resting(harness)
    known = replace(attempt, broker_order_id=(await broker.submit(attempt)).broker_order_id)
    found = await broker.find(known)
    assert found is not None
    assert found.broker_order_id == known.broker_order_id
