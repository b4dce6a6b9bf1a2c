"""The IB gateway as its clients meet it: connecting, ids, accounts; and what the tests use.

Two clients look at it: bytes on a socket, and ib_insync, which knows nothing of the simulator.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, ParamSpec

import aiohttp
import pytest

from simulators.faults import FaultKind
from simulators.ib_gateway.gateway import SUPPORTED, IbGateway
from simulators.ib_gateway.options import GatewayOptions

DEADLINE_SECONDS = 10.0

Parameters = ParamSpec("Parameters")


async def _load() -> Any:
    """Import ib_insync in a running loop: it takes the loop that it finds."""
    import ib_insync  # noqa: PLC0415

    return ib_insync


ibi: Any = asyncio.run(_load())


def on_a_loop(case: Callable[Parameters, Coroutine[Any, Any, None]]) -> Callable[Parameters, None]:
    """Run a coroutine test on a loop of its own, which nothing may hold up for ever."""

    @functools.wraps(case)
    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> None:
        async def limited() -> None:
            async with asyncio.timeout(3 * DEADLINE_SECONDS):
                await case(*args, **kwargs)

        asyncio.run(limited())

    return run


async def until(condition: Callable[[], Any]) -> Any:
    """Wait until the condition is true; its value. TimeoutError after the deadline."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not (value := condition()):  # noqa: ASYNC110 - a library's state has no event
            await asyncio.sleep(0.002)
        return value


async def eventually(condition: Callable[[], Awaitable[Any]]) -> Any:
    """Wait until what the condition awaits is true; its value."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not (value := await condition()):  # noqa: ASYNC110 - it is asked over a wire
            await asyncio.sleep(0.002)
        return value


@asynccontextmanager
async def running(
    options: GatewayOptions | None = None, **settings: Any
) -> AsyncIterator[IbGateway]:
    """A gateway in this loop, with SPY at 99 to 101."""
    gateway = IbGateway(options, **settings)
    await gateway.start()
    gateway.set_price("SPY", Decimal(99), Decimal(101))
    try:
        yield gateway
    finally:
        await gateway.stop()
        while Wire.opened:
            await Wire.opened.pop().closed()


@asynccontextmanager
async def connected(gateway: IbGateway, client_id: int = 7, **options: Any) -> AsyncIterator[Any]:
    """An ib_insync client of the gateway; `errors` are the codes it was told."""
    client = ibi.IB()
    client.errors = []
    client.errorEvent += lambda *told: client.errors.append(told[:3])
    await client.connectAsync("127.0.0.1", gateway.port, client_id, timeout=5, **options)
    try:
        yield client
    finally:
        client.disconnect()
        await until(lambda: client_id not in gateway.sessions)


def codes(client: Any) -> list[int]:
    """The codes a client was told, without the notices of data farms."""
    return [code for _, code, _ in client.errors if not 2100 <= code < 2200]


def spy(**changes: Any) -> Any:
    """SPY as a client describes it."""
    return ibi.Stock(**{"symbol": "SPY", "exchange": "SMART", "currency": "USD", **changes})


def order(order_type: str = "LMT", side: str = "BUY", quantity: float = 100, **terms: Any) -> Any:
    """An order with a time in force; a limit that rests unless it says otherwise."""
    if order_type == "LMT":
        terms.setdefault("lmtPrice", 95.0)
    terms.setdefault("tif", "DAY")
    return ibi.Order(action=side, totalQuantity=quantity, orderType=order_type, **terms)


async def status(trade: Any, wanted: str) -> Any:
    """Wait until a trade has that status."""
    await until(lambda: trade.orderStatus.status == wanted)
    return trade


async def control(
    gateway: IbGateway, method: str, path: str, body: Any = None, *, refused: bool = False
) -> Any:
    """Ask the control port."""
    url = f"http://127.0.0.1:{gateway.control_port}/{path}"
    async with aiohttp.ClientSession() as session, session.request(method, url, json=body) as reply:
        answer = await reply.json()
    assert reply.status == (400 if refused else 200), answer
    return answer


async def arm(gateway: IbGateway, kind: FaultKind, **options: Any) -> None:
    """Arm a fault."""
    await control(gateway, "POST", "faults", {"kind": kind.value, **options})


def fired(gateway: IbGateway, kind: FaultKind) -> int:
    """How often faults of a kind have fired."""
    return int(gateway.faults.as_json()["fired"].get(kind.value, 0))


def held(gateway: IbGateway) -> list[dict[str, Any]]:
    """The orders in the gateway's ledger."""
    return gateway.ledger()["orders"]


