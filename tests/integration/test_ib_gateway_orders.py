"""Orders at the IB gateway, placed, changed and cancelled by ib_insync."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from simulators.ib_gateway.gateway import IbGateway
from simulators.ib_gateway.options import GatewayOptions

from .test_ib_gateway import (
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


def price(gateway: IbGateway, bid: str, ask: str, symbol: str = "SPY") -> None:
    """Set a market."""
    gateway.set_price(symbol, Decimal(bid), Decimal(ask))


def states(trade: Any) -> list[str]:
    """The statuses that a trade went through, each once."""
    return list(dict.fromkeys(entry.status for entry in trade.log))


@pytest.mark.parametrize(("side", "at"), [("BUY", 101.0), ("SELL", 99.0)])
@on_a_loop
async def test_market(side: str, at: float) -> None:
    """A market order fills at once at the other side, and all is told of it."""
    async with running() as gateway, connected(gateway) as client:
        trade = client.placeOrder(spy(), order("MKT", side, orderRef="ours"))
        await status(trade, "Filled")
        (fill,) = trade.fills
        (row,) = gateway.ledger()["executions"]
        assert states(trade) == ["PendingSubmit", "PreSubmitted", "Filled"]
        assert (fill.execution.shares, fill.execution.price) == (100, at)
        assert fill.execution.side == ("BOT" if side == "BUY" else "SLD")
        assert fill.execution.permId == trade.order.permId > 0
        assert (fill.execution.orderRef, fill.execution.clientId) == ("ours", 7)
        assert fill.execution.execId == row["execution_id"]
        assert fill.execution.time == datetime.fromisoformat(row["executed_at"])
        assert fill.commissionReport.commission == float(row["commission"]) == 1
        assert (trade.orderStatus.filled, trade.orderStatus.avgFillPrice) == (100, at)


@on_a_loop
async def test_ledger_row() -> None:
    """The ledger has an order in the words that all simulators share."""
    async with running() as gateway, connected(gateway) as client:
        trade = client.placeOrder(spy(), order(orderRef="ours", tif="GTC"))
        await status(trade, "Submitted")
        (row,) = held(gateway)
        wanted = {
            "venue_order_id": "ours",
            "broker_order_id": str(trade.order.permId),
            "symbol": "SPY",
            "side": "BUY",
            "order_type": "LIMIT",
            "quantity": "100",
            "limit_price": "95",
            "time_in_force": "GTC",
            "state": "SUBMITTED",
            "status": "Submitted",
            "filled_quantity": "0",
            "account": "DU1234567",
        }
        assert {name: row[name] for name in wanted} == wanted


@on_a_loop
async def test_limit_rests_then_fills() -> None:
    """A limit is PreSubmitted, Submitted, and filled at its price or better."""
    async with running() as gateway, connected(gateway) as client:
        trade = client.placeOrder(spy(), order())
        await status(trade, "Submitted")
        price(gateway, "93", "94")
        await status(trade, "Filled")
        assert states(trade) == ["PendingSubmit", "PreSubmitted", "Submitted", "Filled"]
        assert trade.fills[0].execution.price == 94


@on_a_loop
async def test_stop() -> None:
    """A stop is PreSubmitted until it is reached, then trades at the market."""
    async with running() as gateway, connected(gateway) as client:
        trade = client.placeOrder(spy(), order("STP", auxPrice=110.0))
        await status(trade, "PreSubmitted")
        price(gateway, "110", "112")
        await status(trade, "Filled")
        assert trade.fills[0].execution.price == 112


@on_a_loop
async def test_stop_limit() -> None:
    """A stop limit that is reached past its limit works as a limit."""
    async with running() as gateway, connected(gateway) as client:
        trade = client.placeOrder(spy(), order("STP LMT", auxPrice=110.0, lmtPrice=111.0))
        await status(trade, "PreSubmitted")
        price(gateway, "110", "112")
        await status(trade, "Submitted")
        price(gateway, "108", "109")
        await status(trade, "Filled")
        assert trade.fills[0].execution.price == 109


@pytest.mark.parametrize("trail", [{"auxPrice": 5.0}, {"trailingPercent": 5.0}])
@on_a_loop
async def test_trailing_stop(trail: dict[str, Any]) -> None:
    """A trailing sale follows the market up and trades when it has come back far enough."""
    async with running() as gateway, connected(gateway) as client:
        trade = client.placeOrder(spy(), order("TRAIL", "SELL", **trail))
        await status(trade, "PreSubmitted")
        price(gateway, "119", "121")
        price(gateway, "115", "117")
        assert held(gateway)[0]["state"] == "SUBMITTED"
        price(gateway, "113", "115")
        await status(trade, "Filled")
        assert trade.fills[0].execution.price == 113


@on_a_loop
async def test_trailing_stop_from_a_price() -> None:
    """A trail begins at trailStopPrice when there is one, and openOrder shows where it is."""
    async with running() as gateway, connected(gateway) as client:
        trail = order("TRAIL", "SELL", auxPrice=5.0, trailStopPrice=90.0)
        await status(client.placeOrder(spy(), trail), "PreSubmitted")
        price(gateway, "96", "98")
        async with connected(gateway, 8) as other:
            (seen,) = await other.reqAllOpenOrdersAsync()
            assert (seen.order.trailStopPrice, seen.order.auxPrice) == (94.0, 5.0)


@pytest.mark.parametrize(
    ("order_type", "terms", "state"),
    [
        ("MOC", {}, "FILLED"),
        ("LOC", {"lmtPrice": 100.0}, "FILLED"),
        ("LOC", {"lmtPrice": 99.0}, "EXPIRED"),
    ],
)
@on_a_loop
async def test_on_close(order_type: str, terms: dict[str, Any], state: str) -> None:
    """Orders on the close rest until the closing auction, and no longer."""
    async with running() as gateway, connected(gateway) as client:
        trade = client.placeOrder(spy(), order(order_type, **terms))
        await status(trade, "PreSubmitted")
        price(gateway, "93", "94")
        assert held(gateway)[0]["state"] == "SUBMITTED"
        await control(gateway, "POST", "close", {"symbol": "SPY", "price": "99.5"})
        await status(trade, "Filled" if state == "FILLED" else "Cancelled")
        assert held(gateway)[0]["state"] == state
        assert [fill.execution.price for fill in trade.fills] == [99.5] * (state == "FILLED")


@on_a_loop
async def test_on_open() -> None:
    """An order of the opening auction waits for it."""
    async with running() as gateway, connected(gateway) as client:
        trade = client.placeOrder(spy(), order("MKT", tif="OPG"))
        await status(trade, "PreSubmitted")
        await control(gateway, "POST", "open", {"symbol": "SPY"})
        await status(trade, "Filled")
        assert trade.fills[0].execution.price == 100


@on_a_loop
async def test_immediate_or_cancel() -> None:
    """IOC takes what there is; the rest is cancelled with 202."""
    async with running() as gateway, connected(gateway) as client:
        await control(gateway, "POST", "liquidity", {"symbol": "SPY", "size": "40"})
        trade = client.placeOrder(spy(), order(lmtPrice=105.0, tif="IOC"))
        await status(trade, "Cancelled")
        assert (trade.orderStatus.filled, trade.orderStatus.remaining) == (40, 60)
        assert codes(client) == [202]
        assert held(gateway)[0]["state"] == "CANCELLED"


@pytest.mark.parametrize(("size", "filled"), [("40", 0), ("100", 100)])
@on_a_loop
async def test_fill_or_kill(size: str, filled: int) -> None:
    """FOK fills whole or not at all."""
    async with running() as gateway, connected(gateway) as client:
        await control(gateway, "POST", "liquidity", {"symbol": "SPY", "size": size})
        trade = client.placeOrder(spy(), order(lmtPrice=105.0, tif="FOK"))
        await status(trade, "Filled" if filled else "Cancelled")
        assert trade.orderStatus.filled == filled


@on_a_loop
async def test_partial_fills() -> None:
    """Each slice is an execution of its own, with what is filled by then and its commission."""
    async with running() as gateway, connected(gateway) as client:
        thin = {"symbol": "SPY", "size": "500", "slice": "300"}
        await control(gateway, "POST", "liquidity", thin)
        trade = client.placeOrder(spy(), order(lmtPrice=105.0, quantity=1000))
        await until(lambda: trade.orderStatus.filled == 500)
        assert trade.orderStatus.status == "Submitted"
        assert held(gateway)[0]["state"] == "PARTIALLY_FILLED"
        await control(gateway, "POST", "liquidity", {"symbol": "SPY", "size": None})
        await status(trade, "Filled")
        executions = [fill.execution for fill in trade.fills]
        assert [told.shares for told in executions] == [300, 200, 500]
        assert [told.cumQty for told in executions] == [300, 500, 1000]
        charged = [fill.commissionReport.commission for fill in trade.fills]
        assert charged == [1.5, 1.0, 2.5]


@on_a_loop
async def test_good_till_date() -> None:
    """A GTD order ends at its time, which may be written in three ways."""
    moment = datetime(2026, 11, 23, 15, tzinfo=UTC)
    async with running(clock=lambda: moment) as gateway, connected(gateway) as client:
        trades = [
            client.placeOrder(spy(), order(tif="GTD", goodTillDate=text))
            for text in (
                "20261123 15:30:00 UTC",
                "20261123-15:30:00",
                "20261123 10:30:00 US/Eastern",
            )
        ]
        for trade in trades:
            await status(trade, "Submitted")
        moment += timedelta(minutes=29)
        gateway.desk.pass_time()
        assert {row["state"] for row in held(gateway)} == {"SUBMITTED"}
        moment += timedelta(minutes=1)
        for trade in trades:
            await status(trade, "Cancelled")
        assert {row["state"] for row in held(gateway)} == {"EXPIRED"}


@on_a_loop
async def test_day_ends() -> None:
    """At the end of the day DAY orders expire; GTC orders stay; executions are yesterday's."""
    async with running() as gateway, connected(gateway) as client:
        day = await status(client.placeOrder(spy(), order()), "Submitted")
        lasting = await status(client.placeOrder(spy(), order(tif="GTC")), "Submitted")
        await status(client.placeOrder(spy(), order("MKT")), "Filled")
        assert len(await client.reqExecutionsAsync()) == 1
        await control(gateway, "POST", "day", {})
        await status(day, "Cancelled")
        assert lasting.orderStatus.status == "Submitted"
        states_now = [row["state"] for row in held(gateway)]
        assert states_now == ["EXPIRED", "SUBMITTED", "FILLED"]


