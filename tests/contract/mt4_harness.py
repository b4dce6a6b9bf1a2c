"""Brings MT4's adapter into the contract suite: bridge, terminal and trade server on one loop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import aiohttp
from pydantic import SecretStr
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from execution.domain.errors import RejectionScope
from execution.domain.instruments import Instrument
from execution.domain.ports import Attempt, Broker
from execution.domain.vocabulary import (
    AssetClass,
    BrokerName,
    OrderState,
    OrderType,
    TimeInForce,
)
from mt4_bridge.server import BridgeServer
from mt4_bridge.settings import Settings
from simulators.faults import Fault, FaultKind, Faults
from simulators.mt4_terminal.book import ServerOptions
from simulators.mt4_terminal.terminal import TerminalOptions
from simulators.mt4_terminal.venue import Mt4Venue
from workers.adapters.mt4.adapter import MT4Adapter

from .harness import DEADLINE_SECONDS, Ability, HeldOrder, Ledger, Trait, VenueHarness

_CLIENT = "client-" + "c" * 16
_TERMINAL = "terminal-" + "t" * 16
_SUFFIX = ".x"
_POLL_SECONDS = 0.005
_LOOK_SECONDS = 0.4


class _Faulty:
    """The bridge's application, and what goes wrong between it and its client.

    An answer that is lost is one that breaks off: half of it arrives.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.faults = Faults(_ON_THE_WAY)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/terminal/"):
            await self._app(scope, receive, send)
            return
        body = await _whole(receive)
        operation, name = _operation(scope["path"], body)
        if await self._stopped(operation, name, send):
            return
        if fault := self._take(FaultKind.DELAY, operation, name):
            await asyncio.sleep(fault.seconds)
        said: list[Message] = []

        async def keep(message: Message) -> None:
            said.append(message)

        async def read() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, read, keep)
        if fault := self._take(FaultKind.DELAY_REPLY, operation, name):
            await asyncio.sleep(fault.seconds)
        if self._take(FaultKind.DROP_REPLY, operation, name):
            await _break_off(send)
        if fault := self._take(FaultKind.ERROR_REPLY, operation, name):
            await _answer(send, fault.status, {})
            return
        for message in said:
            await send(message)

    async def _stopped(self, operation: str, name: str | None, send: Send) -> bool:
        """Faults of which the bridge knows nothing."""
        if self._take(FaultKind.UNAVAILABLE, operation, name):
            await _answer(send, 503, {"code": "terminal_away", "reason": "armed"})
            return True
        if operation == "query" and self._take(FaultKind.REJECT, operation, name):
            await _answer(send, 404, {"code": "armed", "reason": "not today"})
            return True
        if self._take(FaultKind.DROP_REQUEST, operation, name):
            await _break_off(send)
        return False

    def _take(self, kind: FaultKind, operation: str, name: str | None) -> Fault | None:
        return self.faults.take(kind, operation, venue_order_id=name)


_ON_THE_WAY = frozenset(
    {
        FaultKind.DROP_REQUEST,
        FaultKind.DROP_REPLY,
        FaultKind.DELAY,
        FaultKind.DELAY_REPLY,
        FaultKind.ERROR_REPLY,
        FaultKind.UNAVAILABLE,
        FaultKind.REJECT,
    }
)


def _operation(path: str, body: bytes) -> tuple[str, str | None]:
    """What a request is to the suite, and the order that it is about."""
    if not path.startswith("/order/") or not body:
        return "query", None
    said = json.loads(body)
    if path == "/order/modify":
        return "modify", said.get("order_id")
    if path == "/order/close" and said.get("target") == "PENDING":
        return "cancel", said.get("order_id")
    return "submit", said.get("id")


async def _whole(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    return body


async def _answer(send: Send, status: int, body: dict[str, str]) -> None:
    text = json.dumps(body).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(text))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})


async def _break_off(send: Send) -> NoReturn:
    headers = [(b"content-length", b"1000"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"{", "more_body": True})
    raise ConnectionAbortedError("armed")


