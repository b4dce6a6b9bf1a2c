"""C3xx: asking by our id; only an answer is an answer."""

from __future__ import annotations

from decimal import Decimal

import pytest

from execution.domain.errors import BrokerUnavailable, OutcomeUnknown
from execution.domain.ports import Broker
from execution.domain.vocabulary import OrderState, OrderType, Side
from simulators.faults import FaultKind

from .harness import (
    Ability,
    Trait,
    VenueHarness,
    eventually,
    has_trait,
    needs,
    new_attempt,
    resting,
)


async def test_c301_absent(harness: VenueHarness, broker: Broker) -> None:
    """C301: None for an order that was never sent."""
    assert await broker.find(new_attempt(harness)) is None


async def test_c302_before_and_after(harness: VenueHarness, broker: Broker) -> None:
    """C302: None before the submit, the order after it."""
    attempt = resting(harness)
    before = await broker.find(attempt)
    await broker.submit(attempt)
    after = await broker.find(attempt)
    assert before is None
    assert after is not None
    assert after.state is OrderState.SUBMITTED


async def test_c303_only_its_own(harness: VenueHarness, broker: Broker) -> None:
    """C303: among many, even of nearly the same id, it gives the one asked for."""
    attempt = resting(harness, venue_order_id="a" * 22)
    near = resting(harness, venue_order_id="a" * 21 + "A")
    await broker.submit(attempt)
    assert await broker.find(near) is None
    await broker.submit(near)
    found = await broker.find(near)
    assert found is not None
    assert found.venue_order_id == near.venue_order_id


async def test_c304_filled(harness: VenueHarness, broker: Broker) -> None:
    """C304: a filled order is found with every execution of it."""
    attempt = new_attempt(harness)
    await broker.submit(attempt)
    found = await broker.find(attempt)
    assert found is not None
    assert found.state is OrderState.FILLED
    assert sum(execution.quantity for execution in found.executions) == attempt.quantity


async def test_c305_cancelled(harness: VenueHarness, broker: Broker) -> None:
    """C305: a cancelled order is found as such."""
    attempt = resting(harness)
    await broker.submit(attempt)
    await broker.cancel(attempt)
    found = await broker.find(attempt)
    assert found is not None
    assert found.state is OrderState.CANCELLED


@pytest.mark.parametrize("state", [OrderState.REJECTED, OrderState.EXPIRED, OrderState.CANCELLED])
@needs(Ability.ENDS)
async def test_c306_ended_by_the_venue(
    harness: VenueHarness, broker: Broker, state: OrderState
) -> None:
    """C306: an order the venue ended after accepting is found with that state and its reason."""
    attempt = resting(harness)
    await broker.submit(attempt)
    await harness.end_order(attempt, state, "margin call")
    found = await broker.find(attempt)
    assert found is not None
    if state is OrderState.EXPIRED and has_trait(harness, Trait.EXPIRY_IS_CANCEL):
        state = OrderState.CANCELLED
    assert found.state is state
    assert found.reason == "margin call" or Ability.REASONS not in harness.abilities


@needs(FaultKind.UNAVAILABLE, Ability.QUERY_FAULTS)
async def test_c307_no_answer_is_not_absence(harness: VenueHarness, broker: Broker) -> None:
    """C307: a venue that is not serving is BrokerUnavailable, never None."""
    await harness.arm(FaultKind.UNAVAILABLE)
    with pytest.raises(BrokerUnavailable):
        await broker.find(new_attempt(harness))


@needs(FaultKind.REJECT, Ability.QUERY_FAULTS)
async def test_c308_refusal_is_not_absence(harness: VenueHarness, broker: Broker) -> None:
    """C308: a question that is refused is BrokerUnavailable, never None."""
    await harness.arm(FaultKind.REJECT, on="query", code="rate_limit", scope="VENUE")
    with pytest.raises(BrokerUnavailable):
        await broker.find(new_attempt(harness))


@needs(FaultKind.DELAY, Ability.QUERY_FAULTS)
async def test_c309_silence_is_not_absence(harness: VenueHarness, impatient: Broker) -> None:
    """C309: a question that is not answered in time is BrokerUnavailable, never None."""
    await harness.arm(FaultKind.DELAY, on="query", seconds=4 * harness.answer_seconds)
    with pytest.raises(BrokerUnavailable):
        await impatient.find(new_attempt(harness))