@on_a_loop
async def test_modify() -> None:
    """A second placeOrder of an id changes the order in place, and is acknowledged."""
    async with running() as gateway, connected(gateway) as client:
        mine = order()
        trade = await status(client.placeOrder(spy(), mine), "Submitted")
        mine.lmtPrice, mine.totalQuantity = 96.5, 150
        assert client.placeOrder(spy(), mine) is trade
        await until(lambda: trade.orderStatus.remaining == 150)
        (row,) = held(gateway)
        assert (row["limit_price"], row["quantity"]) == ("96.5", "150")
        mine.lmtPrice = 102.0
        client.placeOrder(spy(), mine)
        await status(trade, "Filled")
        assert len(gateway.ledger()["orders"]) == 1


@on_a_loop
async def test_modify_to_what_is_filled() -> None:
    """A quantity brought down to what is filled ends the order as filled."""
    async with running() as gateway, connected(gateway) as client:
        await control(gateway, "POST", "liquidity", {"symbol": "SPY", "size": "40"})
        mine = order(lmtPrice=105.0)
        trade = client.placeOrder(spy(), mine)
        await until(lambda: trade.orderStatus.filled == 40)
        mine.totalQuantity = 40
        client.placeOrder(spy(), mine)
        await status(trade, "Filled")
        assert held(gateway)[0]["state"] == "FILLED"


