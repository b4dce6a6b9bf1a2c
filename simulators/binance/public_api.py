"""Market data, and what the exchange says of itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any

from simulators.binance.book import SymbolBook
from simulators.binance.endpoints import Endpoint, book_of, named_book
from simulators.binance.errors import ApiError, mandatory
from simulators.binance.exchange import Exchange
from simulators.binance.numbers import eight
from simulators.binance.parameters import Parameters
from simulators.binance.records import ZERO, Order
from simulators.binance.symbols import STATUSES
from simulators.binance.tape import INTERVALS, Candle, Print, aggregated

_DAY = 24 * 60 * 60 * 1000
_DEPTH_MOST = 5000
_DEPTH_WEIGHTS = ((100, 5), (500, 25), (1000, 50), (_DEPTH_MOST, 250))
_MANY_SYMBOLS = 20


class PublicApi:
    """The endpoints that anybody may ask."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def endpoints(self) -> list[Endpoint]:
        """What this part answers."""
        prefix = "/api/v3"
        return [
            Endpoint("GET", f"{prefix}/ping", 1, self._ping),
            Endpoint("GET", f"{prefix}/time", 1, self._time),
            Endpoint("GET", f"{prefix}/exchangeInfo", 20, self._exchange_info),
            Endpoint("GET", f"{prefix}/depth", _weigh_depth, self._depth),
            Endpoint("GET", f"{prefix}/trades", 25, self._trades),
            Endpoint("GET", f"{prefix}/historicalTrades", 25, self._historical_trades),
            Endpoint("GET", f"{prefix}/aggTrades", 4, self._aggregate_trades),
            Endpoint("GET", f"{prefix}/klines", 2, self._klines),
            Endpoint("GET", f"{prefix}/uiKlines", 2, self._klines),
            Endpoint("GET", f"{prefix}/avgPrice", 2, self._average_price),
            Endpoint("GET", f"{prefix}/ticker/24hr", _weigh_day, self._day),
            Endpoint("GET", f"{prefix}/ticker/price", _weigh_ticker, self._price),
            Endpoint("GET", f"{prefix}/ticker/bookTicker", _weigh_ticker, self._book_ticker),
        ]

    def _ping(self, parameters: Parameters) -> dict[str, Any]:
        _finish(parameters)
        return {}

    def _time(self, parameters: Parameters) -> dict[str, Any]:
        _finish(parameters)
        return {"serverTime": self._exchange.clock()}

    def _exchange_info(self, parameters: Parameters) -> dict[str, Any]:
        books = self._chosen(parameters)
        status = parameters.choice(
            "symbolStatus", STATUSES, ApiError(-1122, "Invalid symbolStatus.")
        )
        permissions = parameters.text("permissions")
        parameters.flag("showPermissionSets")
        _finish(parameters)
        options = self._exchange.options
        listed = permissions is None or "SPOT" in permissions
        return {
            "timezone": "UTC",
            "serverTime": self._exchange.clock(),
            "rateLimits": self._exchange.limits.as_json(),
            "exchangeFilters": [],
            "symbols": [
                book.rules.as_json(book.status, options.max_orders, options.max_algo_orders)
                for book in books
                if listed and status in {None, book.status}
            ],
        }

    def _depth(self, parameters: Parameters) -> dict[str, Any]:
        book = book_of(self._exchange, parameters)
        limit = parameters.limit(100, _DEPTH_MOST)
        _finish(parameters)
        return {
            "lastUpdateId": book.last_trade_id + len(book.orders),
            "bids": _levels(book, "BUY")[:limit],
            "asks": _levels(book, "SELL")[:limit],
        }

    def _trades(self, parameters: Parameters) -> list[dict[str, Any]]:
        book = book_of(self._exchange, parameters)
        limit = parameters.limit()
        _finish(parameters)
        return [_print_view(item) for item in list(book.tape.prints)[-limit:]]

    def _historical_trades(self, parameters: Parameters) -> list[dict[str, Any]]:
        book = book_of(self._exchange, parameters)
        limit, first = parameters.limit(), parameters.integer("fromId")
        _finish(parameters)
        prints = list(book.tape.prints)
        if first is None:
            return [_print_view(item) for item in prints[-limit:]]
        return [_print_view(item) for item in prints if item.trade_id >= first][:limit]

    def _aggregate_trades(self, parameters: Parameters) -> list[dict[str, Any]]:
        book = book_of(self._exchange, parameters)
        first = parameters.integer("fromId")
        start, end = parameters.integer("startTime"), parameters.integer("endTime")
        limit = parameters.limit()
        _finish(parameters)
        groups = [
            group
            for group in aggregated(book.tape.prints)
            if group[0].trade_id >= (first or 0)
            and group[0].time >= (start or 0)
            and (end is None or group[0].time <= end)
        ]
        newest = first is None and start is None
        return [_group_view(group) for group in (groups[-limit:] if newest else groups[:limit])]

    def _klines(self, parameters: Parameters) -> list[list[Any]]:
        book = book_of(self._exchange, parameters)
        interval = parameters.choice("interval", INTERVALS, ApiError(-1120, "Invalid interval."))
        if interval is None:
            raise mandatory("interval")
        start, end = parameters.integer("startTime"), parameters.integer("endTime")
        zone = parameters.text("timeZone")
        limit = parameters.limit()
        _finish(parameters)
        if zone not in {None, "0", "00:00", "0:00"}:
            raise ApiError(-1130, "Data sent for parameter 'timeZone' is not valid.")
        now = self._exchange.clock()
        until = now if end is None else min(end, now)
        candles = list(book.tape.candles(interval, start or 0, until))
        return [
            _candle_view(candle)
            for candle in (candles[-limit:] if start is None else candles[:limit])
        ]

    def _average_price(self, parameters: Parameters) -> dict[str, Any]:
        book = book_of(self._exchange, parameters)
        _finish(parameters)
        last = book.tape.last
        return {
            "mins": 5,
            "price": eight(ZERO if book.market is None else book.market.mid),
            "closeTime": 0 if last is None else last.time,
        }

    def _day(self, parameters: Parameters) -> Any:
        kind = parameters.choice("type", ("FULL", "MINI"), ApiError(-1139, "Invalid ticker type."))
        now = self._exchange.clock()

        def view(book: SymbolBook) -> dict[str, Any]:
            return _day_view(book, now, mini=kind == "MINI")

        return self._each(parameters, view)

    def _price(self, parameters: Parameters) -> Any:
        return self._each(
            parameters,
            lambda book: {"symbol": book.rules.symbol, "price": eight(_last_price(book))},
        )

    def _book_ticker(self, parameters: Parameters) -> Any:
        return self._each(parameters, lambda book: {"symbol": book.rules.symbol, **_touch(book)})

    def _each(self, parameters: Parameters, view: Callable[[SymbolBook], dict[str, Any]]) -> Any:
        """One object when `symbol` is sent, else an array."""
        books = self._chosen(parameters)
        single = parameters.peek("symbol") is not None
        _finish(parameters)
        views = [view(book) for book in books]
        return views[0] if single else views

    def _chosen(self, parameters: Parameters) -> Sequence[SymbolBook]:
        symbol, symbols = parameters.symbol(), parameters.symbols()
        if symbol is not None and symbols is not None:
            raise ApiError(-1128, "Combination of optional parameters invalid.")
        if symbol is not None:
            return [named_book(self._exchange, symbol)]
        if symbols is not None:
            return [named_book(self._exchange, item) for item in symbols]
        return [book for book in self._exchange.store.books.values() if book.listed]


