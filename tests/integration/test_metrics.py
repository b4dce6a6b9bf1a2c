"""The metrics endpoint, really started: what it says, what it costs, what trouble it outlives."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any, NamedTuple

import psutil
import pytest
import redis
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from execution.cli.service import run_status
from execution.domain.errors import ConfigurationError, StoreUnavailable
from execution.domain.vocabulary import BrokerName
from execution.events.connection import connect
from execution.metrics.collector import ServiceCollector
from execution.metrics.serving import serve
from execution.settings import load
from execution.store import alerts, breakers, measuring, observing
from execution.store.engine import Store
from execution.supervisor.home import prepare_home
from execution.supervisor.ports import free_port, remembered_port
from execution.supervisor.process import ProcessSpec
from execution.supervisor.services import metrics_spec
from execution.supervisor.supervisor import Supervisor
from tests.fleet import Servers, flush, wait_until
from tests.integration.stored import apply, persisted, submitted, trade

ALIVE = timedelta(seconds=10)
LATE = {"late": timedelta(minutes=1)}

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


class Endpoint(NamedTuple):
    """The process that answers scrapes, and where."""

    url: str
    pid: int


def parsed(said: str) -> Samples:
    """Samples by name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(said)
        for sample in family.samples
    }


def of(samples: Samples, name: str, **labels: str) -> float | None:
    """One sample."""
    return samples.get((name, frozenset(labels.items())))


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A fresh database."""
    with closing(Store(database_url)) as store:
        yield store


@pytest.fixture
def client(servers: Servers) -> Iterator[redis.Redis]:
    """An empty Valkey."""
    flush(servers.valkey.url)
    with closing(connect(servers.valkey.url)) as client:
        yield client


@pytest.fixture
def scrape(store: Store, client: redis.Redis) -> Callable[[], Samples]:
    """Collect in this process."""
    collector = ServiceCollector(store, client, ALIVE)
    registry = CollectorRegistry()
    registry.register(collector)

    def collect() -> Samples:
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in registry.collect()
            for sample in family.samples
        }

    return collect


def execute(store: Store, statement: str, **values: object) -> Any:
    """Run a statement."""
    with store.transaction() as connection:
        return connection.execute(text(statement), values)


def test_orders_by_where_they_stand(store: Store, scrape: Callable[[], Samples]) -> None:
    """Open orders by state, broker, mode and step; what is over is not among them."""
    submitted(store)
    persisted(store)
    done = submitted(store)
    apply(store, done, trade(done, "1", "3", "64010"))
    execute(store, "UPDATE orders SET due_at = NULL WHERE state = 'FILLED'")
    doubtful = submitted(store)
    execute(
        store,
        """UPDATE orders SET state = 'UNKNOWN', due_at = clock_timestamp() - interval '2 minutes',
        updated_at = clock_timestamp() - interval '10 minutes' WHERE order_id = :id""",
        id=doubtful.order_id,
    )
    seen = scrape()
    live = {"broker": "BINANCE", "execution_mode": "LIVE"}
    assert of(seen, "execution_orders", **live, state="SUBMITTED") == 1
    assert of(seen, "execution_orders", **live, state="PENDING") == 1
    assert of(seen, "execution_orders", **live, state="UNKNOWN") == 1
    assert of(seen, "execution_orders", **live, state="FILLED") is None
    assert of(seen, "execution_orders", **(live | {"broker": "MT4"}), state="UNKNOWN") == 0
    assert of(seen, "execution_orders_unknown", broker="BINANCE") == 1
    assert of(seen, "execution_orders_unknown", broker="IBKR") == 0
    assert of(seen, "execution_orders_overdue") == 1
    assert of(seen, "execution_orders_waiting", broker="BINANCE", step="connect_gateway") == 1
    assert of(seen, "execution_orders_waiting", broker="BINANCE", step="await_fill") == 2
    age = of(seen, "execution_oldest_order_age_seconds", broker="BINANCE", step="await_fill")
    assert age is not None
    assert 600 <= age < 900
    empty = of(seen, "execution_oldest_order_age_seconds", broker="MT4", step="submit_order")
    assert empty == 0


def test_an_order_that_rests_and_has_nothing_due(
    store: Store, scrape: Callable[[], Samples]
) -> None:
    """An order that a session watches is found without being due; with something due, once."""
    order = submitted(store)
    name = {"broker": "BINANCE", "execution_mode": "LIVE", "state": "SUBMITTED"}
    assert of(scrape(), "execution_orders", **name) == 1
    execute(store, "UPDATE orders SET due_at = NULL WHERE order_id = :id", id=order.order_id)
    assert of(scrape(), "execution_orders", **name) == 1
    assert of(scrape(), "execution_orders_overdue") == 0


def test_brokers_alerts_and_outbox(store: Store, scrape: Callable[[], Samples]) -> None:
    """Breakers, sessions and their ends, open alerts by kind, events nobody was told of."""
    with store.transaction() as connection:
        breakers.failed(connection, BrokerName.MT4, "away", counts=True, threshold=1)
        alerts.alert(connection, alerts.LATE_FILL, "a", "came late")
        alerts.alert(connection, alerts.LATE_FILL, "b", "came late")
        alerts.alert(connection, alerts.WAITING, "c", "waits")
        alerts.resolve(connection, alerts.WAITING, "c")
    for broker, status, ago in (
        ("BINANCE", "LIVE_READY", 0), ("BINANCE", "DOWN", 0), ("IBKR", "NO_CREDENTIALS", 0),
        ("MT4", "LIVE_READY", 60),
    ):  # fmt: skip
        execute(
            store,
            """INSERT INTO broker_sessions (session_id, broker, worker, status, heartbeat_at)
            VALUES (gen_random_uuid(), :broker, 'w', :status,
                clock_timestamp() - :ago * interval '1 s')""",
            broker=broker,
            status=status,
            ago=ago,
        )
    persisted(store)
    seen = scrape()
    assert of(seen, "execution_breaker_state", broker="MT4", state="OPEN") == 1
    assert of(seen, "execution_breaker_state", broker="MT4", state="CLOSED") == 0
    assert of(seen, "execution_breaker_state", broker="PAPER", state="CLOSED") == 1
    assert of(seen, "execution_breaker_failures_total", broker="MT4") == 1
    assert of(seen, "execution_session_status", broker="BINANCE", status="LIVE_READY") == 1
    assert of(seen, "execution_session_status", broker="IBKR", status="NO_CREDENTIALS") == 1
    assert of(seen, "execution_session_status", broker="MT4", status="NONE") == 1
    assert of(seen, "execution_sessions", broker="BINANCE") == 2
    assert of(seen, "execution_sessions", broker="MT4") == 0
    assert of(seen, "execution_alerts_open", kind="LATE_FILL") == 2
    assert of(seen, "execution_alerts_open", kind="WAITING") == 0
    assert of(seen, "execution_events_unnumbered") == 2
    execute(store, "UPDATE events SET sequence = 1 WHERE event_no = 1")
    execute(store, "UPDATE streams SET last_sequence = 1 WHERE stream = 'orders'")
    seen = scrape()
    assert of(seen, "execution_events_unpublished", stream="orders") == 1
    age = of(seen, "execution_oldest_unpublished_event_age_seconds", stream="orders")
    assert age is not None
    assert age > 0
    assert of(seen, "execution_oldest_unpublished_event_age_seconds", stream="fills") == 0


def test_queues(client: redis.Redis, scrape: Callable[[], Samples]) -> None:
    """Each queue's messages, and those a worker holds."""
    client.rpush("binance", "a", "b")
    client.hset("unacked", "tag", "message")
    seen = scrape()
    assert of(seen, "execution_queue_messages", queue="binance") == 2
    assert of(seen, "execution_queue_messages", queue="recovery") == 0
    assert of(seen, "execution_unacknowledged_messages") == 1


