"""Flower as operators find it: closed without its password, tasks by name, orders by their id."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from execution.supervisor.home import prepare_home
from execution.supervisor.ports import remembered_port
from execution.supervisor.secrets import Secrets
from execution.supervisor.services import flower_spec
from execution.supervisor.supervisor import Supervisor
from tests.fleet import Fleet, wait_until


@pytest.fixture
def flower(fleet: Fleet, tmp_path: Path) -> Iterator[Path]:
    """Flower beside the fleet, with a home of its own."""
    home = prepare_home(tmp_path / "home")
    with Supervisor([flower_spec(home, fleet.environment)], home):
        yield home


def ask(home: Path, path: str, *, password: str | None) -> Any:
    """Flower's answer to a request; HTTPError where it refuses."""
    request = urllib.request.Request(f"http://127.0.0.1:{remembered_port(home, 'flower')}{path}")
    if password is not None:
        token = base64.b64encode(f"execution:{password}".encode()).decode()
        request.add_header("Authorization", f"Basic {token}")
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - loopback
        return answer.read()


@pytest.mark.parametrize("path", ["/", "/api/tasks", "/api/workers"])
@pytest.mark.parametrize("password", [None, "guessed"])
def test_closed_without_the_password(flower: Path, path: str, password: str | None) -> None:
    """Neither page nor API answers without the generated password."""
    with pytest.raises(urllib.error.HTTPError, match="401"):
        ask(flower, path, password=password)


@pytest.mark.parametrize(("symbol", "shown"), [("SPY", "PAPER"), ("BTC-USDT", "LIVE BINANCE")])
def test_every_step_of_an_order_by_its_id(
    fleet: Fleet, flower: Path, symbol: str, shown: str
) -> None:
    """The eight steps stand there under their names, with the order's id as argument.

    From step 3 on, where an order has a broker, they say whether it is on paper or live.
    """
    name, password = f"flower-{uuid4().hex[:8]}", Secrets(flower).token("flower")
    ask(flower, "/", password=password)
    fleet.send(symbol=symbol, side="BUY", quantity="1", client_order_id=name)
    order_id = str(fleet.await_state(name, "FILLED")["order_id"])

    def steps() -> dict[str, str] | None:
        tasks = json.loads(ask(flower, "/api/tasks", password=password)).values()
        ours = [task for task in tasks if order_id in (task["args"] or "")]
        done = {task["name"]: task["kwargs"] for task in ours if task["state"] == "SUCCESS"}
        return done if len(done) == 8 else None

    found = wait_until(steps, what="eight finished tasks in Flower")
    assert {found["tasks.create_order"], found["tasks.persist_order"]} == {"{}"}
    assert {
        found[name] for name in found.keys() - {"tasks.create_order", "tasks.persist_order"}
    } == {shown}
