"""Fills a database with orders that have been: copies of all that one real order left behind.

Each copy has ids and times of its own, in every table and inside every JSON, and is made by SQL
alone. Loaded rows differ from lived ones in this: all are of one shape (BUY, one fill), and the
times inside their JSON texts are the original's.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from psycopg2.extensions import cursor as Cursor  # noqa: N812 - it is a class

from benchmarks.copies import Column, Identity, Left, Numbering, insert, quoted
from benchmarks.errors import MeasurementFailed
from benchmarks.fleets import SYMBOLS
from benchmarks.servers import connect

DAYS = 30
"""Days before now over which the copies are spread evenly."""
BATCH = 25_000
CONNECTIONS = 2
BYTES_EACH = 15_000
"""Free disk that an order needs, write-ahead log included."""
_NOT_COPIED = frozenset({"alembic_version", "streams", "positions", "paper_positions"})
_V7, _RANDOM = "uuidv7(-age)", "gen_random_uuid()"
_NEW = {
    "request_id": _V7,
    "order_id": _V7,
    "attempt_id": _V7,
    "event_id": _RANDOM,
    "payload_hash": "encode(sha256(uuid_send(gen_random_uuid())), 'hex')",
    "client_order_id": "'loaded-' || n",
    "venue_order_id": (
        "rtrim(translate(encode(uuid_send(gen_random_uuid()), 'base64'), '+/', '-_'), '=')"
    ),
    "symbol": f"(ARRAY[{', '.join(map(quoted, SYMBOLS))}])[1 + n % {len(SYMBOLS)}]",
}
"""How a copy gets what is its own."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a loading cost."""

    orders: int
    rows: int
    seconds: float
    database_bytes: int


def require_space(folder: Path, orders: int) -> None:
    """Raise MeasurementFailed when the disk is too small for so many orders."""
    free, needed = shutil.disk_usage(folder).free, orders * BYTES_EACH
    if free < needed:
        raise MeasurementFailed(
            f"{orders} orders need {needed / 1e9:.0f} GB of disk, {folder} has {free / 1e9:.0f} GB"
        )


def load(url: str, original: str, orders: int, tell: Callable[[str], None]) -> Loaded:
    """Copy the order with the client_order_id `original`, a BUY that has been through all steps."""
    began = time.monotonic()
    with closing(connect(url)) as connection, connection.cursor() as cursor:
        ids = _ids(cursor, original)
        left = _left_behind(cursor, ids)
        numberings = _numberings(cursor, left)
        inserts = [insert(found, ids, numberings) for found in left]
        for found in left:
            cursor.execute(f"ALTER TABLE {found.table} SET (autovacuum_enabled = off)")

        def copy(first: int) -> None:
            last = min(first + BATCH - 1, orders)
            _copy(url, _new_ids(ids, first, last, orders), inserts)
            tell(f"orders {first} to {last} loaded after {time.monotonic() - began:.0f} s")

        with ThreadPoolExecutor(CONNECTIONS) as pool:
            list(pool.map(copy, range(1, orders + 1, BATCH)))
        _settle(cursor, left)
        for found in left:
            cursor.execute(f"ALTER TABLE {found.table} RESET (autovacuum_enabled)")
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("CHECKPOINT")
        cursor.execute("SELECT pg_database_size(current_database())")
        ((size,),) = cursor.fetchall()
    rows = orders * sum(len(found.rows) for found in left)
    return Loaded(orders, rows, time.monotonic() - began, size)


