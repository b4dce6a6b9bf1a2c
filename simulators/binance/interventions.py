"""What only this venue's control port can do. Symbols in either spelling: BTCUSDT or BTC-USDT.

POST /executions     book a trade: {"venue_order_id" | "broker_order_id" with "symbol", "quantity",
                     "price", "commission"?, "commission_currency"?, "execution_id"?,
                     "executed_at"?}. Late, over the order's quantity or after its end: all is
                     booked as told. Without a known order it is a trade of the account by other
                     means than the API key, and needs "symbol" and "side".
POST /orders         an order that the account's owner gives by other means: Binance's parameters
                     of a new order as strings, {"symbol", "side", "type", "quantity", ...}
POST /orders/cancel  end an order: {"venue_order_id" | "broker_order_id" with "symbol", "state"?,
                     "reason"?}; the state is CANCELLED, EXPIRED or REJECTED
POST /liquidity      {"symbol", "size", "slice"?}: how much trades at the price (null: any amount),
                     and how much in one trade
POST /clock          {"offset_ms"}: how far the venue's clock is ahead of the true time
POST /symbols        {"symbol", "status"}: TRADING, HALT, BREAK, CANCEL_ONLY, or a word that nobody
                     has heard of yet; {"symbol", "listed": false}: it is delisted, -1121 for
                     whatever names it
POST /reset          {}: the test network forgets all, and every id begins anew
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from aiohttp import web

from simulators.binance.entry import SIDES, Leg
from simulators.binance.errors import ApiError
from simulators.binance.exchange import Exchange
from simulators.binance.ledger import ledger_execution, ledger_order
from simulators.binance.numbers import round_down
from simulators.binance.parameters import Parameters
from simulators.binance.records import ZERO, Order, Trade
from simulators.binance.symbols import DEFAULT_STP_MODE, find_symbol
from simulators.control import json_object, text_of
from simulators.decimals import parse_decimal
from simulators.records import read_time

_ENDS = {"CANCELLED": "CANCELED", "EXPIRED": "EXPIRED", "REJECTED": "REJECTED"}


def intervention_routes(
    exchange: Exchange, set_offset: Callable[[int], None]
) -> list[web.RouteDef]:
    """The extra routes for the control port of `exchange`."""
    orders = _OrderRoutes(exchange)

    async def liquidity(request: web.Request) -> web.Response:
        body = await json_object(request)
        symbol = find_symbol(text_of(body, "symbol")).symbol
        sizes = [
            None if body.get(name) is None else parse_decimal(body[name], name)
            for name in ("size", "slice")
        ]
        exchange.set_liquidity(symbol, *sizes)
        return web.json_response({})

    async def clock(request: web.Request) -> web.Response:
        offset = (await json_object(request)).get("offset_ms")
        if isinstance(offset, bool) or not isinstance(offset, int):
            raise ValueError(f"offset_ms must be a whole number, not {offset!r}")  # noqa: TRY004
        set_offset(offset)
        return web.json_response({})

    async def status(request: web.Request) -> web.Response:
        body = await json_object(request)
        book = exchange.store.books[find_symbol(text_of(body, "symbol")).symbol]
        if "listed" in body:
            book.listed = bool(body["listed"])
        if "status" in body:
            book.status = text_of(body, "status")
        return web.json_response({})

    async def reset(_: web.Request) -> web.Response:
        exchange.store.reset()
        return web.json_response({})

    return [
        web.post("/executions", orders.execute),
        web.post("/orders", orders.place),
        web.post("/orders/cancel", orders.end),
        web.post("/liquidity", liquidity),
        web.post("/clock", clock),
        web.post("/symbols", status),
        web.post("/reset", reset),
    ]


class _OrderRoutes:
    """What is done to orders past the API."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    async def execute(self, request: web.Request) -> web.Response:
        """Book a trade."""
        body = await json_object(request)
        _check_trade(body)
        order = _order_of(self._exchange, body) or _by_hand(self._exchange, body)
        trade = _trade(self._exchange, body, order)
        self._exchange.book_trade(order, trade)
        return web.json_response(ledger_execution(trade, order))

    async def place(self, request: web.Request) -> web.Response:
        """Take an order that did not come by the API key."""
        body = await json_object(request)
        fields = {name: text_of(body, name) for name in body}
        rules = find_symbol(fields.get("symbol", ""))
        try:
            parameters = Parameters(urlencode(fields | {"symbol": rules.symbol}))
            parameters.symbol()
            order = Leg(parameters).read(rules.symbol, self._exchange.clock())
            parameters.finish()
            order.client_order_id, order.given_id = _manual_id(), None
            self._exchange.desk.place(order)
        except ApiError as error:
            raise ValueError(f"{error.code}: {error.message}") from None
        return web.json_response(ledger_order(order))

    async def end(self, request: web.Request) -> web.Response:
        """End an order from the venue's side."""
        body = await json_object(request)
        order = _order_of(self._exchange, body)
        state = body.get("state", "CANCELLED")
        if order is None or not order.is_open or state not in _ENDS:
            raise ValueError(f"needs a working order and a state of {', '.join(sorted(_ENDS))}")
        reason = body.get("reason", f"{state.lower()} by the venue")
        self._exchange.end(order, _ENDS[state], reason)
        return web.json_response(ledger_order(order))


