"""What an execution costs: IB's fixed prices for the United States, exchange fees left out.

Shares 0.005 each, at least 1.00 an order and at most 1 % of its value; options 0.65 a contract, at
least 1.00 an order; futures 2.25 a contract; currency pairs 0.2 basis points, at least 2.00.
"""

from __future__ import annotations

from decimal import Decimal

from simulators.ib_gateway.contracts import Contract

_CENT_HUNDREDTH = Decimal("0.0001")
_PER_SHARE = Decimal("0.005")
_PER_OPTION = Decimal("0.65")
_PER_FUTURE = Decimal("2.25")
_PER_VALUE = Decimal("0.00002")
_SHARE_OF_VALUE = Decimal("0.01")


def commission(contract: Contract, quantity: Decimal, value: Decimal) -> Decimal:
    """The commission of an order of which `quantity` has been filled for `value` in all."""
    if contract.sec_type == "OPT":
        amount = max(Decimal(1), _PER_OPTION * quantity)
    elif contract.sec_type == "FUT":
        amount = _PER_FUTURE * quantity
    elif contract.sec_type == "CASH":
        amount = max(Decimal(2), _PER_VALUE * value)
    else:
        amount = min(max(Decimal(1), _PER_SHARE * quantity), _SHARE_OF_VALUE * value)
    return amount.quantize(_CENT_HUNDREDTH)
