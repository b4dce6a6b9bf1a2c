"""The processes of `execution up`: what each holds, and what its thief could do with it.

Everything is real: the service as one command starts it, from a shell that holds every key; each
attack runs as its own process, with the environment of the process that was broken into.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import pytest
from sqlalchemy.engine import make_url

from execution.events.access import User
from execution.events.lists import QUEUES
from execution.store.privileges import Role
from execution.supervisor import control, postgres
from execution.supervisor.ports import remembered_port
from execution.supervisor.postgres import EmbeddedPostgres
from execution.supervisor.secrets import Secrets
from execution.supervisor.services import WORKER_THREADS, project_root
from tests.fleet import wait_until
from tests.flower import flower_asked, flower_changes

WORKERS = {f"worker-{queue}" for queue in WORKER_THREADS}
SECRETS = {
    "TASK_SIGNING_KEY": (f"service{'k' * 40}", WORKERS | {"beat"}),
    "PRODUCER_SIGNING_KEY": (f"producers{'k' * 40}", WORKERS),
    "BINANCE_API_KEY": ("key-of-binance", {"worker-binance"}),
    "BINANCE_API_SECRET": ("secret-of-binance", {"worker-binance"}),
    "MT4_BRIDGE_TOKEN": ("token-of-mt4", {"worker-mt4"}),
    "HTTPS_PROXY": (
        "http://user:password-of-the-proxy@127.0.0.1:9",
        {"worker-ibkr", "worker-mt4", "worker-binance"},
    ),
    "SOMEBODY_ELSES_PASSWORD": ("password-of-a-stranger", set[str]()),
}
"""What the shell that starts the service holds, and which processes may have it."""
LOGINS: dict[str, tuple[Role | None, User | None]] = {
    **dict.fromkeys(sorted(WORKERS | {"beat"}), (Role.WORK, User.WORK)),
    "flower": (None, User.MONITOR),
    "metrics": (Role.METRICS, User.METRICS),
    "feed": (None, User.FEED),
    "postgres": (None, None),
    "valkey": (None, None),
}
"""As whom each process connects."""
ATTACK = """
import json, os, sys
import redis
from celery import Celery

outcomes = {}
def tries(what, attack):
    try:
        attack()
    except Exception as error:
        outcomes[what] = f"{type(error).__name__}: {error}"
    else:
        outcomes[what] = "done"

client = redis.Redis.from_url(os.environ["REDIS_URL"])
for queue in json.loads(sys.argv[1]):
    for name in (queue, queue + "\\x06\\x163"):
        tries(f"LPUSH {name!r}", lambda: client.lpush(name, "{}"))
tries("EVAL", lambda: client.eval("while true do end", 0))
tries("CONFIG", lambda: client.config_set("maxmemory", 1))
tries("quote", lambda: client.hset("quotes", "SPY", "{}"))
tries("fill", lambda: client.publish("fills", "{}"))
app = Celery("thief", broker=os.environ["REDIS_URL"])
order = {"symbol": "SPY", "side": "BUY", "quantity": "1", "client_order_id": "stolen"}
for options in ({"queue": "orders"}, {}, {"priority": 3}):
    tries(f"order {options}", lambda: app.send_task(
        "tasks.place_order", kwargs=order, retry=False, **options))
