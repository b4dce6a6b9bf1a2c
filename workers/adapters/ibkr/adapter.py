"""`IBKRAdapter`: the `Broker` port over TWS or IB Gateway, through ib_insync, by events.

Order ids come from the project's own table and belong to the attempt, so that one that is sent
again is known to TWS by its id. What is heard of orders is kept in the connection's book; `watch`
tells what changes there. Nothing is believed absent but by a complete synchronisation.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from execution.domain.capabilities import CAPABILITIES
from execution.domain.errors import BrokerRejected, BrokerUnavailable
from execution.domain.instruments import Instrument
from execution.domain.lending import Shortable
from execution.domain.ports import Attempt, Modification, Part
from execution.domain.reports import (
    Account,
    Execution,
    Quote,
    Unreadable,
    VenueOrder,
    VenuePosition,
)
from execution.domain.trading_rules import TradingRules
from execution.domain.vocabulary import AssetClass, BrokerName
from workers.adapters import answers
from workers.adapters.ibkr import market, recognising
from workers.adapters.ibkr.book import utc_now
from workers.adapters.ibkr.client_ids import ClientIds
from workers.adapters.ibkr.connection import ClientIdInUse, Line
from workers.adapters.ibkr.contracts import ContractMap, Contracts, Fields, PriceSteps
from workers.adapters.ibkr.entries import Entry
from workers.adapters.ibkr.fills import decimal
from workers.adapters.ibkr.finding import Finding
from workers.adapters.ibkr.sending import OrderIds, Sending
from workers.adapters.ibkr.witness import Witness

NEW_YORK = ZoneInfo("America/New_York")

_AGAIN_FIRST, _AGAIN_MOST = 0.05, 0.5
_QUIET_LOOK = 0.01
"""Seconds between looks whether somebody waits for the news of a new order by now."""
_LIVE_DATA = 1


def is_real(account: str) -> bool:
    """Whether money in an account is real: those of paper trading begin with D."""
    return not account.upper().startswith("D")


class IBKRAdapter:
    """Implements `execution.domain.ports.Broker` for a login under one client id at a time.

    `account` is the one of orders that name none; `owns` says which others of the login's accounts
    are traded. `timeout` is the longest wait for an answer of TWS, `zone` the time zone that TWS
    shows.
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
        contract_map: ContractMap,
        owns: Callable[[str], bool] = lambda _: True,
        zone: tzinfo = NEW_YORK,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._host, self._port, self._client_ids = host, port, client_ids
        self._account, self._owns = account, owns
        self._timeout = timeout.total_seconds()
        self._zone = zone
        self._now = clock
        self._contracts = Contracts(self._ask_contract, self._ask_price_steps, contract_map)
        self._unread = answers.Unread()
        witness = Witness(self._new_line)
        self._sending = Sending(
            contracts=self._contracts,
            order_ids=order_ids,
            witness=witness,
            timeout=self._timeout,
            zone=zone,
            clock=clock,
        )
        self._finding = Finding(
            self._sending, witness, timeout=self._timeout, zone=zone, clock=clock
        )
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
        return await self._sending.submit(self._standing(), attempt)

    async def cancel(self, attempt: Attempt) -> None:
        await self._sending.cancel(*await self._working(attempt))

    async def modify(self, attempt: Attempt, change: Modification) -> VenueOrder:
        return await self._sending.modify(*await self._working(attempt), attempt, change)

    async def find(self, attempt: Attempt) -> VenueOrder | None:
        """What a complete synchronisation shows under our id; see `Finding`.

        OutcomeUnknown for an order that TWS does not show and that is of an earlier day: it tells
        only of the day on its clock.
        """
        return await self._finding.find(self._standing(), attempt)

    async def open_orders(self) -> Sequence[VenueOrder]:
        line = self._standing()
        await line.synchronise()
        await recognising.name_all(line.book, self._contracts)
        return [line.book.order(entry) for entry in line.book.working()]

    async def executions(self, since: datetime) -> Sequence[Execution]:
        """Those of the day, and what was heard on this connection besides."""
        line = self._standing()
        await line.executions()
        await recognising.name_all(line.book, self._contracts)
        return line.book.executions(since)

    def unreadable(self) -> Sequence[Unreadable]:
        return self._unread.take()

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
                if entry.to_be_withdrawn:
                    self._sending.withdraw_soon(line, entry)
                if self._is_anothers(line, entry) and entry.ref not in awaited:
                    continue
                await recognising.name(entry, self._contracts)
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
        line = self._standing()
        held = await line.positions()
        held = [one for one in held if one.account in line.owned.owned and one.position]
        return await recognising.positions(held, self._contracts)

    async def account(self) -> Account:
        """Named as TWS names it; cash by currency."""
        return await self._account_of(self._standing(), self._account)

    async def accounts(self) -> Sequence[Account]:
        line = self._standing()
        return [await self._account_of(line, name) for name in line.owned.owned]

    async def _account_of(self, line: Line, name: str) -> Account:
        balances = {
            str(value.currency): Decimal(value.value)
            for value in await line.account_values(name)
            if value.tag == "CashBalance" and value.currency != "BASE"
        }
        return Account(name, is_real(name), balances, identity=name)

    async def quote(self, instrument: Instrument) -> Quote:
        line = self._standing()
        try:
            contract = await self._contracts.qualified(instrument)
        except BrokerRejected as refusal:
            raise BrokerUnavailable(refusal.reason) from refusal
        ticker = await market.snapshot(line, contract.fields)
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
        shares = await market.shortable_shares(line, contract.fields)
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
        return await market.contract_details(self._standing(), fields)

    async def _ask_price_steps(self, market_rule: int) -> PriceSteps:
        return await market.price_steps(self._standing(), market_rule)

    def _new_line(self, client_id: int) -> Line:
        return Line(
            host=self._host,
            port=self._port,
            client_id=client_id,
            account=self._account,
            owns=self._owns,
            timeout=self._timeout,
            symbol_of=self._contracts.symbol_of,
            now=self._now,
            zone=self._zone,
            unread=self._unread,
        )

    def _standing(self) -> Line:
        if self._line is None:
            raise BrokerUnavailable("not connected to TWS")
        self._line.check()
        return self._line
