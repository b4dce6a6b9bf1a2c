"""Before a session takes new work: what happened at its venue while nobody was there."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

import structlog
from sqlalchemy import Connection

from execution.domain.accounts import Accounts
from execution.domain.errors import (
    BrokerError,
    BrokerUnavailable,
    ConfigurationError,
    OutcomeUnknown,
)
from execution.domain.orders import Order
from execution.domain.ports import Broker
from execution.domain.reconciliation import (
    FOREIGN_ORDER,
    MISSING_ORDER,
    POSITION_BREAK,
    STILL_OPEN,
    Break,
    compare_holdings,
    compare_orders,
    compare_positions,
    missing,
)
from execution.domain.reports import Account, VenueOrder, VenuePosition
from execution.domain.vocabulary import BrokerName, Environment
from execution.store import accounts, reconciling, stamp
from execution.store.clock import database_time
from workers.context import Context

T = TypeVar("T")

AT_LEAST = timedelta(days=1)
"""How far back a session looks for executions when it connects, however short it was away."""
OVERLAP = timedelta(minutes=10)
_BOOKED_WITHIN = 2.0
_ASKED_FOR = 20
"""How many orders are asked for in one look; the rest shows when these are settled."""
_LOOK_AGAIN = 0.3


async def ask(question: Coroutine[Any, Any, T], within: timedelta) -> T:
    """A venue's answer; BrokerUnavailable when it does not come in time.

    Not by `asyncio.wait_for`, which before Python 3.12 swallows a cancellation that comes in the
    moment of the answer: a session's tasks are ended when one of them finds the venue gone.
    """
    try:
        async with asyncio.timeout(within.total_seconds()):
            return await question
    except TimeoutError:
        raise BrokerUnavailable(f"no answer within {within.total_seconds():.0f} s") from None


def since(context: Context, broker: BrokerName) -> datetime:
    """From when on a venue is asked for executions: before anybody last listened there."""
    with context.store.transaction() as connection:
        now = database_time(connection)
        served = reconciling.last_served(connection, broker) or now
    return min(served, now - AT_LEAST) - OVERLAP


@dataclass(frozen=True, slots=True)
class Compared:
    """What differs. `positions`: they could be compared, and were not moving all the while."""

    breaks: Sequence[Break]
    positions: bool


async def compare(
    context: Context, broker: BrokerName, adapter: Broker, open_orders: Sequence[VenueOrder]
) -> Compared:
    """Hold open orders and positions against ours; an alert for each break. BrokerUnavailable.

    Nothing is corrected: what is at the venue may be somebody's own doing, and what is wrong with
    our books must be understood first. Executions must have been recorded before.
    """
    breaks = await asyncio.to_thread(_compare_orders, context, broker, open_orders)
    breaks += await _missing_orders(context, broker, adapter, open_orders)
    kinds = [FOREIGN_ORDER, STILL_OPEN, MISSING_ORDER]
    differing = await _position_breaks(context, broker, adapter)
    if differing is not None:
        kinds.append(POSITION_BREAK)
        breaks += differing
    await asyncio.to_thread(_record, context, broker, kinds, breaks)
    return Compared(breaks, positions=differing is not None)


async def _missing_orders(
    context: Context, broker: BrokerName, adapter: Broker, open_orders: Sequence[VenueOrder]
) -> list[Break]:
    """Orders that work here, are not open there, and of which the venue cannot say what became."""
    timeout, found = context.settings.broker_call_timeout, list[Break]()
    since = adapter.capabilities.absence_proven_after + timeout
    for order in await asyncio.to_thread(_not_shown, context, broker, since, open_orders):
        try:
            if await ask(adapter.find(order.for_venue()), timeout) is None:
                found.append(missing(order, None))
        except OutcomeUnknown as unknown:
            found.append(missing(order, str(unknown)))
        except BrokerError as error:
            await ask(adapter.health_check(), timeout)
            found.append(missing(order, str(error)))
    return found


async def _position_breaks(
    context: Context, broker: BrokerName, adapter: Broker
) -> list[Break] | None:
    """What differs twice in a row with nothing on its way into the books; None while it moves."""
    timeout = context.settings.broker_call_timeout
    until = asyncio.get_running_loop().time() + _BOOKED_WITHIN
    before = None
    while True:
        if adapter.capabilities.positions:
            held = await ask(adapter.positions(), timeout)
            differing, booked = await asyncio.to_thread(_compare_positions, context, broker, held)
        else:
            balances = (await ask(adapter.account(), timeout)).balances
            differing, booked = await asyncio.to_thread(
                _compare_holdings, context, broker, balances
            )
        if not differing or (booked and differing == before):
            return differing
        if asyncio.get_running_loop().time() > until:
            return None
        before = differing if booked else None
        await asyncio.sleep(_LOOK_AGAIN)


def _compare_orders(
    context: Context, broker: BrokerName, open_orders: Sequence[VenueOrder]
) -> list[Break]:
    ids = [order.venue_order_id for order in open_orders if order.venue_order_id]
    with context.store.transaction() as connection:
        ours = reconciling.known(connection, broker, ids)
    return compare_orders(open_orders, ours)


def _not_shown(
    context: Context, broker: BrokerName, since: timedelta, open_orders: Sequence[VenueOrder]
) -> list[Order]:
    shown = [order.venue_order_id for order in open_orders if order.venue_order_id]
    with context.store.transaction() as connection:
        return reconciling.not_shown(connection, broker, since, shown, _ASKED_FOR)


def _compare_positions(
    context: Context, broker: BrokerName, held: Sequence[VenuePosition]
) -> tuple[list[Break], bool]:
    with context.store.transaction() as connection:
        booked = not reconciling.unbooked(connection, broker)
        own = _accounts(connection, broker)
        ours = reconciling.positions(connection, broker, own.owned)
    return compare_positions(held, ours, own.default), booked


def _compare_holdings(
    context: Context, broker: BrokerName, held: Mapping[str, Decimal]
) -> tuple[list[Break], bool]:
    with context.store.transaction() as connection:
        booked = not reconciling.unbooked(connection, broker)
        ours = reconciling.holdings(connection, broker, _accounts(connection, broker).default)
    return compare_holdings(held, ours), booked


def _accounts(connection: Connection, broker: BrokerName) -> Accounts:
    """Those that the session has announced, which comes before anything is compared."""
    found = accounts.known(connection, broker)
    if found is None:
        raise BrokerUnavailable(f"{broker}: no session has said which accounts it owns")
    return found


async def verify(context: Context, broker: BrokerName, adapter: Broker) -> Accounts:
    """Make sure that this is the login that the database's orders are of.

    Returns its accounts, which are announced in the database by then. Raises BrokerUnavailable: a
    real account in practice, or another account than before. Whether this machine's clock is right
    is measured all the time (`execution.clock_watch`), not here.
    """
    found = await ask(adapter.accounts(), context.settings.broker_call_timeout)
    practice = context.settings.execution_environment is Environment.PRACTICE
    for account in found:
        if account.is_real and practice:
            raise BrokerUnavailable(
                f"{broker}: account {account.account} holds real money, and EXECUTION_ENVIRONMENT "
                "is practice"
            )
    names = tuple(account.account for account in found)
    owned = Accounts(names[0], names)
    await asyncio.to_thread(_stamp, context, broker, found[0], owned)
    return owned


def _stamp(context: Context, broker: BrokerName, account: Account, owned: Accounts) -> None:
    """Stamp the database with the accounts."""
    alias = context.settings.default_account
    with context.store.transaction() as connection:
        if account.identity is not None:
            try:
                stamp.verify_account(connection, broker, account.identity)
            except ConfigurationError as error:
                raise BrokerUnavailable(str(error)) from None
        converted = accounts.announce(connection, broker, owned, alias)
    if converted:
        structlog.get_logger().warning(
            "labels became the real account",
            broker=broker.value,
            account=owned.default,
            labels=converted,
        )


def _record(
    context: Context, broker: BrokerName, kinds: Sequence[str], breaks: Sequence[Break]
) -> None:
    for found in breaks:
        structlog.get_logger().warning("break", broker=broker.value, what=found.message)
    with context.store.transaction() as connection:
        reconciling.record(connection, broker, kinds, breaks)