class Wire:
    """A client that is nothing but a socket; `running` closes whatever is left open."""

    opened: ClassVar[list[Wire]] = []

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.greeting: Sequence[str] | None = None

    @classmethod
    async def open(cls, port: int) -> Wire:
        """Connect and say nothing."""
        wire = cls(*await asyncio.open_connection("127.0.0.1", port))
        cls.opened.append(wire)
        return wire

    @classmethod
    async def greeted(cls, port: int, client_id: int, versions: str = "v157..176") -> Wire:
        """Connect, shake hands and start the API."""
        wire = await cls.open(port)
        wire.raw(b"API\0" + _framed(versions.encode()))
        wire.greeting = await wire.read()
        wire.send(71, 2, client_id, "")
        return wire

    def raw(self, data: bytes) -> None:
        """Send bytes."""
        self.writer.write(data)

    def send(self, *fields: object) -> None:
        """Send a message."""
        self.raw(_framed(b"".join(str(field).encode() + b"\0" for field in fields)))

    async def read(self) -> list[str] | None:
        """The next message; None at the end."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            try:
                (size,) = struct.unpack(">I", await self.reader.readexactly(4))
                return (await self.reader.readexactly(size)).decode().split("\0")[:-1]
            except (asyncio.IncompleteReadError, ConnectionError):
                return None

    async def expect(self, message_id: int, *begins: object) -> list[str]:
        """The next message of that id that begins so; those before it are passed over."""
        while (message := await self.read()) is not None:
            if message[: len(begins) + 1] == [str(message_id), *map(str, begins)]:
                return message
        raise AssertionError(f"the connection ended before a message {message_id}")

    async def end(self) -> None:
        """Read to the end of the connection."""
        while await self.read() is not None:
            pass

    def close(self) -> None:
        """Close the connection."""
        self.writer.close()

    async def closed(self) -> None:
        """Close the connection, and wait until it is."""
        self.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()


def _framed(body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + body


@on_a_loop
async def test_handshake() -> None:
    """The first bytes are those of TWS: version and time, accounts, next id, data farms."""
    async with running() as gateway:
        wire = await Wire.greeted(gateway.port, 3)
        version, time = wire.greeting or []
        assert version == "176"
        assert time.endswith(" UTC")
        assert await wire.read() == ["15", "1", "DU1234567"]
        assert await wire.read() == ["9", "1", "1"]
        notices = [await wire.read() for _ in range(3)]
        assert [(notice or [])[3] for notice in notices] == ["2104", "2106", "2158"]
        assert all((notice or [])[:3] == ["4", "2", "-1"] for notice in notices)
        wire.close()


@pytest.mark.parametrize(
    "greeting",
    [b"GET / HTTP/1.1\r\n\r\n", b"API\0" + _framed(b"v100..151"), b"API\0" + _framed(b"hello")],
)
@on_a_loop
async def test_other_protocols(greeting: bytes) -> None:
    """Whoever speaks another protocol, or another version, is not let in."""
    async with running() as gateway:
        wire = await Wire.open(gateway.port)
        wire.raw(greeting)
        assert await wire.read() is None
        wire.close()


@on_a_loop
async def test_client_id_in_use() -> None:
    """A client id that is connected is refused with 326, and the line is cut; then it is free."""
    async with running() as gateway:
        first = await Wire.greeted(gateway.port, 3)
        await first.expect(9)
        second = await Wire.greeted(gateway.port, 3)
        assert (await second.expect(4))[3] == "326"
        await second.end()
        first.close()
        await until(lambda: 3 not in gateway.sessions)
        third = await Wire.greeted(gateway.port, 3)
        await third.expect(9)
        third.close()


@on_a_loop
async def test_ib_insync_synchronises(caplog: pytest.LogCaptureFixture) -> None:
    """Everything that connectAsync asks for is answered: it logs neither error nor time-out."""
    async with running() as gateway:
        with caplog.at_level(logging.INFO, logger="ib_insync"):
            async with connected(gateway) as client:
                assert client.managedAccounts() == ["DU1234567"]
                assert client.client.serverVersion() == 176
        logged = [record.getMessage() for record in caplog.records]
        assert "Synchronization complete" in logged
        assert not [text for text in logged if "timed out" in text]
        assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


@on_a_loop
async def test_two_clients_at_once() -> None:
    """Each client hears of its own orders only; open orders of all are for the asking."""
    async with running() as gateway, connected(gateway, 1) as one, connected(gateway, 2) as two:
        mine = one.placeOrder(spy(), order(orderRef="of one"))
        theirs = two.placeOrder(spy(), order(orderRef="of two", lmtPrice=94))
        await status(mine, "Submitted")
        await status(theirs, "Submitted")
        assert [trade.order.orderRef for trade in one.openTrades()] == ["of one"]
        everybody = await two.reqAllOpenOrdersAsync()
        assert {trade.order.orderRef for trade in everybody} == {"of one", "of two"}
        assert await one.reqOpenOrdersAsync() == [mine]


@on_a_loop
async def test_ids_are_each_clients_own() -> None:
    """Order ids of two clients do not meet, and go on where they left off."""
    async with running() as gateway:
        for client_id in (1, 2):
            async with connected(gateway, client_id) as client:
                placed = client.placeOrder(spy(), order(orderId=5))
                await status(placed, "Submitted")
        wire = await Wire.greeted(gateway.port, 1)
        assert await wire.expect(9) == ["9", "1", "6"]
        wire.send(8, 1, 1)
        assert await wire.expect(9) == ["9", "1", "6"]
        wire.close()


@on_a_loop
async def test_ids_above_those_seen() -> None:
    """Whoever has seen everybody's orders must use ids above all of theirs."""
    async with running() as gateway:
        async with connected(gateway, 1) as client:
            await status(client.placeOrder(spy(), order(orderId=40)), "Submitted")
        wire = await Wire.greeted(gateway.port, 2)
        wire.send(16, 1)
        await wire.expect(53)
        wire.send(8, 1, 1)
        assert await wire.expect(9, 1, 41)
        wire.close()


