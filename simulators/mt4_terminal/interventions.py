"""What only this venue's control port can do.

POST /crash          {"at": POINT}: the terminal dies there, see simulators.mt4_terminal.crashes
GET  /terminal       {"running", "starts": how often it was started, "crashes": points to reach}
POST /terminal       {"running": true | false} starts or kills the terminal, {"restart": true} does
                     both; {"revives": false}: one that dies stays dead
POST /trading        {"account": true | false, "terminal": true | false}: the switches that allow it
POST /symbols        {"symbol", "loaded": true | false}: what terminals have loaded
POST /positions      {"symbol", "side", "lots"}: somebody trades by hand
POST /positions/close {"ticket", "lots"?}: somebody closes by hand
POST /orders/cancel  {"venue_order_id" | "broker_order_id", "state"?, "reason"?}: the server ends a
                     pending order
"""

from __future__ import annotations

from typing import Protocol

from aiohttp import web

from simulators.control import json_object, text_of
from simulators.decimals import parse_decimal
from simulators.mt4_terminal.book import Book
from simulators.mt4_terminal.crashes import CrashPoint, CrashPoints
from simulators.mt4_terminal.runners import Runner
from simulators.mt4_terminal.trade_server import TradeServer

_ENDS = frozenset({"CANCELLED", "EXPIRED", "REJECTED"})


class Intervened(Protocol):
    """What these routes need of the venue."""

    may_trade: bool
    runner: Runner
    crashes: CrashPoints
    server: TradeServer
    book: Book


def intervention_routes(venue: Intervened) -> list[web.RouteDef]:
    """The extra routes of the control port."""

    async def crash(request: web.Request) -> web.Response:
        venue.crashes.arm(CrashPoint(text_of(await json_object(request), "at")))
        return web.json_response({})

    async def terminal(_: web.Request) -> web.Response:
        return web.json_response(
            {
                "running": venue.runner.is_running,
                "starts": venue.runner.starts,
                "crashes": venue.crashes.armed(),
            }
        )

    async def run(request: web.Request) -> web.Response:
        body = await json_object(request)
        venue.runner.revives = bool(body.get("revives", venue.runner.revives))
        if body.get("restart") or body.get("running") is False:
            await venue.runner.stop()
        if body.get("restart") or body.get("running") is True:
            await venue.runner.start()
        return web.json_response({"starts": venue.runner.starts})

    async def trading(request: web.Request) -> web.Response:
        body = await json_object(request)
        venue.server.allows_trading = bool(body.get("account", venue.server.allows_trading))
        venue.may_trade = bool(body.get("terminal", venue.may_trade))
        venue.book.commit()
        return web.json_response({})

    async def symbols(request: web.Request) -> web.Response:
        body = await json_object(request)
        name = text_of(body, "symbol") + venue.book.options.suffix
        venue.book.load_symbol(name, loaded=bool(body.get("loaded")))
        venue.book.commit()
        return web.json_response({})

    async def by_hand(request: web.Request) -> web.Response:
        body = await json_object(request)
        name = text_of(body, "symbol") + venue.book.options.suffix
        lots = parse_decimal(body.get("lots"), "lots")
        ticket = venue.server.place_by_hand(name, text_of(body, "side"), lots)
        return web.json_response({"ticket": ticket})

    async def close_by_hand(request: web.Request) -> web.Response:
        body = await json_object(request)
        lots = parse_decimal(body["lots"], "lots") if "lots" in body else None
        venue.server.close_by_hand(int(body.get("ticket", 0)), lots)
        return web.json_response({})

    async def end(request: web.Request) -> web.Response:
        body = await json_object(request)
        _end(venue.book, body.get("venue_order_id"), body)
        return web.json_response({})

    return [
        web.post("/crash", crash),
        web.get("/terminal", terminal),
        web.post("/terminal", run),
        web.post("/trading", trading),
        web.post("/symbols", symbols),
        web.post("/positions", by_hand),
        web.post("/positions/close", close_by_hand),
        web.post("/orders/cancel", end),
    ]


def _end(book: Book, venue_order_id: str | None, body: dict[str, object]) -> None:
    """End a pending order from the server's side. ValueError when there is none."""
    state = body.get("state", "CANCELLED")
    for order in book.orders.values():
        named = venue_order_id == order.venue_order_id or (
            body.get("broker_order_id") == order.broker_order_id
        )
        ticket = book.tickets.get(int(order.broker_order_id.rstrip("C")))
        if named and ticket is not None and ticket.is_pending and ticket.is_open:
            if state not in _ENDS:
                break
            book.drop(ticket, str(state), str(body.get("reason", f"{state} by the venue")))
            book.commit()
            return
    raise ValueError(f"needs a pending order and a state of {', '.join(sorted(_ENDS))}")
