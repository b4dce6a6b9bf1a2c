"""What the IB gateway says beside an order's status, and cancels that are not done at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from simulators.faults import FaultKind
from simulators.ib_gateway.gateway import IbGateway
from simulators.ib_gateway.options import GatewayOptions

from .test_ib_gateway import (
    arm,
    codes,
    connected,
    control,
    held,
    on_a_loop,
    order,
    running,
    spy,
    status,
    until,
)


class Heard:
    """The statuses that TWS has told of orders, as it told them: ib_insync keeps others."""

    def __init__(self, client: Any) -> None:
        self.statuses: list[tuple[str, float]] = []
        self.messages: list[str] = []
        for name in ("orderStatus", "openOrder", "execDetails", "error"):
            self._listen(client.wrapper, name)

    def _listen(self, wrapper: Any, name: str) -> None:
        method = getattr(wrapper, name)

        def heard(*arguments: Any) -> None:
            self.messages.append(name)
            if name == "orderStatus":
                self.statuses.append((arguments[1], arguments[2]))
            method(*arguments)

        setattr(wrapper, name, heard)


@pytest.mark.parametrize("code", [103, 399, 10311])
@pytest.mark.parametrize("seconds", [0, 0.2])
@on_a_loop
async def test_a_remark(code: int, seconds: float) -> None:
    """A code comes first, or some time before the rest, and the order lives."""
    async with running() as gateway, connected(gateway) as client:
        heard = Heard(client)
        await arm(gateway, FaultKind.REMARK, code=str(code), reason="words", seconds=seconds)
        client.placeOrder(spy(), order("MKT"))
        await until(lambda: heard.statuses[-1:] == [("Filled", 100.0)])
        assert codes(client) == [code]
        assert heard.messages[0] == "error"
        assert held(gateway)[0]["state"] == "FILLED"


@on_a_loop
async def test_a_code_and_not_a_word() -> None:
    """An order may be accepted after a code of any kind, and only the next connection is told."""
    async with running() as gateway, connected(gateway) as client:
        await arm(gateway, FaultKind.ERROR_REPLY, code="460", reason="words")
        client.placeOrder(spy(), order())
        await until(lambda: codes(client) == [460])
        assert await client.reqAllOpenOrdersAsync() == []
        async with connected(gateway, 8) as other:
            (seen,) = await other.reqAllOpenOrdersAsync()
            assert seen.orderStatus.status == "Submitted"


@pytest.mark.parametrize("taken_up", [False, True])
@on_a_loop
async def test_inactive(*, taken_up: bool) -> None:
    """An inactive order is open: it can be cancelled, or is taken up again."""
    async with running() as gateway, connected(gateway) as client:
        heard = Heard(client)
        await arm(gateway, FaultKind.INACTIVE, code="460", reason="words")
        trade = client.placeOrder(spy(), order("MKT"))
        await until(lambda: heard.statuses == [("PreSubmitted", 0), ("Inactive", 0)])
        assert codes(client) == [460]
        async with connected(gateway, 8) as other:
            (seen,) = await other.reqAllOpenOrdersAsync()
            assert seen.orderStatus.status == "Inactive"
        if taken_up:
            await control(gateway, "DELETE", "faults")
            await until(lambda: heard.statuses[-1][0] == "Filled")
        else:
            client.cancelOrder(trade.order)
            await until(lambda: heard.statuses[-1][0] == "Cancelled")
        assert held(gateway)[0]["state"] == ("FILLED" if taken_up else "CANCELLED")


@on_a_loop
async def test_cancelled_with_a_code() -> None:
    """The code stands in the place of 202."""
    async with running() as gateway, connected(gateway) as client:
        heard = Heard(client)
        await arm(gateway, FaultKind.CANCELLED_WITH_CODE, code="451", reason="words")
        client.placeOrder(spy(), order())
        await until(lambda: heard.statuses[-1:] == [("Cancelled", 0)])
        assert codes(client) == [451]
        assert held(gateway)[0]["state"] == "CANCELLED"


@pytest.mark.parametrize("shown", ["PendingCancel", "PreSubmitted"])
@pytest.mark.parametrize("seconds", [0, 0.2])
@on_a_loop
async def test_a_pending_cancel(shown: str, seconds: float) -> None:
    """It is taken and not done: another is 161, and the order may fill meanwhile."""
    async with running() as gateway, connected(gateway) as client:
        heard = Heard(client)
        trade = await status(client.placeOrder(spy(), order()), "Submitted")
        await arm(gateway, FaultKind.PENDING_CANCEL, code=shown, seconds=seconds)
        client.cancelOrder(trade.order)
        await until(lambda: heard.statuses[-1][0] == shown)
        if not seconds:
            client.cancelOrder(trade.order)
            await until(lambda: codes(client) == [161])
            assert held(gateway)[0]["state"] == "SUBMITTED"
            await control(gateway, "DELETE", "faults")
        await until(lambda: heard.statuses[-1][0] == "Cancelled")


@on_a_loop
async def test_a_cancel_at_a_closed_exchange() -> None:
    """What the exchange holds is cancelled when it opens; what IB holds for it is at once."""
    moment = datetime(2026, 11, 23, 15, tzinfo=UTC)
    options = GatewayOptions(enforce_hours=True)
    async with running(options, clock=lambda: moment) as gateway, connected(gateway) as client:
        there = await status(client.placeOrder(spy(), order(tif="GTC")), "Submitted")
        moment += timedelta(hours=8)
        held_back = client.placeOrder(spy(), order(tif="GTC"))
        await status(held_back, "PreSubmitted")
        client.cancelOrder(there.order)
        client.cancelOrder(held_back.order)
        statuses = ["PendingCancel", "Cancelled"]
        await until(lambda: [row["status"] for row in held(gateway)] == statuses)
        moment += timedelta(hours=16)
        gateway.desk.pass_time()
        assert [row["status"] for row in held(gateway)] == ["Cancelled", "Cancelled"]


@pytest.mark.parametrize(("price", "last"), [(105.0, "Filled"), (95.0, "Cancelled")])
@on_a_loop
async def test_the_last_status_twice(price: float, last: str) -> None:
    """TWS may tell a final orderStatus more than once."""
    async with running() as gateway, connected(gateway) as client:
        heard = Heard(client)
        await arm(gateway, FaultKind.DUPLICATE_STATUS)
        trade = client.placeOrder(spy(), order(lmtPrice=price))
        if last == "Cancelled":
            await until(lambda: heard.statuses[-1:] == [("Submitted", 0)])
            client.cancelOrder(trade.order)
        await until(lambda: [name for name, _ in heard.statuses].count(last) == 2)
        assert fired_once(gateway)


def fired_once(gateway: IbGateway) -> bool:
    """Whether each armed fault has struck once."""
    return set(gateway.faults.as_json()["fired"].values()) == {1}


@on_a_loop
async def test_filled_before_its_execution() -> None:
    """The openOrder says Filled; execution and orderStatus come later."""
    async with running() as gateway, connected(gateway) as client:
        heard = Heard(client)
        await arm(gateway, FaultKind.FILLED_FIRST, seconds=0.1)
        client.placeOrder(spy(), order("MKT"))
        await until(lambda: heard.messages.count("openOrder") == 2)
        assert heard.messages == ["openOrder", "orderStatus", "openOrder"]
        await until(lambda: heard.statuses[-1] == ("Filled", 100))
        assert heard.messages[3] == "execDetails"
