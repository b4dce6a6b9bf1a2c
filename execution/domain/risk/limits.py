"""Limits: what each kind measures, and which orders one of them holds for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from execution.domain.decimals import plain
from execution.domain.errors import RequestRefused
from execution.domain.orders import Order
from execution.domain.vocabulary import BrokerName

LARGEST_RATE = 1_000
LONGEST_WINDOW = 3_600
_LARGEST = Decimal(10) ** 15


class LimitKind(StrEnum):
    """What a limit measures; its value's unit is the instrument's unless it says otherwise."""

    MAX_QUANTITY = "max_quantity"
    """Quantity of one order."""
    MAX_NOTIONAL = "max_notional"
    """What one order is worth, in the instrument's currency."""
    MAX_POSITION = "max_position"
    """Position in a symbol, long or short, with everything that is open on its side filled."""
    MAX_EXPOSURE = "max_exposure"
    """What that position is worth, in the instrument's currency."""
    MAX_OPEN_ORDERS = "max_open_orders"
    """Orders that are sent and not over."""
    MAX_ORDERS_PER_SECOND = "max_orders_per_second"
    """Orders sent within any second."""
    PRICE_COLLAR = "price_collar"
    """Distance of the limit price, or the reference price, from the market's mid, in percent."""
    REPEAT_WINDOW = "repeat_window"
    """Seconds within which the same order must not come again."""


PRICED = frozenset({LimitKind.MAX_NOTIONAL, LimitKind.MAX_EXPOSURE, LimitKind.PRICE_COLLAR})
"""Kinds that need a price of the market."""

OF_SIZE = frozenset(
    {
        LimitKind.MAX_QUANTITY,
        LimitKind.MAX_NOTIONAL,
        LimitKind.MAX_POSITION,
        LimitKind.MAX_EXPOSURE,
    }
)
"""Kinds that an order which reduces a position passes."""

AT_INTENT = frozenset({LimitKind.MAX_ORDERS_PER_SECOND, LimitKind.REPEAT_WINDOW})
"""Kinds that are about sending, and therefore judged only where an order is about to be sent."""

_WHOLE = frozenset({LimitKind.MAX_OPEN_ORDERS, LimitKind.MAX_ORDERS_PER_SECOND})
_MOST = {
    LimitKind.MAX_ORDERS_PER_SECOND: Decimal(LARGEST_RATE),
    LimitKind.REPEAT_WINDOW: Decimal(LONGEST_WINDOW),
}


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit. A scope that is None holds for all; every limit that fits an order holds for it.

    So the strictest decides: a narrow limit never loosens a wider one.
    """

    limit_id: int
    kind: LimitKind
    value: Decimal
    broker: BrokerName | None = None
    strategy: str | None = None
    symbol: str | None = None

    def fits(self, order: Order) -> bool:
        """Whether it holds for an order, at the broker where it is now."""
        return (
            self.broker in {None, order.broker}
            and self.strategy in {None, order.strategy}
            and self.symbol in {None, order.symbol}
        )

    @property
    def scope(self) -> str:
        """Which orders it holds for, in words: `broker BINANCE, symbol BTC-USDT`."""
        parts = (("broker", self.broker), ("strategy", self.strategy), ("symbol", self.symbol))
        return ", ".join(f"{name} {value}" for name, value in parts if value) or "every order"

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Limit:
        """A limit as the database holds it, numbers as text or Decimal."""
        return cls(
            limit_id=int(row["limit_id"]),
            kind=LimitKind(row["kind"]),
            value=Decimal(row["value"]),
            broker=BrokerName(row["broker"]) if row["broker"] else None,
            strategy=row["strategy"],
            symbol=row["symbol"],
        )


def check_value(kind: LimitKind, value: Decimal) -> None:
    """Raise RequestRefused, naming the rule, for a value that a kind cannot have."""
    shown = f"{kind}: {plain(value) if value.is_finite() else value}"
    if not value.is_finite() or not 0 <= value < _LARGEST:
        raise RequestRefused(f"{shown} must be a number from 0 to 1e15")
    if kind in _WHOLE and value != value.to_integral_value():
        raise RequestRefused(f"{shown} must be a whole number")
    most = _MOST.get(kind)
    if most is not None and value > most:
        raise RequestRefused(f"{shown} must not be above {plain(most)}")
