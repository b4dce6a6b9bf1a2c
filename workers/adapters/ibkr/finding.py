"""Finds out what became of an order, on a second connection where the first one is silent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, tzinfo

from execution.domain.errors import BrokerRejected, BrokerUnavailable, OutcomeUnknown
from execution.domain.ports import Attempt
from execution.domain.reports import ReportKind, VenueOrder
from execution.domain.vocabulary import OrderState
from workers.adapters.ibkr import orders
from workers.adapters.ibkr.connection import Line
from workers.adapters.ibkr.entries import Entry
from workers.adapters.ibkr.sending import Sending
from workers.adapters.ibkr.witness import Witness

_SILENCE = 2.0
"""In answer timeouts: how long an order may go unanswered before its connection is renewed."""
_RENEWALS = 2
"""How often one order may cause that."""
_LOOK_SECONDS = 30.0
"""How long a look at an order on a second connection is good for."""


class Finding:
    """Asks for orders by our id. `timeout` is the longest wait for an answer, in seconds.

    One unanswered order must not renew the connection of all others again and again, so it is
    looked for on a second connection first (`Witness`).
    """

    def __init__(
        self,
        sending: Sending,
        witness: Witness,
        *,
        timeout: float,
        zone: tzinfo,
        clock: Callable[[], datetime],
    ) -> None:
        self._sending, self._witness = sending, witness
        self._timeout = timeout
        self._zone, self._now = zone, clock
        self._renewed: dict[str, int] = {}

    async def find(self, line: Line, attempt: Attempt) -> VenueOrder | None:
        """As `Broker.find`, by a complete synchronisation of a connection."""
        await line.synchronise()
        book, ref = line.book, attempt.venue_order_id
        entry = book.find(ref, attempt.broker_order_id)
        if entry is None:
            return self._absent(attempt)
        if entry.to_be_withdrawn or (entry.code is not None and not entry.heard):
            refused = await self._judge(line, entry, attempt)
            if refused is not None or not entry.heard:
                return refused
        if entry.sent_here and self._is_withheld(line, entry):
            await self._look_beside(line, entry, attempt)
        if not entry.status and entry.executed < attempt.quantity:
            raise OutcomeUnknown(f"TWS reports executions of {ref}, but not the order")
        self._renewed.pop(ref, None)
        if not entry.quantity:
            entry.quantity = attempt.quantity
        return book.order(entry)

    def _absent(self, attempt: Attempt) -> VenueOrder | None:
        """What it means that TWS does not show an order that was not sent on this connection."""
        sent = attempt.send_by or attempt.created_at
        if orders.is_of_an_earlier_day(sent, self._now(), self._zone):
            raise OutcomeUnknown("sent on an earlier day than TWS reports: see the statement")
        if self._renewed.get(attempt.venue_order_id, 0) < _RENEWALS:
            return None
        return _refused(attempt, "", "TWS answered neither of two sends, and has no such order")

    async def _judge(self, line: Line, entry: Entry, attempt: Attempt) -> VenueOrder | None:
        """The order as refused, where a message code refused it; else None.

        An order that TWS provably did not take is forgotten.
        """
        code = entry.code
        if code is None:
            return None
        error = await self._sending.judge(line, entry, attempt, code, known=True)
        if isinstance(error, OutcomeUnknown):
            raise error
        if isinstance(error, BrokerRejected):
            return _refused(attempt, str(entry.perm_id or entry.order_id or ""), error.reason)
        return None

    def _is_withheld(self, line: Line, entry: Entry) -> bool:
        """Whether TWS must know more of an order than this connection has received."""
        if not entry.heard:
            return True
        if not entry.state(self._now()).is_final:
            return self._is_gone(line, entry)
        return entry.filled_quantity > entry.executed and not any(
            fill.execution.kind is not ReportKind.TRADE for fill in entry.fills
        )

    def _is_gone(self, line: Line, entry: Entry) -> bool:
        """Whether an order that is not over was not in the last synchronisation."""
        return entry.round < line.book.round and not entry.state(self._now()).is_final

    def _has_news(self, line: Line, seen: Entry, entry: Entry) -> bool:
        return not entry.heard or seen.executed > entry.executed or self._is_gone(line, entry)

    async def _look_beside(self, line: Line, entry: Entry, attempt: Attempt) -> None:
        """Look for an order on a second connection, and end this one if it withholds news.

        Raises OutcomeUnknown while there is no answer at all. If that lasts, the message may be
        stuck on its way, and only a new connection under the same client id settles that.
        """
        clock, ref = asyncio.get_running_loop().time(), entry.ref
        if not entry.heard or clock > entry.looked_at + _LOOK_SECONDS:
            entry.looked_at = clock
            seen = (await self._witness.look(line)).find(ref, attempt.broker_order_id)
            if seen is not None and self._has_news(line, seen, entry):
                self._end(line, f"it withholds news of {ref}")
        if entry.heard:
            if self._is_gone(line, entry):
                raise OutcomeUnknown(f"TWS does not show {ref} any more, nor what became of it")
            return
        renewals = self._renewed.get(ref, 0)
        if clock - entry.sent_at < _SILENCE * self._timeout or renewals >= _RENEWALS:
            raise OutcomeUnknown(f"no answer about {ref}, which was sent")
        self._renewed[ref] = renewals + 1
        self._end(line, f"no answer about {ref}, which was sent")

    def _end(self, line: Line, why: str) -> None:
        line.drop(why)
        raise BrokerUnavailable(str(line.ended))


def _refused(attempt: Attempt, broker_order_id: str, reason: str) -> VenueOrder:
    """An order that TWS provably does not have, or has ended, as refused."""
    return VenueOrder(
        broker_order_id=broker_order_id,
        state=OrderState.REJECTED,
        symbol=attempt.instrument.symbol,
        side=attempt.side,
        quantity=attempt.quantity,
        venue_order_id=attempt.venue_order_id,
        reason=reason,
    )
