"""What each account holds, folded out of its executions."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from simulators.ledger.records import Trade

Key = tuple[str | None, str]
"""Account and symbol."""


def fold_positions(trades: Iterable[Trade]) -> dict[Key, tuple[Decimal, Decimal]]:
    """Signed quantity and average price of each symbol of an account that is not flat.

    Adding averages the price in, reducing leaves it, and crossing zero begins at the new one.
    """
    held: dict[Key, tuple[Decimal, Decimal]] = {}
    for trade in trades:
        key = (trade.account, trade.symbol)
        quantity, average = held.get(key, (Decimal(0), Decimal(0)))
        change = trade.quantity if trade.side == "BUY" else -trade.quantity
        total = quantity + change
        if not change:
            continue
        if quantity * change >= 0:
            average = (average * quantity + trade.price * change) / total
        elif quantity * total < 0:
            average = trade.price
        held[key] = (total, average)
    return {key: position for key, position in held.items() if position[0]}
