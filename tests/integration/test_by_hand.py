"""What an operator does by hand: settle an order in UNKNOWN, send on what stands still, look."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
import redis
from sqlalchemy import text
from typer.testing import CliRunner, Result

from execution.cli import app
from execution.domain.errors import ConfigurationError, EventsUnavailable, ExecutionError
from execution.domain.lifecycle import Step
from execution.domain.mapping import ExchangeMapper
from execution.domain.orders import Order
from execution.domain.reconciliation import MISSING_ORDER, missing
from execution.domain.reports import Execution, VenueOrder
from execution.domain.resolving import Resolution, Told
from execution.domain.vocabulary import BrokerName, Environment, OrderState
from execution.intake import Intake
from execution.recovering import Repairs, Sweep
from execution.store import (
    alerts,
    executions,
    orders,
    reconciling,
    recovery,
    reports,
    sessions,
    stamp,
)
from execution.store.controls import FIRST_VERSION
from execution.store.engine import Store
from execution.store.resolving import BeingAsked, NotResolved, resolve
from tests.fleet import Servers, flush

from .stored import SESSION, TIMING, apply, intended, persisted, reload, submitted, trade

EVIDENCE = "TWS log 10:31: no such order"
SOON = timedelta(0)


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A fresh database."""
    store = Store(database_url)
    yield store
    store.close()


def rows(store: Store, statement: str, **parameters: Any) -> list[Any]:
    """Rows of a statement."""
    with store.transaction() as connection:
        found = connection.execute(text(statement), parameters)
        return list(found) if found.returns_rows else []


def doubt(store: Store, order: Order, reason: str = "no answer") -> Order:
    """Nobody can say whether the order arrived."""
    with store.transaction() as connection:
        assert orders.in_doubt(connection, order, reason, SOON)
        alerts.alert(
            connection,
            alerts.UNKNOWN_OUTCOME,
            order.order_id,
            f"order {order.client_order_id}: {reason}",
            order_id=order.order_id,
            broker=order.broker,
        )
    return reload(store, order.order_id)


def doubtful(store: Store, **fields: Any) -> Order:
    """BUY 3 BTC-USDT at Binance, sent, in UNKNOWN."""
    return doubt(store, intended(store, persisted(store, **fields)))


def told(order: Order, name: str, quantity: str, price: str, **changes: Any) -> Execution:
    """An execution as a person tells it."""
    return trade(order, name, quantity, price, **{"executed_at": order.read_at, **changes})


def settle(store: Store, seen: Order, kind: Told, *heard: Execution) -> Order:
    """Settle an order as the command does."""
    with store.transaction() as connection:
        resolve(connection, seen, Resolution(kind, "alice", EVIDENCE, heard), TIMING.step)
    return reload(store, seen.order_id)


def open_alerts(store: Store) -> list[str]:
    """Kinds of the alerts that stand."""
    return [row.kind for row in rows(store, "SELECT kind FROM alerts WHERE resolved_at IS NULL")]


ENDS = [
    (Told.NEVER_ARRIVED, OrderState.REJECTED, "never reached BINANCE"),
    (Told.REJECTED, OrderState.REJECTED, "rejected at BINANCE"),
    (Told.CANCELLED, OrderState.CANCELLED, "cancelled at BINANCE"),
    (Told.EXPIRED, OrderState.EXPIRED, "expired at BINANCE"),
]


