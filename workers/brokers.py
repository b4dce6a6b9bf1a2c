"""Which adapter serves which broker, as the settings say; its library is imported only here."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from execution.domain.errors import (
    BrokerUnavailable,
    ConfigurationError,
    OutcomeUnknown,
    StoreUnavailable,
)
from execution.domain.instruments import Listing
from execution.domain.paper.slippage import Slippage, seeded_draw
from execution.domain.paper.trading import PaperRules
from execution.domain.ports import Broker
from execution.domain.reports import Held
from execution.domain.vocabulary import BrokerName, Environment
from execution.market_calendar import ExchangeCalendars
from execution.settings import Settings
from execution.store import (
    accounts,
    balances,
    ibkr_order_ids,
    pauses,
    reconciling,
    venue_contracts,
)
from execution.venue_urls import host_of, is_loopback_host
from workers.context import Context

if TYPE_CHECKING:
    from workers.adapters.ibkr.client_ids import ClientIds

POLL_INTERVAL = timedelta(seconds=3)
_TRADED_SECONDS = 15.0
_TEST_NETWORK = "testnet.binance.vision"
PAPER_POLL_INTERVAL = timedelta(milliseconds=250)


def build(
    broker: BrokerName, context: Context, client_ids: ClientIds | None = None
) -> Broker | str:
    """The broker's adapter, or the words that say which variables are missing for it.

    `client_ids` are those that an adapter of Interactive Brokers shares with other workers.
    """
    if broker is BrokerName.PAPER:
        return _paper(context)
    ledger = context.settings.ledger_broker_url
    if ledger and broker in _stood_in_for(context.settings):
        return _ledger(broker, ledger, context)
    if broker is BrokerName.IBKR:
        return _ibkr(context, client_ids)
    return _LIVE[broker](context)


def _paper(context: Context) -> Broker:
    from workers.adapters.paper import PaperAdapter  # noqa: PLC0415

    settings = context.settings
    seed = settings.paper_seed
    slippage = Slippage(
        settings.paper_slippage_model,
        settings.paper_slippage,
        seeded_draw(secrets.randbits(64) if seed is None else seed),
    )
    rules = PaperRules(
        slippage,
        quote_max_age=settings.quote_max_age,
        price_wait=settings.paper_price_wait,
        depth=settings.paper_depth,
        execution_size=settings.paper_execution_size,
    )
    return PaperAdapter(
        context.store,
        context.quotes,
        rules,
        ExchangeCalendars(),
        account=settings.default_account,
        poll_interval=PAPER_POLL_INTERVAL,
        clock=context.clock,
    )


def _ledger(broker: BrokerName, url: str, context: Context) -> Broker:
    from workers.adapters.ledger import LedgerAdapter  # noqa: PLC0415

    settings = context.settings
    if settings.execution_environment is not Environment.PRACTICE:
        raise ConfigurationError("LEDGER_BROKER_URL names a simulator: it is for practice only")
    return LedgerAdapter(
        name=broker,
        url=url,
        account=settings.default_account,
        timeout=settings.broker_call_timeout,
        poll_interval=min(POLL_INTERVAL, settings.ledger_poll_interval),
        clock=context.clock,
    )


def _stood_in_for(settings: Settings) -> set[BrokerName]:
    names = [name.strip().upper() for name in settings.ledger_brokers.split(",") if name.strip()]
    try:
        return {BrokerName(name) for name in names}
    except ValueError as error:
        raise ConfigurationError(f"LEDGER_BROKERS: {error}") from None


def _ibkr(context: Context, client_ids: ClientIds | None = None) -> Broker | str:
    settings = context.settings
    if settings.ibkr_host is None or settings.ibkr_account is None:
        return "IBKR_HOST and IBKR_ACCOUNT are not both set"
    from workers.adapters.ibkr.adapter import IBKRAdapter, is_real  # noqa: PLC0415
    from workers.adapters.ibkr.client_ids import OneClientId  # noqa: PLC0415

    practice = settings.execution_environment is Environment.PRACTICE
    if practice and is_real(settings.ibkr_account):
        return (
            f"IBKR_ACCOUNT {settings.ibkr_account} is a real account (those of paper trading begin "
            "with D), and EXECUTION_ENVIRONMENT is practice"
        )
    return IBKRAdapter(
        host=settings.ibkr_host,
        port=settings.ibkr_port,
        client_ids=client_ids or OneClientId(settings.ibkr_client_ids[0]),
        account=settings.ibkr_account,
        timeout=settings.broker_call_timeout,
        order_ids=_OrderIds(context),
        owns=_owned_at_ibkr(settings),
        contract_map=_ContractMap(context),
        zone=ZoneInfo(settings.ibkr_timezone),
        clock=context.clock,
    )


def _owned_at_ibkr(settings: Settings) -> Callable[[str], bool]:
    """Which accounts of TWS's login are traded beside IBKR_ACCOUNT; no real one in practice."""
    from workers.adapters.ibkr.adapter import is_real  # noqa: PLC0415

    named = {name.strip() for name in settings.ibkr_accounts.split(",") if name.strip()}
    practice = settings.execution_environment is Environment.PRACTICE

    def owned(account: str) -> bool:
        return (not named or account in named) and not (practice and is_real(account))

    return owned


