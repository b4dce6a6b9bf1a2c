"""What a request calls its instrument, and the shape of the rules that read it."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from execution.domain.errors import UnknownSymbol
from execution.domain.instruments import Instrument
from execution.domain.vocabulary import AssetClass

MAX_LENGTH = 32
_SHOWN = 24
_LONGEST_NAME = 15
_LIKE_LATIN = frozenset(
    {"LATIN", "CYRILLIC", "GREEK", "COPTIC", "ARMENIAN", "CHEROKEE", "LISU", "DESERET"}
)


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
        either end, or a pair with a name in another script (`is_foreign`).
        """
        if not symbol:
            raise refusal(symbol, "is empty")
        if len(symbol) > MAX_LENGTH:
            raise refusal(symbol, f"is longer than {MAX_LENGTH} characters")
        if not symbol.isprintable() or not (symbol.isascii() or is_foreign(symbol)):
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


def is_foreign(symbol: str) -> bool:
    """Whether it is a separated pair with a name in another script, of whole letters and digits.

    Each name is of one script alone, and of none whose letters can look like Latin ones: a coin in
    Cyrillic is refused. Binance lists such names (on its test network since 2025-12-18).
    """
    pair = split_pair(symbol.upper())
    return pair is not None and all(
        (name.isascii() and name.isalnum()) or _is_of_one_script(name) for name in pair
    )


def _is_of_one_script(name: str) -> bool:
    letters = [one for one in name if not ("0" <= one <= "9")]
    scripts = {unicodedata.name(one, "").partition(" ")[0] for one in letters}
    return (
        0 < len(name) <= _LONGEST_NAME
        and all(one.isalpha() for one in letters)
        and unicodedata.is_normalized("NFKC", name)
        and len(scripts) == 1
        and not scripts & _LIKE_LATIN
    )


def split_pair(text: str) -> tuple[str, str] | None:
    """Split BASE-QUOTE or BASE/QUOTE; None without exactly one separator."""
    parts = text.replace("/", "-").split("-")
    return (parts[0], parts[1]) if len(parts) == 2 else None  # noqa: PLR2004 - a pair is two
