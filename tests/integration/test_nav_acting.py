"""Watching and moving on real PostgreSQL: committed together, once, and told if it is stuck."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from threading import Barrier, Thread
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from execution.arbitrage.assembly import Arbitrage, assemble
from execution.arbitrage.moving import Mover
from execution.arbitrage.watching import Watch
from execution.domain.arbitrage.signals import ExitReason
from execution.domain.lending import Shortable
from execution.domain.lifecycle import Step
from execution.domain.mapping import ExchangeMapper
from execution.domain.reports import Account, Quote
from execution.domain.vocabulary import BrokerName, OrderState, SessionStatus
from execution.events.connection import connect
from execution.intake import Intake, new_id
from execution.settings import load
from execution.store import balances, groups, orders, sessions
from execution.store.engine import Store
from execution.store.loading import load_by_client_id
from tests.fleet import Servers, flush
from tests.integration import stored
from tests.pairs import COINS, WINDOW

NOW = datetime.now(UTC).replace(second=30, microsecond=0)
MINUTE = timedelta(minutes=1)


@dataclass
class Sent:
    """Messages that were sent, and what fails."""

    orders: list[UUID] = field(default_factory=list)
    cancels: list[tuple[str, str]] = field(default_factory=list)
    broken: bool = False

    def order(self, order_id: UUID) -> None:
        """Redis may be away."""
        if self.broken:
            raise ConnectionError("Redis is away")
        self.orders.append(order_id)

    def cancel(self, client_order_id: str, cancel_id: str) -> None:
        """As `order`."""
        if self.broken:
            raise ConnectionError("Redis is away")
        self.cancels.append((client_order_id, cancel_id))


class Desk:
    """The arbitrage on a database of its own, with a clock that stands."""

    def __init__(self, store: Store, redis_url: str, **settings: Any) -> None:
        self.store, self.sent, self.now = store, Sent(), NOW
        self._client = connect(redis_url)
        values: dict[str, Any] = {
            "nav_arbitrage_enabled": True,
            "nav_hours": "always",
            "nav_interval": "1m",
            "nav_window": WINDOW,
            # Its signals are far beyond what a market does.
            "nav_farthest_z": Decimal(10**6),
            "nav_largest_move": Decimal(10),
            "nav_coins_per_share": COINS,
            "nav_coins_as_of": NOW.date(),
            "nav_annual_fee": "0",
            "nav_short_spot": "inventory",
            "nav_leg_limit": timedelta(seconds=300),
            "session_timeout": timedelta(hours=1),
            "nav_balance_max_age": timedelta(days=1),
            **settings,
        }
        self.all: Arbitrage = assemble(load(**values), store, self._client, self.sent)
        self.mover: Mover = replace(self.all.mover, clock=lambda _: self.now)
        self.watch: Watch = replace(self.all.watch, clock=lambda _: self.now, mover=self.mover)

    def close(self) -> None:
        self._client.close()

    def venues(self, *brokers: BrokerName) -> None:
        """Sessions that are ready, and accounts with enough of everything."""
        with self.store.transaction() as connection:
            for broker in brokers or (BrokerName.IBKR, BrokerName.BINANCE):
                session = new_id()
                sessions.open_session(connection, session, broker, "test")
                sessions.heartbeat(connection, session, SessionStatus.LIVE_READY, None, "main")
                amounts = {name: Decimal(10**6) for name in ("USD", "USDT", "BTC")}
                balances.record(connection, broker, Account("a", is_real=False, balances=amounts))

    def past(self) -> None:
        """A window of spreads near nothing."""
        with self.store.transaction() as connection:
            for ago in range(1, WINDOW + 1):
                price = Decimal(50) * (1 + Decimal(ago % 2) / 1000)
                connection.execute(
                    text(
                        """INSERT INTO nav_observations (trust_symbol, spot_symbol, interval,
                            interval_at, observed_at, trust_price, spot_price, spot_currency,
                            coins_per_share, coins_as_of, nav_per_share, spread)
                        VALUES ('GBTC', 'BTC-USDT', '1m', :at, :at, :price, 62500, 'USDT', :coins,
                            :at, 50, 0)"""
                    ),
                    {
                        "at": NOW.replace(second=0) - ago * MINUTE,
                        "price": price,
                        "coins": COINS,
                    },
                )

    def quote(self, trust: str, spot: str = "62500") -> None:
        """Both markets, of this moment."""
        self.all.knowledge.quotes.put(
            Quote(symbol, Decimal(price), Decimal(price), self.now, "test")
            for symbol, price in (("GBTC", trust), ("BTC-USDT", spot))
        )

    def look(self, trust: str) -> str:
        """Look once at a price of the trust; what it came to."""
        self.quote(trust)
        return self.watch.once().said

    def rows(self, statement: str) -> list[dict[str, Any]]:
        """Rows of a query."""
        with self.store.statement() as connection:
            return [dict(row) for row in connection.execute(text(statement)).mappings()]

    def group(self) -> dict[str, Any]:
        """The only group."""
        (row,) = self.rows("SELECT * FROM nav_groups")
        return row

    def legs(self) -> list[dict[str, Any]]:
        """Its orders' requests, oldest first."""
        return self.rows(
            """SELECT l.*, r.payload, r.order_id FROM nav_group_legs l
            LEFT JOIN order_requests r USING (client_order_id) ORDER BY number"""
        )

    def alerts(self) -> list[str]:
        """What a person is told now."""
        return [
            row["message"]
            for row in self.rows(
                "SELECT message FROM alerts WHERE kind = 'NAV_GROUP' AND resolved_at IS NULL"
            )
        ]

    def fill(self, number: int, quantity: str | None = None, price: str = "50") -> None:
        """Let an order of the group be filled, in whole or part; then it rests."""
        leg = self.legs()[number - 1]
        payload = {**leg["payload"]}
        broker = BrokerName.IBKR if leg["role"] == "TRUST" else BrokerName.BINANCE
        if self.rows(f"SELECT 1 FROM orders WHERE client_order_id = '{leg['client_order_id']}'"):
            with self.store.transaction() as connection:
                found = load_by_client_id(connection, leg["client_order_id"])
            assert found is not None
            order = found
        else:
            order = stored.submitted(self.store, broker, **payload)
        amount = str(leg["quantity"]) if quantity is None else quantity
        stored.apply(self.store, order, stored.trade(order, f"{number}-{amount}", amount, price))

    def end(self, number: int, state: OrderState, reason: str) -> None:
        """Let an order of the group end without what is left of it."""
        leg = self.legs()[number - 1]
        with self.store.transaction() as connection:
            order = load_by_client_id(connection, leg["client_order_id"])
        if order is None:
            broker = BrokerName.IBKR if leg["role"] == "TRUST" else BrokerName.BINANCE
            order = stored.persisted(self.store, broker, **leg["payload"])
        with self.store.transaction() as connection:
            assert orders.settle(connection, order, state, reason, step=Step.SUBMIT_ORDER)


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A fresh database."""
    with closing(Store(database_url)) as store:
        yield store


@pytest.fixture
def desk(store: Store, servers: Servers) -> Iterator[Desk]:
    """Everything an entry needs."""
    flush(servers.valkey.url)
    with closing(Desk(store, servers.valkey.url)) as desk:
        desk.venues()
        desk.past()
        yield desk


def test_an_entry_is_committed_in_one(desk: Desk) -> None:
    """Observation, group and both requests; then both are sent."""
    assert desk.look("45") == "ENTER LONG_TRUST_SHORT_SPOT"
    group, (trust, spot) = desk.group(), desk.legs()
    assert (group["state"], group["execution_mode"]) == ("OPENING", "LIVE")
    assert trust["payload"] == {
        "client_order_id": trust["client_order_id"],
        "symbol": "GBTC",
        "side": "BUY",
        "quantity": "222",
        "strategy": "nav-arbitrage",
        "on_failure": "reject",
    }
    assert (spot["side"], spot["quantity"]) == ("SELL", 222 * COINS)
    assert sorted(desk.sent.orders) == sorted([trust["order_id"], spot["order_id"]])
    (seen,) = desk.rows("SELECT * FROM nav_observations WHERE action IS NOT NULL")
    assert (seen["action"], seen["declined"]) == ("ENTER", None)
    (times,) = desk.rows(
        """SELECT count(DISTINCT xmin::text) AS transactions FROM (
            SELECT xmin FROM nav_groups UNION ALL SELECT xmin FROM nav_group_legs
            UNION ALL SELECT xmin FROM order_requests
            UNION ALL SELECT xmin FROM nav_observations WHERE action IS NOT NULL) t"""
    )
    assert times["transactions"] == 1
    assert desk.look("44") == f"the interval of {NOW.replace(second=0).isoformat()} was observed"


@pytest.mark.parametrize("table", ["nav_observations", "nav_group_legs", "order_requests"])
def test_all_or_nothing(desk: Desk, table: str) -> None:
    """Whatever cannot be committed takes the rest with it; nothing is sent."""
    with desk.store.transaction() as connection:
        connection.execute(
            text(
                """CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql
                AS $$ BEGIN RAISE EXCEPTION 'no'; END $$"""
            )
        )
        connection.execute(
            text(f"CREATE TRIGGER no BEFORE INSERT ON {table} EXECUTE FUNCTION no()")
        )
    with pytest.raises(Exception, match="no"):
        desk.look("45")
    assert desk.rows("SELECT 1 FROM nav_groups UNION ALL SELECT 1 FROM order_requests") == []
    assert desk.rows("SELECT 1 FROM nav_observations WHERE action IS NOT NULL") == []
    assert desk.sent.orders == []


def test_messages_that_do_not_go_out(desk: Desk) -> None:
    """The requests stand, due for recovery; the entry is made."""
    desk.sent.broken = True
    assert desk.look("45") == "ENTER LONG_TRUST_SHORT_SPOT"
    due = desk.rows("SELECT due_at FROM order_requests WHERE outcome = 'ACCEPTED'")
    assert len(due) == 2
    assert all(row["due_at"] is not None for row in due)


def test_two_that_look_at_once(desk: Desk) -> None:
    """One group and two requests come of one signal."""
    desk.quote("45")
    start, said = Barrier(2), list[str]()

    def run() -> None:
        start.wait(10)
        said.append(desk.watch.once().said)

    threads = [Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert said.count("ENTER LONG_TRUST_SHORT_SPOT") == 1
    assert len(desk.rows("SELECT 1 FROM nav_groups")) == 1
    assert len(desk.rows("SELECT 1 FROM order_requests")) == 2


def test_two_that_move_at_once(desk: Desk) -> None:
    """What flattens is placed once, however many look."""
    desk.look("45")
    desk.fill(1)
    desk.end(2, OrderState.REJECTED, "no coins")
    start = Barrier(4)

    def run() -> None:
        start.wait(10)
        for _ in range(5):
            desk.mover.once()

    threads = [Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [(leg["side"], leg["purpose"]) for leg in desk.legs()] == [
        ("BUY", "OPENING"),
        ("SELL", "OPENING"),
        ("SELL", "REDUCING"),
    ]


def test_entry_and_exit(desk: Desk) -> None:
    """OPEN once both are filled; closed when the detector says so; what it earned is kept."""
    desk.look("45")
    desk.fill(1, price="45")
    desk.mover.once()
    assert desk.group()["state"] == "OPENING"
    desk.fill(2, price="62500")
    desk.mover.once()
    assert desk.group()["state"] == "OPEN"
    desk.now += MINUTE
    assert desk.look("50.03") == "EXIT LONG_TRUST_SHORT_SPOT"
    assert desk.group()["state"] == "CLOSING"
    *_, trust, spot = desk.legs()
    assert (trust["payload"]["side"], trust["payload"]["quantity"]) == ("SELL", "222")
    assert (spot["payload"]["side"], spot["payload"]["quantity"]) == ("BUY", "0.1776")
    # Coins come from an inventory, which is in no position of ours.
    for leg, reduce_only in ((trust, True), (spot, False)):
        assert leg["payload"].get("reduce_only", False) is reduce_only
        assert leg["payload"]["on_failure"] == "wait"
    desk.fill(3, price="50")
    desk.fill(4, price="62600")
    desk.mover.once()
    group = desk.group()
    assert (group["state"], group["exit_reason"]) == ("CLOSED", "SIGN_TURNED")
    assert group["pnl"] == 222 * 5 - Decimal("0.1776") * 100
    events = desk.rows("SELECT state FROM nav_group_events ORDER BY version")
    assert [row["state"] for row in events] == ["OPENING", "OPEN", "CLOSING", "CLOSED"]
    assert desk.alerts() == []


def test_an_exit_that_is_wanted_early(desk: Desk) -> None:
    """While it opens it is remembered, and done once it is open."""
    desk.look("45")
    desk.now += MINUTE
    assert desk.look("50.03") == "EXIT LONG_TRUST_SHORT_SPOT"
    assert desk.group()["state"] == "OPENING"
    desk.fill(1)
    desk.fill(2, price="62500")
    desk.mover.once()
    assert desk.group()["state"] == "CLOSING"


def test_one_leg_refused(desk: Desk) -> None:
    """The other is sold again; the group ends UNWOUND with what it cost."""
    desk.look("45")
    desk.fill(1, price="45")
    desk.end(2, OrderState.REJECTED, "no coins")
    desk.mover.once()
    group = desk.group()
    assert group["state"] == "UNWINDING"
    assert "REJECTED: no coins" in group["reason"]
    desk.fill(3, price="44")
    desk.mover.once()
    assert (desk.group()["state"], desk.group()["pnl"]) == ("UNWOUND", -222)
    assert desk.alerts() == []


def test_a_leg_past_its_limit(desk: Desk) -> None:
    """What rests is cancelled, once; what it filled in part is flattened with the other."""
    desk.look("45")
    desk.fill(1)
    desk.fill(2, "0.1", "62500")
    desk.now = datetime.now(UTC) + timedelta(seconds=301)
    desk.mover.once()
    spot = desk.legs()[1]["client_order_id"]
    assert desk.sent.cancels == [(spot, f"{spot}-1")]
    desk.mover.once()
    (command,) = desk.rows("SELECT * FROM order_commands")
    assert (command["client_order_id"], command["outcome"]) == (spot, "PENDING")
    assert len(desk.sent.cancels) == 1
    desk.end(2, OrderState.CANCELLED, "cancelled")
    desk.mover.once()
    assert [leg["payload"]["quantity"] for leg in desk.legs()[2:]] == ["222", "0.1"]
    desk.fill(3)
    desk.fill(4, price="62500")
    desk.mover.once()
    assert desk.group()["state"] == "UNWOUND"


def test_a_leg_in_doubt(desk: Desk) -> None:
    """WAITING with an alert, whatever the other does; settled once the truth is known."""
    desk.look("45")
    desk.fill(1)
    order = stored.intended(
        desk.store, stored.persisted(desk.store, BrokerName.BINANCE, **desk.legs()[1]["payload"])
    )
    with desk.store.transaction() as connection:
        assert orders.in_doubt(connection, order, "no answer", stored.TIMING.step)
    desk.now += timedelta(hours=1)
    desk.mover.once()
    assert (desk.group()["state"], desk.group()["phase"]) == ("WAITING", "OPENING")
    (alert,) = desk.alerts()
    assert order.client_order_id in alert
    desk.mover.once()
    assert len(desk.legs()) == 2
    desk.fill(2, price="62500")
    desk.mover.once()
    assert (desk.group()["state"], desk.alerts()) == ("OPEN", [])


def test_a_leg_on_paper_is_no_leg(desk: Desk) -> None:
    """An order of a live group that was simulated counts as refused: nothing live closes it."""
    desk.look("45")
    desk.fill(1)
    stored.persisted(desk.store, BrokerName.PAPER, **desk.legs()[1]["payload"])
    desk.mover.once()
    assert desk.group()["state"] == "UNWINDING"
    assert "it is PAPER" in desk.group()["reason"]


def test_what_cannot_be_unwound_is_told(desk: Desk) -> None:
    """From the first refusal on, until it is done."""
    desk.look("45")
    desk.fill(1)
    desk.end(2, OrderState.REJECTED, "no coins")
    desk.mover.once()
    desk.end(3, OrderState.REJECTED, "halted")
    desk.now = datetime.now(UTC)
    desk.mover.once()
    (alert,) = desk.alerts()
    assert "TRUST was refused 1 times: halted" in alert
    assert len(desk.legs()) == 3
    desk.now += timedelta(seconds=3)
    desk.mover.once()
    assert len(desk.legs()) == 4
    desk.fill(4)
    desk.mover.once()
    assert (desk.group()["state"], desk.alerts()) == ("UNWOUND", [])


def test_a_late_execution(desk: Desk) -> None:
    """Of an order that was over: the group is opened again and unwound; what it cost is new."""
    desk.look("45")
    desk.fill(1, "100", "45")
    desk.end(1, OrderState.CANCELLED, "gone")
    desk.end(2, OrderState.REJECTED, "no coins")
    desk.mover.once()
    desk.fill(3, price="44")
    desk.mover.once()
    assert (desk.group()["state"], desk.group()["pnl"]) == ("UNWOUND", -100)
    desk.fill(1, "20", "45")
    desk.mover.once()
    assert desk.group()["state"] == "UNWINDING"
    assert desk.legs()[3]["payload"]["quantity"] == "20"
    desk.fill(4, price="45")
    desk.mover.once()
    assert (desk.group()["state"], desk.group()["pnl"]) == ("UNWOUND", -100)


def test_why_no_entry(store: Store, servers: Servers) -> None:
    """The reasons stand beside the observation, and nothing is placed."""
    flush(servers.valkey.url)
    with closing(Desk(store, servers.valkey.url, nav_short_spot=None)) as desk:
        desk.past()
        said = desk.look("45")
        (seen,) = desk.rows("SELECT * FROM nav_observations WHERE action = 'ENTER'")
        assert said == f"ENTER LONG_TRUST_SHORT_SPOT declined: {seen['declined']}"
        for words in (
            "no worker of IBKR is there",
            "no worker of BINANCE is there",
            "NAV_SHORT_SPOT is not set",
            "nobody has said what the account at IBKR holds",
        ):
            assert words in seen["declined"]
        assert desk.rows("SELECT 1 FROM nav_groups UNION ALL SELECT 1 FROM order_requests") == []
        (look,) = desk.rows("SELECT * FROM nav_looks")
        assert look["said"] == said


def test_shares_to_borrow(desk: Desk) -> None:
    """Without anybody's word no share is sold short; with it one is."""
    said = desk.look("55")
    assert said.endswith("nobody has said how many shares of GBTC can be borrowed")
    desk.all.knowledge.lending.put([Shortable("GBTC", Decimal(1000), desk.now, "IBKR")])
    desk.now += MINUTE
    assert desk.look("60") == "ENTER SHORT_TRUST_LONG_SPOT"


