"""The bridge's JSON and ours: lots and units, symbols with and without suffix, outcomes.

GetLastError's numbers: MQL4 reference, "Trade server return codes".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from execution.domain.decimals import plain
from execution.domain.errors import (
    BrokerError,
    BrokerRejected,
    BrokerUnavailable,
    OutcomeUnknown,
    RateLimited,
    RejectionScope,
    TooLate,
)
from execution.domain.ports import Attempt, Modification
from execution.domain.reports import Execution, VenueOrder, VenuePosition
from execution.domain.trading_rules import TradingRules
from execution.domain.vocabulary import OrderState, OrderType, Side, TimeInForce
from workers.adapters.answers import Unread, decimal, executed, moment

Json = Mapping[str, Any]

_VENUE_WIDE = frozenset({"5", "64", "65", "133"})
"""Old version of the terminal, account disabled or invalid, trade disabled."""
_CLOSED = "132"
"""The market of the symbol is closed."""
_TERMS = frozenset({"131", "147", "4106"})
"""Invalid volume, expirations not taken, unknown symbol."""
_BUSY = frozenset({"4", "146"})
"""Server busy, trade context busy: it served nobody just then."""
_SAYS_NOTHING = frozenset({"0", "1", "6", "7", "9", "128", "137", "139", "142", "143"})
"""No result, no connection, not enough rights, time-out, broker busy, enqueued and the like.

As the answer to what was sent they prove nothing: orders are known to have been filled more than a
minute after each. The expert looks for such a one; an expert that calls it failed is not believed.
"""
_TOO_MANY = frozenset({"8", "141"})
"""Too frequent requests, too many requests."""
_REFUSED_UNSENT = frozenset({"4051", "4106", "4107", "4108", "4110", "4111"})
"""The terminal's own no to what was asked: a parameter, symbol, price, ticket or side.

What else it does not send (trading switched off there) is no fault of the order.
"""
_WIDEST = 10_000
"""Points of slippage that the bridge takes."""


@dataclass(frozen=True, slots=True)
class Login:
    """The terminal's account, and the currency that it is kept in."""

    account: str
    currency: str


@dataclass(frozen=True, slots=True)
class Market:
    """A symbol as the terminal has it: `name` with its suffix, `lot` in units of the base."""

    symbol: str
    name: str
    lot: Decimal
    rules: TradingRules

    def units(self, lots: object) -> Decimal:
        """Lots as units of the base currency."""
        return decimal(lots) * self.lot

    def lots(self, units: Decimal) -> str:
        """Units as lots; exact, since the quantity was fitted to the lot step."""
        return plain(units / self.lot)


def login(answer: Json) -> Login:
    """Of GET /account."""
    return Login(str(answer["account"]), str(answer["currency"]))


def is_known(item: Json) -> bool:
    """Whether a symbol of GET /symbols has its lots; a terminal has 0 until it has loaded them."""
    lots = (item["lot_size"], item["lot_step"], item["min_lot"], item["max_lot"])
    return all(decimal(value) > 0 for value in lots)


def market(item: Json, suffix: str) -> Market:
    """A symbol of GET /symbols whose lots are known."""
    name = str(item["name"])
    symbol = name.removesuffix(suffix)
    lot = decimal(item["lot_size"])
    rules = TradingRules(
        symbol=symbol,
        quantity_step=decimal(item["lot_step"]) * lot,
        minimum_quantity=decimal(item["min_lot"]) * lot,
        maximum_quantity=decimal(item["max_lot"]) * lot,
        price_step=Decimal(1).scaleb(-int(item["digits"])),
        tradable=bool(item["trade_allowed"]),
    )
    return Market(symbol, name, lot, rules)


def placing(attempt: Attempt, at: Market, deviation: int) -> dict[str, Any]:
    """The body of POST /order/place."""
    price = attempt.limit_price if attempt.order_type is OrderType.LIMIT else attempt.stop_price
    body: dict[str, Any] = {
        "symbol": at.name,
        "side": attempt.side.value,
        "order_type": attempt.order_type.value,
        "lots": at.lots(attempt.quantity),
        "deviation": deviation,
    }
    rests = attempt.order_type is not OrderType.MARKET
    if rests and price is not None:
        body["price"] = plain(price)
    if rests and attempt.time_in_force is TimeInForce.GTD and attempt.expires_at is not None:
        body["expires_at"] = attempt.expires_at.isoformat()
    return body


def within_limit(
    attempt: Attempt, at: Market, market: Json, pending: dict[str, Any]
) -> dict[str, Any]:
    """A LIMIT order that the market has reached, as a market order that gets no worse a price.

    `pending` while the market is away from its limit. The slippage it may take ends at the limit.
    """
    limit, buys = attempt.limit_price, attempt.side is Side.BUY
    price = market["ask"] if buys else market["bid"]
    point = at.rules.price_step
    if limit is None or price is None or not point:
        return pending
    room = (limit - decimal(price)) * attempt.side.sign
    if room < 0:
        return pending
    points = min(int(room / point), _WIDEST)
    at_market = replace(attempt, order_type=OrderType.MARKET, time_in_force=TimeInForce.GTC)
    return placing(at_market, at, points)


def closing(attempt: Attempt, at: Market, deviation: int) -> dict[str, Any]:
    """The body of POST /order/close for a position, or a part of it."""
    return {
        "ticket": int(attempt.closes or 0),
        "target": "POSITION",
        "lots": at.lots(attempt.quantity),
        "deviation": deviation,
    }


