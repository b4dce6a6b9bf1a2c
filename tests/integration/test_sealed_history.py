"""Sealed history: what was changed, removed or inserted afterwards is found, and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, text

from execution.domain.history import HistoryKey
from execution.service_keys import history_keys
from execution.settings import load
from execution.store import orders, sealing
from execution.store.engine import Store
from execution.store.sealing import Difference, Head, Verified

from .stored import SESSION, persisted, submitted

KEY = HistoryKey.of("a" * 40)
NOW = timedelta(0)


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A fresh database."""
    store = Store(database_url)
    yield store
    store.close()


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seal whenever asked."""
    monkeypatch.setattr(sealing, "EVERY", timedelta(0))


def seal(store: Store, key: HistoryKey = KEY) -> Head:
    """Seal everything that is there."""
    head = sealing.seal(store, key, lag=NOW)
    assert head is not None
    return head


def differences(
    store: Store, *keys: HistoryKey, exported: dict[int, bytes] | None = None
) -> tuple[list[Difference], Verified]:
    """What verifying finds."""
    counted = Verified()
    with store.transaction() as connection:
        known = {key.key_id: key for key in keys or (KEY,)}
        return list(sealing.verify(connection, known, exported or {}, counted)), counted


def sealed_twice(store: Store) -> tuple[UUID, UUID]:
    """Two orders; one has lines in both seals."""
    first, second = submitted(store), persisted(store)
    seal(store)
    with store.transaction() as connection:
        assert orders.watched(connection, first, SESSION)
    persisted(store)
    seal(store)
    return first.order_id, second.order_id


@pytest.mark.usefixtures("always")
def test_nothing_was_done(store: Store) -> None:
    """Lines of an order in several seals; younger ones are counted as not sealed."""
    sealed_twice(store)
    young = persisted(store)
    found, counted = differences(store)
    assert found == []
    assert counted.heads == 2
    assert counted.unsealed == 2
    with store.transaction() as connection:
        lines = text("SELECT count(*) FROM order_events WHERE order_id <> :id")
        total = connection.execute(lines, {"id": young.order_id}).scalar_one()
    assert counted.lines == total


def change(connection: Connection, order_id: UUID) -> None:
    """Another time of an intent, say."""
    connection.execute(
        text(
            """UPDATE order_events SET detail = detail || '{"x": 1}' WHERE order_id = :id
            AND at = (SELECT min(at) FROM order_events WHERE order_id = :id)"""
        ),
        {"id": order_id},
    )


def remove(connection: Connection, order_id: UUID) -> None:
    """As if it had never been."""
    connection.execute(
        text("DELETE FROM order_events WHERE order_id = :id AND step = 'create_order'"),
        {"id": order_id},
    )


def insert(connection: Connection, order_id: UUID) -> None:
    """Something that never happened."""
    connection.execute(
        text(
            """INSERT INTO order_events (order_id, at, step, state)
            SELECT order_id, at, 'waiting', 'PENDING' FROM order_events
            WHERE order_id = :id LIMIT 1"""
        ),
        {"id": order_id},
    )


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize(
    ("attack", "what"),
    [
        (change, "a line was changed"),
        (remove, "1 lines are missing"),
        (insert, "1 lines were inserted"),
    ],
)
def test_what_was_done_to_a_line(
    store: Store, attack: Callable[[Connection, UUID], None], what: str
) -> None:
    """It is found in its order and its seal, and in no other."""
    victim, _ = sealed_twice(store)
    with store.transaction() as connection:
        attack(connection, victim)
    found, _ = differences(store)
    assert found == [Difference(1, victim, what)]


@pytest.mark.usefixtures("always")
def test_an_order_that_never_was(store: Store) -> None:
    """A whole history among sealed ones."""
    sealed_twice(store)
    forged = uuid4()
    with store.transaction() as connection:
        connection.execute(
            text(
                """INSERT INTO order_events (order_id, at, step, state)
                SELECT :id, min(at), 'persist_fill', 'FILLED' FROM order_events"""
            ),
            {"id": forged},
        )
    found, _ = differences(store)
    assert found == [Difference(1, forged, "1 lines were inserted")]


@pytest.mark.usefixtures("always")
def test_seals_made_anew_without_the_key(store: Store) -> None:
    """Whoever has no key cannot seal what they changed."""
    victim, _ = sealed_twice(store)
    with store.transaction() as connection:
        change(connection, victim)
        connection.execute(text("DELETE FROM history_seals"))
        connection.execute(text("DELETE FROM history_heads"))
    seal(store, HistoryKey.of("b" * 40))
    found, _ = differences(store)
    assert [one.what for one in found] == [
        f"its key {HistoryKey.of('b' * 40).key_id} is not known here"
    ]


@pytest.mark.usefixtures("always")
def test_the_end_was_cut_off(store: Store) -> None:
    """Only a head that was kept elsewhere shows it."""
    sealed_twice(store)
    with store.transaction() as connection:
        kept = sealing.newest(connection)
        assert kept is not None
        connection.execute(text("DELETE FROM history_seals WHERE head_no = 2"))
        connection.execute(text("DELETE FROM history_heads WHERE head_no = 2"))
        connection.execute(
            text("DELETE FROM order_events WHERE at > (SELECT max(upto) FROM history_heads)")
        )
    assert differences(store)[0] == []
    found, _ = differences(store, exported={2: kept.digest})
    assert found == [Difference(2, None, "it was kept elsewhere, and is not here")]


@pytest.mark.usefixtures("always")
def test_a_head_in_the_middle(store: Store) -> None:
    """Removed or changed."""
    sealed_twice(store)
    with store.transaction() as connection:
        connection.execute(text("UPDATE history_heads SET digest = 'x' WHERE head_no = 1"))
    found, _ = differences(store)
    assert {(one.head_no, one.order_id) for one in found} == {(1, None), (2, None)}
    with store.transaction() as connection:
        connection.execute(text("DELETE FROM history_seals WHERE head_no = 1"))
        connection.execute(text("DELETE FROM history_heads WHERE head_no = 1"))
    found, _ = differences(store)
    assert "heads 1 to 1 are missing" in {one.what for one in found}


@pytest.mark.usefixtures("always")
def test_another_key_goes_on(store: Store) -> None:
    """After a change of keys both are needed, and the chain holds across it."""
    other = HistoryKey.of("b" * 40)
    order = submitted(store)
    seal(store)
    with store.transaction() as connection:
        assert orders.watched(connection, order, SESSION)
    seal(store, other)
    assert differences(store, KEY, other)[0] == []
    assert [one.head_no for one in differences(store)[0]] == [2]


@pytest.mark.usefixtures("always")
def test_more_than_one_seal_takes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long history is sealed in parts, at once."""
    monkeypatch.setattr(sealing, "_MOST_LINES", 3)
    for _ in range(5):
        persisted(store)
    while sealing.seal(store, KEY, lag=NOW) is not None:
        pass
    found, counted = differences(store)
    assert found == []
    assert counted.heads >= 3
    assert (counted.lines, counted.unsealed) == (10, 0)


