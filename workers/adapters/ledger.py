"""The adapter of the ledger venue (`simulators.ledger`): JSON over HTTP, polled.

What aiohttp does by itself would break the port, and is kept from it: it sends again a request
that failed on a reused connection unless its method is POST (so every change here is a POST, on a
connection of its own), it repeats a POST when redirected (redirects are not followed), and it
queues for a free connection (there is no limit).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from http import HTTPStatus
from typing import Any

import aiohttp
from yarl import URL

from execution.domain.errors import (
    BrokerRejected,
    BrokerUnavailable,
    OutcomeUnknown,
    RejectionScope,
    TooLate,
)
from execution.domain.identity import instrument_key
from execution.domain.instruments import Instrument
from execution.domain.ports import Attempt, Capabilities, Modification, Part
from execution.domain.reports import (
    Account,
    Execution,
    Quote,
    ReportKind,
    VenueOrder,
    VenuePosition,
)
from execution.domain.trading_rules import TradingRules
from execution.domain.vocabulary import (
    AssetClass,
    BrokerName,
    OrderState,
    OrderType,
    Side,
    TimeInForce,
)
from workers.adapters.alone import of_one
from workers.adapters.answers import decimal, moment, outcome, read

# The fence holds by the venue's clock, so the two clocks must agree this closely.
CLOCK_TOLERANCE = timedelta(milliseconds=250)

# Up to so many waiting orders are asked for one by one; more, by one snapshot of open orders.
FEW = 5

Json = Mapping[str, Any]


class LedgerAdapter:
    """Implements `execution.domain.ports.Broker` for the ledger venue at `url`.

    `timeout` holds for connecting, and again for the answer. `poll_interval` lies between two
    rounds of `watch`. `clock` gives aware UTC, which the venue's clock is held against. A question
    (all but submit, cancel and modify) changes nothing, so whatever keeps its answer away is
    BrokerUnavailable.
    """

    needs_loop = True

    def __init__(
        self,
        name: BrokerName,
        url: str,
        account: str,
        *,
        timeout: timedelta,
        poll_interval: timedelta,
        clock: Callable[[], datetime],
    ) -> None:
        self.name = name
        self.capabilities = Capabilities(
            order_types=frozenset(OrderType)
            - {OrderType.MARKET_ON_CLOSE, OrderType.LIMIT_ON_CLOSE},
            times_in_force=frozenset(TimeInForce),
            asset_classes=frozenset(AssetClass),
            absence_proven_after=CLOCK_TOLERANCE,
        )
        self._url = URL(url)
        self._account = account
        self._timeout = timeout.total_seconds()
        self._poll_interval = poll_interval.total_seconds()
        self._clock = clock
        self._questions: aiohttp.ClientSession | None = None
        self._changes: aiohttp.ClientSession | None = None

    async def connect(self) -> None:
        """Open on the running loop, and verify the venue, its clock and the account."""
        if self._questions is None:
            self._questions = self._session(force_close=False)
            self._changes = self._session(force_close=True)
        try:
            await self.health_check()
            await self._check_account()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        sessions = (self._questions, self._changes)
        self._questions = self._changes = None
        for session in sessions:
            if session is not None:
                await session.close()

    async def health_check(self) -> None:
        """BrokerUnavailable, too, when the clocks disagree: the fence would not hold."""
        asked = self._clock()
        time = read(lambda answer: moment(answer["time"]), await self._ask("health"))
        if not asked - CLOCK_TOLERANCE <= time <= self._clock() + CLOCK_TOLERANCE:
            raise BrokerUnavailable(f"the venue's clock says {time}, ours {self._clock()}")

    async def all_rules(self) -> Sequence[TradingRules]:
        return ()

    async def rules(self, instrument: Instrument) -> TradingRules | None:
        del instrument
        return None

    async def quotes(self, instruments: Sequence[Instrument]) -> Sequence[Quote]:
        del instruments
        return ()

    async def part(self, attempt: Attempt) -> Part | None:
        del attempt
        return None

    async def submit(self, attempt: Attempt) -> VenueOrder:
        return await self._change(_submission(attempt), "orders")

    async def cancel(self, attempt: Attempt) -> None:
        await self._change(_known(attempt), "orders", attempt.venue_order_id, "cancel")

    async def modify(self, attempt: Attempt, change: Modification) -> VenueOrder:
        wanted = {
            "quantity": _plain(change.quantity),
            "limit_price": _plain(change.limit_price),
            "stop_price": _plain(change.stop_price),
        }
        body = _known(attempt) | _given(wanted)
        return await self._change(body, "orders", attempt.venue_order_id, "modify")

    async def find(self, attempt: Attempt) -> VenueOrder | None:
        """Where the venue holds several orders of our id: the one we know, else the oldest."""
        answer = await self._ask("orders", attempt.venue_order_id, or_refusal="unknown_order")
        if answer is None:
            return None
        orders = read(lambda answer: [self._order(item) for item in answer["orders"]], answer)
        return next(
            (order for order in orders if order.broker_order_id == attempt.broker_order_id),
            next(iter(orders), None),
        )

    async def open_orders(self) -> Sequence[VenueOrder]:
        answer = await self._ask("orders")
        return read(lambda answer: [self._order(item) for item in answer["orders"]], answer)

    async def executions(self, since: datetime) -> Sequence[Execution]:
        answer = await self._ask("executions", since=since.isoformat())
        return read(lambda answer: [self._execution(item) for item in answer["executions"]], answer)

    async def watch(
        self, waiting: Callable[[], Sequence[Attempt]]
    ) -> AsyncGenerator[VenueOrder, None]:
        """The first look at each order is news; after that, what differs from the last look."""
        told: dict[str, VenueOrder] = {}
        while True:
            attempts = waiting()
            told = {
                attempt.venue_order_id: told[attempt.venue_order_id]
                for attempt in attempts
                if attempt.venue_order_id in told
            }
            working = await self._snapshot() if len(attempts) > FEW else {}
            for attempt in attempts:
                # An order that is over is asked for as long as it waits: an execution may follow.
                order = working.get(attempt.venue_order_id) or await of_one(
                    self.find(attempt), self.health_check, attempt.venue_order_id
                )
                if order is not None and order != told.get(attempt.venue_order_id):
                    told[attempt.venue_order_id] = order
                    yield order
            await asyncio.sleep(self._poll_interval)

    async def positions(self) -> Sequence[VenuePosition]:
        return read(
            lambda answer: [
                VenuePosition(
                    symbol=item["symbol"],
                    quantity=decimal(item["quantity"]),
                    average_price=decimal(item["average_price"]),
                    account=item["account"],
                )
                for item in answer["positions"]
            ],
            await self._ask("positions"),
        )

    async def account(self) -> Account:
        return (await self.accounts())[0]

    async def accounts(self) -> Sequence[Account]:
        """Each with the login's balances: the venue keeps them for all of them together."""
        return read(
            lambda answer: [
                Account(
                    account=str(account),
                    is_real=bool(answer["real"]),
                    balances={name: decimal(value) for name, value in answer["balances"].items()},
                )
                for account in answer["accounts"]
            ],
            await self._ask("account"),
        )

    async def quote(self, instrument: Instrument) -> Quote:
        return read(
            lambda answer: Quote(
                symbol=answer["symbol"],
                bid=decimal(answer["bid"]),
                ask=decimal(answer["ask"]),
                at=moment(answer["time"]),
                source=self.name.value,
            ),
            await self._ask("quote", symbol=instrument.symbol),
        )

    def _session(self, *, force_close: bool) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, force_close=force_close),
            timeout=aiohttp.ClientTimeout(
                total=2 * self._timeout, connect=self._timeout, sock_read=self._timeout
            ),
        )

    async def _check_account(self) -> None:
        account = (await self.account()).account
        if account != self._account:
            raise BrokerUnavailable(f"the venue serves {account!r}, not {self._account!r}")

    async def _snapshot(self) -> dict[str | None, VenueOrder]:
        """The working orders by our id; of several with one id the oldest."""
        return {order.venue_order_id: order for order in reversed(await self.open_orders())}

    async def _change(self, body: Json, *path: str) -> VenueOrder:
        """POST once. What the answer, or its absence, proves is decided here and nowhere else."""
        if self._changes is None:
            raise BrokerUnavailable("not connected to the venue")
        try:
            async with self._changes.post(
                self._url.joinpath(*path), json=body, allow_redirects=False
            ) as reply:
                status, answer = reply.status, _json(await reply.text())
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise BrokerUnavailable(f"no connection to the venue: {error}") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise OutcomeUnknown(f"the answer did not come: {error!r}") from error
        if status < HTTPStatus.MULTIPLE_CHOICES:
            return outcome(self._order, answer)
        code = answer.get("code")
        if status == HTTPStatus.SERVICE_UNAVAILABLE and answer.get("taken") is False:
            raise BrokerUnavailable(f"the venue took nothing: {answer.get('reason')}")
        if code == "too_late":
            raise TooLate(f"the venue took nothing: {answer.get('reason')}")
        # A duplicate is no refusal: the venue says that it holds an order of this id.
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or not code or code == "duplicate_order":
            raise OutcomeUnknown(f"the venue answered {status} {code}: {answer.get('reason')}")
        raise BrokerRejected(
            f"the venue refused: {answer.get('reason')}",
            code=str(code),
            scope=RejectionScope.VENUE if answer.get("scope") == "VENUE" else RejectionScope.ORDER,
        )

    async def _ask(self, *path: str, or_refusal: str | None = None, **query: str) -> Any:
        """GET; None when the venue refuses with the code `or_refusal`, else BrokerUnavailable."""
        if self._questions is None:
            raise BrokerUnavailable("not connected to the venue")
        try:
            async with self._questions.get(self._url.joinpath(*path), params=query) as reply:
                answer = _json(await reply.text())
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise BrokerUnavailable(f"the venue did not answer: {error!r}") from error
        if reply.status == HTTPStatus.OK:
            return answer
        if or_refusal is not None and answer.get("code") == or_refusal:
            return None
        raise BrokerUnavailable(f"the venue answered {reply.status}: {answer.get('reason')}")

    def _order(self, item: Json) -> VenueOrder:
        return VenueOrder(
            broker_order_id=item["broker_order_id"],
            state=OrderState(item["state"]),
            symbol=item["symbol"],
            side=Side(item["side"]),
            quantity=decimal(item["quantity"]),
            filled_quantity=decimal(item["filled_quantity"]),
            venue_order_id=item["venue_order_id"],
            reason=item["reason"],
            limit_price=_price(item["limit_price"]),
            stop_price=_price(item["stop_price"]),
            executions=tuple(self._execution(report) for report in item["executions"]),
        )

    def _execution(self, item: Json) -> Execution:
        commission = item["commission"]
        return Execution(
            execution_id=item["execution_id"],
            symbol=item["symbol"],
            side=Side(item["side"]),
            quantity=decimal(item["quantity"]),
            price=decimal(item["price"]),
            executed_at=moment(item["executed_at"]),
            kind=ReportKind(item["kind"]),
            venue_order_id=item["venue_order_id"],
            broker_order_id=item["broker_order_id"],
            commission=None if commission is None else decimal(commission),
            commission_currency=item["commission_currency"],
            corrects=item["corrects"],
            # It stands in for a broker, and names instruments as that one does.
            instrument_key=instrument_key(self.name, item["symbol"]),
            account=item["account"],
        )


