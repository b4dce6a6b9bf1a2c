"""What each of Binance's codes, and each of ccxt's exceptions, says of a request.

One table for all: whether the venue has definitely refused it, took nothing, or may have taken it.
A code that is not listed proves nothing and is UNKNOWN: then the venue is asked.

Source: Binance Spot API, "Error codes" and "Filters"; ccxt's exception hierarchy.
"""

from __future__ import annotations

from enum import Enum

import aiohttp
import ccxt

from execution.domain.errors import (
    AccessRefused,
    BrokerError,
    BrokerRejected,
    BrokerUnavailable,
    CredentialsRefused,
    OutcomeUnknown,
    RateLimited,
    RejectionScope,
    TooLate,
)


class Outcome(Enum):
    """What became of a request."""

    REFUSED = "refused as it is just now"
    IMPOSSIBLE = "refused for what it asks"
    CLOSED = "refused, as every order of this account would be"
    HALTED = "refused, as every order of its symbol would be just now"
    ABSENT = "there is no such order"
    UNAVAILABLE = "nothing was taken"
    LATE = "nothing was taken: it came outside its receive window"
    LIMITED = "nothing was taken: too many requests"
    KEY = "nothing was taken: the key is not accepted"
    SHUT_OUT = "nothing was taken: requests from here are not let in"
    UNKNOWN = "it may have been taken"


CODES: dict[int, Outcome] = {
    -1000: Outcome.UNKNOWN,  # an unknown error while processing
    -1001: Outcome.UNKNOWN,  # internal error; unable to process
    -1002: Outcome.KEY,  # not authorized
    -1003: Outcome.LIMITED,  # too many requests
    -1006: Outcome.UNKNOWN,  # unexpected response; execution status unknown
    -1007: Outcome.UNKNOWN,  # timeout; send status unknown, execution status unknown
    -1008: Outcome.UNKNOWN,  # overloaded; not said whether before or after
    -1010: Outcome.UNKNOWN,  # an error message of the matching engine
    -1013: Outcome.REFUSED,  # a filter; which one decides, see FILTERS
    -1014: Outcome.IMPOSSIBLE,  # unsupported order combination
    -1015: Outcome.LIMITED,  # too many new orders
    -1016: Outcome.UNAVAILABLE,  # service shutting down
    -1020: Outcome.IMPOSSIBLE,  # unsupported operation
    -1021: Outcome.LATE,  # timestamp outside the receive window
    -1022: Outcome.KEY,  # invalid signature
    -1033: Outcome.UNAVAILABLE,  # connection id in use
    -1034: Outcome.LIMITED,  # too many connections
    -1035: Outcome.UNAVAILABLE,  # logged out
    -1099: Outcome.KEY,  # not found, not authenticated, or not authorized
    -1100: Outcome.IMPOSSIBLE,  # illegal characters
    -1101: Outcome.IMPOSSIBLE,  # too many parameters
    -1102: Outcome.IMPOSSIBLE,  # a mandatory parameter is missing or malformed
    -1103: Outcome.IMPOSSIBLE,  # unknown parameter
    -1104: Outcome.IMPOSSIBLE,  # not all parameters were read
    -1105: Outcome.IMPOSSIBLE,  # a parameter is empty
    -1106: Outcome.IMPOSSIBLE,  # a parameter was not required
    -1108: Outcome.IMPOSSIBLE,  # a parameter overflows
    -1111: Outcome.IMPOSSIBLE,  # more precision than the asset has
    -1112: Outcome.REFUSED,  # no orders on the book of that symbol
    -1114: Outcome.IMPOSSIBLE,  # timeInForce sent when not required
    -1115: Outcome.IMPOSSIBLE,  # invalid timeInForce
    -1116: Outcome.IMPOSSIBLE,  # invalid order type
    -1117: Outcome.IMPOSSIBLE,  # invalid side
    -1118: Outcome.IMPOSSIBLE,  # the client order id is empty
    -1119: Outcome.IMPOSSIBLE,  # the original client order id is empty
    -1120: Outcome.IMPOSSIBLE,  # invalid interval
    -1121: Outcome.IMPOSSIBLE,  # invalid symbol
    -1122: Outcome.REFUSED,  # invalid symbol status
    -1127: Outcome.IMPOSSIBLE,  # the time range is too long
    -1128: Outcome.IMPOSSIBLE,  # combination of optional parameters
    -1130: Outcome.IMPOSSIBLE,  # invalid data for a parameter
    -1131: Outcome.IMPOSSIBLE,  # recvWindow above 60000
    -1134: Outcome.IMPOSSIBLE,  # strategyType too small
    -1135: Outcome.IMPOSSIBLE,  # invalid JSON
    -1145: Outcome.IMPOSSIBLE,  # invalid cancelRestrictions
    -1151: Outcome.IMPOSSIBLE,  # symbol named twice
    -2010: Outcome.REFUSED,  # new order rejected; the message says why, see MESSAGES
    -2011: Outcome.ABSENT,  # cancel rejected: unknown order
    -2013: Outcome.ABSENT,  # no such order
    -2014: Outcome.KEY,  # malformed key
    -2015: Outcome.KEY,  # invalid key, address or permission
    -2016: Outcome.HALTED,  # "No trading window could be found for the symbol"
    -2021: Outcome.UNKNOWN,  # cancel-replace failed in part
    -2022: Outcome.REFUSED,  # cancel-replace failed
    -2026: Outcome.ABSENT,  # cancelled or expired unfilled more than 90 days ago
    -2038: Outcome.REFUSED,  # an amendment rejected
    -2039: Outcome.ABSENT,  # both ids given, and they name two orders
}

