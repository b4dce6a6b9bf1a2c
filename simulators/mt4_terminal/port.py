"""The trade server's own port, for a terminal in another process (the expert built with g++).

TCP on 127.0.0.1; a request is records that end with END, an answer too; one at a time.

STATE  version                               STATE, and when something changed ACCOUNT, SYMBOL,
                                             TICKET records
SEND   symbol type lots price deviation stop_loss take_profit comment magic expiration
CLOSE  ticket lots price deviation note      DELETE  ticket note
MODIFY ticket price stop_loss take_profit expiration note
                                             OK ticket, or ERROR code
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from decimal import Decimal

from simulators.mt4_terminal.errors import TradeError
from simulators.mt4_terminal.terminal import MayTrade
from simulators.mt4_terminal.tickets import Ticket
from simulators.mt4_terminal.trade_server import TradeServer
from simulators.mt4_terminal.wire import END, Record, read, write


class TradePort:
    """Listens on `port` (0 picks one) once `open` has been called."""

    def __init__(self, server: TradeServer, may_trade: MayTrade, port: int) -> None:
        self._server = server
        self._may_trade = may_trade
        self._listener: asyncio.Server | None = None
        self._connections: set[asyncio.StreamWriter] = set()
        self.port = port

    async def open(self) -> None:
        """Listen. OSError when the port is taken."""
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = int(self._listener.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop listening and drop every connection."""
        if self._listener is not None:
            self._listener.close()
            for writer in list(self._connections):
                writer.transport.abort()
            await self._listener.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        try:
            while True:
                request = read((await reader.readuntil(b"\n")).decode().rstrip("\n"))
                if request.kind == END:
                    continue
                lines = await self._answer(request)
                writer.write("".join(f"{line}\n" for line in [*lines, END]).encode())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the terminal went away: what it asked for last stands
        finally:
            self._connections.discard(writer)
            writer.close()

    async def _answer(self, request: Record) -> Iterable[str]:
        if request.kind == "STATE":
            return self._state(request.integer("version"))
        try:
            ticket = await self._trade(request)
        except TradeError as error:
            return [write("ERROR", {"code": error.code})]
        return [write("OK", {"ticket": ticket})]

    async def _trade(self, request: Record) -> int:
        number, note = request.integer("ticket"), request.text("note")
        price = _number(request, "price")
        stops = (_number(request, "stop_loss"), _number(request, "take_profit"))
        expiration = request.integer("expiration")
        if request.kind == "SEND":
            wanted = Ticket(
                ticket=0,
                symbol=request.text("symbol"),
                type=request.integer("type"),
                lots=_number(request, "lots"),
                open_time=0,
                open_price=price,
                magic=request.integer("magic"),
                comment=request.text("comment"),
                stop_loss=stops[0],
                take_profit=stops[1],
                expiration=expiration,
            )
            return await self._server.send(wanted, price, request.integer("deviation"))
        if request.kind == "CLOSE":
            lots = _number(request, "lots")
            await self._server.close(number, lots, price, request.integer("deviation"), note)
        elif request.kind == "DELETE":
            await self._server.delete(number, note)
        else:
            await self._server.modify(number, price, stops, expiration, note)
        return number

    def _state(self, version: int) -> Iterable[str]:
        book = self._server.book
        yield write(
            "STATE",
            {
                "version": book.version,
                "now_server": book.server_time,
                "connected": self._server.is_connected,
                "trade_allowed": self._may_trade(),
            },
        )
        if version == book.version:
            return
        options = book.options
        yield write(
            "ACCOUNT",
            {
                "login": options.login,
                "server": options.server,
                "company": options.company,
                "currency": options.currency,
                "balance": book.balance,
                "equity": book.equity(),
                "margin": book.margin(),
                "leverage": options.leverage,
                "demo": not options.real,
            },
        )
        for symbol in book.symbols.values():
            yield write("SYMBOL", symbol.as_json())
        for ticket in [*book.open_tickets(), *book.closed_tickets()]:
            yield write("TICKET", ticket.as_json() | {"profit": book.profit_of(ticket)})


def _number(request: Record, name: str) -> Decimal:
    """A number without the zeros that a double was padded with; 0 without one."""
    return Decimal(request.text(name) or 0).normalize() + Decimal(0)
