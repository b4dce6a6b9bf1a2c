"""Mistakes that break promises, each with the tests that must catch it."""

from tests.chaos.planted import brackets, changes, promises, steps, venues
from tests.chaos.planted.bug import Bug

BUGS: tuple[Bug, ...] = (*promises.BUGS, *steps.BUGS, *brackets.BUGS, *venues.BUGS, *changes.BUGS)
