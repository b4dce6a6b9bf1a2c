"""One order's trouble at Interactive Brokers: codes, cancels, and the connection of all others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from execution.domain.errors import (
    BrokerRejected,
    BrokerUnavailable,
    NotTaken,
    OutcomeUnknown,
    RejectionScope,
)
from execution.domain.ports import Attempt, Modification
from execution.domain.reports import VenueOrder
from execution.domain.vocabulary import OrderState, OrderType, Side
from simulators.faults import FaultKind
from simulators.ib_gateway.gateway import IbGateway
from tests.contract.ibkr_harness import OrderIdsInMemory
from workers.adapters.ibkr.adapter import IBKRAdapter
from workers.adapters.ibkr.outcomes import CODES, OF_CHANGES

from .test_ib_gateway import eventually, on_a_loop, running, until
from .test_ibkr_adapter import (
    adapter,
    again,
    attempt,
    connected,
    ended,
    fault,
    found_at_last,
    held,
    resting,
)

FIVE = Decimal(5)
UNLISTED = (451, 460, 99999)


@asynccontextmanager
async def undisturbed(gateway: IbGateway, **changes: Any) -> AsyncIterator[IBKRAdapter]:
    """An adapter whose connection must still be the same at the end, and nobody beside it."""
    async with connected(gateway, **changes) as broker:
        session = gateway.sessions[7]
        yield broker
        await until(lambda: list(gateway.sessions) == [7])
        assert gateway.sessions[7] is session
        await broker.health_check()


def sent(gateway: IbGateway, one: Attempt) -> int:
    """How many orders TWS has seen of an attempt, refused ones too."""
    refused = [row["venue_order_id"] for row in gateway.register.refusals]
    return len(held(gateway, one)) + refused.count(one.venue_order_id)


# A new order.


@pytest.mark.parametrize("code", UNLISTED)
def test_a_code_that_nobody_listed_and_no_order(code: int) -> None:
    """Refused in TWS's words once a new connection shows no such order; the old one stands."""

    @on_a_loop
    async def case() -> None:
        async with running() as gateway, undisturbed(gateway) as broker:
            gateway.faults.arm(fault(FaultKind.REJECT, on="submit", code=str(code), reason="words"))
            one, other = attempt(), attempt()
            with pytest.raises(BrokerRejected, match=f"TWS says {code}: words") as refusal:
                await broker.submit(one)
            assert (refusal.value.scope, refusal.value.code) == (RejectionScope.ORDER, str(code))
            assert await broker.find(one) is None
            assert (await broker.submit(other)).state is OrderState.FILLED
            assert sent(gateway, one) == 1

    case()


@pytest.mark.parametrize(
    ("code", "reason", "scope"),
    [
        (201, "YOUR ORDER IS NOT ACCEPTED. MINIMUM OF 2000 REQUIRED", "ORDER"),
        (201, "The exchange is closed.", "ORDER"),
        (202, "Refused by the exchange", "ORDER"),
        (203, "The security is not available or allowed for this account", "ORDER"),
        (110, "The price does not conform to the minimum price variation", "TERMS"),
        (321, "The API interface is currently in Read-Only mode.", "VENUE"),
        (10015, "Trading is not allowed in the API.", "VENUE"),
    ],
)
def test_what_a_refusal_is_about(code: int, reason: str, scope: str) -> None:
    """The order, what it asks, or every order: a closed market is the order's."""

    @on_a_loop
    async def case() -> None:
        async with running() as gateway, undisturbed(gateway) as broker:
            gateway.faults.arm(fault(FaultKind.REJECT, on="submit", code=str(code), reason=reason))
            with pytest.raises(BrokerRejected, match=reason) as refusal:
                await broker.submit(attempt())
            assert refusal.value.scope == scope

    case()


