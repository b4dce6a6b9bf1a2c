"""What the IB gateway remembers: clients that come back, its daily restart, kill -9."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp

from .test_ib_gateway import (
    DEADLINE_SECONDS,
    Wire,
    codes,
    connected,
    control,
    eventually,
    held,
    ibi,
    on_a_loop,
    order,
    running,
    spy,
    status,
    until,
)


@on_a_loop
async def test_orders_outlive_the_connection() -> None:
    """Orders work while nobody is connected; a client that returns finds them, and its fills."""
    async with running() as gateway:
        async with connected(gateway) as client:
            await status(
                client.placeOrder(spy(), order(orderRef="works", lmtPrice=90)), "Submitted"
            )
            await status(
                client.placeOrder(spy(), order(orderRef="fills", lmtPrice=95)), "Submitted"
            )
        gateway.set_price("SPY", Decimal(94), Decimal(95))
        async with connected(gateway) as client:
            (trade,) = client.openTrades()
            (fill,) = client.fills()
            assert trade.order.orderRef == "works"
            assert fill.execution.orderRef == "fills"
            assert fill.commissionReport.commission == 1
            client.cancelOrder(trade.order)
            await status(trade, "Cancelled")


@on_a_loop
async def test_daily_restart() -> None:
    """Every socket closes, the port is shut, then all is there again but what was over."""
    async with running() as gateway, connected(gateway, 1) as one, connected(gateway, 2) as two:
        mine = await status(one.placeOrder(spy(), order(tif="GTC")), "Submitted")
        day = await status(two.placeOrder(spy(), order()), "Submitted")
        filled = await status(one.placeOrder(spy(), order("MKT")), "Filled")
        one.placeOrder(spy(), order(transmit=False))
        await control(gateway, "POST", "restart", {"seconds": 1, "end_day": True})
        await until(lambda: not one.isConnected() and not two.isConnected())
        assert day.orderStatus.status in {"Submitted", "Cancelled"}
        assert await _refuses(gateway.port)

        async def returns() -> Any:
            client = ibi.IB()
            try:
                return await client.connectAsync("127.0.0.1", gateway.port, 1, timeout=5)
            except OSError:
                return None

        again = await eventually(returns)
        assert [trade.order.permId for trade in again.openTrades()] == [mine.order.permId]
        assert again.fills() == []
        wire = await Wire.greeted(gateway.port, 3)
        wire.close()
        again.cancelOrder(filled.order)
        told: list[int] = []
        again.errorEvent += lambda _, code, *__: told.append(code)
        await until(lambda: 10147 in told)
        assert [row["state"] for row in held(gateway)] == ["SUBMITTED", "EXPIRED", "FILLED"]
        again.disconnect()


async def _refuses(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return True
    writer.close()
    return False


@on_a_loop
async def test_journal(tmp_path: Path) -> None:
    """Another gateway on the same file has everything: orders, fills, ids, prices, balances."""
    state = tmp_path / "gateway.jsonl"
    async with running(state=state) as gateway:
        await control(gateway, "POST", "contracts", {"symbol": "NEWCO", "listed_at": "NYSE"})
        gateway.set_price("NEWCO", Decimal(10), Decimal(11))
        gateway.set_balances({"USD": Decimal(70000)})
        async with connected(gateway) as client:
            await status(client.placeOrder(spy(), order("MKT")), "Filled")
            await status(client.placeOrder(spy(symbol="NEWCO"), order(lmtPrice=9.5)), "Submitted")
            bracket = client.bracketOrder("BUY", 10, 95.0, 110.0, 90.0, tif="GTC")
            legs = [client.placeOrder(spy(), leg) for leg in bracket]
            await status(legs[0], "Submitted")
            await status(legs[2], "PreSubmitted")
        before = gateway.ledger()
    async with running(state=state) as gateway:
        assert gateway.ledger() == before | {"refusals": []}
        gateway.set_price("NEWCO", Decimal(9), Decimal("9.5"))
        gateway.set_price("SPY", Decimal(94), Decimal(95))
        gateway.set_price("SPY", Decimal(110), Decimal(111))
        states = [row["state"] for row in held(gateway)]
        assert states == ["FILLED", "FILLED", "FILLED", "FILLED", "CANCELLED"]
        async with connected(gateway) as client:
            assert len(client.fills()) == 4
            assert len({fill.execution.execId for fill in client.fills()}) == 4
            assert len(client.positions()) == 2
            wire = await Wire.greeted(gateway.port, 8)
            wire.send(71, 2, 8, "")
            assert client.client.getReqId() > 5


@on_a_loop
async def test_ids_of_contracts_stay(tmp_path: Path) -> None:
    """Whoever has a contract's id only finds it after a restart, options and new shares too."""
    state = tmp_path / "gateway.jsonl"
    async with running(state=state) as gateway, connected(gateway) as client:
        gateway.set_price("NEWER", Decimal(1), Decimal(2))
        listed = ibi.Option("SPY", "20261218", 600, "C", "SMART")
        unlisted = ibi.Option("QQQ", "20261218", 500, "P", "SMART")
        new = spy(symbol="NEWER")
        await client.qualifyContractsAsync(listed, new)
    async with running(state=state) as gateway, connected(gateway) as client:
        for contract in (listed, new):
            bare = ibi.Contract(conId=contract.conId, exchange="SMART")
            (found,) = await client.reqContractDetailsAsync(bare)
            assert found.contract.localSymbol == contract.localSymbol
        await client.qualifyContractsAsync(unlisted)
    async with running() as gateway, connected(gateway) as client:
        await status(client.placeOrder(unlisted, order(lmtPrice=1.0)), "Submitted")


