"""The bridge's one SQLite database: schema, transactions, retention.

One process owns the file (a second one is refused), on one thread, and every transaction is on
disk when it returns: WAL with synchronous=FULL.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mt4_bridge.errors import ConfigurationError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS commands (
    id TEXT PRIMARY KEY,
    sequence INTEGER NOT NULL UNIQUE,
    kind TEXT NOT NULL CHECK (kind IN ('PLACE', 'MODIFY', 'CLOSE')),
    body TEXT NOT NULL,
    magic INTEGER NOT NULL,
    symbol TEXT,
    stage TEXT NOT NULL CHECK (stage IN ('NEW', 'LEASED', 'DONE', 'FAILED', 'UNKNOWN')),
    valid_until INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    leases INTEGER NOT NULL DEFAULT 0,
    leased_at INTEGER,
    leased_to TEXT,
    reported_by TEXT,
    settled_at INTEGER,
    sent TEXT NOT NULL DEFAULT 'MAYBE' CHECK (sent IN ('YES', 'NO', 'MAYBE')),
    code TEXT,
    class TEXT,
    reason TEXT,
    ticket INTEGER,
    protected INTEGER
);
CREATE INDEX IF NOT EXISTS commands_unsettled ON commands (sequence)
    WHERE stage IN ('NEW', 'LEASED', 'UNKNOWN');
CREATE INDEX IF NOT EXISTS commands_magic ON commands (magic) WHERE kind = 'PLACE';
CREATE INDEX IF NOT EXISTS commands_ticket ON commands (ticket) WHERE ticket IS NOT NULL;
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    command_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    status INTEGER,
    body TEXT
);
CREATE TABLE IF NOT EXISTS tickets (
    ticket INTEGER PRIMARY KEY,
    symbol TEXT NOT NULL,
    type INTEGER NOT NULL,
    lots TEXT NOT NULL,
    open_time INTEGER NOT NULL,
    open_price TEXT NOT NULL,
    close_time INTEGER,
    close_price TEXT NOT NULL,
    stop_loss TEXT NOT NULL,
    take_profit TEXT NOT NULL,
    expiration INTEGER,
    commission TEXT NOT NULL,
    first_commission TEXT NOT NULL,
    seen_open INTEGER NOT NULL,
    swap TEXT NOT NULL,
    profit TEXT NOT NULL,
    magic INTEGER NOT NULL,
    comment TEXT NOT NULL,
    close_server INTEGER NOT NULL,
    root INTEGER NOT NULL,
    parent INTEGER,
    begins INTEGER,
    held TEXT,
    command_id TEXT
);
CREATE INDEX IF NOT EXISTS tickets_command ON tickets (command_id);
CREATE INDEX IF NOT EXISTS tickets_root ON tickets (root);
CREATE INDEX IF NOT EXISTS tickets_open ON tickets (ticket) WHERE close_time IS NULL;
CREATE TABLE IF NOT EXISTS executions (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    execution_id TEXT NOT NULL UNIQUE,
    ticket INTEGER NOT NULL,
    root INTEGER NOT NULL,
    command_id TEXT,
    symbol TEXT NOT NULL,
    side TEXT NOT NULL,
    lots TEXT NOT NULL,
    price TEXT NOT NULL,
    executed_at INTEGER NOT NULL,
    commission TEXT NOT NULL,
    swap TEXT NOT NULL,
    profit TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS executions_time ON executions (executed_at);
CREATE INDEX IF NOT EXISTS executions_command ON executions (command_id);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
_VERSION = 2
_UPGRADES = {
    # Version 1 knew chains only: `next` was the one ticket that held the rest.
    1: """
        ALTER TABLE tickets ADD COLUMN parent INTEGER;
        ALTER TABLE tickets ADD COLUMN begins INTEGER DEFAULT 1;
        ALTER TABLE tickets ADD COLUMN held TEXT;
        UPDATE tickets SET held = lots WHERE seen_open = 1 AND close_time IS NULL AND type < 2;
        UPDATE tickets SET
            parent = (SELECT p.ticket FROM tickets p WHERE p.next = tickets.ticket);
        UPDATE tickets SET begins = 0
            WHERE parent IS NOT NULL OR instr(comment, 'from #') > 0;
        ALTER TABLE tickets DROP COLUMN next;
    """
}
"""What brings a database of a version to the next one."""


class Store:
    """The open database. ConfigurationError when another process has it, or it is too new."""

    def __init__(self, path: Path) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None, timeout=1.0)
        self.connection.row_factory = sqlite3.Row
        try:
            self._prepare()
        except sqlite3.Error as error:
            self.connection.close()
            raise ConfigurationError(f"MT4_BRIDGE_DATABASE {path}: {error}") from error

    def _prepare(self) -> None:
        for pragma in (
            "locking_mode = EXCLUSIVE",
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
        ):
            self.connection.execute(f"PRAGMA {pragma}")
        version = self.connection.execute("PRAGMA user_version").fetchone()[0]
        if version > _VERSION:
            raise sqlite3.DatabaseError(f"version {version} is later than this bridge's {_VERSION}")
        upgrades = "".join(_UPGRADES[known] for known in range(version, _VERSION) if version)
        # The first write takes the exclusive lock, which is kept until the process ends.
        self.connection.executescript(
            f"BEGIN IMMEDIATE; {upgrades} {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;"
        )

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, on disk when it is over; never nested, never held over an await."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield self.connection
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    def close(self) -> None:
        """Let go of the file."""
        self.connection.close()


def fact(connection: sqlite3.Connection, name: str) -> str | None:
    """Something single that the bridge knows across restarts."""
    row = connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
    return None if row is None else str(row["value"])


def set_fact(connection: sqlite3.Connection, name: str, value: str) -> None:
    """Remember it, in place of what was known."""
    connection.execute(
        "INSERT INTO facts (name, value) VALUES (?, ?) "
        "ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE value <> excluded.value",
        (name, value),
    )


def forget(connection: sqlite3.Connection, before: int) -> None:
    """Retention: drop what was over before that time (milliseconds).

    A command stays for as long as its position or pending order is open, and an unsettled one for
    ever. The last closed tickets mark from when on closed tickets are asked for, so nothing that
    is dropped here comes back.
    """
    chains = "SELECT root FROM tickets WHERE close_time IS NULL OR close_time >= :before"
    connection.execute(
        f"DELETE FROM executions WHERE executed_at < :before AND root NOT IN ({chains})",
        {"before": before},
    )
    connection.execute(
        f"DELETE FROM tickets WHERE close_time < :before AND root NOT IN ({chains})",
        {"before": before},
    )
    connection.execute(
        "DELETE FROM commands WHERE stage IN ('DONE', 'FAILED') AND settled_at < :before "
        "AND valid_until < :before AND id NOT IN "
        "(SELECT command_id FROM tickets WHERE command_id IS NOT NULL)",
        {"before": before},
    )
    connection.execute(
        "DELETE FROM answers WHERE created_at < :before "
        "AND command_id NOT IN (SELECT id FROM commands)",
        {"before": before},
    )
