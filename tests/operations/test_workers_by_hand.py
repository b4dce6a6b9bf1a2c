"""The commands of docs/operations.md, *Workers by hand*, and those of the units, as they stand."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.request import urlopen
from uuid import uuid4

import pytest
import redis

from execution.client import OrderClient
from execution.settings import load
from execution.supervisor.ports import LOOPBACK
from execution.supervisor.services import project_root
from tests.fleet import Servers, flush, wait_until

ROOT = project_root()
SECTION = re.search(
    r"## Workers by hand\n(.*?)\n## ", (ROOT / "docs/operations.md").read_text("utf-8"), re.DOTALL
)
UNITS = sorted((ROOT / "operations/systemd").glob("*.service"))


def commands() -> list[str]:
    """What the section says to run of our own programs, in order."""
    assert SECTION is not None
    blocks = re.findall(r"```console\n(.*?)```", SECTION[1], re.DOTALL)
    lines = [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.startswith(".venv/bin/")]


def argv(command: str, port: int) -> list[str]:
    """A command with this environment's programs, and a free port in the place of 9808."""
    program, *rest = shlex.split(command)
    own = Path(sys.executable).parent / Path(program).name
    return [str(own), *(str(port) if word == "9808" else word for word in rest)]


class ByHand:
    """Processes that were started as the section says, and how each is ready."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self.environment, self.folder = environment, folder
        with socket.socket() as probe:
            probe.bind((LOOPBACK, 0))
            self.port = int(probe.getsockname()[1])
        self.workers: list[Path] = []

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            argv(command, self.port),
            env=self.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def start(self, command: str, stack: ExitStack) -> None:
        """Start a command that goes on."""
        name = uuid4().hex
        ready = self.folder / f"ready-{name}"
        log = stack.enter_context((self.folder / f"log-{name}").open("wb"))
        process = subprocess.Popen(
            argv(command, self.port),
            env={**self.environment, "EXECUTION_READY_FILE": str(ready)},
            cwd=ROOT,
            stdout=log,
            stderr=log,
        )

        def end() -> None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            finally:
                process.kill()

        stack.callback(end)
        if " worker " in command:
            self.workers.append(ready)


@pytest.fixture(autouse=True)
def judged() -> None:
    """There is no fleet to be judged."""


@pytest.fixture
def by_hand(servers: Servers, tmp_path: Path) -> Iterator[ByHand]:
    """An empty database, and the section's commands up to the last, in order."""
    flush(servers.valkey.url)
    name = f"byhand_{uuid4().hex[:8]}"
    url = servers.postgres.create_database(name)
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("IBKR_", "BINANCE_", "MT4_"))},
        "DATABASE_URL": url.replace("postgresql+psycopg2://", "postgresql://"),
        "REDIS_URL": servers.valkey.url,
        "EXECUTION_ENVIRONMENT": "practice",
    }
    by_hand = ByHand(environment, tmp_path)
    with ExitStack() as stack:
        stack.callback(servers.postgres.drop_database, name)
        migrate, *others, _ = commands()
        assert by_hand.run(migrate).returncode == 0
        for command in others:
            by_hand.start(command, stack)
        wait_until(lambda: all(ready.exists() for ready in by_hand.workers), 120, "every worker")
        yield by_hand


def test_as_written(by_hand: ByHand) -> None:
    """Each command runs; an order is filled, beat's sweep runs, metrics answer, doctor is calm."""
    assert len(by_hand.workers) == 5
    settings = load(
        database_url=by_hand.environment["DATABASE_URL"],
        redis_url=by_hand.environment["REDIS_URL"],
    )
    with closing(OrderClient(settings)) as client:
        client.place("SPY", "BUY", "1", client_order_id="hand", reference_price="600")
        order = client.wait("hand", 60)
    assert (order["state"], order["execution_mode"]) == ("FILLED", "PAPER")

    def swept() -> bool:
        with closing(redis.Redis.from_url(by_hand.environment["REDIS_URL"])) as client:
            return client.llen("recovery") == 0

    wait_until(swept, what="the sweep")

    def answers() -> bool:
        try:
            with urlopen(f"http://{LOOPBACK}:{by_hand.port}/metrics", timeout=10) as page:
                return b'execution_sessions{broker="BINANCE"} 1.0' in page.read()
        except OSError:
            return False

    wait_until(answers, 60, "the metrics")

    def calm() -> bool:
        return bool(by_hand.run(commands()[-1]).returncode == 0)

    wait_until(calm, 60, "a calm doctor, once every worker has its session")


def test_processes_are_refused(by_hand: ByHand) -> None:
    """A broker's worker with Celery's default pool says what it needs, and does not start."""
    binance = next(command for command in commands() if "-Q binance" in command)
    done = by_hand.run(binance.replace("-P threads ", "").replace("binance@%h", "other@%h"))
    assert done.returncode == 1
    assert "start it with `-P threads`" in done.stdout + done.stderr


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_units_run_what_the_section_says(unit: Path) -> None:
    """A unit's command is one of the section's, with its queue for the template's name."""
    found = re.search(r"^ExecStart=/opt/execution/(.*)$", unit.read_text("utf-8"), re.MULTILINE)
    assert found is not None
    command = found[1].replace("%i@%H", "binance@%h")
    command = command.replace("${QUEUES}", "binance").replace("${THREADS}", "8")
    assert command in commands()
