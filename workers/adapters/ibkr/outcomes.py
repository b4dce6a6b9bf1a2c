"""What each of TWS's message codes says of the request that it is about.

One table for all: refused (the order, or what it asks), nothing taken, unknown, or no more than a
remark. A closed exchange or a halted instrument refuses an order, and says nothing of TWS's health.
A code that is not listed proves nothing and is UNKNOWN: then TWS is asked.
What became of an order is never read from a code alone: `book` holds it together with orderStatus
and execDetails. What ib_insync makes of a code is not looked at: it calls an order Cancelled on
nearly all of them.

Source: TWS API, "Message Codes"; those from 10000 up are known from its users.
"""

from __future__ import annotations

from enum import Enum

from execution.domain.errors import (
    BrokerError,
    BrokerRejected,
    BrokerUnavailable,
    OutcomeUnknown,
    RateLimited,
    RejectionScope,
)


class Outcome(Enum):
    """What became of a request."""

    REFUSED = "refused as it is just now"
    IMPOSSIBLE = "refused for what it asks"
    ABSENT = "there is no such order, or it is over"
    UNAVAILABLE = "nothing was taken"
    LIMITED = "nothing was taken: too many messages"
    ID_USED = "nothing was taken under this order id; an order has or had it"
    UNKNOWN = "it may have been taken"
    ENDED = "the order is over; orderStatus says how"
    REMARK = "nothing about what became of it"


