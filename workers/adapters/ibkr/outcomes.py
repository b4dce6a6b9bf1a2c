"""What each of TWS's message codes says of the request that it is about.

One table for all: refused (the order, every order, or what it asks), nothing taken, unknown, or no
more than a remark. TWS sends errors, warnings and notices by one message, and a code that is a
refusal for one order is a warning for the next: so no code decides alone. What became of an order
is read by `book` from orderStatus, openOrder and execDetails together with it; where TWS has no
such order, the code says why. A code that is not listed is UNKNOWN.

Source: IBKR Campus, "TWS API Documentation", "Error Handling" (read November 2026), where the table
says "TWS message" and "Additional notes"; what is not from there says so.
"""

from __future__ import annotations

from enum import Enum

from execution.domain.errors import (
    BrokerError,
    BrokerRejected,
    BrokerUnavailable,
    NotTaken,
    OutcomeUnknown,
    RateLimited,
    RejectionScope,
)

Said = tuple[int, str]
"""A message code and its text."""


class Outcome(Enum):
    """What became of a request."""

    REFUSED = "refused as it is just now"
    IMPOSSIBLE = "refused for what it asks"
    BARRED = "refused, as every order would be"
    ABSENT = "there is no such order, or it is over"
    UNAVAILABLE = "nothing was taken"
    LIMITED = "nothing was taken: too many messages"
    ID_USED = "nothing was taken under this order id; an order has or had it"
    NOT_NOW = "the order is in no state for this: one of the kind is under way, or it is too early"
    UNKNOWN = "it may have been taken"
    ENDED = "the order is over; orderStatus says how"
    REMARK = "nothing about what became of it"


