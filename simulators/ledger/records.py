"""What the venue keeps of an order and of an execution, and how JSON spells them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from simulators.records import Record

WORKING = frozenset({"SUBMITTED", "PARTIALLY_FILLED"})


class Refusal(Exception):
    """The venue says no. `scope` is ORDER, or VENUE when it says so to everybody."""

    def __init__(self, code: str, reason: str, *, scope: str = "ORDER", status: int = 422) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.scope = scope
        self.status = status


@dataclass(slots=True)
class Order(Record):
    """An order as the venue holds it. `trail_percent` 1 means one per cent of the price."""

    broker_order_id: str
    venue_order_id: str
    symbol: str
    side: str
    order_type: str
    quantity: Decimal
    time_in_force: str
    accepted_at: datetime
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_amount: Decimal | None = None
    trail_percent: Decimal | None = None
    expires_at: datetime | None = None
    state: str = "SUBMITTED"
    filled_quantity: Decimal = Decimal(0)
    reason: str | None = None
    triggered: bool = False
    account: str | None = None

    @property
    def is_working(self) -> bool:
        """True while it may still fill."""
        return self.state in WORKING

    @property
    def leaves(self) -> Decimal:
        """What is not filled; never negative, for an overfill leaves nothing."""
        return max(self.quantity - self.filled_quantity, Decimal(0))


@dataclass(slots=True)
class Trade(Record):
    """One execution report: a TRADE, or a CORRECTION or BUST of the one that `corrects` names."""

    execution_id: str
    sequence: int
    symbol: str
    side: str
    quantity: Decimal
    price: Decimal
    executed_at: datetime
    kind: str = "TRADE"
    venue_order_id: str | None = None
    broker_order_id: str | None = None
    commission: Decimal | None = None
    commission_currency: str | None = None
    corrects: str | None = None
    account: str | None = None


def effective(trades: list[Trade]) -> list[Trade]:
    """The executions that count: without those corrected or busted, and without the busts."""
    replaced = {trade.corrects for trade in trades if trade.corrects}
    return [
        trade for trade in trades if trade.execution_id not in replaced and trade.kind != "BUST"
    ]
