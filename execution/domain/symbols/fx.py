"""FX: pairs of ISO 4217 currencies, such as EURUSD, EUR/USD or EUR-USD.

Metals are pairs too (XAUUSD): MT4 venues quote them beside currencies. A metal stands only as the
base, and quantity is then in troy ounces.
"""

from __future__ import annotations

from execution.domain.instruments import Instrument
from execution.domain.symbols.iso4217 import CURRENCIES, METALS
from execution.domain.symbols.ticker import Rule, Ticker, split_pair
from execution.domain.vocabulary import AssetClass

FORM = "a pair of ISO 4217 currencies (EURUSD, EUR/USD, XAUUSD)"

_CODE = 3


def _pair(ticker: Ticker) -> tuple[str, str] | None:
    """Base and quote, or None; six letters split in the middle."""
    text = ticker.text
    pair = split_pair(text)
    if pair is None and len(text) == 2 * _CODE:
        pair = text[:_CODE], text[_CODE:]
    if pair and pair[0] in CURRENCIES | METALS and pair[1] in CURRENCIES:
        return pair
    return None


def spell(ticker: Ticker) -> str | None:
    """EURUSD for EURUSD, EUR/USD and EUR-USD."""
    pair = _pair(ticker)
    return "".join(pair) if pair else None


def read(ticker: Ticker) -> Instrument:
    """A pair, priced in its second currency, quantity in units of its first (not lots).

    Raises UnknownSymbol when both are the same.
    """
    pair = _pair(ticker)
    if pair is None:
        raise ticker.refusal(f"is not {FORM}")
    base, quote = pair
    if base == quote:
        raise ticker.refusal(f"has {base} on both sides; a pair needs two currencies")
    return Instrument(
        symbol=base + quote, asset_class=AssetClass.FX, currency=quote, base_currency=base
    )


RULE = Rule(AssetClass.FX, FORM, spell, read)
