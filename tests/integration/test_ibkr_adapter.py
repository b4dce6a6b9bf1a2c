"""What only Interactive Brokers does, between its adapter and the simulated gateway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from execution.domain.errors import (
    BrokerRejected,
    BrokerUnavailable,
    CredentialsRefused,
    NotTaken,
    OutcomeUnknown,
    RateLimited,
    RejectionScope,
    TooLate,
)
from execution.domain.instruments import Instrument
from execution.domain.ports import Attempt, Modification
from execution.domain.reports import ReportKind, VenueOrder
from execution.domain.trading_rules import Terms, fit
from execution.domain.vocabulary import (
    AssetClass,
    BrokerName,
    OrderState,
    OrderType,
    Side,
    TimeInForce,
)
from simulators.faults import FaultKind
from simulators.ib_gateway.codes import CONNECTION_LOST, RESTORED_DATA_KEPT, RESTORED_DATA_LOST
from simulators.ib_gateway.gateway import IbGateway
from simulators.ib_gateway.listings import third_friday
from simulators.ib_gateway.options import GatewayOptions
from tests.contract.ibkr_harness import ContractMapInMemory, OrderIdsInMemory
from tests.venues import NOON
from workers.adapters.ibkr.adapter import IBKRAdapter
from workers.adapters.ibkr.client_ids import OneClientId
from workers.adapters.ibkr.connection import ClientIdInUse

from .test_ib_gateway import eventually, on_a_loop, running, until

SPY = Instrument("SPY", AssetClass.EQUITY, "USD")
ACCOUNT = "DU1234567"


MINUTE = timedelta(minutes=1)


def attempt(**changes: Any) -> Attempt:
    """A MARKET order to BUY ten SPY."""
    standard: dict[str, Any] = {
        "attempt_id": uuid4(),
        "order_id": uuid4(),
        "client_order_id": "one",
        "broker": BrokerName.IBKR,
        "account": "main",
        "venue_order_id": uuid4().hex[:22],
        "instrument": SPY,
        "side": Side.BUY,
        "order_type": OrderType.MARKET,
        "quantity": Decimal(10),
        "time_in_force": TimeInForce.DAY,
        "created_at": datetime.now(UTC),
    }
    return Attempt(**(standard | changes))


def resting(**changes: Any) -> Attempt:
    """A LIMIT order to BUY ten SPY at 95, in a market of 99 and 101."""
    return attempt(order_type=OrderType.LIMIT, limit_price=Decimal(95), **changes)


def adapter(gateway: IbGateway, client_id: int = 7, **changes: Any) -> IBKRAdapter:
    """An adapter that is not connected."""
    values: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": gateway.port,
        "client_ids": OneClientId(client_id),
        "account": ACCOUNT,
        "timeout": timedelta(seconds=5),
        "order_ids": OrderIdsInMemory(),
        "contract_map": ContractMapInMemory(),
        "zone": NOON,
    }
    return IBKRAdapter(**(values | changes))


@asynccontextmanager
async def connected(
    gateway: IbGateway, client_id: int = 7, **changes: Any
) -> AsyncIterator[IBKRAdapter]:
    """An adapter of the gateway; an impatient one may need several tries on a busy machine."""
    broker = adapter(gateway, client_id, **changes)
    await eventually(again(broker))
    try:
        yield broker
    finally:
        await broker.close()
        await until(lambda: client_id not in gateway.sessions)


def fault(kind: FaultKind, **options: Any) -> dict[str, Any]:
    """A fault as the control port takes it."""
    return {"kind": kind.value, **options}


def again(broker: IBKRAdapter) -> Callable[[], Awaitable[bool]]:
    """Whether the adapter could connect anew."""

    async def connects() -> bool:
        try:
            await broker.connect()
        except BrokerUnavailable:
            return False
        return True

    return connects


async def found_at_last(broker: IBKRAdapter, one: Attempt) -> VenueOrder:
    """An order that is in doubt, asked for as its session does; absent it never is."""
    async with asyncio.timeout(30):
        while True:
            try:
                await broker.connect()
                found = await broker.find(one)
            except (BrokerUnavailable, OutcomeUnknown):
                await asyncio.sleep(0.05)
                continue
            assert found is not None
            return found


async def heard(broker: IBKRAdapter, *waiting: Attempt) -> VenueOrder:
    """The first news of those that are waited for."""
    async for said in broker.watch(lambda: list(waiting)):
        return said
    raise AssertionError("the watch ended")


def held(gateway: IbGateway, one: Attempt) -> list[Any]:
    """The gateway's orders of an attempt."""
    return [order for order in gateway.register.known_as(one.venue_order_id) if order.accepted]


