"""Judges a system at rest: every check over the facts of one moment."""

from __future__ import annotations

import time
from collections.abc import Mapping
from decimal import localcontext

from tests.oracle import orders, positions, protection, reducing, streams, venues
from tests.oracle.case import EXACT, Case
from tests.oracle.facts import Facts, Verdict
from tests.oracle.sources import UNPUBLISHED, load, query
from tests.oracle.tap import EventTap

__all__ = ["judge", "judge_facts", "load"]


def judge(
    database_url: str,
    ledgers: Mapping[str, str],
    tap: EventTap | None,
    *,
    allow_open: bool = False,
    patience: float = 5.0,
) -> Verdict:
    """Judge a system at rest. `ledgers` gives each live broker's control URL.

    One venue may stand for several brokers: then they have the same URL. Every broker that was
    sent anything needs one. With a tap, what it missed is replayed first. `allow_open` takes
    orders that rest at a venue, or wait, as they are. What is committed may wait up to `patience`
    seconds for its publication.
    """
    deadline = time.monotonic() + patience
    while query(database_url, UNPUBLISHED)["events"] and time.monotonic() < deadline:
        time.sleep(0.05)
    if tap is not None:
        tap.catch_up(database_url, patience=patience)
    facts = load(database_url, ledgers)
    if tap is not None:
        facts.messages, facts.unbroken = tap.messages, tap.losses == 0
    return judge_facts(facts, allow_open=allow_open)


def judge_facts(facts: Facts, *, allow_open: bool = False) -> Verdict:
    """The pure part of `judge`."""
    with localcontext(EXACT):
        case = Case(facts, allow_open=allow_open)
        orders.check_requests(case)
        orders.check_commands(case)
        for order in facts.orders:
            orders.check_end(case, order)
            orders.check_sums(case, order)
            venues.check_attempts(case, order)
            streams.check_history(case, order)
            streams.check_state_events(case, order)
        for attempt in facts.attempts:
            venues.check_attempt(case, attempt)
        venues.check_unknown(case)
        venues.check_executions(case)
        venues.check_reports(case)
        positions.check_positions(case)
        protection.check_protection(case)
        protection.check_reducers(case)
        reducing.check_reversals(case)
        streams.check_streams(case)
        streams.check_request_events(case)
        streams.check_fill_events(case)
        streams.check_messages(case)
        case.count()
        return case.result
