"""What the account holds, and how much of it is locked for open orders."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from simulators.binance.numbers import eight

_ZERO = Decimal(0)


class Account:
    """Totals and locks by asset; free is their difference. `changed` are assets not yet told."""

    def __init__(self) -> None:
        self._total: dict[str, Decimal] = {}
        self._locked: dict[str, Decimal] = {}
        self.changed: set[str] = set()

    def total(self, asset: str) -> Decimal:
        """All there is of an asset."""
        return self._total.get(asset, _ZERO)

    def free(self, asset: str) -> Decimal:
        """What is not locked, never below 0."""
        return max(self.total(asset) - self._locked.get(asset, _ZERO), _ZERO)

    def add(self, asset: str, amount: Decimal) -> None:
        """Receive, or pay when below 0."""
        self._total[asset] = self.total(asset) + amount
        self.changed.add(asset)

    def lock(self, asset: str, amount: Decimal) -> None:
        """Lock more, or less when below 0."""
        self._locked[asset] = self._locked.get(asset, _ZERO) + amount

    def set_totals(self, totals: Mapping[str, Decimal]) -> None:
        """Hold so much of these assets from now on; locks stay."""
        self._total.update(totals)
        self.changed |= totals.keys()

    def totals(self) -> dict[str, Decimal]:
        """All there is, by asset."""
        return dict(self._total)

    def as_json(self, *, omit_zero: bool = False) -> list[dict[str, str]]:
        """The entry `balances` of the account."""
        return [
            {
                "asset": asset,
                "free": eight(self.free(asset)),
                "locked": eight(self._locked.get(asset, _ZERO)),
            }
            for asset, total in sorted(self._total.items())
            if total or not omit_zero
        ]
