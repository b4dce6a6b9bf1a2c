"""Faults of the IB gateway: what goes wrong around a request, and what is reported oddly."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from simulators.faults import FaultKind
from simulators.ib_gateway.gateway import IbGateway

from .test_ib_gateway import (
    Wire,
    arm,
    codes,
    connected,
    control,
    eventually,
    fired,
    held,
    ibi,
    on_a_loop,
    order,
    running,
    spy,
    status,
    until,
)


async def gone(client: Any) -> None:
    """Wait until a client has lost its connection."""
    await until(lambda: not client.isConnected())


async def back(gateway: IbGateway, client_id: int = 7) -> Any:
    """Connect again as soon as that is possible."""

    async def connects() -> Any:
        client = ibi.IB()
        try:
            return await client.connectAsync("127.0.0.1", gateway.port, client_id, timeout=2)
        except (ConnectionError, TimeoutError):
            return None

    return await eventually(connects)


@on_a_loop
async def test_reply_dropped() -> None:
    """The order is accepted, then the connection drops: it is there after reconnecting."""
    async with running() as gateway, connected(gateway) as client:
        await arm(gateway, FaultKind.DROP_REPLY)
        trade = client.placeOrder(spy(), order("MKT", orderRef="mine"))
        await gone(client)
        assert trade.orderStatus.status == "PendingSubmit"
        again = await back(gateway)
        assert [fill.execution.orderRef for fill in again.fills()] == ["mine"]
        assert [row["state"] for row in held(gateway)] == ["FILLED"]
        again.disconnect()


@on_a_loop
async def test_request_dropped() -> None:
    """The connection drops before the order is accepted: nothing is held."""
    async with running() as gateway, connected(gateway) as client:
        await arm(gateway, FaultKind.DROP_REQUEST)
        client.placeOrder(spy(), order("MKT"))
        await gone(client)
        assert held(gateway) == []
        assert fired(gateway, FaultKind.DROP_REQUEST) == 1


@on_a_loop
async def test_request_delayed() -> None:
    """A request that stands still keeps no other waiting, and its order id is its own."""
    async with running() as gateway, connected(gateway) as client:
        await arm(gateway, FaultKind.DELAY, seconds=0.2)
        late = client.placeOrder(spy(), order(orderRef="late"))
        early = client.placeOrder(spy(), order(orderRef="early"))
        await status(early, "Submitted")
        await status(late, "Submitted")
        assert [row["venue_order_id"] for row in held(gateway)] == ["early", "late"]


@on_a_loop
async def test_cancel_of_what_stands_still() -> None:
    """A cancel waits for the order that it is for, which came before it."""
    async with running() as gateway, connected(gateway) as client:
        await arm(gateway, FaultKind.DELAY, seconds=0.1)
        trade = client.placeOrder(spy(), order())
        client.cancelOrder(trade.order)
        await until(lambda: codes(client) == [202])
        assert [row["state"] for row in held(gateway)] == ["CANCELLED"]


@on_a_loop
async def test_the_same_id_again_while_it_stands_still() -> None:
    """An order sent twice, the first standing still, is one order: the second is a change."""
    async with running() as gateway, connected(gateway) as client:
        await arm(gateway, FaultKind.DELAY, seconds=0.1)
        mine = order()
        trade = client.placeOrder(spy(), mine)
        client.placeOrder(spy(), mine)
        await status(trade, "Submitted")
        await until(lambda: not gateway.sessions[7]._waiting)
        assert len(held(gateway)) == 1
        await arm(gateway, FaultKind.DELAY, seconds=0.1)
        mine = order("MKT")
        trade = client.placeOrder(spy(), mine)
        client.placeOrder(spy(), mine)
        await until(lambda: codes(client) == [104])
        assert [row["state"] for row in held(gateway)] == ["SUBMITTED", "FILLED"]


@on_a_loop
async def test_client_id_is_in_use_until_all_is_read() -> None:
    """What a client sent before it went away is done before its id is free: nothing comes later."""
    async with running() as gateway:
        async with connected(gateway) as client:
            await arm(gateway, FaultKind.DELAY, seconds=1)
            client.placeOrder(spy(), order())
            await until(lambda: fired(gateway, FaultKind.DELAY))
            client.disconnect()
            refused = await Wire.greeted(gateway.port, 7)
            await refused.expect(4, 2, -1, 326)
            assert held(gateway) == []
        again = await Wire.greeted(gateway.port, 7)
        await again.expect(9, 1)
        assert len(held(gateway)) == 1


@on_a_loop
async def test_reply_delayed() -> None:
    """The order is accepted, and everything about it is told later, in order."""
    async with running() as gateway, connected(gateway) as client:
        await arm(gateway, FaultKind.DELAY_REPLY, seconds=1)
        trade = client.placeOrder(spy(), order())
        await until(lambda: held(gateway))
        gateway.set_price("SPY", Decimal(94), Decimal(95))
        assert held(gateway)[0]["state"] == "FILLED"
        assert trade.orderStatus.status == "PendingSubmit"
        await status(trade, "Filled")
        assert [entry.status for entry in trade.log][-1] == "Filled"
        assert trade.fills[0].commissionReport.commission == 1


@on_a_loop
async def test_error_reply() -> None:
    """The order is accepted, and answered with an error: only a reconnect shows it."""
    async with running() as gateway, connected(gateway) as client:
        await arm(gateway, FaultKind.ERROR_REPLY)
        client.placeOrder(spy(), order(orderRef="mine"))
        await until(lambda: codes(client) == [322])
        assert len(held(gateway)) == 1


@pytest.mark.parametrize("seconds", [0, 0.1])
@on_a_loop
async def test_disconnect(seconds: float) -> None:
    """Everybody's connection drops; with seconds the port stays shut so long."""
    async with running() as gateway, connected(gateway, 1) as one, connected(gateway, 2) as two:
        await arm(gateway, FaultKind.DISCONNECT, seconds=seconds, on="submit")
        port = gateway.port
        one.placeOrder(spy(), order())
        await gone(one)
        await gone(two)
        again = await back(gateway, 1)
        assert (gateway.port, held(gateway)) == (port, [])
        again.disconnect()


