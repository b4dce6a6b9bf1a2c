"""Runs each coroutine case once for every harness that can, each on a loop and venue of its own."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

import pytest

from execution.domain.errors import BrokerUnavailable
from execution.domain.ports import Broker

from .harness import VenueHarness, eventually, has_all
from .paper_harness import PaperHarness


def _harnesses() -> list[type[VenueHarness]]:
    """Every harness named by a `*_harness.py` beside this file."""
    found: list[type[VenueHarness]] = []
    for path in sorted(Path(__file__).parent.glob("*_harness.py")):
        module = importlib.import_module(f".{path.stem}", __package__)
        found.extend(module.HARNESSES)
    return found


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a case the harnesses that have what it needs."""
    if "harness" not in metafunc.fixturenames:
        return
    wanted: frozenset[StrEnum] = getattr(metafunc.function, "needs", frozenset())
    able = [
        harness
        for harness in _harnesses()
        if has_all(harness, wanted) and _takes_part(harness, metafunc.module.__name__)
    ]
    metafunc.parametrize("harness", able, ids=[harness.name for harness in able], indirect=True)


def _takes_part(harness: type[VenueHarness], module: str) -> bool:
    """Whether a harness is for the cases of a module; one may be for some modules only."""
    modules: frozenset[str] | None = getattr(harness, "modules", None)
    return modules is None or module.rpartition(".")[2] in modules


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """A case is a coroutine; its fixtures' loop runs it."""
    runner = pyfuncitem.funcargs.get("runner")
    if not isinstance(runner, asyncio.Runner):
        return None
    names = pyfuncitem._fixtureinfo.argnames  # as pytest itself calls a test
    runner.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    """One event loop for a case and its fixtures."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def harness(
    request: pytest.FixtureRequest, runner: asyncio.Runner, tmp_path: Path
) -> Iterator[VenueHarness]:
    """A running venue with a market of 99 and 101."""
    if request.param is PaperHarness:
        PaperHarness.database_url = request.getfixturevalue("database_url")
    harness: VenueHarness = request.param(tmp_path)

    async def start() -> None:
        await harness.start()
        await harness.set_price("99", "101")

    runner.run(start())
    yield harness
    runner.run(harness.stop())


@pytest.fixture
def broker(harness: VenueHarness, runner: asyncio.Runner) -> Iterator[Broker]:
    """An adapter connected to the venue."""
    broker = harness.adapter()
    runner.run(broker.connect())
    yield broker
    runner.run(broker.close())


@pytest.fixture
def impatient(harness: VenueHarness, runner: asyncio.Runner) -> Iterator[Broker]:
    """A connected adapter that soon gives up on an answer, though not while it connects."""
    broker = harness.adapter(impatient=True)

    async def connected() -> bool:
        try:
            await broker.connect()
        except BrokerUnavailable:
            return False
        return True

    runner.run(eventually(connected))
    yield broker
    runner.run(broker.close())
