"""Text of others on an operator's terminal: it is shown as it is, and nothing of it is obeyed."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.sql
import pytest
import redis

from execution.client import OrderClient
from execution.printable import json_text, printable
from execution.settings import load
from execution.store.engine import Store
from tests.fleet import Servers, flush
from tests.integration.stored import apply, submitted, trade

ROOT = Path(__file__).parents[2]
MARKUP = r"\[/x] [red]r[/red] [link=http://evil]l[/link] :smile:"
HIDDEN = "\x1b[8m"
SEQUENCES = (
    f"{HIDDEN}hidden\x1b[2J\x1b]52;c;ZXZpbA==\x07\x9b2K\x9d0;t\x9c\x1bP+q\x1b\\"
    "\rFILLED\nFILLED\b\x7f\u202egnitseretni\u2066\u200b\u2028"
)
HOSTILE = MARKUP + SEQUENCES
SHOWN = r"\x1b[8mhidden\x1b[2J\x1b]52;c;ZXZpbA==\x07\x9b2K\x9d0;t\x9c\x1bP+q\x1b\\rFILLED\nFILLED"
STYLE = re.compile(r"\x1b\[[0-9;]*m")
"""What Rich sends to colour a state."""
WIDTH = 4000

CODED = frozenset(
    {
        *("action", "asset_class", "broker", "currency", "direction", "end_cause", "environment"),
        *("execution_mode", "interval", "kind", "on_failure", "order_state", "order_type"),
        *("outcome", "payload_hash", "phase", "purpose", "requested_broker", "role", "scope"),
        *("side", "state", "status", "step", "stream", "time_in_force", "type", "reported_state"),
        *("said", "revised", "name", "version_num", "key", "secret", "queue"),
    }
)
"""Columns whose text is ours: names of states and the like, which programs compare."""


class Terminal:
    """Runs commands as an operator does: in a process of their own, at a terminal."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = {**os.environ, "TERM": "xterm-256color", **environment}

    def run(self, *arguments: str, code: Sequence[str] = ("-m", "execution.cli")) -> str:
        """Everything that the terminal receives."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, WIDTH, 0, 0))
        with subprocess.Popen(
            [sys.executable, *code, *arguments],
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
        ) as process:
            os.close(theirs)
            received = bytearray()
            watch = threading.Timer(60, process.kill)
            watch.start()
            with suppress(OSError):  # the other end is closed
                while piece := os.read(ours, 65536):
                    received += piece
            os.close(ours)
            process.wait(60)
            watch.cancel()
        self.status = process.returncode
        return received.decode().replace("\r\n", "\n")


def obeyed(received: str) -> list[str]:
    """What a terminal would obey of it, or not show, colours of ours apart."""
    assert HIDDEN not in received
    return [char for char in STYLE.sub("", received) if char != "\n" and not char.isprintable()]


@pytest.fixture(scope="module")
def terminal(
    servers: Servers, module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Terminal:
    """A database in which every text that is not ours is hostile, and such quotes in Redis."""
    flush(servers.valkey.url)
    settings = load(database_url=module_database_url, redis_url=servers.valkey.url)
    with closing(Store(module_database_url)) as store, closing(OrderClient(settings)) as client:
        order = submitted(store)
        apply(store, order, trade(order, "1", "3", "64010"))
        submitted(store)
        client.place(HOSTILE, HOSTILE, HOSTILE, client_order_id=HOSTILE)
        client.cancel(order.client_order_id, cancel_id="c-1")
        with store.transaction() as link:
            link.exec_driver_sql(ROWS)
    poison(module_database_url)
    with closing(redis.Redis.from_url(servers.valkey.url)) as valkey:
        quote = {"bid": "1", "ask": "2", "at": "2026-11-30T00:00:00.000000Z", "source": HOSTILE}
        book = {"symbol": HOSTILE, "bids": [[HOSTILE, "1"]], "asks": [["2", HOSTILE]]}
        valkey.hset("quotes", f"BTC-USDT{HOSTILE}", json.dumps(quote))
        valkey.hset("quotes", "BTC-USDT", json.dumps(quote))
        valkey.set("book:BTC-USDT", json.dumps({**book, "at": HOSTILE, "source": HOSTILE}))
    return Terminal(
        {
            "DATABASE_URL": module_database_url,
            "REDIS_URL": servers.valkey.url,
            "EXECUTION_HOME": str(tmp_path_factory.mktemp("home")),
        }
    )


ROWS = """
INSERT INTO alerts (kind, key, message) VALUES ('UNKNOWN_ORDER', 'k', 'm');
INSERT INTO dead_letters (queue, task, message_id, reason, headers, body, size)
VALUES ('orders', 't', 'm', 'r', 'h', 'b', 1);
INSERT INTO broker_sessions (session_id, broker, worker, status, detail)
VALUES (gen_random_uuid(), 'BINANCE', 'w', 'DOWN', 'd');
INSERT INTO risk_limits (kind, value, strategy, set_by, reason)
VALUES ('max_notional', 1, 's', 'w', 'r');
"""


def poison(url: str) -> None:
    """Put the hostile text behind every text of the database that is not ours."""
    link = psycopg2.connect(url.replace("postgresql+psycopg2://", "postgresql://"))
    with closing(link), link, link.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # no trigger is asked
        cursor.execute(
            """SELECT table_name, column_name FROM information_schema.columns
            JOIN information_schema.tables USING (table_schema, table_name)
            WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND data_type = 'text'
                AND is_generated = 'NEVER'"""
        )
        for table, column in cursor.fetchall():
            if column in CODED:
                continue
            cursor.execute("SAVEPOINT one")
            try:
                cursor.execute(
                    psycopg2.sql.SQL("UPDATE {0} SET {1} = coalesce({1}, '') || %s").format(
                        psycopg2.sql.Identifier(table), psycopg2.sql.Identifier(column)
                    ),
                    (HOSTILE,),
                )
            except psycopg2.errors.CheckViolation:
                cursor.execute("ROLLBACK TO SAVEPOINT one")


LISTINGS = [
    *(["orders"], ["alerts", "--all"], ["dead-letters"], ["positions"], ["quotes"], ["brokers"]),
    *(["order-book", "BTC-USDT"], ["limits", "list"], ["limits", "history"], ["book", "--list"]),
    *(["events"], ["events", "--stream", "orders"]),
]


@pytest.mark.parametrize("command", LISTINGS, ids=" ".join)
def test_listings(terminal: Terminal, command: list[str]) -> None:
    """Nothing is obeyed, nothing is hidden, for people and as JSON."""
    text = terminal.run(*command)
    assert obeyed(text) == []
    assert terminal.status == 0, text
    if command[0] in {"orders", "alerts", "dead-letters", "quotes", "order-book", "brokers"}:
        assert MARKUP in text
        assert SHOWN in text
    document = terminal.run(*command, "--json")
    assert obeyed(document) == []
    read = json.loads(document)
    if SHOWN in text:
        assert any(HOSTILE in one for one in texts(read)), command


def texts(value: Any) -> Iterator[str]:
    """Every text in a JSON document."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, one in value.items():
            yield key
            yield from texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from texts(one)


