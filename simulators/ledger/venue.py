"""The ledger venue put together: a book, its own port and its control port."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from simulators.control import control_app
from simulators.faults import COMMON, Fault, FaultKind, Faults
from simulators.journal import Journal
from simulators.ledger.api import VenuePort
from simulators.ledger.book import Book, VenueOptions
from simulators.ledger.interventions import intervention_routes
from simulators.served import ServedVenue, utc_now
from simulators.serving import HttpListener

SUPPORTED = COMMON | frozenset(
    {
        FaultKind.DUPLICATE_REPORT,
        FaultKind.FILL_BEFORE_STATUS,
    }
)


class LedgerVenue(ServedVenue):
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
        self.faults = Faults(SUPPORTED)
        self._journal = Journal(state)
        self.book = Book(options or VenueOptions(), self.faults, self._journal, clock)
        venue_port = VenuePort(self.book, self._disconnect)
        self._public = HttpListener(venue_port.app(), port)
        self._control = HttpListener(
            control_app(self, intervention_routes(self.book)), control_port
        )
        self._serve_on(self._public, self._control, self._journal)

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

    def pass_time(self) -> None:
        self.book.pass_time()
