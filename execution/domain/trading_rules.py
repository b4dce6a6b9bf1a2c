"""What a venue takes of an instrument, and how an order's terms are fitted to it.

Quantities round down to the step, never up. Limit prices round passively (BUY down, SELL up); stop
prices round the same way, so that a stop never triggers later than was asked. What is left too
small, or is too large, is refused by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from execution.domain.decimals import exact, plain
from execution.domain.errors import NotTradedNow, RequestRefused
from execution.domain.vocabulary import OrderType, Side

_IN_DOUBT = 2
"""By so much may the price that a venue goes by be above or below the one that is known here."""
_AT_MARKET = frozenset({OrderType.MARKET, OrderType.STOP, OrderType.TRAILING_STOP})


@dataclass(frozen=True, slots=True)
class TradingRules:
    """One instrument's rules at one venue; None where it has none.

    Quantities are in the instrument's units, prices in its currency, notionals (quantity times
    price) in its currency. `market_*` hold for orders that trade at the market instead of those
    without the prefix. `*_trail` and `trail_step` are about trails in percent. `tradable` False:
    the venue lists it and takes no order for it just now (`check_traded`).

    Where the step depends on the price, `price_steps` are pairs of a price and the step that holds
    from there on, the lowest first; they count instead of `price_step`.
    """

    symbol: str
    quantity_step: Decimal | None = None
    minimum_quantity: Decimal | None = None
    maximum_quantity: Decimal | None = None
    market_quantity_step: Decimal | None = None
    market_minimum_quantity: Decimal | None = None
    market_maximum_quantity: Decimal | None = None
    price_step: Decimal | None = None
    price_steps: tuple[tuple[Decimal, Decimal], ...] = ()
    minimum_price: Decimal | None = None
    maximum_price: Decimal | None = None
    minimum_notional: Decimal | None = None
    maximum_notional: Decimal | None = None
    minimum_notional_at_market: bool = True
    maximum_notional_at_market: bool = True
    minimum_trail: Decimal | None = None
    maximum_trail: Decimal | None = None
    trail_step: Decimal | None = None
    tradable: bool = True

    def as_json(self) -> dict[str, Any]:
        """Decimals as plain text, what is None left out."""
        values = ((name, getattr(self, name)) for name in self.__slots__)
        return {name: _as_json(value) for name, value in values if value not in {None, ()}}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> TradingRules:
        """The inverse of `as_json`."""
        words = {"symbol", "tradable", "minimum_notional_at_market", "maximum_notional_at_market"}
        known: dict[str, Any] = {
            name: value if name in words else Decimal(value)
            for name, value in values.items()
            if name in cls.__slots__ and name != "price_steps"
        }
        steps = ((Decimal(low), Decimal(step)) for low, step in values.get("price_steps", ()))
        return cls(**known, price_steps=tuple(steps))

    def price_step_at(self, price: Decimal) -> Decimal | None:
        """The step that holds at a price; None where every price is taken."""
        found = self.price_step
        for low, step in self.price_steps:
            if low <= price or found is None:
                found = step
        return found


@dataclass(frozen=True, slots=True)
class Terms:
    """What of an order a venue's rules are about."""

    side: Side
    order_type: OrderType
    quantity: Decimal
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_amount: Decimal | None = None
    trail_percent: Decimal | None = None

    def differs(self, other: Terms) -> dict[str, Decimal]:
        """What of `other` is another number here."""
        names = ("quantity", "limit_price", "stop_price", "trail_amount", "trail_percent")
        return {
            name: getattr(self, name)
            for name in names
            if getattr(self, name) != getattr(other, name)
        }


@exact
def fit(
    terms: Terms,
    rules: TradingRules,
    reference_price: Decimal | None,
    venue: str,
    *,
    reduces: bool = False,
) -> Terms:
    """The terms as the venue takes them.

    `reference_price` is about what it would trade at, where the order itself names no price; None
    leaves the notional of such an order to the venue. So does `reduces`: an order that reduces risk
    is not held back by a guess. Raises RequestRefused, which names field, value and rule.
    """
    fitted = replace(
        terms,
        quantity=_quantity(terms, rules, venue),
        limit_price=_price("limit_price", terms.limit_price, terms.side, rules, venue),
        stop_price=_price("stop_price", terms.stop_price, terms.side, rules, venue),
        trail_amount=_trail_amount(terms.trail_amount, rules, venue),
        trail_percent=_trail(terms.trail_percent, rules, venue),
    )
    _check_notional(fitted, rules, reference_price, venue, guesses=not reduces)
    return fitted


def check_traded(rules: TradingRules, venue: str) -> None:
    """NotTradedNow where the venue takes no orders of the symbol for the time being."""
    if not rules.tradable:
        raise NotTradedNow(f"symbol: {rules.symbol} is listed at {venue}, and not traded now")


def needs_price(terms: Terms, rules: TradingRules) -> bool:
    """Whether only a price of the market can tell if the order is large or small enough."""
    bounds = (
        rules.minimum_notional if rules.minimum_notional_at_market else None,
        rules.maximum_notional if rules.maximum_notional_at_market else None,
    )
    named = terms.limit_price is not None or terms.stop_price is not None
    return not named and bounds != (None, None)


