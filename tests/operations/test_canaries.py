"""Secrets that can be recognised are sent through every path; none may come out anywhere."""

from __future__ import annotations

import json
import os
import pickle
import secrets
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import redis
from sqlalchemy.engine import make_url

from execution.client import OrderClient
from execution.domain.errors import ExecutionError
from execution.settings import Settings, load
from execution.supervisor.services import project_root
from tests.fleet import Fleet, Servers, flush, wait_until
from tests.monitor import Monitor
from tests.operations.test_compose import free_port

MARK = "canary"
CANARIES = {
    name: f"{MARK}-{name.lower()}-{secrets.token_hex(16)}"
    for name in (
        "BINANCE_API_KEY",
        "BINANCE_API_SECRET",
        "MT4_BRIDGE_TOKEN",
        "TASK_SIGNING_KEY",
        "PRODUCER_SIGNING_KEY",
        "DATABASE_PASSWORD",
        "REDIS_PASSWORD",
    )
}


def canaries_in(text: str) -> list[str]:
    """The names of the secrets that a text gives away."""
    return [name for name, value in CANARIES.items() if value in text or quote(value) in text]


def wrong(url: str, password: str) -> str:
    """An address of a server that runs, with a password that it does not take."""
    return make_url(url).set(password=password).render_as_string(hide_password=False)


@pytest.fixture(scope="module")
def fleet(
    servers: Servers, module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """Workers that say all they can, with keys to brokers of which none answers."""
    flush(servers.valkey.url)
    home = tmp_path_factory.mktemp("canaries") / "home"
    nobody = f"http://127.0.0.1:{free_port()}"
    with Fleet(
        module_database_url,
        servers.valkey.url,
        home,
        queues=("orders", "binance", "mt4"),
        ready=("PAPER",),
        environment={
            "LEDGER_BROKERS": "ibkr",
            "BINANCE_API_URL": nobody,
            "MT4_BRIDGE_URL": nobody,
            "LOG_LEVEL": "DEBUG",
            "REQUIRE_SIGNED_INTAKE": "true",
            **{name: value for name, value in CANARIES.items() if "PASSWORD" not in name},
        },
    ) as fleet:
        yield fleet


@pytest.fixture
def own(fleet: Fleet) -> list[str]:
    """The passwords that work, which must come out as little as those that do not."""
    found = [make_url(url).password for url in (fleet.database_url, fleet.redis_url)]
    return [password for password in found if password]


def everything_stored(fleet: Fleet) -> str:
    """All rows of all tables, and all that is in Redis, as text."""
    tables = [
        row["name"]
        for row in fleet.query(
            "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public'"
        )
    ]
    parts = [str(row) for table in tables for row in fleet.query(f"SELECT t::text FROM {table} t")]
    client: Any
    with closing(redis.Redis.from_url(fleet.redis_url)) as client:
        read = {
            b"string": client.get,
            b"hash": client.hgetall,
            b"list": lambda key: client.lrange(key, 0, -1),
            b"set": client.smembers,
            b"zset": lambda key: client.zrange(key, 0, -1),
        }
        for key in client.scan_iter():
            kind = client.type(key)
            parts.append(f"{key} {read[kind](key) if kind in read else ''}")
    return "\n".join(parts)


def test_orders_and_what_is_told_of_them(fleet: Fleet, own: list[str]) -> None:
    """Orders turn to paper because their brokers fail; nothing that is kept or said has a key."""
    settings = load(
        database_url=fleet.database_url,
        redis_url=fleet.redis_url,
        producer_signing_key=CANARIES["PRODUCER_SIGNING_KEY"],
    )
    with closing(Monitor(fleet.redis_url)) as monitor:
        with closing(OrderClient(settings)) as client:
            for name, symbol in {"c-binance": "BTC-USDT", "c-mt4": "EURUSD"}.items():
                client.place(symbol, "BUY", "1000", client_order_id=name)
            client.place("BTC-USDT", "BUY", "1", client_order_id="c-wait", on_failure="wait")
            for name in ("c-binance", "c-mt4"):
                assert fleet.await_state(name, "FILLED", timeout=60)["execution_mode"] == "PAPER"
            fleet.send(symbol="SPY", side="BUY", quantity="1")  # unsigned: an alert
            wait_until(
                lambda: fleet.query("SELECT * FROM alerts WHERE kind = 'UNTRUSTED_MESSAGE'"),
                what="the alert",
            )
            wait_until(
                lambda: fleet.query("SELECT * FROM alerts WHERE kind = 'WAITING'"), what="waiting"
            )
            client.cancel("c-wait")
            fleet.await_state("c-wait", "CANCELLED")
        told = json.dumps(monitor.heard, default=str)
    assert "c-binance" in told
    asked = fleet.celery.control.inspect(timeout=5, limit=4)
    said = [
        told,
        str(fleet.tap._messages),
        everything_stored(fleet),
        *(str(question()) for question in (asked.conf, asked.stats, asked.report, asked.active)),
    ]
    logs = (fleet.home / "logs").iterdir()
    said += [log.read_text(encoding="utf-8", errors="replace") for log in logs]
    text = "\n".join(said)
    assert "task_default_queue" in text  # conf has answered
    assert canaries_in(text) == []
    where = [
        part[max(0, part.find(word) - 60) :][:60] for part in said for word in own if word in part
    ]
    assert where == []


COMMANDS = [
    ("DATABASE_URL", "doctor"),
    ("DATABASE_URL", "recover"),
    ("DATABASE_URL", "migrate"),
    ("DATABASE_URL", "roles"),
    ("DATABASE_URL", "place", "SPY", "BUY", "1"),
    ("REDIS_URL", "doctor", "--json"),
    ("REDIS_URL", "recover"),
    ("REDIS_URL", "place", "SPY", "BUY", "1"),
    (None, "doctor"),
    (None, "status"),
]


@pytest.mark.parametrize(("broken", "command"), [(broken, rest) for broken, *rest in COMMANDS])
def test_command_line(fleet: Fleet, own: list[str], broken: str | None, command: list[str]) -> None:
    """Whatever it cannot reach, it does not say with which password."""
    addresses = {
        "DATABASE_URL": wrong(fleet.database_url, CANARIES["DATABASE_PASSWORD"]),
        "REDIS_URL": wrong(fleet.redis_url, CANARIES["REDIS_PASSWORD"]),
    }
    changed = {} if broken is None else {broken: addresses[broken]}
    said = fleet.cli(*command, **changed)
    text = said.stdout + said.stderr
    assert canaries_in(text) == []
    assert not [password for password in own if password in text]
    if broken == "DATABASE_URL" and command[0] != "doctor":
        assert said.returncode == 1, text
        assert "Traceback" not in text, text


@pytest.mark.parametrize("broken", ["DATABASE_URL", "REDIS_URL"])
def test_worker(fleet: Fleet, own: list[str], broken: str, tmp_path: Path) -> None:
    """A worker that is refused says by whom and as whom; the rest stays its own."""
    address = {"DATABASE_URL": fleet.database_url, "REDIS_URL": fleet.redis_url}[broken]
    password = CANARIES[f"{broken.removesuffix('_URL')}_PASSWORD"]
    log = tmp_path / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "celery", "-A", "workers.app", "worker"),
                *("-Q", "paper", "-P", "threads"),
            ],
            env={**fleet.environment, broken: wrong(address, password)},
            cwd=project_root(),
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    try:
        complaint = {
            "DATABASE_URL": "password authentication",
            "REDIS_URL": "invalid username-password",
        }[broken]
        wait_until(lambda: complaint in log.read_text(errors="replace"), 60, "the complaint")
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
    text = log.read_text(errors="replace")
    assert canaries_in(text) == []
    assert not [other for other in own if other in text]


