"""Attacks through PostgreSQL, with what each of its users has: no order, no lie, no standstill."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from uuid import UUID, uuid4, uuid5

import psycopg2
import psycopg2.extensions
import psycopg2.extras
import pytest
from psycopg2 import errors

from execution.store.privileges import Role
from tests.database_roles import as_role
from tests.fleet import Fleet, wait_until

REQUEST = {"symbol": "BTC-USDT", "side": "BUY", "quantity": "1"}


def connect(fleet: Fleet, role: Role) -> psycopg2.extensions.connection:
    """A connection of an attacker with a user's password; each statement commits by itself."""
    url = as_role(fleet.database_url, role).replace("postgresql+psycopg2://", "postgresql://")
    made = psycopg2.connect(url)
    made.autocommit = True
    return made


@pytest.fixture
def attackers(fleet: Fleet) -> Iterator[dict[Role, Any]]:
    """A cursor for each user of the database."""
    with ExitStack() as stack:
        found = {}
        for role in (Role.WORK, Role.PRODUCE, Role.METRICS, Role.READ):
            link = connect(fleet, role)
            stack.callback(link.close)
            found[role] = link.cursor(cursor_factory=psycopg2.extras.RealDictCursor)
        yield found


@pytest.fixture(autouse=True)
def unharmed(fleet: Fleet) -> Iterator[None]:
    """After each attack a good order fills, and nobody's books differ from the venue's."""
    yield
    name = f"good-{uuid4().hex[:8]}"
    fleet.send(**REQUEST, client_order_id=name)
    fleet.await_state(name, "FILLED")
    fleet.judge()


def request(cursor: Any, payload: object, name: str | None = None, **columns: Any) -> UUID:
    """Insert an accepted request, past the intake."""
    values = {
        "request_id": str(uuid4()),
        "client_order_id": name or f"forged-{uuid4().hex[:8]}",
        "payload": json.dumps(payload),
        "payload_hash": uuid4().hex,
        "outcome": "ACCEPTED",
        "order_id": str(uuid4()),
        **columns,
    }
    cursor.execute(
        f"INSERT INTO order_requests ({', '.join(values)}, due_at) "
        f"VALUES ({', '.join(['%s'] * len(values))}, now())",
        list(values.values()),
    )
    return UUID(values["request_id"])


def test_no_step_is_skipped(attackers: dict[Role, Any]) -> None:
    """Whoever could write what step 1 made would send an order that nothing has judged."""
    for columns in ({"step": 1}, {"spec": "{}"}, {"resends": 1}, {"received_at": "2020-01-01"}):
        with pytest.raises(errors.InsufficientPrivilege):
            request(attackers[Role.PRODUCE], REQUEST, **columns)
    for change in ("step = 1", "spec = '{}'", "payload = '{}'", "outcome = 'ACCEPTED'"):
        with pytest.raises(errors.InsufficientPrivilege):
            attackers[Role.PRODUCE].execute(f"UPDATE order_requests SET {change}")


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"anything": [1, 2, {"$": None}]},
        {**REQUEST, "quantity": "-1", "client_order_id": "another"},
        {**REQUEST, "client_order_id": "another"},
    ],
)
def test_an_accepted_request_is_judged_again(
    fleet: Fleet, attackers: dict[Role, Any], payload: dict[str, Any]
) -> None:
    """What says that it was accepted and is no request becomes no order, but a refused request."""
    made = request(attackers[Role.PRODUCE], payload)

    def outcome() -> str | None:
        row = fleet.query("SELECT * FROM order_requests WHERE request_id = %s", str(made))[0]
        return row["reason"] if row["outcome"] == "REFUSED" else None

    assert wait_until(outcome, what="a refused request")
    assert not fleet.query(
        "SELECT * FROM orders o JOIN order_requests r USING (order_id) WHERE r.request_id = %s",
        str(made),
    )


def test_a_request_that_is_none(attackers: dict[Role, Any]) -> None:
    """Nor can there be a row that no worker could read."""
    nothing: tuple[object, ...] = ([], "text", 5, None)
    for payload in nothing:
        with pytest.raises(errors.CheckViolation):
            request(attackers[Role.PRODUCE], payload)
    with pytest.raises(errors.CheckViolation):
        request(attackers[Role.PRODUCE], REQUEST, order_id=None)


