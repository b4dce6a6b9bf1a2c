"""CRYPTO: pairs of crypto assets, such as BTC-USDT, BTC/USDT or BTCUSDT."""

from __future__ import annotations

import re

from execution.domain.instruments import Instrument
from execution.domain.symbols.crypto_assets import (
    ASSETS,
    CRYPTO_QUOTES,
    FIAT_BASES,
    FIAT_QUOTES,
)
from execution.domain.symbols.iso4217 import CURRENCIES
from execution.domain.symbols.ticker import Rule, Ticker, split_pair
from execution.domain.vocabulary import AssetClass

FORM = "a crypto pair: BASE-QUOTE, or unseparated when both are known (BTC-USDT, BTCUSDT)"

_PLAUSIBLE = re.compile(r"[A-Z0-9]{1,15}")


def _pair(ticker: Ticker) -> tuple[str, str] | None:
    """Base and quote, or None."""
    pair = split_pair(ticker.text)
    if pair is None:
        return _unseparated(ticker.text)
    base, quote = pair
    if not ticker.text.isascii():
        return pair  # no other class has such names
    if quote in CRYPTO_QUOTES:
        return pair if _PLAUSIBLE.fullmatch(base) else None
    if quote not in FIAT_QUOTES:
        return None
    # Against money proper an unknown base may as well be a typing error, so the request must have
    # said that it means crypto; and money against money is FX, whatever it said.
    named = ticker.asset_class is AssetClass.CRYPTO and _PLAUSIBLE.fullmatch(base)
    return pair if base in ASSETS or (named and base not in CURRENCIES) else None


def _unseparated(text: str) -> tuple[str, str] | None:
    """Split where a known base meets a known quote; None unless there is just one such place."""
    splits = [(text[:at], text[at:]) for at in range(1, len(text))]
    pairs = [
        (base, quote)
        for base, quote in splits
        if (base in ASSETS and quote in CRYPTO_QUOTES | FIAT_QUOTES)
        or (base in FIAT_BASES and quote in CRYPTO_QUOTES)
    ]
    return pairs[0] if len(pairs) == 1 else None


def spell(ticker: Ticker) -> str | None:
    """BTC-USDT for BTC-USDT, BTC/USDT and BTCUSDT."""
    pair = _pair(ticker)
    return "-".join(pair) if pair else None


def suggest(ticker: Ticker) -> str | None:
    """Suggest the pair with USDT to whoever gives a bare asset."""
    if ticker.text not in ASSETS:
        return None
    return f"{ticker.text}-{'USDT' if ticker.text != 'USDT' else 'USD'}"


def read(ticker: Ticker) -> Instrument:
    """A spot pair, priced in its quote asset, quantity in units of its base.

    Raises UnknownSymbol when both are the same.
    """
    pair = _pair(ticker)
    if pair is None:
        raise ticker.refusal(f"is not {FORM}")
    base, quote = pair
    if base == quote:
        raise ticker.refusal(f"has {base} on both sides; a pair needs two assets")
    return Instrument(
        symbol=f"{base}-{quote}",
        asset_class=AssetClass.CRYPTO,
        currency=quote,
        base_currency=base,
    )


RULE = Rule(AssetClass.CRYPTO, FORM, spell, read, suggest)