def test_every_list_that_holds_messages(client: redis.Redis, scrape: Callable[[], Samples]) -> None:
    """Priorities count for their queue; what no worker reads is named, up to twenty lists."""
    sep = b"\x06\x16"
    client.rpush(b"orders" + sep + b"3", "a")
    client.rpush(b"orders" + sep + b"9", "a")
    client.rpush("orders", "a")
    client.rpush("celery", "a")
    client.rpush("ibkr.2", "a")
    client.rpush("order", "a", "b")
    client.rpush("orders:3", "a")
    client.rpush("x.reply.celery.pidbox", "an answer")
    seen = scrape()
    assert of(seen, "execution_queue_messages", queue="orders") == 3
    assert of(seen, "execution_queue_messages", queue="celery") == 1
    assert of(seen, "execution_queue_messages", queue="ibkr.2") == 1
    assert of(seen, "execution_unserved_messages", list="order") == 2
    assert of(seen, "execution_unserved_messages", list="orders:3") == 1
    for number in range(30):
        client.rpush(f"made-up-{number}", "a")
    seen = scrape()
    named = [each for each in seen if each[0] == "execution_unserved_messages"]
    assert len(named) == 21
    assert sum(map(float, (seen[each] for each in named))) == 33


def test_a_histogram_goes_on_after_a_restart(
    store: Store, client: redis.Redis, scrape: Callable[[], Samples]
) -> None:
    """Buckets are cumulative; another process, later, goes on where this one was."""

    def fill() -> None:
        order = submitted(store)
        apply(store, order, trade(order, "1", "3", "64010"))
        while measuring.measure(store, timedelta(0)):
            pass

    fill()
    place = {"broker": "BINANCE", "step": "submit_order"}
    seen = scrape()
    counts = [
        of(seen, "execution_step_latency_seconds_bucket", **place, le=bound)
        for bound in ("0.005", "0.5", "60.0", "+Inf")
    ]
    assert counts == sorted(counts, key=float)  # type: ignore[arg-type]
    first = counts[-1]
    assert first == of(seen, "execution_step_latency_seconds_count", **place) > 0  # type: ignore[operator]
    fill()
    other = ServiceCollector(store, client, ALIVE)
    again = {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in other.collect()
        for sample in family.samples
    }
    assert of(again, "execution_step_latency_seconds_count", **place) == 2 * first  # type: ignore[operator]
    live = {"broker": "BINANCE", "execution_mode": "LIVE"}
    assert of(again, "execution_order_states_total", **live, state="FILLED") == 2
    assert of(again, "execution_fills_total", **live) == 2
    assert of(again, "execution_recovery_repairs_total", kind="orders") == 0