@pytest.mark.parametrize("code", [201, *UNLISTED])
def test_a_code_with_inactive(code: int) -> None:
    """What TWS keeps is cancelled, and is refused when it is over."""

    @on_a_loop
    async def case() -> None:
        async with running() as gateway, undisturbed(gateway) as broker:
            gateway.faults.arm(fault(FaultKind.INACTIVE, code=str(code), reason="words"))
            one = attempt()
            with pytest.raises(BrokerRejected, match=f"TWS says {code}: words"):
                await broker.submit(one)
            assert [order.state for order in held(gateway, one)] == ["CANCELLED"]
            found = await broker.find(one)
            assert found is not None
            assert (found.state, found.reason) == (OrderState.REJECTED, "words")

    case()


@pytest.mark.parametrize("code", [201, *UNLISTED])
def test_a_code_with_cancelled(code: int) -> None:
    """That is its end."""

    @on_a_loop
    async def case() -> None:
        async with running() as gateway, undisturbed(gateway) as broker:
            gateway.faults.arm(fault(FaultKind.CANCELLED_WITH_CODE, code=str(code), reason="words"))
            one = attempt()
            with pytest.raises(BrokerRejected, match=f"TWS says {code}: words"):
                await broker.submit(one)
            found = await broker.find(one)
            assert found is not None
            assert (found.state, found.reason) == (OrderState.REJECTED, "words")

    case()


@pytest.mark.parametrize("code", sorted({*CODES, *UNLISTED, 2109, 2137, 2161} - {202}))
def test_any_code_may_be_a_mere_warning(code: int) -> None:
    """Of an order that is there: whatever TWS says beside it, it is taken, once, and filled."""

    @on_a_loop
    async def case() -> None:
        async with running() as gateway, undisturbed(gateway) as broker:
            gateway.faults.arm(fault(FaultKind.REMARK, code=str(code), reason="words"))
            one = attempt(quantity=FIVE)
            said = await broker.submit(one)
            assert (said.state, said.filled_quantity) == (OrderState.FILLED, FIVE)
            assert sent(gateway, one) == 1

    case()


@on_a_loop
async def test_ended_by_202_after_it_was_taken_up() -> None:
    """That is a cancel by the venue, of a new order too: an IOC that nothing filled."""
    async with running() as gateway, undisturbed(gateway) as broker:
        gateway.faults.arm(fault(FaultKind.CANCELLED_WITH_CODE, code="202", reason="words"))
        said = await broker.submit(attempt())
        assert (said.state, said.reason) == (OrderState.CANCELLED, "words")


@pytest.mark.parametrize("code", [103, 110, 201, 460, 10311])
def test_a_warning_some_time_before_the_status(code: int) -> None:
    """Nothing is shown of the order at first: it is in doubt and then found, and never refused."""

    @on_a_loop
    async def case() -> None:
        ids = OrderIdsInMemory()
        async with running() as gateway, connected(gateway, order_ids=ids) as broker:
            gateway.faults.arm(fault(FaultKind.REMARK, code=str(code), reason="words", seconds=1.0))
            one = resting(quantity=FIVE)
            try:
                said = await broker.submit(one)
            except OutcomeUnknown:
                said = await found_at_last(broker, one)
            assert said.state is OrderState.SUBMITTED
            gateway.set_price("SPY", Decimal(90), Decimal(91))
            await broker.find(one)
            assert sum(order.filled_quantity for order in held(gateway, one)) == 5
            assert list(ids.taken) == [one.venue_order_id]

    case()


@pytest.mark.parametrize("code", ["", "103", "460", "10311"])
def test_a_code_and_then_not_a_word(code: str) -> None:
    """The order is there, and this connection is told nothing of it: the next one is."""

    @on_a_loop
    async def case() -> None:
        async with running() as gateway, connected(gateway, timeout=timedelta(seconds=2)) as broker:
            gateway.faults.arm(fault(FaultKind.ERROR_REPLY, on="submit", code=code, reason="words"))
            one = resting(quantity=FIVE)
            with pytest.raises(OutcomeUnknown):
                await broker.submit(one)
            assert (await found_at_last(broker, one)).state is OrderState.SUBMITTED
            assert sent(gateway, one) == 1

    case()


