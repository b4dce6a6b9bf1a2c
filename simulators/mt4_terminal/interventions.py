"""What only this venue's control port can do.

POST /crash          {"at": POINT}: the terminal dies there, see simulators.mt4_terminal.crashes
GET  /terminal       {"running", "starts": how often it was started, "crashes": points to reach}
POST /terminal       {"running": true | false} starts or kills the terminal, {"restart": true} does
                     both; {"revives": false}: one that dies stays dead
POST /trading        {"account": true | false, "terminal": true | false}: the switches that allow it
POST /clock          {"server_offset"}: seconds that the server's clock is ahead of UTC from now on
POST /symbols        {"symbol", "loaded": true | false}: what terminals have loaded
POST /positions      {"symbol", "side", "lots"}: somebody trades by hand
POST /positions/close {"ticket", "lots"?}: somebody closes by hand
POST /positions/close_by {"ticket", "by"}: somebody closes two opposite positions by each other
POST /positions/stop_out {"ticket"}: the broker closes it for want of margin
POST /orders/fill    {"venue_order_id", "lots", "keeps"}: a part of a pending order fills, see
                     simulators.mt4_terminal.hands
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
from simulators.mt4_terminal.hands import Keeps, close_by, fill_part, stop_out
from simulators.mt4_terminal.runners import Runner
from simulators.mt4_terminal.tickets import Ticket
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

    async def clock(request: web.Request) -> web.Response:
        venue.book.server_offset = int((await json_object(request)).get("server_offset", 0))
        venue.book.commit()
        return web.json_response({})

    async def symbols(request: web.Request) -> web.Response:
        body = await json_object(request)
        name = text_of(body, "symbol") + venue.book.options.suffix
        venue.book.load_symbol(name, loaded=bool(body.get("loaded")))
        venue.book.commit()
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
        web.post("/clock", clock),
        web.post("/symbols", symbols),
        web.post("/orders/cancel", end),
        *_hands(venue),
    ]


def _hands(venue: Intervened) -> list[web.RouteDef]:
    """What others than our terminal do to the account."""

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

    async def by_each_other(request: web.Request) -> web.Response:
        body = await json_object(request)
        close_by(venue.book, *(_position(venue.book, body.get(name)) for name in ("ticket", "by")))
        return web.json_response({})

    async def want_of_margin(request: web.Request) -> web.Response:
        body = await json_object(request)
        stop_out(venue.book, _position(venue.book, body.get("ticket")))
        return web.json_response({})

    async def fill(request: web.Request) -> web.Response:
        body = await json_object(request)
        ticket = _pending(venue.book, text_of(body, "venue_order_id"))
        if ticket is None:
            raise ValueError("there is no such pending order")
        lots = parse_decimal(body.get("lots"), "lots")
        fill_part(venue.book, ticket, lots, Keeps(text_of(body, "keeps")))
        return web.json_response({})

    return [
        web.post("/positions", by_hand),
        web.post("/positions/close", close_by_hand),
        web.post("/positions/close_by", by_each_other),
        web.post("/positions/stop_out", want_of_margin),
        web.post("/orders/fill", fill),
    ]


def _end(book: Book, venue_order_id: str | None, body: dict[str, object]) -> None:
    """End a pending order from the server's side. ValueError when there is none."""
    state = body.get("state", "CANCELLED")
    ticket = _pending(book, venue_order_id, body.get("broker_order_id"))
    if ticket is not None and state in _ENDS:
        book.drop(ticket, str(state), str(body.get("reason", f"{state} by the venue")))
        book.commit()
        return
    raise ValueError(f"needs a pending order and a state of {', '.join(sorted(_ENDS))}")


def _pending(book: Book, venue_order_id: object, broker_order_id: object = None) -> Ticket | None:
    """The open pending ticket of an order, by our id or the server's."""
    for ticket in book.open_tickets():
        order = book.order_of(ticket)
        if order is None or not ticket.is_pending:
            continue
        if venue_order_id == order.venue_order_id or broker_order_id == order.broker_order_id:
            return ticket
    return None


def _position(book: Book, number: object) -> Ticket:
    """An open position. ValueError."""
    ticket = book.tickets.get(int(str(number)))
    if ticket is None or ticket.is_pending or not ticket.is_open:
        raise ValueError(f"{number} is no open position")
    return ticket
