"""Binance's JSON and ours: symbols, rules, orders, trades.

Source: Binance Spot API, "Trading endpoints", "Account endpoints", "Filters".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from execution.domain.decimals import plain
from execution.domain.errors import BrokerRejected, RejectionScope
from execution.domain.market_data import Candle, OrderBook, PublicTrade
from execution.domain.ports import Attempt
from execution.domain.reports import Execution, Held, VenueOrder
from execution.domain.trading_rules import TradingRules
from execution.domain.vocabulary import OrderState, OrderType, Side
from execution.store.clock import now
from workers.adapters.answers import Unread, decimal, executed

Json = Mapping[str, Any]

BASIS_POINT = Decimal("0.01")
"""Of a trail, in percent."""

_LONGEST_WINDOW = 60_000
_SIDES = {True: Side.BUY, False: Side.SELL}

_STATES = {
    "NEW": OrderState.SUBMITTED,
    "PENDING_NEW": OrderState.SUBMITTED,
    "PARTIALLY_FILLED": OrderState.PARTIALLY_FILLED,
    "FILLED": OrderState.FILLED,
    "CANCELED": OrderState.CANCELLED,
    # It still works until the cancel is done.
    "PENDING_CANCEL": OrderState.SUBMITTED,
    "REJECTED": OrderState.REJECTED,
    "EXPIRED": OrderState.EXPIRED,
    "EXPIRED_IN_MATCH": OrderState.EXPIRED,
}
_EXPIRY = {
    "REJECTED": "the matching engine rejected it when it was to be placed",
    "EXCHANGE_CANCELED": "Binance cancelled it",
    "OCO_TRIGGER": "the other order of its pair started to work, or the pair expired",
    "OTO_PHASE_ONE_EXPIRED": "the working order of its list expired",
    "UNFILLED_IOC_QUANTITY_EXPIRED": "what was left of an IOC order",
    "UNFILLED_FOK_ORDER_EXPIRED": "a FOK order that could not be filled at once",
    "INSUFFICIENT_LIQUIDITY": "there was not enough in the order book",
    "EXECUTION_RULE_PRICE_RANGE_EXCEEDED": "it would have traded outside the price range",
}
"""`expiryReason`, since March 2026 ("User data stream": "Order expiry reason", 2026-11-30)."""
_REASONS = {
    "EXPIRED": "expired at Binance (its time in force, or no liquidity)",
    "EXPIRED_IN_MATCH": "expired at Binance: it would have traded with an order of this account",
    "REJECTED": "rejected by Binance",
}


def submission(
    attempt: Attempt, market: str, *, window: timedelta, offset: timedelta, now: datetime
) -> Json:
    """The parameters of a new order; `now` is the venue's time.

    The venue refuses it after `send_by` by its own clock, which is `offset` ahead of ours: the
    timestamp is the intent's (`window` before), or now, and the receive window reaches until then.
    Raises BrokerRejected (scope TERMS) for what the venue has no order for.
    """
    parameters = {
        "symbol": market,
        "side": attempt.side.value,
        "newClientOrderId": attempt.venue_order_id,
        "newOrderRespType": "FULL",
        "quantity": plain(attempt.quantity),
        **_terms(attempt),
    }
    if attempt.send_by is not None:
        until = attempt.send_by + offset
        parameters |= receive_window(min(until - window, now), until)
    return parameters


def receive_window(since: datetime, until: datetime) -> Json:
    """A timestamp and window so that the venue refuses what comes after `until` (its clock)."""
    return {
        "timestamp": milliseconds(since),
        "recvWindow": min(milliseconds(until) - milliseconds(since), _LONGEST_WINDOW),
    }


def _terms(attempt: Attempt) -> dict[str, str]:
    limit, stop = attempt.limit_price, attempt.stop_price
    match attempt.order_type:
        case OrderType.MARKET:
            return {"type": "MARKET"}
        case OrderType.LIMIT if limit is not None:
            if attempt.post_only:
                return {"type": "LIMIT_MAKER", "price": plain(limit)}
            tif = attempt.time_in_force.value
            return {"type": "LIMIT", "price": plain(limit), "timeInForce": tif}
        case OrderType.STOP if stop is not None:
            return {"type": "STOP_LOSS", "stopPrice": plain(stop)}
        case OrderType.STOP_LIMIT if limit is not None and stop is not None:
            return {
                "type": "STOP_LOSS_LIMIT",
                "price": plain(limit),
                "stopPrice": plain(stop),
                "timeInForce": attempt.time_in_force.value,
            }
        case OrderType.TRAILING_STOP if attempt.trail_percent is not None:
            basis_points = attempt.trail_percent / BASIS_POINT
            if basis_points == basis_points.to_integral_value():
                return {"type": "STOP_LOSS", "trailingDelta": plain(basis_points)}
    raise BrokerRejected(
        f"order_type: Binance has no order for this {attempt.order_type}",
        code="ORDER_TYPE",
        scope=RejectionScope.TERMS,
    )


def order(item: Json, symbol: str, trades: Iterable[Execution] = ()) -> VenueOrder:
    """An order of GET order, openOrders or allOrders, with its `trades` so far as we have them.

    A trade may be told before the order's own state shows it.
    """
    state = _STATES[item["status"]]
    return VenueOrder(
        broker_order_id=str(int(item["orderId"])),
        state=state,
        symbol=symbol,
        side=Side(item["side"]),
        quantity=decimal(item["origQty"]),
        filled_quantity=decimal(item["executedQty"]),
        venue_order_id=str(item["clientOrderId"]),
        reason=_reason(item),
        # A price of zero is how Binance writes that there is none.
        limit_price=decimal(item.get("price", "0")) or None,
        stop_price=decimal(item.get("stopPrice", "0")) or None,
        executions=tuple(trades),
    )


def _reason(item: Json) -> str | None:
    """Why an order is over, in words; a reason that nobody knows yet as Binance spells it."""
    said = item.get("expiryReason")
    if item["status"] == "EXPIRED" and said:
        return f"expired at Binance: {_EXPIRY.get(said, said)}"
    return _REASONS.get(item["status"])


def accepted(item: Json, symbol: str, account: str | None) -> VenueOrder:
    """The answer to a new order, with what it traded at once (`newOrderRespType=FULL`)."""
    at, unread_time = executed(moment, item["transactTime"])
    side = Side(item["side"])
    fills = tuple(
        Execution(
            execution_id=str(int(fill["tradeId"])),
            symbol=symbol,
            side=side,
            quantity=decimal(fill["qty"]),
            price=decimal(fill["price"]),
            executed_at=at,
            unread_time=unread_time,
            venue_order_id=str(item["clientOrderId"]),
            broker_order_id=str(int(item["orderId"])),
            commission=decimal(fill["commission"]),
            commission_currency=str(fill["commissionAsset"]),
            instrument_key=str(item["symbol"]),
            account=account,
        )
        for fill in item.get("fills", ())
    )
    return order(item, symbol, fills)


def trade(
    item: Json, symbol: str, venue_order_id: str | None, account: str | None, unread: Unread
) -> Execution:
    """A trade of GET myTrades; `venue_order_id` is what its order was called by who placed it.

    Ids of trades are unique per symbol (https://developers.binance.com/docs/binance-spot-api-docs,
    "Account trade list", read 2026-11): Binance's own symbol is part of an execution's identity.
    It is not lost for a time or a commission that cannot be read.
    """
    executed_at, unread_time = executed(moment, item.get("time"))
    commission = unread.optional(_commission, item, "commission of a trade")
    return Execution(
        execution_id=str(int(item["id"])),
        symbol=symbol,
        side=_SIDES[item["isBuyer"]],
        quantity=decimal(item["qty"]),
        price=decimal(item["price"]),
        executed_at=executed_at,
        unread_time=unread_time,
        venue_order_id=venue_order_id,
        broker_order_id=str(int(item["orderId"])),
        commission=commission,
        commission_currency=None if commission is None else str(item["commissionAsset"]),
        instrument_key=str(item["symbol"]),
        account=account,
    )


def _commission(item: Json) -> Decimal:
    return decimal(item["commission"])


def held(answer: Json, unread: Unread) -> Held:
    """What GET account says that it holds, what is locked in orders included.

    An amount that cannot be read leaves out that asset alone.
    """

    def amount(item: Json) -> tuple[str, Decimal]:
        return str(item["asset"]), decimal(item["free"]) + decimal(item["locked"])

    found = unread.each(amount, answer["balances"], "balance")
    return Held(dict(found), moment(answer["updateTime"]))


def candles(answer: Sequence[Sequence[Any]]) -> list[Candle]:
    """GET klines: [open time, open, high, low, close, volume, …]."""
    return [Candle(moment(row[0]), *(decimal(value) for value in row[1:6])) for row in answer]


def order_book(symbol: str, answer: Json, source: str) -> OrderBook:
    """GET depth."""
    bids, asks = (
        tuple((decimal(price), decimal(size)) for price, size, *_ in answer[side])
        for side in ("bids", "asks")
    )
    return OrderBook(symbol, bids, asks, now(), source)


def public_trades(answer: Sequence[Json]) -> list[PublicTrade]:
    """GET trades."""
    return [
        PublicTrade(
            trade_id=str(int(item["id"])),
            price=decimal(item["price"]),
            quantity=decimal(item["qty"]),
            at=moment(item["time"]),
            buyer_is_maker=bool(item["isBuyerMaker"]),
        )
        for item in answer
    ]


def rules(symbol: str, info: Json) -> TradingRules:
    """A symbol of GET exchangeInfo; a filter of zero is none."""
    filters = {item["filterType"]: item for item in info["filters"]}

    def of(name: str, field: str) -> Decimal | None:
        value = filters.get(name, {}).get(field)
        return None if value is None else Decimal(str(value)) or None

    notional = filters.get("NOTIONAL", {})
    minimum = of("NOTIONAL", "minNotional")
    at_market = bool(notional.get("applyMinToMarket", True))
    if minimum is None:
        minimum = of("MIN_NOTIONAL", "minNotional")
        at_market = bool(filters.get("MIN_NOTIONAL", {}).get("applyToMarket", True))
    trails = [of("TRAILING_DELTA", f"minTrailing{way}Delta") for way in ("Above", "Below")]
    most = [of("TRAILING_DELTA", f"maxTrailing{way}Delta") for way in ("Above", "Below")]
    return TradingRules(
        symbol=symbol,
        quantity_step=of("LOT_SIZE", "stepSize"),
        minimum_quantity=of("LOT_SIZE", "minQty"),
        maximum_quantity=of("LOT_SIZE", "maxQty"),
        market_quantity_step=of("MARKET_LOT_SIZE", "stepSize"),
        market_minimum_quantity=of("MARKET_LOT_SIZE", "minQty"),
        market_maximum_quantity=of("MARKET_LOT_SIZE", "maxQty"),
        price_step=of("PRICE_FILTER", "tickSize"),
        minimum_price=of("PRICE_FILTER", "minPrice"),
        maximum_price=of("PRICE_FILTER", "maxPrice"),
        minimum_notional=minimum,
        maximum_notional=of("NOTIONAL", "maxNotional"),
        minimum_notional_at_market=at_market,
        maximum_notional_at_market=bool(notional.get("applyMaxToMarket", False)),
        minimum_trail=_percent(max(filter(None, trails), default=None)),
        maximum_trail=_percent(min(filter(None, most), default=None)),
        trail_step=BASIS_POINT,
        tradable=info["status"] == "TRADING" and info.get("isSpotTradingAllowed", True),
    )


def _percent(basis_points: Decimal | None) -> Decimal | None:
    return None if basis_points is None else basis_points * BASIS_POINT


def milliseconds(time: datetime) -> int:
    """A time as Binance counts it."""
    return (time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def moment(value: object) -> datetime:
    """Aware UTC from milliseconds since 1970. TypeError."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{value!r} is no time")
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=value)