@pytest.mark.parametrize(
    "value",
    ["nonsense", "[]", '{"shares": "Infinity", "at": "2026-01-02T03:04:05Z", "source": "IBKR"}'],
)
def test_shortable_shares_that_make_no_sense(desk: Desk, value: str) -> None:
    """Are none."""
    desk._client.hset("shortable", "GBTC", value)
    assert desk.all.knowledge.lending.get("GBTC") is None


def test_on_paper(store: Store, servers: Servers) -> None:
    """Both legs ask for paper; no account needs anything."""
    flush(servers.valkey.url)
    with closing(Desk(store, servers.valkey.url, nav_paper=True)) as desk:
        desk.venues(BrokerName.PAPER)
        desk.past()
        assert desk.look("55") == "ENTER SHORT_TRUST_LONG_SPOT"
        assert desk.group()["execution_mode"] == "PAPER"
        assert {leg["payload"]["execution_mode"] for leg in desk.legs()} == {"PAPER"}


def test_switched_off(store: Store, servers: Servers) -> None:
    """It observes and says what it would do; what was begun is brought to its end."""
    flush(servers.valkey.url)
    with closing(Desk(store, servers.valkey.url)) as on:
        on.venues()
        on.past()
        on.look("45")
        on.fill(1)
        on.fill(2, price="62500")
        on.mover.once()
    with closing(Desk(store, servers.valkey.url, nav_arbitrage_enabled=False)) as off:
        off.now += MINUTE
        said = off.look("50.03")
        assert said == "EXIT LONG_TRUST_SHORT_SPOT declined: NAV_ARBITRAGE_ENABLED is not set"
        off.mover.once()
        assert off.group()["state"] == "OPEN"
        with store.transaction() as connection:
            (found,) = groups.to_look_at(connection, timedelta(days=1))
            loaded = groups.load(connection, found)
            assert loaded is not None
            groups.want_exit(connection, loaded, ExitReason.REVERTED)
        off.mover.once()
        assert off.group()["state"] == "CLOSING"