@pytest.mark.parametrize("status_first", [False, True])
@on_a_loop
async def test_cancel(*, status_first: bool) -> None:
    """A cancelled order is told by 202 and its status, in either order."""
    options = GatewayOptions(cancel_status_first=status_first)
    async with running(options) as gateway, connected(gateway) as client:
        trade = await status(client.placeOrder(spy(), order()), "Submitted")
        client.cancelOrder(trade.order, "20261122-15:00:00")
        await status(trade, "Cancelled")
        await until(lambda: codes(client) == [202])
        assert (held(gateway)[0]["state"], held(gateway)[0]["status"]) == ("CANCELLED", "Cancelled")


@on_a_loop
async def test_global_cancel() -> None:
    """The global cancel cancels everybody's orders."""
    async with running() as gateway, connected(gateway, 1) as one, connected(gateway, 2) as two:
        mine = await status(one.placeOrder(spy(), order()), "Submitted")
        other = await status(two.placeOrder(spy(), order()), "Submitted")
        one.reqGlobalCancel()
        await status(mine, "Cancelled")
        await status(other, "Cancelled")


async def bracketed(client: Any, *, quantity: float = 100) -> tuple[Any, Any, Any]:
    """A bracket of transmit F, F, T: a limit at 95, its target at 110 and its stop at 90."""
    bracket = client.bracketOrder("BUY", quantity, 95.0, 110.0, 90.0, tif="GTC")
    trades = [client.placeOrder(spy(), leg) for leg in bracket]
    await status(trades[0], "Submitted")
    await status(trades[2], "PreSubmitted")
    return trades[0], trades[1], trades[2]


