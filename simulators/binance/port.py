"""The REST port: limits, keys, signatures and armed faults around every endpoint."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from simulators.binance.endpoints import Endpoint, Rendered
from simulators.binance.errors import MESSAGES, ApiError
from simulators.binance.exchange import Exchange
from simulators.binance.list_api import ListApi
from simulators.binance.parameters import Parameters
from simulators.binance.public_api import PublicApi
from simulators.binance.reading_api import ReadingApi
from simulators.binance.records import ZERO, Order, Trade
from simulators.binance.security import check_key, check_signature, check_time
from simulators.binance.symbols import SYMBOLS
from simulators.binance.trading_api import TradingApi
from simulators.binance.views import order_view
from simulators.faults import Fault, FaultKind

Disconnect = Callable[[float], Awaitable[None]]

_BUSY, _TIMEOUT, _UNKNOWN = -1008, -1007, -1000
_GATEWAY_TIMEOUT = 504
_RESTRICTED = 451
# Where a request names our id of the order in question: what is cancelled or changed is known.
_KNOWN_IDS = ("origClientOrderId", "cancelOrigClientOrderId")
_NEW_IDS = (
    "newClientOrderId",
    "workingClientOrderId",
    "aboveClientOrderId",
    "belowClientOrderId",
    "listClientOrderId",
)
_MALFORMED = '{"symbol":"BTCUSDT","orderId":'


class RestPort:
    """Answers every path. `disconnect(seconds)` drops every connection, this one too."""

    def __init__(self, exchange: Exchange, disconnect: Disconnect) -> None:
        self._exchange = exchange
        self._faults = exchange.faults
        self._disconnect = disconnect
        parts = (
            PublicApi(exchange),
            TradingApi(exchange, self._tell_status),
            ListApi(exchange),
            ReadingApi(exchange, self._tell_order, self._tell_trades),
        )
        self._endpoints = {
            (endpoint.method, endpoint.path): endpoint
            for part in parts
            for endpoint in part.endpoints()
        }
        self._paths = {path for _, path in self._endpoints}

    def app(self) -> web.Application:
        """The application to listen with."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        app.on_response_prepare.append(_say_simulated)
        return app

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        endpoint = self._endpoints.get((request.method, request.path))
        if endpoint is None:
            return self._no_such_endpoint(request)
        # The target as it came: a signature is over these very bytes.
        query = request.raw_path.partition("?")[2]
        body = (await request.read()).decode("utf-8", "replace")
        match: dict[str, str | None] = {"symbol": None, "venue_order_id": None}
        new_id = None
        try:
            parameters = Parameters(query, body)
            new_id = _named(parameters, _NEW_IDS)
            match = self._match(parameters)
            stopped = await self._before(request, endpoint, match)
            if stopped is not None:
                return stopped
            self._admit(request, endpoint, parameters, query, body)
            if fault := self._take(FaultKind.DELAY, endpoint, match):
                await asyncio.sleep(fault.seconds)
            if endpoint.signed:
                # The receive window counts when the request is processed, not when it arrives.
                check_time(parameters, self._exchange.clock())
            if fault := self._take(FaultKind.REJECT, endpoint, match):
                raise _armed_error(fault, -2010)
            with self._exchange.clock.standing():
                result = endpoint.answer(parameters)
        except ApiError as error:
            if endpoint.counts:
                self._exchange.refusals.append({"venue_order_id": new_id, "code": str(error.code)})
            return self._reply(request, error.as_json(), error.status, error.headers)
        return await self._after(request, endpoint, match, result)

    def _admit(
        self,
        request: web.Request,
        endpoint: Endpoint,
        parameters: Parameters,
        query: str,
        body: str,
    ) -> None:
        """Weight, key, signature and time, in this order. ApiError ends the request."""
        now, options = self._exchange.clock(), self._exchange.options
        self._exchange.limits.charge(request.remote or "", endpoint.weigh(parameters), now)
        if endpoint.signed:
            check_key(request.headers.get("X-MBX-APIKEY"), options.api_key)
            check_time(parameters, now)
            check_signature(parameters, options.api_secret, query, body)

    def _match(self, parameters: Parameters) -> dict[str, str | None]:
        """What a fault may be narrowed to: the symbol, dashed, and the client id in question."""
        rules = SYMBOLS.get(parameters.peek("symbol") or "")
        if rules is None:
            return {"symbol": None, "venue_order_id": None}
        known_as = _named(parameters, _KNOWN_IDS)
        if known_as is None:
            order_id = parameters.peek("orderId") or parameters.peek("cancelOrderId") or ""
            orders = self._exchange.store.books[rules.symbol].orders
            order = orders.get(int(order_id)) if order_id.isdecimal() else None
            known_as = None if order is None else order.client_order_id
        if known_as is None:
            known_as = _named(parameters, _NEW_IDS)
        return {"symbol": rules.dashed, "venue_order_id": known_as}

    async def _before(
        self,
        request: web.Request,
        endpoint: Endpoint,
        match: dict[str, str | None],
    ) -> web.Response | None:
        """Faults of which the venue knows nothing afterwards."""
        if fault := self._take(FaultKind.DISCONNECT, endpoint, match):
            await self._disconnect(fault.seconds)
            return _drop(request)
        if fault := self._take(FaultKind.SHUT_OUT, endpoint, match):
            return _shut_out(fault.status)
        if self._take(FaultKind.UNAVAILABLE, endpoint, match):
            raise ApiError(_BUSY, status=503)
        if self._take(FaultKind.DROP_REQUEST, endpoint, match):
            return _drop(request)
        if fault := self._take(FaultKind.RATE_LIMIT, endpoint, match):
            raise self._exchange.limits.refusal(fault.status, fault.seconds, self._exchange.clock())
        return None

    async def _after(
        self,
        request: web.Request,
        endpoint: Endpoint,
        match: dict[str, str | None],
        result: Any,
    ) -> web.Response:
        """Faults around the answer to what was done."""
        if fault := self._take(FaultKind.DELAY_REPLY, endpoint, match):
            await asyncio.sleep(fault.seconds)
        if self._take(FaultKind.DROP_REPLY, endpoint, match):
            return _drop(request)
        if (fault := self._take(FaultKind.INVISIBLE, endpoint, match)) and "orderId" in result:
            self._exchange.store.hide(result["symbol"], result["orderId"], fault.seconds)
            return _drop(request)
        if fault := self._take(FaultKind.ERROR_REPLY, endpoint, match):
            error = _armed_error(fault, _TIMEOUT if fault.status == _GATEWAY_TIMEOUT else _UNKNOWN)
            return self._reply(request, error.as_json(), error.status)
        if self._take(FaultKind.MALFORMED, endpoint, match):
            return self._reply(request, Rendered(_MALFORMED))
        limits, now = self._exchange.limits, self._exchange.clock()
        return self._reply(
            request, result, 200, limits.order_headers(now) if endpoint.counts else {}
        )

    def _take(
        self, kind: FaultKind, endpoint: Endpoint, match: dict[str, str | None]
    ) -> Fault | None:
        return self._faults.take(kind, endpoint.operation, **match)

    def _reply(
        self,
        request: web.Request,
        body: Any,
        status: int = 200,
        headers: dict[str, str] | None = None,
    ) -> web.Response:
        weight = self._exchange.limits.weight_headers(request.remote or "", self._exchange.clock())
        return web.Response(
            text=body if isinstance(body, Rendered) else json.dumps(body, separators=(",", ":")),
            status=status,
            headers=weight | (headers or {}),
            content_type="application/json",
            charset="UTF-8",
        )

    def _no_such_endpoint(self, request: web.Request) -> web.Response:
        """What lies outside: other products, other versions, other methods."""
        status, words = (
            (405, "Method Not Allowed") if request.path in self._paths else (404, "Not Found")
        )
        return self._reply(
            request,
            {
                "timestamp": self._exchange.clock(),
                "status": status,
                "error": words,
                "message": "No message available",
                "path": request.path,
            },
            status,
        )

    def _lags(self, order: Order) -> bool:
        """True when a fault hides from the order that it has traded."""
        return bool(order.executed) and (
            self._faults.take(
                FaultKind.FILL_BEFORE_STATUS,
                symbol=SYMBOLS[order.symbol].dashed,
                venue_order_id=order.client_order_id,
            )
            is not None
        )

    def _tell_order(self, order: Order) -> str | None:
        match = {
            "symbol": SYMBOLS[order.symbol].dashed,
            "venue_order_id": order.client_order_id,
        }
        if fault := self._faults.take(FaultKind.STRANGE_STATUS, "query", **match):
            return json.dumps(order_view(order) | {"status": fault.code})
        return json.dumps(order_view(_untraded(order))) if self._lags(order) else None

    def _tell_status(self, order: Order) -> Order | None:
        return _untraded(order) if self._lags(order) else None

    def _tell_trades(self, trades: list[Trade]) -> list[Trade]:
        told = []
        for trade in trades:
            order = self._exchange.store.books[trade.symbol].orders[trade.order_id]
            twice = self._faults.take(
                FaultKind.DUPLICATE_REPORT,
                symbol=SYMBOLS[trade.symbol].dashed,
                venue_order_id=order.client_order_id,
            )
            told += [trade] * (2 if twice else 1)
        return told


