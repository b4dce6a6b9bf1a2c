"""The control port that every simulator has: HTTP with JSON on 127.0.0.1.

GET  /health    {"status": "ok"}
GET  /ledger    {"orders": [...], "executions": [...]}: all that the venue holds, as accepted
GET  /faults    every fault armed and how often it fired
POST /faults    {"kind", "times"?, "on"?, "symbol"?, "venue_order_id"?, ...}: see simulators.faults
DELETE /faults  disarm all; DELETE /faults/ID one
POST /prices    {"symbol", "bid", "ask"} as decimal strings
POST /balances  {"USD": "1000.50", ...}: what the account holds from now on

A bad request is answered 400 with {"error": ...}.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from typing import Any, Protocol

from aiohttp import web

from simulators.decimals import parse_decimal
from simulators.faults import Fault, Faults

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ControlledVenue(Protocol):
    """What the control port needs of a simulator, whatever protocol that one speaks."""

    @property
    def faults(self) -> Faults:
        """Its armed faults."""

    def ledger(self) -> dict[str, list[dict[str, Any]]]:
        """Every order and execution it holds, in the order accepted, with the id we gave it.

        `orders` have at least venue_order_id, broker_order_id, symbol, side, quantity and state;
        `executions` execution_id, venue_order_id (None when not ours), broker_order_id, kind,
        symbol, side, quantity and price. Numbers are plain decimal strings.
        """

    def set_price(self, symbol: str, bid: Decimal, ask: Decimal) -> None:
        """Set a market; whatever it crosses fills."""

    def set_balances(self, balances: dict[str, Decimal]) -> None:
        """Set what the account holds, by currency."""

    def on_cleared(self, faults: Sequence[Fault]) -> None:
        """Let go of whatever those faults were holding."""


def control_app(venue: ControlledVenue, extra: Sequence[web.RouteDef] = ()) -> web.Application:
    """The control port of `venue`; `extra` are routes that only this simulator has."""

    async def health(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def ledger(_: web.Request) -> web.Response:
        return web.json_response(venue.ledger())

    async def show_faults(_: web.Request) -> web.Response:
        return web.json_response(venue.faults.as_json())

    async def arm(request: web.Request) -> web.Response:
        return web.json_response(
            {"fault_id": venue.faults.arm(await json_object(request)).fault_id}
        )

    async def clear(request: web.Request) -> web.Response:
        fault_id = request.match_info.get("fault_id")
        cleared = venue.faults.clear(int(fault_id) if fault_id else None)
        venue.on_cleared(cleared)
        return web.json_response({"cleared": [fault.fault_id for fault in cleared]})

    async def prices(request: web.Request) -> web.Response:
        body = await json_object(request)
        bid, ask = parse_decimal(body.get("bid"), "bid"), parse_decimal(body.get("ask"), "ask")
        if not 0 < bid <= ask:
            raise ValueError(f"a market needs 0 < bid <= ask, not {bid} and {ask}")
        venue.set_price(text_of(body, "symbol"), bid, ask)
        return web.json_response({})

    async def balances(request: web.Request) -> web.Response:
        body = await json_object(request)
        venue.set_balances({name: parse_decimal(value, name) for name, value in body.items()})
        return web.json_response({})

    app = web.Application(middlewares=[_bad_requests])
    app.add_routes(
        [
            web.get("/health", health),
            web.get("/ledger", ledger),
            web.get("/faults", show_faults),
            web.post("/faults", arm),
            web.delete("/faults", clear),
            web.delete(r"/faults/{fault_id:\d+}", clear),
            web.post("/prices", prices),
            web.post("/balances", balances),
            *extra,
        ]
    )
    return app


async def json_object(request: web.Request) -> dict[str, Any]:
    """The request's JSON object. ValueError when it is anything else."""
    body = json.loads(await request.read())
    if not isinstance(body, dict):
        raise ValueError(f"the body must be a JSON object, not {body!r}")  # noqa: TRY004 - a 400
    return body


def text_of(body: dict[str, Any], name: str) -> str:
    """A field that must be a string with something in it. ValueError when it is not."""
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} must be a string, not {value!r}")
    return value


@web.middleware
async def _bad_requests(request: web.Request, handler: Handler) -> web.StreamResponse:
    """ValueError is the tester's mistake; the answer says which."""
    try:
        return await handler(request)
    except ValueError as error:
        return web.json_response({"error": str(error)}, status=400)
