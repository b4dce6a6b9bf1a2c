"""Operators' commands from a shell that lacks EXECUTION_ENVIRONMENT, on a production database."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from execution.domain.vocabulary import Environment
from execution.store import stamp
from execution.store.engine import Store
from execution.supervisor.services import project_root
from tests.fleet import Servers, flush

Cli = Callable[..., subprocess.CompletedProcess[str]]
KEY = "k" * 43


@pytest.fixture
def cli(servers: Servers, database_url: str, tmp_path: Path) -> Cli:
    """The command line on a database that is stamped `production`, without that variable."""
    flush(servers.valkey.url)
    with closing(Store(database_url)) as store, store.transaction() as connection:
        stamp.verify(connection, Environment.PRODUCTION)
    own = {name: value for name, value in os.environ.items() if not name.startswith("EXECUTION_E")}
    addresses = {"DATABASE_URL": database_url, "REDIS_URL": servers.valkey.url}

    def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "execution.cli", *arguments],
            env={**own, **addresses, "EXECUTION_HOME": str(tmp_path), **more},
            cwd=project_root(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.mark.parametrize(
    "command",
    [
        ("halt", "--reason", "a drill"),
        ("resume", "--reason", "a drill"),
        ("limits", "set", "max_notional", "10000"),
        ("recover",),
        ("cancel", "no-such-order", "--wait", "0"),
    ],
    ids=lambda command: command[0],
)
def test_takes_the_databases_environment_and_says_so(cli: Cli, command: tuple[str, ...]) -> None:
    """In an emergency nothing is refused for a variable that the shell lacks."""
    done = cli(*command)
    assert "environment: production\n" in done.stderr
    assert "EXECUTION_ENVIRONMENT" not in done.stderr
    assert done.returncode == 0, done.stderr


def test_a_halt_holds(cli: Cli, database_url: str) -> None:
    """It is in the database, and what is printed for programs stays what it was."""
    done = cli("halt", "--reason", "a drill", "--json")
    assert json.loads(done.stdout)["state"] == "HALTED"
    with closing(Store(database_url)) as store, store.statement() as connection:
        rows = connection.exec_driver_sql("SELECT state FROM trading_states").scalars().all()
    assert "HALTED" in rows


@pytest.mark.parametrize(
    "command",
    [
        ("place", "SPY", "BUY", "1"),
        ("modify", "no-such-order", "--quantity", "2"),
        ("arbitrage", "run", "--once"),
    ],
    ids=lambda command: command[0],
)
def test_what_spends_money_needs_the_variable(
    cli: Cli, database_url: str, command: tuple[str, ...]
) -> None:
    """No real money by default: who means it says so."""
    done = cli(*command)
    assert done.returncode == 1
    assert "EXECUTION_ENVIRONMENT is practice" in done.stderr
    with closing(Store(database_url)) as store, store.statement() as connection:
        assert not connection.exec_driver_sql("SELECT * FROM order_requests").all()


def test_a_shell_of_the_other_environment_is_refused(cli: Cli) -> None:
    """Who says `practice` does not mean this database."""
    done = cli("halt", "--reason", "a drill", EXECUTION_ENVIRONMENT="practice")
    assert done.returncode == 1
    assert "this database holds orders of production" in done.stderr


def said(done: subprocess.CompletedProcess[str], what: str) -> list[tuple[str, str]]:
    """The doctor's findings about something, with their levels."""
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return [(each["level"], each["said"]) for each in found if each["what"] == what]


def test_the_doctor_names_what_is_not_signed(cli: Cli) -> None:
    """Production without a producers' key, with an unsigned intake, without a key of its own."""
    ((first, without), (second, database)) = said(cli("doctor", "--json"), "signatures")
    assert (first, second) == ("PROBLEM", "note")
    assert "PRODUCER_SIGNING_KEY is not set here" in without
    assert "TASK_SIGNING_KEY is not set here" in database
    keys = {"TASK_SIGNING_KEY": KEY, "PRODUCER_SIGNING_KEY": KEY}
    assert not said(cli("doctor", "--json", **keys), "signatures")
    done = cli("doctor", "--json", REQUIRE_SIGNED_INTAKE="false", **keys)
    ((level, unsigned),) = said(done, "signatures")
    assert level == "PROBLEM"
    assert "whoever can write to Redis can place an order" in unsigned
    assert done.returncode == 1