@pytest.mark.parametrize(("kind", "state", "words"), ENDS)
def test_an_end_without_executions(store: Store, kind: Told, state: OrderState, words: str) -> None:
    """The order is over, says why and on whose word; its alert is settled, its stream is told."""
    order = settle(store, doubtful(store), kind)
    assert (order.state, order.attempt.state, order.due_at) == (state, state, None)
    assert order.broker is BrokerName.BINANCE
    assert order.reason == f"{words} (settled by alice: {EVIDENCE})"
    assert open_alerts(store) == []
    (line,) = rows(store, "SELECT * FROM order_events WHERE step = 'resolve'")
    assert (line.state, line.broker) == (state, "BINANCE")
    assert line.detail["by"] == "alice"
    assert line.detail["evidence"] == EVIDENCE
    assert line.detail["as"] == kind
    *_, event = rows(store, "SELECT type, payload FROM events ORDER BY event_no")
    assert (event.type, event.payload["reason"]) == (state, order.reason)
    assert len(rows(store, "SELECT 1 FROM order_attempts")) == 1


def test_filled_goes_through_the_steps(store: Store) -> None:
    """Executions told by hand are reports like any: fills, a position, one message each."""
    order = doubtful(store)
    order = settle(
        store, order, Told.FILLED, told(order, "a", "1", "100"), told(order, "b", "2", "106")
    )
    assert (order.state, order.step) == (OrderState.SUBMITTED, Step.SUBMIT_ORDER)
    assert order.due_at is not None
    assert open_alerts(store) == []
    order = apply(store, order)
    assert (order.state, order.filled_quantity) == (OrderState.FILLED, Decimal(3))
    assert order.average_price == 104
    assert order.attempt.state is OrderState.FILLED
    (held,) = rows(store, "SELECT quantity, average_price FROM positions")
    assert (held.quantity, held.average_price) == (3, 104)
    assert len(rows(store, "SELECT 1 FROM events WHERE type = 'FILL'")) == 2
    (attempt,) = rows(store, "SELECT reason FROM order_attempts")
    assert attempt.reason == f"filled at BINANCE (settled by alice: {EVIDENCE})"


def test_a_part_and_then_cancelled(store: Store) -> None:
    """What was executed counts, the rest is cancelled, with the reason."""
    order = doubtful(store)
    order = settle(store, order, Told.CANCELLED, told(order, "a", "2", "100"))
    order = apply(store, order)
    assert (order.state, order.filled_quantity) == (OrderState.CANCELLED, Decimal(2))
    assert order.reason == f"cancelled at BINANCE (settled by alice: {EVIDENCE})"
    assert [row.quantity for row in rows(store, "SELECT quantity FROM positions")] == [2]


def test_told_by_hand_then_by_the_venue(store: Store) -> None:
    """The venue's own report of the same execution is the same execution."""
    order = doubtful(store)
    heard = told(order, "a", "3", "100")
    order = apply(store, settle(store, order, Told.FILLED, heard))
    order = apply(store, order, heard)
    assert order.filled_quantity == 3
    assert len(rows(store, "SELECT 1 FROM fills")) == 1
    assert open_alerts(store) == []


def test_a_late_execution_of_what_never_arrived(store: Store) -> None:
    """It did arrive after all: recorded, in the position, and somebody must look at it."""
    order = settle(store, doubtful(store), Told.NEVER_ARRIVED)
    with store.transaction() as connection:
        assert reports.record_from_venue(
            connection,
            [trade(order, "late", "1", "100")],
            broker=BrokerName.BINANCE,
            environment="practice",
            account="main",
        )
    order = apply(store, order)
    assert (order.state, order.filled_quantity) == (OrderState.REJECTED, Decimal(1))
    assert [row.quantity for row in rows(store, "SELECT quantity FROM positions")] == [1]
    assert open_alerts(store) == [alerts.LATE_FILL]


def test_what_was_to_reduce_risk(store: Store) -> None:
    """A refused order that was to reduce risk leaves an alert, and nothing on paper."""
    order = settle(store, doubtful(store, reduce_only=True), Told.NEVER_ARRIVED)
    assert order.broker is BrokerName.BINANCE
    assert open_alerts(store) == [alerts.UNPROTECTED]


def taken(store: Store, order: Order) -> Order | None:
    """Reconciliation finds the order at the venue."""
    said = VenueOrder("1", OrderState.SUBMITTED, order.symbol, order.side, order.quantity)
    with store.transaction() as connection:
        return orders.acknowledged(connection, order, said, SESSION, TIMING)


