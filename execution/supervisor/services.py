"""The processes of `execution up`: servers, migration, workers, clock, monitor, example feed."""

from __future__ import annotations

import os
import sys
import urllib.request
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import URLError

import execution
from execution.domain.errors import ConfigurationError
from execution.domain.vocabulary import BrokerName
from execution.events.access import User
from execution.store.privileges import Role
from execution.supervisor import environments
from execution.supervisor.home import prepare_home, private_folder
from execution.supervisor.ports import LOOPBACK, free_port
from execution.supervisor.postgres import EmbeddedPostgres
from execution.supervisor.process import ProcessSpec
from execution.supervisor.secrets import Secrets
from execution.supervisor.valkey import EmbeddedValkey

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from execution.settings import Settings

SERVERS, MIGRATION, ROLES, SERVICES = range(4)
"""The stages, in order."""
WORKER_THREADS = {"orders": 4, "ibkr": 8, "mt4": 8, "binance": 8, "paper": 4}
"""Threads of the worker of each queue."""
QUEUES = {"orders": "orders,recovery,paper", "paper": "paper,orders,recovery"}
"""What a worker serves beside the queue it is named by. Recovery never waits behind the intake.

Paper is no connection that one worker must own, so the two that serve it take orders in and recover
them as well: a paper order then goes its whole way in one process, and either may be away.
"""
WORKER_GRACE = 20.0
"""Seconds a worker may take to finish what it has begun: longer than one call to a venue."""


PRODUCERS = "producer_signing_key"
"""The key of producers, in the home's secrets and as a setting."""


@dataclass(frozen=True, slots=True)
class Stores:
    """The servers of one `execution up`: those that it runs, and how each process logs in.

    To a server of the operator's own every process has the one address that is set.
    """

    settings: Settings
    home: Path
    postgres: EmbeddedPostgres | None
    valkey: EmbeddedValkey | None

    def database(self, role: Role | None) -> dict[str, str]:
        """Return the environment of a role of the database; None is its owner."""
        if self.postgres is None:
            url = self.settings.require_database_url()
            return environments.database(os.environ) | {"DATABASE_URL": url}
        return {"DATABASE_URL": self.postgres.url if role is None else self.postgres.url_as(role)}

    def redis(self, user: User) -> dict[str, str]:
        """Return the environment of a user of Redis."""
        url = self.settings.require_redis_url() if self.valkey is None else self.valkey.url_as(user)
        return {"REDIS_URL": url}

    def producers_key(self) -> dict[str, str]:
        """Return what verifies producers' signatures: the caller's key, or the home's."""
        given = environments.keys(os.environ, PRODUCERS)
        return given or {PRODUCERS.upper(): Secrets(self.home).token(PRODUCERS)}


def service_specs(settings: Settings, home: Path, *, feed: bool = True) -> list[ProcessSpec]:
    """Return what `execution up` runs, in starting order.

    PostgreSQL and Valkey are among them only where `settings` names no server. Each process has in
    its environment what it needs and nothing else. Call it while the home is claimed: it chooses
    the ports, and a dead supervisor's servers must be gone by then.
    Raises ConfigurationError when an embedded server cannot run here.
    """
    home = prepare_home(home)
    stores = Stores(
        settings,
        home,
        postgres=EmbeddedPostgres(home) if settings.database_url is None else None,
        valkey=EmbeddedValkey(home) if settings.redis_url is None else None,
    )
    specs: list[ProcessSpec] = []
    if stores.postgres is not None:
        specs.append(stores.postgres.spec(stage=SERVERS))
    if stores.valkey is not None:
        specs.append(stores.valkey.spec(stage=SERVERS))
    own = {**environments.settings(os.environ), "EXECUTION_HOME": str(home)}
    owner = {**own, **stores.database(None)}
    specs.append(
        module_spec("migrate", ["execution.cli", "migrate"], owner, MIGRATION, restart=False)
    )
    if stores.postgres is not None:
        grant = ["execution.cli", "roles", "--apply", "--embedded"]
        specs.append(module_spec("roles", grant, owner, ROLES, restart=False))
    sends = {
        **own,
        **environments.keys(os.environ, "task_signing_key"),
        **stores.database(Role.WORK),
        **stores.redis(User.WORK),
    }
    for queue in WORKER_THREADS:
        env = {**sends, **stores.producers_key(), **_of_broker(queue)}
        specs.append(worker_spec(queue, home, env))
    specs.append(beat_spec(home, sends))
    watches = {**environments.system(os.environ), **stores.redis(User.MONITOR)}
    specs.append(flower_spec(home, watches))
    measures = {**own, **stores.database(Role.METRICS), **stores.redis(User.METRICS)}
    specs.append(metrics_spec(home, measures))
    if feed:
        quotes = {**own, **stores.redis(User.FEED)}
        specs.append(module_spec("feed", ["examples.feed"], quotes, SERVICES))
    return specs