@on_a_loop
async def test_master_client() -> None:
    """The master client hears of every client's orders and executions."""
    options = GatewayOptions(master_client_id=9)
    async with (
        running(options) as gateway,
        connected(gateway, 9) as master,
        connected(gateway, 1) as client,
    ):
        client.placeOrder(spy(), order("MKT", orderRef="mine"))
        await until(master.fills)
        assert master.fills()[0].execution.orderRef == "mine"
        assert master.fills()[0].commissionReport.commission == 1.0


@on_a_loop
async def test_current_time() -> None:
    """The clock is told in whole seconds."""
    async with running() as gateway, connected(gateway) as client:
        told = await client.reqCurrentTimeAsync()
        assert abs((told - gateway.local_now()).total_seconds()) < 60


@on_a_loop
async def test_accounts_by_name() -> None:
    """Values of an unknown account are refused with 321."""
    options = GatewayOptions(accounts=("DU1", "DU2"))
    async with running(options) as gateway, connected(gateway, account="DU1") as client:
        assert client.managedAccounts() == ["DU1", "DU2"]
        client.client.reqAccountUpdatesMulti(500, "U9", "", ledgerAndNLV=False)
        await until(lambda: 321 in codes(client))


@on_a_loop
async def test_account_values() -> None:
    """Cash and worth are told exactly, and follow balances and trades."""
    async with running() as gateway:
        gateway.set_balances({"USD": Decimal("50000.25"), "EUR": Decimal("12.5")})
        async with connected(gateway) as client:
            values = {(value.tag, value.currency): value.value for value in client.accountValues()}
            assert values["CashBalance", "USD"] == "50000.25"
            assert values["CashBalance", "EUR"] == "12.5"
            client.placeOrder(spy(), order("MKT"))
            await until(client.portfolio)
            (held_now,) = client.portfolio()
            assert (held_now.position, held_now.averageCost) == (100, 101.01)
            assert held_now.marketPrice == 100
            summary = await client.accountSummaryAsync()
            told = {item.tag: item.value for item in summary}
            assert told["TotalCashValue"] == "39899.25"
            assert told["NetLiquidation"] == "49899.25"
            assert told["InitMarginReq"] == "5000"


