"""One connection to TWS under one client id, from its first byte to its last.

A connection is used once: what comes after it is another, with a book of its own. TWS lets a client
id in again only after it has dealt with everything that came under it, so whatever an old
connection sent is known to whoever is let in.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, tzinfo
from typing import Any, TypeVar

from execution.domain.accounts import Accounts
from execution.domain.errors import (
    BrokerUnavailable,
    CredentialsRefused,
    OutcomeUnknown,
    RateLimited,
)
from workers.adapters import answers
from workers.adapters.ibkr import outcomes
from workers.adapters.ibkr.book import Book
from workers.adapters.ibkr.contracts import Fields
from workers.adapters.ibkr.limiter import Limiter
from workers.adapters.ibkr.outcomes import Outcome
from workers.adapters.ibkr.unread import Unread

T = TypeVar("T")

_ID_IN_USE, _LOST, _RESTORED = 326, 1100, frozenset({1101, 1102})
_UNNUMBERED = -1
_CLOSE_SECONDS = 1.0


class ClientIdInUse(BrokerUnavailable):
    """TWS has another connection under this client id, or has not done with the last one."""


class Line:
    """Implements `library.Hears`. `ended` is why it is over, None while it stands.

    `stale`: TWS was without IB's servers for a while, so news may have been lost since the last
    synchronisation. `severed`: it is so now. `owned` are the accounts of the login that are traded,
    `account` first.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        client_id: int,
        account: str,
        owns: Callable[[str], bool],
        timeout: float,
        symbol_of: Callable[[Any], str],
        now: Callable[[], datetime],
        zone: tzinfo,
        unread: answers.Unread,
    ) -> None:
        self.client_id = client_id
        self.account = account
        self.owned = Accounts(account, (account,))
        self._owns = owns
        self.book = Book(client_id, account, symbol_of, now, zone)
        self.unread = Unread(unread, self.synchronise)
        self.unreadable = self.unread.hear
        self.limiter = Limiter(asyncio.get_running_loop().time)
        self.ended: BrokerUnavailable | None = None
        self.stale = self.severed = False
        self._address = (host, port)
        self.timeout = timeout
        self._ib: Any = None
        self._closed = asyncio.Event()
        self._whole = asyncio.Event()
        self._refused: BrokerUnavailable | None = None
        self._turn = asyncio.Lock()
        self._asking = asyncio.Lock()
        self._asked: asyncio.Future[Any] | None = None
        self._synchronising = asyncio.Lock()
        self._queued: asyncio.Task[None] | None = None
        # What is said of orders goes straight to the book.
        self.next_id = self.book.next_id
        self.open_order = self.book.open_order
        self.order_status = self.book.order_status
        self.completed_order = self.book.completed_order
        self.execution = self.book.execution
        self.commission = self.book.commission

    async def open(self) -> None:
        """Connect and hear of everything. BrokerUnavailable, ClientIdInUse, CredentialsRefused."""
        from workers.adapters.ibkr import library  # noqa: PLC0415 - it takes the running loop

        self._ib = library.make(self, self.client_id)
        self._ib.client.conn.disconnected += lambda _: self._closed.set()
        host, port = self._address
        connecting = asyncio.ensure_future(
            self._ib.client.connectAsync(host, port, self.client_id, self.timeout)
        )
        refused = asyncio.ensure_future(self._closed.wait())
        try:
            await asyncio.wait({connecting, refused}, return_when=asyncio.FIRST_COMPLETED)
            self._check_let_in(connecting)
            library.number_requests(self._ib)
            await self._ask(self._ib.reqOpenOrdersAsync)
            await self.synchronise()
        except BaseException:
            connecting.cancel()
            await asyncio.gather(connecting, return_exceptions=True)
            await self.close()
            raise
        finally:
            refused.cancel()

    def _check_let_in(self, connecting: asyncio.Future[Any]) -> None:
        host, port = self._address
        if not connecting.done() or connecting.exception() is not None:
            why = _why(connecting)
            raise self._refused or BrokerUnavailable(f"TWS at {host}:{port}: {why}")
        accounts = list(self._ib.client.getAccounts())
        if self.account not in accounts:
            raise CredentialsRefused(
                f"TWS has no account {self.account}: look at IBKR_ACCOUNT "
                f"(it has {', '.join(accounts)})"
            )
        others = (name for name in accounts if name != self.account and self._owns(name))
        self.owned = Accounts(self.account, (self.account, *others))
        self.book.accounts = frozenset(self.owned.owned)

    async def close(self) -> None:
        """End it, and wait until the socket is closed."""
        self.drop("closed")
        if self._ib is not None and self._ib.client.conn.isConnected():
            with suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await self._closed.wait()

    def drop(self, why: str) -> None:
        """End it: what is under way is in doubt."""
        if self._ib is None or self.ended is not None:
            return
        self.ended = BrokerUnavailable(f"the connection to TWS was ended: {why}")
        self.unread.close()
        self._ib.client.disconnect()
        self._ib.wrapper.connectionClosed()

    def check(self) -> None:
        """BrokerUnavailable unless an order may go out."""
        if self.ended is not None:
            raise BrokerUnavailable(str(self.ended))
        if self._ib is None or not self._ib.client.isReady():
            raise BrokerUnavailable("not connected to TWS")
        if self.severed:
            raise BrokerUnavailable("TWS has lost its connection to Interactive Brokers")

    # What is sent. Whoever sends an order has waited for the limiter.

    @asynccontextmanager
    async def in_turn(self, patience: float) -> AsyncIterator[None]:
        """Wait for room, take an order id and send an order under it, one after the other.

        TWS takes no id below one that it has seen (103), so ids leave in the order they were given.
        RateLimited when it is nobody's turn within `patience` seconds: nothing was sent.
        """
        try:
            async with asyncio.timeout(patience):
                await self._turn.acquire()
        except TimeoutError:
            raise RateLimited("orders before it are still on their way to TWS") from None
        try:
            yield
        finally:
            self._turn.release()

    def place(self, order_id: int, contract: Fields, order: Fields) -> None:
        """Send an order or a change of it. BrokerUnavailable when it provably did not leave."""
        from workers.adapters.ibkr import library  # noqa: PLC0415 - see open

        self.check()
        self._ib.client.placeOrder(order_id, library.contract(**contract), library.order(**order))

    def cancel(self, order_id: int) -> None:
        """Send a cancel. BrokerUnavailable when it provably did not leave."""
        self.check()
        self._ib.client.cancelOrder(order_id)

    # What is asked.

    async def whole(self) -> None:
        """Wait for as long as TWS is without IB's servers. BrokerUnavailable when this one ends.

        Whoever is back at once need not ask when: TWS says so. But it must go on answering.
        """
        while self.severed:
            try:
                async with asyncio.timeout(self.timeout):
                    await self._whole.wait()
            except TimeoutError:
                await self.current_time()
            self._check_open()

    async def synchronise(self) -> None:
        """Hear of every order and execution of the day, all of it asked for from now on.

        Whoever comes while one is under way shares the next. BrokerUnavailable unless complete.
        """
        if self._queued is None:
            self._queued = asyncio.create_task(self._synchronise())
            self._queued.add_done_callback(retrieved)
        await asyncio.shield(self._queued)

    async def _synchronise(self) -> None:
        async with self._synchronising:
            self._queued = None
            self.book.round += 1
            stale, self.stale = self.stale, False
            try:
                await self._ask(self._ib.reqAllOpenOrdersAsync)
                await self._ask(lambda: self._ib.reqCompletedOrdersAsync(apiOnly=False))
                await self.executions()
            except BaseException:
                self.stale = self.stale or stale
                raise
            self.book.synchronised = True

    async def executions(self) -> None:
        """Hear of every execution of the day, of whatever client and account."""
        from workers.adapters.ibkr import library  # noqa: PLC0415 - see open

        wanted = library.execution_filter()
        await self.numbered(lambda ib: ib.reqExecutionsAsync(wanted))

    async def current_time(self) -> datetime:
        """The clock of TWS."""
        now: datetime = await self._ask(self._ib.reqCurrentTimeAsync)
        return now

    async def positions(self) -> Sequence[Any]:
        """Every position of every account."""
        held: Sequence[Any] = await self._ask(self._ib.reqPositionsAsync)
        (await self.room()).client.cancelPositions()
        self.check()  # what TWS told after it lost IB's servers may be old
        return held

    async def account_values(self, account: str) -> Sequence[Any]:
        """Tag, value and currency of everything of an account."""
        await self.numbered(lambda ib: ib.reqAccountUpdatesMultiAsync(account))
        values = self._ib.wrapper.accountValues.values()
        return [value for value in values if value.account == account]

    async def next_order_id(self) -> None:
        """Ask for the lowest order id that may be used; the book hears it."""
        self.check()
        (await self.room()).client.reqIds(1)

    async def room(self) -> Any:
        """ib_insync's IB, once there is room for one more question. BrokerUnavailable."""
        await self.limiter.question()
        self._check_open()
        return self._ib

    async def numbered(self, ask: Callable[[Any], Awaitable[T]]) -> T:
        """Ask ib_insync's IB what has a number of its own. BrokerUnavailable."""
        ib = await self.room()
        try:
            async with asyncio.timeout(self.timeout):
                return await ask(ib)
        except TimeoutError:
            raise BrokerUnavailable(f"TWS: no answer within {self.timeout:g} s") from None
        except Exception as error:
            raise of_question(error) from error

    async def _ask(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask what has no number: one at a time, since answers tell only what they are to.

        An answer that does not come in time could be taken for that to the next question, so that
        ends the connection.
        """
        return await asyncio.shield(_watched(self._ask_alone(ask)))

    async def _ask_alone(self, ask: Callable[[], Awaitable[T]]) -> T:
        async with self._asking:
            await self.room()
            answer = asyncio.ensure_future(ask())
            self._asked = answer
            try:
                async with asyncio.timeout(self.timeout):
                    return await answer
            except TimeoutError:
                self.drop(f"no answer within {self.timeout:g} s")
                raise BrokerUnavailable(str(self.ended)) from None
            except ConnectionError as error:
                raise self.ended or BrokerUnavailable(str(error)) from error
            finally:
                self._asked = None

    def _check_open(self) -> None:
        if self.ended is not None:
            raise BrokerUnavailable(str(self.ended))
        if self._ib is None or not self._ib.client.isReady():
            raise BrokerUnavailable("not connected to TWS")

    # What is heard beside orders.

    def error(self, request_id: int, code: int, text: str) -> None:
        if request_id != _UNNUMBERED:
            self.book.error(request_id, code, text)
            return
        if code == _ID_IN_USE:
            self._refused = ClientIdInUse(f"TWS says {code}: {text}")
        elif code == _LOST:
            self.severed = self.stale = True
            self._whole.clear()
            self.book.news.set()
        elif code in _RESTORED:
            self.severed, self.stale = False, True
            self._whole.set()
            self.book.news.set()
        elif outcomes.outcome_of(code, text) is not Outcome.REMARK:
            asked = self._asked
            if asked is not None and not asked.done():
                asked.set_exception(outcomes.of_question(code, text))

    def closed(self) -> None:
        if self.ended is None:
            self.ended = BrokerUnavailable("the connection to TWS was lost")
        self._whole.set()
        self.book.lost(OutcomeUnknown(f"{self.ended}, before it said what became of it"))

    def senseless(self, error: Exception) -> None:
        self.drop(f"what TWS says makes no sense: {error!r}")


def of_question(error: BaseException | None) -> BrokerUnavailable:
    """What an error in place of an answer means."""
    code = getattr(error, "code", None)
    if isinstance(code, int):
        return outcomes.of_question(code, str(getattr(error, "message", error)))
    return BrokerUnavailable(f"no answer of TWS: {error}")


def _watched(work: Awaitable[T]) -> asyncio.Future[T]:
    """It goes on when whoever asked has given up; then nobody wants its error."""
    task = asyncio.ensure_future(work)
    task.add_done_callback(retrieved)
    return task


def retrieved(task: asyncio.Future[Any]) -> None:
    """Look at what a task raised, which is told elsewhere; else asyncio would log it."""
    if not task.cancelled():
        task.exception()


def _why(task: asyncio.Future[Any]) -> str:
    if not task.done() or task.cancelled():
        return "the connection was closed"
    error = task.exception()
    return "no answer in time" if isinstance(error, TimeoutError) else f"{error or 'no answer'}"
