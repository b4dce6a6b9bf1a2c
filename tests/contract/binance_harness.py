"""Brings Binance's adapter into the contract suite, over HTTP to the simulated Binance."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import ClassVar

import aiohttp
import trustme
from aiohttp.abc import AbstractResolver, ResolveResult

from execution.domain.errors import RejectionScope
from execution.domain.instruments import Instrument
from execution.domain.ports import Broker
from execution.domain.reports import Held
from execution.domain.vocabulary import (
    AssetClass,
    BrokerName,
    OrderType,
    TimeInForce,
)
from simulators.binance.options import VenueOptions
from simulators.binance.venue import BinanceVenue
from simulators.faults import FaultKind
from workers.adapters.binance.adapter import BinanceAdapter

from .controlled import ControlledHarness
from .harness import DEADLINE_SECONDS, Ability, VenueHarness

_OPTIONS = VenueOptions(weight_limit=1_000_000, order_limit_10s=100_000, max_orders=1000)


class BinanceHarness(ControlledHarness):
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
            Ability.REFUSES_EVERYBODY,
            Ability.HALTS,
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
    instrument_key: ClassVar[str] = "BTCUSDT"
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
    answer_seconds: ClassVar[float] = 0.6
    _tls: ssl.SSLContext | None = None

    def simulator(self, port: int, control_port: int) -> BinanceVenue:
        state = self.folder / "venue.jsonl"
        return BinanceVenue(
            _OPTIONS, port=port, control_port=control_port, state=state, tls=self._tls
        )

    def adapter(self, *, impatient: bool = False) -> Broker:
        return self._adapter(self.url, impatient=impatient)

    def _adapter(
        self,
        url: str | None,
        *,
        impatient: bool,
        connector: Callable[[], aiohttp.BaseConnector] | None = None,
    ) -> Broker:
        async def traded() -> set[str]:
            return {self.instrument.symbol}

        async def held_before(at: datetime) -> Held:
            """As the account was opened: every trade is later."""
            del at
            return Held(_OPTIONS.balances, datetime(1970, 1, 1, tzinfo=UTC))

        return BinanceAdapter(
            key=_OPTIONS.api_key,
            secret=_OPTIONS.api_secret,
            testnet=False,
            url=url,
            timeout=timedelta(seconds=self.answer_seconds if impatient else DEADLINE_SECONDS),
            window=timedelta(seconds=2),
            poll_interval=timedelta(milliseconds=5),
            absence_proven_after=timedelta(milliseconds=250),
            resends_within=timedelta(seconds=60),
            traded=traded,
            held_before=held_before,
            is_real=False,
            connector=connector,
        )

    def refusal(self, scope: RejectionScope) -> dict[str, str]:
        words = {
            RejectionScope.ORDER: ("-2010", "Account has insufficient balance for requested"),
            RejectionScope.SYMBOL: ("-2010", "Market is closed."),
            RejectionScope.VENUE: ("-2010", "This account may not place or cancel orders."),
            RejectionScope.TERMS: ("-1013", "Filter failure: NOTIONAL"),
        }
        code, reason = words[scope]
        return {"code": code, "reason": reason}


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
            resolver = _OneAddress(self.ports[0])
            return aiohttp.TCPConnector(limit=0, ssl=trusting, resolver=resolver)

        return self._adapter(None, impatient=impatient, connector=connector)


HARNESSES: tuple[type[VenueHarness], ...] = (BinanceHarness, BinanceByNameHarness)
