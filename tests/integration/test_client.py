"""The Python client commits first and sends second."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest
from kombu.exceptions import OperationalError

from execution.client import OrderClient
from execution.domain.errors import StoreUnavailable
from execution.settings import load
from tests.fleet import Servers


@pytest.fixture
def client(database_url: str, servers: Servers) -> Iterator[OrderClient]:
    """A producer's client on a database of its own."""
    client = OrderClient(load(database_url=database_url, redis_url=servers.valkey.url))
    yield client
    client.close()


def test_the_request_is_on_disk_when_the_message_leaves(
    client: OrderClient, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another connection sees it at that moment: a message that is lost loses nothing."""
    seen: list[Any] = []

    def send(task: str, **_: Any) -> None:
        url = database_url.replace("postgresql+psycopg2://", "postgresql://")
        with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT client_order_id, outcome FROM order_requests")
            seen.append((task, cursor.fetchall()))

    monkeypatch.setattr(client._celery, "send_task", send)
    client.place("BTC-USDT", "BUY", "1", client_order_id="first")
    assert seen == [("tasks.place_order", [("first", "ACCEPTED")])]


@pytest.mark.parametrize("error", [OperationalError("away"), AttributeError("kombu's pool")])
def test_what_is_committed_is_accepted(
    client: OrderClient, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Whatever happens to its message: kombu raises more than it says when Redis restarts."""

    def away(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(client._celery, "send_task", away)
    assert client.place("BTC-USDT", "BUY", "1", client_order_id="first").outcome == "ACCEPTED"


def test_what_cannot_be_committed_is_not_sent(
    client: OrderClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The producer hears that it was not accepted, and no worker hears of it."""
    sent: list[str] = []
    monkeypatch.setattr(client._celery, "send_task", lambda task, **_: sent.append(task))

    def away(_: object) -> None:
        raise StoreUnavailable("gone")

    monkeypatch.setattr(client._intake, "receive", away)
    with pytest.raises(StoreUnavailable):
        client.place("BTC-USDT", "BUY", "1", client_order_id="first")
    assert sent == []
