"""C0xx: connecting, health, and a venue that goes away and comes back."""

from __future__ import annotations

import pytest

from execution.domain.errors import BrokerUnavailable
from execution.domain.ports import Broker
from execution.domain.vocabulary import OrderState
from simulators.faults import FaultKind

from .harness import Ability, VenueHarness, eventually, needs, new_attempt, resting


async def test_c001_connect_twice(broker: Broker) -> None:
    """C001: connect on a standing connection verifies it and changes nothing."""
    await broker.connect()
    await broker.health_check()


@needs(Ability.RESTART)
async def test_c002_connect_to_nobody(harness: VenueHarness) -> None:
    """C002: connect without a venue is BrokerUnavailable."""
    await harness.stop()
    broker = harness.adapter()
    with pytest.raises(BrokerUnavailable):
        await broker.connect()
    await broker.close()


async def test_c003_healthy(broker: Broker) -> None:
    """C003: a working session answers the health check."""
    await broker.health_check()


@needs(Ability.RESTART)
async def test_c004_unhealthy(harness: VenueHarness, broker: Broker) -> None:
    """C004: a venue that went away is BrokerUnavailable to the health check."""
    await harness.stop()
    with pytest.raises(BrokerUnavailable):
        await broker.health_check()


@needs(FaultKind.UNAVAILABLE, Ability.QUERY_FAULTS)
async def test_c005_not_serving(harness: VenueHarness, broker: Broker) -> None:
    """C005: a venue that answers, but serves nobody, fails the health check; then recovers."""
    await harness.arm(FaultKind.UNAVAILABLE)
    with pytest.raises(BrokerUnavailable):
        await broker.health_check()
    await broker.health_check()


async def test_c006_close_never_raises(harness: VenueHarness) -> None:
    """C006: close is safe before connect, after it, and twice."""
    broker = harness.adapter()
    await broker.close()
    await broker.connect()
    await broker.close()
    await broker.close()


async def test_c007_not_connected(harness: VenueHarness) -> None:
    """C007: without a connection nothing leaves: BrokerUnavailable, and the venue holds nothing."""
    broker, attempt = harness.adapter(), new_attempt(harness)
    with pytest.raises(BrokerUnavailable):
        await broker.submit(attempt)
    with pytest.raises(BrokerUnavailable):
        await broker.find(attempt)
    assert not (await harness.ledger()).orders


async def test_c008_connect_after_close(harness: VenueHarness, broker: Broker) -> None:
    """C008: a closed adapter connects again and works."""
    await broker.close()
    await broker.connect()
    attempt = new_attempt(harness)
    await broker.submit(attempt)
    assert (await harness.ledger()).count(attempt) == 1


@needs(Ability.RESTART)
async def test_c009_orders_outlive_the_venue(harness: VenueHarness, broker: Broker) -> None:
    """C009: after a restart of the venue and a reconnect, orders and executions are still there."""
    filled, working = new_attempt(harness), resting(harness)
    await broker.submit(filled)
    await broker.submit(working)
    await harness.stop()
    await harness.start()
    await broker.connect()
    found = await broker.find(filled)
    assert found is not None
    assert found.state is OrderState.FILLED
    assert len(found.executions) == 1
    assert [order.venue_order_id for order in await broker.open_orders()] == [
        working.venue_order_id
    ]


@needs(Ability.RESTART)
async def test_c010_submit_after_restart(harness: VenueHarness, broker: Broker) -> None:
    """C010: a connection left over from before a restart does not put a submit in doubt."""
    await broker.submit(new_attempt(harness))
    await harness.stop()
    await harness.start()
    await broker.connect()
    attempt = new_attempt(harness)
    await broker.submit(attempt)
    assert (await harness.ledger()).count(attempt) == 1


@needs(FaultKind.DISCONNECT, Ability.QUERY_FAULTS)
async def test_c011_disconnect_and_return(harness: VenueHarness, broker: Broker) -> None:
    """C011: a venue that drops everybody and shuts its port is reached again by connect."""
    await harness.arm(FaultKind.DISCONNECT, seconds=0.05, on="query")
    with pytest.raises(BrokerUnavailable):
        await broker.health_check()

    async def reconnects() -> bool:
        try:
            await broker.connect()
        except BrokerUnavailable:
            return False
        return True

    await eventually(reconnects)
    attempt = new_attempt(harness)
    await broker.submit(attempt)
    assert (await harness.ledger()).count(attempt) == 1
