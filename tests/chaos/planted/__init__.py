"""Mistakes that break promises, each with the tests that must catch it."""

from tests.chaos.planted import promises
from tests.chaos.planted.bug import Bug

BUGS: tuple[Bug, ...] = (*promises.BUGS,)
