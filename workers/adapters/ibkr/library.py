"""ib_insync, as far as it is used here: the wire, and the answers to questions.

It is imported only where a loop runs, which it takes at import. Its own books of orders
(`Trade`) are not kept: they call an order Cancelled on any error. What TWS says of orders goes to
`Hears` as it was said.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Protocol, TypeVar, cast

import ib_insync
from ib_insync.client import Client
from ib_insync.wrapper import Wrapper

RequestError = ib_insync.wrapper.RequestError
UNSET_INTEGER: int = ib_insync.util.UNSET_INTEGER

_FIRST_REQUEST = 1 << 30
"""Requests are numbered far above orders: an error names only a number."""


class Hears(Protocol):
    """Whoever listens to a connection; arguments are ib_insync's."""

    def next_id(self, order_id: int) -> None:
        """The lowest order id that this client may use."""

    def open_order(self, order_id: int, contract: Any, order: Any, state: Any) -> None:
        """An order that works, or has just ended."""

    def order_status(self, order_id: int, status: str, filled: float, told: dict[str, Any]) -> None:
        """How an order stands."""

    def completed_order(self, contract: Any, order: Any, state: Any) -> None:
        """An order that is over."""

    def execution(self, contract: Any, execution: Any) -> None:
        """An execution, now or of today."""

    def commission(self, report: Any) -> None:
        """What an execution cost."""

    def error(self, request_id: int, code: int, text: str) -> None:
        """A message code."""

    def closed(self) -> None:
        """The connection is lost."""

    def senseless(self, error: Exception) -> None:
        """What TWS said could not be read."""


T = TypeVar("T", bound=Callable[..., None])


def _told(tell: T) -> T:
    """The library logs what goes wrong while it tells something; that news would be lost."""

    @functools.wraps(tell)
    def guarded(self: _Listening, *arguments: Any) -> None:
        try:
            tell(self, *arguments)
        except Exception as error:  # noqa: BLE001 - nothing that TWS says may be passed over
            self.hears.senseless(error)

    return cast("T", guarded)


class _Listening(Wrapper):
    def __init__(self, ib: Any, hears: Hears) -> None:
        super().__init__(ib)  # type: ignore[no-untyped-call]
        self.hears = hears

    @_told
    def nextValidId(self, reqId: int) -> None:  # noqa: N802, N803
        self.hears.next_id(reqId)

    @_told
    def openOrder(self, orderId: int, contract: Any, order: Any, orderState: Any) -> None:  # noqa: N802, N803
        self.hears.open_order(orderId, contract, order, orderState)

    @_told
    def orderStatus(  # noqa: N802, PLR0917 - the library's
        self,
        orderId: int,  # noqa: N803
        status: str,
        filled: float,
        remaining: float,
        avgFillPrice: float,  # noqa: N803
        permId: int,  # noqa: N803
        parentId: int,  # noqa: N803
        lastFillPrice: float,  # noqa: N803
        clientId: int,  # noqa: N803
        whyHeld: str,  # noqa: N803
        mktCapPrice: float = 0.0,  # noqa: N803
    ) -> None:
        del avgFillPrice, parentId, lastFillPrice, mktCapPrice
        told = {
            "remaining": remaining,
            "perm_id": permId,
            "client_id": clientId,
            "why_held": whyHeld,
        }
        self.hears.order_status(orderId, status, filled, told)

    @_told
    def completedOrder(self, contract: Any, order: Any, orderState: Any) -> None:  # noqa: N802, N803
        self.hears.completed_order(contract, order, orderState)

    @_told
    def execDetails(self, reqId: int, contract: Any, execution: Any) -> None:  # noqa: N802, N803
        del reqId
        if execution.orderId == UNSET_INTEGER:  # an order that was made by hand
            execution.orderId = 0
        self.hears.execution(contract, execution)

    @_told
    def commissionReport(self, commissionReport: Any) -> None:  # noqa: N802, N803
        self.hears.commission(commissionReport)

    @_told
    def error(
        self,
        reqId: int,  # noqa: N803
        errorCode: int,  # noqa: N803
        errorString: str,  # noqa: N803
        advancedOrderRejectJson: str,  # noqa: N803
    ) -> None:
        super().error(reqId, errorCode, errorString, advancedOrderRejectJson)
        self.hears.error(reqId, errorCode, errorString)

    def connectionClosed(self) -> None:  # noqa: N802
        super().connectionClosed()  # type: ignore[no-untyped-call]
        self.hears.closed()


def make(hears: Hears, client_id: int) -> Any:
    """An IB of the running loop, not connected, that tells `hears` and queues nothing."""
    ib = ib_insync.IB()
    ib.wrapper = _Listening(ib, hears)
    ib.client = Client(ib.wrapper)
    ib.client.MaxRequests = 0
    ib.wrapper.clientId = client_id
    ib.errorEvent.clear()  # after 1102 it would send a question by itself
    ib.RaiseRequestErrors = True
    ib.TimezoneTWS = "UTC"
    return ib


def number_requests(ib: Any) -> None:
    """Number the requests of a connected IB far above its orders."""
    ib.client.updateReqId(_FIRST_REQUEST)


def contract(**fields: Any) -> Any:
    """A contract."""
    return ib_insync.Contract(**fields)


def order(**fields: Any) -> Any:
    """An order; numbers are text, so that they go out as they are."""
    return ib_insync.Order(**fields)


def execution_filter(**fields: Any) -> Any:
    """Which executions are asked for."""
    return ib_insync.ExecutionFilter(**fields)