@on_a_loop
async def test_an_order_id_that_another_order_has_shown() -> None:
    """103 and nothing of ours: the attempt gets another id, and goes once."""
    ids = OrderIdsInMemory()
    async with running() as gateway, undisturbed(gateway, order_ids=ids) as broker:
        gateway.register.use_id(7, 500)
        one = attempt(quantity=FIVE)
        with pytest.raises(NotTaken, match="103"):
            await broker.submit(one)
        assert one.venue_order_id not in ids.taken

        async def submitted() -> bool:
            try:
                return (await broker.submit(one)).state is OrderState.FILLED
            except NotTaken:
                return False

        await eventually(submitted)
        assert len(held(gateway, one)) == 1


@on_a_loop
async def test_every_order_id_is_another_s() -> None:
    """A second id that TWS does not take either is no accident: refused, and not sent again."""
    async with running() as gateway, undisturbed(gateway) as broker:
        gateway.faults.arm(
            fault(FaultKind.REJECT, on="submit", code="103", times=9, reason="words")
        )
        one = attempt()
        with pytest.raises(NotTaken, match="103"):
            await broker.submit(one)
        with pytest.raises(BrokerRejected, match="103: words") as refusal:
            await broker.submit(one)
        assert refusal.value.scope is RejectionScope.ORDER


@on_a_loop
async def test_an_order_that_is_lost_on_its_way() -> None:
    """It is never answered: sent twice, two connections renewed for it, then refused."""
    async with running() as gateway:
        broker = adapter(gateway, timeout=timedelta(seconds=0.3))
        await broker.connect()
        gateway.faults.arm(fault(FaultKind.LOST, on="submit", times=10))
        one, sessions = attempt(), {id(gateway.sessions[7]): gateway.sessions[7]}
        said: VenueOrder | None = None
        async with asyncio.timeout(20):
            while said is None:
                with pytest.raises(OutcomeUnknown):
                    await broker.submit(one)
                with pytest.raises(OutcomeUnknown):
                    await broker.find(one)
                assert list(gateway.sessions) == [7]
                said = await asked_until_absent(broker, one)
                sessions |= {id(gateway.sessions[7]): gateway.sessions[7]}
        assert (said.state, said.reason) == (
            OrderState.REJECTED,
            "TWS answered neither of two sends, and has no such order",
        )
        assert len(sessions) == 3
        assert gateway.faults.as_json()["fired"]["lost"] == 2
        await broker.close()


async def asked_until_absent(broker: IBKRAdapter, one: Attempt) -> VenueOrder | None:
    """The answer to what became of it, from whichever connection gives one."""
    while True:
        try:
            return await broker.find(one)
        except OutcomeUnknown:
            await asyncio.sleep(0.02)
        except BrokerUnavailable:
            await eventually(again(broker))


# An order that works.


@pytest.mark.parametrize("code", [201, *UNLISTED])
def test_refused_after_it_was_taken(code: int) -> None:
    """Inactive with a code, whoever hears of it: TWS is asked to cancel it, and it is refused."""

    @on_a_loop
    async def case() -> None:
        async with running() as gateway, undisturbed(gateway) as broker:
            late = fault(FaultKind.LATE_REJECT, code=str(code), reason="words", seconds=0.2)
            gateway.faults.arm(late)
            one = resting()
            assert (await broker.submit(one)).state is OrderState.SUBMITTED
            last = await ended(broker, one)
            assert (last.state, last.reason) == (OrderState.REJECTED, "words")

    case()


@on_a_loop
async def test_inactive_without_a_code_is_taken_up_again() -> None:
    """By itself it is no end, and nobody cancels it."""
    async with running() as gateway, undisturbed(gateway) as broker:
        gateway.faults.arm(fault(FaultKind.INACTIVE, code="399", reason="a warning"))
        one = attempt()
        assert (await broker.submit(one)).state is OrderState.SUBMITTED
        gateway.on_cleared(gateway.faults.clear())
        assert (await ended(broker, one)).state is OrderState.FILLED


