"""Which adapter serves which broker, as the settings say; its library is imported only here."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from execution.domain.errors import ConfigurationError
from execution.domain.paper.slippage import Slippage, seeded_draw
from execution.domain.paper.trading import PaperRules
from execution.domain.ports import Broker
from execution.domain.vocabulary import BrokerName, Environment
from execution.market_calendar import ExchangeCalendars
from execution.settings import Settings
from workers.context import Context

POLL_INTERVAL = timedelta(seconds=3)
PAPER_POLL_INTERVAL = timedelta(milliseconds=250)


def utc_now() -> datetime:
    """The process's clock."""
    return datetime.now(UTC)


def build(broker: BrokerName, context: Context) -> Broker | str:
    """The broker's adapter, or the words that say which variables are missing for it."""
    if broker is BrokerName.PAPER:
        return _paper(context)
    ledger = context.settings.ledger_broker_url
    if ledger and broker in _stood_in_for(context.settings):
        return _ledger(broker, ledger, context.settings)
    return _LIVE[broker](context.settings)


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
        clock=utc_now,
    )


def _ledger(broker: BrokerName, url: str, settings: Settings) -> Broker:
    from workers.adapters.ledger import LedgerAdapter  # noqa: PLC0415

    if settings.execution_environment is not Environment.PRACTICE:
        raise ConfigurationError("LEDGER_BROKER_URL names a simulator: it is for practice only")
    return LedgerAdapter(
        name=broker,
        url=url,
        account=settings.default_account,
        timeout=settings.broker_call_timeout,
        poll_interval=min(POLL_INTERVAL, settings.ledger_poll_interval),
        clock=utc_now,
    )


def _stood_in_for(settings: Settings) -> set[BrokerName]:
    names = [name.strip().upper() for name in settings.ledger_brokers.split(",") if name.strip()]
    try:
        return {BrokerName(name) for name in names}
    except ValueError as error:
        raise ConfigurationError(f"LEDGER_BROKERS: {error}") from None


def _ibkr(settings: Settings) -> Broker | str:
    del settings
    return "no adapter yet: IBKR_HOST is not used"


def _mt4(settings: Settings) -> Broker | str:
    del settings
    return "no adapter yet: MT4_BRIDGE_URL is not used"


def _binance(settings: Settings) -> Broker | str:
    del settings
    return "no adapter yet: BINANCE_API_KEY is not used"


_LIVE: dict[BrokerName, Callable[[Settings], Broker | str]] = {
    BrokerName.IBKR: _ibkr,
    BrokerName.MT4: _mt4,
    BrokerName.BINANCE: _binance,
}