MESSAGES: dict[str, Outcome] = {
    "Duplicate order sent.": Outcome.UNKNOWN,  # so it is there
    "Market is closed": Outcome.HALTED,  # "The symbol is not trading"
    "This order type is not possible in this trading phase": Outcome.HALTED,
    "Limit orders require GTC for this phase": Outcome.HALTED,
    "This action is disabled on this account.": Outcome.CLOSED,
    "This account may not place or cancel orders.": Outcome.CLOSED,
    "Rest API trading is not enabled.": Outcome.CLOSED,
    "This symbol is not permitted for this account.": Outcome.IMPOSSIBLE,
    "This symbol is restricted for this account.": Outcome.IMPOSSIBLE,
    "Unsupported order combination": Outcome.IMPOSSIBLE,
    "Invalid quantity.": Outcome.IMPOSSIBLE,
    "Invalid price.": Outcome.IMPOSSIBLE,
}
"""What a message of -1013, -2010 or -2011 begins with, where the code alone does not tell."""

FILTERS: dict[str, Outcome] = {
    "PRICE_FILTER": Outcome.IMPOSSIBLE,
    "LOT_SIZE": Outcome.IMPOSSIBLE,
    "MARKET_LOT_SIZE": Outcome.IMPOSSIBLE,
    "MIN_NOTIONAL": Outcome.IMPOSSIBLE,
    "NOTIONAL": Outcome.IMPOSSIBLE,
    "TRAILING_DELTA": Outcome.IMPOSSIBLE,
    "ICEBERG_PARTS": Outcome.IMPOSSIBLE,
    # These depend on the market, or on what else is open, just now.
    "PERCENT_PRICE": Outcome.REFUSED,
    "PERCENT_PRICE_BY_SIDE": Outcome.REFUSED,
    "MAX_POSITION": Outcome.REFUSED,
    "MAX_NUM_ORDERS": Outcome.REFUSED,
    "MAX_NUM_ALGO_ORDERS": Outcome.REFUSED,
    "MAX_NUM_ICEBERG_ORDERS": Outcome.REFUSED,
    "MAX_NUM_ORDER_LISTS": Outcome.REFUSED,
    "EXCHANGE_MAX_NUM_ORDERS": Outcome.REFUSED,
    "EXCHANGE_MAX_NUM_ALGO_ORDERS": Outcome.REFUSED,
    "EXCHANGE_MAX_NUM_ICEBERG_ORDERS": Outcome.REFUSED,
    "EXCHANGE_MAX_NUM_ORDER_LISTS": Outcome.REFUSED,
}
"""Filters by the name in `Filter failure: NAME`."""

STATUSES: dict[int, Outcome] = {
    418: Outcome.LIMITED,  # banned for going on after 429
    429: Outcome.LIMITED,
}
"""HTTP statuses that say it without a code; 5xx are UNKNOWN whatever the body says."""

BEFORE_THE_VENUE: dict[int, str] = {
    403: "its firewall lets no request from this address through",
    451: "it serves nobody at this address's location",
}
"""Statuses that come before matching whatever the body says, which may be HTML.

403: "a WAF (Web Application Firewall) rule has been violated" ("HTTP return codes", read
2026-11-30). 451 is in no document; its body is {"code": 0, "msg": "Service unavailable from a
restricted location according to 'b. Eligibility' in https://www.binance.com/en/terms. ..."}
(ccxt issue 16044, 2022-12-10).
"""

EXCEPTIONS: dict[type[BaseException], Outcome] = {
    # What ccxt raises before it sends: wrong use, which no venue has seen.
    ccxt.ArgumentsRequired: Outcome.IMPOSSIBLE,
    ccxt.NotSupported: Outcome.IMPOSSIBLE,
    ccxt.BadSymbol: Outcome.IMPOSSIBLE,
    ccxt.AuthenticationError: Outcome.KEY,
    ccxt.ExchangeClosedByUser: Outcome.UNAVAILABLE,
    # Raised on what came back, without a code of Binance's that is known.
    ccxt.DDoSProtection: Outcome.LIMITED,
    ccxt.RateLimitExceeded: Outcome.LIMITED,
    ccxt.InvalidNonce: Outcome.UNKNOWN,
    ccxt.BaseError: Outcome.UNKNOWN,  # all others: RequestTimeout, ExchangeNotAvailable, …
}
"""By class, the nearest ancestor counts."""