print(json.dumps(outcomes))
"""


@dataclass(frozen=True, slots=True)
class Service:
    """A running `execution up`, as its operator and as its thieves see it."""

    home: Path
    processes: dict[str, psutil.Process]

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Rows, as the owner of the database."""
        url = postgres.recorded_url(self.home)
        assert url is not None
        with (
            closing(psycopg2.connect(url.replace("+psycopg2", ""))) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)
            return cursor.fetchall()

    def states(self, prefix: str) -> dict[str, str]:
        """The states of the orders whose ids begin so."""
        rows = self.query("SELECT client_order_id, state FROM orders")
        return {name: state for name, state in rows if name.startswith(prefix)}

    def run(self, *command: str, env: dict[str, str]) -> str:
        """What a program prints; it must end well."""
        done = subprocess.run(
            [sys.executable, *command],
            env=env,
            cwd=project_root(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def producer(self) -> dict[str, str]:
        """The environment that `execution env --producer` gives a producer."""
        mark = {name: os.environ[name] for name in ("PATH", "EXECUTION_TEST_RUN", "TMPDIR")}
        said = self.run(
            *("-m", "execution.cli", "env", "--producer"),
            env={**mark, "EXECUTION_HOME": str(self.home)},
        )
        return mark | dict(re.findall(r"^export (\w+)='?([^'\n]*)'?$", said, re.MULTILINE))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The whole service, started from a shell that holds all secrets there are."""
    home = tmp_path_factory.mktemp("processes") / "home"
    with pytest.MonkeyPatch.context() as shell:
        for name, (value, _) in SECRETS.items():
            shell.setenv(name, value)
        # Nobody is there; nor is a venue needed.
        shell.setenv("BINANCE_API_URL", "http://127.0.0.1:9")
        shell.setenv("MT4_BRIDGE_URL", "http://127.0.0.1:9")
        states = list(control.start_detached(home))
    try:
        yield Service(
            home,
            {
                process.name: psutil.Process(process.pid)
                for process in states[-1].processes
                if process.pid is not None and process.name not in {"migrate", "roles"}
            },
        )
    finally:
        control.stop(home)
        EmbeddedPostgres(home).destroy()


@pytest.mark.parametrize("name", LOGINS)
def test_holds_its_own_secrets_and_no_others(service: Service, name: str) -> None:
    """No process holds a key that another needs, or one that nobody here needs."""
    assert set(service.processes) == set(LOGINS)
    held = "\n".join(service.processes[name].environ().values())
    found = {secret for secret, (value, _) in SECRETS.items() if value in held}
    assert found == {secret for secret, (_, holders) in SECRETS.items() if name in holders}
    own = {"flower"} & {name}
    for other in ("flower", "postgres", "valkey"):
        assert (Secrets(service.home).token(other) in held) == (other in own), other


@pytest.mark.parametrize("name", LOGINS)
def test_logs_in_as_itself(service: Service, name: str) -> None:
    """Nobody is the database's owner, or Redis' user who may do everything."""
    environment = service.processes[name].environ()
    role, user = LOGINS[name]
    for variable, expected in (("DATABASE_URL", role), ("REDIS_URL", user)):
        found = environment.get(variable)
        assert (None if found is None else make_url(found).username) == expected


def test_flowers_api_changes_nothing(service: Service) -> None:
    """With its password nobody places an order, stops a worker or takes its queues away."""
    port = remembered_port(service.home, "flower")
    password = Secrets(service.home).token("flower")
    assert port is not None
    worker = f"orders@{os.uname().nodename}"
    changes = flower_changes(worker)
    assert len(changes) >= 14
    refused = (403, "Read only mode is enabled")
    for path, body in changes.items():
        assert flower_asked(port, path, "execution", password, body) == refused, path
    assert not service.query("SELECT * FROM order_requests WHERE client_order_id = 'by-flower'")
    assert all(service.processes[name].is_running() for name in WORKERS)


@pytest.mark.parametrize("name", ["flower", "metrics", "feed"])
def test_a_thief_of_its_environment(service: Service, name: str) -> None:
    """Who breaks into a process that only looks on can put nothing into any queue."""
    environment = service.processes[name].environ()
    outcomes = json.loads(service.run("-c", ATTACK, json.dumps(QUEUES), env=environment))
    allowed = {"quote"} if name == "feed" else set[str]()
    assert {what for what, outcome in outcomes.items() if outcome == "done"} == allowed
    assert all("ermission" in said for what, said in outcomes.items() if what not in allowed)
    assert not service.states("stolen")
    assert not service.query("SELECT * FROM order_requests WHERE client_order_id = 'stolen'")


def test_the_readmes_producer(service: Service) -> None:
    """Ten lines and no key: in practice any Celery application places an order, with least rights.

    The user is that of producers, and the message is as the README sends it.
    """
    readme = (project_root() / "README.md").read_text(encoding="utf-8")
    code = next(
        block
        for block in re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
        if "send_task" in block
    )
    environment = service.producer()
    assert make_url(environment["REDIS_URL"]).username == User.PRODUCE
    environment.pop("PRODUCER_SIGNING_KEY", None)
    service.run("-c", code, env=environment)
    # Binance is away, and has its grace before the order goes to paper.
    wait_until(lambda: service.states("a-1") == {"a-1": "FILLED"}, 90, "the README's order")


SENDS = """
import os
from celery import Celery
order = {"symbol": "SPY", "side": "BUY", "quantity": "1"}
def send(name, steps=None, **options):
    app = Celery("producer", broker=os.environ["REDIS_URL"])
    if steps:
        app.conf.broker_transport_options = {"priority_steps": steps}
    app.send_task(
        "tasks.place_order", kwargs=order | {"client_order_id": name}, retry=False, **options)
    app.close()
for priority in range(10):
    send(f"urgent-{priority}", queue="orders", priority=priority)
send("urgent-forgotten")
send("urgent-forgotten-7", priority=7)
send("urgent-own-steps", steps=list(range(10)), queue="orders", priority=8)
"""


def test_no_message_is_left_unread(service: Service) -> None:
    """With any priority, of any steps, and without a queue: each is served."""
    service.run("-c", SENDS, env=service.producer())

    def filled() -> bool:
        states = service.states("urgent-")
        return len(states) == 13 and set(states.values()) == {"FILLED"}

    wait_until(filled, 60, what="every order")


def test_doctor_names_a_list_that_nobody_reads(service: Service) -> None:
    """A message in a queue that does not exist is a problem, with the list's name and a count."""
    lost = (
        "import os, sys, redis; redis.Redis.from_url(os.environ['REDIS_URL']).lpush(*sys.argv[1:])"
    )
    worker = service.processes["worker-orders"].environ()
    doctor = [sys.executable, "-m", "execution.cli", "doctor", "--json"]
    environment = {**os.environ, "EXECUTION_HOME": str(service.home)}
    service.run("-c", lost, "orders:3", "{}", "{}", env=worker)
    try:
        done = subprocess.run(
            doctor, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        said = [each for each in json.loads(done.stdout) if each["what"] == "queues"]
        assert done.returncode == 1
        problem = next(each for each in said if each["level"] == "PROBLEM")
        assert "2 messages in the list orders:3, which no worker reads" in problem["said"]
    finally:
        delete = (
            "import os, redis; redis.Redis.from_url(os.environ['REDIS_URL']).delete('orders:3')"
        )
        service.run("-c", delete, env=worker)