CODES: dict[int, Outcome] = {
    100: Outcome.LIMITED,  # max rate of messages per second exceeded
    103: Outcome.ID_USED,  # duplicate order id: not above that of an earlier order of this client
    104: Outcome.ABSENT,  # cannot modify a filled order
    105: Outcome.REFUSED,  # the order being modified does not match the original
    106: Outcome.REFUSED,  # cannot transmit the order id
    107: Outcome.IMPOSSIBLE,  # cannot transmit an incomplete order
    109: Outcome.REFUSED,  # the price is out of the precautionary settings' range
    110: Outcome.IMPOSSIBLE,  # the price does not conform to the minimum variation
    111: Outcome.IMPOSSIBLE,  # the time in force and the order type are incompatible
    113: Outcome.IMPOSSIBLE,  # the time in force should be DAY for MOC and LOC
    116: Outcome.REFUSED,  # this order cannot be transmitted to a dead exchange
    117: Outcome.IMPOSSIBLE,  # the block order size must be at least 50
    131: Outcome.REMARK,  # sweep-to-fill and display size will be ignored
    132: Outcome.REFUSED,  # no transmission without a clearing account
    133: Outcome.UNKNOWN,  # submit new order failed, maybe for the network
    134: Outcome.REFUSED,  # modify order failed
    135: Outcome.ABSENT,  # cannot find an order with that id
    136: Outcome.ABSENT,  # this order cannot be cancelled
    140: Outcome.IMPOSSIBLE,  # the size should be an integer
    141: Outcome.IMPOSSIBLE,  # the price should be a double
    144: Outcome.REFUSED,  # the order size does not match the total share allocation
    146: Outcome.IMPOSSIBLE,  # invalid trigger method
    147: Outcome.IMPOSSIBLE,  # the conditional contract is incomplete
    148: Outcome.IMPOSSIBLE,  # conditions are for limit and market orders
    151: Outcome.IMPOSSIBLE,  # this order cannot be transmitted without a user name
    152: Outcome.IMPOSSIBLE,  # it may not be hidden
    154: Outcome.REFUSED,  # orders cannot be transmitted for a halted security
    157: Outcome.IMPOSSIBLE,  # either iceberg or discretionary
    158: Outcome.IMPOSSIBLE,  # a trail needs an amount or a percent
    159: Outcome.IMPOSSIBLE,  # the percent must be between 0 and 100
    160: Outcome.IMPOSSIBLE,  # the size cannot be zero
    161: Outcome.NOT_NOW,  # cancel attempted when the order is not in a cancellable state
    163: Outcome.REFUSED,  # the price would violate the percentage constraint
    164: Outcome.UNKNOWN,  # there is no market data to check the percentage constraint
    165: Outcome.REMARK,  # historical market data service query
    168: Outcome.IMPOSSIBLE,  # the discretionary amount does not conform to the minimum variation
    200: Outcome.IMPOSSIBLE,  # no security definition, or an ambiguous one
    201: Outcome.REFUSED,  # order rejected; the message says why, see MESSAGES
    202: Outcome.ENDED,  # order cancelled
    203: Outcome.REFUSED,  # the security is not available or allowed for this account
    303: Outcome.IMPOSSIBLE,  # invalid action
    311: Outcome.IMPOSSIBLE,  # the origin is invalid
    312: Outcome.IMPOSSIBLE,  # the combination's details are invalid
    313: Outcome.IMPOSSIBLE,  # a combination leg's details are invalid
    320: Outcome.UNKNOWN,  # server error when reading an API client request
    321: Outcome.IMPOSSIBLE,  # server error when validating an API client request; see MESSAGES
    322: Outcome.UNKNOWN,  # server error when processing an API client request
    323: Outcome.UNKNOWN,  # server error: cause
    325: Outcome.IMPOSSIBLE,  # discretionary orders are not supported for this combination
    326: Outcome.UNAVAILABLE,  # the client id is already in use
    328: Outcome.IMPOSSIBLE,  # trailing stops can only be attached to limit or stop-limit orders
    329: Outcome.REFUSED,  # order modify failed: cannot change to the new order type
    334: Outcome.IMPOSSIBLE,  # invalid good till date order
    336: Outcome.IMPOSSIBLE,  # invalid time or time zone
    337: Outcome.IMPOSSIBLE,  # invalid date, time or time zone
    338: Outcome.IMPOSSIBLE,  # good after time orders are disabled on this exchange
    343: Outcome.IMPOSSIBLE,  # invalid date, time or time zone
    355: Outcome.IMPOSSIBLE,  # the order size does not conform to the market rule
    356: Outcome.IMPOSSIBLE,  # a smart combination in an OCA group
    361: Outcome.IMPOSSIBLE,  # invalid trigger price
    382: Outcome.REFUSED,  # the price violates the precautionary settings' number of ticks
    383: Outcome.REFUSED,  # the size violates the precautionary settings
    387: Outcome.IMPOSSIBLE,  # unsupported order type for this exchange and security type
    388: Outcome.IMPOSSIBLE,  # the order size is smaller than the minimum
    391: Outcome.IMPOSSIBLE,  # invalid time or time zone
    392: Outcome.IMPOSSIBLE,  # the contract has expired
    395: Outcome.REFUSED,  # orders in OCA groups are not accepted just now
    396: Outcome.REFUSED,  # only market and limit orders are accepted for this contract just now
    397: Outcome.REFUSED,  # the same
    399: Outcome.REMARK,  # order message, such as: not placed at the exchange until it opens
    403: Outcome.IMPOSSIBLE,  # invalid stop price
    404: Outcome.REMARK,  # held while shares are located for a short sale: an unfilled leg
    406: Outcome.IMPOSSIBLE,  # the currency is not allowed
    412: Outcome.REFUSED,  # the contract is not available for trading
    422: Outcome.REFUSED,  # account and clearing attributes may not be changed
    426: Outcome.REFUSED,  # none of the accounts have enough shares
    434: Outcome.IMPOSSIBLE,  # the order size cannot be zero
    435: Outcome.IMPOSSIBLE,  # an account must be specified
    436: Outcome.IMPOSSIBLE,  # an allocation must be specified
    439: Outcome.IMPOSSIBLE,  # the order processing failed: algorithm definition not found
    440: Outcome.REFUSED,  # order modify failed: algorithm cannot be modified
    441: Outcome.IMPOSSIBLE,  # algorithm attributes validation failed
    442: Outcome.IMPOSSIBLE,  # the algorithm is not allowed for this order
    443: Outcome.IMPOSSIBLE,  # unknown algorithm attribute
    458: Outcome.ABSENT,  # invalid order id; told by users only
    461: Outcome.IMPOSSIBLE,  # a negative or zero price is not allowed; told by users only
    481: Outcome.REMARK,  # order size reduced
    492: Outcome.REMARK,  # streaming data are not to be had in full; told by users only
    501: Outcome.REMARK,  # already connected
    502: Outcome.UNAVAILABLE,  # could not connect to TWS
    503: Outcome.UNAVAILABLE,  # TWS is out of date
    504: Outcome.UNAVAILABLE,  # not connected
    505: Outcome.UNKNOWN,  # unknown message id
    506: Outcome.UNKNOWN,  # unsupported version
    507: Outcome.UNKNOWN,  # bad message length: the connection was lost
    512: Outcome.UNKNOWN,  # sending error of an order
    1100: Outcome.UNKNOWN,  # connectivity between IB and TWS has been lost
    1101: Outcome.REMARK,  # restored, market data subscriptions are lost
    1102: Outcome.REMARK,  # restored, data maintained
    1300: Outcome.UNKNOWN,  # the socket port has been reset
    2102: Outcome.NOT_NOW,  # unable to modify this order as it is still being processed
    10015: Outcome.BARRED,  # trading is not allowed in the API
    10147: Outcome.ABSENT,  # the order that needs to be cancelled is not found
    10148: Outcome.ABSENT,  # the order that needs to be cancelled cannot be: it is over
    10167: Outcome.REMARK,  # not subscribed; displaying delayed market data
    10224: Outcome.IMPOSSIBLE,  # a group's orders need the same account; ib_async issue 75
    10233: Outcome.REMARK,  # defaults were inherited from a preset
    10241: Outcome.REFUSED,  # an order in monetary terms cannot be modified by API
    10242: Outcome.REFUSED,  # a fractional order cannot be modified by API
    10243: Outcome.IMPOSSIBLE,  # a fractional order cannot be placed by API
    10244: Outcome.IMPOSSIBLE,  # the cash quantity cannot be used for this order
    10245: Outcome.IMPOSSIBLE,  # no fractional shares trading of this instrument
    10246: Outcome.IMPOSSIBLE,  # no fractional shares trading by this order
    10250: Outcome.IMPOSSIBLE,  # the size does not conform to the minimum variation
    10254: Outcome.IMPOSSIBLE,  # the bond has expired
    10268: Outcome.IMPOSSIBLE,  # the EtradeOnly attribute is not supported
    10269: Outcome.IMPOSSIBLE,  # the firmQuoteOnly attribute is not supported
    10270: Outcome.IMPOSSIBLE,  # the nbboPriceCap attribute is not supported
    10289: Outcome.IMPOSSIBLE,  # the cash quantity must be set for this order
    10290: Outcome.IMPOSSIBLE,  # the order only supports a cash quantity
    10311: Outcome.REMARK,  # the order will be directly routed, which may cost more
    10325: Outcome.IMPOSSIBLE,  # an OCA group is not supported
    10326: Outcome.REFUSED,  # OCA group revision is not allowed
    10327: Outcome.REFUSED,  # OCA group type revision is not allowed
    10329: Outcome.REMARK,  # the order will be directly routed
    10331: Outcome.REMARK,  # any stop warning
    10332: Outcome.REMARK,  # cryptocurrency volatility warning
    10333: Outcome.REMARK,  # option exercise at-the-money warning
    10341: Outcome.REFUSED,  # the parent order id cannot be modified
    10347: Outcome.REMARK,  # the security has limited liquidity
    10349: Outcome.REMARK,  # the time in force was set to DAY; told by users only
}

