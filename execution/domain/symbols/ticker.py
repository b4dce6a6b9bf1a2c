"""What a request calls its instrument, and the shape of the rules that read it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from execution.domain.errors import UnknownSymbol
from execution.domain.instruments import Instrument
from execution.domain.vocabulary import AssetClass

MAX_LENGTH = 32
_SHOWN = 24


@dataclass(frozen=True, slots=True)
class Ticker:
    """A symbol in upper case, the asset class the request names (or None), and the day."""

    text: str
    asset_class: AssetClass | None
    on: date

    @classmethod
    def of(cls, symbol: str, asset_class: AssetClass | None, on: date) -> Ticker:
        """Take a request's symbol; upper and lower case are the same.

        Raises UnknownSymbol unless it is 1 to 32 printable ASCII characters without a space at
        either end. ASCII alone, since a Cyrillic letter can look like the Latin one.
        """
        if not symbol:
            raise refusal(symbol, "is empty")
        if len(symbol) > MAX_LENGTH:
            raise refusal(symbol, f"is longer than {MAX_LENGTH} characters")
        if not (symbol.isascii() and symbol.isprintable()):
            raise refusal(symbol, "holds a character that is not printable ASCII")
        if symbol != symbol.strip():
            raise refusal(symbol, "begins or ends with a space")
        return cls(symbol.upper(), asset_class, on)

    def refusal(self, rule: str) -> UnknownSymbol:
        """Build the error that says which rule this symbol breaks."""
        return refusal(self.text, rule)


@dataclass(frozen=True, slots=True)
class Rule:
    """How one asset class reads a ticker.

    `form` is that in words. `spell` gives the canonical symbol, whatever the day, or None when the
    ticker is not of the form; it never raises. `read` gives the instrument or raises
    UnknownSymbol. `suggest` gives a full symbol that a bare name might stand for (BTC: BTC-USDT).
    """

    asset_class: AssetClass
    form: str
    spell: Callable[[Ticker], str | None]
    read: Callable[[Ticker], Instrument]
    suggest: Callable[[Ticker], str | None] = lambda _: None


def refusal(symbol: str, rule: str) -> UnknownSymbol:
    """Build the error of a symbol: the field, the value (shortened, printable), the rule."""
    shown = ascii(symbol[:_SHOWN]) + ("..." if len(symbol) > _SHOWN else "")
    return UnknownSymbol(f"symbol {shown} {rule}")


def split_pair(text: str) -> tuple[str, str] | None:
    """Split BASE-QUOTE or BASE/QUOTE; None without exactly one separator."""
    parts = text.replace("/", "-").split("-")
    return (parts[0], parts[1]) if len(parts) == 2 else None  # noqa: PLR2004 - a pair is two
