"""What a group has earned or cost, from its fills."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from execution.domain.arbitrage.groups import Role
from execution.domain.decimals import exact
from execution.domain.vocabulary import Side


@dataclass(frozen=True, slots=True)
class GroupFill:
    """One fill of a group: quantity in shares or coins, price in `currency`.

    `base` is the coin that is traded, None for shares. `commission` is None while it is not known.
    """

    role: Role
    side: Side
    quantity: Decimal
    price: Decimal
    currency: str
    base: str | None = None
    commission: Decimal | None = None
    commission_currency: str | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """`pnl` in dollars, what is held valued at its mark; a cost is negative.

    `uncounted` are commissions in a currency that nobody said the price of.
    """

    pnl: Decimal
    uncounted: Mapping[str, Decimal] = field(default_factory=dict)


@exact
def result(
    fills: Sequence[GroupFill],
    marks: Mapping[Role, Decimal],
    spot_in_dollars: Decimal = Decimal(1),
) -> Result:
    """What fills have earned: money in and out, commissions, and what they left at its mark.

    `marks` are prices as the fills have them; an instrument without one is valued at its last fill,
    so what was closed needs none. `spot_in_dollars` is dollars per unit of the spot's currency.
    """
    dollars = {Role.TRUST: Decimal(1), Role.SPOT: spot_in_dollars}
    values = {fill.role: fill.price for fill in fills} | dict(marks)
    pnl, uncounted = Decimal(0), dict[str, Decimal]()
    for fill in fills:
        rate = dollars[fill.role]
        signed = fill.side.sign * fill.quantity
        pnl += signed * (values[fill.role] - fill.price) * rate
        cost, currency = fill.commission or Decimal(0), fill.commission_currency
        if not cost:
            continue
        if currency == fill.currency:
            pnl -= cost * rate
        elif currency is not None and currency == fill.base:
            pnl -= cost * values[fill.role] * rate
        else:
            name = currency or "?"
            uncounted[name] = uncounted.get(name, Decimal(0)) + cost
    return Result(pnl, uncounted)