def settings_with_canaries() -> Settings:
    """Every secret there is."""
    return load(
        database_url=f"postgresql://u:{CANARIES['DATABASE_PASSWORD']}@127.0.0.1:{free_port()}/x",
        redis_url=f"redis://:{CANARIES['REDIS_PASSWORD']}@127.0.0.1:{free_port()}/0",
        **{name.lower(): value for name, value in CANARIES.items() if "PASSWORD" not in name},
    )


def test_settings() -> None:
    """They show no secret, in whatever form they are shown."""
    settings = settings_with_canaries()
    shown = [repr(settings), str(settings), f"{settings!r:>9}", str(settings.model_dump())]
    shown += [settings.model_dump_json(), repr(settings.signer()), str(vars(settings))]
    assert canaries_in("".join(shown)) == []
    assert canaries_in(pickle.dumps(settings).decode("latin-1"))  # so do not send it anywhere


def test_tracebacks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does an error, with its causes and contexts: of values that are wrong, or unreachable."""
    failures: list[BaseException] = []
    for name in ("database_url", "task_signing_key", "binance_api_key"):
        with pytest.raises(ExecutionError) as refused:
            load(**{name: {"not": CANARIES["BINANCE_API_KEY"]}})
        failures.append(refused.value)
    monkeypatch.setenv("SYMBOL_OVERRIDES", CANARIES["BINANCE_API_KEY"])
    with pytest.raises(ExecutionError) as refused:
        load()
    failures.append(refused.value)
    monkeypatch.delenv("SYMBOL_OVERRIDES")
    with pytest.raises(ExecutionError) as unreachable:
        OrderClient(settings_with_canaries())
    failures.append(unreachable.value)
    text = "".join("".join(traceback.format_exception(failure)) for failure in failures)
    assert canaries_in(text) == []