def test_show(terminal: Terminal) -> None:
    """An order by its hostile id, with its attempts, fills, commands and history."""
    rows = json.loads(terminal.run("orders", "--json"))
    assert len(rows) == 3
    for row in rows:
        text = terminal.run("show", row["client_order_id"])
        assert obeyed(text) == []
        assert terminal.status == 0, text
        assert SHOWN in text
        assert json.loads(terminal.run("show", row["client_order_id"], "--json"))["order"]


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["show", "x" + HOSTILE], 1), (["nothing" + HOSTILE], 2),
        (["--no" + HOSTILE], 2), (["events", "--stream", HOSTILE], 2), (["orders", HOSTILE], 2),
        (["limits", "set", "max_notional", HOSTILE], 2), (["place", HOSTILE, "BUY", "1"], 1),
        (["place", "SPY", HOSTILE, "1", "--id", HOSTILE], 1), (["order-book", HOSTILE], 1),
        (["cancel", "x" + HOSTILE], 1), (["quote", HOSTILE], 1), (["limits", "no" + HOSTILE], 2),
        (["arbitrage", "backtest", "no" + HOSTILE], 1), (["halt", "--broker", HOSTILE], 2),
    ],
)  # fmt: skip
def test_error_messages(terminal: Terminal, arguments: list[str], status: int) -> None:
    """A script hands over what it was given; the reason for a refusal repeats it."""
    text = terminal.run(*arguments)
    assert obeyed(text) == []
    assert terminal.status == status, text


