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

from .controlled import ControlledHarness
from .harness import DEADLINE_SECONDS, Ability, Trait, VenueHarness

_CLIENT = "client-" + "c" * 16
_TERMINAL = "terminal-" + "t" * 16
_SUFFIX = ".x"
_POLL_SECONDS = 0.005
_LOOK_SECONDS = 0.04


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


class _BridgeAndTerminal:
    """A bridge and a terminal with its trade server, as one simulator."""

    def __init__(self, folder: Path, port: int, control_port: int) -> None:
        settings = Settings(
            client_token=SecretStr(_CLIENT),
            terminal_token=SecretStr(_TERMINAL),
            database=folder / "bridge.sqlite3",
            port=port,
            stale_after=2.0,
        )
        self._folder, self._control_port = folder, control_port
        self._bridge = BridgeServer(settings)
        config = self._bridge._server.config
        app: Any = config.app
        way = config.app = _Faulty(app)
        self.faults = way.faults
        self._venue: Mt4Venue

    @property
    def port(self) -> int:
        return self._bridge.port

    @property
    def control_port(self) -> int:
        return self._venue.control_port

    async def start(self) -> None:
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
            control_port=self._control_port,
            state=self._folder / "server.jsonl",
        )
        await self._venue.start()

    async def stop(self) -> None:
        await self._venue.stop()
        await self._bridge.stop()


class Mt4Harness(ControlledHarness):
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
            Ability.REFUSES_EVERYBODY,
            Ability.HALTS,
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

    def simulator(self, port: int, control_port: int) -> _BridgeAndTerminal:
        self._rig = _BridgeAndTerminal(self.folder, port, control_port)
        return self._rig

    async def start(self) -> None:
        await super().start()
        await self._told()

    def adapter(self, *, impatient: bool = False) -> Broker:
        return MT4Adapter(
            self.url,
            _CLIENT,
            timeout=timedelta(seconds=self.answer_seconds if impatient else DEADLINE_SECONDS),
            poll_interval=timedelta(milliseconds=5),
            patience=timedelta(seconds=0.2),
            suffix=_SUFFIX,
        )

    async def set_price(self, bid: str, ask: str) -> None:
        await super().set_price(bid, ask)
        await self._told()

    async def set_balances(self, balances: dict[str, str]) -> None:
        await super().set_balances(balances)
        await self._told()

    async def arm(self, kind: FaultKind, **options: Any) -> None:
        """A refusal of a command is the trade server's; all else strikes the way to the bridge."""
        if kind is FaultKind.REJECT and options.get("on", "submit") != "query":
            await super().arm(kind, **options)
        else:
            self._rig.faults.arm({"kind": kind.value, **options})

    def refusal(self, scope: RejectionScope) -> dict[str, str]:
        codes = {
            RejectionScope.ORDER: "134",
            RejectionScope.SYMBOL: "132",
            RejectionScope.VENUE: "133",
            RejectionScope.TERMS: "131",
        }
        return {"code": codes[scope], "reason": codes[scope]}

    async def clear(self) -> None:
        self._rig.faults.clear()
        await super().clear()

    async def fired(self, kind: FaultKind) -> int:
        on_the_way = self._rig.faults.as_json()["fired"].get(kind.value, 0)
        return await super().fired(kind) + int(on_the_way)

    async def end_order(self, attempt: Attempt, state: OrderState, reason: str) -> None:
        await super().end_order(attempt, state, reason)
        await self._told()

    async def _told(self) -> None:
        """Wait until the terminal has told the bridge what is so now: it polls."""
        since = datetime.now(UTC)
        headers = {"Authorization": f"Bearer {_CLIENT}"}
        url = f"{self.url}/account"
        async with aiohttp.ClientSession(headers=headers) as session:
            async with asyncio.timeout(DEADLINE_SECONDS):
                polls = 0
                while polls < 2:
                    async with session.get(url) as reply:
                        told = await reply.json()
                    if reply.status == 200 and datetime.fromisoformat(told["as_of"]) > since:
                        polls, since = polls + 1, datetime.now(UTC)
                    await asyncio.sleep(_POLL_SECONDS)


HARNESSES: tuple[type[VenueHarness], ...] = (Mt4Harness,)