@on_a_loop
async def test_a_client_id_in_use() -> None:
    """326 is tried again for as long as an answer may take; then it is free."""
    async with running() as gateway, connected(gateway) as first:
        second = adapter(gateway, timeout=timedelta(seconds=0.2))
        with pytest.raises(ClientIdInUse, match="326"):
            await second.connect()
        patient = adapter(gateway)
        connecting = asyncio.create_task(patient.connect())
        await asyncio.sleep(0)
        await first.close()
        await connecting
        await patient.health_check()
        await patient.close()
        await second.close()
        await until(lambda: not gateway.sessions)


@on_a_loop
async def test_another_account() -> None:
    """It is for a person to mend, and names what there is."""
    async with running() as gateway:
        broker = adapter(gateway, account="DU999")
        with pytest.raises(CredentialsRefused, match="DU1234567"):
            await broker.connect()
        await until(lambda: not gateway.sessions)


@on_a_loop
async def test_swallowed_and_found_after_connecting_anew() -> None:
    """Not a word on this connection is no absence: it is ended, and the next one tells."""
    async with running() as gateway, connected(gateway, timeout=timedelta(seconds=1.5)) as broker:
        gateway.faults.arm(fault(FaultKind.SWALLOW, on="submit"))
        one = resting()
        with pytest.raises(OutcomeUnknown):
            await broker.submit(one)
        found = await found_at_last(broker, one)
        assert found.state is OrderState.SUBMITTED
        assert len(held(gateway, one)) == 1


@on_a_loop
async def test_what_stands_still_on_its_way_is_not_absent() -> None:
    """Nobody tells of it before TWS has dealt with it: until then it is in doubt."""
    async with running() as gateway, connected(gateway, timeout=timedelta(seconds=1)) as broker:
        gateway.faults.arm(fault(FaultKind.DELAY, on="submit", seconds=1.5))
        one = resting()
        with pytest.raises(OutcomeUnknown):
            await broker.submit(one)
        await found_at_last(broker, one)
        assert len(held(gateway, one)) == 1


@on_a_loop
async def test_too_late() -> None:
    """Nothing is sent after `send_by`, and the order is not to blame."""
    async with running() as gateway, connected(gateway) as broker:
        one = attempt(send_by=datetime.now(UTC) - timedelta(seconds=1))
        with pytest.raises(TooLate):
            await broker.submit(one)
        assert held(gateway, one) == []
        await broker.submit(replace(one, send_by=datetime.now(UTC) + timedelta(seconds=5)))
        assert len(held(gateway, one)) == 1


@on_a_loop
async def test_no_room_before_it_would_be_late() -> None:
    """A burst beyond the rate: some are not sent at all, and no message is one too many."""
    async with running() as gateway, connected(gateway) as broker:
        await broker.rules(SPY)
        send_by = datetime.now(UTC) + timedelta(seconds=0.8)
        burst = [resting(send_by=send_by) for _ in range(100)]
        answers = await asyncio.gather(
            *(broker.submit(one) for one in burst), return_exceptions=True
        )
        limited = [
            one
            for one, answer in zip(burst, answers, strict=True)
            if isinstance(answer, RateLimited)
        ]
        assert 50 <= len(limited) < 100
        assert all(held(gateway, one) == [] for one in limited)
        taken = [answer for answer in answers if isinstance(answer, VenueOrder)]
        assert len(taken) + len(limited) == 100
        await broker.health_check()


@on_a_loop
async def test_an_order_id_that_another_order_has() -> None:
    """103 under a fresh id: nothing was taken; the attempt gets an id above all of TWS's."""
    ids = OrderIdsInMemory()
    async with running() as gateway, connected(gateway, order_ids=ids) as broker:
        await broker.submit(resting())
        gateway.register.use_id(7, 500)
        one = resting()
        with pytest.raises(BrokerUnavailable, match="103"):
            await broker.submit(one)
        assert one.venue_order_id not in ids.taken

        async def submitted() -> bool:
            try:
                await broker.submit(one)
            except BrokerUnavailable:
                return False
            return True

        await eventually(submitted)
        assert ids.taken[one.venue_order_id] > 500
        assert len(held(gateway, one)) == 1