def modifying(attempt: Attempt, change: Modification) -> dict[str, Any]:
    """The body of POST /order/modify: a pending order has one price."""
    price = change.limit_price or change.stop_price
    body: dict[str, Any] = {"order_id": attempt.venue_order_id}
    return body if price is None else body | {"price": plain(price)}


def is_open(command: Json) -> bool:
    """Whether what became of a command is not known, whatever it was answered with."""
    if command["outcome"] == "FAILED":
        return command["sent"] != "NO" and str(command["code"]) in _SAYS_NOTHING
    return bool(command["outcome"] != "DONE")


def refusal(command: Json) -> BrokerError:
    """What a command that is not DONE means to whoever sent it."""
    sent, code = command["sent"], str(command["code"])
    said = f"the terminal says: {command['reason'] or code}"
    if is_open(command):
        return OutcomeUnknown(said)
    if code in _BUSY:
        return BrokerUnavailable(f"{said} ({code})")
    if code in _TOO_MANY:
        return RateLimited(f"{said} ({code})")
    if sent == "NO" and code not in _REFUSED_UNSENT:
        # Too late, or what it is about is gone meanwhile: it may be tried otherwise.
        passes = code == "expired" or command["kind"] != "PLACE"
        return TooLate(said) if passes else BrokerUnavailable(said)
    scope = RejectionScope.ORDER
    if code in _VENUE_WIDE:
        scope = RejectionScope.VENUE
    elif code == _CLOSED:
        scope = RejectionScope.SYMBOL
    elif code in _TERMS:
        scope = RejectionScope.TERMS
    return BrokerRejected(f"{said} ({code})", code=code, scope=scope)


def order(command: Json, symbol: str, at: Market, login: Login, unread: Unread) -> VenueOrder:
    """A command of ours as the order that it is, however it ended.

    Raises OutcomeUnknown while the terminal is still finding out.
    """
    if is_open(command):
        raise OutcomeUnknown("the terminal is finding out what became of it")
    request, placed = command["request"], command["order"] or {}
    filled = at.units(command["filled_lots"])
    executions = tuple(
        unread.each(
            lambda item: execution(item, symbol, at, login, unread),
            command["executions"],
            f"execution of {symbol}",
        )
    )
    state = _state(command)
    side = request.get("side") or (executions[0].side if executions else Side.BUY)
    ticket = command["ticket"] or request.get("ticket")
    return VenueOrder(
        broker_order_id=str(ticket or command["id"]),
        state=state,
        symbol=symbol,
        side=Side(side),
        quantity=at.units(request["lots"]) if request.get("lots") else filled,
        filled_quantity=filled,
        venue_order_id=str(command["id"]),
        reason=command["reason"],
        limit_price=_price("LIMIT", request.get("order_type"), placed.get("price")),
        stop_price=_price("STOP", request.get("order_type"), placed.get("price")),
        executions=executions,
    )


def _state(command: Json) -> OrderState:
    if command["outcome"] == "FAILED":
        return OrderState.REJECTED
    if command["kind"] == "CLOSE":
        # Done, and over once the terminal shows what was executed of it.
        return OrderState.FILLED if command["executions"] else OrderState.SUBMITTED
    state = OrderState(command["state"])
    return OrderState.SUBMITTED if state is OrderState.PENDING else state


def execution(item: Json, symbol: str, at: Market, login: Login, unread: Unread) -> Execution:
    """An execution; its commission holds the swap, which is part of what it cost.

    It is not lost for a time or a cost that cannot be read.
    """
    executed_at, unread_time = executed(moment, item.get("executed_at"))
    commission = unread.optional(_cost, item, "cost of an execution")
    return Execution(
        execution_id=str(item["execution_id"]),
        symbol=symbol,
        side=Side(item["side"]),
        quantity=at.units(item["lots"]),
        price=decimal(item["price"]),
        executed_at=executed_at,
        unread_time=unread_time,
        venue_order_id=item["order_id"],
        broker_order_id=str(item["ticket"]),
        commission=commission,
        commission_currency=None if commission is None else login.currency,
        account=login.account,
    )


def _cost(item: Json) -> Decimal:
    return decimal(item["commission"]) - decimal(item["swap"])


def pending(item: Json, at: Market) -> VenueOrder:
    """A pending order of GET /orders."""
    return VenueOrder(
        broker_order_id=str(item["ticket"]),
        state=OrderState.SUBMITTED,
        symbol=at.symbol,
        side=Side(item["side"]),
        quantity=at.units(item["lots"]),
        venue_order_id=item["order_id"],
        limit_price=_price("LIMIT", item["order_type"], item["open_price"]),
        stop_price=_price("STOP", item["order_type"], item["open_price"]),
    )


def _price(of: str, order_type: str | None, price: str | None) -> Decimal | None:
    """A pending order's one price, for the type `of`; None for an order of another type."""
    return decimal(price) if order_type == of and price is not None else None


def positions(
    tickets: Sequence[Json], markets: Mapping[str, Market], login: Login, unread: Unread
) -> list[VenuePosition]:
    """Tickets that are positions, netted by symbol in units; one that cannot be read is noted."""

    def units(item: Json) -> tuple[str, Decimal]:
        at = markets[item["symbol"]]
        return at.symbol, at.units(item["lots"]) * Side(item["side"]).sign

    held: dict[str, Decimal] = {}
    for symbol, quantity in unread.each(units, tickets, "position"):
        held[symbol] = held.get(symbol, Decimal(0)) + quantity
    return [
        VenuePosition(symbol, quantity, account=login.account)
        for symbol, quantity in sorted(held.items())
    ]
