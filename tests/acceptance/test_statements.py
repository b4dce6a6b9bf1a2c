"""What PostgreSQL's own log says of the statements that write an order: one way, paper's as live's.

All statements of the fleet's database are logged, prepared ones by what they were prepared as.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import pytest

from tests.fleet import Fleet, Servers, flush, wait_until

_ENTRY = re.compile(
    r"^\d{4}-\d\d-\d\d [\d:.]+ UTC \[(?P<pid>\d+)\] \S*@(?P<database>\S+) LOG: +statement: ",
    re.MULTILINE,
)
_NEXT = re.compile(r"^\d{4}-\d\d-\d\d [\d:.]+ UTC \[", re.MULTILINE)
_PREPARE = re.compile(r"PREPARE (\w+) AS (.*)", re.DOTALL)
_EXECUTE = re.compile(r"\bEXECUTE (execution_\d+)\b")
_WRITES = re.compile(r"\b(INSERT INTO|UPDATE|DELETE FROM) (\w+)\b")
_LIFECYCLE = {
    *("order_requests", "orders", "order_attempts", "order_events"),
    *("execution_reports", "fills", "positions"),
}


@pytest.fixture(scope="module")
def fleet(
    servers: Servers, module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """Workers whose every statement is logged by the server."""
    address = module_database_url.replace("postgresql+psycopg2://", "postgresql://")
    with closing(psycopg2.connect(address)) as connection, connection.cursor() as cursor:
        cursor.execute(f"ALTER DATABASE {connection.info.dbname} SET log_statement = 'all'")
        connection.commit()
    flush(servers.valkey.url)
    home = tmp_path_factory.mktemp("fleet") / "home"
    with Fleet(module_database_url, servers.valkey.url, home) as fleet:
        yield fleet


@dataclass
class Log:
    """The server's log, as far as one database is concerned."""

    file: Path
    database: str

    def size(self) -> int:
        """Where it ends now."""
        return self.file.stat().st_size

    def writes(self, since: int, until: int) -> set[str]:
        """The statements between two places that write a table of the lifecycle."""
        content = self.file.read_bytes()
        prepared: dict[tuple[str, str], str] = {}
        found = set()
        for at, pid, text in self._statements(content.decode("utf-8", "replace")):
            if made := _PREPARE.match(text):
                prepared[pid, made[1]] = made[2]
                continue
            if not since <= at < until:
                continue
            run = [prepared[pid, name] for name in _EXECUTE.findall(text)] or [text]
            found |= {_plain(one) for one in run}
        return {one for one in found if written(one) & _LIFECYCLE}

    def _statements(self, content: str) -> Iterator[tuple[int, str, str]]:
        for entry in _ENTRY.finditer(content):
            if entry["database"] == self.database:
                following = _NEXT.search(content, entry.end())
                end = len(content) if following is None else following.start()
                yield entry.start(), entry["pid"], content[entry.end() : end]


def _plain(statement: str) -> str:
    """A statement without its values, and with one name for both tables of positions."""
    statement = re.sub(r"--[^\n]*", "", statement)
    statement = re.sub(r"'(?:[^']|'')*'(::\w+)?", "?", statement)
    statement = re.sub(r"\b\d+(\.\d+)?\b|\bNULL\b", "?", statement)
    return " ".join(statement.split()).replace("paper_positions", "positions").rstrip(";")


def written(statement: str) -> set[str]:
    """The tables that a statement writes."""
    return {table for _, table in _WRITES.findall(statement)}


@pytest.fixture(scope="module")
def ways(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The statements of orders that fill at once, rest and fill, and rest and are cancelled."""
    (logs,) = tmp_path_factory.getbasetemp().glob("servers0/home/logs")
    database = psycopg2.extensions.parse_dsn(
        fleet.database_url.replace("postgresql+psycopg2://", "postgresql://")
    )["dbname"]
    log = Log(logs / "postgres.log", database)
    found = {}
    for symbol, limit, touched in (
        ("BTC-USDT", "60000", ("59990", "59995")),
        ("SPY", "500", ("499.90", "499.95")),
    ):
        began = log.size()
        lives(fleet, symbol, limit, touched)
        found[symbol] = log.writes(began, log.size())
    return found


def lives(fleet: Fleet, symbol: str, limit: str, touched: tuple[str, str]) -> None:
    """Three orders of a symbol to their ends."""
    place, rests = fleet.client.place, {"order_type": "LIMIT", "limit_price": limit}
    place(symbol, "BUY", "1", client_order_id=f"{symbol}-at-once")
    fleet.await_state(f"{symbol}-at-once", "FILLED")
    place(symbol, "BUY", "1", client_order_id=f"{symbol}-ends", **rests)
    fleet.await_state(f"{symbol}-ends", "SUBMITTED")
    fleet.client.cancel(f"{symbol}-ends")
    fleet.await_state(f"{symbol}-ends", "CANCELLED")
    place(symbol, "BUY", "1", client_order_id=f"{symbol}-rests", **rests)
    fleet.await_state(f"{symbol}-rests", "SUBMITTED")
    fleet.set_prices({symbol: touched})
    fleet.await_state(f"{symbol}-rests", "FILLED")
    wait_until(
        lambda: not fleet.query("SELECT 1 FROM events WHERE sequence IS NULL"), what="the events"
    )


def test_paper_writes_what_live_writes(ways: dict[str, set[str]]) -> None:
    """Its book apart, which is its venue."""
    live, paper = ways["BTC-USDT"], ways["SPY"]
    assert len(live) >= 10
    assert paper - live == set()


def test_one_statement_changes_a_state(ways: dict[str, set[str]]) -> None:
    """Whatever sets the state of an order, or of its current attempt, is `work.commit`'s."""
    for statement in ways["BTC-USDT"] | ways["SPY"]:
        changed = re.findall(r"UPDATE orders\b.*?(?:RETURNING|$)", statement)
        sets_state = any(re.search(r"[ ,]state = ", part) for part in changed)
        assert sets_state == ("FROM work w" in statement), statement


def test_history_is_written_with_the_change(ways: dict[str, set[str]]) -> None:
    """By steps 1 and 2, which make the order, and by `work.commit`; nothing writes it alone."""
    for statement in ways["BTC-USDT"] | ways["SPY"]:
        if "order_events" in written(statement):
            others = {"orders", "order_requests"} & written(statement)
            assert others, statement


def test_each_table_has_few_writers(ways: dict[str, set[str]]) -> None:
    """One statement inserts reports, one fills, one attempts; one settles a position."""
    everything = ways["BTC-USDT"] | ways["SPY"]

    def writers(pattern: str) -> set[str]:
        return {one for one in everything if re.search(pattern, one)}

    for table in ("fills", "order_attempts", "orders"):
        assert len(writers(rf"INSERT INTO {table}\b")) == 1, table
    assert len(writers(r"UPDATE positions\b")) == 1
    reports = {
        re.search(r"INSERT INTO execution_reports.*?RETURNING", one)[0]  # type: ignore[index]
        for one in writers(r"INSERT INTO execution_reports\b")
    }
    assert len({re.sub(r"\$\d+|WHERE .*? IN .*?\)", "", one) for one in reports}) <= 2
