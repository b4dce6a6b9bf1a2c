"""Symbols that the settings explain, which win over the rules."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from execution.domain.errors import ConfigurationError, UnknownSymbol
from execution.domain.instruments import Instrument
from execution.domain.symbols import future, option
from execution.domain.symbols.future_roots import FutureRoot
from execution.domain.symbols.rules import RULES
from execution.domain.symbols.ticker import Ticker
from execution.domain.vocabulary import AssetClass

_CURRENCY = re.compile(r"[A-Z0-9]{2,10}")
_PAIRS = frozenset({AssetClass.FX, AssetClass.CRYPTO})


@dataclass(frozen=True, slots=True)
class SymbolOverride:
    """What the settings say of one symbol; None leaves what its asset class's rule says.

    `symbol` is the canonical symbol, by default the overridden one itself (`GOLD` may be the FX
    pair `XAUUSD`). `multiplier` is units of the underlying per contract. An EQUITY may have any
    symbol (`7203.T` in JPY on TSEJ); a FUTURE whose root is not in the table needs currency,
    multiplier and exchange; an adjusted OPTION series needs its multiplier. Raises
    ConfigurationError when a value cannot be.
    """

    asset_class: AssetClass
    currency: str | None = None
    multiplier: Decimal | None = None
    exchange: str | None = None
    symbol: str | None = None

    def __post_init__(self) -> None:
        """Check what can be checked without the symbol."""
        if self.currency is not None and not _CURRENCY.fullmatch(self.currency):
            raise ConfigurationError(f"currency {self.currency!r} is not a code in capitals")
        if self.currency is not None and self.asset_class in _PAIRS:
            raise ConfigurationError(
                f"currency {self.currency!r}: an {self.asset_class} pair is priced in its quote"
            )
        if self.multiplier is not None and not (
            self.multiplier.is_finite() and self.multiplier > 0
        ):
            raise ConfigurationError(f"multiplier {self.multiplier} is not a positive number")

    def read(self, ticker: Ticker) -> Instrument:
        """Give the instrument; UnknownSymbol when the request names another asset class."""
        if ticker.asset_class not in (None, self.asset_class):
            raise ticker.refusal(
                f"is {self.asset_class} by the settings, and the request says {ticker.asset_class}"
            )
        meant = Ticker(self.symbol or ticker.text, self.asset_class, ticker.on)
        written = dataclasses.replace(ticker, asset_class=self.asset_class)
        # ESZ26 and ESZ36 are both spelled ESZ6, so one that the request wrote out stays as it is.
        if _spelled(written) == _spelled(meant):
            meant = written
        instrument = self._by_rule(meant)
        return dataclasses.replace(
            instrument,
            currency=self.currency or instrument.currency,
            multiplier=self.multiplier or instrument.multiplier,
            exchange=self.exchange or instrument.exchange,
        )

    def _by_rule(self, meant: Ticker) -> Instrument:
        rule = RULES[self.asset_class]
        if self.asset_class is AssetClass.EQUITY and rule.spell(meant) is None:
            return Instrument(meant.text, AssetClass.EQUITY, self.currency or "USD")
        if self.asset_class is AssetClass.OPTION:
            return option.read(meant, adjusted=self.multiplier is not None)
        if self.asset_class is AssetClass.FUTURE:
            return future.read(meant, unlisted=self._root(meant))
        return rule.read(meant)

    def _root(self, meant: Ticker) -> FutureRoot | None:
        """Describe a future that our table does not have, when this says all of it."""
        if self.exchange is None or self.multiplier is None or self.currency is None:
            return None
        root = meant.text.rstrip("0123456789")[:-1]
        return FutureRoot(self.exchange, self.multiplier, self.currency, root)


def resolve(overrides: Mapping[str, SymbolOverride]) -> dict[str, SymbolOverride]:
    """Index overrides by the symbol they are for and by the canonical one they lead to.

    Both, so that a canonical symbol maps to itself. Raises ConfigurationError for a symbol that
    its asset class cannot have and for two overrides that contradict each other.
    """
    resolved: dict[str, SymbolOverride] = {}
    for symbol, override in overrides.items():
        key = _text(symbol)
        meant = _text(override.symbol or symbol)
        canonical = _canonical(meant, override.asset_class)
        complete = dataclasses.replace(override, symbol=meant)
        for text in (key, canonical):
            if resolved.setdefault(text, complete) != complete:
                raise ConfigurationError(f"symbol {symbol!r}: two overrides say what {text} is")
    return resolved


def _text(symbol: str) -> str:
    try:
        return Ticker.of(symbol, None, date.max).text
    except UnknownSymbol as error:
        raise ConfigurationError(f"override of {error}") from None


def _canonical(text: str, asset_class: AssetClass) -> str:
    """Give the canonical symbol, which is the same on any day."""
    ticker = Ticker(text, asset_class, date.max)
    rule = RULES[asset_class]
    if rule.spell(ticker) is None and asset_class is not AssetClass.EQUITY:
        raise ConfigurationError(f"override of symbol {text!r}: it is not {rule.form}")
    return _spelled(ticker)


def _spelled(ticker: Ticker) -> str:
    """Spell the ticker as its asset class does, or leave it when that has no spelling for it."""
    rule = RULES[ticker.asset_class] if ticker.asset_class else None
    return (rule and rule.spell(ticker)) or ticker.text