def _copy(url: str, new_ids: str, inserts: Sequence[str]) -> None:
    """Make one batch of copies."""
    with closing(connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
        # No foreign key is checked: the copies are consistent because the original is.
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(new_ids)
        for statement in inserts:
            cursor.execute(statement)


def _ids(cursor: Cursor, original: str) -> list[Identity]:
    cursor.execute(
        """
        SELECT r.request_id, r.order_id, a.attempt_id, r.payload_hash, r.client_order_id,
            a.venue_order_id, o.symbol
        FROM order_requests r JOIN orders o USING (order_id) JOIN order_attempts a USING (order_id)
        WHERE r.client_order_id = %s AND o.state = 'FILLED' AND o.side = 'BUY'
        """,
        (original,),
    )
    (found,) = cursor.fetchall()
    *names, symbol = (column.name for column in cursor.description or ())
    ids = [Identity(str(value), name) for value, name in zip(found, names, strict=False)]
    cursor.execute("SELECT event_id FROM events WHERE order_id = %s ORDER BY event_no", (found[1],))
    for number, (event_id,) in enumerate(cursor.fetchall()):
        ids.append(Identity(str(event_id), f"event_id_{number}"))
    return [*ids, Identity(found[-1], symbol, whole=True)]


def _left_behind(cursor: Cursor, ids: Sequence[Identity]) -> list[Left]:
    """Every row of every table where an id of the original stands."""
    cursor.execute(
        """
        SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attidentity <> ''
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0
            AND NOT a.attisdropped AND a.attgenerated = ''
        ORDER BY c.relname, a.attnum
        """
    )
    tables: dict[str, list[Column]] = {}
    for table, *column in cursor.fetchall():
        tables.setdefault(table, []).append(Column(*column))
    left = []
    for table in sorted(tables.keys() - _NOT_COPIED):
        columns = tables[table]
        texts = ", ".join(f"t.{column.name}::text" for column in columns)
        order = next((column.name for column in columns if column.numbered), "ctid")
        cursor.execute(
            f"""
            SELECT {texts} FROM {table} t WHERE EXISTS (
                SELECT FROM unnest(%s) id WHERE strpos(to_jsonb(t)::text, id) > 0)
            ORDER BY t.{order}
            """,
            ([identity.text for identity in ids if not identity.whole],),
        )
        rows = tuple(cursor.fetchall())
        if rows:
            left.append(Left(table, tuple(columns), rows))
    return left


def _numberings(cursor: Cursor, left: Sequence[Left]) -> dict[tuple[str, str], Numbering]:
    """How each numbered column goes on, and each stream's sequence."""
    numberings = {}
    for found in left:
        names = [column.name for column in found.columns]
        for place, column in enumerate(found.columns):
            if column.numbered:
                cursor.execute(f"SELECT max({column.name}) FROM {found.table}")
                ((base,),) = cursor.fetchall()
                originals = tuple(str(row[place]) for row in found.rows)
                numberings[column.name, ""] = Numbering(base, originals)
        if found.table == "events":
            cursor.execute("SELECT stream, last_sequence FROM streams")
            for stream, base in cursor.fetchall():
                of_stream = [row for row in found.rows if row[names.index("stream")] == stream]
                originals = tuple(str(row[names.index("sequence")]) for row in of_stream)
                numberings["sequence", stream] = Numbering(base, originals)
    return numberings


def _new_ids(ids: Sequence[Identity], first: int, last: int, orders: int) -> str:
    """What makes the table `copies`: a row for each copy with what is its own, and its age."""
    new = ", ".join(
        f"{_NEW[re.sub('_[0-9]+$', '', identity.column)]} AS {identity.column}" for identity in ids
    )
    return f"""
        CREATE TEMPORARY TABLE copies AS SELECT n, age, {new} FROM (
            SELECT n, ({orders} - n + 1) * (interval '{DAYS} days' / {orders})
                + interval '1 minute' AS age
            FROM generate_series({first}, {last}) n) ages
        """


def _settle(cursor: Cursor, left: Sequence[Left]) -> None:
    """Bring counters, streams and positions to where so many orders would have brought them."""
    for found in left:
        for column in found.columns:
            if column.numbered:
                cursor.execute(
                    f"""SELECT setval(pg_get_serial_sequence('{found.table}', '{column.name}'),
                        (SELECT max({column.name}) FROM {found.table}))"""
                )
    cursor.execute(
        """
        UPDATE streams s SET last_sequence = e.last, published_sequence = e.last
        FROM (SELECT stream, max(sequence) AS last FROM events GROUP BY stream) e
        WHERE s.stream = e.stream
        """
    )
    cursor.execute(
        """
        INSERT INTO paper_positions AS p (account, broker, symbol, asset_class, multiplier,
            currency, quantity, average_price, realised_pnl, commission, last_executed_at,
            last_fill_id)
        SELECT f.account, f.broker, f.symbol, min(o.asset_class), min(f.multiplier),
            min(f.currency), sum(f.quantity), sum(f.quantity * f.price) / sum(f.quantity), 0, 0,
            max(f.executed_at), max(f.fill_id)
        FROM fills f JOIN orders o USING (order_id) GROUP BY f.account, f.broker, f.symbol
        ON CONFLICT (account, broker, symbol) DO UPDATE SET quantity = excluded.quantity,
            average_price = excluded.average_price,
            last_executed_at = excluded.last_executed_at, last_fill_id = excluded.last_fill_id
        """
    )