@on_a_loop
async def test_a_warning_long_before_the_end() -> None:
    """A code that nobody listed does not make a refusal of what TWS cancels later."""
    now = datetime.now(UTC)
    async with running() as gateway, undisturbed(gateway, clock=lambda: now) as broker:
        one = resting()
        await broker.submit(one)
        (order,) = held(gateway, one)
        gateway.sessions[7].error(order.order_id, 460, "a warning")
        await broker.health_check()
        now += timedelta(minutes=1)
        gateway.desk.end(order, "CANCELLED", "by the exchange")
        last = await ended(broker, one)
        assert (last.state, last.reason) == (OrderState.CANCELLED, "by the exchange")


@on_a_loop
async def test_inactive_long_after_a_warning() -> None:
    """A code that came with nothing is no reason to cancel what TWS may take up again."""
    now = datetime.now(UTC)
    async with running() as gateway, undisturbed(gateway, clock=lambda: now) as broker:
        one = resting()
        await broker.submit(one)
        (order,) = held(gateway, one)
        gateway.sessions[7].error(order.order_id, 460, "a warning")
        await broker.health_check()
        now += timedelta(minutes=1)
        order.told = "Inactive"
        gateway.register.tell_status(order)
        gateway.register.commit()
        found = await broker.find(one)
        assert found is not None
        assert found.state is OrderState.SUBMITTED
        assert order.is_working


@on_a_loop
async def test_filled_before_its_execution() -> None:
    """An openOrder with Filled says not how much: it is no end of any kind."""
    async with running() as gateway, undisturbed(gateway) as broker:
        gateway.faults.arm(fault(FaultKind.FILLED_FIRST, seconds=0.3))
        one = attempt()
        said = await broker.submit(one)
        assert (said.state, said.filled_quantity) == (OrderState.SUBMITTED, Decimal(0))
        told = [said.state async for said in all_told(broker, one)]
        assert told[-1] is OrderState.FILLED
        assert OrderState.CANCELLED not in told


async def all_told(broker: IBKRAdapter, one: Attempt) -> AsyncIterator[VenueOrder]:
    """Everything that is told of an order, to its end."""
    async for said in broker.watch(lambda: [one]):
        yield said
        if said.state.is_final:
            return


@pytest.mark.parametrize("fills", [False, True])
@on_a_loop
async def test_the_last_status_twice(*, fills: bool) -> None:
    """It is news once."""
    async with running() as gateway, undisturbed(gateway) as broker:
        gateway.faults.arm(fault(FaultKind.DUPLICATE_STATUS))
        one, other = resting(), resting()
        await broker.submit(one)
        told: list[tuple[str | None, OrderState]] = []

        async def listen() -> None:
            async for said in broker.watch(lambda: [one, other]):
                told.append((said.venue_order_id, said.state))
                if said.venue_order_id == other.venue_order_id and said.state.is_final:
                    return

        listening = asyncio.create_task(listen())
        if fills:
            gateway.set_price("SPY", Decimal(90), Decimal(91))
        else:
            await broker.cancel(one)
        await until(lambda: bool(told) and told[-1][1].is_final)
        gateway.set_price("SPY", Decimal(99), Decimal(101))
        await broker.submit(other)
        await broker.cancel(other)
        await listening
        assert [state.is_final for ref, state in told if ref == one.venue_order_id].count(True) == 1


# Cancels.


@pytest.mark.parametrize("shown", ["PendingCancel", "PreSubmitted"])
def test_a_pending_cancel_is_asked_for_once(shown: str) -> None:
    """The exchange is closed: TWS has passed it on, and the order lives until it is done."""

    @on_a_loop
    async def case() -> None:
        async with running() as gateway, undisturbed(gateway) as broker:
            one = resting()
            await broker.submit(one)
            gateway.faults.arm(fault(FaultKind.PENDING_CANCEL, code=shown, times=5))
            for _ in range(3):
                await broker.cancel(one)
                found = await broker.find(one)
                assert found is not None
                assert found.state is OrderState.SUBMITTED
            assert gateway.cancels == {one.venue_order_id: 1}
            gateway.on_cleared(gateway.faults.clear())
            last = await ended(broker, one)
            assert last.state is OrderState.CANCELLED

    case()