def test_one_part_that_fails_leaves_the_others(store: Store, scrape: Callable[[], Samples]) -> None:
    """A table that is missing costs its own part only, which says so and is counted."""
    persisted(store)
    execute(store, "ALTER TABLE alerts RENAME TO elsewhere")
    scrape()
    seen = scrape()
    assert of(seen, "execution_scrape_up", part="alerts") == 0
    assert of(seen, "execution_scrape_errors_total", part="alerts") == 2
    assert of(seen, "execution_scrape_up", part="orders") == 1
    assert not any(name == "execution_alerts_open" for name, _ in seen)
    assert of(seen, "execution_orders", broker="BINANCE", execution_mode="LIVE", state="PENDING")


def test_servers_that_are_away(client: redis.Redis) -> None:
    """Without PostgreSQL the queues are there still, and without Redis the rest would be."""
    with closing(Store("postgresql+psycopg2://nobody@127.0.0.1:1/none")) as nowhere:
        samples = [
            sample
            for family in ServiceCollector(nowhere, client, ALIVE).collect()
            for sample in family.samples
        ]
    up = {sample.labels["part"]: sample.value for sample in samples if sample.name.endswith("_up")}
    assert up.pop("queues") == 1
    assert set(up.values()) == {0}


def test_a_scrape_changes_nothing(store: Store) -> None:
    """What reads for a scrape could not write if it tried."""
    with pytest.raises(Exception, match="read-only"), store.transaction() as connection:
        observing.bounded(connection, timedelta(seconds=1))
        connection.execute(text("DELETE FROM alerts"))


def test_a_statement_is_given_up(store: Store) -> None:
    """A statement that takes longer than it may is an error of that part, not a hanging scrape."""
    with pytest.raises(StoreUnavailable, match="statement timeout"), store.transaction() as it:
        observing.bounded(it, timedelta(milliseconds=50))
        assert it.scalar(text("SHOW statement_timeout")) == "50ms"
        it.execute(text("SELECT pg_sleep(20)"))


GROWING = {
    "orders",
    "order_attempts",
    "order_requests",
    "order_events",
    "events",
    "fills",
    "alerts",
}
OF_WHAT_IS_OPEN = {
    "orders_due", "order_attempts_waiting", "order_requests_due", "alerts_open",
    "events_unsequenced",
}  # fmt: skip


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every node of a plan."""
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


@pytest.mark.parametrize(
    ("statement", "values"),
    [
        (observing.OPEN_ORDERS, LATE),
        (observing.REQUESTS, LATE),
        (observing.ALERTS, {}),
        (observing.SESSIONS, {"timeout": ALIVE}),
        (observing.UNNUMBERED, {}),
        (observing.STREAMS, {}),
    ],
)
def test_no_scrape_reads_a_whole_table(
    store: Store, statement: str, values: dict[str, Any]
) -> None:
    """Tables that grow are read by key, or by an index of what is open alone."""
    with store.transaction() as connection:
        plan = connection.execute(text("EXPLAIN (FORMAT JSON) " + statement), values).scalar_one()
    for node in nodes(plan[0]["Plan"]):
        if node.get("Relation Name") in GROWING:
            index = {part.get("Index Name") for part in nodes(node)} - {None}
            keyed = any("Index Cond" in part for part in nodes(node))
            assert index, node
            assert keyed or index <= OF_WHAT_IS_OPEN, node


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty home."""
    return prepare_home(tmp_path / "home")