@on_a_loop
async def test_commission_that_was_due(tmp_path: Path) -> None:
    """A commission that was late when the gateway died is charged when it is back."""
    state = tmp_path / "gateway.jsonl"
    async with running(state=state) as gateway, connected(gateway) as client:
        await control(gateway, "POST", "faults", {"kind": "late_commission"})
        await status(client.placeOrder(spy(), order("MKT")), "Filled")
    async with running(state=state) as gateway:
        assert gateway.ledger()["executions"][0]["commission"] == "1.0000"


class Process:
    """The gateway as a process of its own."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "simulators.ib_gateway", *arguments],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        said = json.loads(self.process.stdout.readline())
        self.port, self.control_port = said["port"], said["control_port"]

    def kill(self, number: int = signal.SIGKILL) -> int:
        """End it, and give its exit status."""
        self.process.send_signal(number)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return self.process.wait(DEADLINE_SECONDS)

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the control port."""
        url = f"http://127.0.0.1:{self.control_port}/{path}"
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, url, json=body) as it,
        ):
            return await it.json()


@asynccontextmanager
async def client_of(port: int, client_id: int = 7) -> AsyncIterator[Any]:
    """An ib_insync client of a process."""
    client = ibi.IB()
    await client.connectAsync("127.0.0.1", port, client_id, timeout=5)
    try:
        yield client
    finally:
        client.disconnect()


@on_a_loop
async def test_kill(tmp_path: Path) -> None:
    """A kill -9 forgets nothing that was told: orders, fills and ids are there on the same port."""
    arguments = ("--state", str(tmp_path / "state.jsonl"), "--account", "DU42")
    gateway = Process(*arguments)
    try:
        await gateway.ask("POST", "prices", {"symbol": "SPY", "bid": "99", "ask": "101"})
        async with client_of(gateway.port) as client:
            assert client.managedAccounts() == ["DU42"]
            filled = await status(client.placeOrder(spy(), order("MKT", orderRef="a")), "Filled")
            await status(client.placeOrder(spy(), order(orderRef="b", tif="GTC")), "Submitted")
            gateway.kill()
            await until(lambda: not client.isConnected())
        ports = ("--port", str(gateway.port), "--control-port", str(gateway.control_port))
        gateway = Process(*arguments, *ports)
        async with client_of(gateway.port) as client:
            (trade,) = client.openTrades()
            (fill,) = client.fills()
            assert trade.order.orderRef == "b"
            assert fill.execution.execId == filled.fills[0].execution.execId
            assert fill.execution.permId == filled.order.permId
            assert [position.position for position in client.positions()] == [100]
            await gateway.ask("POST", "prices", {"symbol": "SPY", "bid": "94", "ask": "95"})
            await status(trade, "Filled")
    finally:
        gateway.kill()


@on_a_loop
async def test_ends_on_sigterm() -> None:
    """SIGTERM ends it cleanly, with a client connected, and nothing is said on stderr."""
    gateway = Process("--account", "U77", "--default-price", "50", "--master-client-id", "3")
    try:
        async with client_of(gateway.port) as client:
            assert client.managedAccounts() == ["U77"]
            await status(client.placeOrder(spy(), order("MKT")), "Filled")
            assert gateway.kill(signal.SIGTERM) == 0
            await until(lambda: not client.isConnected())
    finally:
        if gateway.process.poll() is None:
            gateway.kill()


@on_a_loop
async def test_errors_after_reconnect() -> None:
    """A client that reconnects hears no old errors."""
    async with running() as gateway:
        async with connected(gateway) as client:
            client.placeOrder(spy(symbol="NOSUCH"), order())
            await until(lambda: codes(client) == [200])
        async with connected(gateway) as client:
            assert codes(client) == []


@on_a_loop
async def test_short_sale_that_waits(tmp_path: Path) -> None:
    """A sale that waits for shares waits on after a restart, until there are some."""
    state = tmp_path / "gateway.jsonl"
    none = {"symbol": "SPY", "shares": 0, "locate": True}
    async with running(state=state) as gateway, connected(gateway) as client:
        await control(gateway, "POST", "shortable", none)
        await control(gateway, "POST", "faults", {"kind": "late_reject", "seconds": 60})
        await status(client.placeOrder(spy(), order(lmtPrice=96)), "Submitted")
        trade = client.placeOrder(spy(), order("MKT", "SELL"))
        await until(lambda: trade.orderStatus.whyHeld == "locate")
    async with running(state=state) as gateway, connected(gateway) as client:
        gateway.set_price("SPY", Decimal(95), Decimal(96))
        assert [row["state"] for row in held(gateway)] == ["FILLED", "SUBMITTED"]
        await control(gateway, "POST", "shortable", none | {"shares": 100})
        await until(lambda: [row["state"] for row in held(gateway)] == ["FILLED"] * 2)


@on_a_loop
async def test_freeze() -> None:
    """A gateway that hangs takes connections and says nothing; then it goes on where it was."""
    async with running() as gateway, connected(gateway) as client:
        trade = await status(client.placeOrder(spy(), order()), "Submitted")
        await control(gateway, "POST", "freeze", {"seconds": 1})
        gateway.set_price("SPY", Decimal(94), Decimal(95))
        wire = await Wire.open(gateway.port)
        wire.raw(b"API\0" + b"\0\0\0\x09v157..176")
        unread = client.placeOrder(spy(), order())
        for _ in range(3):
            await control(gateway, "GET", "health")
        assert [row["state"] for row in held(gateway)] == ["FILLED"]
        assert trade.orderStatus.status == "Submitted"
        await status(trade, "Filled")
        await status(unread, "Filled")
        assert (await wire.read() or [])[0] == "176"