def _finish(parameters: Parameters) -> None:
    """Public endpoints call what they did not read too many parameters."""
    try:
        parameters.finish()
    except ApiError as error:
        read, sent = (text for text in error.message.split("'")[1::2])
        raise ApiError(
            -1101, f"Too many parameters; expected '{read}' and received '{sent}'."
        ) from None


def _levels(book: SymbolBook, side: str) -> list[list[str]]:
    """Price and quantity, best first: what the market offers, and our orders behind it.

    An order of ours between bid and ask is not shown: nobody would trade with it here.
    """
    if book.market is None:
        return []
    best = book.market.bid if side == "BUY" else book.market.ask
    sizes: dict[Decimal, Decimal] = {best: _size(book)}
    for order in book.resting(side):
        behind = order.price <= best if side == "BUY" else order.price >= best
        if behind:
            sizes[order.price] = sizes.get(order.price, ZERO) + _shown(order)
    return [[eight(price), eight(size)] for price, size in sizes.items()]


def _shown(order: Order) -> Decimal:
    return min(order.leaves, order.iceberg_quantity or order.leaves)


def _size(book: SymbolBook) -> Decimal:
    """What there is at the touch; without a limit, as much as one order may have."""
    market = book.market
    return book.rules.max_quantity if market is None or market.size is None else market.size