MESSAGES: dict[int, dict[str, Outcome]] = {
    201: {
        "no trading permissions": Outcome.IMPOSSIBLE,
        "not available for trading": Outcome.IMPOSSIBLE,
        "does not support": Outcome.IMPOSSIBLE,
    },
    321: {"read-only": Outcome.BARRED},
}
"""What the text of a code contains, in small letters, where the code alone does not tell."""

_WARNINGS = range(2100, 2200)
_BEFORE_THE_REASON = ("Order rejected - reason:", "Order Canceled - reason:")

_SCOPES = {
    Outcome.REFUSED: RejectionScope.ORDER,
    Outcome.ABSENT: RejectionScope.ORDER,
    Outcome.IMPOSSIBLE: RejectionScope.TERMS,
    Outcome.BARRED: RejectionScope.VENUE,
}
REFUSALS = frozenset(_SCOPES)
"""A definite no to what was asked."""
OF_CHANGES = frozenset(
    {104, 105, 134, 135, 136, 161, 329, 422, 440, 458, 2102}
    | {10147, 10148, 10241, 10242, 10326, 10327, 10341}
)
"""Codes that refuse a cancel or a modify, never the order itself."""
ID_CODES = frozenset({103, 104, 105})
"""What TWS says of an order id that another order has, or an earlier message about this one."""
_NOT_FOUND = frozenset({135, 10147})
_NOT_CANCELLABLE = frozenset({136, 161})
_PENDING_CANCEL = "pendingcancel"


