"""Several workers of Interactive Brokers: client ids of their own; what becomes of a dead one's."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from execution.supervisor.services import worker_spec
from tests.fleet import Fleet, Servers, flush, wait_until
from tests.venues import IbGatewayVenue

WITHIN = 30.0
SHARED = "1-4"
STRANGER = 2
"""The client id that somebody else uses."""


@pytest.fixture(scope="module")
def fleet(
    servers: Servers, module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """One worker of Interactive Brokers under supervision; others come and go."""
    flush(servers.valkey.url)
    home = tmp_path_factory.mktemp("ibkr-workers") / "home"
    with Fleet(
        module_database_url,
        servers.valkey.url,
        home,
        venue=IbGatewayVenue,
        queues=("orders", "ibkr", "paper"),
        ready=("IBKR", "PAPER"),
        environment={"IBKR_CLIENT_ID": SHARED},
    ) as fleet:
        yield fleet


@pytest.fixture
def stranger(fleet: Fleet) -> Iterator[None]:
    """Somebody else's program, connected under a client id of the range."""
    where = urlsplit(fleet.venue.url)

    def message(*fields: object) -> bytes:
        body = "".join(f"{field}\0" for field in fields).encode()
        return len(body).to_bytes(4, "big") + body

    with socket.create_connection((where.hostname, where.port or 0), 5) as line:
        hello = b"v157..176"
        line.sendall(b"API\0" + len(hello).to_bytes(4, "big") + hello)
        assert line.recv(64)
        line.sendall(message(71, 2, STRANGER, ""))
        wait_until(lambda: STRANGER in connected(fleet), what="the stranger")
        yield


def connected(fleet: Fleet) -> set[int]:
    """The client ids that TWS has let in."""
    return set(fleet.venue.control("GET", "clients")["clients"])


@contextlib.contextmanager
def guest(fleet: Fleet) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A second worker, which nobody starts again when it dies, and its client id."""
    spec = worker_spec("ibkr", fleet.home, fleet.environment, 2)
    with Path(fleet.home / "guest.log").open("ab") as log:
        worker = subprocess.Popen(
            spec.argv,
            env=dict(spec.env),
            cwd=spec.cwd,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            yield worker, wait_until(lambda: client_id_of(fleet, worker.pid), what="its session")
        finally:
            worker.send_signal(signal.SIGCONT)
            worker.kill()
            worker.wait()


def client_id_of(fleet: Fleet, pid: int) -> int | None:
    """Under which client id a process takes new orders."""
    rows = fleet.query(
        """SELECT c.client_id FROM ibkr_client_ids c JOIN broker_sessions s USING (session_id)
        WHERE s.worker LIKE %s AND s.status = 'LIVE_READY' AND s.ended_at IS NULL
        ORDER BY s.started_at LIMIT 1""",
        f"%:{pid}",
    )
    return int(rows[0]["client_id"]) if rows else None


def rest_under(fleet: Fleet, client_id: int, count: int) -> list[str]:
    """Orders that rest far from the market; so many of them were sent under a client id."""
    found: list[str] = []

    def another() -> bool:
        name = f"resting-{uuid4().hex[:8]}"
        fleet.client.place(
            symbol="SPY",
            side="BUY",
            quantity="10",
            client_order_id=name,
            order_type="LIMIT",
            limit_price="590",
            time_in_force="GTC",
        )
        order = fleet.await_state(name, "SUBMITTED")
        if there(fleet, order)["client_id"] == client_id:
            found.append(name)
        return len(found) >= count

    wait_until(another, timeout=60, what=f"orders under client id {client_id}")
    return found


def there(fleet: Fleet, order: dict[str, Any]) -> dict[str, Any]:
    """The one order that the venue holds for one of ours."""
    attempts = fleet.query(
        "SELECT venue_order_id FROM order_attempts WHERE order_id = %s", order["order_id"]
    )
    ids = {attempt["venue_order_id"] for attempt in attempts}
    (held,) = [one for one in fleet.venue.orders() if one["venue_order_id"] in ids]
    return held


def fill_and_check(fleet: Fleet, name: str) -> None:
    """The market comes to an order: it is FILLED live, once, as the venue says."""
    fleet.venue.price("SPY", "589", "589.02")
    order = fleet.await_state(name, "FILLED", timeout=WITHIN)
    assert order["execution_mode"] == "LIVE"
    held = there(fleet, order)
    fills = fleet.query("SELECT * FROM fills WHERE order_id = %s", order["order_id"])
    assert [(fill["execution_id"], fill["quantity"]) for fill in fills] == [
        (one["execution_id"], Decimal(one["quantity"]))
        for one in fleet.venue.executions()
        if one["venue_order_id"] == held["venue_order_id"]
    ]


@pytest.mark.usefixtures("stranger")
def test_a_killed_workers_orders_are_taken_up(fleet: Fleet) -> None:
    """Somebody has a client id of the range: the next one is used.

    After kill -9 the other worker cancels one of the dead one's orders, fills the other, and then
    lets go of its client id.
    """
    with guest(fleet) as (worker, client_id):
        assert client_id not in {1, STRANGER}
        cancelled, filled = rest_under(fleet, client_id, 2)
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
        fleet.client.cancel(cancelled)
        order = fleet.await_state(cancelled, "CANCELLED", timeout=WITHIN)
        assert there(fleet, order)["state"] == "CANCELLED"
        assert connected(fleet) == {1, STRANGER, client_id}
        fill_and_check(fleet, filled)
        wait_until(lambda: connected(fleet) == {1, STRANGER}, what="the client id being let go")


def test_each_changes_its_own(fleet: Fleet) -> None:
    """A cancel goes to the worker that has the order's client id, whichever it is."""
    with guest(fleet) as (_, client_id):
        names = [*rest_under(fleet, client_id, 1), *rest_under(fleet, 1, 1)]
        for name in names:
            fleet.client.cancel(name)
        for name in names:
            assert fleet.await_state(name, "CANCELLED")["execution_mode"] == "LIVE"


def test_a_worker_that_was_only_stopped(fleet: Fleet) -> None:
    """TWS lets nobody in under its client id: it has its orders still when it goes on."""
    with guest(fleet) as (worker, client_id):
        (name,) = rest_under(fleet, client_id, 1)
        worker.send_signal(signal.SIGSTOP)

        def adopter() -> bool:
            rows = fleet.query(
                """SELECT 1 FROM ibkr_client_ids c JOIN broker_sessions s USING (session_id)
                WHERE c.client_id = %s AND s.status = 'DOWN' AND s.detail LIKE '%%326%%'""",
                client_id,
            )
            return bool(rows)

        wait_until(adopter, timeout=WITHIN, what="somebody wanting its client id")
        fleet.client.cancel(name)
        worker.send_signal(signal.SIGCONT)
        assert fleet.await_state(name, "CANCELLED", timeout=WITHIN)["execution_mode"] == "LIVE"
        wait_until(lambda: client_id_of(fleet, worker.pid) == client_id, what="its lease again")