# A request that met no listener was never sent.
_NEVER_CONNECTED = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
_LEAST_ERROR, _SERVER_ERROR = 400, 500
_NO_SUCH_SYMBOL = -1121


class Answer:
    """What Binance said when it said no: HTTP status, its code and message where there are any."""

    def __init__(self, status: int, code: int | None, message: str) -> None:
        self.status = status
        self.code = code
        self.message = message

    def __str__(self) -> str:
        code = "" if self.code is None else f" {self.code}"
        return f"{self.status}{code} {self.message}".strip()


def outcome_of(error: BaseException) -> Outcome:
    """What an exception of a ccxt call says of the request."""
    answer: Answer | None = getattr(error, "answer", None)
    if answer is not None and answer.status >= _LEAST_ERROR:
        return _of_answer(answer)
    cause = error.__cause__
    if isinstance(cause, _NEVER_CONNECTED):
        return Outcome.UNAVAILABLE
    for kind in type(error).__mro__:
        if kind in EXCEPTIONS:
            return EXCEPTIONS[kind]
    return Outcome.UNKNOWN


def _of_answer(answer: Answer) -> Outcome:
    if answer.status >= _SERVER_ERROR:
        return Outcome.UNKNOWN
    if answer.status in BEFORE_THE_VENUE:
        return Outcome.SHUT_OUT
    if answer.code is None:
        return STATUSES.get(answer.status, Outcome.UNKNOWN)
    if answer.message.startswith("Filter failure: "):
        name = answer.message.removeprefix("Filter failure: ").strip()
        return FILTERS.get(name, Outcome.REFUSED)
    for words, outcome in MESSAGES.items():
        if answer.message.startswith(words):
            return outcome
    return CODES.get(answer.code, STATUSES.get(answer.status, Outcome.UNKNOWN))


_SCOPES = {
    Outcome.REFUSED: RejectionScope.ORDER,
    Outcome.ABSENT: RejectionScope.ORDER,
    Outcome.IMPOSSIBLE: RejectionScope.TERMS,
    Outcome.CLOSED: RejectionScope.VENUE,
    Outcome.HALTED: RejectionScope.SYMBOL,
}


def of_change(error: BaseException) -> BrokerError:
    """The port's error for a submit or a cancel."""
    outcome, said = outcome_of(error), words_of(error)
    answer: Answer | None = getattr(error, "answer", None)
    if outcome in _SCOPES:
        code = None if answer is None or answer.code is None else str(answer.code)
        return BrokerRejected(said, code=code, scope=_SCOPES[outcome])
    if outcome is Outcome.UNKNOWN:
        return OutcomeUnknown(said)
    return _nothing_taken(outcome, said)


class NotListed(BrokerUnavailable):
    """A question about a symbol that Binance does not list, or lists no more (-1121)."""


def of_question(error: BaseException) -> BrokerUnavailable:
    """The port's error for a question: whatever kept its answer away changed nothing."""
    answer: Answer | None = getattr(error, "answer", None)
    if answer is not None and answer.code == _NO_SUCH_SYMBOL:
        return NotListed(words_of(error))
    return _nothing_taken(outcome_of(error), words_of(error))


def _nothing_taken(outcome: Outcome, said: str) -> BrokerUnavailable:
    match outcome:
        case Outcome.LATE:
            return TooLate(said)
        case Outcome.LIMITED:
            return RateLimited(said)
        case Outcome.KEY:
            return CredentialsRefused(
                f"Binance does not accept the key: {said}. Look at BINANCE_API_KEY, "
                "BINANCE_API_SECRET, BINANCE_TESTNET, and the key's permissions and addresses"
            )
        case Outcome.SHUT_OUT:
            return AccessRefused(said)
        case _:
            return BrokerUnavailable(said)


def _without_markup(message: str) -> str:
    """A message of JSON; none of what stands for people who look at a page."""
    return "" if "<" in message else message


def words_of(error: BaseException) -> str:
    """What Binance said, else what happened; never the request, which holds a signature."""
    answer: Answer | None = getattr(error, "answer", None)
    if answer is not None and answer.status in BEFORE_THE_VENUE:
        return (
            f"Binance refuses access (HTTP {answer.status}): {BEFORE_THE_VENUE[answer.status]}; "
            f"look at the address and region of this machine. {_without_markup(answer.message)}"
        ).strip()
    if answer is not None and answer.status >= _LEAST_ERROR:
        return f"Binance answered {answer}"
    cause = error.__cause__
    what = type(error).__name__ if cause is None else f"{type(error).__name__}: {cause}"
    return f"no answer of Binance ({what})"
