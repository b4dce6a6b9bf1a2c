"""Stops and targets as they stand at the venues now, by the oracle's own formulas."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import localcontext

from tests.fleet import Fleet
from tests.oracle import Facts, Venue
from tests.oracle.case import EXACT, Case
from tests.oracle.protection import Cover, covers
from tests.oracle.sources import ledger, paper_book, query

TABLES = {"orders": "SELECT * FROM orders", "attempts": "SELECT * FROM order_attempts"}


def case_of(database_url: str, venues: Sequence[Venue]) -> Case:
    """Orders and attempts beside what the venues held just before: an order there has its row."""
    tables = query(database_url, TABLES)
    facts = Facts(orders=tables["orders"], attempts=tables["attempts"], venues=[*venues])
    return Case(facts, allow_open=True)


def standing_covers(fleet: Fleet) -> list[Cover]:
    """Every stop and target of a fleet's brackets."""
    held = [ledger(venue.control_url, {venue.broker}) for venue in fleet.venues]
    with localcontext(EXACT):
        return list(covers(case_of(fleet.database_url, [paper_book(fleet.database_url), *held])))
