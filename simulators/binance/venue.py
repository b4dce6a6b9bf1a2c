"""The simulated Binance put together: an exchange, its REST port and its control port."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from simulators.binance.exchange import Exchange
from simulators.binance.interventions import intervention_routes
from simulators.binance.ledger import ledger_execution, ledger_order
from simulators.binance.options import VenueOptions
from simulators.binance.port import RestPort
from simulators.binance.symbols import find_symbol
from simulators.control import control_app, text_of
from simulators.faults import COMMON, Fault, FaultKind, Faults
from simulators.journal import Journal
from simulators.served import ServedVenue, utc_now
from simulators.serving import HttpListener

SUPPORTED = COMMON | frozenset(
    {
        FaultKind.DUPLICATE_REPORT,
        FaultKind.FILL_BEFORE_STATUS,
        FaultKind.INVISIBLE,
        FaultKind.MALFORMED,
        FaultKind.RATE_LIMIT,
        FaultKind.SHUT_OUT,
        FaultKind.STRANGE_STATUS,
    }
)


class BinanceFaults(Faults):
    """Faults that take a symbol in either spelling."""

    def arm(self, body: Mapping[str, Any]) -> Fault:
        """See `Faults.arm`. ValueError for a symbol that does not trade here."""
        if body.get("symbol") is None:
            return super().arm(body)
        return super().arm({**body, "symbol": find_symbol(text_of(dict(body), "symbol")).dashed})


class BinanceVenue(ServedVenue):
    """A running venue: `await start()`, read `port` and `control_port`, `await stop()`.

    It may be started once; a restart is another BinanceVenue on the same `state` file. With `tls`
    the REST port speaks HTTPS; the control port never does.
    """

    def __init__(
        self,
        options: VenueOptions | None = None,
        *,
        port: int = 0,
        control_port: int = 0,
        state: Path | None = None,
        tls: ssl.SSLContext | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self.faults = BinanceFaults(SUPPORTED)
        self._clock = clock
        self._offset = 0
        self._journal = Journal(state)
        self.exchange = Exchange(
            options or VenueOptions(), self.faults, self._journal, self._milliseconds
        )
        self._public = HttpListener(RestPort(self.exchange, self._disconnect).app(), port, tls=tls)
        self._control = HttpListener(
            control_app(self, intervention_routes(self.exchange, self._set_offset)), control_port
        )
        self._serve_on(self._public, self._control, self._journal)

    def ledger(self) -> dict[str, list[dict[str, Any]]]:
        """See `simulators.control.ControlledVenue`."""
        store = self.exchange.store
        return {
            "orders": [ledger_order(order) for order in store.accepted],
            "executions": [
                ledger_execution(trade, store.books[trade.symbol].orders[trade.order_id])
                for trade in store.trades
            ],
            "refusals": list(self.exchange.refusals),
        }

    def set_price(self, symbol: str, bid: Decimal, ask: Decimal) -> None:
        """See `simulators.control.ControlledVenue`."""
        self.exchange.set_price(find_symbol(symbol).symbol, bid, ask)

    def set_balances(self, balances: dict[str, Decimal]) -> None:
        """See `simulators.control.ControlledVenue`."""
        self.exchange.set_balances(balances)

    def on_cleared(self, faults: Sequence[Fault]) -> None:
        """See `simulators.control.ControlledVenue`."""
        self.exchange.release([fault for fault in faults if fault.kind is FaultKind.HOLD_FILLS])

    def _set_offset(self, milliseconds: int) -> None:
        self._offset = milliseconds

    def _milliseconds(self) -> int:
        """The venue's own clock."""
        return int(self._clock().timestamp() * 1000) + self._offset

    async def _disconnect(self, seconds: float) -> None:
        if seconds:
            await self._public.shut(seconds)
        else:
            self._public.drop_connections()

    def pass_time(self) -> None:
        self.exchange.pass_time()