@on_a_loop
async def test_an_order_of_an_earlier_day() -> None:
    """TWS shows it no more, and refuses its id: it is not sent under another one."""
    ids = OrderIdsInMemory()
    midnight = datetime.now(UTC).astimezone(NOON).replace(hour=0, minute=0, second=0)
    async with running() as gateway, connected(gateway, order_ids=ids) as broker:
        one = resting(created_at=midnight - timedelta(hours=2), send_by=datetime.now(UTC) + MINUTE)
        order_id, _ = await ids.take(7, one.venue_order_id, 0)
        gateway.register.use_id(7, 500)
        assert await broker.find(one) is None
        with pytest.raises(OutcomeUnknown, match="103"):
            await broker.submit(one)
        with pytest.raises(OutcomeUnknown, match="103"):
            await broker.find(one)
        await broker.close()
        await eventually(again(broker))
        assert ids.taken[one.venue_order_id] == order_id
        assert held(gateway, one) == []
        with pytest.raises(OutcomeUnknown, match="earlier day"):
            await broker.find(replace(one, send_by=midnight - timedelta(seconds=2)))
        with pytest.raises(OutcomeUnknown, match="earlier day"):
            await broker.find(replace(one, send_by=None))
        assert await broker.find(replace(one, send_by=midnight + timedelta(seconds=2))) is None


@on_a_loop
async def test_an_order_id_that_was_written_down_and_never_used() -> None:
    """Whoever took it died, and later orders have gone: of today, so it goes under another id."""
    ids = OrderIdsInMemory()
    async with running() as gateway, connected(gateway, order_ids=ids) as broker:
        one = resting()
        await ids.take(7, one.venue_order_id, 0)
        await broker.submit(resting())
        with pytest.raises(NotTaken, match="103"):
            await broker.submit(one)
        assert await broker.find(one) is None
        await broker.submit(one)
        assert len(held(gateway, one)) == 1


@on_a_loop
async def test_an_order_id_that_did_not_leave_is_given_back() -> None:
    """Too late by the time it has its id: another order goes next, and this one can still go."""
    now = datetime.now(UTC)
    ids = OrderIdsInMemory()

    class Late(OrderIdsInMemory):
        async def take(self, client_id: int, venue_order_id: str, above: int) -> tuple[int, bool]:
            nonlocal now
            if venue_order_id == one.venue_order_id and not ids.taken:
                now += timedelta(minutes=1)
            return await ids.take(client_id, venue_order_id, above)

        async def release(self, client_id: int, venue_order_id: str) -> None:
            await ids.release(client_id, venue_order_id)

    one = resting(send_by=now + timedelta(seconds=30))
    async with (
        running() as gateway,
        connected(gateway, order_ids=Late(), clock=lambda: now) as broker,
    ):
        with pytest.raises(TooLate):
            await broker.submit(one)
        assert ids.taken == {}
        await broker.submit(resting())
        await broker.submit(replace(one, send_by=now + timedelta(seconds=30)))
        assert len(held(gateway, one)) == 1


class SlowToTell(OrderIdsInMemory):
    """Gives ids in order, and tells the earlier ones later."""

    async def take(self, client_id: int, venue_order_id: str, above: int) -> tuple[int, bool]:
        taken = await super().take(client_id, venue_order_id, above)
        await asyncio.sleep(0.05 / len(self.taken))
        return taken


@on_a_loop
async def test_order_ids_leave_in_the_order_they_were_given() -> None:
    """TWS takes no id below one that it has seen, however long each order waits for its own."""
    async with running() as gateway, connected(gateway, order_ids=SlowToTell()) as broker:
        several = [resting() for _ in range(5)]
        await asyncio.gather(*(broker.submit(one) for one in several))
        assert [len(held(gateway, one)) for one in several] == [1] * 5


@on_a_loop
async def test_the_same_attempt_again_is_the_same_order() -> None:
    """It keeps its order id, so that TWS itself holds it once, while it works and after that."""
    async with running() as gateway, connected(gateway) as broker:
        one = resting()
        first = await broker.submit(one)
        second = await broker.submit(one)
        assert first.broker_order_id == second.broker_order_id
        gateway.set_price("SPY", Decimal(90), Decimal(91))
        await broker.find(one)
        third = await broker.submit(one)
        assert third.state is OrderState.FILLED
        assert len(held(gateway, one)) == 1