def _of_broker(queue: str) -> dict[str, str]:
    """Return the keys and settings of the broker that a queue's worker is connected to."""
    found = [broker for broker in environments.BROKERS if broker.queue == queue]
    return environments.broker(os.environ, BrokerName(found[0])) if found else {}


def project_root() -> Path:
    """Return the folder with celeryconfig.py; ConfigurationError when it is not there."""
    root = Path(execution.__file__).resolve().parent.parent
    if not (root / "celeryconfig.py").is_file():
        raise ConfigurationError(f"no celeryconfig.py in {root}: run from a checkout")
    return root


def module_spec(
    name: str, module: list[str], env: Mapping[str, str], stage: int, *, restart: bool = True
) -> ProcessSpec:
    """Return how to run `python -m MODULE ARGUMENTS…` as a process."""
    argv = (sys.executable, "-m", *module)
    return ProcessSpec(name, argv, env, project_root(), stage, restart=restart)


def _celery(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "celery", "-A", "workers.app", *arguments)


def worker_spec(queue: str, home: Path, env: Mapping[str, str], number: int = 1) -> ProcessSpec:
    """Return how to run a worker of one queue, the `number`th, ready once it takes messages."""
    name = queue if number == 1 else f"{queue}-{number}"
    mark = private_folder(home / "run") / f"ready-{name}"
    return ProcessSpec(
        name=f"worker-{name}",
        argv=(
            *_celery("worker", "-Q", QUEUES.get(queue, queue), "-n", f"{name}@%h"),
            *("-P", "threads", "-c", str(WORKER_THREADS[queue])),
            *("--without-mingle", "--without-gossip", "-E", "--loglevel", "INFO"),
        ),
        env={**env, "EXECUTION_READY_FILE": str(mark)},
        cwd=project_root(),
        stage=SERVICES,
        ready=mark.exists,
        before_start=lambda: mark.unlink(missing_ok=True),
        grace=WORKER_GRACE,
    )


def beat_spec(home: Path, env: Mapping[str, str]) -> ProcessSpec:
    """Return how to run the clock that sends the periodic tasks."""
    del home  # it keeps no file
    return ProcessSpec("beat", _celery("beat", "--pidfile="), env, project_root(), SERVICES)


def flower_spec(home: Path, env: Mapping[str, str]) -> ProcessSpec:
    """Return how to run Flower, the monitor, on loopback with a password; it changes nothing."""
    port = free_port(home, "flower")
    # In the environment, because every user of the machine can read command lines.
    env = {**env, "FLOWER_BASIC_AUTH": f"execution:{Secrets(home).token('flower')}"}
    return ProcessSpec(
        name="flower",
        argv=_celery("flower", f"--address={LOOPBACK}", f"--port={port}", "--read_only=True"),
        env=env,
        cwd=project_root(),
        stage=SERVICES,
        ready=_answers(f"http://{LOOPBACK}:{port}/healthcheck"),
    )


def metrics_spec(home: Path, env: Mapping[str, str]) -> ProcessSpec:
    """Return how to run the Prometheus endpoint, on loopback; it needs no password to be read."""
    port = free_port(home, "metrics")
    spec = module_spec("metrics", ["execution.cli", "metrics", f"--port={port}"], env, SERVICES)
    return replace(spec, ready=_answers(f"http://{LOOPBACK}:{port}/metrics"))


def _answers(url: str) -> Callable[[], bool]:
    # Loopback must not go through the caller's HTTP proxy.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ask() -> bool:
        try:
            with opener.open(url, timeout=1) as answer:
                return bool(answer.status == 200)  # noqa: PLR2004  HTTP OK
        except (URLError, OSError):
            return False

    return ask
