"""What the venue keeps of orders, order lists and trades. Times are milliseconds since 1970."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from simulators.binance.symbols import CONTINGENT
from simulators.records import Record

OPEN = frozenset({"NEW", "PARTIALLY_FILLED", "PENDING_NEW"})
# Has no time yet, in Binance's fields of time.
NEVER = -1
NO_LIST = -1
ZERO = Decimal(0)


@dataclass(slots=True)
class Order(Record):
    """An order, under Binance's own names of its fields where they are words.

    `given_id` is the last client id that the client itself gave (None: it gave none), while
    `client_order_id` may have been generated. `reserve_price` is what a BUY without a limit locks
    per unit, `best` the best price a trailing stop has seen, `locked` what is locked for it, and
    `amendments` are as a query answers them.
    """

    symbol: str
    order_id: int
    client_order_id: str
    side: str
    type: str
    time_in_force: str
    quantity: Decimal
    created: int
    updated: int
    price: Decimal = ZERO
    status: str = "NEW"
    executed: Decimal = ZERO
    quote_executed: Decimal = ZERO
    quote_quantity: Decimal = ZERO
    stop_price: Decimal | None = None
    trailing_delta: int | None = None
    trailing_time: int = NEVER
    best: Decimal | None = None
    iceberg_quantity: Decimal | None = None
    strategy_id: int | None = None
    strategy_type: int | None = None
    stp_mode: str = "NONE"
    order_list_id: int = NO_LIST
    working_time: int = NEVER
    reserve_price: Decimal = ZERO
    locked: Decimal = ZERO
    given_id: str | None = None
    reason: str | None = None
    expiry_reason: str | None = None
    amendments: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """True while it may still fill."""
        return self.status in OPEN

    @property
    def is_working(self) -> bool:
        """True once it is on the book: a stop that is not reached, or a pending order, is not."""
        return self.working_time != NEVER

    @property
    def is_contingent(self) -> bool:
        """True of stops and take profits, reached or not."""
        return self.type in CONTINGENT

    @property
    def buys(self) -> bool:
        """True of a BUY."""
        return self.side == "BUY"

    @property
    def leaves(self) -> Decimal:
        """What is not filled; never negative, for an overfill leaves nothing."""
        return max(self.quantity - self.executed, ZERO)

    @property
    def takes_any_price(self) -> bool:
        """True of a market order, and of a stop without a limit."""
        return not self.price


@dataclass(slots=True)
class Trade(Record):
    """One trade of the account. Trade ids are the symbol's, shared with everybody's trades."""

    symbol: str
    trade_id: int
    order_id: int
    order_list_id: int
    side: str
    price: Decimal
    quantity: Decimal
    quote_quantity: Decimal
    commission: Decimal
    commission_asset: str
    time: int
    is_maker: bool
    sequence: int


@dataclass(slots=True)
class OrderList(Record):
    """An OCO, OTO or OTOCO. `pair` are the ids of the legs of which one cancels the other.

    An OTO's or OTOCO's first order is the working one; Binance calls both of them OTO.
    """

    order_list_id: int
    contingency: str
    list_client_order_id: str
    symbol: str
    created: int
    order_ids: list[int] = field(default_factory=list)
    pair: list[int] = field(default_factory=list)
    status: str = "EXECUTING"

    @property
    def working_id(self) -> int | None:
        """The order that the others wait for, if they wait."""
        return self.order_ids[0] if self.contingency == "OTO" else None
