"""FUTURE: a root, a month code and one or two digits of the year, such as ESZ6 or ESZ26.

The canonical symbol has one digit, as the exchanges write it. It stands for the next such month,
the running one included, within nine years. So no code changes its meaning on the day its contract
ends: in January 2027, ESZ6 is December 2026 and refused as past, not December 2036. The day within
the month on which a contract ends is the exchange's to say, and the broker refuses one that has.
"""

from __future__ import annotations

import re

from execution.domain.instruments import Instrument
from execution.domain.symbols.future_roots import ROOTS, FutureRoot
from execution.domain.symbols.ticker import Rule, Ticker
from execution.domain.vocabulary import AssetClass

FORM = "a future: root, month code and year (ESZ6, ESZ26)"

# January to December, CME Group's month codes.
MONTH_CODES = "FGHJKMNQUVXZ"
_CODE = re.compile(rf"([A-Z0-9]{{1,5}})([{MONTH_CODES}])([0-9]{{1,2}})")
_YEAR = 12
_HORIZON = 9 * _YEAR
_DECADE = 10 * _YEAR


def spell(ticker: Ticker) -> str | None:
    """ESZ6 for both `ESZ6` and `ESZ26`."""
    match = _CODE.fullmatch(ticker.text)
    return f"{match[1]}{match[2]}{match[3][-1]}" if match else None


def code(root: str, contract_month: str) -> str:
    """ESZ6 for ES and `202612`. ValueError for what is no YYYYMM."""
    year, month = int(contract_month[:4]), int(contract_month[4:6])
    if not 1 <= month <= _YEAR:
        raise ValueError(f"{contract_month!r} is no month")
    return f"{root}{MONTH_CODES[month - 1]}{year % 10}"


def suggest(ticker: Ticker) -> str | None:
    """Suggest next December's contract to whoever gives a bare root."""
    return f"{ticker.text}Z{ticker.on.year % 10}" if ticker.text in ROOTS else None


def read(ticker: Ticker, *, unlisted: FutureRoot | None = None) -> Instrument:
    """One contract month; `expiry` stays None, `contract_month` is YYYYMM.

    Raises UnknownSymbol for a root that is not in the table (unless `unlisted` describes it), for
    a month that is past, and for one more than nine years ahead.
    """
    match = _CODE.fullmatch(ticker.text)
    if match is None:
        raise ticker.refusal(f"is not {FORM}")
    root, code, digits = match.groups()
    product = ROOTS.get(root, unlisted)
    if product is None:
        raise ticker.refusal(f"names the future {root}, which is not in our table of roots")
    return Instrument(
        symbol=f"{root}{code}{digits[-1]}",
        asset_class=AssetClass.FUTURE,
        currency=product.currency,
        multiplier=product.multiplier,
        underlying=product.underlying,
        exchange=product.exchange,
        contract_month=_contract_month(ticker, MONTH_CODES.index(code), digits),
    )


def _contract_month(ticker: Ticker, month: int, digits: str) -> str:
    """Give YYYYMM of a contract; `month` counts from 0, and so do months since the year 0."""
    today = ticker.on.year * _YEAR + ticker.on.month - 1
    if len(digits) == 1:
        named = int(digits) * _YEAR + month
        named += -(-(today - named) // _DECADE) * _DECADE
        # Just past, and ten years off only by the letter of it: a stale code, not a far contract.
        if named - today > _HORIZON:
            named -= _DECADE
    else:
        named = (2000 + int(digits)) * _YEAR + month
    spelled = f"{named // _YEAR:04d}{named % _YEAR + 1:02d}"
    if named < today:
        raise ticker.refusal(f"is the contract of {spelled}, which is past on {ticker.on}")
    if named - today > _HORIZON:
        raise ticker.refusal(f"is the contract of {spelled}, more than nine years ahead")
    return spelled


RULE = Rule(AssetClass.FUTURE, FORM, spell, read, suggest)
