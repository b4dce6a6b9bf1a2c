"""Turns a ticker into an instrument: what it is, and so where it can be traded."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from types import MappingProxyType

from execution.domain.instruments import Instrument
from execution.domain.symbols.overrides import SymbolOverride, resolve
from execution.domain.symbols.rules import RULES
from execution.domain.symbols.ticker import Rule, Ticker
from execution.domain.vocabulary import AssetClass

__all__ = ["ExchangeMapper", "SymbolOverride"]

_NO_OVERRIDES: Mapping[str, SymbolOverride] = MappingProxyType({})


class ExchangeMapper:
    """Maps tickers by the rules of `execution.domain.symbols` and the settings' overrides.

    Pure: the same symbol, asset class and day give the same instrument. A canonical symbol maps to
    itself. What only a venue can know, such as whether a share is listed, is left to the venue.
    """

    def __init__(self, overrides: Mapping[str, SymbolOverride] = _NO_OVERRIDES) -> None:
        self._overrides = resolve(overrides)

    def map(self, symbol: str, asset_class: AssetClass | None = None, *, on: date) -> Instrument:
        """Give the instrument that `symbol` names on the day `on`.

        `asset_class` is what the request says, and then no other rule is tried. Raises
        UnknownSymbol when no rule reads the symbol, when more than one does (the message lists the
        candidates), and for a contract that has expired.
        """
        ticker = Ticker.of(symbol, asset_class, on)
        override = self._overrides.get(ticker.text)
        if override is None:
            rule, spelled = _only_reading(ticker)
            # An override of BTC-USDT also holds for BTCUSDT.
            override = self._overrides.get(spelled)
            if override is None:
                return rule.read(ticker)
        return override.read(ticker)


def _only_reading(ticker: Ticker) -> tuple[Rule, str]:
    """Give the rule that reads the ticker and its spelling; UnknownSymbol unless there is one."""
    # Names in other scripts are coins' alone: a digit of another script is none of a contract's.
    rules = RULES if ticker.text.isascii() else {AssetClass.CRYPTO: RULES[AssetClass.CRYPTO]}
    readings = {name: text for name, rule in rules.items() if (text := rule.spell(ticker))}
    suggestions = {name: text for name, rule in rules.items() if (text := rule.suggest(ticker))}
    candidates = suggestions | readings
    listed = " or ".join(f"{text} ({name})" for name, text in candidates.items())
    if ticker.asset_class in readings:
        return RULES[ticker.asset_class], readings[ticker.asset_class]
    if ticker.asset_class is not None:
        could_be = f"; it could be {listed}" if listed else ""
        raise ticker.refusal(
            f"is not {RULES[ticker.asset_class].form}, as asset_class {ticker.asset_class} "
            f"asks{could_be}"
        )
    if not candidates:
        forms = "; ".join(rule.form for rule in RULES.values())
        raise ticker.refusal(f"is unknown; it is none of: {forms}")
    if not readings:
        raise ticker.refusal(f"is not complete; it could be {listed}")
    if len(candidates) > 1:
        raise ticker.refusal(
            f"is ambiguous; it could be {listed}: name the asset_class or write the symbol in full"
        )
    ((name, spelled),) = readings.items()
    return RULES[name], spelled
