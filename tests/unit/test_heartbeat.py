"""A worker's sign of life: touched while nothing is stuck."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from celery.worker import state
from kombu.asynchronous import Hub

from execution.domain.vocabulary import BrokerName
from tests.fleet import wait_until
from workers import heartbeat, registry
from workers.clock import Scheduler
from workers.heartbeat import LOOP_STUCK_AFTER, TASK_STUCK_AFTER, Heartbeat


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the sign is looked for."""
    file = tmp_path / "run" / "heartbeat"
    monkeypatch.setenv(heartbeat.VARIABLE, str(file))
    monkeypatch.setenv(heartbeat.READY_VARIABLE, str(tmp_path / "ready"))
    return file


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A loop that turns when it is told to."""
    hub = Hub()
    yield hub
    hub.close()


@pytest.fixture
def beating(file: Path, hub: Hub) -> Any:
    """The step of a worker with two threads, in its loop."""
    worker = SimpleNamespace(concurrency=2)
    step = Heartbeat(worker)
    assert step.include_if(worker)
    step.register_with_event_loop(worker, hub)
    assert file.exists()
    file.unlink()
    return lambda: step._beat(worker)


@pytest.mark.usefixtures("beating")
def test_by_the_loop(file: Path, hub: Hub) -> None:
    """Again and again, for as long as the loop turns."""

    def turned() -> bool:
        hub.fire_timers()
        return file.exists()

    wait_until(turned, what="the touch")


def test_a_stuck_broker(file: Path, beating: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its loop has not turned: somebody must look."""
    turned = [time.monotonic()]
    session: Any = SimpleNamespace(turned=lambda: turned[0])
    monkeypatch.setitem(registry._sessions, BrokerName.BINANCE, (session,))
    beating()
    assert file.exists()
    file.unlink()
    turned[0] -= LOOP_STUCK_AFTER + 1
    beating()
    assert not file.exists()
    turned[0] = time.monotonic()
    beating()
    assert file.exists()


def test_a_stuck_pool(file: Path, beating: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """One task that takes long is one thread; with all of them held, nothing goes on."""
    long_ago = time.time() - TASK_STUCK_AFTER - 1
    held = [SimpleNamespace(time_start=long_ago), SimpleNamespace(time_start=time.time())]
    monkeypatch.setattr(state, "active_requests", held)
    beating()
    assert file.exists()
    file.unlink()
    held[1].time_start = long_ago
    beating()
    assert not file.exists()


def test_what_is_left_of_an_earlier_start(file: Path) -> None:
    """A container that starts again keeps its files; they mean nothing then."""
    heartbeat.touch(heartbeat.VARIABLE)
    heartbeat.touch(heartbeat.READY_VARIABLE)
    heartbeat.forget()
    assert not file.exists()
    assert not Path(os.environ[heartbeat.READY_VARIABLE]).exists()
    heartbeat.forget()


def test_beat(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beat touches it whenever it looks for what is due."""
    monkeypatch.setattr("celery.beat.Scheduler.tick", lambda self: 2.0)
    assert Scheduler.tick(object.__new__(Scheduler)) == 2.0
    assert file.exists()
