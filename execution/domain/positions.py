"""Positions: how an execution changes quantity, average price and realised profit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Context, Decimal

from execution.domain.decimals import exact
from execution.domain.vocabulary import Side

# Average prices are quotients; 28 digits keep the error of a long history far below a tick.
_AVERAGE = Context(prec=28)

UNKNOWN_CURRENCY = "?"
"""Of a cost that came without a currency, in an instrument whose currency nobody knows."""


@dataclass(frozen=True, slots=True)
class FillEntry:
    """What a position needs of one execution.

    `quantity` is positive. `commission` is what it cost in the instrument's currency (a credit is
    negative), `base_commission` what was taken out of the instrument's own base asset (crypto);
    `paid` is the currency and the amount of what it cost, whatever that currency.
    """

    side: Side
    quantity: Decimal
    price: Decimal
    commission: Decimal = Decimal(0)
    base_commission: Decimal = Decimal(0)
    paid: tuple[str, Decimal] | None = None


def fill_entry(
    side: Side,
    quantity: Decimal,
    price: Decimal,
    *,
    cost: tuple[Decimal | None, str | None],
    currency: str | None,
    base_asset: str | None,
) -> FillEntry:
    """An execution in an instrument of a `currency` and a `base_asset`, as a position takes it.

    `cost` is an amount (None: not known yet) and its currency (None: the instrument's).
    """
    amount, named = cost
    unit = named or currency
    if not amount:
        return FillEntry(side, quantity, price)
    return FillEntry(
        side,
        quantity,
        price,
        commission=amount if unit == currency else Decimal(0),
        base_commission=amount if unit is not None and unit == base_asset else Decimal(0),
        paid=(unit or UNKNOWN_CURRENCY, amount),
    )


@dataclass(frozen=True, slots=True)
class Position:
    """Signed `quantity` (short is negative) at `average_price`.

    `realised_pnl` is the sum of (exit - entry) x quantity x multiplier x sign in the instrument's
    currency, commission apart. `commission` is what was paid in that currency, and what a fee in
    the base asset was worth when it was paid. `costs` is everything that was paid, by currency;
    currencies are never added to each other.
    """

    quantity: Decimal = Decimal(0)
    average_price: Decimal = Decimal(0)
    realised_pnl: Decimal = Decimal(0)
    commission: Decimal = Decimal(0)
    costs: Mapping[str, Decimal] = field(default_factory=dict)

    @property
    @exact
    def net_pnl(self) -> Decimal:
        """Realised profit less commission, in the instrument's currency; other costs beside it."""
        return self.realised_pnl - self.commission

    @exact
    def apply(self, fill: FillEntry, multiplier: Decimal) -> Position:
        """The position after `fill`: an add averages, a reduction realises, a flip does both.

        A fee in the base asset is paid with what is held: it leaves at the execution's price, as
        if it had been sold and the fee paid in money.
        """
        after = _traded(self, fill.quantity * fill.side.sign, fill.price, multiplier)
        worth = Decimal(0)
        if fill.base_commission:
            after = _traded(after, -fill.base_commission, fill.price, multiplier)
            worth = fill.base_commission * fill.price * multiplier
        return replace(
            after,
            commission=self.commission + fill.commission + worth,
            costs=_with(self.costs, fill.paid),
        )


def _traded(position: Position, signed: Decimal, price: Decimal, multiplier: Decimal) -> Position:
    """A position after `signed` more of it at a price, whatever that cost."""
    before, after = position.quantity, position.quantity + signed
    average, realised = position.average_price, position.realised_pnl
    if before * signed >= 0:
        cost = abs(before) * average + abs(signed) * price
        average = _AVERAGE.divide(cost, abs(after))
    else:
        closed = min(abs(before), abs(signed))
        sign = 1 if before > 0 else -1
        realised += (price - average) * closed * multiplier * sign
        if abs(before) < abs(signed):
            average = price
    if after == 0:
        average = Decimal(0)
    return replace(position, quantity=after, average_price=average, realised_pnl=realised)


def _with(costs: Mapping[str, Decimal], paid: tuple[str, Decimal] | None) -> Mapping[str, Decimal]:
    if paid is None:
        return costs
    currency, amount = paid
    total = costs.get(currency, Decimal(0)) + amount
    others = {name: value for name, value in costs.items() if name != currency}
    return others | ({currency: total} if total else {})


@exact
def unrealised_pnl(position: Position, mid: Decimal, multiplier: Decimal) -> Decimal:
    """What closing at `mid` would realise, in the instrument's currency."""
    return (mid - position.average_price) * position.quantity * multiplier
