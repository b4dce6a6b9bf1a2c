"""C5xx: open orders and executions, the odd ones included."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from execution.domain.ports import Broker
from execution.domain.reports import ReportKind
from execution.domain.vocabulary import BrokerName, OrderState
from simulators.faults import FaultKind

from .harness import (
    Ability,
    VenueHarness,
    eventually,
    needs,
    new_attempt,
    resting,
)


def _an_hour_ago() -> datetime:
    return datetime.now(UTC) - timedelta(hours=1)


async def test_c501_open_orders(harness: VenueHarness, broker: Broker) -> None:
    """C501: exactly the working orders, and none that is over."""
    working = [resting(harness), resting(harness)]
    over = resting(harness)
    for attempt in (*working, over, new_attempt(harness)):
        await broker.submit(attempt)
    await broker.cancel(over)
    opened = await broker.open_orders()
    assert {order.venue_order_id for order in opened} == {
        attempt.venue_order_id for attempt in working
    }
    assert all(order.state is OrderState.SUBMITTED for order in opened)


async def test_c502_none_open(broker: Broker) -> None:
    """C502: no working orders is an empty answer."""
    assert list(await broker.open_orders()) == []


@needs(Ability.LIQUIDITY)
async def test_c503_open_with_fills(harness: VenueHarness, broker: Broker) -> None:
    """C503: a working order that is partially filled says how much."""
    await harness.set_liquidity(harness.lot)
    attempt = resting(harness, quantity=2 * harness.lot, limit_price=Decimal(105))
    await broker.submit(attempt)
    (order,) = await broker.open_orders()
    assert order.state is OrderState.PARTIALLY_FILLED
    assert order.filled_quantity == harness.lot


async def test_c504_executions(harness: VenueHarness, broker: Broker) -> None:
    """C504: every execution since, oldest first, with our ids."""
    attempts = [new_attempt(harness) for _ in range(3)]
    for attempt in attempts:
        await broker.submit(attempt)
    executions = await broker.executions(_an_hour_ago())
    times = [execution.executed_at for execution in executions]
    assert [execution.venue_order_id for execution in executions] == [
        attempt.venue_order_id for attempt in attempts
    ]
    assert times == sorted(times)


async def test_c505_executions_since(harness: VenueHarness, broker: Broker) -> None:
    """C505: `since` leaves out what was before it, and keeps what was at it."""
    await broker.submit(new_attempt(harness))
    (first,) = await broker.executions(_an_hour_ago())

    async def later() -> bool:
        return datetime.now(UTC) > first.executed_at + harness.clock_step

    await eventually(later)
    second = new_attempt(harness)
    await broker.submit(second)
    since = (await broker.executions(_an_hour_ago()))[-1].executed_at
    kept = await broker.executions(since)
    assert [execution.venue_order_id for execution in kept] == [second.venue_order_id]


async def test_c506_none_executed(harness: VenueHarness, broker: Broker) -> None:
    """C506: an order that rests has executed nothing."""
    await broker.submit(resting(harness))
    assert list(await broker.executions(_an_hour_ago())) == []


@needs(Ability.EXECUTIONS)
async def test_c507_not_ours(harness: VenueHarness, broker: Broker) -> None:
    """C507: an execution of an order that is not ours is reported, without an id of ours."""
    ours = resting(harness)
    await broker.submit(ours)
    await harness.report_execution(
        symbol=harness.instrument.symbol,
        side="SELL",
        quantity=str(harness.lot),
        price="100",
    )
    (execution,) = await broker.executions(_an_hour_ago())
    assert execution.venue_order_id != ours.venue_order_id
    assert execution.quantity == harness.lot


@needs(Ability.EXECUTIONS)
async def test_c508_after_cancel(harness: VenueHarness, broker: Broker) -> None:
    """C508: an execution that comes after the cancel is reported with the cancelled order."""
    attempt = resting(harness)
    await broker.submit(attempt)
    await broker.cancel(attempt)
    await harness.report_execution(
        venue_order_id=attempt.venue_order_id, quantity=str(harness.lot), price="95"
    )
    found = await broker.find(attempt)
    assert found is not None
    assert found.state.is_final
    assert [execution.quantity for execution in found.executions] == [harness.lot]


@needs(Ability.EXECUTIONS)
async def test_c509_overfill(harness: VenueHarness, broker: Broker) -> None:
    """C509: more executed than ordered is reported as it happened."""
    attempt = new_attempt(harness)
    await broker.submit(attempt)
    await harness.report_execution(
        venue_order_id=attempt.venue_order_id, quantity=str(harness.lot), price="101"
    )
    found = await broker.find(attempt)
    assert found is not None
    assert found.filled_quantity == 2 * attempt.quantity
    assert len(found.executions) == 2


@needs(Ability.EXECUTIONS, Ability.CORRECTIONS)
async def test_c510_correction(harness: VenueHarness, broker: Broker) -> None:
    """C510: a correction names the execution it replaces, and the filled quantity follows it."""
    attempt = new_attempt(harness, quantity=2 * harness.lot)
    await broker.submit(attempt)
    (first,) = await broker.executions(_an_hour_ago())
    await harness.report_execution(
        venue_order_id=attempt.venue_order_id,
        kind="CORRECTION",
        corrects=first.execution_id,
        quantity=str(harness.lot),
        price="100.5",
    )
    found = await broker.find(attempt)
    assert found is not None
    assert found.executions[-1].kind is ReportKind.CORRECTION
    assert found.executions[-1].corrects == first.execution_id
    assert found.executions[-1].price == Decimal("100.5")
    assert found.filled_quantity == harness.lot


@needs(Ability.EXECUTIONS, Ability.CORRECTIONS)
async def test_c511_bust(harness: VenueHarness, broker: Broker) -> None:
    """C511: a bust takes its execution back."""
    attempt = new_attempt(harness)
    await broker.submit(attempt)
    (first,) = await broker.executions(_an_hour_ago())
    await harness.report_execution(
        venue_order_id=attempt.venue_order_id,
        kind="BUST",
        corrects=first.execution_id,
        quantity=str(harness.lot),
        price="101",
    )
    reports = await broker.executions(_an_hour_ago())
    found = await broker.find(attempt)
    assert [report.kind for report in reports] == [ReportKind.TRADE, ReportKind.BUST]
    assert reports[-1].corrects == first.execution_id
    assert found is not None
    assert found.filled_quantity == 0


@needs(FaultKind.DUPLICATE_REPORT)
async def test_c512_told_twice(harness: VenueHarness, broker: Broker) -> None:
    """C512: an execution that is told twice has one id, so that it can be counted once."""
    await broker.submit(new_attempt(harness))
    await harness.arm(FaultKind.DUPLICATE_REPORT)
    executions = await broker.executions(_an_hour_ago())
    assert await harness.fired(FaultKind.DUPLICATE_REPORT) == 1
    assert len(set(executions)) == 1


@needs(FaultKind.FILL_BEFORE_STATUS)
async def test_c513_fill_before_status(harness: VenueHarness, broker: Broker) -> None:
    """C513: an execution is not lost where the order's own state lags behind it."""
    attempt = new_attempt(harness)
    await broker.submit(attempt)
    await harness.arm(FaultKind.FILL_BEFORE_STATUS)
    lagging = await broker.find(attempt)
    settled = await broker.find(attempt)
    assert lagging is not None
    assert lagging.state is OrderState.SUBMITTED
    assert [execution.quantity for execution in lagging.executions] == [attempt.quantity]
    assert settled is not None
    assert settled.state is OrderState.FILLED
    assert settled.executions == lagging.executions


async def test_c514_known_by_the_venues_own_names(harness: VenueHarness, broker: Broker) -> None:
    """C514: however an execution is told, its id, account and instrument are the venue's own."""
    attempt = new_attempt(harness)
    answer = await broker.submit(attempt)
    found = await broker.find(attempt)
    assert found is not None
    told = [*answer.executions, *found.executions, *await broker.executions(_an_hour_ago())]
    assert len(told) >= 2
    assert len({one.execution_id for one in told}) == 1
    assert {one.instrument_key for one in told} == {getattr(harness, "instrument_key", None)}
    paper = harness.broker is BrokerName.PAPER
    assert {one.account for one in told} == {None if paper else harness.account}
