"""Brings the ledger venue and its adapter into the contract suite, in the case's own loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import aiohttp

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
from simulators.decimals import plain
from simulators.faults import FaultKind
from simulators.ledger.book import VenueOptions
from simulators.ledger.venue import LedgerVenue
from workers.adapters.ledger import LedgerAdapter

from .harness import DEADLINE_SECONDS, Ability, HeldOrder, Ledger, VenueHarness


class LedgerHarness:
    """The ledger venue at its harshest: it takes the same client id again and again."""

    name: ClassVar[str] = "ledger"
    duplicate_ids: ClassVar[str] = "accept"
    faults: ClassVar[frozenset[FaultKind]] = frozenset(FaultKind)
    abilities: ClassVar[frozenset[Ability]] = frozenset(Ability)
    order_types: ClassVar[frozenset[OrderType]] = frozenset(OrderType) - {
        OrderType.MARKET_ON_CLOSE,
        OrderType.LIMIT_ON_CLOSE,
    }
    times_in_force: ClassVar[frozenset[TimeInForce]] = frozenset(TimeInForce)
    broker: ClassVar[BrokerName] = BrokerName.IBKR
    account: ClassVar[str] = "main"
    instrument: ClassVar[Instrument] = Instrument("SPY", AssetClass.EQUITY, "USD")
    unpriced: ClassVar[Instrument] = Instrument("GBTC", AssetClass.EQUITY, "USD")
    lot: ClassVar[Decimal] = Decimal(10)
    exact_quantities: ClassVar[Sequence[Decimal]] = (
        Decimal("0.123456789012345678"),
        Decimal("1E+5"),
        Decimal("1E-8"),
        Decimal("12345678901234.10"),
    )
    balances: ClassVar[Mapping[str, str]] = {
        "USD": "1000.50",
        "BTC": "0.123456789012345678",
    }
    clock_step: ClassVar[timedelta] = timedelta(milliseconds=2)
    answer_seconds: ClassVar[float] = 0.3

    def __init__(self, folder: Path) -> None:
        self._state = folder / "venue.jsonl"
        self._venue: LedgerVenue | None = None
        self._ports = (0, 0)

    async def start(self) -> None:
        """Start on the ports of the first time: clients find it again."""
        port, control_port = self._ports
        options = VenueOptions(duplicate_ids=self.duplicate_ids, account=self.account)
        self._venue = LedgerVenue(options, port=port, control_port=control_port, state=self._state)
        await self._venue.start()
        self._ports = (self._venue.port, self._venue.control_port)

    async def stop(self) -> None:
        if self._venue is not None:
            await self._venue.stop()
            self._venue = None

    def adapter(self, *, impatient: bool = False) -> Broker:
        return LedgerAdapter(
            self.broker,
            f"http://127.0.0.1:{self._ports[0]}",
            self.account,
            timeout=timedelta(seconds=self.answer_seconds if impatient else DEADLINE_SECONDS),
            poll_interval=timedelta(milliseconds=5),
            clock=lambda: datetime.now(UTC),
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
        return {"code": "-2010", "reason": "not today", "scope": scope.value}

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


class ProtectiveLedgerHarness(LedgerHarness):
    """The same venue, refusing a client id that it has ever seen."""

    name: ClassVar[str] = "ledger-refusing-duplicates"
    duplicate_ids: ClassVar[str] = "refuse"


HARNESSES: tuple[type[VenueHarness], ...] = (LedgerHarness, ProtectiveLedgerHarness)
