"""The processes of `execution up`: servers, migration, workers, clock, monitor, example feed."""

from __future__ import annotations

import os
import sys
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import URLError

import execution
from execution.domain.errors import ConfigurationError
from execution.supervisor.home import prepare_home, private_folder
from execution.supervisor.ports import LOOPBACK, free_port
from execution.supervisor.postgres import EmbeddedPostgres
from execution.supervisor.process import ProcessSpec
from execution.supervisor.secrets import Secrets
from execution.supervisor.valkey import EmbeddedValkey

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from execution.settings import Settings

SERVERS, MIGRATION, SERVICES = range(3)
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


def service_specs(settings: Settings, home: Path, *, feed: bool = True) -> list[ProcessSpec]:
    """Return what `execution up` runs, in starting order.

    PostgreSQL and Valkey are among them only where `settings` names no server. Call it while the
    home is claimed: it chooses the ports, and a dead supervisor's servers must be gone by then.
    Raises ConfigurationError when an embedded server cannot run here.
    """
    home = prepare_home(home)
    specs: list[ProcessSpec] = []
    if settings.database_url is None:
        postgres = EmbeddedPostgres(home)
        database_url = postgres.url
        specs.append(postgres.spec(stage=SERVERS))
    else:
        database_url = settings.database_url.get_secret_value()
    if settings.redis_url is None:
        valkey = EmbeddedValkey(home)
        redis_url = valkey.url
        specs.append(valkey.spec(stage=SERVERS))
    else:
        redis_url = settings.redis_url.get_secret_value()
    env = {
        **os.environ,
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "EXECUTION_HOME": str(home),
    }
    specs.append(
        module_spec("migrate", ["execution.cli", "migrate"], env, MIGRATION, restart=False)
    )
    specs += [worker_spec(queue, home, env) for queue in WORKER_THREADS]
    specs.append(beat_spec(home, env))
    specs.append(flower_spec(home, env))
    specs.append(metrics_spec(home, env))
    if feed:
        specs.append(module_spec("feed", ["examples.feed"], env, SERVICES))
    return specs


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
    """Return how to run Flower, the monitor, on loopback with a password."""
    port = free_port(home, "flower")
    # In the environment, because every user of the machine can read command lines.
    env = {**env, "FLOWER_BASIC_AUTH": f"execution:{Secrets(home).token('flower')}"}
    return ProcessSpec(
        name="flower",
        argv=_celery("flower", f"--address={LOOPBACK}", f"--port={port}"),
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