@on_a_loop
async def test_a_pending_cancel_on_the_next_connection() -> None:
    """161 answers it: it is under way, which is no refusal; and it may fill meanwhile."""
    async with running() as gateway:
        one, ids = resting(), OrderIdsInMemory()
        async with connected(gateway, order_ids=ids) as broker:
            await broker.submit(one)
            gateway.faults.arm(fault(FaultKind.PENDING_CANCEL, code="PreSubmitted"))
            await broker.cancel(one)
        async with connected(gateway, order_ids=ids) as broker:
            for _ in range(3):
                await broker.cancel(one)
            gateway.set_price("SPY", Decimal(90), Decimal(91))
            assert (await ended(broker, one)).state is OrderState.FILLED
            with pytest.raises(BrokerRejected, match="FILLED"):
                await broker.cancel(one)


@on_a_loop
async def test_a_cancel_that_a_person_has_asked_for() -> None:
    """TWS shows it as pending: nothing is sent."""
    async with running() as gateway, undisturbed(gateway) as broker:
        one = resting()
        await broker.submit(one)
        (order,) = held(gateway, one)
        gateway.desk.begin_cancel(order)
        await broker.health_check()
        await broker.cancel(one)
        assert not gateway.cancels


# Changes.


@pytest.mark.parametrize("code", UNLISTED)
def test_a_refused_change_with_a_code_that_nobody_listed(code: int) -> None:
    """The order stands as it was, so the change was refused: it is not tried for ever."""

    @on_a_loop
    async def case() -> None:
        async with running() as gateway, undisturbed(gateway) as broker:
            one = resting()
            await broker.submit(one)
            gateway.faults.arm(fault(FaultKind.REJECT, on="modify", code=str(code), reason="words"))
            with pytest.raises(BrokerRejected, match=f"TWS says {code}: words"):
                await broker.modify(one, Modification(limit_price=Decimal(94)))
            assert held(gateway, one)[0].limit_price == 95
            changed = await broker.modify(one, Modification(limit_price=Decimal(94)))
            assert changed.limit_price == 94

    case()


@pytest.mark.parametrize("code", [201, 460, 2109, 10311])
def test_a_warning_about_a_change(code: int) -> None:
    """It was made all the same."""

    @on_a_loop
    async def case() -> None:
        async with running() as gateway, undisturbed(gateway) as broker:
            one = resting()
            await broker.submit(one)
            gateway.faults.arm(
                fault(FaultKind.REMARK, on="modify", code=str(code), reason="words", seconds=0.1)
            )
            changed = await broker.modify(one, Modification(limit_price=Decimal(94)))
            assert (changed.state, changed.limit_price) == (OrderState.SUBMITTED, Decimal(94))

    case()


@on_a_loop
async def test_a_change_that_comes_too_early() -> None:
    """2102: TWS has not done with the order yet; it is tried again, and nothing is refused."""
    async with running() as gateway, undisturbed(gateway) as broker:
        one = resting()
        await broker.submit(one)
        gateway.faults.arm(fault(FaultKind.REJECT, on="modify", code="2102", reason="words"))
        with pytest.raises(BrokerUnavailable, match="2102"):
            await broker.modify(one, Modification(limit_price=Decimal(94)))
        assert (await broker.modify(one, Modification(limit_price=Decimal(94)))).limit_price == 94


@pytest.mark.parametrize("code", sorted(OF_CHANGES))
def test_no_refusal_of_a_change_is_one_of_the_order(code: int) -> None:
    """Whenever it comes: a stop that lives is not taken for refused."""

    @on_a_loop
    async def case() -> None:
        async with running() as gateway, undisturbed(gateway) as broker:
            stop = attempt(
                side=Side.SELL, order_type=OrderType.STOP, stop_price=Decimal(90), quantity=FIVE
            )
            await broker.submit(stop)
            (order,) = held(gateway, stop)
            gateway.sessions[7].error(order.order_id, code, "words")
            gateway.set_price("SPY", Decimal(90), Decimal(92))
            assert (await ended(broker, stop)).state is OrderState.FILLED

    case()