def test_a_group_of_another_pair(desk: Desk, servers: Servers) -> None:
    """Is brought to its end as well; while it is open a person is told that nothing closes it."""
    desk.look("45")
    desk.fill(1)
    desk.fill(2, price="62500")
    with closing(
        Desk(desk.store, servers.valkey.url, nav_trust="ETHE", nav_spot="ETH-USDT")
    ) as other:
        other.mover.once()
        assert other.group()["state"] == "OPEN"
        (alert,) = other.alerts()
        assert "nothing closes it" in alert
    desk.mover.once()
    assert desk.alerts() == []


def test_no_quotes(desk: Desk) -> None:
    """Nothing is observed, and the reason is kept."""
    assert desk.watch.once().said == (
        "no observation: trust price is missing; spot price is missing"
    )
    assert set(desk.all.knowledge.quotes.wanted()) == {"GBTC", "BTC-USDT"}


def test_an_id_of_ours_that_is_taken(store: Store) -> None:
    """By another's order: then nothing of the group is committed."""
    intake = Intake(store, ExchangeMapper(), timedelta(seconds=5))
    payload = {"symbol": "SPY", "side": "BUY", "quantity": "1", "client_order_id": "nav-x"}
    intake.receive(payload)
    with (
        pytest.raises(Exception, match="is taken"),
        store.transaction() as connection,
    ):
        intake.record_within(connection, payload)
