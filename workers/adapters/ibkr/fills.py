"""Executions by execId, with their corrections and what they cost.

An execId that differs from another only after its last dot corrects it; a correction to nothing is
a bust. What an execution cost comes in a message of its own, mostly at once: then it is told with
the trade, else as a report that follows. What was told once is told the same way ever after.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from decimal import Decimal
from typing import Any

from execution.domain.reports import Execution, ReportKind
from execution.domain.vocabulary import Side
from workers.adapters.ibkr import times

_SIDES = {"BOT": Side.BUY, "SLD": Side.SELL, "BUY": Side.BUY, "SELL": Side.SELL}
_FIRST = 1


def decimal(value: Any) -> Decimal:
    """A number of the library's; a float's shortest spelling is what TWS wrote."""
    return Decimal(str(value))


@dataclass(slots=True)
class Fill:
    """An execution as it was heard. `bare`: it was told before its cost was known.

    `before` says that it was heard when the connection began, so somebody may have told it bare.
    `told_with` is the cost that was told with it: another one that comes later follows by itself.
    `contract` is what was traded, whose symbol may only be learned later.
    """

    execution: Execution
    contract: Any
    perm_id: int
    before: bool
    commission: Decimal | None = None
    currency: str | None = None
    bare: bool = False
    told_with: tuple[Decimal, str | None] | None = None

    def rename(self, symbol: str) -> None:
        """Give it the symbol that its contract has."""
        self.execution = replace(self.execution, symbol=symbol)

    def reports(self) -> list[Execution]:
        """The execution, and its cost by itself where it was told before that was known."""
        trade = self.execution.kind is ReportKind.TRADE
        if self.commission is None or not trade:
            self.bare = True
        if self.commission is None:
            return [self.execution]
        if self.bare:
            return [self.execution, self._cost()]
        self.told_with = self.told_with or (self.commission, self.currency)
        first, currency = self.told_with
        told = [replace(self.execution, commission=first, commission_currency=currency)]
        if self.told_with != (self.commission, self.currency):
            told.append(self._cost())
        return told

    def told_again(self) -> list[Execution]:
        """The same, and its cost by itself where another process may have told it bare."""
        reports = self.reports()
        if self.before and len(reports) == 1 and reports[0].commission is not None:
            reports.append(self._cost())
        return reports

    def _cost(self) -> Execution:
        return replace(
            self.execution,
            kind=ReportKind.COMMISSION,
            commission=self.commission,
            commission_currency=self.currency,
            corrects=None,
        )


class Fills:
    """Every execution heard of since the connection began, and those of the day before that.

    `login` is the time zone chosen at TWS's login.
    """

    def __init__(self, login: tzinfo, now: Callable[[], datetime]) -> None:
        self._login, self._now = login, now
        self._by_id: dict[str, Fill] = {}
        self._families: dict[str, list[tuple[int, str]]] = {}
        self._costs: dict[str, tuple[Decimal, str]] = {}

    def hear(self, contract: Any, execution: Any, symbol: str, *, before: bool) -> Fill | None:
        """Take an execDetails in; None when it is known."""
        execution_id = str(execution.execId)
        if execution_id in self._by_id:
            return None
        heard = self._read(execution, execution_id, symbol)
        fill = Fill(heard, contract, int(execution.permId), before)
        self._by_id[execution_id] = fill
        if execution_id in self._costs:
            fill.commission, fill.currency = self._costs.pop(execution_id)
        return fill

    def cost(self, execution_id: str, commission: Decimal, currency: str) -> Fill | None:
        """Take a commissionReport in; the fill it is news of.

        A credit (an exchange's rebate) is a negative cost. It may come again, with another one.
        """
        fill = self._by_id.get(execution_id)
        if fill is None:
            self._costs[execution_id] = (commission, currency)
            return None
        if (fill.commission, fill.currency) == (commission, currency):
            return None
        fill.commission, fill.currency = commission, currency
        return fill

    def all(self) -> Iterable[Fill]:
        """In the order in which they were heard."""
        return self._by_id.values()

    def _read(self, execution: Any, execution_id: str, symbol: str) -> Execution:
        side = _SIDES[execution.side]
        shares, price = decimal(execution.shares), decimal(execution.price)
        received = self._now()
        executed_at = times.read(execution.time, self._login, received=received)
        corrects = self._corrected(execution_id)
        kind = ReportKind.TRADE
        if corrects is not None:
            kind = ReportKind.CORRECTION if shares else ReportKind.BUST
            known = self._by_id.get(corrects)
            if kind is ReportKind.BUST and known is not None:
                shares, price = known.execution.quantity, known.execution.price
        return Execution(
            execution_id=execution_id,
            symbol=symbol,
            side=side,
            quantity=shares,
            price=price,
            executed_at=executed_at or received,
            kind=kind,
            venue_order_id=str(execution.orderRef) or None,
            broker_order_id=str(execution.permId),
            corrects=corrects,
            account=str(execution.acctNumber) or None,
            unread_time=None if executed_at else str(execution.time),
        )

    def _corrected(self, execution_id: str) -> str | None:
        """The latest before it in its family."""
        head, number = family(execution_id)
        if number is None:
            return None
        members = self._families.setdefault(head, [])
        earlier = [member for member in members if member[0] < number]
        members.append((number, execution_id))
        if earlier:
            return max(earlier)[1]
        if number == _FIRST:
            return None
        digits = execution_id.rpartition(".")[2]
        return f"{head}.{number - 1:0{len(digits)}d}"


def family(execution_id: str) -> tuple[str, int | None]:
    """What an execId has in common with its corrections, and its number among them."""
    head, dot, last = execution_id.rpartition(".")
    if not dot or not last.isdigit():
        return execution_id, None
    return head, int(last)


def effective(fills: Iterable[Fill]) -> Decimal:
    """What is filled, each execution as its last correction has it."""
    latest: dict[str, tuple[int, Execution]] = {}
    for fill in fills:
        head, number = family(fill.execution.execution_id)
        rank = number or 0
        if head not in latest or latest[head][0] <= rank:
            latest[head] = (rank, fill.execution)
    return sum(
        (one.quantity for _, one in latest.values() if one.kind is not ReportKind.BUST), Decimal(0)
    )


def revised(fills: Iterable[Fill]) -> bool:
    """Whether anything of it was corrected."""
    return any(fill.execution.kind is not ReportKind.TRADE for fill in fills)
