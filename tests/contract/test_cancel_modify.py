"""C4xx: cancelling and modifying, and their races with fills."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from decimal import Decimal

import pytest

from execution.domain.errors import BrokerRejected, BrokerUnavailable, OutcomeUnknown
from execution.domain.ports import Broker, Modification
from execution.domain.vocabulary import OrderState
from simulators.faults import FaultKind

from .harness import Ability, VenueHarness, needs, new_attempt, resting


async def test_c401_cancel(harness: VenueHarness, broker: Broker) -> None:
    """C401: a working order that is cancelled never fills."""
    attempt = resting(harness)
    await broker.submit(attempt)
    await broker.cancel(attempt)
    await harness.set_price("93", "94")
    found = await broker.find(attempt)
    assert found is not None
    assert found.state is OrderState.CANCELLED
    assert not found.executions


async def test_c402_cancel_too_late(harness: VenueHarness, broker: Broker) -> None:
    """C402: cancelling a filled order is BrokerRejected, and it stays filled."""
    attempt = new_attempt(harness)
    await broker.submit(attempt)
    with pytest.raises(BrokerRejected):
        await broker.cancel(attempt)
    found = await broker.find(attempt)
    assert found is not None
    assert found.state is OrderState.FILLED


async def test_c403_cancel_unknown(harness: VenueHarness, broker: Broker) -> None:
    """C403: cancelling what the venue does not know is BrokerRejected."""
    with pytest.raises(BrokerRejected):
        await broker.cancel(resting(harness))


async def test_c404_cancel_twice(harness: VenueHarness, broker: Broker) -> None:
    """C404: a second cancel changes nothing: it is BrokerRejected, or takes note of the first."""
    attempt = resting(harness)
    await broker.submit(attempt)
    await broker.cancel(attempt)
    with suppress(BrokerRejected):
        await broker.cancel(attempt)
    found = await broker.find(attempt)
    assert found is not None
    assert found.state is OrderState.CANCELLED


@needs(Ability.LIQUIDITY)
async def test_c405_cancel_the_rest(harness: VenueHarness, broker: Broker) -> None:
    """C405: cancelling a partially filled order keeps what is filled."""
    await harness.set_liquidity(harness.lot)
    attempt = resting(harness, quantity=3 * harness.lot, limit_price=Decimal(105))
    await broker.submit(attempt)
    await broker.cancel(attempt)
    found = await broker.find(attempt)
    assert found is not None
    assert found.state is OrderState.CANCELLED
    assert found.filled_quantity == harness.lot
    assert len(found.executions) == 1


@needs(FaultKind.DROP_REPLY)
async def test_c406_cancel_reply_dropped(harness: VenueHarness, broker: Broker) -> None:
    """C406: a cancel whose answer is lost is done or OutcomeUnknown; find tells how it went."""
    attempt = resting(harness)
    await broker.submit(attempt)
    await harness.arm(FaultKind.DROP_REPLY, on="cancel")
    with suppress(OutcomeUnknown):
        await broker.cancel(attempt)
    assert await harness.fired(FaultKind.DROP_REPLY) == 1
    found = await broker.find(attempt)
    assert found is not None
    assert found.state is OrderState.CANCELLED


@needs(FaultKind.REJECT)
async def test_c407_cancel_refused(harness: VenueHarness, broker: Broker) -> None:
    """C407: a refused cancel leaves the order working."""
    attempt = resting(harness)
    await broker.submit(attempt)
    await harness.arm(FaultKind.REJECT, on="cancel")
    with pytest.raises(BrokerRejected):
        await broker.cancel(attempt)
    assert [order.state for order in await broker.open_orders()] == [OrderState.SUBMITTED]


@needs(Ability.RESTART)
async def test_c408_cancel_nobody_there(harness: VenueHarness, broker: Broker) -> None:
    """C408: a cancel to a venue that is gone never left: BrokerUnavailable."""
    attempt = resting(harness)
    await broker.submit(attempt)
    await harness.stop()
    with pytest.raises(BrokerUnavailable):
        await broker.cancel(attempt)


async def test_c409_cancel_races_fill(harness: VenueHarness, broker: Broker) -> None:
    """C409: when a fill and a cancel race, the answer to the cancel and the order agree."""
    for _ in range(5):
        await harness.set_price("99", "101")
        attempt = resting(harness)
        await broker.submit(attempt)
        answer, _ = await asyncio.gather(
            broker.cancel(attempt), harness.set_price("93", "94"), return_exceptions=True
        )
        found = await broker.find(attempt)
        assert found is not None
        expected = OrderState.FILLED if isinstance(answer, BrokerRejected) else None
        assert found.state is (expected or OrderState.CANCELLED)
        assert bool(found.executions) == (found.state is OrderState.FILLED)


@needs(Ability.MODIFIES)
async def test_c420_modify(harness: VenueHarness, broker: Broker) -> None:
    """C420: quantity and price change in place, under the same ids."""
    attempt = resting(harness)
    order = await broker.submit(attempt)
    change = Modification(quantity=2 * harness.lot, limit_price=Decimal(94))
    changed = await broker.modify(attempt, change)
    found = await broker.find(attempt)
    (held,) = (await harness.ledger()).orders
    assert found is not None
    for shown in (changed, found):
        assert (shown.quantity, shown.limit_price) == (2 * harness.lot, Decimal(94))
    assert changed.broker_order_id == order.broker_order_id
    assert (held.venue_order_id, held.quantity, held.limit_price) == (
        attempt.venue_order_id,
        2 * harness.lot,
        Decimal(94),
    )


@needs(Ability.MODIFIES)
async def test_c421_modify_leaves_the_rest(harness: VenueHarness, broker: Broker) -> None:
    """C421: what a modify does not name stays as it was."""
    attempt = resting(harness)
    await broker.submit(attempt)
    await broker.modify(attempt, Modification(limit_price=Decimal("94.5")))
    (held,) = (await harness.ledger()).orders
    assert held.quantity == attempt.quantity
    assert held.limit_price == Decimal("94.5")


@needs(Ability.MODIFIES)
async def test_c422_modify_into_the_market(harness: VenueHarness, broker: Broker) -> None:
    """C422: a limit moved through the market fills."""
    attempt = resting(harness)
    await broker.submit(attempt)
    await broker.modify(attempt, Modification(limit_price=Decimal(105)))
    found = await broker.find(attempt)
    assert found is not None
    assert found.state is OrderState.FILLED


@needs(Ability.MODIFIES)
async def test_c423_modify_too_late(harness: VenueHarness, broker: Broker) -> None:
    """C423: modifying a filled order is BrokerRejected, and it stays as it was."""
    attempt = new_attempt(harness)
    await broker.submit(attempt)
    with pytest.raises(BrokerRejected):
        await broker.modify(attempt, Modification(quantity=2 * harness.lot))
    found = await broker.find(attempt)
    assert found is not None
    assert found.quantity == attempt.quantity


@needs(Ability.LIQUIDITY, Ability.MODIFIES)
async def test_c424_modify_below_filled(harness: VenueHarness, broker: Broker) -> None:
    """C424: a total below what is filled is BrokerRejected, and the order works on as it was."""
    await harness.set_liquidity(2 * harness.lot)
    attempt = resting(harness, quantity=3 * harness.lot, limit_price=Decimal(105))
    await broker.submit(attempt)
    with pytest.raises(BrokerRejected):
        await broker.modify(attempt, Modification(quantity=harness.lot))
    (order,) = await broker.open_orders()
    assert order.quantity == attempt.quantity
    assert order.state is OrderState.PARTIALLY_FILLED


@needs(Ability.LIQUIDITY, Ability.MODIFIES)
async def test_c425_modify_to_filled(harness: VenueHarness, broker: Broker) -> None:
    """C425: a total equal to what is filled ends the order as FILLED."""
    await harness.set_liquidity(2 * harness.lot)
    attempt = resting(harness, quantity=3 * harness.lot, limit_price=Decimal(105))
    await broker.submit(attempt)
    await broker.modify(attempt, Modification(quantity=2 * harness.lot))
    found = await broker.find(attempt)
    assert found is not None
    assert found.state is OrderState.FILLED
    assert found.filled_quantity == 2 * harness.lot


@needs(FaultKind.DROP_REPLY, Ability.MODIFIES)
async def test_c426_modify_reply_dropped(harness: VenueHarness, broker: Broker) -> None:
    """C426: a modify whose answer is lost is OutcomeUnknown; find tells how it went."""
    attempt = resting(harness)
    await broker.submit(attempt)
    await harness.arm(FaultKind.DROP_REPLY, on="modify")
    with pytest.raises(OutcomeUnknown):
        await broker.modify(attempt, Modification(quantity=2 * harness.lot))
    found = await broker.find(attempt)
    assert found is not None
    assert found.quantity == 2 * harness.lot


@needs(FaultKind.REJECT, Ability.MODIFIES)
async def test_c427_modify_refused(harness: VenueHarness, broker: Broker) -> None:
    """C427: a refused modify leaves the order working as it was."""
    attempt = resting(harness)
    await broker.submit(attempt)
    await harness.arm(FaultKind.REJECT, on="modify")
    with pytest.raises(BrokerRejected):
        await broker.modify(attempt, Modification(2 * harness.lot, limit_price=Decimal(94)))
    (order,) = await broker.open_orders()
    assert (order.quantity, order.limit_price) == (attempt.quantity, attempt.limit_price)
    assert order.state is OrderState.SUBMITTED


@needs(Ability.MODIFIES)
async def test_c428_modify_unknown(harness: VenueHarness, broker: Broker) -> None:
    """C428: modifying what the venue does not know is BrokerRejected."""
    with pytest.raises(BrokerRejected):
        await broker.modify(resting(harness), Modification(quantity=harness.lot))


@needs(Ability.MOVES)
async def test_c430_move(harness: VenueHarness, broker: Broker) -> None:
    """C430: a new price changes in place; the order trades at it, and not at the old one."""
    attempt = resting(harness)
    await broker.submit(attempt)
    changed = await broker.modify(attempt, Modification(limit_price=Decimal(90)))
    await harness.set_price("93", "94")
    before = await broker.find(attempt)
    await harness.set_price("88", "89")
    after = await broker.find(attempt)
    assert (changed.state, changed.limit_price) == (OrderState.SUBMITTED, Decimal(90))
    assert before is not None
    assert before.state is OrderState.SUBMITTED
    assert after is not None
    assert after.state is OrderState.FILLED


@needs(Ability.MOVES)
async def test_c431_move_too_late(harness: VenueHarness, broker: Broker) -> None:
    """C431: what has filled is not moved: BrokerRejected."""
    attempt = new_attempt(harness)
    await broker.submit(attempt)
    with pytest.raises(BrokerRejected):
        await broker.modify(attempt, Modification(limit_price=Decimal(90)))


@needs(FaultKind.REJECT, Ability.MOVES)
async def test_c432_move_refused(harness: VenueHarness, broker: Broker) -> None:
    """C432: an order whose move was refused is shown at the price it had."""
    attempt = resting(harness)
    await broker.submit(attempt)
    await harness.arm(FaultKind.REJECT, on="modify")
    with pytest.raises(BrokerRejected):
        await broker.modify(attempt, Modification(limit_price=Decimal(90)))
    found = await broker.find(attempt)
    (order,) = await broker.open_orders()
    assert found is not None
    assert (found.limit_price, order.limit_price) == (attempt.limit_price, attempt.limit_price)