def missed(store: Store, order: Order) -> Order:
    """Reconciliation finds that the venue shows an order no more."""
    with store.transaction() as connection:
        broken = [missing(order, "of an earlier day")]
        reconciling.record(connection, order.broker, [MISSING_ORDER], broken)
    return reload(store, order.order_id)


def test_what_its_venue_misses(store: Store) -> None:
    """An order that works is settled by hand only when its venue has been found to miss it."""
    order = submitted(store)
    heard = told(order, "a", "3", "100")
    with pytest.raises(NotResolved, match="nothing to settle"):
        settle(store, order, Told.FILLED, heard)
    order = apply(store, settle(store, missed(store, order), Told.FILLED, heard))
    assert (order.state, order.filled_quantity) == (OrderState.FILLED, Decimal(3))
    assert [row.quantity for row in rows(store, "SELECT quantity FROM positions")] == [3]
    assert open_alerts(store) == []
    over = settle(store, missed(store, submitted(store)), Told.EXPIRED)
    assert (over.state, over.attempt.state, over.due_at) == (OrderState.EXPIRED,) * 2 + (None,)


def test_the_rest_of_what_its_venue_misses(store: Store) -> None:
    """What was executed before counts; what is told by hand comes on top."""
    order = submitted(store)
    order = apply(store, order, told(order, "a", "1", "100"))
    assert order.state is OrderState.PARTIALLY_FILLED
    order = missed(store, order)
    order = apply(store, settle(store, order, Told.FILLED, told(order, "b", "2", "106")))
    assert (order.state, order.filled_quantity, order.average_price) == (
        OrderState.FILLED,
        Decimal(3),
        Decimal(104),
    )
    assert open_alerts(store) == []
    cut = submitted(store)
    cut = missed(store, apply(store, cut, told(cut, "c", "1", "100")))
    assert settle(store, cut, Told.CANCELLED).state is OrderState.CANCELLED


def test_settled_meanwhile(store: Store) -> None:
    """Reconciliation was first: the word by hand changes nothing, not even a report stays."""
    seen = doubtful(store)
    assert taken(store, seen)
    before = reload(store, seen.order_id)
    with pytest.raises(NotResolved, match="has become SUBMITTED meanwhile; nothing was changed"):
        settle(store, seen, Told.FILLED, told(seen, "a", "3", "100"))
    assert reload(store, seen.order_id).version == before.version
    assert rows(store, "SELECT 1 FROM execution_reports") == []
    assert open_alerts(store) == []  # the doubt ended with what reconciliation found


def test_at_the_same_moment(store: Store) -> None:
    """Of reconciliation and a word by hand, begun together, one wins and the other does nothing."""
    won = []
    for _ in range(15):
        seen = doubtful(store)
        start, outcome = threading.Barrier(2), dict[str, bool]()

        def find(
            seen: Order = seen,
            start: threading.Barrier = start,
            outcome: dict[str, bool] = outcome,
        ) -> None:
            start.wait()
            outcome["found"] = taken(store, seen) is not None

        thread = threading.Thread(target=find)
        thread.start()
        start.wait()
        try:
            settle(store, seen, Told.CANCELLED)
            outcome["settled"] = True
        except NotResolved:
            outcome["settled"] = False
        thread.join()
        state = reload(store, seen.order_id).state
        assert outcome["found"] != outcome["settled"]
        assert state is (OrderState.CANCELLED if outcome["settled"] else OrderState.SUBMITTED)
        won.append(outcome["settled"])
    assert won


def test_sent_again_meanwhile(store: Store) -> None:
    """The evidence was about another send: it does not settle the doubt about this one."""
    seen = doubtful(store)
    with store.transaction() as connection:
        again = orders.commit_intent(connection, seen, SESSION, TIMING, FIRST_VERSION)
    assert again is not None
    doubt(store, again)
    with pytest.raises(NotResolved, match="sent again"):
        settle(store, seen, Told.NEVER_ARRIVED)