@on_a_loop
async def test_bracket_target() -> None:
    """The children wait for the parent; when one fills, the other is cancelled."""
    async with running() as gateway, connected(gateway) as client:
        parent, target, stop = await bracketed(client)
        assert target.orderStatus.parentId == parent.order.orderId
        price(gateway, "110", "111")
        assert target.orderStatus.status == "PreSubmitted"
        price(gateway, "94", "95")
        await status(parent, "Filled")
        await status(target, "Submitted")
        price(gateway, "110", "111")
        await status(target, "Filled")
        await status(stop, "Cancelled")
        assert [row["state"] for row in held(gateway)] == ["FILLED", "FILLED", "CANCELLED"]


@on_a_loop
async def test_bracket_grows_with_its_parent() -> None:
    """Children work for what the parent has filled, and shrink each other."""
    async with running() as gateway, connected(gateway) as client:
        parent, target, stop = await bracketed(client)
        await control(gateway, "POST", "liquidity", {"symbol": "SPY", "size": "40"})
        price(gateway, "94", "95")
        await until(lambda: parent.orderStatus.filled == 40)
        price(gateway, "110", "111")
        await control(gateway, "POST", "liquidity", {"symbol": "SPY", "size": None})
        await until(lambda: target.orderStatus.filled == 40)
        await until(lambda: stop.orderStatus.remaining == 60)
        assert [row["quantity"] for row in held(gateway)] == ["100"] * 3
        client.cancelOrder(parent.order)
        await status(parent, "Cancelled")
        await status(target, "Filled")
        await status(stop, "Cancelled")


@on_a_loop
async def test_bracket_without_its_parent() -> None:
    """A parent that is cancelled unfilled takes its children along."""
    async with running() as gateway, connected(gateway) as client:
        parent, target, stop = await bracketed(client)
        client.cancelOrder(parent.order)
        for trade in (parent, target, stop):
            await status(trade, "Cancelled")
        assert [row["state"] for row in held(gateway)] == ["CANCELLED"] * 3


