"""ib_insync, as far as it is used here: the wire, and the answers to questions.

It is imported only where a loop runs, which it takes at import. Its own books of orders
(`Trade`) are not kept: they call an order Cancelled on any error. What TWS says of orders goes to
`Hears` as it was said, and nothing of it is dropped (`decoding`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Protocol, TypeVar, cast

import ib_insync
from ib_insync.client import Client
from ib_insync.wrapper import Wrapper

from workers.adapters.ibkr.decoding import Heard, ReadingAll

RequestError = ib_insync.wrapper.RequestError

_FIRST_REQUEST = 1 << 30
"""Requests are numbered far above orders: an error names only a number."""


class Hears(Heard, Protocol):
    """Whoever listens to a connection; arguments are ib_insync's."""

    def next_id(self, order_id: int) -> None:
        """The lowest order id that this client may use."""

    def open_order(self, order_id: int, contract: Any, order: Any, state: Any) -> None:
        """An order that works, or has just ended."""

    def completed_order(self, contract: Any, order: Any, state: Any) -> None:
        """An order that is over."""

    def error(self, request_id: int, code: int, text: str) -> None:
        """A message code."""

    def closed(self) -> None:
        """The connection is lost."""

    def senseless(self, error: Exception) -> None:
        """What TWS said could not be taken in."""


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

    def openOrder(self, orderId: int, contract: Any, order: Any, orderState: Any) -> None:  # noqa: N802, N803
        self.hears.open_order(orderId, contract, order, orderState)

    def completedOrder(self, contract: Any, order: Any, orderState: Any) -> None:  # noqa: N802, N803
        self.hears.completed_order(contract, order, orderState)

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
    ib.client.decoder = ReadingAll(ib.wrapper, hears)
    ib.client.MaxRequests = 0
    ib.wrapper.clientId = client_id
    ib.errorEvent.clear()  # after 1102 it would send a question by itself
    ib.RaiseRequestErrors = True
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
