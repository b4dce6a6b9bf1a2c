"""Positions: how an execution changes quantity, average price and realised profit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Context, Decimal

from execution.domain.decimals import exact
from execution.domain.vocabulary import Side

# Average prices are quotients; 28 digits keep the error of a long history far below a tick.
_AVERAGE = Context(prec=28)


@dataclass(frozen=True, slots=True)
class FillEntry:
    """What a position needs of one execution.

    `quantity` is positive. `base_commission` is the part of the commission that was taken out of
    the instrument's own base asset (crypto); `commission` is everything else.
    """

    side: Side
    quantity: Decimal
    price: Decimal
    commission: Decimal = Decimal(0)
    base_commission: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Position:
    """Signed `quantity` (short is negative) at `average_price`.

    `realised_pnl` is the sum of (exit - entry) x quantity x multiplier x sign in the instrument's
    currency, commission apart.
    """

    quantity: Decimal = Decimal(0)
    average_price: Decimal = Decimal(0)
    realised_pnl: Decimal = Decimal(0)
    commission: Decimal = Decimal(0)

    @exact
    def apply(self, fill: FillEntry, multiplier: Decimal) -> Position:
        """The position after `fill`: an add averages, a reduction realises, a flip does both."""
        signed = fill.quantity * fill.side.sign
        before, after = self.quantity, self.quantity + signed
        average, realised = self.average_price, self.realised_pnl
        if before * signed >= 0:
            cost = abs(before) * average + fill.quantity * fill.price
            average = _AVERAGE.divide(cost, abs(after))
        else:
            closed = min(abs(before), fill.quantity)
            sign = 1 if before > 0 else -1
            realised += (fill.price - average) * closed * multiplier * sign
            if abs(before) < fill.quantity:
                average = fill.price
        if after == 0:
            # A commission in the base asset may leave a little of the other sign at this price.
            average = fill.price if fill.base_commission else Decimal(0)
        return replace(
            self,
            # A commission in the base asset leaves less of it than was bought.
            quantity=after - fill.base_commission,
            average_price=average,
            realised_pnl=realised,
            commission=self.commission + fill.commission,
        )


@exact
def unrealised_pnl(position: Position, mid: Decimal, multiplier: Decimal) -> Decimal:
    """What closing at `mid` would realise, in the instrument's currency."""
    return (mid - position.average_price) * position.quantity * multiplier
