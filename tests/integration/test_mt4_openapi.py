"""The bridge under requests made of its own description: never a 5xx."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis.core.result import Ok

from tests.expert.rig import CLIENT, Rig

EXAMPLES = 12
OPERATIONS = 12


class Background:
    """A bridge with a terminal on a loop of its own, in a thread of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started = threading.Event()
        self._loop: asyncio.AbstractEventLoop
        self._over: asyncio.Event
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()))
        self.url = ""

    async def _main(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        with suppress(BaseException):
            async with Rig(self._folder) as rig:
                self.url = rig.bridge.url
                self._started.set()
                await self._over.wait()
        self._started.set()

    def start(self) -> None:
        """Return when the bridge answers."""
        self._thread.start()
        self._started.wait()
        assert self.url, "the bridge did not start"

    def stop(self) -> None:
        """End all of it."""
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a bridge whose terminal serves it."""
    background = Background(tmp_path_factory.mktemp("bridge"))
    background.start()
    yield background.url
    background.stop()


def test_no_request_breaks_it(url: str) -> None:
    """Good and bad requests to every route, with the token: answered by what is described."""
    schema = schemathesis.openapi.from_url(
        f"{url}/openapi.json", headers={"Authorization": f"Bearer {CLIENT}"}
    )
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    assert len(operations) == OPERATIONS
    for operation in operations:
        _fuzz(operation.as_strategy(generation_mode=schemathesis.GenerationMode.POSITIVE), url)
        with suppress(Unsatisfiable):  # a route without any input has no bad one
            _fuzz(operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE), url)


def _fuzz(cases: st.SearchStrategy[Any], url: str) -> None:
    @given(case=cases)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        derandomize=True,
    )
    def check(case: Any) -> None:
        if isinstance(case.query, dict):
            case.query.pop("wait", None)
        reply = case.call(base_url=url, headers={"Authorization": f"Bearer {CLIENT}"})
        assert reply.status_code < 500, (case.method, case.path, reply.status_code, reply.text)
        described = case.operation.definition.raw["responses"]
        # A path parameter with a slash or a dot in it may lead to no route at all.
        known = {*map(int, described), 404, 405}
        assert reply.status_code in known, (case.method, case.path, reply.status_code)

    check()