def test_a_reason_is_one_line(terminal: Terminal) -> None:
    """Nobody's text makes a line of its own."""
    text = terminal.run("show", "no-such\nexecution: done")
    assert text == "execution: there is no order no-such\\nexecution: done\n"


@pytest.mark.parametrize("group", [[], ["limits"], ["arbitrage"], ["orders"]])
def test_help(terminal: Terminal, group: list[str]) -> None:
    """Help is readable where everything is escaped."""
    text = terminal.run(*group, "--help")
    assert "Usage" in text
    assert r"\x1b" not in text
    assert obeyed(text) == []


def test_tracebacks_warnings_and_logs(terminal: Terminal) -> None:
    """What nobody expected goes the same way, whoever prints it."""
    code = (
        "import sys, warnings, logging, structlog\n"
        "from execution.cli import app, main\n"
        "@app.command()\n"
        "def fail(text: str) -> None:\n"
        "    structlog.get_logger().warning(text, **{text: text})\n"
        "    logging.getLogger('x').error('%s', text)\n"
        "    warnings.warn(text)\n"
        "    raise RuntimeError(text)\n"
        "main()\n"
    )
    text = terminal.run("fail", HOSTILE, code=("-c", code))
    assert obeyed(text) == []
    assert terminal.status == 1
    assert "Traceback" in text
    assert text.count("ZXZpbA==") >= 5
    logged = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    assert [line["event"] for line in logged] == [HOSTILE, HOSTILE]
    assert logged[0][HOSTILE] == HOSTILE


def test_logs_of_services(terminal: Terminal) -> None:
    """Lines of workers, metrics and feed are JSON, exceptions included; there is no other form."""
    code = (
        "import logging, sys, structlog\n"
        "from execution import logs\n"
        "logs.configure('INFO')\n"
        "try:\n"
        "    raise ValueError(sys.argv[1])\n"
        "except ValueError:\n"
        "    structlog.get_logger(sys.argv[1]).exception(sys.argv[1], a=sys.argv[1])\n"
        "    logging.getLogger(sys.argv[1]).exception(sys.argv[1])\n"
    )
    text = terminal.run(HOSTILE, code=("-c", code))
    assert obeyed(text) == []
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["event"] for line in lines] == [HOSTILE, HOSTILE]
    assert all(HOSTILE in line["exception"] for line in lines)


def test_what_is_printable() -> None:
    """Everything that Unicode counts as text stays; every other character can be seen."""
    for text in ("BTC-USDT", "Zürich → 東京", r"\[/x]", "a b", "نص", "é"):
        assert printable(text) == text
    for number in (*range(0x20), *range(0x7F, 0xA1), 0xAD, 0x61C, *range(0x200B, 0x2010), 0x2028,
                   0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFEFF, 0xD800,
                   0xE0001, 0xE0041):  # fmt: skip
        shown = printable(chr(number))
        assert shown.isascii(), hex(number)
        assert shown.isprintable(), hex(number)
    assert json_text({"a": "\x7f\x1b\u202e"}) == r'{"a": "\u007f\u001b\u202e"}'