def _touch(book: SymbolBook) -> dict[str, str]:
    if book.market is None:
        return dict.fromkeys(("bidPrice", "bidQty", "askPrice", "askQty"), eight(ZERO))
    size = eight(_size(book))
    return {
        "bidPrice": eight(book.market.bid),
        "bidQty": size,
        "askPrice": eight(book.market.ask),
        "askQty": size,
    }


def _last_price(book: SymbolBook) -> Decimal:
    return ZERO if book.tape.last is None else book.tape.last.price


def _day_view(book: SymbolBook, now: int, *, mini: bool) -> dict[str, Any]:
    prints = book.tape.day(now)
    prices = [item.price for item in prints] or [_last_price(book)]
    volume = sum((item.quantity for item in prints), ZERO)
    quote_volume = sum((item.quote_quantity for item in prints), ZERO)
    figures = {
        "openPrice": eight(prices[0]),
        "highPrice": eight(max(prices)),
        "lowPrice": eight(min(prices)),
        "lastPrice": eight(prices[-1]),
        "volume": eight(volume),
        "quoteVolume": eight(quote_volume),
        "openTime": now - _DAY,
        "closeTime": now,
        "firstId": prints[0].trade_id if prints else -1,
        "lastId": prints[-1].trade_id if prints else -1,
        "count": len(prints),
    }
    if mini:
        return {"symbol": book.rules.symbol, **figures}
    change = prices[-1] - prices[0]
    percent = change / prices[0] * 100 if prices[0] else ZERO
    last = book.tape.last
    return {
        "symbol": book.rules.symbol,
        "priceChange": eight(change),
        "priceChangePercent": format(percent, ".3f"),
        "weightedAvgPrice": eight(quote_volume / volume if volume else prices[-1]),
        "prevClosePrice": eight(prices[0]),
        "lastQty": eight(ZERO if last is None else last.quantity),
        **_touch(book),
        **figures,
    }


def _print_view(item: Print) -> dict[str, Any]:
    return {
        "id": item.trade_id,
        "price": eight(item.price),
        "qty": eight(item.quantity),
        "quoteQty": eight(item.quote_quantity),
        "time": item.time,
        "isBuyerMaker": item.is_buyer_maker,
        "isBestMatch": True,
    }


def _group_view(group: Iterable[Print]) -> dict[str, Any]:
    prints = list(group)
    first = prints[0]
    return {
        "a": first.trade_id,
        "p": eight(first.price),
        "q": eight(sum((item.quantity for item in prints), ZERO)),
        "f": first.trade_id,
        "l": prints[-1].trade_id,
        "T": first.time,
        "m": first.is_buyer_maker,
        "M": True,
    }


def _candle_view(candle: Candle) -> list[Any]:
    return [
        candle.open_time,
        eight(candle.open),
        eight(candle.high),
        eight(candle.low),
        eight(candle.close),
        eight(candle.volume),
        candle.close_time,
        eight(candle.quote_volume),
        candle.count,
        eight(candle.taker_volume),
        eight(candle.taker_quote_volume),
        "0",
    ]


def _weigh_depth(parameters: Parameters) -> int:
    text = parameters.peek("limit") or "100"
    limit = int(text) if text.isdecimal() else 100
    return next((weight for most, weight in _DEPTH_WEIGHTS if limit <= most), 250)


def _weigh_day(parameters: Parameters) -> int:
    if parameters.peek("symbol") is not None:
        return 2
    symbols = parameters.peek("symbols")
    if symbols is None:
        return 80
    return 2 if symbols.count(",") < _MANY_SYMBOLS else 40


def _weigh_ticker(parameters: Parameters) -> int:
    return 4 if parameters.peek("symbol") is None else 2
