"""What a venue says: executions, the state of an order, quotes, positions, accounts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from execution.domain.errors import printable
from execution.domain.vocabulary import OrderState, Side


class ReportKind(StrEnum):
    """What an execution report says of its execution.

    A BOOKING is no venue's report: a person says what came or went without an order.
    """

    TRADE = "TRADE"
    BOOKING = "BOOKING"
    COMMISSION = "COMMISSION"
    CORRECTION = "CORRECTION"
    BUST = "BUST"


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution as the venue reports it.

    `quantity` is positive, in the instrument's units; `price` is in its currency. `executed_at` is
    aware UTC. `execution_id` is unique per broker, environment, account, `instrument_key` and side.
    `instrument_key` is the venue's own name of the instrument where its execution ids are unique
    per instrument only (Binance: BTCUSDT), None where they are unique by themselves. `account` is
    the venue's own name of the account, None where the venue has only one and does not name it.
    `symbol` is our spelling, and part of no identity.
    `venue_order_id` is the client id we gave, None for an order that is not ours. A CORRECTION or
    BUST names in `corrects` the execution it replaces; a TRADE of nothing is none (ValueError).
    `commission` is what it cost (positive), or
    None while the venue has not said. `unread_time` is what the venue wrote of the time where that
    cannot be read: then `executed_at` is when it was received.
    """

    execution_id: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    executed_at: datetime
    kind: ReportKind = ReportKind.TRADE
    venue_order_id: str | None = None
    broker_order_id: str | None = None
    commission: Decimal | None = None
    commission_currency: str | None = None
    corrects: str | None = None
    instrument_key: str | None = None
    account: str | None = None
    unread_time: str | None = None

    def __post_init__(self) -> None:
        if self.kind is ReportKind.TRADE and not self.quantity > 0:
            raise ValueError(f"execution {self.execution_id}: quantity {self.quantity}")


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A message of a venue that may hold an execution and could not be read.

    `key` tells it from others, `text` is what the venue wrote, and `why` what was wrong with it.
    """

    key: str
    text: str
    why: str


@dataclass(frozen=True, slots=True)
class VenueOrder:
    """An order as the venue holds it, with every execution the venue has for it.

    `limit_price` and `stop_price` are those in force at the venue now; None where the order has
    none or the venue does not show it.
    """

    broker_order_id: str
    state: OrderState
    symbol: str
    side: Side
    quantity: Decimal
    filled_quantity: Decimal = Decimal(0)
    venue_order_id: str | None = None
    reason: str | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    executions: tuple[Execution, ...] = field(default=())

    def __post_init__(self) -> None:
        if self.reason is not None:
            object.__setattr__(self, "reason", printable(self.reason))


@dataclass(frozen=True, slots=True)
class Quote:
    """Best bid and ask of a symbol, in its currency, with the time of the venue's word (UTC)."""

    symbol: str
    bid: Decimal
    ask: Decimal
    at: datetime
    source: str

    @property
    def mid(self) -> Decimal:
        """Half way between bid and ask."""
        return (self.bid + self.ask) / 2


@dataclass(frozen=True, slots=True)
class VenuePosition:
    """What the venue says we hold: signed quantity, average price where it tells one.

    `account` None is the login's own.
    """

    symbol: str
    quantity: Decimal
    average_price: Decimal | None = None
    account: str | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """The venue's account: its name, whether money in it is real, and balances by currency.

    `identity` is what the venue itself tells accounts apart by; None where there is only one.
    `as_of` is the venue's time of the last change of the balances (aware UTC), where it says one.
    """

    account: str
    is_real: bool
    balances: dict[str, Decimal]
    identity: str | None = None
    as_of: datetime | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """What an account held, by currency, and the venue's time of the last change of it."""

    balances: Mapping[str, Decimal]
    as_of: datetime
