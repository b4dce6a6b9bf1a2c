"""One PostgreSQL and one Valkey for a run, a database and a fleet of workers for a module.

At the end of the run nothing may be left: no process that the run started, no folder in the
system's temporary folder.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest

from execution.events.access import User
from execution.store.migrate import upgrade
from execution.store.privileges import Role
from execution.supervisor.postgres import EmbeddedPostgres
from execution.supervisor.supervisor import Supervisor
from execution.supervisor.valkey import EmbeddedValkey
from tests.fleet import Fleet, Servers, flush
from tests.least_rights import least_rights

RUN = "EXECUTION_TEST_RUN"
_FOLDER = pytest.StashKey[Path]()
_LEFT = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Mark every process of this run by its environment, and give the run a folder of its own."""
    os.environ[RUN] = uuid4().hex
    folder = Path(tempfile.mkdtemp(prefix="exec-test-"))
    folder.chmod(0o755)
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    config.stash[_FOLDER] = folder
    for name in ("DATABASE_URL", "REDIS_URL", "EXECUTION_ENVIRONMENT", "EXECUTION_HOME"):
        os.environ.pop(name, None)


def _may_stay(path: Path) -> bool:
    """What pytest removes, and empty folders that billiard makes and a killed process leaves."""
    killed = path.name.startswith("pymp-") and not any(path.iterdir())
    return killed or path.name.startswith("pytest-of-")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run that leaves anything behind."""
    config, folder = session.config, session.config.stash[_FOLDER]
    part = getattr(config, "workeroutput", None)  # of a run in several processes (pytest-xdist)
    if part is None and config.getoption("numprocesses", None):
        left = config.stash.get(_LEFT, [])  # its parts have looked, each for what is its own
    else:
        left = [f"process {process.pid}: {process.cmdline()}" for process in _processes()]
        left += [f"{path}" for path in folder.iterdir() if not _may_stay(path)]
    shutil.rmtree(folder)
    if part is not None:
        part["left"] = left
    elif left:
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter.write_line("")
            for line in left:
                reporter.write_line(f"left behind: {line}", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Collect what a part of the run has left behind; one that died cannot say."""
    left = getattr(node, "workeroutput", {}).get("left", ["a part of the run that died"])
    node.config.stash.setdefault(_LEFT, []).extend(left)


def _processes() -> list[psutil.Process]:
    """The processes other than this one that carry the run's mark."""
    found = []
    for process in psutil.process_iter():
        try:
            marked = process.environ().get(RUN) == os.environ[RUN]
            if marked and process.pid != os.getpid() and process.status() != "zombie":
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """The run's own PostgreSQL, with a migrated database as template, and Valkey."""
    home = tmp_path_factory.mktemp("servers") / "home"
    home.mkdir(mode=0o700)
    postgres, valkey = EmbeddedPostgres(home), EmbeddedValkey(home)
    with Supervisor([postgres.spec(), valkey.spec()], home):
        template = postgres.create_database("template")
        upgrade(template)
        yield Servers(postgres, valkey)
    postgres.destroy()


@pytest.fixture
def database_url(servers: Servers) -> Iterator[str]:
    """A fresh migrated database."""
    yield from _database(servers)


@pytest.fixture(scope="module")
def module_database_url(servers: Servers) -> Iterator[str]:
    """A fresh migrated database for a module."""
    yield from _database(servers)


@pytest.fixture(scope="module")
def addresses(servers: Servers, module_database_url: str) -> Iterator[dict[Role | User, str]]:
    """The addresses of the servers, as each of their users has them."""
    with least_rights(servers, module_database_url) as found:
        yield found


def _database(servers: Servers) -> Iterator[str]:
    name = f"test_{uuid4().hex[:12]}"
    yield servers.postgres.create_database(name, template="template")
    servers.postgres.drop_database(name)


@pytest.fixture(scope="module")
def fleet(
    servers: Servers, module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """Workers, beat and a ledger venue in the place of Binance, with a database of their own."""
    flush(servers.valkey.url)
    home = tmp_path_factory.mktemp("fleet") / "home"
    with Fleet(module_database_url, servers.valkey.url, home) as fleet:
        yield fleet
