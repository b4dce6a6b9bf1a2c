"""The ledger venue put together: a book, its own port and its control port."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from simulators.control import control_app
from simulators.faults import Fault, FaultKind, Faults
from simulators.journal import Journal
from simulators.ledger.api import VenuePort
from simulators.ledger.book import Book, VenueOptions
from simulators.ledger.interventions import intervention_routes
from simulators.serving import HttpListener

# What only venues with rate limits, or that tell their clients unasked, can commit.
_NOT_HERE = frozenset(
    {
        FaultKind.RATE_LIMIT,
        FaultKind.MALFORMED,
        FaultKind.SWALLOW,
        FaultKind.LATE_REJECT,
        FaultKind.LATE_COMMISSION,
        FaultKind.LOCATE,
        FaultKind.AMBIGUOUS,
    }
)
# How often a fault that holds fills for some seconds is looked at.
_TICK_SECONDS = 0.02


def utc_now() -> datetime:
    """The venue's own clock."""
    return datetime.now(UTC)


class LedgerVenue:
    """A running venue: `await start()`, read `port` and `control_port`, `await stop()`.

    It may be started once; a restart is another LedgerVenue on the same `state` file.
    """

    def __init__(
        self,
        options: VenueOptions | None = None,
        *,
        port: int = 0,
        control_port: int = 0,
        state: Path | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self.faults = Faults(frozenset(FaultKind) - _NOT_HERE)
        self._journal = Journal(state)
        self.book = Book(options or VenueOptions(), self.faults, self._journal, clock)
        venue_port = VenuePort(self.book, self._disconnect)
        self._public = HttpListener(venue_port.app(), port)
        self._control = HttpListener(
            control_app(self, intervention_routes(self.book)), control_port
        )
        self._ticking: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """Where clients connect."""
        return self._public.port

    @property
    def control_port(self) -> int:
        """Where a test pulls the strings."""
        return self._control.port

    async def start(self) -> None:
        """Listen on both ports."""
        await self._public.open()
        await self._control.open()
        self._ticking = asyncio.create_task(self._tick())

    async def stop(self) -> None:
        """Drop every connection and stop at once; the journal is complete at any moment."""
        if self._ticking is not None:
            self._ticking.cancel()
        await self._public.close()
        await self._control.close()
        self._journal.close()

    def ledger(self) -> dict[str, list[dict[str, Any]]]:
        """See `simulators.control.ControlledVenue`."""
        self.book.expire()
        return {
            "orders": [order.as_json() for order in self.book.orders.values()],
            "executions": [trade.as_json() for trade in self.book.trades],
            "refusals": list(self.book.refusals),
        }

    def set_price(self, symbol: str, bid: Decimal, ask: Decimal) -> None:
        """See `simulators.control.ControlledVenue`."""
        self.book.set_price(symbol, bid, ask)

    def set_balances(self, balances: dict[str, Decimal]) -> None:
        """See `simulators.control.ControlledVenue`."""
        self.book.set_balances(balances)

    def on_cleared(self, faults: Sequence[Fault]) -> None:
        """See `simulators.control.ControlledVenue`."""
        self.book.release([fault for fault in faults if fault.kind is FaultKind.HOLD_FILLS])

    async def _disconnect(self, seconds: float) -> None:
        if seconds:
            await self._public.shut(seconds)
        else:
            self._public.drop_connections()

    async def _tick(self) -> None:
        """Time alone fills what was held for some seconds and ends what has expired."""
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            self.book.pass_time()
