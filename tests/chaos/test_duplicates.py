"""Any message twice, at once, out of order or a week late: nothing is done a second time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from itertools import product
from typing import Any
from uuid import UUID, uuid4

import pytest
import redis

from execution.domain.lifecycle import Step
from execution.domain.mapping import ExchangeMapper
from execution.domain.vocabulary import BrokerName
from execution.intake import Intake
from execution.store.engine import Store
from execution.store.requests import Receipt
from tests.fleet import PRICES, Fleet, Servers, flush, wait_until
from tests.monitor import Monitor
from tests.venues import LedgerVenue
from workers.chains import links_from

LIVE, PAPER = "BTC-USDT", "SPY"
BROKERS = {LIVE: BrokerName.BINANCE, PAPER: BrokerName.PAPER}
QUEUES = ("orders", "recovery", "binance", "paper", "ibkr")


@pytest.fixture(scope="module")
def fleet(
    servers: Servers, module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """A fleet that is patient with a machine which is busy sending: nothing is meant to be late."""
    flush(servers.valkey.url)
    patient = {"SUBMIT_WINDOW": "10", "SESSION_TIMEOUT": "20", "REROUTE_REFUSED": "true"}
    home = tmp_path_factory.mktemp("fleet") / "home"
    with Fleet(module_database_url, servers.valkey.url, home, environment=patient) as fleet:
        yield fleet


@pytest.fixture(autouse=True)
def judged(fleet: Fleet) -> Iterator[None]:
    """Set the prices before a test; compare ledger, tables and event stream after it."""
    fleet.set_prices(PRICES)
    yield
    fleet.venue.control("DELETE", "faults")
    fleet.judge()


@pytest.fixture
def monitor(fleet: Fleet) -> Iterator[Monitor]:
    """A monitor of the fleet's workers."""
    with closing(Monitor(fleet.redis_url)) as monitor:
        yield monitor


@pytest.fixture(scope="module")
def intake(fleet: Fleet) -> Iterator[Intake]:
    """One more process that takes requests in: this one."""
    store = Store(fleet.database_url)
    yield Intake(store, ExchangeMapper(), timedelta(seconds=2))
    store.close()


def new_id(name: str) -> str:
    """A fresh client_order_id."""
    return f"{name}-{uuid4().hex[:8]}"


def taken_in(fleet: Fleet) -> None:
    """Wait until no request is on its way: its message is acknowledged once it is committed."""
    with closing(redis.Redis.from_url(fleet.redis_url)) as valkey:
        wait_until(
            lambda: not (sum(map(valkey.llen, QUEUES)) or valkey.hlen("unacked")),
            what="the end of every queue",
        )


# One order, asked for again and again.

NAMES, TIMES = 50, 64


class Producers:
    """Every way to ask for an order: a bare message, the client, the intake itself."""

    def __init__(self, fleet: Fleet, intake: Intake) -> None:
        self._fleet = fleet
        self._intake = intake

    def ask(self, number: int, payload: dict[str, Any]) -> Receipt | None:
        """Ask in the way that is `number`'s turn; a bare message gets no receipt."""
        match number % 4:
            case 0:
                return self._fleet.client.place(**payload)
            case 1:
                return self._intake.receive(payload)
            case _:
                self._fleet.send(**payload)
                return None


def spelled(number: int, name: str) -> dict[str, Any]:
    """One and the same order, as different producers spell it."""
    paper = name.startswith("paper")
    payload = {
        "symbol": PAPER if paper else LIVE,
        "side": "BUY",
        "quantity": "0.50" if number % 3 else "0.5",
        "client_order_id": name,
        "reference_price": str(number + 1),
    }
    defaults = {"order_type": "MARKET", "time_in_force": "DAY" if paper else "GTC"}
    return payload if number % 5 else {**payload, **defaults}


