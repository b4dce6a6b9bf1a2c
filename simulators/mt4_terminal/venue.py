"""A trade server with its terminal, put together: `await start()`, read the ports, `await stop()`.

The terminal talks to the bridge at `bridge_url` by itself; `port` is the trade server's own, where
the expert built with g++ connects. A restart is another Mt4Venue on the same folder and ports.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from simulators.control import control_app
from simulators.faults import Fault, Faults
from simulators.journal import Journal
from simulators.mt4_terminal.book import Book, ServerOptions
from simulators.mt4_terminal.crashes import CrashPoints
from simulators.mt4_terminal.interventions import intervention_routes
from simulators.mt4_terminal.port import TradePort
from simulators.mt4_terminal.runners import ExpertRunner, PythonRunner, Runner
from simulators.mt4_terminal.terminal import TerminalOptions
from simulators.mt4_terminal.trade_server import TradeServer
from simulators.served import ServedVenue, utc_now
from simulators.serving import HttpListener


class Mt4Venue(ServedVenue):
    """`terminal.folder` holds the terminal's journal; `state` is the trade server's memory.

    `expert` is the built Expert Advisor; without one the terminal in Python runs.
    """

    def __init__(
        self,
        terminal: TerminalOptions,
        options: ServerOptions | None = None,
        *,
        expert: Path | None = None,
        port: int = 0,
        control_port: int = 0,
        state: Path | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        terminal.folder.mkdir(parents=True, exist_ok=True)
        self._journal = Journal(state)
        self.server = TradeServer(
            Book(options if options is not None else ServerOptions(), self._journal, clock)
        )
        self.book = self.server.book
        self.crashes = CrashPoints(terminal.folder / "crash")
        self.may_trade = True
        self._allow_real = terminal.allow_real
        self._trade_port = TradePort(self.server, lambda: self.may_trade, port)
        self.runner: Runner
        if expert is None:
            self.runner = PythonRunner(terminal, self.server, self._may_trade_here, clock)
        else:
            self.runner = ExpertRunner(terminal, expert, lambda: self._trade_port.port)
        self._control = HttpListener(control_app(self, intervention_routes(self)), control_port)
        self._serve_on(self._trade_port, self._control, self._journal)

    @property
    def faults(self) -> Faults:
        """The trade server's armed faults."""
        return self.server.faults

    async def start(self) -> None:
        """Listen, and start the terminal."""
        await super().start()
        await self.runner.start()

    async def stop(self) -> None:
        """End everything at once; what was answered is written down."""
        await self.runner.stop()
        self.server.close_down()
        await super().stop()

    def ledger(self) -> dict[str, list[dict[str, Any]]]:
        """See `simulators.control.ControlledVenue`; quantities in units, ids as we gave them."""
        return {
            "orders": [order.as_json() for order in self.book.orders.values()],
            "executions": [trade.as_json() for trade in self.book.trades],
            "tickets": [ticket.as_json() for ticket in self.book.tickets.values()],
        }

    def set_price(self, symbol: str, bid: Decimal, ask: Decimal) -> None:
        """Set the market of a symbol in the project's spelling."""
        self.server.set_price(symbol + self.book.options.suffix, bid, ask)

    def set_balances(self, balances: dict[str, Decimal]) -> None:
        """Set the account's money. ValueError for a currency that is not the account's."""
        currency = self.book.options.currency
        if balances.keys() != {currency}:
            raise ValueError(f"an MT4 account holds {currency} and nothing else")
        self.book.balance = balances[currency]
        self.book.commit()

    def on_cleared(self, faults: Sequence[Fault]) -> None:
        """See `simulators.control.ControlledVenue`."""
        self.server.on_cleared(faults)

    def _may_trade_here(self) -> bool:
        """As the expert judges it: real money only where that was allowed by name."""
        return self.may_trade and (self._allow_real or not self.book.options.real)

    def pass_time(self) -> None:
        self.server.pass_time()
