"""Sends orders, changes and cancels to TWS, and hears what becomes of them."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, tzinfo
from typing import Protocol

from execution.domain.errors import BrokerRejected, BrokerUnavailable, OutcomeUnknown, TooLate
from execution.domain.ports import Attempt, Modification
from execution.domain.reports import VenueOrder
from execution.domain.vocabulary import OrderState
from workers.adapters.ibkr import orders, outcomes
from workers.adapters.ibkr.book import ON_ITS_WAY, Entry, Operation
from workers.adapters.ibkr.connection import Line
from workers.adapters.ibkr.contracts import Contracts
from workers.adapters.ibkr.outcomes import Outcome

_PATIENCE = 0.5
"""Share of the time for an answer that an order may wait for room among the messages."""
_QUIET_SECONDS = 2.0
"""How long after the answer to a new order its news waits for who is to hear it."""
_SYSTEM_REFUSED = 201
_PENDING_CANCEL = "PendingCancel"


class OrderIds(Protocol):
    """Order ids of each client id, each on disk before it is used."""

    async def take(self, client_id: int, venue_order_id: str, above: int) -> tuple[int, bool]:
        """The id of an attempt, and whether it had one before; a new one is larger than `above`.

        OutcomeUnknown when it has one of another client id: that client may have sent it.
        """

    async def release(self, client_id: int, venue_order_id: str) -> None:
        """TWS has another order under the id of an attempt: it gets another next time."""


class Sending:
    """What goes out for one account, over whichever connection stands.

    `timeout` is the longest wait for an answer of TWS in seconds, `zone` the time zone it shows.
    """

    def __init__(
        self,
        *,
        account: str,
        contracts: Contracts,
        order_ids: OrderIds,
        timeout: float,
        zone: tzinfo,
        clock: Callable[[], datetime],
    ) -> None:
        self._account = account
        self._contracts = contracts
        self._order_ids = order_ids
        self._timeout = timeout
        self._zone = zone
        self._now = clock

    async def submit(self, line: Line, attempt: Attempt) -> VenueOrder:
        """A new order, or one that is sent again, as `Broker.submit`."""
        self._check_time(attempt.send_by)
        contract = (await self._contracts.qualified(attempt.instrument)).fields
        fields = orders.fields(attempt, self._account)
        async with line.in_turn(self._patience(attempt.send_by)):
            await line.limiter.order(self._patience(attempt.send_by))
            order_id, known = await self._order_ids.take(
                line.client_id, attempt.venue_order_id, line.book.highest_id
            )
            try:
                self._check_time(attempt.send_by)
                operation = _new_operation(line, order_id, attempt)
                _send(line, operation, lambda: line.place(order_id, contract, fields))
            except BrokerUnavailable:
                if not known:  # else it would stay with an id that TWS may not take any more
                    with suppress(OutcomeUnknown):
                        await self._order_ids.release(line.client_id, attempt.venue_order_id)
                raise
        entry = operation.entry
        try:
            await self._answer(line, operation)
        except OutcomeUnknown:
            if line.ended is not None or not entry.status:
                raise
            # TWS has it, and has not passed it on yet.
        finally:
            entry.quiet_until = asyncio.get_running_loop().time() + _QUIET_SECONDS
        if operation.refused is not None:
            await self._refuse(line, operation, attempt, known=known)
        entry.told = line.book.order(entry)
        return entry.told

    async def cancel(self, line: Line, entry: Entry, order_id: int) -> None:
        """Ask for a cancel of what works, and wait until it is done or refused.

        A cancel that TWS has passed on and the exchange has not answered counts as asked.
        """
        operation = Operation(entry, lambda: entry.state(self._now()).is_final)
        entry.cancel_asked = True
        await line.limiter.order(self._patience(None))
        try:
            await self._carry_out(line, operation, lambda: line.cancel(order_id))
        except OutcomeUnknown:
            if line.ended is None and entry.status == _PENDING_CANCEL:
                return
            raise
        if operation.refused is not None:
            entry.cancel_asked = False
            raise outcomes.of_change(*operation.refused)
        if entry.state(self._now()) is OrderState.FILLED:
            raise BrokerRejected("too late: the order is filled", code="FILLED")

    async def modify(
        self, line: Line, entry: Entry, order_id: int, attempt: Attempt, change: Modification
    ) -> VenueOrder:
        """Send the order again under its id, with other terms. A refused change leaves it alive."""
        self._check_time(change.send_by)
        if attempt.one_cancels_other is not None or entry.group:
            # Some have seen the order end with the refusal (nautilus_trader #2978), so it is not
            # even asked for.
            raise BrokerRejected("TWS changes no order that is in an OCA group", code="OCA_GROUP")
        contract = (await self._contracts.qualified(attempt.instrument)).fields
        terms = {name: getattr(change, name) for name in change.names()}
        fields = orders.fields(replace(attempt, **terms), self._account)

        def changed() -> bool:
            heard = {
                "quantity": entry.quantity,
                "limit_price": entry.limit_price,
                "stop_price": entry.aux_price,
            }
            return all(heard[name] == value for name, value in terms.items())

        operation = Operation(entry, lambda: changed() or entry.state(self._now()).is_final)
        await line.limiter.order(self._patience(change.send_by))
        self._check_time(change.send_by)
        entry.sent_here = True
        await self._carry_out(line, operation, lambda: line.place(order_id, contract, fields))
        if operation.refused is not None:
            raise outcomes.of_change(*operation.refused)
        if not changed():
            state = entry.state(self._now())
            raise BrokerRejected(f"too late: the order is {state}", code=str(state))
        return line.book.order(entry)

    async def _carry_out(self, line: Line, operation: Operation, send: Callable[[], None]) -> None:
        """Send, once, and wait for what becomes of it. OutcomeUnknown when nothing is heard."""
        _send(line, operation, send)
        await self._answer(line, operation)

    async def _answer(self, line: Line, operation: Operation) -> None:
        try:
            async with asyncio.timeout(self._timeout):
                await operation.future
        except TimeoutError:
            raise OutcomeUnknown(f"TWS: no answer within {self._timeout:g} s") from None
        finally:
            line.book.end(operation)

    async def _refuse(
        self, line: Line, operation: Operation, attempt: Attempt, *, known: bool
    ) -> None:
        """Raise what an error message to a new order means."""
        code, text = operation.refused or (0, "")
        entry = operation.entry
        error = outcomes.of_new_order(code, text, known_id=known)
        used = outcomes.outcome_of(code, text) is Outcome.ID_USED
        if used and not (
            known and orders.is_of_an_earlier_day(attempt.created_at, self._now(), self._zone)
        ):
            # What has the id and is of today is another order, or it would have been found. What
            # ended on an earlier day TWS does not show, and remembers the id: it may be this one,
            # and only a person can find out.
            await self._order_ids.release(line.client_id, entry.ref)
            await line.next_order_id()
        definite = not isinstance(error, OutcomeUnknown)
        entry.dismissed = entry.dismissed or definite
        if (definite or used) and code != _SYSTEM_REFUSED and not entry.heard:
            line.book.forget(entry)
        raise error

    def _check_time(self, send_by: datetime | None) -> None:
        """TWS does not refuse what comes late, so nothing late is sent."""
        if send_by is not None and self._now() > send_by:
            raise TooLate(f"it was to be sent by {send_by.isoformat()}")

    def _patience(self, send_by: datetime | None) -> float:
        patience = _PATIENCE * self._timeout
        if send_by is None:
            return patience
        return max(min(patience, (send_by - self._now()).total_seconds()), 0.0)


def _new_operation(line: Line, order_id: int, attempt: Attempt) -> Operation:
    """What is to be heard of an order that is about to be sent."""
    line.check()
    entry = line.book.sent(
        order_id,
        attempt.venue_order_id,
        attempt.instrument.symbol,
        attempt.side,
        attempt.quantity,
    )
    entry.quiet_until = math.inf
    return Operation(entry, lambda: entry.status not in ON_ITS_WAY or bool(entry.fills), new=True)


def _send(line: Line, operation: Operation, send: Callable[[], None]) -> None:
    """Send what an operation is about; its answer is listened for before.

    A new order that did not leave is forgotten, unless TWS has told of it before.
    """
    entry = operation.entry
    line.book.begin(operation)
    try:
        send()
    except BaseException:
        line.book.end(operation)
        if operation.new:
            entry.quiet_until = 0.0
            if not entry.heard:
                line.book.forget(entry)
        raise
