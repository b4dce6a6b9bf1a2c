"""Our symbol for a contract of TWS that nobody has asked for by one of ours.

Spelled from what identifies the contract. TWS's `localSymbol` is no part of it: TWS spells the same
future `ESZ6` and `ES   DEC 26` by exchange and version, and rewrites it when a company is renamed.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from execution.domain.instruments import Listing
from execution.domain.symbols import future
from execution.domain.symbols.future_roots import ROOTS
from execution.domain.vocabulary import AssetClass

_HOME = "USD"
_CLASSES = {
    "STK": AssetClass.EQUITY,
    "OPT": AssetClass.OPTION,
    "FUT": AssetClass.FUTURE,
    "CASH": AssetClass.FX,
}
_DAY, _MONTH = 8, 6
_YEAR = 12


def listing(contract: Any, details: Any = None) -> Listing:
    """A contract's symbol, currency and multiplier, by its details where TWS gives them."""
    magnifier = Decimal((details and details.priceMagnifier) or 1)
    return Listing(
        spell(contract, details),
        _CLASSES.get(contract.secType),
        str(contract.currency),
        _number(contract.multiplier) / magnifier,
    )


def spell(contract: Any, details: Any = None) -> str:
    """The symbol. What cannot be told from another contract without it ends in the contract id."""
    match contract.secType:
        case "STK":
            return _abroad(str(contract.symbol).replace(" ", "."), contract)
        case "CASH":
            return f"{contract.symbol}{contract.currency}"
        case "OPT" if len(_expiry(contract, details)) == _DAY and contract.right:
            strike = Decimal(str(contract.strike)).scaleb(3)
            terms = f"{_expiry(contract, details)[2:]}{contract.right[0]}{int(strike):08d}"
            return _abroad(f"{_class(contract)}{terms}", contract)
        case "FUT" if month := _contract_month(contract, details):
            return future.code(_class(contract), month)
    return ".".join((_class(contract), str(contract.secType), str(contract.conId)))


def day(text: str) -> str:
    """A last trading day or contract month without the time and zone that may follow it."""
    return text.replace("-", " ").split(" ")[0]


def _expiry(contract: Any, details: Any) -> str:
    """OCC names the day an option expires, which is after its last trading day if settled AM."""
    return day((details and details.realExpirationDate) or contract.lastTradeDateOrContractMonth)


def _contract_month(contract: Any, details: Any) -> str | None:
    """YYYYMM; None where only the last trading day is known, and the product is not."""
    if details is not None and len(details.contractMonth) == _MONTH:
        return str(details.contractMonth)
    ends = day(contract.lastTradeDateOrContractMonth)
    if len(ends) == _MONTH:
        return ends
    root = ROOTS.get(_class(contract))
    if len(ends) != _DAY or not ends.isdigit() or root is None:
        return None
    months = int(ends[:4]) * _YEAR + int(ends[4:6]) - 1 - root.ends
    return f"{months // _YEAR:04d}{months % _YEAR + 1:02d}"


def _class(contract: Any) -> str:
    return str(contract.tradingClass or contract.symbol).replace(" ", "")


def _abroad(symbol: str, contract: Any) -> str:
    """Tickers are unique in one country only: another currency is part of the symbol."""
    return symbol if contract.currency == _HOME else f"{symbol}.{contract.currency}"


def _number(multiplier: Any) -> Decimal:
    try:
        return Decimal(str(multiplier or 1)) or Decimal(1)
    except InvalidOperation:
        return Decimal(1)
