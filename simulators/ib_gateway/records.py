"""What the gateway keeps of an order and of an execution.

Both begin with what every simulator's ledger has, in the ledger venue's words; TWS's own words are
spoken on the wire only. `venue_order_id` is the order's orderRef, `broker_order_id` its permId.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from simulators.ledger import records as ledger

ORDER_TYPES = {
    "MKT": "MARKET",
    "LMT": "LIMIT",
    "STP": "STOP",
    "STP LMT": "STOP_LIMIT",
    "TRAIL": "TRAILING_STOP",
    "MOC": "MARKET_ON_CLOSE",
    "LOC": "LIMIT_ON_CLOSE",
}
TWS_TYPES = {ours: theirs for theirs, ours in ORDER_TYPES.items()}
STOPS = frozenset({"STOP", "STOP_LIMIT", "TRAILING_STOP"})
ON_CLOSE = frozenset({"MARKET_ON_CLOSE", "LIMIT_ON_CLOSE"})
UNTRANSMITTED = "UNTRANSMITTED"
API_CANCELLED = "API_CANCELLED"
CANCELLED_BY_TRADER = "Cancelled by Trader"
# What an order waits for that the clock alone can bring.
TIMED = frozenset({"hours", "time"})
_TWS_STATES = {
    "FILLED": "Filled",
    "CANCELLED": "Cancelled",
    "EXPIRED": "Cancelled",
    "REJECTED": "Inactive",
    UNTRANSMITTED: "PendingSubmit",
    API_CANCELLED: "ApiCancelled",
}


@dataclass(slots=True)
class Order(ledger.Order):
    """An order of one client, or of a person at TWS (client 0, order id 0 until it is bound).

    `quantity` is what its client asked for, and `reduced_by` what its group or its parent took off
    since. `told` is the status TWS shows while it works. `accepted` is False for one that was
    refused at once: TWS remembers it, the market never saw it. `parent_id` is the parent's order
    id, and `waits_for` what keeps it from trading: parent, close, open, time, hours, locate or
    reject.
    """

    perm_id: int = 0
    account: str = ""
    client_id: int = 0
    order_id: int = 0
    con_id: int = 0
    exchange: str = ""
    currency: str = ""
    told: str = "PreSubmitted"
    accepted: bool = True
    parent_id: int = 0
    parent_perm_id: int = 0
    oca_group: str = ""
    oca_type: int = 3
    outside_rth: bool = False
    good_after: datetime | None = None
    good_till: str = ""
    waits_for: str = ""
    average_price: Decimal = Decimal(0)
    last_price: Decimal = Decimal(0)
    reduced_by: Decimal = Decimal(0)
    cancelling: bool = False
    cancel_shown: bool = True
    ended_at: datetime | None = None
    completed: str = ""

    @property
    def total(self) -> Decimal:
        """The quantity as TWS shows it."""
        return self.quantity - self.reduced_by

    @property
    def leaves(self) -> Decimal:
        """What is not filled; never negative, for an overfill leaves nothing."""
        return max(self.total - self.filled_quantity, Decimal(0))

    @property
    def status(self) -> str:
        """What TWS calls its state."""
        if self.cancelling and self.cancel_shown and self.is_working:
            return "PendingCancel"
        return _TWS_STATES.get(self.state, self.told)

    @property
    def family_group(self) -> str:
        """The group that TWS puts a bracket's child in if it names none; empty for other orders."""
        return str(self.parent_perm_id) if self.parent_perm_id else ""

    @property
    def why_held(self) -> str:
        """What orderStatus says of an order that waits."""
        return {"locate": "locate", "parent": "child"}.get(self.waits_for, "")


@dataclass(slots=True)
class Trade(ledger.Trade):
    """An execution, its correction or its bust. `charges` is the commission that comes later.

    `told_at` is when its message was sent first, to the microsecond.
    """

    perm_id: int = 0
    account: str = ""
    client_id: int = 0
    order_id: int = 0
    con_id: int = 0
    sec_type: str = "STK"
    exchange: str = ""
    currency: str = ""
    multiplier: Decimal = Decimal(1)
    cumulative_quantity: Decimal = Decimal(0)
    average_price: Decimal = Decimal(0)
    charges: Decimal | None = None
    realized: Decimal | None = None
    told_at: datetime | None = None

    def as_row(self) -> dict[str, Any]:
        """The execution as GET /ledger has it."""
        row = self.as_json()
        del row["charges"], row["realized"]
        return row
