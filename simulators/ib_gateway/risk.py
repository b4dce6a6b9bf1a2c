"""What the system looks at before it takes an order: prices, funds and shares to borrow."""

from __future__ import annotations

from decimal import Decimal

from simulators.ib_gateway.contracts import Contract
from simulators.ib_gateway.funds import Funds
from simulators.ib_gateway.matching import Matcher
from simulators.ib_gateway.order_messages import Preview
from simulators.ib_gateway.records import Order
from simulators.ib_gateway.register import Register


class Risk:
    """Objects to orders that an account cannot carry.

    `shortable` is how many shares of a ticker can be borrowed; of what is not in it, any number.
    Sales of more than that wait for what is in `locatable`, and are refused otherwise.
    """

    def __init__(self, register: Register, matcher: Matcher) -> None:
        self.funds = Funds(register.portfolio, register.catalogue, matcher.mark)
        self.shortable: dict[str, Decimal] = {}
        self.locatable: set[str] = set()
        self._register = register
        self._matcher = matcher

    def objection(self, order: Order) -> str | None:
        """Why the system does not take an order, if it does not."""
        contract = self._register.contract_of(order)
        if order.order_type == "MARKET" and self._matcher.market(order.symbol) is None:
            return f"There is no market price for {order.symbol}."
        shortfall = self.funds.shortfall(order, contract, self._price(order, contract))
        if shortfall > 0:
            return (
                "YOUR ORDER IS NOT ACCEPTED. IN ORDER TO OBTAIN THE DESIRED POSITION YOUR EQUITY"
                f" WITH LOAN VALUE MUST EXCEED THE INITIAL MARGIN BY {shortfall:.2f} USD"
            )
        if self.lacks_shares(order) and order.symbol not in self.locatable:
            return "The contract is not available for short sale."
        return None

    def lacks_shares(self, order: Order) -> bool:
        """True for a short sale of more than can be borrowed; a child sells its parent's."""
        if order.parent_perm_id:
            return False
        contract = self._register.contract_of(order)
        if order.side != "SELL" or contract.sec_type != "STK" or order.symbol not in self.shortable:
            return False
        held = self._register.portfolio.quantity(order.account, contract.con_id)
        return order.quantity - max(held, Decimal(0)) > self.shortable[order.symbol]

    def preview(self, order: Order) -> Preview:
        """What an order would do to its account."""
        contract = self._register.contract_of(order)
        return self.funds.preview(order, contract, self._price(order, contract))

    def _price(self, order: Order, contract: Contract) -> Decimal:
        mark = self._matcher.mark(contract)
        return order.limit_price or mark or order.stop_price or Decimal(0)