async def _say_simulated(_: web.Request, response: web.StreamResponse) -> None:
    """Mark every answer: a client in practice trades with nothing that does not say so."""
    response.headers["X-Simulated-Venue"] = "binance"


def _named(parameters: Parameters, names: tuple[str, ...]) -> str | None:
    """The first of these parameters that was sent."""
    return next((value for name in names if (value := parameters.peek(name))), None)


def _untraded(order: Order) -> Order:
    """The order as it was before it traded."""
    earlier = Order.from_json(order.as_json())
    earlier.status, earlier.executed, earlier.quote_executed = "NEW", ZERO, ZERO
    return earlier


def _armed_error(fault: Fault, default_code: int) -> ApiError:
    """The answer that a fault describes; a code that is no number stands for the default."""
    number = fault.code.removeprefix("-")
    code = int(fault.code) if number.isdecimal() and number.isascii() else default_code
    told = fault.reason != Fault(0, fault.kind).reason
    message = fault.reason if told or code not in MESSAGES else MESSAGES[code]
    return ApiError(code, message, status=fault.status)


_PAGE = """<!DOCTYPE html>
<html><head><title>ERROR: The request could not be satisfied</title></head>
<body><h1>403 ERROR</h1><p>Request blocked.</p></body></html>"""
_ELIGIBILITY = (
    "Service unavailable from a restricted location according to 'b. Eligibility' in"
    " https://www.binance.com/en/terms. Please contact customer service if you believe you"
    " received this message in error."
)


def _shut_out(status: int) -> web.Response:
    """What is answered before the venue: a page of the firewall, or that nobody is served there.

    Sources: "HTTP return codes" (403: a WAF rule; read 2026-11-30); bodies as reported in
    python-binance issue 1413 (2024-04-28) and ccxt issue 16044 (2022-12-10).
    """
    if status == _RESTRICTED:
        return web.json_response({"code": 0, "msg": _ELIGIBILITY}, status=status)
    return web.Response(text=_PAGE, status=status, content_type="text/html")


def _drop(request: web.Request) -> web.Response:
    """Abort the connection; the response that the framework wants goes nowhere."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
