"""The message codes this gateway sends, with TWS's own words.

Source: the TWS API's table of message codes ("Error Handling", IBKR Campus, read November 2026).
"""

from __future__ import annotations

from dataclasses import dataclass

from simulators.faults import Fault


@dataclass(frozen=True, slots=True)
class Code:
    """A numbered message. `text` may have places for what is different each time."""

    number: int
    text: str

    def refusal(self, *values: object) -> Refusal:
        """The exception that carries this message."""
        return Refusal(self.number, self.text.format(*values))


class Refusal(Exception):
    """A request that is answered by an error message and by nothing else.

    `kept` says that the order was seen by the system all the same and is Inactive from now on,
    as after 201, or Cancelled, as after 202.
    """

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text

    @property
    def kept(self) -> bool:
        """True when TWS shows the refused order."""
        return self.code in {REJECTED.number, CANCELLED.number}


def code_of(fault: Fault, default: int) -> int:
    """The number of the message that a fault says; `default` where it names none."""
    return int(fault.code) if fault.code.lstrip("-").isdigit() else default


MAX_RATE = Code(100, "Max rate of messages per second has been exceeded: max={} rec={} ({})")
DUPLICATE_TICKER = Code(102, "Duplicate ticker ID.")
DUPLICATE_ORDER = Code(103, "Duplicate order id")
MODIFY_FILLED = Code(104, "Cannot modify a filled order.")
NOT_THE_ORDER = Code(105, "Order being modified does not match original order.")
MIN_TICK = Code(110, "The price does not conform to the minimum price variation for this contract.")
CLOSE_TIF = Code(113, "The Tif option should be set to DAY for MOC and LOC orders.")
NO_PARENT = Code(135, "Can't find order with id = {}")
CANNOT_CANCEL = Code(136, "This order cannot be cancelled.")
NOT_CANCELLABLE = Code(
    161, "Cancel attempted when order is not in a cancellable state.  Order permId = {}"
)
NO_HISTORY = Code(162, "Historical Market Data Service error message:No data of {}")
NO_CONTRACT = Code(200, "No security definition has been found for the request")
AMBIGUOUS = Code(200, "The contract description specified for {} is ambiguous.")
REJECTED = Code(201, "Order rejected - reason:{}")
CANCELLED = Code(202, "Order Canceled - reason:{}")
NO_TICKER = Code(300, "Can't find EId with tickerId:{}")
INVALID = Code(321, "Error validating request.-'{}' : cause - {}")
SERVER_ERROR = Code(322, "Error processing request.-'{}' : cause - {}")
CLIENT_ID_IN_USE = Code(
    326, "Unable to connect as the client id is already in use. Retry with a unique client id."
)
NOT_SUBSCRIBED = Code(354, "Requested market data is not subscribed.")
UNSUPPORTED_TYPE = Code(387, "Unsupported order type for this exchange and security type.{}")
ORDER_MESSAGE = Code(399, "Order Message:\n{}")
LOCATING = Code(404, "Order held while securities are located.")
NO_ACCOUNT = Code(435, "You must specify an account.")
ZERO_SIZE = Code(434, "The order size cannot be zero.")
NOT_CONNECTED = Code(504, "Not connected")
UNKNOWN_MESSAGE = Code(505, "Fatal Error: Unknown message id.")
CONNECTION_LOST = Code(1100, "Connectivity between IBKR and Trader Workstation has been lost.")
RESTORED_DATA_LOST = Code(
    1101,
    "Connectivity between IBKR and Trader Workstation has been restored - data lost."
    " All data farms are connected.",
)
RESTORED_DATA_KEPT = Code(
    1102,
    "Connectivity between IBKR and Trader Workstation has been restored - data maintained."
    " All data farms are connected: usfarm; ushmds; secdefil.",
)
FARM_BROKEN = Code(2103, "Market data farm connection is broken:{}")
FARM_OK = Code(2104, "Market data farm connection is OK:{}")
HISTORY_BROKEN = Code(2105, "HMDS data farm connection is broken:{}")
HISTORY_OK = Code(2106, "HMDS data farm connection is OK:{}")
TWS_LOST = Code(
    2110, "Connectivity between TWS and server is broken. It will be restored automatically."
)
DEFINITIONS_OK = Code(2158, "Sec-def data farm connection is OK:{}")
NOT_SUBSCRIBED_IN_PART = Code(
    10090,
    "Part of requested market data is not subscribed. Subscription-independent ticks are still"
    " active.",
)
NO_DEPTH = Code(
    10092, "Deep market data is not supported for this combination of security type/exchange"
)
CANCEL_UNKNOWN = Code(10147, "OrderId {} that needs to be cancelled is not found.")
CANCEL_ENDED = Code(10148, "OrderId {} that needs to be cancelled cannot be cancelled, state: {}.")
DELAYED = Code(10167, "Requested market data is not subscribed. Displaying delayed market data.")
NO_TICK_BY_TICK = Code(10189, "Failed to request tick-by-tick data:{}")
FRACTION = Code(
    10243,
    "Fractional-sized order cannot be placed via API. Please use desktop version of TWS to revise"
    " your order.",
)
OCA_REVISION = Code(10326, "OCA group revision is not allowed.")
OCA_TYPE_REVISION = Code(10327, "OCA group type revision is not allowed.")
TIF_SET = Code(10349, "Order TIF was set to DAY based on order preset.")

# What POST /connectivity can say, with the words that go with each.
CONNECTIVITY = {
    code.number: code
    for code in (
        CONNECTION_LOST,
        RESTORED_DATA_LOST,
        RESTORED_DATA_KEPT,
        FARM_BROKEN,
        FARM_OK,
        HISTORY_BROKEN,
        HISTORY_OK,
        TWS_LOST,
        DEFINITIONS_OK,
    )
}
FARMS = {2103: "usfarm", 2104: "usfarm", 2105: "ushmds", 2106: "ushmds", 2158: "secdefil"}