class _OrderIds:
    """Implements `workers.adapters.ibkr.adapter.OrderIds` on the table of them."""

    def __init__(self, context: Context) -> None:
        self._store = context.store

    async def take(self, client_id: int, venue_order_id: str, above: int) -> tuple[int, bool]:
        """BrokerUnavailable when PostgreSQL does not answer: nothing is sent without an id."""
        try:
            taken = await asyncio.to_thread(self._take, client_id, venue_order_id, above)
        except StoreUnavailable as error:
            raise BrokerUnavailable(f"no order id for TWS: {error}") from error
        if taken.client_id != client_id:
            raise OutcomeUnknown(f"client id {taken.client_id} may have sent {venue_order_id}")
        return taken.order_id, taken.known

    async def release(self, client_id: int, venue_order_id: str) -> None:
        try:
            await asyncio.to_thread(self._release, client_id, venue_order_id)
        except StoreUnavailable as error:
            raise OutcomeUnknown(f"an order id of TWS is not released: {error}") from error

    def _take(self, client_id: int, venue_order_id: str, above: int) -> ibkr_order_ids.Taken:
        with self._store.brief() as link:
            return ibkr_order_ids.take(link, client_id, venue_order_id, above)

    def _release(self, client_id: int, venue_order_id: str) -> None:
        with self._store.brief() as link:
            ibkr_order_ids.release(link, client_id, venue_order_id)


class _ContractMap:
    """Implements `workers.adapters.ibkr.contracts.ContractMap` on the table of them."""

    def __init__(self, context: Context) -> None:
        self._store = context.store

    async def names(self, con_ids: Iterable[int]) -> dict[int, str]:
        try:
            return await asyncio.to_thread(self._names, list(con_ids))
        except StoreUnavailable as error:
            raise BrokerUnavailable(f"no names of TWS's contracts: {error}") from error

    async def record(self, con_id: int, listing: Listing, *, ordered: bool) -> str:
        try:
            return await asyncio.to_thread(self._record, con_id, listing, ordered)
        except StoreUnavailable as error:
            raise BrokerUnavailable(f"a contract of TWS is not recorded: {error}") from error

    async def contract_of(self, symbol: str) -> int | None:
        try:
            return await asyncio.to_thread(self._contract_of, symbol)
        except StoreUnavailable as error:
            raise BrokerUnavailable(f"no contract of {symbol}: {error}") from error

    def _contract_of(self, symbol: str) -> int | None:
        with self._store.direct() as link:
            found = venue_contracts.contract_of(link, BrokerName.IBKR, symbol)
        return None if found is None else int(found)

    def _names(self, con_ids: list[int]) -> dict[int, str]:
        with self._store.direct() as link:
            found = venue_contracts.symbols(link, BrokerName.IBKR, map(str, con_ids))
        return {int(con_id): symbol for con_id, symbol in found.items()}

    def _record(self, con_id: int, listing: Listing, ordered: bool) -> str:  # noqa: FBT001
        with self._store.brief() as link:
            return venue_contracts.record(
                link, BrokerName.IBKR, str(con_id), listing, ordered=ordered
            )


def _mt4(context: Context) -> Broker | str:
    settings = context.settings
    if settings.mt4_bridge_token is None:
        return "MT4_BRIDGE_TOKEN is not set"
    from workers.adapters.mt4.adapter import MT4Adapter  # noqa: PLC0415

    return MT4Adapter(
        settings.mt4_bridge_url,
        settings.mt4_bridge_token.get_secret_value(),
        timeout=settings.broker_call_timeout,
        poll_interval=settings.mt4_poll_interval,
        patience=settings.broker_call_timeout / 2,
        suffix=settings.mt4_symbol_suffix,
        deviation=settings.mt4_deviation,
    )