def _quantity(terms: Terms, rules: TradingRules, venue: str) -> Decimal:
    at_market = terms.order_type in _AT_MARKET
    steps = [rules.quantity_step, rules.market_quantity_step if at_market else None]
    quantity = terms.quantity
    for step in steps:
        quantity = _rounded(quantity, step, ROUND_FLOOR)
    least = _most([rules.minimum_quantity, rules.market_minimum_quantity if at_market else None])
    most = _least([rules.maximum_quantity, rules.market_maximum_quantity if at_market else None])
    asked = f"quantity: {plain(terms.quantity)} of {rules.symbol}"
    if quantity <= 0 or (least is not None and quantity < least):
        smallest = least or _most(steps) or Decimal(0)
        raise RequestRefused(f"{asked} is below {venue}'s minimum of {plain(smallest)}")
    if most is not None and quantity > most:
        raise RequestRefused(f"{asked} is above {venue}'s maximum of {plain(most)}")
    return quantity


def _price(
    name: str, asked: Decimal | None, side: Side, rules: TradingRules, venue: str
) -> Decimal | None:
    if asked is None:
        return None
    price = _on_a_step(asked, rules, ROUND_FLOOR if side is Side.BUY else ROUND_CEILING)
    least, most = rules.minimum_price, rules.maximum_price
    if price <= 0 or (least is not None and price < least):
        smallest = plain(least or rules.price_step or Decimal(0))
        raise RequestRefused(f"{name}: {plain(asked)} is below {venue}'s minimum of {smallest}")
    if most is not None and price > most:
        raise RequestRefused(f"{name}: {plain(asked)} is above {venue}'s maximum of {plain(most)}")
    return price


def _on_a_step(price: Decimal, rules: TradingRules, rounding: str) -> Decimal:
    """`price` rounded; where that leads to another step's prices, by that step.

    Each turn leads further in one direction, and there are no more of them than steps.
    """
    for _ in range(len(rules.price_steps) + 1):
        rounded = _rounded(price, rules.price_step_at(price), rounding)
        if rounded == price:
            break
        price = rounded
    return price


def _as_json(value: Any) -> Any:
    if isinstance(value, tuple):
        return [[plain(part) for part in pair] for pair in value]
    return plain(value) if isinstance(value, Decimal) else value


def _trail(asked: Decimal | None, rules: TradingRules, venue: str) -> Decimal | None:
    """A trail rounds down: the stop then follows no further away than was asked."""
    if asked is None:
        return None
    trail = _rounded(asked, rules.trail_step, ROUND_FLOOR)
    least, most = rules.minimum_trail, rules.maximum_trail
    if trail <= 0 or (least is not None and trail < least):
        smallest = plain(least or rules.trail_step or Decimal(0))
        raise RequestRefused(
            f"trail_percent: {plain(asked)} is below {venue}'s minimum of {smallest}"
        )
    if most is not None and trail > most:
        raise RequestRefused(
            f"trail_percent: {plain(asked)} is above {venue}'s maximum of {plain(most)}"
        )
    return trail


def _trail_amount(asked: Decimal | None, rules: TradingRules, venue: str) -> Decimal | None:
    """A trail rounds down, as one in percent does, to the smallest step that any price has.

    It is a distance, so no price says which of several steps holds for it.
    """
    step = _least([step for _, step in rules.price_steps]) or rules.price_step
    if asked is None or step is None:
        return asked
    amount = _rounded(asked, step, ROUND_FLOOR)
    if amount <= 0:
        smallest = plain(step)
        raise RequestRefused(f"trail_amount: {plain(asked)} is below {venue}'s step of {smallest}")
    return amount


def _check_notional(
    terms: Terms,
    rules: TradingRules,
    reference_price: Decimal | None,
    venue: str,
    *,
    guesses: bool,
) -> None:
    """By the limit where there is one; else by a price that may differ from the venue's.

    It uses its reference price, or an average over minutes, for what names no limit (Binance,
    "Filters": NOTIONAL, read 2026-11-30): what is not clearly too little or too much it decides.
    """
    named = terms.limit_price or terms.stop_price
    price = named or reference_price
    guessed = terms.limit_price is None
    if price is None or (guessed and not guesses):
        return
    notional = terms.quantity * price
    doubt = _IN_DOUBT if guessed else 1
    value = f"quantity: {plain(terms.quantity)} of {rules.symbol} at {plain(price)}"
    least = rules.minimum_notional if named or rules.minimum_notional_at_market else None
    if least is not None and notional * doubt < least:
        raise RequestRefused(
            f"{value} is worth {plain(notional)}, below {venue}'s minimum of {plain(least)}"
        )
    most = rules.maximum_notional if named or rules.maximum_notional_at_market else None
    if most is not None and notional > most * doubt:
        raise RequestRefused(
            f"{value} is worth {plain(notional)}, above {venue}'s maximum of {plain(most)}"
        )


def _rounded(value: Decimal, step: Decimal | None, rounding: str) -> Decimal:
    """`value` as a whole number of steps."""
    if not step:
        return value
    return (value / step).to_integral_value(rounding=rounding) * step


def _most(values: list[Decimal | None]) -> Decimal | None:
    return max((value for value in values if value), default=None)


def _least(values: list[Decimal | None]) -> Decimal | None:
    return min((value for value in values if value), default=None)