def _json(text: str) -> Json:
    """The JSON object in an answer; an empty one when it holds anything else."""
    try:
        answer = json.loads(text)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _submission(attempt: Attempt) -> dict[str, str]:
    """The submit of an attempt; `send_by` is the venue's `valid_until`."""
    return {
        "venue_order_id": attempt.venue_order_id,
        "symbol": attempt.instrument.symbol,
        "side": attempt.side.value,
        "order_type": attempt.order_type.value,
        "quantity": format(attempt.quantity, "f"),
        "time_in_force": attempt.time_in_force.value,
        "account": attempt.account,
    } | _given(
        {
            "limit_price": _plain(attempt.limit_price),
            "stop_price": _plain(attempt.stop_price),
            "trail_amount": _plain(attempt.trail_amount),
            "trail_percent": _plain(attempt.trail_percent),
            "expires_at": attempt.expires_at.isoformat() if attempt.expires_at else None,
            "valid_until": attempt.send_by.isoformat() if attempt.send_by else None,
        }
    )


def _known(attempt: Attempt) -> dict[str, str]:
    """The venue's own id, where we have it: it is precise where ours may not be."""
    return _given({"broker_order_id": attempt.broker_order_id})


def _given(fields: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value is not None}


def _plain(value: Decimal | None) -> str | None:
    """Digits only: a venue must never see 1E+5."""
    return None if value is None else format(value, "f")


def _price(text: str | None) -> Decimal | None:
    return None if text is None else decimal(text)