@on_a_loop
async def test_ambiguous() -> None:
    """Two companies of one symbol: refused with both, for its terms; nothing is sent."""
    async with running() as gateway, connected(gateway) as broker:
        one = attempt(instrument=Instrument("DUAL", AssetClass.EQUITY, "USD"))
        with pytest.raises(BrokerRejected, match="ambiguous") as refusal:
            await broker.submit(one)
        assert refusal.value.scope is RejectionScope.TERMS
        assert refusal.value.reason.count("id ") == 2
        assert held(gateway, one) == []


@pytest.mark.parametrize(
    ("code", "scope"), [(110, RejectionScope.TERMS), (387, RejectionScope.TERMS), (109, "ORDER")]
)
def test_refused_at_once(code: int, scope: str) -> None:
    """110 on a new order, too, which leaves ib_insync waiting for ever."""

    @on_a_loop
    async def case() -> None:
        async with running() as gateway, connected(gateway) as broker:
            gateway.faults.arm(fault(FaultKind.REJECT, on="submit", code=str(code), reason="words"))
            one = attempt()
            with pytest.raises(BrokerRejected, match="words") as refusal:
                await broker.submit(one)
            assert refusal.value.scope == scope
            assert await broker.find(one) is None

    case()


@on_a_loop
async def test_a_refused_change_and_the_next_one() -> None:
    """ib_insync would take the order for cancelled and refuse to send the next."""
    async with running() as gateway, connected(gateway) as broker:
        one = resting()
        await broker.submit(one)
        for price in (Decimal("94.001"), Decimal("94.003")):
            with pytest.raises(BrokerRejected, match="110"):
                await broker.modify(one, Modification(limit_price=price))
        changed = await broker.modify(one, Modification(limit_price=Decimal(94)))
        assert changed.state is OrderState.SUBMITTED
        assert held(gateway, one)[0].limit_price == 94
        await broker.cancel(one)


async def ended(broker: IBKRAdapter, one: Attempt) -> VenueOrder:
    """The last word on an order that is waited for."""
    async for said in broker.watch(lambda: [one]):
        if said.state.is_final:
            return said
    raise AssertionError("the watch ended")


class Several:
    """Implements `ClientIds` for some in their order; keeps which were accepted."""

    def __init__(self, *client_ids: int) -> None:
        self.channel: int | None = None
        self.others: frozenset[int] = frozenset()
        self._client_ids = client_ids

    async def candidates(self) -> Sequence[int]:
        return self._client_ids

    async def accepted(self, client_id: int) -> None:
        self.channel, self.others = client_id, frozenset(self._client_ids) - {client_id}


@on_a_loop
async def test_a_client_id_that_somebody_else_uses_is_passed_over() -> None:
    """326: the next of the range; where all are in use it is said so, and tried again."""
    async with running() as gateway, connected(gateway, 1), connected(gateway, 2) as second:
        several = Several(1, 2, 3)
        third = adapter(gateway, client_ids=several)
        await third.connect()
        assert (several.channel, third.channel) == (3, 3)
        waits = adapter(gateway, client_ids=Several(1, 2), timeout=timedelta(seconds=0.2))
        with pytest.raises(ClientIdInUse, match="326"):
            await waits.connect()
        patient = adapter(gateway, client_ids=Several(1, 2))
        connecting = asyncio.create_task(patient.connect())
        await second.close()
        await connecting
        assert patient.channel == 2
        for broker in (third, waits, patient):
            await broker.close()


@on_a_loop
async def test_what_another_connection_watches_is_told_by_that_one() -> None:
    """The orders of another client id of the range are seen, not told; its executions are."""
    async with (
        running() as gateway,
        connected(gateway, 1) as first,
        connected(gateway, client_ids=Several(7, 1)) as second,
    ):
        theirs, mine = resting(), attempt(order_type=OrderType.LIMIT, limit_price=Decimal(90))
        await first.submit(theirs)
        await second.submit(mine)
        gateway.set_price("SPY", Decimal(94), Decimal(95))
        await second.executions(datetime.now(UTC) - timedelta(minutes=5))
        gateway.set_price("SPY", Decimal(89), Decimal(90))
        async for said in second.watch(lambda: [mine]):
            assert said.venue_order_id == mine.venue_order_id
            if said.state is OrderState.FILLED:
                break
        executions = await second.executions(datetime.now(UTC) - timedelta(minutes=5))
        assert {one.venue_order_id for one in executions} == {
            mine.venue_order_id,
            theirs.venue_order_id,
        }


