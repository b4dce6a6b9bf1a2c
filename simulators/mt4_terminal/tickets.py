"""What the trade server keeps: tickets as OrderSelect gives them, symbols, ledger rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from simulators.records import Record

BUY, SELL, BUY_LIMIT, SELL_LIMIT, BUY_STOP, SELL_STOP = range(6)
ORDER_TYPES = ("MARKET", "MARKET", "LIMIT", "LIMIT", "STOP", "STOP")
_FIVE_DIGITS = 5
_YEN_DIGITS = 3


@dataclass(slots=True)
class Ticket(Record):
    """One order. Times are the server's seconds, 0 for never.

    `entry` names the order of the ledger that it is a part of; empty for the one of its own number.
    """

    ticket: int
    symbol: str
    type: int
    lots: Decimal
    open_time: int
    open_price: Decimal
    magic: int
    comment: str
    stop_loss: Decimal = Decimal(0)
    take_profit: Decimal = Decimal(0)
    expiration: int = 0
    close_time: int = 0
    close_price: Decimal = Decimal(0)
    commission: Decimal = Decimal(0)
    swap: Decimal = Decimal(0)
    profit: Decimal = Decimal(0)
    hidden: bool = False
    entry: str = ""

    @property
    def buys(self) -> bool:
        """True for the three kinds of BUY."""
        return self.type % 2 == 0

    @property
    def is_pending(self) -> bool:
        """True before it is a position."""
        return self.type > SELL

    @property
    def is_open(self) -> bool:
        """True for positions and pending orders that are not over."""
        return self.close_time == 0

    @property
    def side(self) -> str:
        """BUY or SELL."""
        return "BUY" if self.buys else "SELL"


@dataclass(slots=True)
class Symbol(Record):
    """A symbol and its market; bid and ask are 0 while there is none.

    A terminal shows 0 for everything until it has loaded the symbol (MarketInfo: MQL4 Reference,
    "Market Info", docs.mql4.com/marketinformation, read in November 2026).
    """

    name: str
    digits: int
    lot_size: Decimal
    lot_step: Decimal
    min_lot: Decimal
    max_lot: Decimal
    bid: Decimal = Decimal(0)
    ask: Decimal = Decimal(0)
    time: int = 0
    loaded: bool = True

    @property
    def point(self) -> Decimal:
        """The smallest step of a price."""
        return Decimal(1).scaleb(-self.digits)

    @property
    def has_market(self) -> bool:
        """True once there was a price."""
        return self.bid > 0


@dataclass(slots=True)
class LedgerOrder(Record):
    """A request that the server accepted, as the project's ledgers have it: quantity in units."""

    broker_order_id: str
    venue_order_id: str
    symbol: str
    side: str
    order_type: str
    quantity: Decimal
    accepted_at: datetime
    time_in_force: str = "GTC"
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    state: str = "SUBMITTED"
    filled_quantity: Decimal = Decimal(0)
    reason: str | None = None


def new_symbol(name: str) -> Symbol:
    """A symbol with what is usual: 100,000 units a lot, five digits, three where yen is quoted."""
    digits = _YEN_DIGITS if "JPY" in name else _FIVE_DIGITS
    size = Decimal(100) if name.startswith("XAU") else Decimal(100_000)
    return Symbol(name, digits, size, Decimal("0.01"), Decimal("0.01"), Decimal(500))
