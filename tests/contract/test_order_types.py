"""C8xx: stops, trails and orders on the close; collected for venues that take the type.

Markets move far enough that bid and ask, and so any last price, are all past a stop.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from execution.domain.ports import Broker, Modification
from execution.domain.vocabulary import OrderState, OrderType, Side, TimeInForce

from .harness import Ability, VenueHarness, eventually, needs, new_attempt
from .test_watch import Watching, of


@needs(OrderType.STOP, Ability.SHORTING)
async def test_c801_sell_stop(harness: VenueHarness, broker: Broker) -> None:
    """C801: a SELL stop rests above its price, and below it trades at the market."""
    attempt = new_attempt(
        harness, side=Side.SELL, order_type=OrderType.STOP, stop_price=Decimal(90)
    )
    await broker.submit(attempt)
    await harness.set_price("91", "93")
    above = await broker.find(attempt)
    await harness.set_price("87", "89")
    below = await broker.find(attempt)
    assert above is not None
    assert above.state is OrderState.SUBMITTED
    assert below is not None
    assert below.state is OrderState.FILLED
    assert below.executions[0].price <= 89


@needs(OrderType.STOP)
async def test_c802_stop_is_watched(harness: VenueHarness, broker: Broker) -> None:
    """C802: a stop that is reached while it is waited for is news, with its execution."""
    attempt = new_attempt(harness, order_type=OrderType.STOP, stop_price=Decimal(110))
    await broker.submit(attempt)
    async with Watching(broker, attempt) as watching:
        await harness.set_price("111", "113")
        order = await watching.hears(of(attempt, OrderState.FILLED))
    assert sum(execution.quantity for execution in order.executions) == attempt.quantity


@needs(OrderType.STOP)
async def test_c803_cancel_a_stop(harness: VenueHarness, broker: Broker) -> None:
    """C803: a stop that is cancelled never trades."""
    attempt = new_attempt(harness, order_type=OrderType.STOP, stop_price=Decimal(110))
    await broker.submit(attempt)
    await broker.cancel(attempt)
    await harness.set_price("111", "113")
    found = await broker.find(attempt)
    assert found is not None
    assert (found.state, found.executions) == (OrderState.CANCELLED, ())


@needs(OrderType.STOP, Ability.MODIFIES)
async def test_c804_move_a_stop(harness: VenueHarness, broker: Broker) -> None:
    """C804: a stop that is moved trades at its new price."""
    attempt = new_attempt(harness, order_type=OrderType.STOP, stop_price=Decimal(110))
    await broker.submit(attempt)
    await broker.modify(attempt, Modification(stop_price=Decimal(120)))
    await harness.set_price("111", "113")
    before = await broker.find(attempt)
    await harness.set_price("121", "123")
    after = await broker.find(attempt)
    assert before is not None
    assert before.state is OrderState.SUBMITTED
    assert after is not None
    assert after.state is OrderState.FILLED


@needs(OrderType.STOP_LIMIT)
async def test_c805_reached_for_good(harness: VenueHarness, broker: Broker) -> None:
    """C805: a STOP_LIMIT that was reached is a limit, for whoever connects later too."""
    attempt = new_attempt(
        harness, order_type=OrderType.STOP_LIMIT, stop_price=Decimal(110), limit_price=Decimal(111)
    )
    await broker.submit(attempt)
    await harness.set_price("112", "114")
    reached = await broker.find(attempt)
    await broker.close()
    other = harness.adapter()
    await other.connect()
    await harness.set_price("99", "101")
    found = await other.find(attempt)
    await other.close()
    assert reached is not None
    assert reached.state is OrderState.SUBMITTED
    assert found is not None
    assert found.state is OrderState.FILLED
    assert all(execution.price <= 111 for execution in found.executions)


@needs(OrderType.TRAILING_STOP)
async def test_c806_trailing_buy(harness: VenueHarness, broker: Broker) -> None:
    """C806: a trailing BUY stop follows the market down, and trades when it comes back up."""
    attempt = new_attempt(harness, order_type=OrderType.TRAILING_STOP, trail_amount=Decimal(5))
    await broker.submit(attempt)
    await harness.set_price("79", "81")
    lower = await broker.find(attempt)
    await harness.set_price("87", "89")
    found = await broker.find(attempt)
    assert lower is not None
    assert lower.state is OrderState.SUBMITTED
    assert found is not None
    assert found.state is OrderState.FILLED


@pytest.mark.parametrize("trail", [{"trail_amount": Decimal(10)}, {"trail_percent": Decimal(10)}])
@needs(OrderType.TRAILING_STOP, Ability.SHORTING)
async def test_c807_trail_does_not_give_way(
    harness: VenueHarness, broker: Broker, trail: dict[str, Any]
) -> None:
    """C807: a market that turns inside the trail and back neither trades nor moves the stop."""
    attempt = new_attempt(harness, side=Side.SELL, order_type=OrderType.TRAILING_STOP, **trail)
    await broker.submit(attempt)
    for bid, ask in (("119", "121"), ("111", "113"), ("115", "117"), ("110", "112")):
        await harness.set_price(bid, ask)
        found = await broker.find(attempt)
        assert found is not None
        assert found.state is OrderState.SUBMITTED, bid
    await harness.set_price("104", "106")
    found = await broker.find(attempt)
    assert found is not None
    assert found.state is OrderState.FILLED


@needs(OrderType.TRAILING_STOP, Ability.SHORTING)
async def test_c808_trail_outlives_the_connection(harness: VenueHarness, broker: Broker) -> None:
    """C808: the best price a trail has seen is the venue's to keep, not the adapter's."""
    attempt = new_attempt(
        harness, side=Side.SELL, order_type=OrderType.TRAILING_STOP, trail_amount=Decimal(5)
    )
    await broker.submit(attempt)
    await harness.set_price("119", "121")
    await broker.find(attempt)
    await broker.close()
    await broker.connect()
    await harness.set_price("111", "113")
    found = await broker.find(attempt)
    assert found is not None
    assert found.state is OrderState.FILLED


@needs(OrderType.STOP, TimeInForce.GTD)
async def test_c809_stop_expires(harness: VenueHarness, broker: Broker) -> None:
    """C809: a stop that is not reached ends at its time, untraded."""
    attempt = new_attempt(
        harness,
        order_type=OrderType.STOP,
        stop_price=Decimal(110),
        time_in_force=TimeInForce.GTD,
        expires_at=datetime.now(UTC) + timedelta(milliseconds=150),
    )
    await broker.submit(attempt)

    async def expired() -> bool:
        found = await broker.find(attempt)
        return found is not None and found.state is OrderState.EXPIRED

    await eventually(expired)
    await harness.set_price("111", "113")
    found = await broker.find(attempt)
    assert found is not None
    assert not found.executions


@needs(OrderType.STOP, Ability.LIQUIDITY, Ability.STOPS_WORK_ON)
async def test_c810_stop_in_a_thin_market(harness: VenueHarness, broker: Broker) -> None:
    """C810: what a stop cannot fill when it is reached works on, below its stop too."""
    attempt = new_attempt(
        harness, order_type=OrderType.STOP, stop_price=Decimal(110), quantity=2 * harness.lot
    )
    await broker.submit(attempt)
    await harness.set_liquidity(harness.lot)
    await harness.set_price("111", "113")
    partly = await broker.find(attempt)
    await harness.set_liquidity(None)
    await harness.set_price("99", "101")
    wholly = await broker.find(attempt)
    assert partly is not None
    assert partly.filled_quantity == harness.lot
    assert wholly is not None
    assert wholly.state is OrderState.FILLED


@needs(OrderType.MARKET_ON_CLOSE)
async def test_c820_market_on_close_rests(harness: VenueHarness, broker: Broker) -> None:
    """C820: a MARKET_ON_CLOSE order does not trade before the close, and can be cancelled."""
    attempt = new_attempt(
        harness, order_type=OrderType.MARKET_ON_CLOSE, time_in_force=TimeInForce.DAY
    )
    order = await broker.submit(attempt)
    await harness.set_price("93", "94")
    found = await broker.find(attempt)
    await broker.cancel(attempt)
    ended = await broker.find(attempt)
    assert order.state is OrderState.SUBMITTED
    assert found is not None
    assert found.state is OrderState.SUBMITTED
    assert ended is not None
    assert ended.state is OrderState.CANCELLED


@needs(OrderType.LIMIT_ON_CLOSE)
async def test_c821_limit_on_close_rests(harness: VenueHarness, broker: Broker) -> None:
    """C821: a LIMIT_ON_CLOSE order rests until the close although the market is through it."""
    attempt = new_attempt(
        harness,
        order_type=OrderType.LIMIT_ON_CLOSE,
        limit_price=Decimal(105),
        time_in_force=TimeInForce.DAY,
    )
    order = await broker.submit(attempt)
    found = await broker.find(attempt)
    assert order.state is OrderState.SUBMITTED
    assert found is not None
    assert found.state is OrderState.SUBMITTED
    assert attempt.venue_order_id in {
        working.venue_order_id for working in await broker.open_orders()
    }