def _binance(context: Context) -> Broker | str:
    settings = context.settings
    key, secret = settings.binance_api_key, settings.binance_api_secret
    if key is None or secret is None:
        return "BINANCE_API_KEY and BINANCE_API_SECRET are not both set"
    is_real = binance_is_real(settings)
    if is_real and settings.execution_environment is Environment.PRACTICE:
        return (
            "BINANCE_TESTNET and BINANCE_API_URL name the real Binance, and EXECUTION_ENVIRONMENT "
            "is practice"
        )
    from workers.adapters.binance.adapter import BinanceAdapter  # noqa: PLC0415

    return BinanceAdapter(
        key=key.get_secret_value(),
        secret=secret.get_secret_value(),
        testnet=settings.binance_testnet,
        url=settings.binance_api_url,
        timeout=settings.broker_call_timeout,
        window=settings.submit_window,
        poll_interval=settings.binance_poll_interval,
        absence_proven_after=settings.binance_absence_wait,
        resends_within=settings.binance_resend_within,
        traded=_traded(context, BrokerName.BINANCE),
        held_before=_held_before(context, BrokerName.BINANCE),
        is_real=is_real,
        simulated=not is_real and _endpoint_is_local(settings),
        pause=_KeptPause(context, BrokerName.BINANCE, _endpoint(settings)),
        clock=context.clock,
    )


def _endpoint_is_local(settings: Settings) -> bool:
    """Whether Binance's address is one of this machine, behind which there may be anything."""
    named = settings.binance_api_url
    return named is not None and is_loopback_host(host_of(named))


def _endpoint(settings: Settings) -> str:
    """Which of Binance's networks these settings name: a ban there is none elsewhere."""
    named = settings.binance_api_url
    return named or (_TEST_NETWORK if settings.binance_testnet else "api.binance.com")


class _KeptPause:
    """Implements `workers.adapters.binance.budget.KeptPause` on the table of pauses."""

    def __init__(self, context: Context, broker: BrokerName, endpoint: str) -> None:
        self._store, self._broker, self._endpoint = context.store, broker, endpoint

    async def left(self) -> float:
        found = await asyncio.to_thread(self._load)
        return 0.0 if found is None else found.left.total_seconds()

    async def keep(self, seconds: float, reason: str) -> None:
        await asyncio.to_thread(self._record, timedelta(seconds=seconds), reason)

    def _load(self) -> pauses.Pause | None:
        with self._store.transaction() as connection:
            return pauses.load(connection, self._broker, self._endpoint)

    def _record(self, length: timedelta, reason: str) -> None:
        with self._store.transaction() as connection:
            pauses.record(connection, self._broker, self._endpoint, length, reason)


def binance_is_real(settings: Settings) -> bool:
    """Whether orders sent with these settings spend money."""
    if settings.binance_api_url is None:
        return not settings.binance_testnet
    host = host_of(settings.binance_api_url)
    return not is_loopback_host(host) and host != _TEST_NETWORK


def _traded(context: Context, broker: BrokerName) -> Callable[[], Awaitable[set[str]]]:
    """What may have been traded at a broker, read now and then."""
    known, read_at = set[str](), -_TRADED_SECONDS

    def read() -> set[str]:
        with context.store.transaction() as connection:
            return reconciling.traded(connection, broker)

    async def traded() -> set[str]:
        nonlocal known, read_at
        if time.monotonic() - read_at > _TRADED_SECONDS:
            known, read_at = await asyncio.to_thread(read), time.monotonic()
        return known

    return traded


def _held_before(
    context: Context, broker: BrokerName
) -> Callable[[datetime], Awaitable[Held | None]]:
    """What the login's own account held at a broker before a time. BrokerUnavailable."""

    def read(at: datetime) -> Held | None:
        with context.store.transaction() as connection:
            own = accounts.known(connection, broker)
            return None if own is None else balances.before(connection, broker, own.default, at)

    async def held_before(at: datetime) -> Held | None:
        try:
            return await asyncio.to_thread(read, at)
        except StoreUnavailable as error:
            raise BrokerUnavailable(f"what the account held is not known: {error}") from error

    return held_before


_LIVE: dict[BrokerName, Callable[[Context], Broker | str]] = {
    BrokerName.MT4: _mt4,
    BrokerName.BINANCE: _binance,
}