@pytest.mark.parametrize(
    ("fault", "code", "text"),
    [
        ({"reason": "not today"}, 201, "Order rejected - reason:not today"),
        ({"code": "110", "reason": "no such tick"}, 110, "no such tick"),
        ({"code": "103", "reason": "Duplicate order id"}, 103, "Duplicate order id"),
    ],
)
@on_a_loop
async def test_reject(fault: dict[str, str], code: int, text: str) -> None:
    """Any code can refuse an order; after 201 it is Inactive, and the market never sees it."""
    async with running() as gateway, connected(gateway) as client:
        await arm(gateway, FaultKind.REJECT, **fault)
        trade = client.placeOrder(spy(), order(orderRef="mine"))
        await until(lambda: codes(client) == [code])
        assert client.errors[-1] == (trade.order.orderId, code, text)
        if code == 201:
            await status(trade, "Inactive")
        assert held(gateway) == []
        assert gateway.ledger()["refusals"] == [{"venue_order_id": "mine", "code": str(code)}]


@on_a_loop
async def test_reject_a_modify() -> None:
    """A refused modify leaves the order as it was."""
    async with running() as gateway, connected(gateway) as client:
        trade = await status(client.placeOrder(spy(), order()), "Submitted")
        await arm(gateway, FaultKind.REJECT, on="modify")
        trade.order.lmtPrice = 96.0
        client.placeOrder(spy(), trade.order)
        await until(lambda: codes(client) == [201])
        (row,) = held(gateway)
        assert (row["limit_price"], row["state"]) == ("95", "SUBMITTED")


@on_a_loop
async def test_reject_a_question() -> None:
    """A question can be refused, too."""
    async with running() as gateway, connected(gateway) as client:
        await arm(gateway, FaultKind.REJECT, on="query", symbol="SPY", code="200", reason="gone")
        assert await client.reqContractDetailsAsync(spy()) == []
        assert codes(client) == [200]


@on_a_loop
async def test_unavailable() -> None:
    """The gateway says that it is not connected, and takes nothing."""
    async with running() as gateway, connected(gateway) as client:
        await arm(gateway, FaultKind.UNAVAILABLE, on="submit")
        trade = client.placeOrder(spy(), order())
        await until(lambda: client.errors[-1][:2] == (trade.order.orderId, 504))
        assert held(gateway) == []


