"""What the IB gateway refuses and warns of, code by code."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from simulators.faults import FaultKind
from simulators.ib_gateway.codes import CONNECTIVITY
from simulators.ib_gateway.options import GatewayOptions

from .test_ib_gateway import (
    Wire,
    arm,
    codes,
    connected,
    control,
    held,
    ibi,
    on_a_loop,
    order,
    running,
    spy,
    status,
    until,
)


@pytest.mark.parametrize(
    ("contract", "terms", "code"),
    [
        ({}, {"lmtPrice": 95.001}, 110),
        ({}, {"orderType": "STP", "auxPrice": 95.001}, 110),
        ({}, {"orderType": "TRAIL", "auxPrice": 0.001}, 110),
        ({}, {"orderType": "MOC", "tif": "GTC"}, 113),
        ({}, {"parentId": 77}, 135),
        ({"symbol": "NOSUCH"}, {}, 200),
        ({"symbol": "DUAL"}, {}, 200),
        ({"exchange": "LSE"}, {}, 200),
        ({}, {"action": "HOLD"}, 321),
        ({}, {"tif": "AUC"}, 321),
        ({}, {"orderType": "LMT", "lmtPrice": 0.0}, 321),
        ({}, {"orderType": "TRAIL"}, 321),
        ({}, {"tif": "GTD"}, 321),
        ({}, {"tif": "GTD", "goodTillDate": "tomorrow"}, 321),
        ({}, {"tif": "GTD", "goodTillDate": "20200101 00:00:00 UTC"}, 321),
        ({}, {"account": "U999"}, 321),
        ({}, {"orderType": "REL"}, 387),
        ({}, {"algoStrategy": "Adaptive"}, 387),
        ({}, {"totalQuantity": 0}, 434),
        ({}, {"totalQuantity": 1.5}, 10243),
    ],
)
@on_a_loop
async def test_refused(contract: dict[str, Any], terms: dict[str, Any], code: int) -> None:
    """A refused order is an error with its id, and nothing is held; the id stays free."""
    async with running() as gateway:
        wire = await Wire.greeted(gateway.port, 3)
        wire.send(*_placing(1, contract, orderRef="mine", **terms))
        await wire.expect(4, 2, 1, code)
        assert held(gateway) == []
        assert gateway.ledger()["refusals"] == [{"venue_order_id": "mine", "code": str(code)}]
        wire.send(*_placing(1))
        await wire.expect(3, 1, "Submitted")


def _placing(
    order_id: int, contract: dict[str, Any] | None = None, **terms: Any
) -> Sequence[object]:
    """The fields of a placeOrder as ib_insync sends them."""
    sent: list[str] = []
    client = ibi.client.Client(ibi.wrapper.Wrapper(None))
    client.connState, client._serverVersion = client.CONNECTED, 176
    client.sendMsg = sent.append
    placed = order()
    for name, value in terms.items():
        setattr(placed, name, value)
    client.placeOrder(order_id, spy(**contract or {}), placed)
    return sent[0].split("\0")[:-1]


@on_a_loop
async def test_inactive() -> None:
    """After 201 the order is Inactive: TWS knows it, the market does not."""
    async with running() as gateway, connected(gateway) as client:
        gateway.set_balances({"USD": Decimal(1000)})
        trade = client.placeOrder(spy(), order("MKT", orderRef="mine"))
        await status(trade, "Inactive")
        assert codes(client) == [201]
        assert "INITIAL MARGIN BY 4000.00 USD" in client.errors[-1][2]
        assert held(gateway) == []
        (over,) = await client.reqCompletedOrdersAsync(apiOnly=False)
        assert (over.order.orderRef, over.orderStatus.status) == ("mine", "Cancelled")
        assert over.order.filledQuantity == 0


@on_a_loop
async def test_no_market() -> None:
    """A market order for what has no market is rejected; a limit rests."""
    async with running() as gateway, connected(gateway) as client:
        trade = client.placeOrder(spy(symbol="GBTC"), order("MKT"))
        await status(trade, "Inactive")
        await status(client.placeOrder(spy(symbol="GBTC"), order()), "Submitted")
        assert codes(client) == [201]


@on_a_loop
async def test_account_needed() -> None:
    """With several accounts an order must name one (435)."""
    options = GatewayOptions(accounts=("DU1", "DU2"))
    async with running(options) as gateway, connected(gateway, account="DU1") as client:
        client.placeOrder(spy(), order())
        await until(lambda: codes(client) == [435])
        await status(client.placeOrder(spy(), order("MKT", account="DU2")), "Filled")
        assert [(p.account, p.position) for p in await client.reqPositionsAsync()] == [("DU2", 100)]


@on_a_loop
async def test_duplicate_id() -> None:
    """An id below the next one is a duplicate (103)."""
    async with running() as gateway, connected(gateway) as client:
        await status(client.placeOrder(spy(), order(orderId=20)), "Submitted")
        client.placeOrder(spy(), order(orderId=19))
        await until(lambda: codes(client) == [103])
        assert len(held(gateway)) == 1


@on_a_loop
async def test_ids_that_are_over() -> None:
    """A filled order's id is 104, a cancelled one's 103; both stay as they are."""
    async with running() as gateway:
        wire = await Wire.greeted(gateway.port, 3)
        wire.send(*_placing(1, lmtPrice=105.0))
        await wire.expect(3, 1, "Filled")
        wire.send(*_placing(1, lmtPrice=106.0))
        await wire.expect(4, 2, 1, 104)
        wire.send(*_placing(2))
        await wire.expect(3, 2, "Submitted")
        wire.send(4, 1, 2, "")
        await wire.expect(3, 2, "Cancelled")
        wire.send(*_placing(2))
        await wire.expect(4, 2, 2, 103)
        assert [row["state"] for row in held(gateway)] == ["FILLED", "CANCELLED"]


@on_a_loop
async def test_modify_another_order() -> None:
    """A modify that is another order is refused with 105, and the order works on."""
    async with running() as gateway:
        wire = await Wire.greeted(gateway.port, 3)
        wire.send(*_placing(1))
        await wire.expect(3, 1, "Submitted")
        wire.send(*_placing(1, action="SELL"))
        await wire.expect(4, 2, 1, 105)
        wire.send(*_placing(1, lmtPrice=95.001))
        await wire.expect(4, 2, 1, 110)
        wire.send(5, 1)
        await wire.expect(3, 1, "Submitted")
        (row,) = held(gateway)
        assert (row["side"], row["limit_price"]) == ("BUY", "95")


@on_a_loop
async def test_anothers_id_is_not_ones_own() -> None:
    """A client changes and cancels its own orders only: ids belong to clients."""
    async with running() as gateway, connected(gateway, 1) as one:
        await status(one.placeOrder(spy(), order(orderId=5)), "Submitted")
        wire = await Wire.greeted(gateway.port, 2)
        wire.send(4, 1, 5, "")
        await wire.expect(4, 2, 5, 10147)
        wire.send(16, 1)
        await wire.expect(53)
        wire.send(*_placing(5))
        await wire.expect(4, 2, 5, 103)
        assert [row["client_id"] for row in held(gateway)] == [1]


@on_a_loop
async def test_cancels_that_cannot_be() -> None:
    """Cancels of what is over are 10148 with the state, of what is unknown 10147."""
    async with running() as gateway:
        wire = await Wire.greeted(gateway.port, 3)
        wire.send(*_placing(1, lmtPrice=105.0))
        await wire.expect(3, 1, "Filled")
        wire.send(4, 1, 1, "")
        assert (await wire.expect(4, 2, 1, 10148))[4].endswith("state: Filled.")
        wire.send(4, 1, 99, "")
        assert "99" in (await wire.expect(4, 2, 99, 10147))[4]


@on_a_loop
async def test_cancel_on_its_way() -> None:
    """While a cancel is on its way the order is PendingCancel, may fill, and a second is 161."""
    async with running() as gateway, connected(gateway) as client:
        await arm(gateway, FaultKind.DELAY, on="cancel", seconds=1)
        trade = await status(client.placeOrder(spy(), order()), "Submitted")
        client.cancelOrder(trade.order)
        await until(lambda: held(gateway)[0]["status"] == "PendingCancel")
        gateway.set_price("SPY", Decimal(94), Decimal(95))
        await status(trade, "Filled")
        await until(lambda: codes(client) == [10148])


@on_a_loop
async def test_second_cancel() -> None:
    """A second cancel while the first is on its way is 161."""
    async with running() as gateway:
        wire = await Wire.greeted(gateway.port, 3)
        wire.send(*_placing(1))
        await wire.expect(3, 1, "Submitted")
        await arm(gateway, FaultKind.DELAY, on="cancel", seconds=0.1)
        wire.send(4, 1, 1, "")
        wire.send(4, 1, 1, "")
        await wire.expect(3, 1, "PendingCancel")
        await wire.expect(4, 2, 1, 161)
        await wire.expect(4, 2, 1, 202)


@on_a_loop
async def test_refused_cancel() -> None:
    """A fault can refuse a cancel; the order works on."""
    async with running() as gateway:
        wire = await Wire.greeted(gateway.port, 3)
        wire.send(*_placing(1))
        await wire.expect(3, 1, "Submitted")
        await arm(gateway, FaultKind.REJECT, on="cancel", code="161", reason="in vain")
        wire.send(4, 1, 1, "")
        await wire.expect(4, 2, 1, 161, "in vain")
        assert held(gateway)[0]["state"] == "SUBMITTED"


@on_a_loop
async def test_time_in_force_is_set() -> None:
    """Without a tif TWS says 10349 and sets DAY; the order lives, though ib_insync ends it."""
    async with running() as gateway, connected(gateway) as client:
        client.placeOrder(spy(), order(tif=""))
        await until(lambda: codes(client) == [10349])
        (row,) = held(gateway)
        assert (row["state"], row["time_in_force"]) == ("SUBMITTED", "DAY")
        gateway.set_price("SPY", Decimal(94), Decimal(95))
        await until(client.fills)


@on_a_loop
async def test_short_sales() -> None:
    """Without shares to borrow a short sale is refused; with a locate it waits for them (404)."""
    async with running() as gateway, connected(gateway) as client:
        await control(gateway, "POST", "shortable", {"symbol": "SPY", "shares": 0})
        refused = client.placeOrder(spy(), order("MKT", "SELL"))
        await status(refused, "Inactive")
        assert "short sale" in client.errors[-1][2]
        locate = {"symbol": "SPY", "shares": 50, "locate": True}
        await control(gateway, "POST", "shortable", locate)
        waits = client.placeOrder(spy(), order("MKT", "SELL"))
        await until(lambda: 404 in codes(client))
        await until(lambda: waits.orderStatus.whyHeld == "locate")
        assert waits.orderStatus.status == "PreSubmitted"
        await control(gateway, "POST", "shortable", {"symbol": "SPY", "shares": None})
        await status(waits, "Filled")


@on_a_loop
async def test_selling_what_is_held() -> None:
    """A sale of what is held needs no shares to borrow."""
    async with running() as gateway, connected(gateway) as client:
        await control(gateway, "POST", "shortable", {"symbol": "SPY", "shares": 0})
        await status(client.placeOrder(spy(), order("MKT")), "Filled")
        await status(client.placeOrder(spy(), order("MKT", "SELL")), "Filled")
        await status(client.placeOrder(spy(), order("MKT", "SELL", 1)), "Inactive")


@pytest.mark.parametrize("code", sorted(CONNECTIVITY))
@on_a_loop
async def test_connectivity_codes(code: int) -> None:
    """Every code of the connection to IB's servers can be told."""
    async with running() as gateway:
        wire = await Wire.greeted(gateway.port, 3)
        await wire.expect(4, 2, -1, 2158)
        await control(gateway, "POST", "connectivity", {"code": code})
        assert len((await wire.expect(4, 2, -1, code))[4]) > 20


@pytest.mark.parametrize("restored", [1101, 1102])
@on_a_loop
async def test_connection_to_the_servers_lost(restored: int) -> None:
    """From 1100 on orders are refused (504); what happened meanwhile is told afterwards."""
    async with running() as gateway, connected(gateway) as client:
        trade = await status(client.placeOrder(spy(), order()), "Submitted")
        ticker = client.reqMktData(spy())
        await until(lambda: ticker.bid == 99)
        await control(gateway, "POST", "connectivity", {"code": 1100})
        gateway.set_price("SPY", Decimal(94), Decimal(95))
        client.placeOrder(spy(), order())
        await until(lambda: codes(client) == [1100, 504])
        assert trade.orderStatus.status == "Submitted"
        assert held(gateway)[0]["state"] == "FILLED"
        async with connected(gateway, 8) as other:
            assert codes(other) == [1100]
        await control(gateway, "POST", "connectivity", {"code": restored})
        await status(trade, "Filled")
        gateway.set_price("SPY", Decimal(93), Decimal(94))
        after = client.placeOrder(spy(), order("MKT"))
        await status(after, "Filled")
        assert ticker.bid == (99 if restored == 1101 else 93)