@on_a_loop
async def test_its_own_is_told_though_nobody_waits_for_it() -> None:
    """Heard by its execution alone, which says whose it is."""
    async with running() as gateway:
        one = attempt()
        async with connected(gateway, 7) as before:
            await before.submit(one)
        async with connected(gateway, client_ids=Several(7, 1)) as broker:
            await broker.executions(datetime.now(UTC) - timedelta(minutes=5))
            async for said in broker.watch(list):
                assert said.venue_order_id == one.venue_order_id
                break


@pytest.mark.parametrize("code", [136, 10147, 10148])
def test_a_cancel_that_is_refused_ends_nothing(code: int) -> None:
    """ib_insync would call the order Cancelled; it lives, and fills."""

    @on_a_loop
    async def case() -> None:
        async with running() as gateway, connected(gateway) as broker:
            one = resting()
            await broker.submit(one)
            gateway.faults.arm(fault(FaultKind.REJECT, on="cancel", code=str(code), reason="words"))
            with pytest.raises(BrokerRejected, match=str(code)):
                await broker.cancel(one)
            found = await broker.find(one)
            assert found is not None
            assert found.state is OrderState.SUBMITTED
            gateway.set_price("SPY", Decimal(94), Decimal(95))
            assert (await ended(broker, one)).state is OrderState.FILLED

    case()


@pytest.mark.parametrize("code", [10349, 404, 202])
def test_a_word_that_is_no_end(code: int) -> None:
    """10349 sets a tif, 404 looks for shares, 202 needs its status: the order lives, and fills."""

    @on_a_loop
    async def case() -> None:
        async with running() as gateway, connected(gateway) as broker:
            one = resting()
            await broker.submit(one)
            gateway.sessions[7].error(held(gateway, one)[0].order_id, code, "words")
            await broker.health_check()
            found = await broker.find(one)
            assert found is not None
            assert found.state is OrderState.SUBMITTED
            gateway.set_price("SPY", Decimal(94), Decimal(95))
            assert (await ended(broker, one)).state is OrderState.FILLED

    case()


@on_a_loop
async def test_held_until_shares_are_located() -> None:
    """404 is an unfilled order, which trades when they are."""
    async with running() as gateway, connected(gateway) as broker:
        gateway.set_shortable("SPY", 0, locate=True)
        one = attempt(side=Side.SELL)
        order = await broker.submit(one)
        assert order.state is OrderState.SUBMITTED
        gateway.set_shortable("SPY", 1000, locate=False)

        async def filled() -> bool:
            found = await broker.find(one)
            return found is not None and found.state is OrderState.FILLED

        await eventually(filled)


@on_a_loop
async def test_a_fill_before_any_status_and_a_late_cost() -> None:
    """The execution is told as it comes; what it cost is a report of its own."""
    async with running() as gateway, connected(gateway) as broker:
        gateway.faults.arm(fault(FaultKind.FILL_BEFORE_STATUS, on="submit", seconds=0.2))
        gateway.faults.arm(fault(FaultKind.LATE_COMMISSION, on="submit", seconds=0.3))
        one = attempt()
        await broker.submit(one)
        kinds: list[ReportKind] = []
        async for said in broker.watch(lambda: [one]):
            kinds = [report.kind for report in said.executions]
            if ReportKind.COMMISSION in kinds:
                break
        assert kinds == [ReportKind.TRADE, ReportKind.COMMISSION]


@on_a_loop
async def test_told_twice_by_the_venue() -> None:
    """One execution."""
    async with running() as gateway, connected(gateway) as broker:
        gateway.faults.arm(fault(FaultKind.DUPLICATE_REPORT, on="submit"))
        one = attempt()
        await broker.submit(one)
        found = await broker.find(one)
        assert found is not None
        assert len({report.execution_id for report in found.executions}) == 1
        assert found.filled_quantity == 10