@on_a_loop
async def test_positions_are_told() -> None:
    """A position is there for whoever asks, and its changes for whoever has asked."""
    async with running() as gateway, connected(gateway, 1) as client:
        async with connected(gateway, 2) as other:
            client.placeOrder(spy(), order("MKT"))
            await until(other.positions)
            (position,) = other.positions()
            assert (position.account, position.contract.symbol) == ("DU1234567", "SPY")
            assert position.position == 100
        wire = await Wire.greeted(gateway.port, 3)
        wire.send(74, 1, 55, "DU1234567", "")
        assert (await wire.expect(71))[2:4] == ["55", "DU1234567"]
        await wire.expect(72, 1, 55)
        wire.close()


@on_a_loop
async def test_rate_limit() -> None:
    """More than fifty messages a second are refused with 100; the third time cuts the line."""
    async with running() as gateway:
        wire = await Wire.greeted(gateway.port, 3)
        await wire.expect(9)
        for _ in range(53):
            wire.send(49, 1)
        answers = [await wire.expect(49) for _ in range(50)]
        assert len(answers) == 50
        assert (await wire.expect(4, 2, -1, 100))[4].startswith("Max rate")
        await wire.end()


@on_a_loop
async def test_what_is_not_done() -> None:
    """What the gateway does not have is refused with a code, under the request's id."""
    async with running() as gateway, connected(gateway) as client:
        bars = await client.reqHistoricalDataAsync(spy(), "", "1 D", "1 min", "TRADES", useRTH=True)
        assert list(bars) == []
        client.reqMktDepth(spy())
        await until(lambda: {162, 10092} <= set(codes(client)))
        assert await client.reqNewsProvidersAsync() == []
        wire = await Wire.greeted(gateway.port, 3)
        wire.send(999, 1)
        await wire.expect(4, 2, -1, 505)
        wire.close()


@on_a_loop
async def test_nonsense_is_survived() -> None:
    """A message that cannot be read ends its connection and no other."""
    async with running() as gateway, connected(gateway) as client:
        for nonsense in (
            b"\xff\xff\xff\xff",
            _framed(b""),
            _framed(b"3\x00x"),
            _framed(b"3\x005\0"),
        ):
            wire = await Wire.greeted(gateway.port, 3)
            await wire.expect(9)
            wire.raw(nonsense)
            await wire.expect(4, 2, -1, 322)
            await wire.end()
            await until(lambda: 3 not in gateway.sessions)
        assert await client.reqCurrentTimeAsync()


@on_a_loop
async def test_control_port(tmp_path: Path) -> None:
    """The control port answers health, lists clients, and says what is wrong with a request."""
    async with running(state=tmp_path / "state.jsonl") as gateway:
        async with connected(gateway, 4):
            assert await control(gateway, "GET", "health") == {"status": "ok"}
            clients = await control(gateway, "GET", "clients")
            assert clients == {"clients": [4], "entered": {"4": 1}}
        for path, body in (
            ("prices", {"symbol": "not a symbol", "bid": "1", "ask": "2"}),
            ("orders/cancel", {"venue_order_id": "nobody's"}),
            ("connectivity", {"code": 5}),
            ("data_access", {"symbol": "SPY", "access": "some"}),
            ("liquidity", {"symbol": "GBTC", "size": "1"}),
            ("close", {"symbol": "GBTC"}),
            ("executions", {"symbol": "SPY", "side": "BUY", "quantity": "1", "kind": "BUST"}),
            ("restart", {"seconds": -1}),
            ("drop", {"client_id": 12}),
        ):
            assert "error" in await control(gateway, "POST", path, body, refused=True), path


def test_faults_are_named() -> None:
    """Every fault that the gateway can commit is one that tests can arm."""
    assert {FaultKind.SWALLOW, FaultKind.LATE_REJECT, FaultKind.AMBIGUOUS} <= set(SUPPORTED)
