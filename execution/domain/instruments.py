"""What a symbol names: an instrument with its asset class, currency and multiplier."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from execution.domain.vocabulary import AssetClass

_OCC_TERMS = len("yymmddC00000000")
_MONTH_AND_YEAR = len("Z6")


@dataclass(frozen=True, slots=True)
class Instrument:
    """One tradable instrument.

    `symbol` is our canonical spelling. `currency` is the one prices are quoted in. `multiplier` is
    units of the underlying per contract (1 for equities, FX and crypto, 100 for US equity
    options). `base_currency` stands for FX and CRYPTO only. Quantity is in shares, contracts or
    units of the base currency. `contract_month` is a future's delivery month, YYYYMM.
    """

    symbol: str
    asset_class: AssetClass
    currency: str
    multiplier: Decimal = Decimal(1)
    base_currency: str | None = None
    underlying: str | None = None
    expiry: date | None = None
    strike: Decimal | None = None
    right: str | None = None
    exchange: str | None = None
    contract_month: str | None = None

    @property
    def trading_class(self) -> str | None:
        """The class it is listed in: an option's OCC root, a future's root; None for all else.

        Contracts of one underlying, month and strike may differ in nothing but their class.
        """
        if self.asset_class is AssetClass.OPTION:
            return self.symbol[:-_OCC_TERMS]
        if self.asset_class is AssetClass.FUTURE:
            return self.symbol[:-_MONTH_AND_YEAR]
        return None


@dataclass(frozen=True, slots=True)
class Listing:
    """A contract of a venue under our symbol; `asset_class` is None for a kind not traded here."""

    symbol: str
    asset_class: AssetClass | None
    currency: str
    multiplier: Decimal