def refuses_order(code: int, text: str) -> bool:
    """Whether a message refuses the order itself by the table."""
    return code not in OF_CHANGES and outcome_of(code, text) in REFUSALS


def outcome_of(code: int, text: str = "") -> Outcome:
    """What a message code, with its text, says of the request that it is about."""
    said = text.lower()
    for words, outcome in MESSAGES.get(code, {}).items():
        if words in said:
            return outcome
    return CODES.get(code, Outcome.REMARK if code in _WARNINGS else Outcome.UNKNOWN)


def nothing_taken(code: int, text: str) -> bool:
    """Whether TWS says that it was not serving: the same order may be sent under the same id."""
    return outcome_of(code, text) in {Outcome.UNAVAILABLE, Outcome.LIMITED}


def of_new_order(code: int, text: str) -> BrokerError:
    """The port's error for a new order that TWS said this of, and provably does not have.

    Whatever it said, the order was not taken: what is not known to be the venue's trouble, or that
    of its id, was the order's.
    """
    if code in ID_CODES:
        return NotTaken(_words(code, text))
    if nothing_taken(code, text):
        return _error(outcome_of(code, text), code, text)
    return refusal(code, text)


def refusal(code: int, text: str) -> BrokerRejected:
    """The refusal of an order that TWS has ended, or never had."""
    scope = _SCOPES.get(outcome_of(code, text), RejectionScope.ORDER)
    return BrokerRejected(_words(code, text), code=str(code), scope=scope)


def of_change(code: int, text: str) -> BrokerError:
    """The port's error for a cancel or a modify."""
    return _error(outcome_of(code, text), code, text)


def of_question(code: int, text: str) -> BrokerUnavailable:
    """The port's error for a question: whatever kept its answer away changed nothing."""
    limited = outcome_of(code, text) is Outcome.LIMITED
    return (RateLimited if limited else BrokerUnavailable)(_words(code, text))


def says_over(code: int, text: str) -> bool:
    """Whether the answer to a cancel of an inactive order says that there is none any more."""
    cancelled_meanwhile = _PENDING_CANCEL in text.lower().replace(" ", "")
    ended = code == 10148 and not cancelled_meanwhile  # noqa: PLR2004 - see CODES
    return ended or code in _NOT_FOUND or code in _NOT_CANCELLABLE


def reason_of(text: str) -> str:
    """The reason in a message, without what TWS says before each."""
    for words in _BEFORE_THE_REASON:
        if text.startswith(words):
            return text.removeprefix(words).strip() or text
    return text


def _error(outcome: Outcome, code: int, text: str) -> BrokerError:
    words = _words(code, text)
    if outcome in _SCOPES:
        return BrokerRejected(words, code=str(code), scope=_SCOPES[outcome])
    if outcome is Outcome.UNAVAILABLE:
        return NotTaken(words)
    if outcome is Outcome.NOT_NOW:
        return BrokerUnavailable(words)
    if outcome is Outcome.LIMITED:
        return RateLimited(words)
    return OutcomeUnknown(words)


def _words(code: int, text: str) -> str:
    return f"TWS says {code}: {reason_of(text)}"