def test_one_order_however_often_it_is_asked_for(fleet: Fleet, intake: Intake) -> None:
    """64 submissions of one id at once, in three ways, spelled differently: one order of each."""
    producers = Producers(fleet, intake)
    names = [new_id("paper" if number % 2 else "live") for number in range(NAMES)]
    with ThreadPoolExecutor(TIMES) as pool:
        asked = [
            (name, pool.submit(producers.ask, number, spelled(number, name)))
            for name, number in product(names, range(TIMES))
        ]
        receipts = [(name, receipt) for name, call in asked if (receipt := call.result())]
    assert {receipt.outcome for _, receipt in receipts} == {"ACCEPTED"}
    assert len({(name, receipt.order_id) for name, receipt in receipts}) == NAMES
    taken_in(fleet)
    for name in names:
        fleet.await_state(name, "FILLED")
    counts = fleet.query(
        """SELECT o.client_order_id, count(DISTINCT r.request_id) AS requests,
            count(DISTINCT a.attempt_id) AS attempts, count(DISTINCT f.fill_id) AS fills,
            sum(DISTINCT a.intents) AS intents
        FROM orders o JOIN order_requests r USING (client_order_id)
        JOIN order_attempts a ON a.order_id = o.order_id
        LEFT JOIN fills f ON f.order_id = o.order_id
        WHERE o.client_order_id = ANY(%s) GROUP BY 1""",
        names,
    )
    assert {row.pop("client_order_id") for row in counts} == set(names)
    assert all(set(row.values()) == {1} for row in counts), counts
    assert Counter(held_by_venue(fleet, names).values()) == {1: NAMES // 2}


def held_by_venue(fleet: Fleet, names: Sequence[str]) -> Counter[str]:
    """How many orders the venue holds for each of some orders of ours."""
    rows = fleet.query(
        """SELECT venue_order_id, client_order_id FROM order_attempts JOIN orders USING (order_id)
        WHERE client_order_id = ANY(%s)""",
        list(names),
    )
    names_of = {row["venue_order_id"]: row["client_order_id"] for row in rows}
    held = [order["venue_order_id"] for order in fleet.venue.orders()]
    return Counter(names_of[known_as] for known_as in held if known_as in names_of)


def test_an_id_is_the_first_payload_s(fleet: Fleet, intake: Intake) -> None:
    """Of four payloads at once one gets the id; they and two that come later are refused for good.

    However often each is sent: one REFUSED row for each payload, with the reason, and no order.
    """
    producers = Producers(fleet, intake)
    names = [new_id("live" if number % 2 else "paper") for number in range(20)]

    def send(quantities: Sequence[str], times: int) -> None:
        def ask(job: tuple[str, int]) -> None:
            name, number = job
            quantity = quantities[number % len(quantities)]
            producers.ask(number // len(quantities), spelled(1, name) | {"quantity": quantity})

        with ThreadPoolExecutor(32) as pool:
            list(pool.map(ask, product(names, range(times * len(quantities)))))
        taken_in(fleet)

    send(["1", "2", "3", "4"], 8)
    filled = {name: fleet.await_state(name, "FILLED") for name in names}
    send(["5", "6"], 4)
    for name in names:
        rows = fleet.query("SELECT * FROM order_requests WHERE client_order_id = %s", name)
        (accepted,) = [row for row in rows if row["outcome"] == "ACCEPTED"]
        refused = [row for row in rows if row["outcome"] == "REFUSED"]
        quantities = {row["payload"]["quantity"] for row in refused}
        assert len(refused) == 5
        assert quantities | {accepted["payload"]["quantity"]} == set("123456")
        assert all(name in row["reason"] for row in refused)
        assert all("another payload" in row["reason"] for row in refused)
        assert {row["order_id"] for row in refused} == {None}
        assert fleet.order(name) == filled[name]
        assert filled[name]["quantity"] == Decimal(accepted["payload"]["quantity"])


# Every message of an order's life, again.


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it was: its link, and the rest of the chain that came with it."""

    link: dict[str, Any]
    rest: list[dict[str, Any]] = field(default_factory=list)

    def send(self, fleet: Fleet) -> str:
        """Send it as a worker does; returns the id of its task."""
        sent = fleet.service.signature(self.link).apply_async(chain=list(self.rest))
        return str(sent.id)


def task(name: str, queue: str, *arguments: str, **payload: Any) -> Message:
    """A message of one task."""
    return Message(
        {
            "task": f"tasks.{name}",
            "args": list(arguments),
            "kwargs": payload,
            "options": {"queue": queue},
            "subtask_type": None,
            "immutable": True,
        }
    )


def steps(order_id: UUID, broker: BrokerName) -> list[Message]:
    """Each of the eight steps, with the rest of the chain behind it."""
    links = [links_from(order_id, step, broker) for step in Step]
    return [Message(link, rest) for *rest, link in links]


def life(fleet: Fleet, payload: dict[str, Any]) -> list[Message]:
    """Every message there was about an order, to every queue that it was on."""
    order = fleet.order(payload["client_order_id"])
    assert order is not None
    order_id = UUID(order["order_id"])
    brokers = dict.fromkeys(
        row["broker"]
        for row in fleet.query(
            "SELECT broker FROM order_attempts WHERE order_id = %s ORDER BY attempt_no",
            order["order_id"],
        )
    )
    messages = [task("place_order", "orders", **payload)]
    for broker in brokers:
        messages += steps(order_id, BrokerName(broker))
    messages.append(task("reroute_to_paper", "paper", str(order_id)))
    for command in fleet.query(
        "SELECT * FROM order_commands WHERE client_order_id = %s ORDER BY received_at",
        payload["client_order_id"],
    ):
        messages.append(task(f"{command['kind'].lower()}_order", "orders", **command["payload"]))
        queue = order["broker"].lower()
        messages.append(task("execute_command", queue, str(command["command_id"])))
    return [*messages, task("recover_orders", "recovery")]


def at_once(fleet: Fleet, messages: Sequence[Message]) -> list[str]:
    """Send messages from several threads; returns their tasks' ids."""
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda message: message.send(fleet), messages))


