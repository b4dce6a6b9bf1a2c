"""EQUITY: shares and funds listed in the United States, such as SPY, GBTC and BRK.B.

A class of shares is written with a point, a dash or a space (BRK.B, BRK-B, BRK B), by exchanges,
data vendors and Interactive Brokers in turn. The canonical symbol has the point.

No list of listed tickers is kept here, for it changes every day: whatever has the form is taken,
and the broker refuses what is not listed.
"""

from __future__ import annotations

import re

from execution.domain.instruments import Instrument
from execution.domain.symbols.ticker import Rule, Ticker
from execution.domain.vocabulary import AssetClass

FORM = "a US share: 1 to 5 letters and perhaps a class from A to E (SPY, BRK.B)"

# Classes end at E: beyond them stand the suffixes of other markets (VOD.L is London's, BMW.F
# Frankfurt's), whose shares are in another currency. The settings can name such a share.
_SHARE = re.compile(r"([A-Z]{1,5})(?:[-. ]([A-E]))?")


def spell(ticker: Ticker) -> str | None:
    """BRK.B for `BRK.B`, `BRK-B` and `BRK B`."""
    match = _SHARE.fullmatch(ticker.text)
    if match is None:
        return None
    name, share_class = match.groups()
    return f"{name}.{share_class}" if share_class else name


def read(ticker: Ticker) -> Instrument:
    """A share in US dollars, quantity in shares."""
    symbol = spell(ticker)
    if symbol is None:
        raise ticker.refusal(f"is not {FORM}")
    return Instrument(symbol=symbol, asset_class=AssetClass.EQUITY, currency="USD")


RULE = Rule(AssetClass.EQUITY, FORM, spell, read)
