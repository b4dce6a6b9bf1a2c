"""No entry beside a bracket that has lost its stop."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from execution.domain.decimals import plain
from execution.domain.orders import Order
from execution.domain.risk.exposure import Held, reduces
from execution.domain.risk.trading_state import Stop
from execution.domain.vocabulary import BrokerName


@dataclass(frozen=True, slots=True)
class Unprotected:
    """A bracket of whose position `quantity` has no working stop, and which was reported.

    Until it has one, or is closed, its strategy sends nothing more in its symbol, account and
    broker but what reduces the position.
    """

    client_order_id: str
    broker: BrokerName
    account: str
    symbol: str
    strategy: str | None
    quantity: Decimal

    def holds_for(self, order: Order) -> bool:
        """Whether it is about an order; children of brackets always pass."""
        return order.parent_order_id is None and (
            order.broker,
            order.attempt.account,
            order.symbol,
            order.strategy,
        ) == (self.broker, self.account, self.symbol, self.strategy)

    def stop(self, order: Order, held: Held | None) -> Stop | None:
        """Why it does not let an order be sent; None where it reduces, or may (`held` None)."""
        if held is None or reduces(order, held):
            return None
        return Stop(
            f"UNPROTECTED: {plain(self.quantity)} {self.symbol} of order {self.client_order_id} "
            "have no working stop; only what reduces the position passes"
        )