def ended(monitor: Monitor, sent: Sequence[str]) -> Counter[str]:
    """How tasks have ended, by type, once all have."""
    waiting = set(sent)
    ends = {"task-succeeded", "task-failed", "task-retried", "task-rejected", "task-revoked"}

    def found() -> Counter[str] | None:
        last = {
            event["uuid"]: event["type"]
            for event in list(monitor.heard)
            if event["uuid"] in waiting and event["type"] in ends
        }
        return Counter(last.values()) if len(last) == len(waiting) else None

    result: Counter[str] = wait_until(found, what="the end of every task")
    return result


_ACCOUNTS = iter(LedgerVenue.others)


class Rows:
    """All that the database holds about one order, which has an account of its own."""

    def __init__(self, fleet: Fleet, order: dict[str, Any]) -> None:
        self._fleet = fleet
        ours = f"order_id = '{order['order_id']}'"
        named = f"client_order_id = '{order['client_order_id']}'"
        account = f"account = '{order['account']}'"
        attempts = f"venue_order_id IN (SELECT venue_order_id FROM order_attempts WHERE {ours})"
        self._where = {
            **dict.fromkeys(("order_requests", "order_commands"), named),
            **dict.fromkeys(("orders", "order_attempts", "order_events", "alerts"), ours),
            **dict.fromkeys(("execution_reports", "fills"), ours),
            "events": f"({ours} OR payload ->> 'client_order_id' = '{order['client_order_id']}')",
            **dict.fromkeys(("positions", "paper_positions"), account),
            **dict.fromkeys(("paper_orders", "paper_executions"), attempts),
        }

    def read(self) -> dict[str, list[str]]:
        """Every row of every table as text, once nothing is on its way."""
        wait_until(
            lambda: (
                not self._fleet.query(
                    f"""SELECT 1 FROM orders WHERE {self._where["orders"]} AND due_at IS NOT NULL
                UNION ALL SELECT 1 FROM events
                WHERE {self._where["events"]} AND sequence IS NULL"""
                )
            ),
            what="rest",
        )
        return {
            table: [
                row["row"]
                for row in self._fleet.query(
                    f"SELECT to_jsonb(t)::text AS row FROM {table} t WHERE {where} ORDER BY 1"
                )
            ]
            for table, where in self._where.items()
        }

    def move(self, days: int) -> None:
        """Move every time in every row."""
        for table, where in self._where.items():
            columns = self._fleet.query(
                """SELECT column_name FROM information_schema.columns
                WHERE table_name = %s AND data_type = 'timestamp with time zone'""",
                table,
            )
            changes = ", ".join(
                f"{row['column_name']} = {row['column_name']} + interval '{days} days'"
                for row in columns
            )
            self._fleet.query(f"UPDATE {table} SET {changes} WHERE {where} RETURNING 1")


def nothing_changes(fleet: Fleet, monitor: Monitor, payload: dict[str, Any]) -> None:
    """Every message of an order's life changes no row.

    Each twice in a row, all of them at once, in reverse order, and when all is a week old.
    """
    order = fleet.order(payload["client_order_id"])
    assert order is not None
    rows, messages = Rows(fleet, order), life(fleet, payload)
    before = rows.read()
    sent = [message.send(fleet) for message in messages for _ in range(2)]
    sent += at_once(fleet, messages * 3)
    sent += [message.send(fleet) for message in reversed(messages)]
    assert set(ended(monitor, sent)) == {"task-succeeded"}
    assert rows.read() == before
    rows.move(-7)
    try:
        week_old = rows.read()
        assert week_old != before
        assert set(ended(monitor, at_once(fleet, messages * 2))) == {"task-succeeded"}
        assert rows.read() == week_old
    finally:
        rows.move(+7)
    assert rows.read() == before


