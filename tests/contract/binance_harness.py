"""Brings Binance's adapter into the contract suite, over HTTP to the simulated Binance."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import aiohttp
import trustme
from aiohttp.abc import AbstractResolver, ResolveResult

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
from simulators.binance.options import VenueOptions
from simulators.binance.venue import BinanceVenue
from simulators.decimals import plain
from simulators.faults import FaultKind
from workers.adapters.binance.adapter import BinanceAdapter

from .harness import DEADLINE_SECONDS, Ability, HeldOrder, Ledger, VenueHarness

_OPTIONS = VenueOptions(weight_limit=1_000_000, order_limit_10s=100_000, max_orders=1000)


class BinanceHarness:
    """A spot account with coins and dollars."""

    name: ClassVar[str] = "binance"
    faults: ClassVar[frozenset[FaultKind]] = frozenset(FaultKind)
    abilities: ClassVar[frozenset[Ability]] = frozenset(
        {
            Ability.RESTART,
            Ability.FENCE,
            Ability.UNFENCED,
            Ability.FENCE_IN_TRANSIT,
            Ability.QUERY_FAULTS,
            Ability.LIQUIDITY,
            Ability.EXECUTIONS,
            Ability.ENDS,
            Ability.BALANCES,
            Ability.RESENDS,
        }
    )
    order_types: ClassVar[frozenset[OrderType]] = frozenset(
        {OrderType.MARKET, OrderType.LIMIT, OrderType.STOP, OrderType.STOP_LIMIT}
    )
    times_in_force: ClassVar[frozenset[TimeInForce]] = frozenset(
        {TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK}
    )
    broker: ClassVar[BrokerName] = BrokerName.BINANCE
    account: ClassVar[str] = str(_OPTIONS.account_id)
    instrument: ClassVar[Instrument] = Instrument(
        "BTC-USDT", AssetClass.CRYPTO, "USDT", base_currency="BTC"
    )
    unpriced: ClassVar[Instrument] = Instrument(
        "DOT-USDT", AssetClass.CRYPTO, "USDT", base_currency="DOT"
    )
    lot: ClassVar[Decimal] = Decimal(1)
    exact_quantities: ClassVar[Sequence[Decimal]] = (
        Decimal("0.12345"),
        Decimal("1E+1"),
        Decimal("0.10000"),
        Decimal("123.45679"),
    )
    balances: ClassVar[Mapping[str, str]] = {"USDT": "1000.50", "BTC": "0.12345678"}
    clock_step: ClassVar[timedelta] = timedelta(milliseconds=2)
    answer_seconds: ClassVar[float] = 0.3

    def __init__(self, folder: Path) -> None:
        self._state = folder / "venue.jsonl"
        self._venue: BinanceVenue | None = None
        self._tls: ssl.SSLContext | None = None
        self._ports = (0, 0)

    async def start(self) -> None:
        """Start on the ports of the first time: clients find it again."""
        port, control_port = self._ports
        self._venue = BinanceVenue(
            _OPTIONS, port=port, control_port=control_port, state=self._state, tls=self._tls
        )
        await self._venue.start()
        self._ports = (self._venue.port, self._venue.control_port)

    async def stop(self) -> None:
        if self._venue is not None:
            await self._venue.stop()
            self._venue = None

    def adapter(self, *, impatient: bool = False) -> Broker:
        return self._adapter(f"http://127.0.0.1:{self._ports[0]}", impatient=impatient)

    def _adapter(
        self,
        url: str | None,
        *,
        impatient: bool,
        connector: Callable[[], aiohttp.BaseConnector] | None = None,
    ) -> Broker:
        async def traded() -> set[str]:
            return {self.instrument.symbol}

        return BinanceAdapter(
            key=_OPTIONS.api_key,
            secret=_OPTIONS.api_secret,
            testnet=False,
            url=url,
            timeout=timedelta(seconds=self.answer_seconds if impatient else DEADLINE_SECONDS),
            window=timedelta(seconds=2),
            poll_interval=timedelta(milliseconds=5),
            absence_proven_after=timedelta(milliseconds=250),
            traded=traded,
            is_real=False,
            connector=connector,
        )

    async def set_price(self, bid: str, ask: str) -> None:
        market = {"symbol": self.instrument.symbol, "bid": bid, "ask": ask}
        await self._control("POST", "prices", market)

    async def set_liquidity(self, size: Decimal | None, slice_size: Decimal | None = None) -> None:
        sizes = {"size": size, "slice": slice_size}
        limits = {name: None if value is None else plain(value) for name, value in sizes.items()}
        await self._control("POST", "liquidity", {"symbol": self.instrument.symbol, **limits})

    async def set_balances(self, balances: dict[str, str]) -> None:
        await self._control("POST", "balances", balances)

    async def arm(self, kind: FaultKind, **options: Any) -> None:
        await self._control("POST", "faults", {"kind": kind.value, **options})

    def refusal(self, scope: RejectionScope) -> dict[str, str]:
        words = {
            RejectionScope.ORDER: ("-2010", "Stop price would trigger immediately."),
            RejectionScope.VENUE: ("-2010", "Market is closed."),
            RejectionScope.TERMS: ("-1013", "Filter failure: NOTIONAL"),
        }
        code, reason = words[scope]
        return {"code": code, "reason": reason}

    async def clear(self) -> None:
        await self._control("DELETE", "faults")

    async def fired(self, kind: FaultKind) -> int:
        return int((await self._control("GET", "faults"))["fired"].get(kind.value, 0))

    async def report_execution(self, **fields: Any) -> None:
        await self._control("POST", "executions", fields)

    async def end_order(self, attempt: Attempt, state: OrderState, reason: str) -> None:
        order = {"venue_order_id": attempt.venue_order_id, "state": state.value, "reason": reason}
        await self._control("POST", "orders/cancel", order)

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

    async def _control(self, method: str, path: str, body: Any = None) -> Any:
        url = f"http://127.0.0.1:{self._ports[1]}/{path}"
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, url, json=body, raise_for_status=False) as reply,
        ):
            answer = await reply.json()
        assert reply.status == 200, answer
        return answer


class _OneAddress(AbstractResolver):
    """Finds every host at the simulator's port."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        del port, family
        return [
            ResolveResult(
                hostname=host,
                host="127.0.0.1",
                port=self._port,
                family=socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
        ]

    async def close(self) -> None:
        """Nothing is open."""


class BinanceByNameHarness(BinanceHarness):
    """The same under its real name and over TLS: ccxt reads some answers by the host's name."""

    name: ClassVar[str] = "binance-by-name"
    modules: ClassVar[frozenset[str]] = frozenset({"test_errors", "test_find", "test_connection"})

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._authority = trustme.CA()
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._authority.issue_cert("api.binance.com").configure_cert(self._tls)

    def adapter(self, *, impatient: bool = False) -> Broker:
        trusting = ssl.create_default_context()
        self._authority.configure_trust(trusting)

        def connector() -> aiohttp.BaseConnector:
            resolver = _OneAddress(self._ports[0])
            return aiohttp.TCPConnector(limit=0, ssl=trusting, resolver=resolver)

        return self._adapter(None, impatient=impatient, connector=connector)


HARNESSES: tuple[type[VenueHarness], ...] = (BinanceHarness, BinanceByNameHarness)
