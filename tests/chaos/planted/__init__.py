"""Mistakes that break promises, each with the tests that must catch it."""

from tests.chaos.planted import (
    binance,
    brackets,
    changes,
    mt4,
    promises,
    records,
    reducing,
    refusals,
    security,
    steps,
    stores,
    venues,
)
from tests.chaos.planted.bug import Bug

BUGS: tuple[Bug, ...] = (
    *promises.BUGS,
    *steps.BUGS,
    *brackets.BUGS,
    *reducing.BUGS,
    *changes.BUGS,
    *refusals.BUGS,
    *venues.BUGS,
    *records.BUGS,
    *mt4.BUGS,
    *binance.BUGS,
    *stores.BUGS,
    *security.BUGS,
)
