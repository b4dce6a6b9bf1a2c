"""Brings Interactive Brokers' adapter into the contract suite, over TCP to a simulated gateway."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import aiohttp

from execution.domain.errors import RejectionScope
from execution.domain.instruments import Instrument
from execution.domain.ports import Attempt, Broker, Modification
from execution.domain.reports import Account, Execution, VenueOrder
from execution.domain.vocabulary import AssetClass, BrokerName, OrderState, OrderType, TimeInForce
from simulators.decimals import plain
from simulators.faults import FaultKind
from simulators.ib_gateway.gateway import SUPPORTED, IbGateway
from simulators.ib_gateway.options import GatewayOptions
from workers.adapters.ibkr.adapter import IBKRAdapter
from workers.adapters.ibkr.client_ids import OneClientId

from .harness import DEADLINE_SECONDS, Ability, HeldOrder, Ledger, Trait, VenueHarness

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


class IbkrHarness:
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
    answer_seconds: ClassVar[float] = 0.3

    def __init__(self, folder: Path) -> None:
        self._state = folder / "venue.jsonl"
        self._gateway: IbGateway | None = None
        self._ports = (0, 0)
        self._client_ids = itertools.count(1)

    async def start(self) -> None:
        """Start on the ports of the first time: clients find it again."""
        port, control_port = self._ports
        self._gateway = IbGateway(_OPTIONS, port=port, control_port=control_port, state=self._state)
        await self._gateway.start()
        self._ports = (self._gateway.port, self._gateway.control_port)

    async def stop(self) -> None:
        if self._gateway is not None:
            await self._gateway.stop()
            self._gateway = None

    def adapter(self, *, impatient: bool = False) -> Broker:
        return Reconnecting(
            host="127.0.0.1",
            port=self._ports[0],
            client_ids=OneClientId(next(self._client_ids)),
            account=self.account,
            timeout=timedelta(seconds=self.answer_seconds if impatient else DEADLINE_SECONDS),
            order_ids=OrderIdsInMemory(),
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
            RejectionScope.ORDER: ("201", "YOUR ORDER IS NOT ACCEPTED. MINIMUM OF 2000 REQUIRED"),
            RejectionScope.VENUE: ("201", "The exchange is closed."),
            RejectionScope.TERMS: ("387", "Unsupported order type for this exchange"),
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


HARNESSES: tuple[type[VenueHarness], ...] = (IbkrHarness,)