@on_a_loop
async def test_untransmitted() -> None:
    """An order that is not transmitted is not at the market; cancelled, it was ApiCancelled."""
    async with running() as gateway, connected(gateway) as client:
        trade = client.placeOrder(spy(), order("MKT", transmit=False))
        assert await client.reqOpenOrdersAsync() == [trade]
        assert held(gateway) == []
        client.cancelOrder(trade.order)
        await status(trade, "ApiCancelled")
        parent = client.placeOrder(spy(), order(transmit=False))
        child = order("MKT", "SELL", parentId=parent.order.orderId, transmit=False)
        orphan = client.placeOrder(spy(), child)
        client.cancelOrder(parent.order)
        await status(orphan, "ApiCancelled")
        trade = client.placeOrder(spy(), order("MKT", transmit=False))
        trade.order.transmit = True
        client.placeOrder(spy(), trade.order)
        await status(trade, "Filled")


@pytest.mark.parametrize("kind", [1, 2, 3])
@on_a_loop
async def test_one_cancels_all(kind: int) -> None:
    """Of a group that one fill goes through, the others are cancelled or shrink with it."""
    async with running() as gateway, connected(gateway) as client:
        group: dict[str, Any] = {"ocaGroup": "either", "ocaType": kind}
        first = client.placeOrder(spy(), order(**group))
        second = client.placeOrder(spy(), order("STP", auxPrice=120.0, **group))
        await status(second, "PreSubmitted")
        await control(gateway, "POST", "liquidity", {"symbol": "SPY", "size": "40"})
        price(gateway, "94", "95")
        await until(lambda: first.orderStatus.filled == 40)
        if kind == 1:
            await status(second, "Cancelled")
            return
        await until(lambda: second.orderStatus.remaining == 60)
        await control(gateway, "POST", "liquidity", {"symbol": "SPY", "size": None})
        await status(first, "Filled")
        await status(second, "Cancelled")


async def grouped(client: Any, **terms: Any) -> tuple[Any, Any]:
    """Two orders of one named group: a limit at 95 and a stop at 120."""
    group: dict[str, Any] = {"ocaGroup": "both", "ocaType": 2} | terms
    first = await status(client.placeOrder(spy(), order(**group)), "Submitted")
    stop = order("STP", auxPrice=120.0, **group)
    second = await status(client.placeOrder(spy(), stop), "PreSubmitted")
    return first, second


@pytest.mark.parametrize("kind", [1, 2, 3])
@pytest.mark.parametrize("by_hand", [False, True])
@on_a_loop
async def test_group_cancelled_together(*, kind: int, by_hand: bool) -> None:
    """A member that its client or a person cancels takes its group along, of whatever type."""
    async with running() as gateway, connected(gateway) as client:
        first, second = await grouped(client, ocaType=kind)
        if by_hand:
            one = {"broker_order_id": str(first.order.permId), "by_hand": True}
            await control(gateway, "POST", "orders/cancel", one)
        else:
            client.cancelOrder(first.order)
        await status(first, "Cancelled")
        await status(second, "Cancelled")


@pytest.mark.parametrize("state", ["CANCELLED", "REJECTED", "EXPIRED"])
@on_a_loop
async def test_a_member_that_the_system_ends(state: str) -> None:
    """It leaves the others of its group as they are."""
    async with running() as gateway, connected(gateway) as client:
        first, second = await grouped(client)
        one = {"broker_order_id": str(first.order.permId), "state": state}
        await control(gateway, "POST", "orders/cancel", one)
        await status(first, "Inactive" if state == "REJECTED" else "Cancelled")
        await client.reqCurrentTimeAsync()
        assert second.orderStatus.status == "PreSubmitted"
        assert [row["state"] for row in held(gateway)] == [state, "SUBMITTED"]


