"""Reads the facts: the database's tables and the ledgers of the simulated venues."""

from __future__ import annotations

import http.client
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import psycopg2.extras

from tests.oracle.facts import Facts, Row, Venue

_NUMBERS = (
    *("quantity", "filled_quantity", "reduced_by", "limit_price", "stop_price"),
    *("price", "commission"),
)

_PAPER = {
    "paper_orders": "SELECT *, venue_order_id AS broker_order_id, terms ->> 'order_type' "
    "AS order_type, CAST(terms ->> 'limit_price' AS numeric) AS limit_price, "
    "CAST(terms ->> 'stop_price' AS numeric) AS stop_price FROM paper_orders",
    "paper_executions": "SELECT e.*, o.symbol, o.side FROM paper_executions e "
    "JOIN paper_orders o USING (venue_order_id) "
    "ORDER BY e.executed_at, length(e.execution_id), e.execution_id",
}
# JSON comes as text: the driver would read its numbers as floats.
QUERIES = {
    "requests": "SELECT request_id, client_order_id, payload::text AS payload, outcome, reason, "
    "order_id FROM order_requests",
    "orders": "SELECT * FROM orders",
    "attempts": "SELECT * FROM order_attempts",
    "reports": "SELECT * FROM execution_reports",
    "fills": "SELECT * FROM fills",
    "positions": "SELECT * FROM positions",
    "paper_positions": "SELECT * FROM paper_positions",
    "history": "SELECT order_id, at, step, state FROM order_events ORDER BY at",
    "events": "SELECT event_id, stream, sequence, type, order_id, payload::text AS payload "
    "FROM events ORDER BY event_no",
    "streams": "SELECT * FROM streams",
    "alerts": "SELECT * FROM alerts",
    "commands": "SELECT kind, client_order_id, external_id, outcome, reason, ours "
    "FROM order_commands",
    **_PAPER,
}

UNPUBLISHED = {
    "events": "SELECT event_no FROM events JOIN streams USING (stream) "
    "WHERE sequence IS NULL OR sequence > published_sequence LIMIT 1"
}


def load(database_url: str, ledgers: Mapping[str, str]) -> Facts:
    """The facts of one snapshot of the database, and of the ledgers just after it."""
    tables = query(database_url, QUERIES)
    paper = _paper(tables)
    brokers_at: dict[str, set[str]] = defaultdict(set)
    for broker, url in ledgers.items():
        brokers_at[url.rstrip("/")].add(broker)
    venues = [ledger(url, brokers) for url, brokers in brokers_at.items()]
    facts = Facts(venues=[paper, *venues])
    for name, rows in tables.items():
        setattr(facts, name, rows)
    return facts


def paper_book(database_url: str) -> Venue:
    """What the paper book holds, which is in our own database."""
    return _paper(query(database_url, _PAPER))


def _paper(tables: dict[str, list[Row]]) -> Venue:
    return Venue(frozenset({"PAPER"}), tables.pop("paper_orders"), tables.pop("paper_executions"))


def query(database_url: str, queries: Mapping[str, str]) -> dict[str, list[Row]]:
    """The rows of each query, all of one snapshot."""
    scheme, mark, rest = database_url.partition("://")
    dsn = f"postgresql{mark}{rest}" if scheme.startswith("postgres") else database_url
    connection = psycopg2.connect(dsn)
    try:
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        tables: dict[str, list[Row]] = {}
        for name, query in queries.items():
            with connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
                cursor.execute(query)
                rows = [dict(row) for row in cursor.fetchall()]
            for row in rows:
                if isinstance(row.get("payload"), str):
                    row["payload"] = json.loads(row["payload"], parse_float=Decimal)
            tables[name] = [*rows]
    finally:
        connection.close()
    return tables


def ledger(url: str, brokers: Iterable[str]) -> Venue:
    """What a simulator's control port says it holds."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
    try:
        connection.request("GET", f"{address.path}/ledger")
        reply = connection.getresponse()
        body = reply.read()
    finally:
        connection.close()
    if reply.status != http.client.OK:
        raise RuntimeError(f"{url}/ledger answered {reply.status}: {body[:200]!r}")
    held = json.loads(body, parse_float=Decimal)
    return Venue(
        frozenset(brokers),
        [_typed(row) for row in held["orders"]],
        [_typed(row) for row in held["executions"]],
    )


def _typed(row: Mapping[str, Any]) -> dict[str, Any]:
    """A ledger's JSON with its numbers as Decimal and its times aware."""
    typed = dict(row)
    for name in _NUMBERS:
        if typed.get(name) is not None:
            typed[name] = Decimal(str(typed[name]))
    if typed.get("executed_at") is not None:
        typed["executed_at"] = datetime.fromisoformat(typed["executed_at"])
    return typed
