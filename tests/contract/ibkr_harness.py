"""Brings Interactive Brokers' adapter into the contract suite, over TCP to a simulated gateway."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import ClassVar

from execution.domain.errors import RejectionScope
from execution.domain.instruments import Instrument, Listing
from execution.domain.ports import Attempt, Broker, Modification
from execution.domain.reports import Account, Execution, VenueOrder
from execution.domain.vocabulary import AssetClass, BrokerName, OrderType, TimeInForce
from simulators.faults import FaultKind
from simulators.ib_gateway.gateway import SUPPORTED, IbGateway
from simulators.ib_gateway.options import GatewayOptions
from tests.venues import NOON
from workers.adapters.ibkr.adapter import IBKRAdapter
from workers.adapters.ibkr.client_ids import OneClientId

from .controlled import ControlledHarness
from .harness import DEADLINE_SECONDS, Ability, Trait, VenueHarness

_OPTIONS = GatewayOptions()


class OrderIdsInMemory:
    """Order ids of one client id, as a table would keep them."""

    def __init__(self) -> None:
        self.taken: dict[str, int] = {}
        self._last = 0

    async def take(self, client_id: int, venue_order_id: str, above: int) -> tuple[int, bool]:
        del client_id
        if venue_order_id in self.taken:
            return self.taken[venue_order_id], True
        self._last = max(self._last, above) + 1
        self.taken[venue_order_id] = self._last
        return self._last, False

    async def release(self, client_id: int, venue_order_id: str) -> None:
        del client_id
        self.taken.pop(venue_order_id, None)


class ContractMapInMemory:
    """Symbols of contracts without a database."""

    def __init__(self) -> None:
        self.symbols: dict[int, str] = {}

    async def names(self, con_ids: Iterable[int]) -> Mapping[int, str]:
        return {one: self.symbols[one] for one in con_ids if one in self.symbols}

    async def contract_of(self, symbol: str) -> int | None:
        return next((one for one, known in self.symbols.items() if known == symbol), None)

    async def record(self, con_id: int, listing: Listing, *, ordered: bool) -> str:
        if ordered:
            self.symbols[con_id] = listing.symbol
        return self.symbols.setdefault(con_id, listing.symbol)


class Reconnecting(IBKRAdapter):
    """Connects again before it is asked something, as its session does when a connection ends."""

    async def _again(self) -> None:
        if self._line is not None and self._line.ended is not None:
            await self.connect()

    async def submit(self, attempt: Attempt) -> VenueOrder:
        await self._again()
        return await super().submit(attempt)

    async def cancel(self, attempt: Attempt) -> None:
        await self._again()
        await super().cancel(attempt)

    async def modify(self, attempt: Attempt, change: Modification) -> VenueOrder:
        await self._again()
        return await super().modify(attempt, change)

    async def find(self, attempt: Attempt) -> VenueOrder | None:
        await self._again()
        return await super().find(attempt)

    async def open_orders(self) -> Sequence[VenueOrder]:
        await self._again()
        return await super().open_orders()

    async def executions(self, since: datetime) -> Sequence[Execution]:
        await self._again()
        return await super().executions(since)

    async def account(self) -> Account:
        await self._again()
        return await super().account()


class IbkrHarness(ControlledHarness):
    """A paper account with dollars."""

    name: ClassVar[str] = "ibkr"
    # That a question overtakes the news of a fill, as FILL_BEFORE_STATUS has it at other venues,
    # cannot be here; tests/unit has what TWS does.
    faults: ClassVar[frozenset[FaultKind]] = SUPPORTED - {FaultKind.FILL_BEFORE_STATUS}
    abilities: ClassVar[frozenset[Ability]] = frozenset(
        {
            Ability.RESTART,
            Ability.LIQUIDITY,
            Ability.EXECUTIONS,
            Ability.ENDS,
            Ability.NETTING,
            Ability.SHORTING,
            Ability.POSITIONS,
            Ability.MODIFIES,
            Ability.STOPS_WORK_ON,
            Ability.CORRECTIONS,
            Ability.SAYS_IT_TOOK_NOTHING,
            Ability.REASONS,
            Ability.BALANCES,
            Ability.RESENDS,
        }
    )
    traits: ClassVar[frozenset[Trait]] = frozenset(Trait)
    order_types: ClassVar[frozenset[OrderType]] = frozenset(OrderType)
    times_in_force: ClassVar[frozenset[TimeInForce]] = frozenset(TimeInForce)
    broker: ClassVar[BrokerName] = BrokerName.IBKR
    account: ClassVar[str] = _OPTIONS.accounts[0]
    instrument: ClassVar[Instrument] = Instrument("SPY", AssetClass.EQUITY, "USD")
    unpriced: ClassVar[Instrument] = Instrument("QQQ", AssetClass.EQUITY, "USD")
    lot: ClassVar[Decimal] = Decimal(1)
    exact_quantities: ClassVar[Sequence[Decimal]] = (
        Decimal(1),
        Decimal("1E+1"),
        Decimal("100.0"),
        Decimal(12345),
    )
    balances: ClassVar[Mapping[str, str]] = {"USD": "1000.50", "EUR": "12.34"}
    clock_step: ClassVar[timedelta] = timedelta(seconds=1.1)
    answer_seconds: ClassVar[float] = 0.6

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._client_ids = itertools.count(1)

    def simulator(self, port: int, control_port: int) -> IbGateway:
        state = self.folder / "venue.jsonl"
        return IbGateway(_OPTIONS, port=port, control_port=control_port, state=state)

    def adapter(self, *, impatient: bool = False) -> Broker:
        return Reconnecting(
            host="127.0.0.1",
            port=self.ports[0],
            client_ids=OneClientId(next(self._client_ids)),
            account=self.account,
            timeout=timedelta(seconds=self.answer_seconds if impatient else DEADLINE_SECONDS),
            order_ids=OrderIdsInMemory(),
            contract_map=ContractMapInMemory(),
            zone=NOON,
        )

    def refusal(self, scope: RejectionScope) -> dict[str, str]:
        words = {
            RejectionScope.ORDER: ("201", "The exchange is closed."),
            RejectionScope.TERMS: ("387", "Unsupported order type for this exchange"),
        }
        code, reason = words[scope]
        return {"code": code, "reason": reason}


HARNESSES: tuple[type[VenueHarness], ...] = (IbkrHarness,)