def test_asked_in_vain_meanwhile(store: Store) -> None:
    """A venue that was asked and said nothing changes the version, and not what is known."""
    seen = doubtful(store)
    with store.transaction() as connection:
        asked = orders.extend_lease(connection, seen, SESSION, TIMING)
    assert asked is not None
    with pytest.raises(BeingAsked, match="is being asked"):
        settle(store, seen, Told.CANCELLED)
    doubt(store, asked)
    assert settle(store, seen, Told.CANCELLED).state is OrderState.CANCELLED


def test_an_execution_of_another_order(store: Store) -> None:
    """An id that the venue has given to another order's execution is a mistake."""
    other = submitted(store)
    heard = trade(other, "a", "1", "100")
    apply(store, other, heard)
    seen = doubtful(store)
    mistaken = replace(told(seen, "a", "3", "100"), execution_id=heard.execution_id)
    with pytest.raises(NotResolved, match="and not of order"):
        settle(store, seen, Told.FILLED, mistaken)
    assert reload(store, seen.order_id).state is OrderState.UNKNOWN


def stranger(store: Store, heard: Execution) -> None:
    """The venue reports an execution without our id: it is booked as one of no order of ours."""
    with store.transaction() as connection:
        reports.record_from_venue(
            connection, [heard], broker=BrokerName.BINANCE, environment="practice", account="main"
        )
        (report_id,) = recovery.orphan_reports(connection)
    with store.transaction() as connection:
        executions.apply_orphan(connection, report_id, lambda _: None)


def test_an_execution_that_was_nobody_s(store: Store) -> None:
    """Told as this order's, it is; its alert is settled with it, and it still counts once."""
    seen = doubtful(store)
    heard = told(seen, "a", "3", "100", venue_order_id=None)
    stranger(store, heard)
    assert sorted(open_alerts(store)) == [alerts.UNKNOWN_ORDER, alerts.UNKNOWN_OUTCOME]
    order = apply(store, settle(store, seen, Told.FILLED, heard))
    assert (order.state, order.filled_quantity) == (OrderState.FILLED, Decimal(3))
    assert len(rows(store, "SELECT 1 FROM fills")) == 1
    assert open_alerts(store) == []


def test_an_execution_that_is_known_otherwise(store: Store) -> None:
    """The venue's own figures are not talked over."""
    seen = doubtful(store)
    heard = told(seen, "a", "3", "100", venue_order_id=None)
    stranger(store, heard)
    with pytest.raises(NotResolved, match="as 3 at 100"):
        settle(store, seen, Told.FILLED, told(seen, "a", "3", "101"))
    assert reload(store, seen.order_id).state is OrderState.UNKNOWN


HOUR = timedelta(hours=1)
CANNOT_BE: list[tuple[Told, list[tuple[str, str, timedelta]], str]] = [
    (Told.FILLED, [("a", "3", HOUR)], "in the future"),
    (Told.FILLED, [("a", "3", timedelta(days=-10_000))], "before the order came"),
    (Told.FILLED, [("a", "1", SOON), ("a", "2", SOON)], "has one of its own"),
    (Told.FILLED, [("a", "2", SOON)], "2 of 3 are not all"),
    (Told.EXPIRED, [("a", "3", SOON)], "so it is filled"),
    (Told.REJECTED, [("a", "1", SOON)], "so it was not refused"),
    (Told.NEVER_ARRIVED, [("a", "1", SOON)], "so it was not refused"),
]