@pytest.mark.parametrize("fault", [{}, {"seconds": 0.1}, {"code": "110", "reason": "on review"}])
@on_a_loop
async def test_late_reject(fault: dict[str, Any]) -> None:
    """The order is Submitted, and refused after that."""
    async with running() as gateway, connected(gateway) as client:
        await arm(gateway, FaultKind.LATE_REJECT, **fault)
        trade = client.placeOrder(spy(), order("MKT"))
        await status(trade, "Inactive")
        seen = list(dict.fromkeys(entry.status for entry in trade.log))
        assert seen[:3] == ["PendingSubmit", "PreSubmitted", "Submitted"]
        assert codes(client) == [int(fault.get("code", 201))]
        assert [row["state"] for row in held(gateway)] == ["REJECTED"]
        assert not trade.fills


@on_a_loop
async def test_swallow() -> None:
    """Nothing is told of an accepted order, whatever is asked, until its client reconnects."""
    async with running() as gateway, connected(gateway) as client:
        await arm(gateway, FaultKind.SWALLOW)
        trade = client.placeOrder(spy(), order(orderRef="mine", lmtPrice=105.0))
        await until(lambda: [row["state"] for row in held(gateway)] == ["FILLED"])
        assert await client.reqExecutionsAsync() == []
        assert trade.orderStatus.status == "PendingSubmit"
        client.disconnect()
        again = await back(gateway)
        assert [fill.execution.orderRef for fill in again.fills()] == ["mine"]
        again.disconnect()


@on_a_loop
async def test_swallow_what_rests() -> None:
    """A swallowed order that rests is no open order to its client, but one to another."""
    async with running() as gateway, connected(gateway) as client, connected(gateway, 8) as other:
        await arm(gateway, FaultKind.SWALLOW)
        client.placeOrder(spy(), order(orderRef="mine"))
        await until(lambda: held(gateway))
        assert await client.reqAllOpenOrdersAsync() == []
        assert [t.order.orderRef for t in await other.reqAllOpenOrdersAsync()] == ["mine"]


@on_a_loop
async def test_duplicate_report() -> None:
    """An execution is told twice under one id, as it happens or when it is asked for."""
    async with running() as gateway:
        wire = await Wire.greeted(gateway.port, 9)
        async with connected(gateway) as client:
            await arm(gateway, FaultKind.DUPLICATE_REPORT, times=2)
            await status(client.placeOrder(spy(), order("MKT")), "Filled")
            assert len(client.fills()) == 1
        wire.send(7, 3, 44, 0, "", "", "", "", "", "")
        first, second = await wire.expect(11, 44), await wire.expect(11, 44)
        assert first == second
        await wire.expect(55, 1, 44)
        assert fired(gateway, FaultKind.DUPLICATE_REPORT) == 2


@pytest.mark.parametrize("seconds", [0, 0.1])
@on_a_loop
async def test_fill_before_status(seconds: float) -> None:
    """The execution is told before anything else about its order."""
    async with running() as gateway:
        wire = await Wire.greeted(gateway.port, 9)
        async with connected(gateway) as client:
            told: list[str] = []
            client.execDetailsEvent += lambda trade, _: told.append(trade.orderStatus.status)
            await arm(gateway, FaultKind.FILL_BEFORE_STATUS, seconds=seconds)
            trade = client.placeOrder(spy(), order("MKT"))
            await status(trade, "Filled")
            assert told == ["PendingSubmit"]
            await until(lambda: trade.fills[0].commissionReport.commission)
        wire.close()


@on_a_loop
async def test_hold_fills() -> None:
    """An order that could fill does not, until it is let go."""
    async with running() as gateway, connected(gateway) as client:
        await arm(gateway, FaultKind.HOLD_FILLS)
        trade = client.placeOrder(spy(), order("MKT"))
        await status(trade, "Submitted")
        await control(gateway, "DELETE", "faults")
        await status(trade, "Filled")