CODES: dict[int, Outcome] = {
    100: Outcome.LIMITED,  # max rate of messages per second exceeded
    103: Outcome.ID_USED,  # duplicate order id
    104: Outcome.ABSENT,  # cannot modify a filled order
    105: Outcome.REFUSED,  # the order being modified does not match the original
    106: Outcome.REFUSED,  # cannot transmit the order id
    107: Outcome.IMPOSSIBLE,  # cannot transmit an incomplete order
    109: Outcome.REFUSED,  # the price is out of the range of the precautionary settings
    110: Outcome.IMPOSSIBLE,  # the price does not conform to the minimum variation
    111: Outcome.IMPOSSIBLE,  # the time in force and the order type are incompatible
    113: Outcome.IMPOSSIBLE,  # the time in force should be DAY for MOC and LOC
    116: Outcome.REFUSED,  # this order cannot be transmitted to a dead exchange
    117: Outcome.IMPOSSIBLE,  # the block order size must be at least 50
    131: Outcome.IMPOSSIBLE,  # sweep to fill is only for SMART orders
    133: Outcome.REFUSED,  # submit new order failed
    134: Outcome.REFUSED,  # modify order failed
    135: Outcome.ABSENT,  # cannot find an order with that id
    136: Outcome.ABSENT,  # this order cannot be cancelled
    137: Outcome.IMPOSSIBLE,  # volatility orders can only be cancelled away from the exchange
    140: Outcome.IMPOSSIBLE,  # the size should be an integer
    141: Outcome.IMPOSSIBLE,  # the price should be a double
    144: Outcome.REFUSED,  # the order size does not match the total share allocation
    146: Outcome.IMPOSSIBLE,  # invalid trigger method
    147: Outcome.IMPOSSIBLE,  # the conditional contract is incomplete
    148: Outcome.IMPOSSIBLE,  # a conditional order needs a limit or market order
    151: Outcome.IMPOSSIBLE,  # a condition is incomplete
    153: Outcome.IMPOSSIBLE,  # order type not allowed for this account
    154: Outcome.REFUSED,  # orders cannot be transmitted for a halted security
    155: Outcome.REFUSED,  # an order with a rejected parent
    156: Outcome.IMPOSSIBLE,  # an order on a product that is not supported
    161: Outcome.REFUSED,  # cancel attempted when the order is not in a cancellable state
    163: Outcome.REFUSED,  # the price would violate the percentage constraint
    164: Outcome.REFUSED,  # there is no market data to check the percentage constraint
    165: Outcome.REMARK,  # historical market data service query
    168: Outcome.IMPOSSIBLE,  # only a whole number of shares
    200: Outcome.IMPOSSIBLE,  # no security definition, or an ambiguous one
    201: Outcome.REFUSED,  # order rejected; the message says why, see MESSAGES
    202: Outcome.ENDED,  # order cancelled
    203: Outcome.IMPOSSIBLE,  # the security is not available or allowed for this account
    311: Outcome.IMPOSSIBLE,  # market depth for this combination is not there
    312: Outcome.IMPOSSIBLE,  # the order type needs another price
    313: Outcome.IMPOSSIBLE,  # an odd lot for this order type
    320: Outcome.UNKNOWN,  # server error when reading an API client request
    321: Outcome.IMPOSSIBLE,  # server error when validating an API client request
    322: Outcome.UNKNOWN,  # server error when processing an API client request
    323: Outcome.UNKNOWN,  # server error: cause
    325: Outcome.IMPOSSIBLE,  # discretionary orders are not supported for this combination
    326: Outcome.UNAVAILABLE,  # the client id is already in use
    328: Outcome.IMPOSSIBLE,  # trailing stops can only be attached to limit or stop orders
    329: Outcome.REFUSED,  # order modify failed: cannot change to the new order type
    331: Outcome.IMPOSSIBLE,  # the trailing stop price is invalid
    336: Outcome.IMPOSSIBLE,  # invalid time or time zone
    337: Outcome.IMPOSSIBLE,  # invalid date
    338: Outcome.IMPOSSIBLE,  # good after time orders are disabled on this exchange
    355: Outcome.IMPOSSIBLE,  # the order size does not conform to the market rule
    356: Outcome.IMPOSSIBLE,  # SMART does not take such orders
    382: Outcome.REFUSED,  # this order violates the price constraints
    383: Outcome.REFUSED,  # the order size is above the limit of the precautionary settings
    387: Outcome.IMPOSSIBLE,  # unsupported order type for this exchange and security type
    388: Outcome.IMPOSSIBLE,  # the order size is smaller than the minimum
    391: Outcome.IMPOSSIBLE,  # invalid good till date
    392: Outcome.IMPOSSIBLE,  # the order has an end time before its start
    399: Outcome.REMARK,  # order message, such as: not placed at the exchange until it opens
    404: Outcome.REMARK,  # held while shares are located for a short sale: an unfilled leg
    411: Outcome.REMARK,  # market data in non-exclusive time
    421: Outcome.IMPOSSIBLE,  # error validating parameters
    434: Outcome.IMPOSSIBLE,  # the order size cannot be zero
    435: Outcome.IMPOSSIBLE,  # an account must be specified
    436: Outcome.IMPOSSIBLE,  # an allocation must be specified
    437: Outcome.IMPOSSIBLE,  # the order cannot have both allocation and account
    439: Outcome.IMPOSSIBLE,  # the order processing failed: algorithm definition not found
    440: Outcome.REFUSED,  # order modify failed: algorithm cannot be modified
    441: Outcome.IMPOSSIBLE,  # algorithm attributes validation failed
    443: Outcome.IMPOSSIBLE,  # the algorithm is not allowed for this order
    458: Outcome.ABSENT,  # invalid order id
    461: Outcome.IMPOSSIBLE,  # a negative or zero price is not allowed
    492: Outcome.REMARK,  # streaming data are not to be had in full
    501: Outcome.REMARK,  # already connected
    502: Outcome.UNAVAILABLE,  # could not connect to TWS
    503: Outcome.UNAVAILABLE,  # TWS is out of date
    504: Outcome.UNAVAILABLE,  # not connected
    505: Outcome.UNKNOWN,  # unknown message id
    506: Outcome.UNKNOWN,  # unsupported version
    507: Outcome.UNKNOWN,  # bad message length: the connection was lost
    512: Outcome.UNKNOWN,  # sending error of an order
    1100: Outcome.UNKNOWN,  # connectivity between IBKR and TWS has been lost
    1101: Outcome.REMARK,  # restored, market data subscriptions are lost
    1102: Outcome.REMARK,  # restored, data maintained
    1300: Outcome.UNKNOWN,  # the socket port has been reset
    10147: Outcome.ABSENT,  # the order that needs to be cancelled is not found
    10148: Outcome.ABSENT,  # the order that needs to be cancelled cannot be: it is over
    10167: Outcome.REMARK,  # not subscribed; displaying delayed market data
    10243: Outcome.IMPOSSIBLE,  # a fractional order cannot be placed by API
    10268: Outcome.IMPOSSIBLE,  # the EtradeOnly attribute is not supported
    10269: Outcome.IMPOSSIBLE,  # the firmQuoteOnly attribute is not supported
    10270: Outcome.IMPOSSIBLE,  # the nbboPriceCap attribute is not supported
    10289: Outcome.IMPOSSIBLE,  # the cash quantity must be set for this order
    10311: Outcome.REFUSED,  # direct routed orders need a confirmation in the settings
    10349: Outcome.REMARK,  # the time in force was set to DAY; the order lives
}