def heard_once(fleet: Fleet, order_id: str) -> None:
    """No message about an order went over any channel twice."""
    told = [
        (message.channel, row["event_id"])
        for row in fleet.query("SELECT event_id FROM events WHERE order_id = %s", order_id)
        for message in fleet.tap.messages
        if row["event_id"] in message.text
    ]
    assert told
    assert set(Counter(told).values()) == {1}


@pytest.mark.parametrize("way", ["live", "paper", "rerouted"])
def test_every_message_again(fleet: Fleet, monitor: Monitor, way: str) -> None:
    """Every message of an order's life again, while it rests and when it is over: nothing happens.

    `rerouted` was refused by the venue, so its life began on another queue than it ended on.
    """
    symbol = PAPER if way == "paper" else LIVE
    low, touch = ("500", ("499.90", "499.95")) if way == "paper" else ("60000", ("59990", "59995"))
    name = new_id(way)
    payload = {
        "symbol": symbol,
        "side": "BUY",
        "quantity": "3",
        "order_type": "LIMIT",
        "limit_price": low,
        "time_in_force": "GTC",
        "client_order_id": name,
        "account": next(_ACCOUNTS),
    }
    if way == "rerouted":
        fleet.venue.arm("reject", code="201", reason="not today", scope="ORDER")
    fleet.send(**payload)
    order = fleet.await_state(name, "SUBMITTED")
    change = {"expected_version": order["version"], "modify_id": f"m-{name}", "limit_price": low}
    fleet.send("tasks.modify_order", client_order_id=name, **change)
    done(fleet, f"m-{name}", "DONE")
    nothing_changes(fleet, monitor, payload)
    fleet.set_prices({symbol: touch})
    order = fleet.await_state(name, "FILLED")
    fleet.send("tasks.cancel_order", client_order_id=name, cancel_id=f"c-{name}")
    done(fleet, f"c-{name}", "REFUSED")
    nothing_changes(fleet, monitor, payload)
    assert held_by_venue(fleet, [name])[name] == (way == "live")
    heard_once(fleet, order["order_id"])


def done(fleet: Fleet, external_id: str, outcome: str) -> None:
    """Wait for the outcome of a command."""
    wait_until(
        lambda: fleet.query(
            "SELECT 1 FROM order_commands WHERE external_id = %s AND outcome = %s",
            external_id,
            outcome,
        ),
        what=f"{external_id} {outcome}",
    )


@pytest.mark.parametrize("symbol", [LIVE, PAPER])
def test_every_message_at_once_on_the_way(fleet: Fleet, monitor: Monitor, symbol: str) -> None:
    """All steps at once, from the moment an order is accepted: it goes its way as a calm one does.

    The venue takes its time, so that many find the order half sent.
    """

    def history(name: str) -> list[tuple[str, str]]:
        order = fleet.await_state(name, "FILLED")
        rows = fleet.query(
            "SELECT step, state FROM order_events WHERE order_id = %s ORDER BY at, step",
            order["order_id"],
        )
        return [(row["step"], row["state"]) for row in rows]

    calm, *names = (new_id("calm"), *(new_id("storm") for _ in range(8)))
    terms = {"symbol": symbol, "side": "BUY", "quantity": "1"}
    fleet.client.place(**terms, client_order_id=calm)
    expected = sorted(history(calm))
    fleet.venue.arm("delay", seconds=0.3, on="submit", times=len(names))
    sent: list[str] = []
    for name in names:
        receipt = fleet.client.place(**terms, client_order_id=name)
        assert receipt.order_id is not None
        messages = [
            *steps(receipt.order_id, BROKERS[symbol]),
            task("place_order", "orders", **terms, client_order_id=name),
            task("recover_orders", "recovery"),
        ]
        sent += at_once(fleet, messages[::-1] + messages)
    ended(monitor, sent)
    for name in names:
        assert sorted(history(name)) == expected
        order = fleet.order(name) or {}
        (attempt,) = fleet.query(
            "SELECT * FROM order_attempts WHERE order_id = %s", order["order_id"]
        )
        assert attempt["intents"] == 1
        assert len(fleet.query("SELECT 1 FROM fills WHERE order_id = %s", order["order_id"])) == 1
        assert held_by_venue(fleet, [name])[name] == (symbol == LIVE)
        heard_once(fleet, order["order_id"])