@pytest.fixture
def endpoint(
    servers: Servers, database_url: str, client: redis.Redis, home: Path
) -> Iterator[Endpoint]:
    """The process as `execution up` starts it."""
    del client
    env = {"DATABASE_URL": database_url, "REDIS_URL": servers.valkey.url}
    with Supervisor([metrics_spec(home, {**os.environ, **env})], home) as it:
        pid = it.state.processes[0].pid
        assert pid is not None
        yield Endpoint(f"http://127.0.0.1:{remembered_port(home, 'metrics')}/metrics", pid)


def ask(url: str) -> str:
    """What the endpoint says."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=20) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain")
        return str(answer.read().decode())


def test_live(endpoint: Endpoint, store: Store) -> None:
    """It listens on loopback alone, measures by itself, and ends when told to."""
    process = psutil.Process(endpoint.pid)
    listening = [each.laddr for each in process.net_connections("inet") if each.status == "LISTEN"]
    assert [address.ip for address in listening] == ["127.0.0.1"]
    order = submitted(store)
    apply(store, order, trade(order, "1", "3", "64010"))
    for table in ("order_events", "fills", "order_requests"):
        column = {"order_events": "at", "fills": "recorded_at"}.get(table, "received_at")
        execute(store, f"UPDATE {table} SET {column} = {column} - interval '30 s'")
    execute(store, "UPDATE measured SET upto = upto - interval '1 minute'")

    def measured() -> Samples | None:
        seen = parsed(ask(endpoint.url))
        return seen if of(seen, "execution_requests_total", outcome="ACCEPTED") else None

    seen = wait_until(measured, what="the endpoint's own measuring")
    live = {"broker": "BINANCE", "execution_mode": "LIVE"}
    assert of(seen, "execution_fills_total", **live) == 1
    assert of(seen, "execution_step_latency_seconds_count", broker="BINANCE", step="submit_order")
    assert all(value == 1 for (name, _), value in seen.items() if name == "execution_scrape_up")
    process.send_signal(signal.SIGTERM)
    wait_until(lambda: _is_over(process), what="its end")


def _is_over(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_an_address_that_is_taken(database_url: str, servers: Servers) -> None:
    """It says so in words, at once."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = load(database_url=database_url, redis_url=servers.valkey.url)
        with pytest.raises(ConfigurationError, match=f"cannot listen on 127.0.0.1:{port}"):
            serve(settings, "127.0.0.1", port, Event())


def test_status_says_where(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`execution status` prints the addresses of what runs, on lines of their own."""
    port = free_port(home, "metrics")
    sleeping = ProcessSpec("it", ("sleep", "600"), dict(os.environ), home)
    with Supervisor([sleeping], home), pytest.MonkeyPatch.context() as patch:
        patch.setenv("EXECUTION_HOME", str(home))
        assert run_status(as_json=False) == 0
    assert f"Metrics: http://127.0.0.1:{port}/metrics\n" in capsys.readouterr().out


ROOT = Path(__file__).parents[2]
ALERT_RULES = ROOT / "operations" / "prometheus" / "alerts.yml"
DASHBOARD = ROOT / "operations" / "grafana" / "execution.json"
METRIC = re.compile(r"\bexecution_[a-z_]+\b")


def exported(said: str) -> set[str]:
    """Names of all samples, with those that families without a sample would have."""
    found = set[str]()
    for family in text_string_to_metric_families(said):
        suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}
        found |= {family.name + suffix for suffix in suffixes.get(family.type, ("",))}
    return found


def test_every_metric_that_is_used_is_exported(endpoint: Endpoint) -> None:
    """The rules, the dashboard and docs/metrics.md name what a live endpoint says, no more."""
    there = exported(ask(endpoint.url))
    assert "execution_orders_unknown" in there
    for file in (ALERT_RULES, DASHBOARD):
        said = file.read_text("utf-8")
        used = {name for name in METRIC.findall(said) if name != "execution_mode"}
        assert used, file
        assert used <= there, file
    json.loads(DASHBOARD.read_text("utf-8"))
    rows = (ROOT / "docs" / "metrics.md").read_text("utf-8")
    documented = set(re.findall(r"^\| `(execution_\w+)`", rows, re.MULTILINE))
    ours = {name for name in there if name.startswith("execution_")}
    assert documented == {re.sub(r"_(bucket|count|sum)$", "", name) for name in ours}
