"""What TWS has said of each order, as it said it, and what that makes of it.

One book serves one connection: it is filled anew by each. An order that was sent and not heard of
is no order yet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any

from execution.domain.reports import Execution, VenueOrder
from execution.domain.vocabulary import Side
from execution.store.clock import now
from workers.adapters.ibkr import outcomes
from workers.adapters.ibkr.entries import (
    CANCEL_TAKEN,
    CANCELLED,
    FILLED,
    INACTIVE,
    WORKS,
    Entry,
    Operation,
)
from workers.adapters.ibkr.fills import Fills, decimal
from workers.adapters.ibkr.outcomes import Outcome

_DAY = timedelta(hours=23)
"""Less than a day: whoever asks for one may go by another clock."""


class Book:
    """Implements `library.Hears` for the orders and executions of some `accounts` of a login."""

    def __init__(
        self,
        client_id: int,
        account: str,
        symbol_of: Callable[[Any], str],
        now: Callable[[], datetime],
        zone: tzinfo,
    ) -> None:
        self.fills = Fills(zone, now)
        self.synchronised = False
        self.changed: dict[Entry, None] = {}
        self.news = asyncio.Event()
        self.round = 0
        self.highest_id = 0
        self.accounts = frozenset({account})
        self._client_id = client_id
        self._symbol_of, self._now = symbol_of, now
        self._entries: list[Entry] = []
        self._by_perm: dict[int, Entry] = {}
        self._by_ref: dict[str, list[Entry]] = {}
        self._by_id: dict[int, Entry] = {}
        self._operations: dict[int, Operation] = {}

    # What we do.

    def sent(self, order_id: int, ref: str, symbol: str, side: Side, quantity: Decimal) -> Entry:
        """An order is about to be sent under an order id of ours."""
        known = self._by_id.get(order_id)
        if known is not None:
            known.sent_here = True
            return known
        entry = Entry(ref, order_id=order_id, client_id=self._client_id, sent_here=True)
        entry.symbol, entry.side, entry.quantity = symbol, side, quantity
        self._file(entry)
        self._by_id[order_id] = entry
        return entry

    def forget(self, entry: Entry) -> None:
        """It was refused, and TWS holds no such order."""
        self._entries.remove(entry)
        self._by_ref[entry.ref].remove(entry)
        if entry.order_id is not None:
            self._by_id.pop(entry.order_id, None)
        self.changed.pop(entry, None)

    def begin(self, operation: Operation) -> None:
        """Listen for what becomes of an operation."""
        if operation.entry.order_id is not None:
            self._operations[operation.entry.order_id] = operation

    def end(self, operation: Operation) -> None:
        """It is over, or given up."""
        order_id = operation.entry.order_id
        if order_id is not None and self._operations.get(order_id) is operation:
            del self._operations[order_id]

    def find(self, ref: str, broker_order_id: str | None) -> Entry | None:
        """The order of that permId, else of that orderRef: one that was heard of before others."""
        if broker_order_id is not None and broker_order_id.isdigit():
            entry = self._by_perm.get(int(broker_order_id))
            if entry is not None and entry.ref == ref:
                return entry
        known = self._by_ref.get(ref, [])
        return next((entry for entry in known if entry.heard), next(iter(known), None))

    def working(self) -> list[Entry]:
        """Every order that works, of whatever client."""
        now = self._now()
        return [one for one in self._entries if one.status and not one.state(now).is_final]

    def order(self, entry: Entry) -> VenueOrder:
        """An order as the port has it."""
        return entry.order(self._now())

    def entries(self) -> Sequence[Entry]:
        """Every order that was sent or heard of."""
        return self._entries

    def executions(self, since: datetime) -> list[Execution]:
        """Every execution since then, oldest first, and its cost where that may be news.

        Of a day or more that is all of TWS's day: none is lost by a time read in the wrong zone.
        """
        after = None if since <= self._now() - _DAY else since
        heard = [f for f in self.fills.all() if after is None or f.execution.executed_at >= after]
        heard.sort(key=lambda fill: fill.execution.executed_at)
        return [report for fill in heard for report in fill.told_again()]

    # What TWS says.

    def next_id(self, order_id: int) -> None:
        self.highest_id = max(self.highest_id, order_id - 1)

    def open_order(self, order_id: int, contract: Any, order: Any, state: Any) -> None:
        if not self._is_ours(order.account):
            return
        entry = self._entry(int(order.permId), int(order.clientId), order_id, str(order.orderRef))
        self._describe(entry, contract, order)
        entry.quantity = decimal(order.totalQuantity)
        entry.order_type = str(order.orderType)
        entry.limit_price, entry.aux_price = decimal(order.lmtPrice), decimal(order.auxPrice)
        self.highest_id = max(self.highest_id, order_id)
        if not entry.status:
            entry.show(str(state.status), self._now())
        self._said(entry)

    def order_status(
        self, order_id: int, status: str, filled: Decimal, told: dict[str, Any]
    ) -> None:
        perm_id, client_id = int(told["perm_id"]), int(told["client_id"])
        entry = self._by_perm.get(perm_id)
        if entry is None and client_id == self._client_id:
            entry = self._by_id.get(order_id)
        if entry is None:
            return  # of another account: an order's openOrder comes first
        self._identify(entry, perm_id)
        entry.show(status, self._now())
        entry.filled, entry.closed = filled, entry.closed or status == FILLED
        if status in WORKS:  # what was refused was a change of it
            entry.refusal = None
        if entry.cancel is not None and status in CANCEL_TAKEN:
            entry.cancel.accepted = True
        entry.why_held = str(told["why_held"])
        self._said(entry)

    def completed_order(self, contract: Any, order: Any, state: Any) -> None:
        if not self._is_ours(order.account):
            return
        entry = self._entry(int(order.permId), None, 0, str(order.orderRef))
        self._describe(entry, contract, order)
        filled = decimal(order.filledQuantity)
        if not entry.quantity:
            entry.quantity = filled + decimal(order.totalQuantity)
        entry.filled, entry.closed, entry.over = max(entry.filled, filled), True, True
        if entry.status != FILLED and entry.status not in CANCELLED:
            entry.show(str(state.status), self._now())
        if not entry.ended and entry.status != FILLED:
            entry.ended = str(state.completedStatus)
        self._said(entry)

    def execution(self, contract: Any, execution: Any) -> None:
        if not self._is_ours(execution.acctNumber):
            return
        symbol, before = self._symbol_of(contract), not self.synchronised
        fill = self.fills.hear(contract, execution, symbol, before=before)
        perm_id, ref = int(execution.permId), str(execution.orderRef)
        entry = self._by_perm.get(perm_id)
        if entry is None and execution.clientId == self._client_id:
            entry = self._by_id.get(int(execution.orderId))
        if entry is None and ref and perm_id:
            entry = self._entry(perm_id, None, 0, ref)
            entry.symbol, entry.side = symbol, Side.BUY
            if fill is not None:
                entry.side = fill.execution.side
        if entry is None or fill is None:
            return
        self._identify(entry, perm_id)
        if entry.client_id is None:
            entry.client_id = int(execution.clientId)
        if not ref and entry.ref:  # it is known by its permId or order id
            fill.execution = replace(fill.execution, venue_order_id=entry.ref)
        entry.contract = entry.contract or contract
        entry.fills.append(fill)
        self._said(entry)

    def commission(self, report: Any) -> None:
        fill = self.fills.cost(str(report.execId), decimal(report.commission), str(report.currency))
        entry = self._by_perm.get(fill.perm_id) if fill is not None else None
        if entry is not None:
            self._mark(entry)

    def error(self, order_id: int, code: int, text: str) -> None:
        """A message about an order, or about nothing that is an order."""
        entry = self._by_id.get(order_id)
        if entry is None:
            return
        outcome = outcomes.outcome_of(code, text)
        if outcome is Outcome.REMARK:
            entry.remark = (code, text)
            return
        if outcome is Outcome.ENDED:
            entry.ended = outcomes.reason_of(text)
            if entry.sent_here and not entry.worked and entry.cancel is None:
                # Whoever ends what was never taken up has refused it.
                entry.refusal, entry.refused_at = (code, text), self._now()
            return
        if entry.withdrawn and entry.status == INACTIVE and outcomes.says_over(code, text):
            entry.over = True
            self._said(entry)
            return
        operation = self._operations.get(order_id)
        if operation is not None:
            operation.error(code, text)
        if (operation is None or operation.new) and code not in outcomes.OF_CHANGES:
            entry.refusal, entry.refused_at = (code, text), self._now()
            self._mark(entry)

    def lost(self, error: Exception) -> None:
        """The connection is over, and with it whatever is under way."""
        for operation in self._operations.values():
            if not operation.future.done():
                operation.future.set_exception(error)
        self.news.set()

    # Within.

    def _entry(self, perm_id: int, client_id: int | None, order_id: int, ref: str) -> Entry:
        entry = self._by_perm.get(perm_id) if perm_id else None
        if entry is None and client_id == self._client_id and order_id > 0:
            entry = self._by_id.get(order_id)
        if entry is None:
            entry = next((one for one in self._by_ref.get(ref, ()) if not one.perm_id), None)
        if entry is None:
            entry = Entry(ref)
            self._file(entry)
        self._identify(entry, perm_id)
        if client_id is not None:
            entry.client_id = client_id
        if client_id == self._client_id and order_id > 0:
            entry.order_id = order_id
            self._by_id[order_id] = entry
        return entry

    def _file(self, entry: Entry) -> None:
        self._entries.append(entry)
        self._by_ref.setdefault(entry.ref, []).append(entry)

    def _identify(self, entry: Entry, perm_id: int) -> None:
        if perm_id and not entry.perm_id:
            entry.perm_id = perm_id
            self._by_perm[perm_id] = entry

    def _describe(self, entry: Entry, contract: Any, order: Any) -> None:
        entry.contract, entry.symbol = contract, self._symbol_of(contract)
        entry.side = Side.BUY if order.action == "BUY" else Side.SELL
        entry.good_till = str(order.goodTillDate)
        entry.group = str(order.ocaGroup)

    def _is_ours(self, account: str) -> bool:
        return not account or account in self.accounts

    def _said(self, entry: Entry) -> None:
        entry.round = self.round
        operation = self._operations.get(entry.order_id or 0)
        if operation is not None:
            operation.look()
        self._mark(entry)

    def _mark(self, entry: Entry) -> None:
        self.changed[entry] = None
        self.news.set()

    def take_news(self) -> Iterable[Entry]:
        """The orders of which something was said since this was asked last."""
        changed, self.changed = list(self.changed), {}
        self.news.clear()
        return changed


def utc_now() -> datetime:
    """The process's clock."""
    return now()