def test_no_event_is_forged(attackers: dict[Role, Any]) -> None:
    """A producer writes no event; a worker none that would stop its stream."""
    forged = "INSERT INTO events (event_id, stream, type, payload) VALUES (%s, %s, 'FILL', %s)"
    good = json.dumps({"event_id": str(uuid4()), "type": "FILL"})
    for role in (Role.PRODUCE, Role.READ, Role.METRICS):
        with pytest.raises(errors.InsufficientPrivilege):
            attackers[role].execute(forged, (str(uuid4()), "fills", good))
    for stream, payload in (("fills", "[]"), ("fills", "{}"), ("fills", "null"), ("other", good)):
        with pytest.raises(errors.CheckViolation):
            attackers[Role.WORK].execute(forged, (str(uuid4()), stream, payload))


def test_a_refusal_by_the_client_is_announced(fleet: Fleet) -> None:
    """Its client may write no event, so a worker does."""
    receipt = fleet.client.place("BTC-USDT", "SIDEWAYS", "1", client_order_id=f"r-{uuid4().hex}")
    assert receipt.outcome == "REFUSED"
    announced = "SELECT payload FROM events WHERE type = 'REFUSED' AND payload ->> 'reason' = %s"
    found = wait_until(lambda: fleet.query(announced, receipt.reason), what="its event")
    assert found[0]["payload"]["client_order_id"] == receipt.client_order_id


COMMAND = """
INSERT INTO order_commands (command_id, kind, client_order_id, external_id, payload, payload_hash,
    outcome, due_at {more})
VALUES (%s, 'MODIFY', %s, 'm', %s, %s, %s, now() {values})
"""


def command(
    cursor: Any, name: str, payload: object, outcome: str = "PENDING", more: Any = None
) -> str:
    """Insert a command, past the intake."""
    made, more = str(uuid4()), more or {}
    columns = "".join(f", {name}" for name in more)
    sql = COMMAND.format(more=columns, values=", %s" * len(more))
    values = (made, name, json.dumps(payload), uuid4().hex, outcome, *more.values())
    cursor.execute(sql, values)
    return made


def test_no_command_is_done_by_writing_so(attackers: dict[Role, Any]) -> None:
    """Nor is one the service's own, or counted as sent."""
    with pytest.raises(errors.CheckViolation):
        command(attackers[Role.PRODUCE], "any", {}, "DONE")
    columns: tuple[tuple[str, Any], ...] = (
        ("ours", True),
        ("sent_at", "2020-01-01"),
        ("fitted", "{}"),
        ("sends", 9),
        ("settled_at", "2020-01-01"),
    )
    for column, value in columns:
        with pytest.raises(errors.InsufficientPrivilege):
            command(attackers[Role.PRODUCE], "any", {}, more={column: value})


def test_a_command_is_judged_again(fleet: Fleet, attackers: dict[Role, Any]) -> None:
    """A change that is none, or is of another order than it says, is refused; its order stays."""
    name = f"resting-{uuid4().hex[:8]}"
    fleet.send(**REQUEST, client_order_id=name, order_type="LIMIT", limit_price="1")
    fleet.await_state(name, "SUBMITTED")
    version = "SELECT version FROM orders WHERE client_order_id = %s"
    before = fleet.query(version, name)
    wrong: list[dict[str, Any]] = [
        {},
        {"client_order_id": name, "modify_id": "m", "expected_version": 1, "quantity": "NaN"},
        {"client_order_id": "other", "modify_id": "m", "expected_version": 9, "quantity": "2"},
    ]
    for payload in wrong:
        made = command(attackers[Role.PRODUCE], name, payload)

        def reason(made: str = made) -> str | None:
            row = fleet.query("SELECT * FROM order_commands WHERE command_id = %s", made)[0]
            return row["reason"] if row["outcome"] == "REFUSED" else None

        assert wait_until(reason, what="a refused change")
    assert fleet.query(version, name) == before
    fleet.send("tasks.cancel_order", client_order_id=name, cancel_id=f"{name}-c")
    fleet.await_state(name, "CANCELLED")


