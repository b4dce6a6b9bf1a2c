"""What the harnesses of all simulated venues share: the control port, and start and stop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, Protocol

import aiohttp

from execution.domain.instruments import Instrument
from execution.domain.ports import Attempt
from execution.domain.vocabulary import OrderState
from simulators.decimals import plain
from simulators.faults import FaultKind

from .harness import HeldOrder, Ledger


class Simulator(Protocol):
    """A simulated venue in this process."""

    @property
    def port(self) -> int: ...

    @property
    def control_port(self) -> int: ...

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class ControlledHarness(ABC):
    """Runs a simulator in the case's own loop, and does through its control port what it can."""

    instrument: ClassVar[Instrument]

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = (0, 0)
        self._venue: Simulator | None = None

    @abstractmethod
    def simulator(self, port: int, control_port: int) -> Simulator:
        """One that remembers what the last one in `folder` did; not started."""

    async def start(self) -> None:
        """Start on the ports of the first time: clients find it again."""
        self._venue = self.simulator(*self.ports)
        await self._venue.start()
        self.ports = (self._venue.port, self._venue.control_port)

    async def stop(self) -> None:
        if self._venue is not None:
            await self._venue.stop()
            self._venue = None

    @property
    def url(self) -> str:
        """Where the adapter finds it."""
        return f"http://127.0.0.1:{self.ports[0]}"

    async def set_price(self, bid: str, ask: str) -> None:
        market = {"symbol": self.instrument.symbol, "bid": bid, "ask": ask}
        await self.control("POST", "prices", market)

    async def set_liquidity(self, size: Decimal | None, slice_size: Decimal | None = None) -> None:
        sizes = {"size": size, "slice": slice_size}
        limits = {name: None if value is None else plain(value) for name, value in sizes.items()}
        await self.control("POST", "liquidity", {"symbol": self.instrument.symbol, **limits})

    async def set_balances(self, balances: dict[str, str]) -> None:
        await self.control("POST", "balances", balances)

    async def arm(self, kind: FaultKind, **options: Any) -> None:
        await self.control("POST", "faults", {"kind": kind.value, **options})

    async def clear(self) -> None:
        await self.control("DELETE", "faults")

    async def fired(self, kind: FaultKind) -> int:
        return int((await self.control("GET", "faults"))["fired"].get(kind.value, 0))

    async def report_execution(self, **fields: Any) -> None:
        await self.control("POST", "executions", fields)

    async def end_order(self, attempt: Attempt, state: OrderState, reason: str) -> None:
        order = {"venue_order_id": attempt.venue_order_id, "state": state.value, "reason": reason}
        await self.control("POST", "orders/cancel", order)

    async def ledger(self) -> Ledger:
        held = await self.control("GET", "ledger")
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

    async def control(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the control port."""
        url = f"http://127.0.0.1:{self.ports[1]}/{path}"
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, url, json=body, raise_for_status=False) as reply,
        ):
            answer = await reply.json()
        assert reply.status == 200, answer
        return answer