@on_a_loop
async def test_hold_fills_for_a_while() -> None:
    """With seconds it fills by itself."""
    async with running() as gateway, connected(gateway) as client:
        await arm(gateway, FaultKind.HOLD_FILLS, seconds=0.1)
        trade = client.placeOrder(spy(), order("MKT"))
        await status(trade, "Filled")
        assert "Submitted" in {entry.status for entry in trade.log}


@pytest.mark.parametrize("seconds", [0, 0.1])
@on_a_loop
async def test_late_commission(seconds: float) -> None:
    """The commission comes after its execution, in its own time or when it is let go."""
    async with running() as gateway, connected(gateway) as client:
        await arm(gateway, FaultKind.LATE_COMMISSION, seconds=seconds)
        trade = await status(client.placeOrder(spy(), order("MKT")), "Filled")
        if not seconds:
            assert gateway.ledger()["executions"][0]["commission"] is None
            assert trade.fills[0].commissionReport.execId == ""
            await control(gateway, "DELETE", "faults")
        await until(lambda: trade.fills[0].commissionReport.commission == 1)
        assert gateway.ledger()["executions"][0]["commission"] == "1.0000"


@on_a_loop
async def test_late_commission_is_not_forgotten() -> None:
    """Whoever asks before it came gets the execution alone."""
    async with running() as gateway, connected(gateway) as client:
        await arm(gateway, FaultKind.LATE_COMMISSION)
        await status(client.placeOrder(spy(), order("MKT")), "Filled")
        async with connected(gateway, 8) as other:
            assert [fill.commissionReport.execId for fill in other.fills()] == [""]
            await control(gateway, "DELETE", "faults")
        async with connected(gateway, 8) as other:
            assert [fill.commissionReport.commission for fill in other.fills()] == [1]


@pytest.mark.parametrize("seconds", [0, 0.1])
@on_a_loop
async def test_locate(seconds: float) -> None:
    """A sale waits for shares although there are some, for a while or until it is let go."""
    async with running() as gateway, connected(gateway) as client:
        await arm(gateway, FaultKind.LOCATE, seconds=seconds)
        trade = client.placeOrder(spy(), order("MKT", "SELL"))
        await until(lambda: codes(client) == [404])
        if not seconds:
            assert trade.orderStatus.status == "PreSubmitted"
            await control(gateway, "DELETE", "faults")
        await status(trade, "Filled")


@on_a_loop
async def test_ambiguous() -> None:
    """A contract becomes one of two; so does an order that describes it."""
    async with running() as gateway, connected(gateway) as client:
        await arm(gateway, FaultKind.AMBIGUOUS, on="query", symbol="SPY")
        details = await client.reqContractDetailsAsync(spy())
        assert len({found.contract.conId for found in details}) == 2
        assert len(await client.reqContractDetailsAsync(spy())) == 1
        await arm(gateway, FaultKind.AMBIGUOUS, on="submit")
        client.placeOrder(spy(), order())
        await until(lambda: codes(client) == [200])
        assert held(gateway) == []


@on_a_loop
async def test_correction() -> None:
    """A correction has the id of what it corrects, but for its last number."""
    async with running() as gateway, connected(gateway) as client:
        trade = await status(client.placeOrder(spy(), order("MKT", orderRef="mine")), "Filled")
        first = trade.fills[0].execution.execId
        row = await control(
            gateway,
            "POST",
            "executions",
            {
                "venue_order_id": "mine",
                "kind": "CORRECTION",
                "corrects": first,
                "quantity": "60",
                "price": "100.5",
            },
        )
        await until(lambda: len(trade.fills) == 2)
        corrected = trade.fills[1].execution
        assert corrected.execId == row["execution_id"] == first.removesuffix("01") + "02"
        assert (corrected.shares, corrected.price, corrected.cumQty) == (60, 100.5, 60)
        assert held(gateway)[0]["filled_quantity"] == "60"
        assert [p.position for p in await client.reqPositionsAsync()] == [60]