@pytest.mark.parametrize(("kind", "said", "words"), CANNOT_BE)
def test_what_cannot_be(
    store: Store, kind: Told, said: list[tuple[str, str, timedelta]], words: str
) -> None:
    """Words that contradict themselves or the order are refused, and change nothing."""
    seen = doubtful(store)
    heard = [
        told(seen, name, quantity, "100", executed_at=seen.read_at + later)
        for name, quantity, later in said
    ]
    with pytest.raises(NotResolved, match=words):
        settle(store, seen, kind, *heard)
    assert reload(store, seen.order_id).state is OrderState.UNKNOWN
    assert rows(store, "SELECT 1 FROM execution_reports") == []


def test_more_than_was_ordered(store: Store) -> None:
    """What happened at a venue is recorded, however unexpected."""
    order = doubtful(store)
    order = apply(store, settle(store, order, Told.FILLED, told(order, "a", "4", "100")))
    assert (order.state, order.filled_quantity) == (OrderState.FILLED, Decimal(4))
    assert open_alerts(store) == [alerts.OVERFILLED]


class Sent:
    """Keeps what was to be sent."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, UUID, str]] = []

    def steps(
        self, order_id: UUID, first: Step, broker: BrokerName, channel: int | None = None
    ) -> None:
        self.messages.append((first.task, order_id, first.queue(broker)))

    def task(self, name: str, key: UUID, queue: str) -> None:
        self.messages.append((name, key, queue))


def swept(store: Store) -> tuple[Repairs, list[tuple[str, UUID, str]]]:
    """What a sweep to the end did and sent."""
    sent = Sent()
    sweep = Sweep(store, ExchangeMapper(), TIMING, timedelta(seconds=30), sent)
    return sweep.to_the_end(), sent.messages


def overdue(store: Store, table: str) -> None:
    """Let what is due be due since a while."""
    rows(store, f"UPDATE {table} SET due_at = due_at - interval '1 hour' WHERE due_at IS NOT NULL")


def test_a_sweep_to_the_end(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batch after batch, each thing once, until nothing is due; a second sweep finds nothing."""
    monkeypatch.setattr(recovery, "BATCH", 2)
    names = {persisted(store, BrokerName.PAPER).order_id for _ in range(5)}
    overdue(store, "orders")
    intake = Intake(store, ExchangeMapper(), TIMING.step)
    request = {"symbol": "SPY", "side": "BUY", "quantity": "1", "client_order_id": "asked"}
    receipt = intake.receive(request)
    overdue(store, "order_requests")
    done, sent = swept(store)
    assert done == Repairs(requests=1, orders=5)
    assert sorted(sent) == sorted(
        [("tasks.connect_gateway", name, "paper") for name in names]
        + [("tasks.create_order", receipt.order_id, "orders")]
    )
    assert swept(store) == (Repairs(), [])


def test_a_sweep_books_strangers(store: Store) -> None:
    """An execution of no order of ours needs no worker."""
    order = submitted(store)
    heard = told(order, "a", "3", "100", venue_order_id=None)
    with store.transaction() as connection:
        reports.record_from_venue(
            connection, [heard], broker=BrokerName.BINANCE, environment="practice", account="main"
        )
    done, _ = swept(store)
    assert done.orphans == 1
    assert [row.quantity for row in rows(store, "SELECT quantity FROM positions")] == [3]


def test_an_execution_of_an_order_in_doubt(store: Store) -> None:
    """Heard of among the account's executions, it needs no answer about the order itself."""
    order = doubtful(store)
    with store.transaction() as connection:
        reports.record_from_venue(
            connection,
            [trade(order, "a", "3", "100")],
            broker=BrokerName.BINANCE,
            environment="practice",
            account="main",
        )
    overdue(store, "orders")
    _, sent = swept(store)
    assert sent == [("tasks.await_fill", order.order_id, "binance")]
    with pytest.raises(NotResolved, match="has been heard of"):
        settle(store, reload(store, order.order_id), Told.CANCELLED)
    order = apply(store, order)
    assert order.state is OrderState.FILLED
    assert open_alerts(store) == []


