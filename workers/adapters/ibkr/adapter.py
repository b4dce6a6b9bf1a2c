"""`IBKRAdapter`: the `Broker` port over TWS or IB Gateway, through ib_insync, by events.

Order ids come from the project's own table and belong to the attempt, so that one that is sent
again is known to TWS by its id. What is heard of orders is kept in the connection's book; `watch`
tells what changes there. Nothing is believed absent but by a complete synchronisation.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from execution.domain.capabilities import CAPABILITIES
from execution.domain.errors import (
    BrokerRejected,
    BrokerUnavailable,
    OutcomeUnknown,
    TooLate,
)
from execution.domain.instruments import Instrument
from execution.domain.lending import Shortable
from execution.domain.ports import Attempt, Modification, Part
from execution.domain.reports import Account, Execution, Quote, VenueOrder, VenuePosition
from execution.domain.trading_rules import TradingRules
from execution.domain.vocabulary import AssetClass, BrokerName, OrderState
from workers.adapters.ibkr import orders, outcomes
from workers.adapters.ibkr.book import ON_ITS_WAY, Book, Entry, Operation, utc_now
from workers.adapters.ibkr.client_ids import ClientIds
from workers.adapters.ibkr.connection import ClientIdInUse, Line
from workers.adapters.ibkr.contracts import Contracts, Fields, PriceSteps
from workers.adapters.ibkr.fills import decimal
from workers.adapters.ibkr.outcomes import Outcome

NEW_YORK = ZoneInfo("America/New_York")

_PATIENCE = 0.5
"""Share of the time for an answer that an order may wait for room among the messages."""
_AGAIN_FIRST, _AGAIN_MOST = 0.05, 0.5
_QUIET_SECONDS, _QUIET_LOOK = 2.0, 0.01
"""How long after the answer to a new order its news waits for who is to hear it; how often it is
looked whether somebody does."""
_LIVE_DATA = 1
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


def is_real(account: str) -> bool:
    """Whether money in an account is real: those of paper trading begin with D."""
    return not account.upper().startswith("D")


class IBKRAdapter:
    """Implements `execution.domain.ports.Broker` for one account under one client id at a time.

    `timeout` is the longest wait for an answer of TWS, `zone` the time zone that TWS shows.
    """

    name = BrokerName.IBKR
    capabilities = CAPABILITIES[BrokerName.IBKR]
    needs_loop = True

    def __init__(
        self,
        *,
        host: str,
        port: int,
        client_ids: ClientIds,
        account: str,
        timeout: timedelta,
        order_ids: OrderIds,
        zone: tzinfo = NEW_YORK,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._host, self._port, self._client_ids = host, port, client_ids
        self._account = account
        self._timeout = timeout.total_seconds()
        self._order_ids = order_ids
        self._zone = zone
        self._now = clock
        self._contracts = Contracts(self._ask_contract, self._ask_price_steps)
        self._line: Line | None = None

    async def connect(self) -> None:
        """Connect, or hear of everything again on a connection that stands.

        One that TWS has, but TWS not with Interactive Brokers, is waited for: from pauses between
        tries that grow while it is away, its return would be heard of late.
        A client id that TWS has not let go of yet is tried again, after any others that may be
        used, for as long as an answer may take.
        """
        line = self._line
        if line is not None and line.ended is None:
            try:
                await line.whole()
                line.check()
                await line.synchronise()
            except BrokerUnavailable:
                if line.ended is None:
                    raise
            else:
                return
        await self.close()
        until = asyncio.get_running_loop().time() + self._timeout
        pause = _AGAIN_FIRST
        while True:
            try:
                await self._connect_under(await self._client_ids.candidates())
            except ClientIdInUse:
                if asyncio.get_running_loop().time() + pause > until:
                    raise
                await asyncio.sleep(pause)
                pause = min(2 * pause, _AGAIN_MOST)
            else:
                return

    async def _connect_under(self, client_ids: Sequence[int]) -> None:
        """Connect under the first of some client ids that is free. ClientIdInUse if none is."""
        refused: ClientIdInUse | None = None
        for client_id in client_ids:
            line = self._new_line(client_id)
            try:
                await line.open()
            except ClientIdInUse as error:
                refused = error
                continue
            try:
                await self._client_ids.accepted(client_id)
            except BrokerUnavailable:
                await line.close()
                raise
            self._line = line
            return
        raise refused or ClientIdInUse("every client id that this worker may use is another's")

    @property
    def channel(self) -> int | None:
        """Which client id it has, where several are shared (`execution.domain.channels`)."""
        return self._client_ids.channel

    async def close(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            await line.close()

    async def health_check(self) -> None:
        """Ask TWS the time; it must be connected to Interactive Brokers, too."""
        line = self._standing()
        await line.current_time()
        line.check()
        if line.stale:
            raise BrokerUnavailable("TWS was without Interactive Brokers; news may be missing")

    async def all_rules(self) -> Sequence[TradingRules]:
        """None: TWS tells of a contract when it is asked for it."""
        return ()

    async def rules(self, instrument: Instrument) -> TradingRules | None:
        return (await self._contracts.qualified(instrument)).rules

    async def part(self, attempt: Attempt) -> Part | None:
        del attempt
        return None

    async def submit(self, attempt: Attempt) -> VenueOrder:
        line = self._standing()
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

    async def cancel(self, attempt: Attempt) -> None:
        """Ask for a cancel, and wait until it is done or refused.

        A cancel that TWS has passed on and the exchange has not answered counts as asked.
        """
        line, entry, order_id = await self._working(attempt)
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

    async def modify(self, attempt: Attempt, change: Modification) -> VenueOrder:
        """Send the order again under its id, with other terms. A refused change leaves it alive."""
        line, entry, order_id = await self._working(attempt)
        self._check_time(change.send_by)
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

    async def find(self, attempt: Attempt) -> VenueOrder | None:
        """What a complete synchronisation shows under our id.

        An order that went out on this connection and that TWS does not speak of, or not of all of
        it, ends the connection: the next one hears everything. OutcomeUnknown for one that TWS does
        not show and that is of an earlier day: it tells only of the day on its clock.
        """
        line = self._standing()
        await line.synchronise()
        book = line.book
        entry = book.find(attempt.venue_order_id, attempt.broker_order_id)
        if entry is None:
            if self._is_of_an_earlier_day(attempt.send_by or attempt.created_at):
                raise OutcomeUnknown("sent on an earlier day than TWS tells of: see the statement")
            return None
        if entry.sent_here and self._withholds(book, entry):
            line.drop(f"nothing is said of {attempt.venue_order_id}, which was sent")
            raise BrokerUnavailable(str(line.ended))
        if not entry.status and entry.executed < attempt.quantity:
            raise BrokerUnavailable(
                f"TWS tells executions of {attempt.venue_order_id}, an order that it does not show"
            )
        if not entry.quantity:
            entry.quantity = attempt.quantity
        return book.order(entry)

    def _is_of_an_earlier_day(self, moment: datetime | None) -> bool:
        now = self._now().astimezone(self._zone)
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        return moment is not None and moment < midnight

    def _withholds(self, book: Book, entry: Entry) -> bool:
        if not entry.heard:
            return True
        if not entry.state(self._now()).is_final:
            return entry.round < book.round
        return entry.filled_quantity > entry.executed and not any(
            fill.execution.kind is not fill.execution.kind.TRADE for fill in entry.fills
        )

    async def open_orders(self) -> Sequence[VenueOrder]:
        line = self._standing()
        await line.synchronise()
        return [line.book.order(entry) for entry in line.book.working()]

    async def executions(self, since: datetime) -> Sequence[Execution]:
        """Those of the day, and what was heard on this connection besides."""
        line = self._standing()
        await line.executions()
        return line.book.executions(since)

    async def watch(
        self, waiting: Callable[[], Sequence[Attempt]]
    ) -> AsyncGenerator[VenueOrder, None]:
        """What changes in the book, as it is heard; first how what is waited for stands.

        News of a new order must not come before the answer to it has been recorded, which is when
        it is waited for.
        """
        line = self._standing()
        book, clock = line.book, asyncio.get_running_loop().time
        for attempt in waiting():
            entry = book.find(attempt.venue_order_id, attempt.broker_order_id)
            if entry is not None and entry.heard:
                entry.told = book.order(entry)
                yield entry.told
        held: list[Entry] = []
        while True:
            news, held = [*held, *book.take_news()], []
            awaited = {attempt.venue_order_id for attempt in waiting()} if news else set()
            for entry in dict.fromkeys(news):
                if entry.quiet_until > clock() and entry.ref not in awaited:
                    held.append(entry)
                    continue
                if self._is_anothers(line, entry) and entry.ref not in awaited:
                    continue
                order = book.order(entry)
                if entry.heard and order != entry.told and (entry.fills or not entry.dismissed):
                    entry.told = order
                    yield order
            line.check()
            if line.stale:
                raise BrokerUnavailable("TWS was without Interactive Brokers; news may be missing")
            with suppress(TimeoutError):
                async with asyncio.timeout(_QUIET_LOOK if held else None):
                    await book.news.wait()

    def _is_anothers(self, line: Line, entry: Entry) -> bool:
        """Whether some other connection tells of an order, which may not be recorded as sent yet.

        Of completed orders TWS does not say whose they are.
        """
        return bool(self._client_ids.others) and entry.client_id != line.client_id

    async def positions(self) -> Sequence[VenuePosition]:
        """Without prices: IB's average cost holds multiplier and commissions."""
        line = self._standing()
        return [
            VenuePosition(self._contracts.symbol_of(held.contract), decimal(held.position))
            for held in await line.positions()
            if held.account == self._account and held.position
        ]

    async def account(self) -> Account:
        """Named as TWS names it; cash by currency."""
        line = self._standing()
        balances = {
            str(value.currency): Decimal(value.value)
            for value in await line.account_values()
            if value.tag == "CashBalance" and value.currency != "BASE"
        }
        return Account(self._account, is_real(self._account), balances, identity=self._account)

    async def quote(self, instrument: Instrument) -> Quote:
        line = self._standing()
        try:
            contract = await self._contracts.qualified(instrument)
        except BrokerRejected as refusal:
            raise BrokerUnavailable(refusal.reason) from refusal
        ticker = await line.snapshot(contract.fields)
        bid, ask = decimal(ticker.bid), decimal(ticker.ask)
        if ticker.marketDataType not in {None, _LIVE_DATA} or not (bid > 0 and ask > 0):
            raise BrokerUnavailable(f"TWS has no market of {instrument.symbol} now")
        return Quote(instrument.symbol, bid, ask, self._now(), self.name.value)

    async def shortable(self, instrument: Instrument) -> Shortable:
        """By generic tick 236. BrokerUnavailable for what is no share, too."""
        if instrument.asset_class is not AssetClass.EQUITY:
            raise BrokerUnavailable(f"{instrument.symbol} is no share that is lent")
        line = self._standing()
        try:
            contract = await self._contracts.qualified(instrument)
        except BrokerRejected as refusal:
            raise BrokerUnavailable(refusal.reason) from refusal
        shares = await line.shortable_shares(contract.fields)
        return Shortable(instrument.symbol, shares, self._now(), self.name.value)

    async def quotes(self, instruments: Sequence[Instrument]) -> Sequence[Quote]:
        answers = await asyncio.gather(
            *(self.quote(instrument) for instrument in instruments), return_exceptions=True
        )
        self._standing()
        for answer in answers:
            if isinstance(answer, BaseException) and not isinstance(answer, BrokerUnavailable):
                raise answer
        return [answer for answer in answers if isinstance(answer, Quote)]

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
        if used and not (known and self._is_of_an_earlier_day(attempt.created_at)):
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

    async def _working(self, attempt: Attempt) -> tuple[Line, Entry, int]:
        """The order of ours that is to be changed. BrokerRejected when there is none any more."""
        line = self._standing()
        entry = line.book.find(attempt.venue_order_id, attempt.broker_order_id)
        if entry is None or not entry.status:
            await self.find(attempt)
            entry = line.book.find(attempt.venue_order_id, attempt.broker_order_id)
        if entry is None:
            raise BrokerRejected("TWS knows no such order", code="ABSENT")
        state = entry.state(self._now())
        if state.is_final:
            raise BrokerRejected(f"too late: the order is {state}", code=str(state))
        if entry.order_id is None:
            raise BrokerRejected(
                f"the order belongs to client id {entry.client_id}: only a worker with that "
                "IBKR_CLIENT_ID can change it",
                code="CLIENT_ID",
            )
        return line, entry, entry.order_id

    async def _ask_contract(self, fields: Fields) -> Sequence[Any]:
        return await self._standing().contract_details(fields)

    async def _ask_price_steps(self, market_rule: int) -> PriceSteps:
        return await self._standing().price_steps(market_rule)

    def _new_line(self, client_id: int) -> Line:
        return Line(
            host=self._host,
            port=self._port,
            client_id=client_id,
            account=self._account,
            timeout=self._timeout,
            symbol_of=self._contracts.symbol_of,
            now=self._now,
        )

    def _standing(self) -> Line:
        if self._line is None:
            raise BrokerUnavailable("not connected to TWS")
        self._line.check()
        return self._line

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