@pytest.mark.parametrize("filled", [False, True])
@on_a_loop
async def test_too_late_for_a_group(*, filled: bool) -> None:
    """A group that is over takes no more orders: its name serves once."""
    async with running() as gateway, connected(gateway) as client:
        first, _ = await grouped(client)
        if filled:
            price(gateway, "94", "95")
        else:
            client.cancelOrder(first.order)
        await status(first, "Filled" if filled else "Cancelled")
        late = client.placeOrder(spy(), order("STP", auxPrice=120.0, ocaGroup="both"))
        await status(late, "Inactive")
        assert f"already {'filled' if filled else 'cancelled'}" in client.errors[-1][2]
        assert held(gateway)[2:] == []


def change(trade: Any, **terms: Any) -> Any:
    """The order of a trade once more, with other terms: not the one that ib_insync keeps."""
    names = ("orderId", "permId", "action", "tif", "orderType")
    fields = {name: getattr(trade.order, name) for name in names}
    fields |= {"totalQuantity": 100.0, "auxPrice": 120.0}
    return ibi.Order(**(fields | terms))


@pytest.mark.parametrize(
    ("group", "code"),
    [({"ocaGroup": "both", "ocaType": 2}, 10326), ({"ocaGroup": "new"}, 10326), ({}, 10327)],
)
@pytest.mark.parametrize("ends", [False, True])
@on_a_loop
async def test_a_change_within_a_group(group: dict[str, Any], code: int, *, ends: bool) -> None:
    """It is refused, whether it names the group or not; some have seen the order end by that."""
    async with running() as gateway, connected(gateway) as client:
        _, second = await grouped(client)
        if ends:
            gateway.faults.arm({"kind": "refusal_ends", "on": "modify"})
        client.placeOrder(spy(), change(second, auxPrice=125.0, **group))
        await until(lambda: codes(client) == [code])
        await client.reqCurrentTimeAsync()
        rows = held(gateway)
        assert [row["state"] for row in rows] == ["SUBMITTED", "CANCELLED" if ends else "SUBMITTED"]
        assert rows[1]["stop_price"] == "120"


@on_a_loop
async def test_a_change_into_a_group() -> None:
    """An order that is in no group does not get into one either."""
    async with running() as gateway, connected(gateway) as client:
        stop = order("STP", auxPrice=120.0)
        trade = await status(client.placeOrder(spy(), stop), "PreSubmitted")
        client.placeOrder(spy(), change(trade, ocaGroup="late"))
        await until(lambda: codes(client) == [10326])
        assert held(gateway)[0]["oca_group"] == ""


@on_a_loop
async def test_a_change_of_a_bracket() -> None:
    """A bracket's child is in a group of TWS's own: a change that names none is made."""
    async with running() as gateway, connected(gateway) as client:
        _, _, stop = await bracketed(client)
        stop.order.auxPrice = 91.0
        client.placeOrder(spy(), stop.order)
        await until(lambda: held(gateway)[2]["stop_price"] == "91")


@on_a_loop
async def test_option_and_future() -> None:
    """Options and futures trade with their multipliers and their commissions."""
    async with running() as gateway, connected(gateway) as client:
        price(gateway, "5.1", "5.2", "SPY261218C00600000")
        price(gateway, "6000", "6000.25", "ESZ6")
        option = ibi.Option("SPY", "20261218", 600, "C", "SMART", multiplier="100", currency="USD")
        future = ibi.Future("ES", "202612", "CME")
        await client.qualifyContractsAsync(option, future)
        bought = client.placeOrder(option, order("MKT", quantity=2))
        sold = client.placeOrder(future, order("MKT", "SELL", quantity=1))
        await status(bought, "Filled")
        await status(sold, "Filled")
        rows = gateway.ledger()["executions"]
        assert [row["symbol"] for row in rows] == ["SPY261218C00600000", "ESZ6"]
        assert [row["multiplier"] for row in rows] == ["100", "50"]
        assert [row["commission"] for row in rows] == ["1.3000", "2.2500"]
        await until(lambda: len(client.portfolio()) == 2)
        costs = {item.contract.secType: item.averageCost for item in client.portfolio()}
        assert costs == {"OPT": 520.65, "FUT": 299997.75}