@on_a_loop
async def test_bust() -> None:
    """A bust is a correction to no shares."""
    async with running() as gateway, connected(gateway) as client:
        trade = await status(client.placeOrder(spy(), order("MKT", orderRef="mine")), "Filled")
        bust = {"venue_order_id": "mine", "kind": "BUST", "quantity": "100", "price": "101"}
        corrects = trade.fills[0].execution.execId
        await control(gateway, "POST", "executions", {**bust, "corrects": corrects})
        await until(lambda: len(trade.fills) == 2)
        assert trade.fills[1].execution.shares == 0
        assert held(gateway)[0]["filled_quantity"] == "0"
        assert await client.reqPositionsAsync() == []


@on_a_loop
async def test_fill_after_cancel() -> None:
    """An execution can follow the cancel of its order."""
    async with running() as gateway, connected(gateway) as client:
        trade = await status(client.placeOrder(spy(), order(orderRef="mine")), "Submitted")
        client.cancelOrder(trade.order)
        await status(trade, "Cancelled")
        late = {"venue_order_id": "mine", "quantity": "40", "price": "95", "commission": "0.35"}
        await control(gateway, "POST", "executions", late)
        await until(lambda: [fill.commissionReport.commission for fill in trade.fills] == [0.35])
        assert held(gateway)[0]["state"] == "CANCELLED"
        assert held(gateway)[0]["filled_quantity"] == "40"


@on_a_loop
async def test_execution_of_nobody() -> None:
    """An execution of no known order is client 0's, without an orderRef."""
    async with running() as gateway, connected(gateway, 0) as zero, connected(gateway) as client:
        made = {"symbol": "SPY", "side": "SELL", "quantity": "10", "price": "100"}
        row = await control(gateway, "POST", "executions", {**made, "broker_order_id": "42"})
        await until(zero.fills)
        execution = zero.fills()[0].execution
        assert (execution.permId, execution.orderRef, execution.clientId) == (42, "", 0)
        assert (row["venue_order_id"], row["broker_order_id"]) == (None, "42")
        assert client.fills() == []
        assert len(await client.reqExecutionsAsync()) == 1


@on_a_loop
async def test_manual_order() -> None:
    """An order made by hand is bound to client 0, and shows its permId to others."""
    async with running() as gateway, connected(gateway, 0) as zero, connected(gateway) as client:
        made = {
            "symbol": "SPY",
            "side": "BUY",
            "quantity": "10",
            "order_type": "LIMIT",
            "limit_price": "95",
        }
        await until(lambda: gateway.sessions[0].auto_bind)
        row = await control(gateway, "POST", "orders", made)
        await until(zero.openTrades)
        (seen,) = zero.openTrades()
        assert (seen.order.orderId, seen.order.clientId) == (-2, 0)
        assert seen.order.permId == int(row["broker_order_id"])
        assert [t.order.permId for t in await client.reqAllOpenOrdersAsync()] == [seen.order.permId]
        assert await client.reqOpenOrdersAsync() == []
        change = {"broker_order_id": row["broker_order_id"], "limit_price": "101"}
        await control(gateway, "POST", "orders/modify", change)
        await until(lambda: zero.fills() and seen.orderStatus.status == "Filled")


@pytest.mark.parametrize(
    ("state", "shown", "code"),
    [("CANCELLED", "Cancelled", 202), ("EXPIRED", "Cancelled", 202), ("REJECTED", "Inactive", 201)],
)
@on_a_loop
async def test_ended_by_the_venue(state: str, shown: str, code: int) -> None:
    """The venue can end an order, with its reason."""
    async with running() as gateway, connected(gateway) as client:
        trade = await status(client.placeOrder(spy(), order(orderRef="mine")), "Submitted")
        end = {"venue_order_id": "mine", "state": state, "reason": "margin call"}
        await control(gateway, "POST", "orders/cancel", end)
        await status(trade, shown)
        assert codes(client) == [code]
        assert client.errors[-1][2].endswith("reason:margin call")
        (row,) = held(gateway)
        assert (row["state"], row["reason"]) == (state, "margin call")


@on_a_loop
async def test_drop_one() -> None:
    """One client's connection can be cut."""
    async with running() as gateway, connected(gateway, 1) as one, connected(gateway, 2) as two:
        await control(gateway, "POST", "drop", {"client_id": 1})
        await gone(one)
        assert two.isConnected()
        await control(gateway, "POST", "drop", {})
        await gone(two)