def _order_of(exchange: Exchange, body: dict[str, Any]) -> Order | None:
    """The order that a request names: by the venue's id and symbol, else the last of our id."""
    orders = list(exchange.store.accepted)
    if body.get("symbol") is not None:
        rules = find_symbol(text_of(body, "symbol"))
        orders = [order for order in orders if order.symbol == rules.symbol]
    if body.get("broker_order_id") is not None:
        wanted = [order for order in orders if str(order.order_id) == body["broker_order_id"]]
        if len({order.symbol for order in wanted}) > 1:
            raise ValueError("order ids are a symbol's own here: name the symbol too")
        return wanted[0] if wanted else None
    named = body.get("venue_order_id")
    if named is None:
        return None
    return next(
        (order for order in reversed(orders) if named in {order.given_id, order.client_order_id}),
        None,
    )


def _check_trade(body: dict[str, Any]) -> None:
    """ValueError for what cannot be booked here, before anything is."""
    if body.get("kind", "TRADE") != "TRADE":
        raise ValueError("this venue neither corrects nor busts a trade")
    for name in ("quantity", "price", *({"commission"} & body.keys())):
        parse_decimal(body.get(name), name)
    for name in {"execution_id", "broker_order_id"} & body.keys():
        if not isinstance(body[name], str) or not body[name].isdecimal():
            raise ValueError(f"{name} is a whole number at this venue, not {body[name]!r}")
    if "executed_at" in body:
        read_time(body["executed_at"], "executed_at")


def _by_hand(exchange: Exchange, body: dict[str, Any]) -> Order:
    """A market order that the account's owner gave on the venue's own pages, about to trade."""
    rules = find_symbol(text_of(body, "symbol"))
    side = text_of(body, "side")
    if side not in SIDES:
        raise ValueError(f"side must be BUY or SELL, not {side!r}")
    now = exchange.clock()
    order = Order(
        symbol=rules.symbol,
        order_id=int(body.get("broker_order_id", "0")),
        client_order_id=_manual_id(),
        side=side,
        type="MARKET",
        time_in_force="GTC",
        quantity=parse_decimal(body.get("quantity"), "quantity"),
        created=now,
        updated=now,
        working_time=now,
        stp_mode=DEFAULT_STP_MODE,
    )
    exchange.store.file(order)
    return order


def _trade(exchange: Exchange, body: dict[str, Any], order: Order) -> Trade:
    """The trade to book, of a body that has been checked."""
    book = exchange.store.book(order)
    quantity, price = (parse_decimal(body.get(name), name) for name in ("quantity", "price"))
    trade_id = body.get("execution_id", str(book.last_trade_id + 1))
    time = exchange.clock()
    if "executed_at" in body:
        time = _milliseconds(read_time(body["executed_at"], "executed_at"))
    commission = parse_decimal(body["commission"], "commission") if "commission" in body else ZERO
    received = book.rules.base if order.buys else book.rules.quote
    return Trade(
        symbol=order.symbol,
        trade_id=int(trade_id),
        order_id=order.order_id,
        order_list_id=order.order_list_id,
        side=order.side,
        price=price,
        quantity=quantity,
        quote_quantity=round_down(price * quantity),
        commission=commission,
        commission_asset=body.get("commission_currency", received),
        time=time,
        is_maker=False,
        sequence=len(exchange.store.trades) + 1,
    )


def _milliseconds(time: datetime) -> int:
    return round(time.timestamp() * 1000)


def _manual_id() -> str:
    """What Binance calls an order from its web page."""
    return f"web_{uuid4().hex}"