@on_a_loop
async def test_what_if() -> None:
    """A what-if order is answered with margins and commission, and is no order."""
    async with running() as gateway, connected(gateway) as client:
        state = await client.whatIfOrderAsync(spy(), order("MKT"))
        assert float(state.initMarginChange) == 5000
        assert float(state.equityWithLoanBefore) == 100_000_000
        assert (state.commission, state.commissionCurrency) == (1.0, "USD")
        assert held(gateway) == []


@on_a_loop
async def test_completed_orders() -> None:
    """What is over is told with what was filled; the quantity is what is left, as TWS has it."""
    async with running() as gateway, connected(gateway) as client:
        filled = client.placeOrder(spy(), order("MKT", orderRef="filled"))
        await status(filled, "Filled")
        resting = await status(client.placeOrder(spy(), order(orderRef="over")), "Submitted")
        client.cancelOrder(resting.order)
        await status(resting, "Cancelled")
        await status(client.placeOrder(spy(), order(orderRef="works")), "Submitted")
        over = await client.reqCompletedOrdersAsync(apiOnly=True)
        seen = {
            trade.order.orderRef: (
                trade.orderStatus.status,
                trade.order.totalQuantity,
                trade.order.filledQuantity,
                trade.order.permId,
            )
            for trade in over
        }
        assert seen == {
            "filled": ("Filled", 0, 100, filled.order.permId),
            "over": ("Cancelled", 100, 0, resting.order.permId),
        }


@on_a_loop
async def test_execution_filter() -> None:
    """Executions are filtered by client, account, symbol, kind, side and time."""
    async with running() as gateway, connected(gateway, 1) as client:
        price(gateway, "50", "51", "GBTC")
        await status(client.placeOrder(spy(), order("MKT")), "Filled")
        await status(client.placeOrder(spy(symbol="GBTC"), order("MKT", "SELL")), "Filled")
        for terms, wanted in (
            ({}, 2),
            ({"symbol": "GBTC"}, 1),
            ({"side": "BUY"}, 1),
            ({"side": "SELL", "symbol": "SPY"}, 0),
            ({"clientId": 2}, 0),
            ({"clientId": 1, "acctCode": "DU1234567", "secType": "STK"}, 2),
            ({"time": "20200101-00:00:00"}, 2),
            ({"time": "20990101 00:00:00 UTC"}, 0),
        ):
            found = await client.reqExecutionsAsync(ibi.ExecutionFilter(**terms))
            assert len(found) == wanted, terms


@on_a_loop
async def test_hours() -> None:
    """With the exchanges' hours, orders wait for the opening and say so; DAY ends with the day."""
    moment = datetime(2026, 11, 23, 13, tzinfo=UTC)
    options = GatewayOptions(enforce_hours=True)
    async with running(options, clock=lambda: moment) as gateway, connected(gateway) as client:
        waits = client.placeOrder(spy(), order(lmtPrice=105.0))
        early = client.placeOrder(spy(), order(lmtPrice=105.0, outsideRth=True))
        rests = client.placeOrder(spy(), order())
        await status(early, "Filled")
        await until(lambda: codes(client) == [399, 399])
        assert "2026-11-23 09:30:00 US/Eastern" in client.errors[-1][2]
        assert waits.orderStatus.status == "PreSubmitted"
        moment += timedelta(hours=1, minutes=30)
        await status(waits, "Filled")
        await status(rests, "Submitted")
        moment += timedelta(hours=6, minutes=30)
        await status(rests, "Cancelled")
        assert held(gateway)[2]["state"] == "EXPIRED"


@on_a_loop
async def test_good_after_time() -> None:
    """An order with goodAfterTime does not trade before."""
    moment = datetime(2026, 11, 23, 15, tzinfo=UTC)
    async with running(clock=lambda: moment) as gateway, connected(gateway) as client:
        trade = client.placeOrder(spy(), order("MKT", goodAfterTime="20261123-15:30:00"))
        await status(trade, "PreSubmitted")
        moment += timedelta(minutes=30)
        await status(trade, "Filled")
