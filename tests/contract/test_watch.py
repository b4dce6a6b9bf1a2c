"""C6xx: hearing of orders while they wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from decimal import Decimal
from typing import Self

import pytest

from execution.domain.errors import BrokerUnavailable
from execution.domain.ports import Attempt, Broker
from execution.domain.reports import VenueOrder
from execution.domain.vocabulary import OrderState
from simulators.faults import FaultKind

from .harness import DEADLINE_SECONDS, Ability, VenueHarness, needs, resting


class Watching:
    """A watch in the background; `heard` holds its news, `waiting` what it is to look at."""

    def __init__(self, broker: Broker, *waiting: Attempt) -> None:
        self.waiting = list(waiting)
        self.heard: list[VenueOrder] = []
        self._news = asyncio.Event()
        self._watch: AsyncIterator[VenueOrder] = broker.watch(lambda: self.waiting)
        self._task = asyncio.create_task(self._listen())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def hears(self, wanted: Callable[[VenueOrder], bool]) -> VenueOrder:
        """The first news that is wanted; the watch's own error if it ends before that."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while True:
                for order in self.heard:
                    if wanted(order):
                        return order
                if self._task.done():
                    self._task.result()
                self._news.clear()
                await self._news.wait()

    async def ends(self) -> None:
        """Wait until the watch ends; raises what it raised."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            await self._task

    async def _listen(self) -> None:
        try:
            async for order in self._watch:
                self.heard.append(order)
                self._news.set()
        finally:
            self._news.set()


def of(attempt: Attempt, state: OrderState) -> Callable[[VenueOrder], bool]:
    """News of that attempt in that state."""
    return lambda order: order.venue_order_id == attempt.venue_order_id and order.state is state


async def test_c601_fill_of_a_resting_order(harness: VenueHarness, broker: Broker) -> None:
    """C601: a resting order that the market crosses is news, with its executions."""
    attempt = resting(harness)
    await broker.submit(attempt)
    async with Watching(broker, attempt) as watching:
        await harness.set_price("93", "94")
        order = await watching.hears(of(attempt, OrderState.FILLED))
    assert order.filled_quantity == attempt.quantity
    assert sum(execution.quantity for execution in order.executions) == attempt.quantity


async def test_c602_waiting_is_read_anew(harness: VenueHarness, broker: Broker) -> None:
    """C602: an order that begins to wait while the watch runs is watched too."""
    first, second = resting(harness), resting(harness)
    await broker.submit(first)
    async with Watching(broker, first) as watching:
        await broker.submit(second)
        watching.waiting.append(second)
        await harness.set_price("93", "94")
        await watching.hears(of(first, OrderState.FILLED))
        await watching.hears(of(second, OrderState.FILLED))


async def test_c603_many(harness: VenueHarness, broker: Broker) -> None:
    """C603: of many waiting orders every fill and every cancel is heard."""
    attempts = [resting(harness) for _ in range(30)]
    await asyncio.gather(*(broker.submit(attempt) for attempt in attempts))
    cancelled, filled = attempts[:5], attempts[5:]
    async with Watching(broker, *attempts) as watching:
        await asyncio.gather(*(broker.cancel(attempt) for attempt in cancelled))
        await harness.set_price("93", "94")
        for attempt in cancelled:
            await watching.hears(of(attempt, OrderState.CANCELLED))
        for attempt in filled:
            order = await watching.hears(of(attempt, OrderState.FILLED))
            assert len(order.executions) == 1


@needs(Ability.LIQUIDITY)
async def test_c604_partial_then_whole(harness: VenueHarness, broker: Broker) -> None:
    """C604: a partial fill is news, and so is the rest."""
    attempt = resting(harness, quantity=2 * harness.lot, limit_price=Decimal(105))
    await harness.set_liquidity(harness.lot)
    await broker.submit(attempt)
    async with Watching(broker, attempt) as watching:
        partly = await watching.hears(of(attempt, OrderState.PARTIALLY_FILLED))
        await harness.set_liquidity(None)
        wholly = await watching.hears(of(attempt, OrderState.FILLED))
    assert partly.filled_quantity == harness.lot
    assert wholly.executions[: len(partly.executions)] == partly.executions


@needs(Ability.LIQUIDITY)
async def test_c605_partial_among_many(harness: VenueHarness, broker: Broker) -> None:
    """C605: a partial fill is heard among many waiting orders, with its execution."""
    thin = resting(harness, quantity=2 * harness.lot, limit_price=Decimal(105))
    others = [resting(harness) for _ in range(20)]
    await harness.set_liquidity(harness.lot)
    for attempt in (*others, thin):
        await broker.submit(attempt)
    async with Watching(broker, thin, *others) as watching:
        order = await watching.hears(of(thin, OrderState.PARTIALLY_FILLED))
    assert [execution.quantity for execution in order.executions] == [harness.lot]


@needs(Ability.ENDS)
async def test_c606_ended_by_the_venue(harness: VenueHarness, broker: Broker) -> None:
    """C606: an order that the venue rejects after accepting is news, with the reason."""
    attempt = resting(harness)
    await broker.submit(attempt)
    async with Watching(broker, attempt) as watching:
        await harness.end_order(attempt, OrderState.REJECTED, "margin call")
        order = await watching.hears(of(attempt, OrderState.REJECTED))
    assert order.reason == "margin call" or Ability.REASONS not in harness.abilities


@needs(Ability.RESTART)
async def test_c607_connection_lost(harness: VenueHarness, broker: Broker) -> None:
    """C607: a watch whose venue goes away ends in BrokerUnavailable."""
    attempt = resting(harness)
    await broker.submit(attempt)
    async with Watching(broker, attempt) as watching:
        await harness.stop()
        with pytest.raises(BrokerUnavailable):
            await watching.ends()


@needs(Ability.RESTART)
async def test_c608_missed_while_away(harness: VenueHarness, broker: Broker) -> None:
    """C608: what happened while nobody watched is heard by the next watch."""
    attempt = resting(harness)
    await broker.submit(attempt)
    await harness.stop()
    await harness.start()
    await harness.set_price("93", "94")
    await broker.connect()
    async with Watching(broker, attempt) as watching:
        await watching.hears(of(attempt, OrderState.FILLED))


@needs(FaultKind.HOLD_FILLS)
async def test_c609_fill_let_go(harness: VenueHarness, broker: Broker) -> None:
    """C609: a fill that the venue held back is heard when it comes."""
    await harness.arm(FaultKind.HOLD_FILLS, seconds=0.1)
    attempt = resting(harness, limit_price=Decimal(105))
    order = await broker.submit(attempt)
    assert order.state is OrderState.SUBMITTED
    async with Watching(broker, attempt) as watching:
        await watching.hears(of(attempt, OrderState.FILLED))


async def test_c610_unknown_waits_on(harness: VenueHarness, broker: Broker) -> None:
    """C610: an order that the venue does not know is no news, and does not end the watch."""
    unknown, known = resting(harness), resting(harness)
    await broker.submit(known)
    async with Watching(broker, unknown, known) as watching:
        await harness.set_price("93", "94")
        await watching.hears(of(known, OrderState.FILLED))
    assert all(order.venue_order_id == known.venue_order_id for order in watching.heard)


async def test_c611_nothing_new(harness: VenueHarness, broker: Broker) -> None:
    """C611: the same news is not told twice."""
    quiet, loud = resting(harness), resting(harness, limit_price=Decimal(96))
    await broker.submit(quiet)
    await broker.submit(loud)
    async with Watching(broker, quiet, loud) as watching:
        for bid in ("97.5", "97.4", "97.3"):
            await harness.set_price(bid, "98")
        await harness.set_price("95.1", "95.5")
        await watching.hears(of(loud, OrderState.FILLED))
    assert sum(of(quiet, OrderState.SUBMITTED)(order) for order in watching.heard) <= 1


@pytest.mark.parametrize("others", [0, 20])
@needs(Ability.EXECUTIONS)
async def test_c612_after_the_end(harness: VenueHarness, broker: Broker, others: int) -> None:
    """C612: an execution that follows the end of an order is heard while it is waited for."""
    attempts = [resting(harness) for _ in range(others + 1)]
    for attempt in attempts:
        await broker.submit(attempt)
    late = attempts[0]
    async with Watching(broker, *attempts) as watching:
        await broker.cancel(late)
        await watching.hears(of(late, OrderState.CANCELLED))
        await harness.report_execution(
            venue_order_id=late.venue_order_id, quantity=str(harness.lot), price="95"
        )
        await watching.hears(
            lambda order: order.venue_order_id == late.venue_order_id and bool(order.executions)
        )


async def test_c613_left_early(harness: VenueHarness, broker: Broker) -> None:
    """C613: whoever stops listening leaves the adapter as it was."""
    attempt = resting(harness, limit_price=Decimal(105))
    await broker.submit(attempt)
    watch = broker.watch(lambda: [attempt])
    async with asyncio.timeout(DEADLINE_SECONDS):
        await anext(aiter(watch))
    if isinstance(watch, AsyncGenerator):
        await watch.aclose()
    await broker.health_check()


@pytest.mark.parametrize("others", [1, 8])
@needs(FaultKind.UNAVAILABLE)
async def test_c614_one_is_not_told_of(harness: VenueHarness, broker: Broker, others: int) -> None:
    """C614: where the venue says nothing of one order, the news of all others come."""
    silent, *told = [resting(harness) for _ in range(1 + others)]
    for attempt in (silent, *told):
        await broker.submit(attempt)
    name = silent.venue_order_id
    await harness.arm(FaultKind.UNAVAILABLE, on="query", venue_order_id=name, times=10_000)
    async with Watching(broker, silent, *told) as watching:
        await harness.set_price("93", "94")
        for attempt in told:
            await watching.hears(of(attempt, OrderState.FILLED))
        await harness.clear()
        await watching.hears(of(silent, OrderState.FILLED))
