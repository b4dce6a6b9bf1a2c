"""One client's connection: the handshake, what it sends, what may go wrong, what it is told."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from simulators.faults import Fault, FaultKind
from simulators.ib_gateway import messages, quotes
from simulators.ib_gateway.codes import (
    CLIENT_ID_IN_USE,
    DEFINITIONS_OK,
    FARM_OK,
    FARMS,
    HISTORY_OK,
    MAX_RATE,
    NOT_CONNECTED,
    ORDER_MESSAGE,
    SERVER_ERROR,
    UNKNOWN_MESSAGE,
    Refusal,
    code_of,
)
from simulators.ib_gateway.messages import Message
from simulators.ib_gateway.news import News, Topic
from simulators.ib_gateway.outbox import Key, Outbox, Said
from simulators.ib_gateway.wire import BadMessage, Fields, read_frame, split

if TYPE_CHECKING:
    from simulators.ib_gateway.gateway import IbGateway

SERVER_VERSION = 176
_START_API = 71
_VERSIONS = re.compile(rb"v(\d+)(?:\.\.(\d+))?(?: .*)?")
_RATE_STRIKES = 3


@dataclass(slots=True)
class Request:
    """A message that was read and not yet acted on.

    `act` does it and says whether it was accepted; it may raise Refusal. `key` names the order it
    is about. `delayed` is called when a fault lets it stand still, `dropped` when nothing will come
    of it, `rejected` when a fault refuses it.
    """

    act: Callable[[], bool]
    operation: str = "query"
    request_id: int = -1
    symbol: str | None = None
    venue_order_id: str | None = None
    key: Key | None = None
    delayed: Callable[[], None] = field(default=lambda: None)
    dropped: Callable[[], None] = field(default=lambda: None)
    rejected: Callable[[Fault], None] | None = None


class Session:
    """A client from its first byte to its last. `client_id` is None until startApi."""

    def __init__(
        self, gateway: IbGateway, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.gateway = gateway
        self.client_id: int | None = None
        self.out = Outbox(self._write)
        self.quotes = quotes.Subscriptions(self)
        self.account_updates: dict[str, set[tuple[str, str, str]]] = {}
        self.positions = False
        self.auto_bind = False
        self._reader = reader
        self._writer = writer
        self._waiting: dict[Key | None, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._sent_at: deque[float] = deque()
        self._rate_strikes = 0

    async def run(self) -> None:
        """Serve until the client goes, and then until all it has asked for is done."""
        try:
            await self.gateway.thawed.wait()
            if await self._shake_hands():
                while (body := await read_frame(self._reader)) is not None:
                    await self.gateway.thawed.wait()
                    self._receive(split(body))
        except BadMessage as bad:
            self.error(-1, SERVER_ERROR.number, SERVER_ERROR.text.format("b", bad))
        # TWS reads what was sent before the end, so the client id is in use until that is done.
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def abort(self) -> None:
        """Cut the connection; what is on its way, and what stands still, is lost."""
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()
        self._writer.transport.abort()

    # Telling.

    def send(self, message: Message, key: Key | None = None) -> None:
        """Send a message; `key` names the order that it is about."""
        self.out.send(message, key)

    def error(self, request_id: int, code: int, text: str) -> None:
        """Send an error, a warning or a notice."""
        self.send(messages.error(request_id, code, text))

    def push(self, news: News) -> None:
        """Tell a piece of news, if it is for this client."""
        if self._hears(news):
            self.send(news.message, (news.client_id, news.order_id))

    def tell_position(self, account: str, con_id: int) -> None:
        """A position has changed: tell it where updates were asked for."""
        line = self.gateway.desk.risk.funds.line(account, con_id)
        if line is None:
            return
        held = line.held
        if self.positions:
            self.send(messages.position(account, line.contract, held.quantity, held.cost))
        if account in self.account_updates:
            self.send(messages.portfolio(account, line.contract, line.held, line.mark))
            self.tell_values(account)

    def tell_values(self, account: str) -> None:
        """What has changed of an account's values since they were told last."""
        values = self.gateway.desk.risk.funds.values(account)
        told = self.account_updates.get(account, set())
        for tag, value, currency in values:
            if (tag, value, currency) not in told:
                self.send((6, 2, tag, value, currency, account))
        self.account_updates[account] = set(values)

    def _hears(self, news: News) -> bool:
        if self.client_id is None:
            return False
        if news.client_id != self.client_id:
            master = self.client_id == self.gateway.options.master_client_id
            return master and news.topic is not Topic.ERROR
        # An order that nobody has bound has no id to be told by; its executions are.
        return news.order_id != 0 or news.topic in {Topic.EXECUTION, Topic.COMMISSION}

    # Receiving.

    async def _shake_hands(self) -> bool:
        """API, a NUL and the versions the client speaks; False when 176 is none of them."""
        try:
            greeting = await self._reader.readexactly(4)
        except (asyncio.IncompleteReadError, ConnectionError):
            return False
        body = await read_frame(self._reader) if greeting == b"API\0" else None
        spoken = _VERSIONS.fullmatch(body) if body else None
        if spoken is None:
            return False
        lowest, highest = int(spoken[1]), int(spoken[2] or spoken[1])
        if not lowest <= SERVER_VERSION <= highest:
            return False
        self.send((SERVER_VERSION, self.gateway.spelled_time()))
        return True

    def _receive(self, fields: list[str]) -> None:
        try:
            message_id = int(fields[0])
        except ValueError:
            raise BadMessage(f"{fields[0]!r} is no message id") from None
        if self.client_id is None:
            if message_id == _START_API:
                self._start(Fields(fields[2:]))
            return
        if self._too_fast():
            return
        try:
            request = self.gateway.read(self, message_id, fields)
        except Refusal as refusal:
            self.error(_likely_id(fields), refusal.code, refusal.text)
            return
        if request is None:
            self.error(-1, UNKNOWN_MESSAGE.number, UNKNOWN_MESSAGE.text)
        else:
            self._guard(request)

    def _start(self, fields: Fields) -> None:
        client_id = fields.integer()
        if not self.gateway.enter(self, client_id):
            self.error(-1, CLIENT_ID_IN_USE.number, CLIENT_ID_IN_USE.text)
            self._writer.close()
            return
        self.client_id = client_id
        self.send(messages.managed_accounts(self.gateway.options.accounts))
        self.send(messages.next_valid_id(self.gateway.register.next_order_id(client_id)))
        for code in (FARM_OK, HISTORY_OK, DEFINITIONS_OK):
            self.error(-1, code.number, code.text.format(FARMS[code.number]))
        self.gateway.tell_connectivity(self)

    def _guard(self, request: Request) -> None:
        """Whatever may go wrong around one request, in the order in which it would."""
        if fault := self._fault(FaultKind.DISCONNECT, request):
            request.dropped()
            self.gateway.disconnect(fault.seconds)
        elif not self.gateway.serves(request) or self._fault(FaultKind.UNAVAILABLE, request):
            request.dropped()
            self.error(request.request_id, NOT_CONNECTED.number, NOT_CONNECTED.text)
        elif self._fault(FaultKind.DROP_REQUEST, request):
            request.dropped()
            self.abort()
        elif self._fault(FaultKind.LOST, request):
            request.dropped()
        elif fault := self._fault(FaultKind.DELAY, request):
            request.delayed()
            self._later(request, fault.seconds)
        elif request.key is not None and request.key in self._waiting:
            # What is about one order stays in order, though what came first stands still.
            self._later(request, 0)
        else:
            self._perform(request)

    def _perform(self, request: Request) -> None:
        if request.rejected and (fault := self._fault(FaultKind.REJECT, request)):
            request.rejected(fault)
            return
        if request.rejected is None and (fault := self._fault(FaultKind.REJECT, request)):
            self.error(request.request_id, code_of(fault, SERVER_ERROR.number), fault.reason)
            return
        accepted = False
        with self.out.capture() as said:
            try:
                accepted = request.act()
            except Refusal as refusal:
                self.error(request.request_id, refusal.code, refusal.text)
        if accepted:
            self._answer(request, said)
        else:
            self.out.deliver(said)

    def _answer(self, request: Request, said: Said) -> None:
        """Deliver the answer to what was accepted, as far as the faults let it through."""
        if fault := self._fault(FaultKind.DELAY_REPLY, request):
            self._deliver_later(request, said, fault.seconds)
        elif self._fault(FaultKind.DROP_REPLY, request):
            self.abort()
        elif fault := self._fault(FaultKind.ERROR_REPLY, request):
            self._silence(request)
            number, text = code_of(fault, SERVER_ERROR.number), fault.reason
            if number == SERVER_ERROR.number:
                text = SERVER_ERROR.text.format("b", text)
            self.error(request.request_id, number, text)
        elif fault := self._fault(FaultKind.REMARK, request):
            self.error(request.request_id, code_of(fault, ORDER_MESSAGE.number), fault.reason)
            self._deliver_later(request, said, fault.seconds)
        elif self._fault(FaultKind.SWALLOW, request):
            self._silence(request)
        else:
            self.out.deliver(said)

    def _fault(self, kind: FaultKind, request: Request) -> Fault | None:
        return self.gateway.faults.take(
            kind,
            request.operation,
            symbol=request.symbol,
            venue_order_id=request.venue_order_id,
        )

    def _silence(self, request: Request) -> None:
        if request.key is not None:
            self.out.silence(request.key)

    def _deliver_later(self, request: Request, said: Said, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        if request.key is None:
            loop.call_later(seconds, self.out.deliver, said)
            return
        self.out.hold(request.key)
        self.out.deliver(said)
        loop.call_later(seconds, self.out.let_go, request.key)

    def _later(self, request: Request, seconds: float) -> None:
        """Perform a request later, after any other about its order that waits already."""
        before = self._waiting.get(request.key) if request.key is not None else None

        async def wait() -> None:
            try:
                if before is not None:
                    await asyncio.gather(before, return_exceptions=True)
                await asyncio.sleep(seconds)
            except asyncio.CancelledError:
                request.dropped()
                raise
            if self._waiting.get(request.key) is asyncio.current_task():
                del self._waiting[request.key]
            self._perform(request)

        task = asyncio.get_running_loop().create_task(wait())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if request.key is not None:
            self._waiting[request.key] = task

    def _too_fast(self) -> bool:
        """True when a message is one too many: it is not looked at, the third cuts the line."""
        allowed = self.gateway.options.max_rate
        if not allowed:
            return False
        now = asyncio.get_running_loop().time()
        while self._sent_at and now - self._sent_at[0] >= 1:
            self._sent_at.popleft()
        if len(self._sent_at) < allowed:
            self._sent_at.append(now)
            return False
        self._rate_strikes += 1
        text = MAX_RATE.text.format(allowed, allowed + 1, self._rate_strikes)
        self.error(-1, MAX_RATE.number, text)
        if self._rate_strikes >= _RATE_STRIKES:
            self._writer.close()
        return True

    def _write(self, data: bytes) -> None:
        if not self._writer.is_closing():
            self._writer.write(data)


def _likely_id(fields: list[str]) -> int:
    """The request id of a message that could not be read: nearly always the second field."""
    try:
        return int(fields[1])
    except (IndexError, ValueError):
        return -1