def test_those_that_wait_do_not_keep_others_from_paper(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a worker some orders wait for ever, by their producer's wish; the others go on."""
    monkeypatch.setattr(recovery, "BATCH", 2)
    for _ in range(3):
        persisted(store, on_failure="wait")
    other = persisted(store)
    rows(store, "UPDATE orders SET updated_at = updated_at - interval '1 hour'")
    rows(store, "UPDATE orders SET due_at = due_at + interval '1 minute'")
    done, sent = swept(store)
    assert done == Repairs(rerouted=1)
    assert sent == [("tasks.reroute_to_paper", other.order_id, "paper")]
    assert reload(store, other.order_id).broker is BrokerName.PAPER


class Line:
    """Runs commands in this process."""

    def __init__(self, database_url: str, redis_url: str) -> None:
        self.environment = {"DATABASE_URL": database_url, "REDIS_URL": redis_url}

    def run(self, *arguments: str, answer: str | None = None, **environment: str) -> Result:
        """Run a command; `answer` is typed where it asks."""
        return CliRunner().invoke(
            app, arguments, input=answer, env={**self.environment, **environment}
        )

    def waiting(self, queue: str) -> list[str]:
        """The tasks whose messages wait in a queue."""
        with closing(redis.Redis.from_url(self.environment["REDIS_URL"])) as client:
            return [
                json.loads(message)["headers"]["task"] for message in client.lrange(queue, 0, -1)
            ]


@pytest.fixture
def line(database_url: str, servers: Servers) -> Iterator[Line]:
    """The command line on a fresh database and an emptied Valkey, with no worker anywhere."""
    flush(servers.valkey.url)
    yield Line(database_url, servers.valkey.url)
    flush(servers.valkey.url)


def failure(result: Result) -> str:
    """Why a command failed."""
    assert isinstance(result.exception, ExecutionError), result.output
    return str(result.exception)


def test_resolve_asks_first(store: Store, line: Line) -> None:
    """It says what will happen and on whose word; without a yes nothing does."""
    name = doubtful(store).client_order_id
    command = ("resolve", name, "--as", "never-arrived", "--evidence", EVIDENCE)
    for answer in ("n\n", None):
        done = line.run(*command, answer=answer)
        assert done.exit_code == 1
        assert f"order {name}: BUY 3 BTC-USDT, UNKNOWN at BINANCE" in done.stderr
        assert "it ends REJECTED; it is not sent again and goes nowhere else" in done.stderr
        assert EVIDENCE in done.stderr
    (order,) = rows(store, "SELECT state, version FROM orders")
    assert order.state == "UNKNOWN"
    done = line.run(*command, "--json", answer="y\n")
    assert done.exit_code == 0, done.output
    shown = json.loads(done.stdout.removeprefix(" y"))  # what was typed
    assert (shown["client_order_id"], shown["state"]) == (name, "REJECTED")
    assert EVIDENCE in shown["reason"]


def test_resolve_without_a_worker(store: Store, line: Line) -> None:
    """What is told of executions waits, committed, in its broker's queue."""
    order = doubtful(store)
    done = line.run(
        *("resolve", str(order.order_id), "--as", "cancelled", "--evidence", EVIDENCE, "--yes"),
        *("--quantity", "1", "--price", "100", "--execution-id", "X1", "--commission", "0.1"),
        *("--quantity", "0.5", "--price", "101", "--execution-id", "X2", "--commission", "0.2"),
        *("--wait", "0", "--json"),
    )
    assert done.exit_code == 0, done.output
    assert "a worker of BINANCE goes on" in done.stderr
    assert json.loads(done.stdout)["state"] == "SUBMITTED"
    assert line.waiting("binance") == ["tasks.await_fill"]
    found = rows(store, "SELECT execution_id, quantity, price, commission FROM execution_reports")
    assert sorted(tuple(row) for row in found) == [
        ("X1", 1, 100, Decimal("0.1")),
        ("X2", Decimal("0.5"), 101, Decimal("0.2")),
    ]


def test_resolve_without_redis(store: Store, line: Line) -> None:
    """The word is kept, and the message is left to recovery."""
    order = doubtful(store)
    done = line.run(
        *("resolve", order.client_order_id, "--as", "filled", "--evidence", EVIDENCE, "--yes"),
        *("--quantity", "3", "--price", "100", "--execution-id", "X1", "--wait", "0"),
        REDIS_URL="redis://127.0.0.1:1",
    )
    assert done.exit_code == 0, done.output
    assert "the workers hear of it a little later" in done.stderr
    assert reload(store, order.order_id).due_at is not None


def test_resolve_refuses(store: Store, line: Line) -> None:
    """An order that is not in doubt, one that is not there, and words that cannot be so."""
    command = ("--as", "cancelled", "--evidence", EVIDENCE, "--yes")
    assert "there is no order nothing" in failure(line.run("resolve", "nothing", *command))
    resting = submitted(store).client_order_id
    assert "BINANCE has not been found to miss it" in failure(
        line.run("resolve", resting, *command)
    )
    over = apply(store, settle(store, doubtful(store), Told.CANCELLED)).client_order_id
    assert "it is CANCELLED, not UNKNOWN" in failure(line.run("resolve", over, *command))
    rows(store, "UPDATE environment_stamp SET environment = 'production'")
    name = doubtful(store).client_order_id
    done = line.run("resolve", name, *command, EXECUTION_ENVIRONMENT="practice")
    assert isinstance(done.exception, ConfigurationError)
    rows(store, "UPDATE environment_stamp SET environment = 'practice'")
    bad = line.run("resolve", name, *command, *_execution("2", "-1"))
    assert "price" in failure(bad)
    assert "all 3 were executed" in failure(line.run("resolve", name, *command, *_execution()))
    (order,) = rows(store, f"SELECT state FROM orders WHERE client_order_id = '{name}'")
    assert order.state == "UNKNOWN"


def _execution(quantity: str = "3", price: str = "100") -> tuple[str, ...]:
    return ("--quantity", quantity, "--price", price, "--execution-id", "X1")


WRONG = [
    ("--as", "lost", "--evidence", EVIDENCE),
    ("--as", "cancelled"),
    ("--as", "cancelled", "--evidence", "  "),
    ("--as", "filled", "--evidence", EVIDENCE),
    ("--as", "filled", "--evidence", EVIDENCE, "--quantity", "3", "--price", "100"),
    ("--as", "filled", "--evidence", EVIDENCE, *_execution(), "--price", "101"),
    ("--as", "filled", "--evidence", EVIDENCE, *_execution(), *_execution(), "--at", "2026-01-01"),
]


@pytest.mark.parametrize("arguments", WRONG)
def test_wrong_usage(line: Line, arguments: tuple[str, ...]) -> None:
    """What is missing or makes no pairs is wrong usage."""
    assert line.run("resolve", "some", *arguments, "--yes").exit_code == 2


def test_recover_without_a_worker(store: Store, line: Line) -> None:
    """What was due waits in the queues, events are published, and then nothing is due."""
    persisted(store, BrokerName.PAPER)
    doubtful(store)
    overdue(store, "orders")
    done = line.run("recover", "--json")
    assert done.exit_code == 0, done.output
    repaired = json.loads(done.stdout)
    assert repaired.pop("published") > 0
    assert repaired == {
        "requests": 0,
        "orders": 2,
        "commands": 0,
        "orphans": 0,
        "rerouted": 0,
        "doubted": 0,
        "families": 0,
    }
    assert line.waiting("paper") == ["tasks.connect_gateway"]
    assert line.waiting("binance") == ["tasks.submit_order"]
    assert line.run("recover").stdout == "nothing was due\n"
    overdue(store, "orders")
    assert line.run("recover").stdout == "orders sent on: 2\n"


def test_recover_without_redis(store: Store, line: Line) -> None:
    """It says so, and puts nothing off as sent."""
    persisted(store, BrokerName.PAPER)
    overdue(store, "orders")
    done = line.run("recover", REDIS_URL="redis://127.0.0.1:1")
    assert isinstance(done.exception, EventsUnavailable)
    (order,) = rows(store, "SELECT resends FROM orders")
    assert order.resends == 0


def test_alerts(store: Store, line: Line) -> None:
    """Open ones, newest first, with their orders; with --all those that are settled as well."""
    assert line.run("alerts").stdout == "there are no open alerts\n"
    assert json.loads(line.run("alerts", "--json").stdout) == []
    first, second = doubtful(store), doubtful(store)
    with store.transaction() as connection:
        alerts.alert(connection, alerts.UNKNOWN_ORDER, uuid4(), "a stranger", broker="IBKR")
    settle(store, first, Told.CANCELLED)
    found = json.loads(line.run("alerts", "--json").stdout)
    assert [(row["kind"], row["client_order_id"], row["broker"]) for row in found] == [
        (alerts.UNKNOWN_ORDER, None, "IBKR"),
        (alerts.UNKNOWN_OUTCOME, second.client_order_id, "BINANCE"),
    ]
    assert found[1]["state"] == "UNKNOWN"
    assert found[1]["since"]
    everything = json.loads(line.run("alerts", "--all", "--json").stdout)
    assert [row["client_order_id"] for row in everything] == [
        None,
        second.client_order_id,
        first.client_order_id,
    ]
    assert everything[2]["resolved_at"]
    table = line.run("alerts").stdout
    assert second.client_order_id in table
    assert first.client_order_id not in table


def test_brokers_show_their_breakers(store: Store, line: Line) -> None:
    """State, failures in a row and in all, the last reason, and since when it is open."""
    rows(
        store,
        """UPDATE breakers SET state = 'OPEN', failures = 5, total_failures = 17,
            reason = 'venue closed', opened_at = '2026-01-02 03:04:05Z' WHERE broker = 'BINANCE'""",
    )
    with store.transaction() as connection:
        stamp.verify(connection, Environment.PRACTICE)
    (binance,) = [
        row
        for row in json.loads(line.run("brokers", "--json").stdout)
        if row["broker"] == "BINANCE"
    ]
    assert (binance["breaker"], binance["failures"], binance["total_failures"]) == ("OPEN", 5, 17)
    assert binance["opened_at"].startswith("2026-01-02T03:04:05")
    table = line.run("brokers").stdout
    assert {"OPEN", "5", "17", "venue"} <= set(table.split())
    assert "03:04:05" in table


def test_half_sent_and_nobody_left_to_ask(store: Store) -> None:
    """Its worker died in the send and none came after it: UNKNOWN with an alert, never more."""
    order, recent = intended(store, persisted(store)), intended(store, persisted(store))
    rows(
        store,
        "UPDATE orders SET updated_at = updated_at - interval '1 hour',"
        f" due_at = due_at + interval '1 minute' WHERE order_id = '{order.order_id}'",
    )
    done, sent = swept(store)
    assert (done, sent) == (Repairs(doubted=1), [])
    assert reload(store, order.order_id).state is OrderState.UNKNOWN
    assert open_alerts(store) == ["UNKNOWN_OUTCOME"]
    assert reload(store, recent.order_id).state is OrderState.SUBMITTING
    assert swept(store)[0] == Repairs()
    with store.transaction() as connection:
        sessions.open_session(connection, SESSION, BrokerName.BINANCE, "w")
    rows(store, "UPDATE orders SET updated_at = updated_at - interval '1 hour'")
    assert swept(store)[0] == Repairs()
    assert reload(store, recent.order_id).state is OrderState.SUBMITTING
