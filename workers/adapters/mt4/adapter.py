"""`MT4Adapter`: the `Broker` port over the REST bridge to a MetaTrader 4 terminal.

MT4 holds opposite tickets side by side. To net them a MARKET order closes what stands against it
first in, first out, each close an attempt of its own, and opens a ticket for what remains. Orders
that wait are asked for by `GET /order/{id}`; a bridge that does not answer is asked again with
growing pauses before the connection counts as lost.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

from tenacity import AsyncRetrying, retry_if_exception, stop_after_delay, wait_exponential

from execution.domain.capabilities import CAPABILITIES
from execution.domain.errors import (
    BrokerRejected,
    BrokerUnavailable,
    CredentialsRefused,
    OutcomeUnknown,
    RejectionScope,
    TooLate,
)
from execution.domain.instruments import Instrument
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
from execution.domain.vocabulary import BrokerName, OrderType
from execution.store.clock import now
from workers.adapters.alone import of_one
from workers.adapters.answers import Unread, decimal, moment, outcome, read
from workers.adapters.mt4 import wire
from workers.adapters.mt4.bridge import Bridge
from workers.adapters.mt4.wire import Json, Login, Market

FEW = 5
"""Up to so many waiting orders are asked for one by one; of more, those that still rest are not."""
_OF_A_WAIT = 0.5
"""Share of the time for an answer that the bridge may wait for an outcome."""
_RETRY_FIRST, _RETRY_MOST = 0.1, 1.0
_LOADED_WITHIN = 60.0
"""Seconds that a terminal may take to load a symbol before somebody has to look."""
_CLOSED_FOR = 900.0
"""Seconds after which a closed market is tried again though no price has moved."""


class MT4Adapter:
    """Implements `execution.domain.ports.Broker` for the account of one terminal.

    `suffix` is what the broker adds to every symbol's name. `deviation` is the worst slippage of a
    market order, in points. `patience` is how long a waiting order's question is asked again.
    """

    name = BrokerName.MT4
    capabilities = CAPABILITIES[BrokerName.MT4]
    needs_loop = True

    def __init__(
        self,
        url: str,
        token: str,
        *,
        timeout: timedelta,
        poll_interval: timedelta,
        patience: timedelta,
        suffix: str = "",
        deviation: int = 30,
    ) -> None:
        self._url, self._token = url, token
        self._timeout = timeout.total_seconds()
        self._poll_interval = poll_interval.total_seconds()
        self._patience = patience.total_seconds()
        self._suffix, self._deviation = suffix, deviation
        self._open: Bridge | None = None
        self._unread = Unread()
        self._by_symbol: dict[str, Market] = {}
        self._by_name: dict[str, Market] = {}
        self._unloaded: frozenset[str] = frozenset()
        self._unknown_since: dict[str, float] = {}
        self._closed: dict[str, tuple[str | None, float]] = {}
        self._login = Login("", "")

    async def connect(self) -> None:
        """Reach the bridge, and through it a terminal; read the symbols and the account."""
        opened = self._open is None
        if self._open is None:
            self._open = Bridge(self._url, self._token, self._timeout)
        try:
            await self.health_check()
            self._login = read(wire.login, await self._ask("account"))
            await self._learn_symbols()
        except BaseException:
            if opened:
                await self.close()
            raise

    async def close(self) -> None:
        bridge, self._open = self._open, None
        if bridge is not None:
            bridge.close()

    async def health_check(self) -> None:
        """The bridge's word on its terminal: alone, alive, connected and allowed to trade."""
        await self._ask("health")

    async def all_rules(self) -> Sequence[TradingRules]:
        await self._learn_symbols()
        return [market.rules for market in self._by_symbol.values()]

    async def rules(self, instrument: Instrument) -> TradingRules | None:
        at = await self._market(instrument.symbol)
        shown = await self._bridge().ask(f"symbols/{at.name}", absent="unknown_symbol")
        if shown is None:
            return at.rules
        if not read(wire.is_known, shown):
            raise _not_loaded(instrument.symbol)
        return replace(at.rules, tradable=read(self._is_traded, shown, instrument.symbol))

    async def part(self, attempt: Attempt) -> Part | None:
        """The oldest of our tickets that stands against a MARKET order, or all of what is left."""
        if attempt.order_type is not OrderType.MARKET:
            return Part(attempt.quantity)
        at = await self._market(attempt.instrument.symbol)
        against = attempt.side.opposite.value
        for ticket in await self._tickets("positions"):
            if ticket["symbol"] == at.name and ticket["side"] == against and ticket["order_id"]:
                units = read(at.units, ticket["lots"])
                return Part(min(units, attempt.quantity), str(ticket["ticket"]))
        if attempt.reduce_only:
            raise BrokerRejected(
                f"reduce_only: there is no {against} position of {at.symbol} to reduce",
                code="REDUCE_ONLY",
                scope=RejectionScope.TERMS,
            )
        return Part(attempt.quantity)

    async def submit(self, attempt: Attempt) -> VenueOrder:
        at = await self._market(attempt.instrument.symbol)
        if attempt.closes is not None:
            path, body = "order/close", wire.closing(attempt, at, self._deviation)
        else:
            path, body = "order/place", wire.placing(attempt, at, self._deviation)
            if attempt.order_type is OrderType.LIMIT:
                # MT4 refuses a pending order that the market has reached already.
                market = await self._ask(f"symbols/{at.name}")
                body = read(wire.within_limit, attempt, at, market, body)
        until = attempt.send_by or self._soon()
        if attempt.expires_at is not None:  # whether it opens or closes, rests or not
            until = min(until, attempt.expires_at)
        try:
            command = await self._change(path, attempt.venue_order_id, until, body)
        except BrokerRejected as refusal:
            if refusal.scope is RejectionScope.SYMBOL:
                shown = await self._ask(f"symbols/{at.name}")
                self._closed[at.symbol] = (shown.get("quoted_at"), time.monotonic())
            raise
        return self._order(command, at)

    async def cancel(self, attempt: Attempt) -> None:
        """Delete the pending order; a command of its own, under an id of its own."""
        body = {"order_id": attempt.venue_order_id, "target": "PENDING"}
        await self._about("order/close", self._soon(), body)

    async def modify(self, attempt: Attempt, change: Modification) -> VenueOrder:
        until = change.send_by or self._soon()
        await self._about("order/modify", until, wire.modifying(attempt, change))
        found = await self.find(attempt)
        if found is None:
            raise OutcomeUnknown("changed, and not found after that")
        return found

    async def find(self, attempt: Attempt) -> VenueOrder | None:
        """By our id. BrokerUnavailable, too, while the terminal itself is finding out.

        What never left the terminal, or found a server that took nothing or a closed market, is not
        there. What was
        sent and not found after a long look is refused: nobody may send it again on the word of a
        search.
        """
        answer = await self._bridge().ask(f"order/{attempt.venue_order_id}", absent="unknown_order")
        if answer is None or (answer.get("outcome") == "FAILED" and read(_took_nothing, answer)):
            return None
        try:
            return self._order(answer, await self._market(attempt.instrument.symbol))
        except OutcomeUnknown as error:
            raise BrokerUnavailable(str(error)) from error

    async def open_orders(self) -> Sequence[VenueOrder]:
        """Pending orders; an open ticket is a position, not an order."""
        tickets = await self._tickets("orders")

        def pending(item: Json) -> VenueOrder:
            return wire.pending(item, self._by_name[item["symbol"]])

        return self._unread.each(pending, tickets, "pending order")

    async def executions(self, since: datetime) -> Sequence[Execution]:
        answer = await self._ask("executions", since=since.astimezone(UTC).isoformat())

        def execution(item: Json) -> Execution:
            at = self._by_name[item["symbol"]]
            return wire.execution(item, at.symbol, at, self._login, self._unread)

        items = await self._of_ours(answer, "executions")
        return self._unread.each(execution, items, "execution")

    def unreadable(self) -> Sequence[Unreadable]:
        return self._unread.take()

    async def watch(
        self, waiting: Callable[[], Sequence[Attempt]]
    ) -> AsyncGenerator[VenueOrder, None]:
        told: dict[str, VenueOrder] = {}
        while True:
            attempts = waiting()
            names = {attempt.venue_order_id for attempt in attempts}
            told = {name: said for name, said in told.items() if name in names}
            resting = await self._resting() if len(attempts) > FEW else {}
            for attempt in attempts:
                name = attempt.venue_order_id
                order = resting.get(name)
                if order is None or order.quantity != attempt.quantity:
                    # One that rests with less has filled in part, which its ticket does not say.
                    order = await of_one(self._patiently(attempt), self.health_check, name)
                if order is not None and order != told.get(name):
                    told[name] = order
                    yield order
            await asyncio.sleep(self._poll_interval)

    async def positions(self) -> Sequence[VenuePosition]:
        tickets = await self._tickets("positions")
        return wire.positions(tickets, self._by_name, self._login, self._unread)

    async def account(self) -> Account:
        answer = await self._ask("account")
        return read(_account, answer)

    async def accounts(self) -> Sequence[Account]:
        """The one that the terminal is logged in to."""
        return [await self.account()]

    async def quote(self, instrument: Instrument) -> Quote:
        found = await self.quotes([instrument])
        if not found:
            raise BrokerUnavailable(f"there is no market of {instrument.symbol}")
        return found[0]

    async def quotes(self, instruments: Sequence[Instrument]) -> Sequence[Quote]:
        found = []
        for instrument in instruments:
            at = self._by_symbol.get(instrument.symbol)
            if at is None:
                continue
            answer = await self._ask(f"symbols/{at.name}")
            if answer["bid"] is not None and answer["ask"] is not None:
                found += self._unread.each(partial(_quote, instrument.symbol), [answer], "quote")
        return found

    async def _resting(self) -> dict[str, VenueOrder]:
        """The pending orders by our id: what is among them whole waits on."""
        return {order.venue_order_id or "": order for order in await self.open_orders()}

    async def _patiently(self, attempt: Attempt) -> VenueOrder | None:
        """`find`, again and again with growing pauses while the bridge does not answer."""
        attempts = AsyncRetrying(
            retry=retry_if_exception(_may_pass),
            stop=stop_after_delay(self._patience),
            wait=wait_exponential(_RETRY_FIRST, _RETRY_MOST),
            reraise=True,
        )
        return await attempts(self.find, attempt)

    async def _about(self, path: str, until: datetime, body: Json) -> None:
        """A command about an order. What provably did not happen is refused, whatever the cause."""
        try:
            await self._change(path, _new_id(), until, body)
        except TooLate as error:
            raise BrokerRejected(str(error), code="NOT_CHANGED") from error

    async def _change(self, path: str, name: str, until: datetime, body: Json) -> Json:
        """A command that is DONE; anything else is raised as what it means."""
        request = {"id": name, "valid_until": until.astimezone(UTC).isoformat(), **body}
        command = await self._bridge().change(path, request, _OF_A_WAIT * self._timeout)
        if outcome(lambda: command["outcome"]) == "DONE":
            return command
        raise outcome(wire.refusal, command)

    def _order(self, command: Json, at: Market) -> VenueOrder:
        return outcome(wire.order, command, at.symbol, at, self._login, self._unread)

    async def _learn_symbols(self) -> None:
        """The symbols whose lots are known by now; what was known once stays known."""
        answer = await self._ask("symbols")
        listed = read(
            lambda: [one for one in answer["symbols"] if one["name"].endswith(self._suffix)]
        )
        loaded = [one for one in listed if read(wire.is_known, one)]
        for market in self._unread.each(self._read_market, loaded, "symbol"):
            self._by_symbol[market.symbol] = self._by_name[market.name] = market
        names = {str(one["name"]).removesuffix(self._suffix) for one in listed}
        self._unloaded = frozenset(names - self._by_symbol.keys())

    def _read_market(self, item: Json) -> Market:
        return wire.market(item, self._suffix)

    def _is_traded(self, shown: Json, symbol: str) -> bool:
        """Whether the terminal may trade a symbol, and its market is not known to be closed.

        A market that has refused an order is closed until a price moves; now and then it is tried.
        """
        quoted_at, since = self._closed.get(symbol, (None, 0.0))
        if quoted_at != shown["quoted_at"] or time.monotonic() - since > _CLOSED_FOR:
            self._closed.pop(symbol, None)
        return bool(shown["trade_allowed"]) and symbol not in self._closed

    async def _of_ours(self, answer: Json, key: str) -> Sequence[Json]:
        """The items of a list that are of symbols of ours, without those whose lots are not known.

        Those are there the next time; where the lots stay unknown an alert says so.
        """
        items: list[Json] = read(
            lambda: [one for one in answer[key] if one["symbol"].endswith(self._suffix)]
        )
        if any(item["symbol"] not in self._by_name for item in items):
            await self._learn_symbols()
        now, unknown = time.monotonic(), {item["symbol"] for item in items} - self._by_name.keys()
        self._unknown_since = {name: self._unknown_since.get(name, now) for name in unknown}
        for name, since in self._unknown_since.items():
            if now - since > _LOADED_WITHIN:
                self._unread.add("what is of", name, ValueError("its lots are not known"))
        return [item for item in items if item["symbol"] not in unknown]

    async def _tickets(self, path: str) -> Sequence[Json]:
        return await self._of_ours(await self._ask(path), "tickets")

    async def _market(self, symbol: str) -> Market:
        if symbol not in self._by_symbol:
            await self._learn_symbols()
        market = self._by_symbol.get(symbol)
        if market is None and symbol in self._unloaded:
            raise _not_loaded(symbol)
        if market is None:
            raise BrokerRejected(
                f"symbol: {symbol} is not among those of the terminal",
                code="unknown_symbol",
                scope=RejectionScope.TERMS,
            )
        return market

    async def _ask(self, path: str, **query: str) -> Json:
        answer = await self._bridge().ask(path, **query)
        return {} if answer is None else answer

    def _bridge(self) -> Bridge:
        if self._open is None:
            raise BrokerUnavailable("not connected to the bridge")
        return self._open

    def _soon(self) -> datetime:
        return now() + timedelta(seconds=self._timeout)


def _not_loaded(symbol: str) -> BrokerUnavailable:
    return BrokerUnavailable(f"the terminal has not loaded the lots of {symbol} yet")


def _took_nothing(command: Json) -> bool:
    """Whether a command that failed may follow as another, for all that the venue made of it."""
    refusal = wire.refusal(command)
    return isinstance(refusal, BrokerUnavailable) or (
        isinstance(refusal, BrokerRejected) and refusal.scope is RejectionScope.SYMBOL
    )


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, BrokerUnavailable) and not isinstance(error, CredentialsRefused)


def _new_id() -> str:
    """An id for a command that is no order: 20 of the bridge's characters."""
    return secrets.token_urlsafe(15)


def _account(answer: Json) -> Account:
    return Account(
        account=str(answer["account"]),
        is_real=not answer["demo"],
        balances={str(answer["currency"]): decimal(answer["balance"])},
        identity=str(answer["account"]),
    )


def _quote(symbol: str, answer: Json) -> Quote:
    return Quote(
        symbol=symbol,
        bid=decimal(answer["bid"]),
        ask=decimal(answer["ask"]),
        at=moment(answer["as_of"]),
        source=BrokerName.MT4.value,
    )