@on_a_loop
async def test_the_line_to_ib_is_lost() -> None:
    """From 1100 nothing is sent and the watch ends; after 1102 all is heard by connecting."""
    async with running() as gateway, connected(gateway) as broker:
        one = resting()
        await broker.submit(one)
        watching = asyncio.create_task(heard_to_its_end(broker, one))
        gateway.say(CONNECTION_LOST)
        with pytest.raises(BrokerUnavailable):
            await watching
        with pytest.raises(BrokerUnavailable):
            await broker.submit(resting())
        connecting = asyncio.create_task(broker.connect())
        gateway.set_price("SPY", Decimal(90), Decimal(91))
        assert not (await asyncio.wait({connecting}, timeout=0.1))[0]
        gateway.say(RESTORED_DATA_KEPT)
        await asyncio.wait_for(connecting, 5)
        await broker.health_check()
        assert (await heard(broker, one)).state is OrderState.FILLED


@on_a_loop
async def test_positions_told_without_ib_are_not_believed() -> None:
    """Asked before 1100 is heard and answered after it, they may be old."""
    async with running() as gateway, connected(gateway) as broker:
        assert await broker.positions() == []
        gateway.say(CONNECTION_LOST)
        with pytest.raises(BrokerUnavailable):
            await broker.positions()


@on_a_loop
async def test_lost_and_restored_before_anybody_looks() -> None:
    """News may be missing all the same: the watch ends, and health is not good before a look."""
    async with running() as gateway, connected(gateway) as broker:
        watching = asyncio.create_task(heard_to_its_end(broker, resting()))
        gateway.say(CONNECTION_LOST)
        gateway.say(RESTORED_DATA_LOST)
        with pytest.raises(BrokerUnavailable):
            await watching
        with pytest.raises(BrokerUnavailable):
            await broker.health_check()
        await broker.connect()
        await broker.health_check()


@on_a_loop
async def test_price_steps_by_price() -> None:
    """Read from the market rule of the contract's exchange; what fits them TWS takes."""
    at = datetime.now(UTC) + timedelta(days=60)
    expiry = third_friday(at.year, at.month)
    option = Instrument(
        f"AAPL{expiry:%y%m%d}C00100000",
        AssetClass.OPTION,
        "USD",
        Decimal(100),
        underlying="AAPL",
        expiry=expiry,
        strike=Decimal(100),
        right="CALL",
    )
    async with running() as gateway, connected(gateway) as broker:
        rules = await broker.rules(option)
        assert rules is not None
        assert rules.price_step_at(Decimal("2.99")) == Decimal("0.01")
        assert rules.price_step_at(Decimal(3)) == Decimal("0.05")
        terms = Terms(Side.BUY, OrderType.LIMIT, Decimal(1), limit_price=Decimal("3.04"))
        with pytest.raises(BrokerRejected, match="110"):
            await broker.submit(
                attempt(
                    instrument=option,
                    order_type=OrderType.LIMIT,
                    quantity=Decimal(1),
                    limit_price=terms.limit_price,
                )
            )
        fitted = fit(terms, rules, None, "IBKR").limit_price
        said = await broker.submit(
            attempt(
                instrument=option,
                order_type=OrderType.LIMIT,
                quantity=Decimal(1),
                limit_price=fitted,
            )
        )
        assert said.state is OrderState.SUBMITTED


async def heard_to_its_end(broker: IBKRAdapter, one: Attempt) -> None:
    """Watch until the watch ends."""
    async for _ in broker.watch(lambda: [one]):
        pass


@on_a_loop
async def test_a_gateway_that_hangs() -> None:
    """A question without an answer ends the connection: its answer could be taken for another's."""
    async with running() as gateway, connected(gateway, timeout=timedelta(seconds=0.3)) as broker:
        await broker.rules(SPY)
        gateway.freeze(1.0)
        with pytest.raises(BrokerUnavailable):
            await broker.health_check()
        with pytest.raises(BrokerUnavailable):
            await broker.submit(attempt())
        await eventually(again(broker))
        await broker.health_check()


@on_a_loop
async def test_an_order_of_another_client() -> None:
    """It is found and told; only its own client can cancel it."""
    async with running() as gateway, connected(gateway, 3) as theirs, connected(gateway) as ours:
        one = resting()
        await theirs.submit(one)
        found = await ours.find(one)
        assert found is not None
        assert found.venue_order_id == one.venue_order_id
        with pytest.raises(BrokerRejected, match="client id 3"):
            await ours.cancel(one)
        (order,) = await ours.open_orders()
        assert order.state is OrderState.SUBMITTED
        mine = resting()
        await ours.submit(mine)
        assert len(held(gateway, mine)) == 1


