"""A broker's session: the one thread, event loop and connection that a broker's worker owns."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

import structlog

from execution.domain.accounts import Accounts
from execution.domain.channels import Channelled
from execution.domain.errors import (
    AccessRefused,
    BrokerError,
    BrokerUnavailable,
    OutcomeUnknown,
    RateLimited,
    StoreUnavailable,
)
from execution.domain.instruments import Instrument
from execution.domain.orders import Order
from execution.domain.pacing import Pauses
from execution.domain.ports import Attempt, Broker, Capabilities, Part
from execution.domain.reports import VenueOrder
from execution.domain.trading_rules import TradingRules
from execution.domain.vocabulary import BrokerName, SessionStatus
from execution.faultpoints import reach
from execution.intake import new_id
from execution.store import sessions
from workers import quoting, reconciling, unreadable
from workers.context import Context
from workers.heart import Heart
from workers.loop import LoopThread
from workers.recording import Recorder

T = TypeVar("T")

_REFUSED_SECONDS = 60.0
"""Asking a venue that lets nobody in again and again would be taken for an attack."""
_VERIFY_EVERY = 2.0
_CHECK_EVERY = 1.0
_LISTEN_EVERY = 5.0
_LISTEN_WIDELY_EVERY = 60.0
_RULES_EVERY = 3600.0
_BALANCES_EVERY = 10.0
_FIND_AGAIN = 30.0
_STORE_PATIENCE = 3
"""How many times as long as a broker's call the database may take; it gives up a statement itself
before that."""


def _run_here(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never waits for an event loop, without one."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    coroutine.close()
    raise RuntimeError("this adapter needs its loop after all")


class BrokerSession:
    """Owns an adapter on a daemon thread's loop; tasks reach it through `call`.

    It heartbeats a row in `broker_sessions`, connects and connects again, adopts waiting orders
    that nobody watches, and records what the venue says of them. `wake` is called with an order
    that has news for step 5. `adapter` is a text where credentials are missing.

    A session `beside` another uses that one's loop, and leaves quotes to it. What is to be done
    while there is a connection runs as `meanwhile`.
    """

    def __init__(
        self,
        broker: BrokerName,
        adapter: Broker | str,
        context: Context,
        wake: Callable[[Order], None],
        *,
        session_id: UUID | None = None,
        beside: BrokerSession | None = None,
        meanwhile: Callable[[], Coroutine[Any, Any, None]] | None = None,
    ) -> None:
        self.broker = broker
        self.session_id = session_id or new_id()
        self._beside, self._meanwhile = beside, meanwhile
        self._adapter = adapter
        self._context = context
        self._log = structlog.get_logger().bind(broker=broker.value)
        self._status = SessionStatus.DOWN
        self._detail: str | None = "starting"
        self._down_since = time.monotonic()
        self._accounts: Accounts | None = None
        self._waiting: dict[str, Attempt] = {}
        self._last_said: dict[str, tuple[object, ...]] = {}
        self._unfound: dict[str, tuple[float, Attempt]] = {}
        self._verified = -_VERIFY_EVERY
        self._last_turn = time.monotonic()
        self._main: asyncio.Task[None] | None = None
        self.thread: LoopThread = LoopThread(f"{broker}-loop") if beside is None else beside.thread
        self._loop = self.thread.loop
        self._recorder = Recorder(broker, context, self.session_id, wake)
        self._heart = Heart(
            broker,
            context,
            self.session_id,
            loop=self._loop,
            standing=lambda: (self._status, self._detail, self._recorder.account),
            ask=self._ask,
        )

    def start(self) -> None:
        """Start the loop and the heartbeat; connecting goes on in the background."""
        if self._beside is None:
            self.thread.start()
        self._loop.call_soon_threadsafe(self._begin)
        self._heart.start()

    def stop(self) -> None:
        """Let go of the connection and of every order watched here."""
        self._heart.stop()
        with suppress(FutureTimeout, RuntimeError):
            asyncio.run_coroutine_threadsafe(self._shut(), self._loop).result(5)
        if self._beside is None:
            self.thread.stop()
        self._heart.close()

    def submit(self, attempt: Attempt) -> VenueOrder:
        """Send an attempt, as `Broker.submit`; BrokerUnavailable before this session is ready.

        A session that has not looked yet at what happened while it was away takes no new work.
        """
        if self._status is not SessionStatus.LIVE_READY:
            raise BrokerUnavailable(self._detail or "not connected")
        reach("submit_order:before_send", attempt.order_id)
        timeout = self._context.settings.broker_call_timeout
        return self.call(lambda adapter: adapter.submit(attempt), timeout)

    def call(self, work: Callable[[Broker], Coroutine[Any, Any, T]], timeout: timedelta) -> T:
        """Run an adapter's coroutine, on the loop where it needs one, and wait for it.

        Raises BrokerUnavailable without an adapter, OutcomeUnknown when no answer came in time,
        and what the adapter raises.
        """
        if isinstance(self._adapter, str):
            raise BrokerUnavailable(self._adapter)
        if not self._adapter.needs_loop:
            return _run_here(work(self._adapter))
        future: Future[T] = asyncio.run_coroutine_threadsafe(work(self._adapter), self._loop)
        try:
            return future.result(timeout.total_seconds())
        except FutureTimeout:
            future.cancel()
            raise OutcomeUnknown(f"no answer within {timeout.total_seconds():.0f} s") from None

    def verify(self) -> None:
        """Make sure that the venue answers; asked at most once a second. BrokerError."""
        if self._status is not SessionStatus.LIVE_READY:
            raise BrokerUnavailable(self._detail or "not connected")
        asked = time.monotonic()
        if asked - self._verified > _VERIFY_EVERY:
            timeout = self._context.settings.broker_call_timeout
            self.call(lambda adapter: adapter.health_check(), timeout)
            self._verified = asked

    def rules(self, instrument: Instrument) -> TradingRules | None:
        """What the venue takes of an instrument, as `Broker.rules`."""
        timeout = self._context.settings.broker_call_timeout
        return self.call(lambda adapter: adapter.rules(instrument), timeout)

    def part(self, attempt: Attempt) -> Part | None:
        """What of an attempt comes next, as `Broker.part`."""
        timeout = self._context.settings.broker_call_timeout
        return self.call(lambda adapter: adapter.part(attempt), timeout)

    def price_of(self, instrument: Instrument) -> Decimal | None:
        """About what it trades at: half way of the venue's quote; None when there is none."""
        timeout = self._context.settings.broker_call_timeout
        try:
            return self.call(lambda adapter: adapter.quote(instrument), timeout).mid
        except BrokerError:
            return None

    @property
    def has_adapter(self) -> bool:
        """False where credentials are missing: then no waiting will help."""
        return not isinstance(self._adapter, str)

    @property
    def channel(self) -> int | None:
        """Which of several identities it has at its venue, where orders belong to one of them."""
        return self._adapter.channel if isinstance(self._adapter, Channelled) else None

    @property
    def accounts(self) -> Accounts:
        """The accounts of the login. BrokerUnavailable before it has connected."""
        if self._accounts is None:
            raise BrokerUnavailable(self._detail or "not connected")
        return self._accounts

    def owns(self, account: str) -> bool:
        """Whether an order for an account, by its real name, may be sent here."""
        return self._accounts is None or account in self._accounts.owned

    @property
    def is_ready(self) -> bool:
        """Whether it is connected, and has looked at what happened before."""
        return self._status is SessionStatus.LIVE_READY

    @property
    def capabilities(self) -> Capabilities:
        """What the venue behind this session can do. BrokerUnavailable without an adapter."""
        if isinstance(self._adapter, str):
            raise BrokerUnavailable(self._adapter)
        return self._adapter.capabilities

    def down_for(self) -> timedelta:
        """How long there has been no connection; zero while there is one."""
        if self._status is SessionStatus.LIVE_READY:
            return timedelta(0)
        return timedelta(seconds=time.monotonic() - self._down_since)

    @property
    def detail(self) -> str | None:
        """Why the connection is down."""
        return self._detail

    def watch(self, attempt: Attempt) -> None:
        """Wait for news of an attempt from now on."""
        self._waiting[attempt.venue_order_id] = attempt

    def _ask(self) -> None:
        timeout = self._context.settings.broker_call_timeout
        self.call(lambda adapter: adapter.health_check(), timeout)

    def _begin(self) -> None:
        self._main = self._loop.create_task(self._keep_connected())

    async def _shut(self) -> None:
        if self._main is not None:
            self._main.cancel()
            with suppress(asyncio.CancelledError):
                await self._main
        if not isinstance(self._adapter, str):
            await self._adapter.close()

    async def _keep_connected(self) -> None:
        if isinstance(self._adapter, str):
            self._is(SessionStatus.NO_CREDENTIALS, self._adapter)
            return
        pauses = Pauses()
        while True:
            connected, at_least = None, 0.0
            try:
                await self._adapter.connect()
                await self._adapter.health_check()
                await self._reconcile(self._adapter)
                self._is(SessionStatus.LIVE_READY, None)
                connected = time.monotonic()
                await self._serve(self._adapter)
            except AccessRefused as error:
                self._is(SessionStatus.DOWN, str(error))
                at_least = _REFUSED_SECONDS
            except RateLimited as error:
                self._is(SessionStatus.DOWN, str(error))
                at_least = error.wait
            except (BrokerError, StoreUnavailable) as error:
                self._is(SessionStatus.DOWN, str(error))
            except Exception as error:  # noqa: BLE001 - see below
                # An adapter's defect must not end the watching of real orders.
                self._log.exception("session failed")
                self._is(SessionStatus.DOWN, f"{type(error).__name__}: {error}")
            lasted = 0.0 if connected is None else time.monotonic() - connected
            await asyncio.sleep(pauses.after(lasted, at_least=at_least))

    async def _reconcile(self, adapter: Broker) -> None:
        """Take up what happened while nobody was here; until then no new work is taken.

        BrokerUnavailable, StoreUnavailable: then all of it is done again after the next connect.
        """
        if self.broker is BrokerName.PAPER:
            return  # its book is in our own database
        timeout = self._context.settings.broker_call_timeout
        self._accounts = await reconciling.verify(self._context, self.broker, adapter)
        self._recorder.account = self._accounts.default
        # Before the first order: what the account held tells whether one that is lost was taken.
        await self._record_balances(adapter)
        await self._learn_rules(adapter)
        at_venue = {
            order.venue_order_id: order
            for order in await reconciling.ask(adapter.open_orders(), timeout)
        }
        while True:
            adopted = await self._stored(self._claim)
            for attempt in adopted:
                said = at_venue.get(attempt.venue_order_id)
                if said is None:  # it is over there, or was never there
                    await self._find(adapter, attempt)
                else:
                    await self._take(said)
            if len(adopted) < sessions.ADOPTED_AT_ONCE:
                break
        if adapter.capabilities.late_executions:
            since = await self._stored(reconciling.since, self._context, self.broker)
            heard = await reconciling.ask(adapter.executions(since), timeout)
            await self._stored(self._recorder.executions, heard)
        await reconciling.compare(self._context, self.broker, adapter, list(at_venue.values()))

    async def _stored(self, work: Callable[..., T], *arguments: Any) -> T:
        """Run what reads or writes the database, in a thread. StoreUnavailable.

        A thread that never comes back is left behind (BrokerUnavailable): the session connects
        anew and hears of everything again, where it would have been connected and deaf.
        """
        patience = _STORE_PATIENCE * self._context.settings.broker_call_timeout
        return await reconciling.ask(asyncio.to_thread(work, *arguments), patience)

    async def _serve(self, adapter: Broker) -> None:
        """Watch and adopt until the connection is lost. BrokerUnavailable."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._watch(adapter))
                group.create_task(self._adopt(adapter))
                group.create_task(self._check(adapter))
                group.create_task(self._listen(adapter))
                if self._beside is None:
                    group.create_task(quoting.feed(self._context, self.broker, adapter))
                    group.create_task(quoting.feed_lending(self._context, self.broker, adapter))
                if self._meanwhile is not None:
                    group.create_task(self._meanwhile())
                group.create_task(self._relearn_rules(adapter))
                group.create_task(self._keep_balances(adapter))
                group.create_task(unreadable.feed(self._context, self.broker, adapter))
        except ExceptionGroup as failures:
            lost, other = failures.split(BrokerError)
            if other is not None or lost is None:
                raise
            first = lost.exceptions[0]
            if isinstance(first, BrokerUnavailable):
                raise first from lost
            raise BrokerUnavailable(str(first)) from lost

    async def _learn_rules(self, adapter: Broker) -> None:
        """Tell step 1 what the venue takes of each instrument. BrokerUnavailable."""
        rules = await adapter.all_rules()
        await self._stored(self._recorder.rules, rules)

    async def _relearn_rules(self, adapter: Broker) -> None:
        while True:
            await asyncio.sleep(_RULES_EVERY)
            try:
                await self._learn_rules(adapter)
            except StoreUnavailable as error:
                self._log.warning("rules not recorded", error=str(error))

    async def _keep_balances(self, adapter: Broker) -> None:
        """Record what each account holds, again and again; a failure harms nothing."""
        while self.broker is not BrokerName.PAPER:
            try:
                await self._record_balances(adapter)
            except (BrokerError, StoreUnavailable) as error:
                self._log.warning("balances not recorded", error=str(error))
            await asyncio.sleep(_BALANCES_EVERY)

    async def _record_balances(self, adapter: Broker) -> None:
        timeout = self._context.settings.broker_call_timeout
        found = await reconciling.ask(adapter.accounts(), timeout)
        await self._stored(self._recorder.balances, found)

    async def _check(self, adapter: Broker) -> None:
        """Ask for health even while nothing is watched. BrokerUnavailable."""
        timeout = self._context.settings.broker_call_timeout
        while True:
            await asyncio.sleep(_CHECK_EVERY)
            await reconciling.ask(adapter.health_check(), timeout)
            self._verified = time.monotonic()

    async def _listen(self, adapter: Broker) -> None:
        """Record every execution of the account, of orders that are over or not ours too.

        What was recorded before is known by its id, so each look overlaps the last one widely, and
        now and then goes back a day: an execution may come dated long before it is told.
        """
        since, widely = self._context.clock() - reconciling.OVERLAP, time.monotonic()
        while adapter.capabilities.late_executions:
            now = self._context.clock()
            if time.monotonic() - widely > _LISTEN_WIDELY_EVERY:
                since, widely = now - reconciling.AT_LEAST, time.monotonic()
            heard = await adapter.executions(since)
            try:
                await self._stored(self._recorder.executions, heard)
                since = now - reconciling.OVERLAP
            except StoreUnavailable as error:
                self._log.warning("executions not recorded yet", error=str(error))
            await asyncio.sleep(_LISTEN_EVERY)

    async def _watch(self, adapter: Broker) -> None:
        async for said in adapter.watch(lambda: list(self._waiting.values())):
            await self._take(said)
        raise BrokerUnavailable("the venue ended the stream")

    async def _adopt(self, adapter: Broker) -> None:
        """Look, again and again, for waiting orders that nobody alive watches."""
        interval = self._context.settings.session_timeout.total_seconds() / 4
        while True:
            try:
                adopted = await self._stored(self._claim)
            except StoreUnavailable:
                adopted = []
            for attempt in [*adopted, *self._to_be_found()]:
                await self._find(adapter, attempt)
            if len(adopted) < sessions.ADOPTED_AT_ONCE:  # else there are more
                await asyncio.sleep(interval)

    def _to_be_found(self) -> list[Attempt]:
        """What was not found out about, and is to be asked for again."""
        now = time.monotonic()
        return [attempt for at, attempt in list(self._unfound.values()) if at <= now]

    async def _find(self, adapter: Broker, attempt: Attempt) -> None:
        """Ask what became of an attempt. BrokerUnavailable where nothing else is answered either.

        Of one that nothing is told of reconciliation raises MISSING_ORDER: a person has to find
        out, and everybody else's orders go on.
        """
        timeout, name = self._context.settings.broker_call_timeout, attempt.venue_order_id
        try:
            said = await reconciling.ask(adapter.find(attempt), timeout)
        except BrokerError as error:
            if not isinstance(error, OutcomeUnknown):
                await reconciling.ask(adapter.health_check(), timeout)
            self._log.warning("not found out about", venue_order_id=name, error=str(error))
            self._unfound[name] = (time.monotonic() + _FIND_AGAIN, attempt)
            return
        self._unfound.pop(name, None)
        if said is not None:
            await self._take(said)

    def _claim(self) -> list[Attempt]:
        """Watch waiting orders that nobody alive watches.

        In the thread that claims them: it may come back when nobody waits for it any more.
        """
        attempts = self._recorder.claim(self.channel)
        for attempt in attempts:
            self.watch(attempt)
        return attempts

    async def _take(self, said: VenueOrder) -> None:
        """Record what the venue says, once; step 5 is woken when it is news."""
        # With what each execution cost: that may be said anew, of as many executions.
        key = (said.state, said.filled_quantity, said.executions)
        known = said.venue_order_id or said.broker_order_id
        if self._last_said.get(known) == key:
            return
        while True:  # the adapter will not say it again
            try:
                await self._stored(self._recorder.news, said)
                break
            except StoreUnavailable as error:
                self._log.warning("news not recorded yet", error=str(error), venue_order_id=known)
                await asyncio.sleep(1)
        self._last_said[known] = key
        if said.state.is_final:
            self._waiting.pop(known, None)
            self._last_said.pop(known, None)

    def _is(self, status: SessionStatus, detail: str | None) -> None:
        if status != self._status or detail != self._detail:
            self._log.info("connection", status=status.value, detail=detail)
        if status is not SessionStatus.LIVE_READY and self._status is SessionStatus.LIVE_READY:
            self._down_since = time.monotonic()
        self._status, self._detail = status, detail

    def turned(self) -> float:
        """When its loop last turned, as time.monotonic(); whoever asks has it turn once more."""
        with suppress(RuntimeError):  # it is closed
            self._loop.call_soon_threadsafe(self._turn)
        return self._last_turn

    def _turn(self) -> None:
        self._last_turn = time.monotonic()