@pytest.mark.parametrize("role", [Role.READ, Role.PRODUCE, Role.METRICS])
def test_nobody_else_can_lock(attackers: dict[Role, Any], role: Role) -> None:
    """No lock that a halt, or anything else of the service, would wait for."""
    for locks in (
        "SELECT pg_advisory_lock(hashtextextended('risk_controls', 0))",
        "SELECT pg_advisory_xact_lock(1)",
        "SELECT pg_try_advisory_lock_shared(1, 2)",
        "LOCK TABLE order_gate IN ACCESS SHARE MODE",
        "SELECT FROM order_gate FOR UPDATE",
        "SELECT FROM streams FOR UPDATE",
        "SELECT FROM environment_stamp FOR SHARE",
        "SELECT FROM orders FOR KEY SHARE",
    ):
        with pytest.raises(errors.InsufficientPrivilege):
            attackers[role].execute(f"BEGIN; {locks}")
        attackers[role].execute("ROLLBACK")


def test_a_halt_does_not_wait_for_a_process_that_hangs(fleet: Fleet) -> None:
    """One that was stopped with the gate open loses its transaction, and the halt says so."""
    with ExitStack() as stack:
        hanging = connect(fleet, Role.WORK)
        stack.callback(hanging.close)
        cursor = hanging.cursor()
        cursor.execute("SET application_name = 'worker-stopped'")
        cursor.execute("BEGIN; LOCK TABLE order_gate IN ROW SHARE MODE")
        halted = fleet.cli("halt", "--reason", "test")
        assert halted.returncode == 0, halted.stderr
        assert "worker-stopped" in halted.stderr
        assert fleet.query("SELECT * FROM trading_states WHERE state = 'HALTED'")
        with pytest.raises(psycopg2.OperationalError):
            cursor.execute("COMMIT")
    assert fleet.cli("resume").returncode == 0


def test_connections_are_limited(fleet: Fleet) -> None:
    """Whoever opens as many as the server gives leaves the workers theirs."""
    with ExitStack() as stack:
        opened = 0
        with pytest.raises(psycopg2.OperationalError, match="too many connections for role"):
            for _ in range(200):
                stack.callback(connect(fleet, Role.READ).close)
                opened += 1
        assert 10 <= opened <= 100
        name = f"crowded-{uuid4().hex[:8]}"
        fleet.send(**REQUEST, client_order_id=name)
        fleet.await_state(name, "FILLED")


@pytest.mark.parametrize(
    "change",
    [
        "events SET payload = '{}'",
        "events SET stream = 'orders'",
        "fills SET executed_at = now()",
        "fills SET execution_id = 'another'",
        "order_events SET detail = '{}'",
        "execution_reports SET quantity = 1",
        "order_requests SET payload = '{}'",
        "order_requests SET client_order_id = 'another'",
        "orders SET client_order_id = 'another'",
        "orders SET side = 'SELL'",
        "orders SET environment = 'PRODUCTION'",
        "order_attempts SET execution_mode = 'PAPER'",
        "order_attempts SET venue_order_id = 'another'",
        "environment_stamp SET environment = 'PRODUCTION'",
        "risk_changes SET who = 'somebody'",
        "bookings SET evidence = '{}'",
        "signing_keys SET key = 'known'",
        "dead_letters SET reason = 'none'",
        "alembic_version SET version_num = '0001'",
    ],
)
def test_history_is_not_rewritten(attackers: dict[Role, Any], change: str) -> None:
    """By a worker's password neither."""
    with pytest.raises(errors.InsufficientPrivilege):
        attackers[Role.WORK].execute(f"UPDATE {change}")


def test_keys_are_the_workers(attackers: dict[Role, Any]) -> None:
    """Nobody else reads what steps are signed with."""
    for role in (Role.PRODUCE, Role.READ, Role.METRICS):
        with pytest.raises(errors.InsufficientPrivilege):
            attackers[role].execute("SELECT key FROM signing_keys")