def test_not_before_a_minute(store: Store) -> None:
    """A transaction that began earlier may still add lines of an earlier time."""
    persisted(store)
    assert sealing.seal(store, KEY) is None


@pytest.mark.usefixtures("always")
def test_by_the_command_line(store: Store, database_url: str, tmp_path: Path) -> None:
    """With the database's own key; a worker's log serves for heads that were kept elsewhere."""
    (key,) = history_keys(load(database_url=database_url), lambda: store)
    order = submitted(store)
    head = seal(store, key)
    log = tmp_path / "worker-orders.log"
    line = {"event": sealing.SEALED, "head_no": head.head_no, "digest": head.digest.hex()}
    log.write_text(f"no JSON\n{json.dumps({'event': 'other'})}\n{json.dumps(line)}\n")

    def verify(*options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "execution.cli", "verify-history", *options],
            env={**os.environ, "DATABASE_URL": database_url},
            capture_output=True,
            text=True,
            check=False,
        )

    done = verify("--heads", str(log))
    assert done.returncode == 0, done.stderr
    assert "all as it was sealed" in done.stdout
    assert "1 heads from elsewhere compared" in done.stdout
    with store.transaction() as connection:
        remove(connection, order.order_id)
    done = verify("--json")
    assert done.returncode == 1
    (found,) = json.loads(done.stdout)["differences"]
    assert found == {
        "head_no": 1,
        "order_id": str(order.order_id),
        "what": "1 lines are missing",
    }
    assert verify("--heads", str(tmp_path / "none")).returncode == 1
