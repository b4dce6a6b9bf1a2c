"""Sends orders, changes and cancels to TWS, and finds out what became of them.

A message code is judged together with the status that follows it, or with a synchronisation where
none follows (`Sending.judge`).
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, tzinfo
from typing import Any, Protocol

from execution.domain.errors import (
    BrokerError,
    BrokerRejected,
    BrokerUnavailable,
    OutcomeUnknown,
    RejectionScope,
    RequestRefused,
    TooLate,
)
from execution.domain.ports import Attempt, Modification
from execution.domain.reports import VenueOrder
from execution.domain.vocabulary import OrderState
from workers.adapters.ibkr import orders, outcomes
from workers.adapters.ibkr.connection import Line
from workers.adapters.ibkr.contracts import Contracts
from workers.adapters.ibkr.entries import (
    INACTIVE,
    ON_ITS_WAY,
    PENDING_CANCEL,
    Cancel,
    Entry,
    Operation,
)
from workers.adapters.ibkr.outcomes import Outcome, Said
from workers.adapters.ibkr.witness import Witness

_PATIENCE = 0.5
"""Share of the time for an answer that an order may wait for room among the messages."""
_QUIET_SECONDS = 2.0
"""How long after the answer to a new order its news waits for who is to hear it."""
_SETTLING_SECONDS = 0.5
"""How long after a message code the status that goes with it may come."""
_UNHEARD_SECONDS, _REFUSED_SECONDS = 15.0, 60.0
"""How long after an unanswered cancel, or after 161, another one may be sent."""


class OrderIds(Protocol):
    """Order ids of each client id, each on disk before it is used."""

    async def take(self, client_id: int, venue_order_id: str, above: int) -> tuple[int, bool]:
        """The id of an attempt, and whether it had one before; a new one is larger than `above`.

        OutcomeUnknown when it has one of another client id: that client may have sent it.
        """

    async def release(self, client_id: int, venue_order_id: str) -> None:
        """TWS has another order under the id of an attempt: it gets another next time."""


class Sending:
    """What goes out for the accounts of a login, over whichever connection stands.

    `timeout` is the longest wait for an answer of TWS in seconds, `zone` the time zone it shows.
    """

    def __init__(
        self,
        *,
        contracts: Contracts,
        order_ids: OrderIds,
        witness: Witness,
        timeout: float,
        zone: tzinfo,
        clock: Callable[[], datetime],
    ) -> None:
        self._contracts = contracts
        self._order_ids = order_ids
        self._witness = witness
        self._timeout = timeout
        self._zone = zone
        self._now = clock
        self._withdrawing: set[asyncio.Task[None]] = set()
        self._other_ids: Counter[str] = Counter()

    async def submit(self, line: Line, attempt: Attempt) -> VenueOrder:
        """A new order, or one that is sent again, as `Broker.submit`."""
        self._check_time(attempt.send_by)
        contract = (await self._contracts.qualified(attempt.instrument)).fields
        fields = orders.fields(attempt, _account(line, attempt))
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
            if line.ended is not None or not (entry.status or entry.code):
                raise
            # TWS has it and has not passed it on, or has sent what may be a mere warning.
        finally:
            entry.quiet_until = asyncio.get_running_loop().time() + _QUIET_SECONDS
        code = operation.code
        if code is None and (not entry.heard or entry.state(self._now()) is OrderState.REJECTED):
            code = entry.code
        if code is not None:
            await self._judge_new(line, entry, attempt, code, known=known)
        self._other_ids.pop(attempt.venue_order_id, None)
        entry.told = line.book.order(entry)
        return entry.told

    async def judge(
        self, line: Line, entry: Entry, attempt: Attempt, code: Said, *, known: bool
    ) -> BrokerError | None:
        """The error that a code about an order means; None if TWS has the order.

        An order that is Inactive is cancelled first. One without any status is absent if complete
        synchronisations of this connection and of a new one do not show it. Raises
        BrokerUnavailable where TWS cannot be asked; a connection that withholds an order is ended.
        """
        if not entry.heard:
            await line.synchronise()
        if not entry.heard and not outcomes.nothing_taken(*code):
            seen = await self._witness.look(line)
            if not entry.heard and seen.find(entry.ref, None) is not None:
                line.drop(f"it withholds {entry.ref}")
                raise BrokerUnavailable(str(line.ended))
        if entry.heard:
            if entry.to_be_withdrawn:
                await self._withdraw(line, entry)
            if entry.state(self._now()) is not OrderState.REJECTED:
                return None
            entry.dismissed = True
            return outcomes.refusal(*(entry.refusal or code))
        if code[0] in outcomes.ID_CODES:
            if known and orders.is_of_an_earlier_day(attempt.created_at, self._now(), self._zone):
                # What ended on an earlier day TWS does not show, and remembers the id: it may be
                # this one, and only a person can find out.
                return OutcomeUnknown(str(outcomes.of_new_order(*code)))
            # What has the id is of today, or it is new: another order, or this one would be shown.
            await self._order_ids.release(line.client_id, entry.ref)
            await line.next_order_id()
            await line.current_time()  # answered after the id
            self._other_ids[entry.ref] += 1
        entry.dismissed = True
        line.book.forget(entry)
        if self._other_ids[entry.ref] > 1:  # the other id was no better
            del self._other_ids[entry.ref]
            return outcomes.refusal(*code)
        return outcomes.of_new_order(*code)

    async def cancel(self, line: Line, entry: Entry, order_id: int) -> None:
        """Ask for a cancel of what works, once, and wait a moment for its end.

        What TWS has passed on and the exchange has not done (it is closed) counts as asked, and is
        not asked for again on this connection. 161 answers a cancel that is under way.
        """
        if self._is_being_cancelled(entry):
            return
        operation = Operation(
            entry,
            lambda: entry.state(self._now()).is_final,
            taken=lambda: entry.cancel is not None and entry.cancel.accepted,
        )
        await line.limiter.order(self._patience(None))
        clock = asyncio.get_running_loop().time
        before, entry.cancel = entry.cancel, Cancel(clock() + _UNHEARD_SECONDS)
        try:
            await self._carry_out(line, operation, lambda: line.cancel(order_id))
        except BrokerUnavailable:
            entry.cancel = before
            raise
        state = entry.state(self._now())
        if state is OrderState.FILLED:
            raise BrokerRejected("too late: the order is filled", code="FILLED")
        if operation.code is None or state.is_final:
            return
        if outcomes.outcome_of(*operation.code) is Outcome.NOT_NOW:
            entry.cancel = Cancel(clock() + _REFUSED_SECONDS, entry.status == PENDING_CANCEL)
            return
        refusal = outcomes.of_change(*operation.code)
        if not isinstance(refusal, OutcomeUnknown):
            entry.cancel = before
        raise refusal

    async def modify(
        self, line: Line, entry: Entry, order_id: int, attempt: Attempt, change: Modification
    ) -> VenueOrder:
        """Send the order again under its id, with other terms. A refused change leaves it alive."""
        self._check_time(change.send_by)
        if attempt.one_cancels_other is not None or entry.group:
            # Some have seen the order end with the refusal (nautilus_trader #2978), so it is not
            # even asked for.
            raise BrokerRejected("TWS changes no order that is in an OCA group", code="OCA_GROUP")
        contract = await self._contracts.of_order(entry.contract, attempt.instrument)
        terms = {name: getattr(change, name) for name in change.names()}
        fields = orders.fields(replace(attempt, **terms), _account(line, attempt))

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
        if operation.code is not None and not changed():
            await self._judge_change(line, operation.code, changed)
        if not changed():
            state = entry.state(self._now())
            raise BrokerRejected(f"too late: the order is {state}", code=str(state))
        return line.book.order(entry)

    def withdraw_soon(self, line: Line, entry: Entry) -> None:
        """Cancel a refused order that TWS keeps as Inactive, in the background."""
        task = asyncio.get_running_loop().create_task(self._withdraw_quietly(line, entry))
        self._withdrawing.add(task)
        task.add_done_callback(self._withdrawing.discard)

    async def _withdraw_quietly(self, line: Line, entry: Entry) -> None:
        with suppress(BrokerError):  # the next `find` tries again
            await self._withdraw(line, entry)

    async def _withdraw(self, line: Line, entry: Entry) -> None:
        """Cancel it, and wait for its end, which may still be to come after this."""
        order_id = entry.order_id
        if order_id is None or not entry.to_be_withdrawn:
            return
        operation = Operation(entry, lambda: entry.status != INACTIVE or entry.over)
        entry.withdrawn = True
        try:
            await line.limiter.order(self._patience(None))
            await self._carry_out(line, operation, lambda: line.cancel(order_id))
        except BrokerUnavailable:
            entry.withdrawn = False
            raise
        except OutcomeUnknown:
            if line.ended is not None:
                raise

    async def _judge_new(
        self, line: Line, entry: Entry, attempt: Attempt, code: Said, *, known: bool
    ) -> None:
        """Raise what a code about a new order means, unless TWS has the order."""
        try:
            error = await self.judge(line, entry, attempt, code, known=known)
        except BrokerUnavailable as unavailable:
            # It was sent: that nobody can be asked now is no word that it was not taken.
            said = outcomes.of_new_order(*code)
            raise OutcomeUnknown(f"{said}; {unavailable}") from unavailable
        if error is not None:
            raise error

    async def _judge_change(self, line: Line, code: Said, changed: Callable[[], bool]) -> None:
        """Raise what a code about a change means, unless the change was made."""
        error = outcomes.of_change(*code)
        if isinstance(error, OutcomeUnknown) and line.ended is None:
            await line.synchronise()
            error = outcomes.refusal(*code)
        if not changed():
            raise error

    def _is_being_cancelled(self, entry: Entry) -> bool:
        """Whether a cancel is under way, ours or another's."""
        if entry.status == PENDING_CANCEL:
            entry.cancel = entry.cancel or Cancel()
            return True
        asked = entry.cancel
        if asked is None:
            return False
        return asked.accepted or asyncio.get_running_loop().time() < asked.again_at

    async def _carry_out(self, line: Line, operation: Operation, send: Callable[[], None]) -> None:
        """Send once and wait for the answer. OutcomeUnknown without one."""
        _send(line, operation, send)
        await self._answer(line, operation)

    async def _answer(self, line: Line, operation: Operation) -> None:
        """Wait for the end of an operation, or for an answer and some time more.

        OutcomeUnknown when there is neither, or the connection is lost.
        """
        answered = asyncio.ensure_future(operation.answered.wait())
        either: set[asyncio.Future[Any]] = {operation.future, answered}
        try:
            await asyncio.wait(either, timeout=self._timeout, return_when=asyncio.FIRST_COMPLETED)
            if operation.answered.is_set():
                settling = min(_SETTLING_SECONDS, self._timeout)
                await asyncio.wait({operation.future}, timeout=settling)
            if operation.future.done():
                operation.future.result()
            elif not operation.answered.is_set():
                raise OutcomeUnknown(f"TWS: no answer within {self._timeout:g} s")
        finally:
            answered.cancel()
            line.book.end(operation)

    def _check_time(self, send_by: datetime | None) -> None:
        """TWS does not refuse what comes late, so nothing late is sent."""
        if send_by is not None and self._now() > send_by:
            raise TooLate(f"it was to be sent by {send_by.isoformat()}")

    def _patience(self, send_by: datetime | None) -> float:
        patience = _PATIENCE * self._timeout
        if send_by is None:
            return patience
        return max(min(patience, (send_by - self._now()).total_seconds()), 0.0)


def _account(line: Line, attempt: Attempt) -> str:
    """TWS's name of the account. BrokerRejected (scope TERMS) for one that is none of the login."""
    try:
        return line.owned.real(attempt.account)
    except RequestRefused as refusal:
        scope = RejectionScope.TERMS
        raise BrokerRejected(str(refusal), code="ACCOUNT", scope=scope) from refusal


def _new_operation(line: Line, order_id: int, attempt: Attempt) -> Operation:
    """The operation for an order that is about to be sent."""
    line.check()
    entry = line.book.sent(
        order_id,
        attempt.venue_order_id,
        attempt.instrument.symbol,
        attempt.side,
        attempt.quantity,
    )
    entry.quiet_until, entry.sent_at = math.inf, asyncio.get_running_loop().time()
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