class Mt4Harness:
    """An account whose broker adds a suffix to every symbol."""

    name: ClassVar[str] = "mt4"
    faults: ClassVar[frozenset[FaultKind]] = frozenset(
        {
            FaultKind.DROP_REQUEST,
            FaultKind.DROP_REPLY,
            FaultKind.DELAY,
            FaultKind.DELAY_REPLY,
            FaultKind.ERROR_REPLY,
            FaultKind.UNAVAILABLE,
            FaultKind.REJECT,
        }
    )
    abilities: ClassVar[frozenset[Ability]] = frozenset(
        {
            Ability.RESTART,
            Ability.FENCE,
            Ability.FENCE_IN_TRANSIT,
            Ability.QUERY_FAULTS,
            Ability.SAYS_IT_TOOK_NOTHING,
            Ability.NETTING,
            Ability.SHORTING,
            Ability.POSITIONS,
            Ability.BALANCES,
            Ability.MOVES,
        }
    )
    traits: ClassVar[frozenset[Trait]] = frozenset({Trait.KEEPS_REFUSED})
    order_types: ClassVar[frozenset[OrderType]] = frozenset(
        {OrderType.MARKET, OrderType.LIMIT, OrderType.STOP}
    )
    times_in_force: ClassVar[frozenset[TimeInForce]] = frozenset({TimeInForce.GTC})
    broker: ClassVar[BrokerName] = BrokerName.MT4
    account: ClassVar[str] = "7001@Simulated-Demo"
    instrument: ClassVar[Instrument] = Instrument(
        "EURUSD", AssetClass.FX, "USD", base_currency="EUR"
    )
    unpriced: ClassVar[Instrument] = Instrument("GBPUSD", AssetClass.FX, "USD", base_currency="GBP")
    lot: ClassVar[Decimal] = Decimal(100_000)
    exact_quantities: ClassVar[Sequence[Decimal]] = (
        Decimal(1000),
        Decimal("1E+6"),
        Decimal("123000.00"),
    )
    balances: ClassVar[Mapping[str, str]] = {"USD": "1000.50"}
    answer_seconds: ClassVar[float] = 0.6
    clock_step: ClassVar[timedelta] = timedelta(seconds=1.1)

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._bridge: BridgeServer | None = None
        self._venue: Mt4Venue | None = None
        self._ports = (0, 0)

    async def start(self) -> None:
        """Start on the ports of the first time: clients find it again."""
        port, control_port = self._ports
        settings = Settings(
            client_token=SecretStr(_CLIENT),
            terminal_token=SecretStr(_TERMINAL),
            database=self._folder / "bridge.sqlite3",
            port=port,
            stale_after=2.0,
        )
        self._bridge = BridgeServer(settings)
        config = self._bridge._server.config
        app: Any = config.app
        self._way = config.app = _Faulty(app)
        await self._bridge.start()
        terminal = TerminalOptions(
            bridge_url=self._bridge.url,
            token=_TERMINAL,
            folder=self._folder / "terminal",
            poll_seconds=_POLL_SECONDS,
            look_seconds=_LOOK_SECONDS,
            retry_seconds=0.02,
            request_timeout=2.0,
        )
        self._venue = Mt4Venue(
            terminal,
            ServerOptions(suffix=_SUFFIX),
            control_port=control_port,
            state=self._folder / "server.jsonl",
        )
        await self._venue.start()
        self._ports = (self._bridge.port, self._venue.control_port)
        await self._told()

    async def stop(self) -> None:
        if self._venue is not None:
            await self._venue.stop()
            self._venue = None
        if self._bridge is not None:
            await self._bridge.stop()
            self._bridge = None

    def adapter(self, *, impatient: bool = False) -> Broker:
        return MT4Adapter(
            f"http://127.0.0.1:{self._ports[0]}",
            _CLIENT,
            timeout=timedelta(seconds=self.answer_seconds if impatient else DEADLINE_SECONDS),
            poll_interval=timedelta(milliseconds=5),
            patience=timedelta(seconds=0.2),
            suffix=_SUFFIX,
        )

    async def set_price(self, bid: str, ask: str) -> None:
        market = {"symbol": self.instrument.symbol, "bid": bid, "ask": ask}
        await self._control("POST", "prices", market)
        await self._told()

    async def set_liquidity(self, size: Decimal | None, slice_size: Decimal | None = None) -> None:
        raise NotImplementedError  # a market without depth

    async def set_balances(self, balances: dict[str, str]) -> None:
        await self._control("POST", "balances", balances)
        await self._told()

    async def arm(self, kind: FaultKind, **options: Any) -> None:
        """A refusal of a command is the trade server's; all else strikes the way to the bridge."""
        body = {"kind": kind.value, **options}
        if kind is FaultKind.REJECT and options.get("on", "submit") != "query":
            await self._control("POST", "faults", body)
        else:
            self._way.faults.arm(body)

    def refusal(self, scope: RejectionScope) -> dict[str, str]:
        codes = {
            RejectionScope.ORDER: "134",
            RejectionScope.VENUE: "133",
            RejectionScope.TERMS: "131",
        }
        return {"code": codes[scope], "reason": codes[scope]}

    async def clear(self) -> None:
        self._way.faults.clear()
        await self._control("DELETE", "faults")

    async def fired(self, kind: FaultKind) -> int:
        there = (await self._control("GET", "faults"))["fired"].get(kind.value, 0)
        return int(there) + int(self._way.faults.as_json()["fired"].get(kind.value, 0))

    async def report_execution(self, **fields: Any) -> None:
        raise NotImplementedError  # a trade by hand is a ticket, not an execution of an order

    async def end_order(self, attempt: Attempt, state: OrderState, reason: str) -> None:
        order = {"venue_order_id": attempt.venue_order_id, "state": state.value, "reason": reason}
        await self._control("POST", "orders/cancel", order)
        await self._told()

    async def ledger(self) -> Ledger:
        held = await self._control("GET", "ledger")
        return Ledger(
            orders=tuple(
                HeldOrder(
                    venue_order_id=order["venue_order_id"],
                    state=order["state"],
                    quantity=Decimal(order["quantity"]),
                    limit_price=order["limit_price"] and Decimal(order["limit_price"]),
                )
                for order in held["orders"]
            ),
            execution_ids=tuple(execution["execution_id"] for execution in held["executions"]),
        )

    async def _told(self) -> None:
        """Wait until the terminal has told the bridge what is so now: it polls."""
        since = datetime.now(UTC)
        headers = {"Authorization": f"Bearer {_CLIENT}"}
        url = f"http://127.0.0.1:{self._ports[0]}/account"
        async with aiohttp.ClientSession(headers=headers) as session:
            async with asyncio.timeout(DEADLINE_SECONDS):
                polls = 0
                while polls < 2:
                    async with session.get(url) as reply:
                        told = await reply.json()
                    if reply.status == 200 and datetime.fromisoformat(told["as_of"]) > since:
                        polls, since = polls + 1, datetime.now(UTC)
                    await asyncio.sleep(_POLL_SECONDS)

    async def _control(self, method: str, path: str, body: Any = None) -> Any:
        url = f"http://127.0.0.1:{self._ports[1]}/{path}"
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, url, json=body, raise_for_status=False) as reply,
        ):
            answer = await reply.json()
        assert reply.status == 200, answer
        return answer


HARNESSES: tuple[type[VenueHarness], ...] = (Mt4Harness,)
