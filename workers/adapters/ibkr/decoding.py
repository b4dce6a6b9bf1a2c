"""Reads TWS's messages so that none of what may hold a fill is lost.

ib_insync's decoder logs what it cannot read and goes on without it, and gives up a whole execution
for a field that nobody needs. Here the messages about orders and executions are read field by
field; what cannot be read goes to `Unread`, and the connection stands.
Source of the fields: ib_insync 0.9.86, `decoder.py`, for server versions up to 176. A later version
adds fields at the end.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Protocol

import ib_insync
from ib_insync.decoder import Decoder

UNSET_INTEGER: int = ib_insync.util.UNSET_INTEGER

_ORDER_STATUS, _OPEN_ORDER, _CONTRACT, _EXECUTION = 3, 5, 10, 11
_COMMISSION, _POSITION, _COMPLETED_ORDER = 59, 61, 101
ABOUT_ORDERS = {
    _ORDER_STATUS: "orderStatus",
    _OPEN_ORDER: "openOrder",
    _EXECUTION: "execDetails",
    _COMMISSION: "commissionReport",
    _POSITION: "position",
    _COMPLETED_ORDER: "completedOrder",
}
"""The messages that may hold a fill, or say of one."""

_CONTRACT_TEXTS = (
    *("symbol", "secType", "lastTradeDateOrContractMonth", "right", "multiplier", "exchange"),
    *("currency", "localSymbol", "tradingClass"),
)
_EXECUTION_FIELDS = (
    *("message", "reqId", "orderId", "conId", "symbol", "secType", "lastTradeDateOrContractMonth"),
    *("strike", "right", "multiplier", "exchange", "currency", "localSymbol", "tradingClass"),
    *("execId", "time", "acctNumber", "executedAt", "side", "shares", "price", "permId"),
    *("clientId", "liquidation", "cumQty", "avgPrice", "orderRef"),
)
_UNSET = Decimal(str(ib_insync.util.UNSET_DOUBLE))
_log = logging.getLogger(__name__)


class Heard(Protocol):
    """Whoever is to hear what was read, or what could not be."""

    def execution(self, contract: Any, execution: Any) -> None:
        """An execution, now or of today; its time is as TWS wrote it, its numbers are exact."""

    def commission(self, report: Any) -> None:
        """What an execution cost."""

    def order_status(
        self, order_id: int, status: str, filled: Decimal, told: dict[str, Any]
    ) -> None:
        """How an order stands."""

    def unreadable(self, name: str, fields: Sequence[str], error: Exception) -> None:
        """A message about orders or executions that could not be read, or not be taken in."""


class ReadingAll(Decoder):
    """ib_insync's decoder, but for the messages of `ABOUT_ORDERS`."""

    def __init__(self, wrapper: Any, hears: Heard) -> None:
        super().__init__(wrapper, 0)
        self._hears = hears
        mine: dict[int, Callable[[list[str]], None]] = {
            _ORDER_STATUS: self._order_status,
            _EXECUTION: self._execution,
            _COMMISSION: self._commission,
        }
        self.handlers |= mine

    def interpret(self, fields: list[str]) -> None:
        """Read a message. It ends no connection, whatever it is."""
        kind = _whole(fields[0]) if fields else 0
        received = list(fields)
        try:
            self.handlers[kind](fields)
        except Exception as error:  # noqa: BLE001 - nothing that TWS says may be passed over
            if kind in ABOUT_ORDERS:
                self._hears.unreadable(ABOUT_ORDERS[kind], received, error)
                return
            _log.exception("TWS: message %s could not be read", received)
            if kind == _CONTRACT:  # else it would look as if there were no such contract
                self.wrapper._endReq(_whole(received[1]), error, success=False)  # noqa: SLF001

    def _execution(self, fields: list[str]) -> None:
        values: list[Any] = fields[: len(_EXECUTION_FIELDS)]
        said = dict(zip(_EXECUTION_FIELDS, values, strict=True))
        contract = ib_insync.Contract(
            conId=_whole(said["conId"]),
            strike=_lenient(said["strike"]),
            **{name: said[name] for name in _CONTRACT_TEXTS},
        )
        execution: Any = ib_insync.Execution(
            execId=_named(said["execId"]),
            acctNumber=said["acctNumber"],
            exchange=said["executedAt"],
            side=said["side"],
            permId=_whole(said["permId"]),
            clientId=_whole(said["clientId"]),
            orderId=_order_id(said["orderId"]),
            orderRef=said["orderRef"],
        )
        execution.shares, execution.price = _number(said["shares"]), _number(said["price"])
        execution.time = said["time"]
        self._hears.execution(contract, execution)

    def _commission(self, fields: list[str]) -> None:
        _, _, execution_id, commission, currency, *_ = fields
        cost = _number(commission or "0")
        if cost != _UNSET:
            report: Any = ib_insync.CommissionReport(_named(execution_id), currency=currency)
            report.commission = cost
            self._hears.commission(report)

    def _order_status(self, fields: list[str]) -> None:
        _, order_id, status, filled, remaining, _, perm_id, _, _, client_id, *rest = fields
        told = {
            "remaining": _number(remaining or "0"),
            "perm_id": _whole(perm_id),
            "client_id": _whole(client_id),
            "why_held": rest[0] if rest else "",
        }
        self._hears.order_status(int(order_id), status, _number(filled or "0"), told)


def _named(execution_id: str) -> str:
    if not execution_id.strip():
        raise ValueError("an execution without an id")
    return execution_id


def _number(text: str) -> Decimal:
    """A quantity or a price. ArithmeticError or ValueError for anything else."""
    number = Decimal(text)
    if not number.is_finite():
        raise ValueError(f"{text} is no number")
    return number


def _whole(text: str) -> int:
    """An id; 0 for what is none: what else the message says is not lost for it."""
    try:
        return int(text)
    except ValueError:
        return 0


def _order_id(text: str) -> int:
    """TWS writes the largest integer for an order that was made by hand."""
    number = _whole(text)
    return 0 if number == UNSET_INTEGER else number


def _lenient(text: str) -> float:
    try:
        return float(text or 0)
    except ValueError:
        return 0.0