MESSAGES: dict[str, Outcome] = {
    "no trading permissions": Outcome.IMPOSSIBLE,
    "not available for trading": Outcome.IMPOSSIBLE,
    "does not support": Outcome.IMPOSSIBLE,
}
"""What the text of 201 contains, in small letters, where the code alone does not tell."""

_WARNINGS = range(2100, 2200)
_REJECTED = 201
_BEFORE_THE_REASON = ("Order rejected - reason:", "Order Canceled - reason:")

_SCOPES = {
    Outcome.REFUSED: RejectionScope.ORDER,
    Outcome.ABSENT: RejectionScope.ORDER,
    Outcome.IMPOSSIBLE: RejectionScope.TERMS,
}
REFUSALS = frozenset(_SCOPES)
"""A definite no to what was asked."""
OF_CHANGES = frozenset({104, 105, 134, 135, 136, 161, 329, 440, 458, 10147, 10148})
"""Codes that refuse a cancel or a modify, never the order itself."""


def refuses_order(code: int, text: str) -> bool:
    """Whether a message refuses the order itself, where nothing of it was asked just now."""
    return code not in OF_CHANGES and outcome_of(code, text) in REFUSALS


def outcome_of(code: int, text: str = "") -> Outcome:
    """What a message code, with its text, says of the request that it is about."""
    if code in _WARNINGS:
        return Outcome.REMARK
    if code == _REJECTED:
        said = text.lower()
        for words, outcome in MESSAGES.items():
            if words in said:
                return outcome
    return CODES.get(code, Outcome.UNKNOWN)


def of_new_order(code: int, text: str, *, known_id: bool) -> BrokerError:
    """The port's error for a new order.

    `known_id`: it was sent under this order id before. Then 103 to 105 say that it is there; under
    a fresh id they say that another order has the id.
    """
    outcome = outcome_of(code, text)
    if outcome is Outcome.ABSENT or code == _NOT_THE_SAME:
        return OutcomeUnknown(_words(code, text))
    if outcome is Outcome.ID_USED:
        error = OutcomeUnknown if known_id else BrokerUnavailable
        return error(_words(code, text))
    return _error(outcome, code, text)


def of_change(code: int, text: str) -> BrokerError:
    """The port's error for a cancel or a modify."""
    return _error(outcome_of(code, text), code, text)


def of_question(code: int, text: str) -> BrokerUnavailable:
    """The port's error for a question: whatever kept its answer away changed nothing."""
    limited = outcome_of(code, text) is Outcome.LIMITED
    return (RateLimited if limited else BrokerUnavailable)(_words(code, text))


def reason_of(text: str) -> str:
    """The reason in a message, without what TWS says before each."""
    for words in _BEFORE_THE_REASON:
        if text.startswith(words):
            return text.removeprefix(words).strip() or text
    return text


_NOT_THE_SAME = 105


def _error(outcome: Outcome, code: int, text: str) -> BrokerError:
    words = _words(code, text)
    if outcome in _SCOPES:
        return BrokerRejected(words, code=str(code), scope=_SCOPES[outcome])
    if outcome is Outcome.UNAVAILABLE:
        return BrokerUnavailable(words)
    if outcome is Outcome.LIMITED:
        return RateLimited(words)
    return OutcomeUnknown(words)


def _words(code: int, text: str) -> str:
    return f"TWS says {code}: {reason_of(text)}"
