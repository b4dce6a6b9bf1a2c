"""What a symbol names: an instrument with its asset class, currency and multiplier."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from execution.domain.vocabulary import AssetClass


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