@needs(FaultKind.ERROR_REPLY, Ability.QUERY_FAULTS)
async def test_c310_error_is_not_absence(harness: VenueHarness, broker: Broker) -> None:
    """C310: a not-found that is not the venue's own word is BrokerUnavailable, never None."""
    attempt = new_attempt(harness)
    await broker.submit(attempt)
    await harness.arm(FaultKind.ERROR_REPLY, on="query", status=404)
    with pytest.raises(BrokerUnavailable):
        await broker.find(attempt)


@needs(FaultKind.HOLD_FILLS)
async def test_c311_held_fill(harness: VenueHarness, broker: Broker) -> None:
    """C311: an order whose fill is held works on; when it is let go, it is filled."""
    await harness.arm(FaultKind.HOLD_FILLS)
    attempt = new_attempt(harness)
    await broker.submit(attempt)
    held = await broker.find(attempt)
    await harness.clear()
    found = await broker.find(attempt)
    assert held is not None
    assert held.state is OrderState.SUBMITTED
    assert found is not None
    assert found.state is OrderState.FILLED


PRICES = {
    OrderType.LIMIT: (Decimal(95), None),
    OrderType.STOP: (None, Decimal(110)),
    OrderType.STOP_LIMIT: (Decimal(111), Decimal(110)),
}


async def _shows_its_prices(harness: VenueHarness, broker: Broker, order_type: OrderType) -> None:
    limit, stop = PRICES[order_type]
    attempt = new_attempt(harness, order_type=order_type, limit_price=limit, stop_price=stop)
    submitted = await broker.submit(attempt)
    found = await broker.find(attempt)
    (working,) = await broker.open_orders()
    assert found is not None
    for shown in (submitted, found, working):
        assert (shown.limit_price, shown.stop_price) == (limit, stop)


async def test_c312_limit_is_shown(harness: VenueHarness, broker: Broker) -> None:
    """C312: a working order is shown with the limit it works at."""
    await _shows_its_prices(harness, broker, OrderType.LIMIT)


@needs(OrderType.STOP)
async def test_c313_stop_is_shown(harness: VenueHarness, broker: Broker) -> None:
    """C313: so is the price of a stop."""
    await _shows_its_prices(harness, broker, OrderType.STOP)


@needs(OrderType.STOP_LIMIT)
async def test_c314_stop_and_limit_are_shown(harness: VenueHarness, broker: Broker) -> None:
    """C314: and both of a STOP_LIMIT."""
    await _shows_its_prices(harness, broker, OrderType.STOP_LIMIT)


@needs(FaultKind.INVISIBLE)
async def test_c315_filled_and_not_shown(harness: VenueHarness, broker: Broker) -> None:
    """C315: no query shows it, and the account has moved: that is no absence; later it is found."""
    await broker.submit(new_attempt(harness))  # one that is known explains nothing of another
    await harness.arm(FaultKind.INVISIBLE, seconds=1)
    attempt = new_attempt(harness)
    with pytest.raises(OutcomeUnknown):
        await broker.submit(attempt)
    with pytest.raises(BrokerUnavailable, match="moved"):
        await broker.find(attempt)

    async def shown() -> bool:
        try:
            found = await broker.find(attempt)
        except BrokerUnavailable:
            return False
        return found is not None and found.state is OrderState.FILLED

    await eventually(shown)
    assert (await harness.ledger()).count(attempt) == 1


@needs(FaultKind.INVISIBLE)
async def test_c316_resting_and_not_shown(harness: VenueHarness, broker: Broker) -> None:
    """C316: nor is it absence where the venue counts one order more than it shows."""
    await broker.submit(resting(harness))
    await harness.arm(FaultKind.INVISIBLE, seconds=30)
    attempt = resting(harness)
    with pytest.raises(OutcomeUnknown):
        await broker.submit(attempt)
    with pytest.raises(BrokerUnavailable, match="counts"):
        await broker.find(attempt)


@needs(FaultKind.INVISIBLE, FaultKind.DROP_REQUEST)
async def test_c317_absent_beside_others(harness: VenueHarness, broker: Broker) -> None:
    """C317: what others have traded and placed meanwhile is explained: it is absent."""
    await broker.submit(resting(harness))
    await harness.arm(FaultKind.DROP_REQUEST)
    attempt = new_attempt(harness)
    with pytest.raises(OutcomeUnknown):
        await broker.submit(attempt)
    await broker.submit(new_attempt(harness))
    await broker.submit(new_attempt(harness, side=Side.SELL))
    await broker.submit(resting(harness))
    assert await broker.find(attempt) is None
