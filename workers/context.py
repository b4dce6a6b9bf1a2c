"""What every task of a worker process shares: settings, store, Redis, publisher, intake."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import redis

from execution import settings
from execution.domain.mapping import ExchangeMapper
from execution.domain.order_changes import Timing
from execution.events.connection import connect
from execution.events.publisher import Publisher
from execution.events.quotes import QuoteCache
from execution.gate import Gate
from execution.instructions import Instructions
from execution.intake import Intake
from execution.settings import Settings
from execution.store.clock import DatabaseClock, process_clock
from execution.store.controls import ControlsCache
from execution.store.engine import Store
from execution.store.trading_rules import RulesCache


@dataclass(frozen=True, slots=True)
class Context:
    """The process's own objects; all are safe to use from several threads."""

    settings: Settings
    store: Store
    redis: redis.Redis
    publisher: Publisher
    quotes: QuoteCache
    mapper: ExchangeMapper
    intake: Intake
    instructions: Instructions
    rules: RulesCache
    gate: Gate
    timing: Timing
    clock: DatabaseClock


@cache
def context() -> Context:
    """Made at the first call. Raises ConfigurationError."""
    configured = settings.current()
    store = Store(configured.require_database_url(), pool_size=12, application_name="worker")
    mapper = ExchangeMapper(configured.symbol_overrides)
    client = connect(configured.require_redis_url())
    quotes = QuoteCache(client)
    return Context(
        settings=configured,
        store=store,
        redis=client,
        publisher=Publisher(store, client, configured.step_deadline),
        quotes=quotes,
        mapper=mapper,
        intake=Intake(
            store, mapper, configured.step_deadline, configured.on_failure_default, patient=False
        ),
        instructions=Instructions(store, configured.step_deadline, patient=False),
        rules=RulesCache(),
        gate=Gate(
            store,
            quotes,
            ControlsCache(store),
            quote_max_age=configured.quote_max_age,
            price_wait=configured.paper_price_wait,
            force_paper=configured.force_paper_trading,
        ),
        timing=Timing(
            step=configured.step_deadline,
            submit_window=configured.submit_window,
            lease=configured.submit_window + configured.broker_call_timeout,
        ),
        clock=process_clock,
    )