@on_a_loop
async def test_one_group() -> None:
    """What one fills is taken off the other at once, and all of it ends the other."""
    async with running() as gateway, connected(gateway) as broker:
        group = UUID(int=9)
        target = resting(side=Side.SELL, one_cancels_other=group)
        target = replace(target, limit_price=Decimal(105))
        stop = attempt(
            side=Side.SELL,
            order_type=OrderType.STOP,
            stop_price=Decimal(90),
            one_cancels_other=group,
        )
        await broker.submit(attempt())
        await broker.submit(target)
        await broker.submit(stop)
        gateway.matcher.set_liquidity("SPY", Decimal(4), None)
        gateway.set_price("SPY", Decimal(106), Decimal(107))
        partly = await broker.find(stop)
        gateway.matcher.set_liquidity("SPY", None, None)
        wholly = await broker.find(stop)
        assert partly is not None
        assert partly.quantity == 6
        assert wholly is not None
        assert wholly.state is OrderState.CANCELLED


@on_a_loop
async def test_no_change_within_a_group() -> None:
    """TWS would refuse it, and may cancel the order with that: it is not even sent."""
    async with running() as gateway, connected(gateway) as broker:
        stop = attempt(
            side=Side.SELL,
            order_type=OrderType.STOP,
            stop_price=Decimal(90),
            one_cancels_other=UUID(int=9),
        )
        await broker.submit(stop)
        gateway.faults.arm(fault(FaultKind.REFUSAL_ENDS, on="modify"))
        with pytest.raises(BrokerRejected, match="OCA group") as refusal:
            await broker.modify(stop, Modification(stop_price=Decimal(91)))
        assert refusal.value.scope is RejectionScope.ORDER
        found = await broker.find(stop)
        assert found is not None
        assert found.state is OrderState.SUBMITTED
        assert gateway.faults.as_json()["fired"] == {"refusal_ends": 0}


@on_a_loop
async def test_quotes_of_several_and_of_what_has_none() -> None:
    """What has no market, or no data for us, is left out; nothing streams on."""
    async with running() as gateway, connected(gateway) as broker:
        gateway.set_price("AAPL", Decimal("229.9"), Decimal(230))
        gateway.data_access["AAPL"] = "none"
        names = ("SPY", "QQQ", "AAPL", "NOSUC")
        quotes = await broker.quotes([Instrument(name, AssetClass.EQUITY, "USD") for name in names])
        assert [(quote.symbol, quote.bid, quote.ask) for quote in quotes] == [
            ("SPY", Decimal("99.0"), Decimal("101.0"))
        ]
        assert gateway.sessions[7].quotes._streams == {}


@on_a_loop
async def test_how_many_shares_can_be_borrowed() -> None:
    """The number TWS tells, now; a stream that has told it ends. An option is not lent."""
    async with running() as gateway, connected(gateway) as broker:
        assert (await broker.shortable(SPY)).shares == 10_000_000
        gateway.set_shortable("SPY", 1234, locate=False)
        said = await broker.shortable(SPY)
        assert (said.symbol, said.shares, said.source) == ("SPY", Decimal(1234), "IBKR")
        assert said.age(datetime.now(UTC)) < timedelta(seconds=5)
        gateway.set_shortable("SPY", 0, locate=False)
        assert (await broker.shortable(SPY)).shares == 0
        await until(lambda: not gateway.sessions[7].quotes._streams)
        gateway.data_access["SPY"] = "none"
        with pytest.raises(BrokerUnavailable, match="354"):
            await broker.shortable(SPY)
        with pytest.raises(BrokerUnavailable, match="no share"):
            await broker.shortable(replace(SPY, asset_class=AssetClass.FUTURE))


@on_a_loop
async def test_positions_have_our_symbols_and_no_price() -> None:
    """IB's average cost is no price: it has commission and multiplier in it."""
    options = GatewayOptions(accounts=(ACCOUNT, "DU2"))
    async with running(options) as gateway, connected(gateway) as broker:
        await broker.submit(attempt())
        (position,) = await broker.positions()
        assert (position.symbol, position.average_price) == ("SPY", None)
        assert position.account == ACCOUNT
        assert position.quantity == 10
        await until(lambda: not gateway.sessions[7].positions)