def test_a_producers_shell_is_told_so(fleet: Fleet) -> None:
    """An operator's command with a producer's login is refused in one line, not by a traceback."""
    address = as_role(fleet.database_url, Role.PRODUCE)
    for command in (
        ("halt", "--reason", "x"),
        ("limits", "set", "max_quantity", "5"),
        ("recover",),
        ("migrate",),
        ("roles", "--apply"),
    ):
        done = fleet.cli(*command, DATABASE_URL=address)
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert "may not do this: permission denied" in done.stderr


def test_a_row_of_any_size_is_announced_briefly(fleet: Fleet, attackers: dict[Role, Any]) -> None:
    """Redis takes no event of any size: one that it refuses would stop its stream."""
    name = f"long-{uuid4().hex[:8]}"
    attackers[Role.PRODUCE].execute(
        """INSERT INTO order_requests (request_id, client_order_id, payload, payload_hash, outcome,
            reason, due_at) VALUES (%s, %s, %s, 'h', 'REFUSED', repeat('x', 5000000), now())""",
        (str(uuid4()), name, json.dumps({"symbol": "S" * 1_000_000})),
    )
    announced = "SELECT payload::text AS text FROM events WHERE payload ->> 'client_order_id' = %s"
    found = wait_until(lambda: fleet.query(announced, name), what="its event")
    assert len(found[0]["text"]) < 5_000


def test_nobody_takes_the_ids_of_a_bracket_s_child(attackers: dict[Role, Any]) -> None:
    """The stop of another's bracket would never be placed."""
    parent = uuid4()
    child = uuid5(parent, "STOP_LOSS")
    name = f"{'a' * 22}-sl"
    for columns in (
        {"order_id": str(child)},
        {"request_id": str(uuid5(child, "request"))},
        {"request_id": str(uuid5(child, "request")), "outcome": "REFUSED", "order_id": None},
        {"client_order_id": name},
    ):
        with pytest.raises(errors.CheckViolation):
            request(attackers[Role.PRODUCE], REQUEST, **columns)


def test_an_open_transaction_keeps_nobody_waiting(fleet: Fleet) -> None:
    """Ids that a producer inserts and never commits: his connection ends, the orders fill.

    Forty messages under such ids would occupy every thread of the intake, and come again.
    """
    names = [f"held-{uuid4().hex[:8]}" for _ in range(40)]
    cancel = f"cancel-{uuid4().hex[:8]}"
    holder = connect(fleet, Role.PRODUCE)
    holder.autocommit = False
    cursor = holder.cursor()
    for name in names:
        request(cursor, REQUEST, name)
    cursor.execute(
        """INSERT INTO order_commands (command_id, kind, client_order_id, external_id, payload,
        payload_hash, outcome, due_at) VALUES (%s, 'CANCEL', 'x', %s, '{}', 'x', 'PENDING', now())
        """,
        (str(uuid4()), cancel),
    )
    for name in names:
        fleet.send(**REQUEST, client_order_id=name)
    fleet.celery.send_task(
        "tasks.cancel_order",
        kwargs={"client_order_id": "x", "cancel_id": cancel},
        queue="orders",
    )
    other = f"good-{uuid4().hex[:8]}"
    fleet.send(**REQUEST, client_order_id=other)
    fleet.await_state(other, "FILLED", timeout=10)
    for name in names:
        fleet.await_state(name, "FILLED")
    wait_until(
        lambda: fleet.query("SELECT 1 FROM order_commands WHERE external_id = %s", cancel),
        what="the cancel",
    )
    with pytest.raises(psycopg2.OperationalError):
        cursor.execute("SELECT 1")
    holder.close()
    assert not fleet.query(
        "SELECT message FROM alerts WHERE kind = 'INTAKE_FAILING' AND resolved_at IS NULL"
    )


def test_only_workers_end_a_producer(attackers: dict[Role, Any]) -> None:
    """Nobody else may call the function that ends producers' transactions."""
    for role in (Role.PRODUCE, Role.METRICS, Role.READ):
        with pytest.raises(errors.InsufficientPrivilege):
            attackers[role].execute("SELECT end_producers_transactions('0 s')")
    attackers[Role.WORK].execute("SELECT end_producers_transactions('1 hour')")
