"""What GetLastError says, by name, and which of it may be tried again.

Names: MQL4 Reference, "Trade Server Return Codes" (docs.mql4.com/constants/errors, read in November
2026). What each one proves: see the expert's Errors.mqh.
"""

from __future__ import annotations

from enum import IntEnum


class TradeCode(IntEnum):
    """The codes this trade server gives of its own; a fault may give any number."""

    NO_RESULT = 1
    SERVER_BUSY = 4
    NO_CONNECTION = 6
    TRADE_TIMEOUT = 128
    INVALID_PRICE = 129
    INVALID_STOPS = 130
    INVALID_VOLUME = 131
    MARKET_CLOSED = 132
    TRADE_DISABLED = 133
    NOT_ENOUGH_MONEY = 134
    OFF_QUOTES = 136
    REQUOTE = 138
    ENQUEUED = 142
    UNKNOWN_SYMBOL = 4106
    INVALID_TICKET = 4108


class TradeError(Exception):
    """The request was not carried out, or nobody knows: see the code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"trade error {int(code)}")
        self.code = int(code)


_RETRY = frozenset({4, 8, 129, 135, 136, 138, 141, 146})
_FINAL = frozenset({2, 3, 5, 64, 65, *range(130, 135), 140, 144, 145, *range(147, 151)})
_NEVER_LEFT = frozenset({4051, *range(4106, 4113)})


def never_left(code: int) -> bool:
    """True when the terminal itself said no."""
    return code in _NEVER_LEFT


def class_of(code: int) -> str:
    """RETRY, FINAL, or UNKNOWN: as the expert's Errors.mqh has them."""
    if code in _RETRY:
        return "RETRY"
    return "FINAL" if code in _FINAL or never_left(code) else "UNKNOWN"
