"""OPTION: listed US options by their OCC symbol, such as SPY261218C00600000.

The form is the Options Symbology Initiative's (OCC, 2010): a root padded with spaces to six
characters, yymmdd, C or P, and the strike in thousandths of a dollar in eight digits. The
canonical symbol leaves the padding out.

The root is the trading class. Several classes of one underlying may share a day and a strike: SPX
(settled at the open) and SPXW (at the close), SPY and its FLEX series 2SPY (OCC puts a digit before
the root of a FLEX option). Only the root tells them apart.
"""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal

from execution.domain.instruments import Instrument
from execution.domain.symbols.ticker import Rule, Ticker
from execution.domain.vocabulary import AssetClass

FORM = "an OCC option: root, yymmdd, C or P, strike in thousandths (SPY261218C00600000)"

MULTIPLIER = Decimal(100)
_PADDED_LENGTH = 21
_OCC = re.compile(
    r"([0-9]?[A-Z][A-Z0-9]{0,4}|[A-Z][A-Z0-9]{5})( *)"
    r"([0-9]{2})([0-9]{2})([0-9]{2})([CP])([0-9]{8})"
)

# Roots that are not their underlying's ticker: series settled apart from the index's own, and
# share classes, whose root has no room for the point.
_UNDERLYING = {
    "SPXW": "SPX",
    "NDXP": "NDX",
    "RUTW": "RUT",
    "VIXW": "VIX",
    "BRKB": "BRK.B",
    "BFB": "BF.B",
}


def _match(ticker: Ticker) -> re.Match[str] | None:
    match = _OCC.fullmatch(ticker.text)
    if match is None or (match[2] and len(ticker.text) != _PADDED_LENGTH):
        return None
    return match


def spell(ticker: Ticker) -> str | None:
    """Spell an OCC symbol without its padding."""
    return ticker.text.replace(" ", "") if _match(ticker) else None


def read(ticker: Ticker, *, adjusted: bool = False) -> Instrument:
    """An option on 100 shares, strike and price in US dollars per share.

    Raises UnknownSymbol for a day that does not exist or lies before the ticker's (its last day is
    still good), for a strike of zero, and for an adjusted series unless `adjusted`.
    """
    match = _match(ticker)
    if match is None:
        raise ticker.refusal(f"is not {FORM}")
    root, _, year, month, day, right, thousandths = match.groups()
    # A corporate action turns SPY into SPY1, deliverable: something other than 100 shares.
    if not _standard(root).isalpha() and not adjusted:
        raise ticker.refusal(
            f"is of the adjusted series {root}, whose multiplier only the settings can tell"
        )
    try:
        expiry = date(2000 + int(year), int(month), int(day))
    except ValueError:
        raise ticker.refusal(f"expires on {year}{month}{day}, which is not a date") from None
    if expiry < ticker.on:
        raise ticker.refusal(f"expired on {expiry}, before {ticker.on}")
    strike = Decimal(thousandths) / 1000
    if not strike:
        raise ticker.refusal("has a strike of zero")
    return Instrument(
        symbol=ticker.text.replace(" ", ""),
        asset_class=AssetClass.OPTION,
        currency="USD",
        multiplier=MULTIPLIER,
        underlying=_underlying(root),
        expiry=expiry,
        strike=strike,
        right=right,
    )


def _underlying(root: str) -> str:
    """The underlying's ticker: a FLEX series has that of its standard class."""
    standard = _standard(root)
    return _UNDERLYING.get(standard, standard)


def _standard(root: str) -> str:
    """A root without the digit that marks a FLEX series."""
    return root.lstrip("0123456789")


RULE = Rule(AssetClass.OPTION, FORM, spell, read)
