"""Puts the arbitrage together from what a process has: a worker, or the command line."""

from __future__ import annotations

from dataclasses import dataclass

import redis

from execution.arbitrage.knowledge import Knowledge
from execution.arbitrage.moving import Mover
from execution.arbitrage.plan import Plan, plan
from execution.arbitrage.sending import Messages
from execution.arbitrage.watching import Watch
from execution.domain.mapping import ExchangeMapper
from execution.events.lending import LendingCache
from execution.events.quotes import QuoteCache
from execution.instructions import Instructions
from execution.intake import Intake
from execution.market_calendar import ExchangeCalendars
from execution.settings import Settings
from execution.store.clock import now
from execution.store.engine import Store


@dataclass(frozen=True, slots=True)
class Arbitrage:
    """All of it: `watch` observes and acts, `mover` moves groups on."""

    plan: Plan
    knowledge: Knowledge
    mover: Mover
    watch: Watch


def assemble(
    settings: Settings, store: Store, client: redis.Redis, messages: Messages
) -> Arbitrage:
    """Raises ConfigurationError, or RequestRefused for a symbol that is none."""
    mapper = ExchangeMapper(settings.symbol_overrides)
    intake = Intake(store, mapper, settings.step_deadline)
    planned = plan(settings, mapper, now())
    knowledge = Knowledge(
        quotes=QuoteCache(client),
        lending=LendingCache(client),
        hours=ExchangeCalendars(),
        session_timeout=settings.session_timeout,
        force_paper=settings.force_paper_trading,
        account=settings.default_account,
    )
    mover = Mover(
        store=store,
        intake=intake,
        instructions=Instructions(store, settings.step_deadline),
        mapper=mapper,
        knowledge=knowledge,
        messages=messages,
        plan=planned,
    )
    watch = Watch(
        store=store,
        intake=intake,
        knowledge=knowledge,
        messages=messages,
        mover=mover,
        plan=planned,
    )
    return Arbitrage(planned, knowledge, mover, watch)
