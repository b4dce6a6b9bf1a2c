"""Executions as venues tell them: again, late, out of order, corrected, busted, too many, unknown.

From the venue through session and steps to positions and events. Nearly every order has an account
of its own, so that what it holds can be worked out by hand.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from tests.fleet import PRICES, Fleet, Servers, flush, wait_until
from tests.venues import LedgerVenue

SYMBOL = "BTC-USDT"
BEGAN = datetime.now(UTC)
THRESHOLD = 3

# type, execution, last quantity and price, then of the order: filled, left, average, state
Told = tuple[str, str, str, str, str, str, str | None, str]


@pytest.fixture(scope="module")
def fleet(
    servers: Servers, module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """A fleet with little patience for late executions and a breaker that opens soon."""
    flush(servers.valkey.url)
    impatient = {
        "STEP_DEADLINE": "1",
        "BREAKER_THRESHOLD": str(THRESHOLD),
        "BREAKER_COOLDOWN": "1.5",
    }
    home = tmp_path_factory.mktemp("fleet") / "home"
    with Fleet(module_database_url, servers.valkey.url, home, environment=impatient) as fleet:
        yield fleet


_ACCOUNTS = iter(LedgerVenue.others)


@dataclass(frozen=True, slots=True)
class Case:
    """An order that rests at the venue, on an account of its own, and what is told of it."""

    fleet: Fleet
    account: str
    order_id: str
    venue_order_id: str

    @classmethod
    def resting(
        cls, fleet: Fleet, name: str, *, side: str = "BUY", quantity: str = "3", account: str = ""
    ) -> Case:
        """Place it, too far from the market to fill by itself."""
        client_order_id = f"{name}-{uuid4().hex[:8]}"
        fleet.send(
            symbol=SYMBOL,
            side=side,
            quantity=quantity,
            order_type="LIMIT",
            limit_price="60000" if side == "BUY" else "70000",
            client_order_id=client_order_id,
            account=account or next(_ACCOUNTS),
        )
        order = fleet.await_state(client_order_id, "SUBMITTED")
        (attempt,) = fleet.query(
            "SELECT venue_order_id FROM order_attempts WHERE order_id = %s", order["order_id"]
        )
        return cls(fleet, order["account"], order["order_id"], attempt["venue_order_id"])

    def tell(self, execution_id: str, quantity: str, price: str, **more: str) -> None:
        """Let the venue book an execution, whatever it makes of the order."""
        report = {"execution_id": self.named(execution_id), "quantity": quantity, "price": price}
        if "corrects" in more:
            more["corrects"] = self.named(more["corrects"])
        report |= {"venue_order_id": self.venue_order_id, **more}
        self.fleet.venue.control("POST", "executions", report)

    def named(self, execution_id: str) -> str:
        """An execution's id at the venue."""
        return f"{self.venue_order_id}.{execution_id}"

    @property
    def order(self) -> dict[str, Any]:
        """The order's row."""
        return self.fleet.query("SELECT * FROM orders WHERE order_id = %s", self.order_id)[0]

    def await_filled(self, quantity: str, *states: str) -> None:
        """Wait until so much is filled, positioned and told, and the order is in a state."""

        def there() -> bool:
            order = self.order
            return (
                order["filled_quantity"] == Decimal(quantity)
                and order["state"] in states
                and order["due_at"] is None
            )

        wait_until(there, what=f"{quantity} filled, {states}")

    def figures(self) -> tuple[str, Decimal, Decimal | None]:
        """State, quantity filled and average price of the order."""
        order = self.order
        return order["state"], order["filled_quantity"], order["average_price"]

    def position(self) -> tuple[Decimal, Decimal, Decimal, Decimal]:
        """Quantity, average price, realised profit and commission of the account."""
        return position(self.fleet, self.account, SYMBOL)

    def told(self) -> list[Told]:
        """What the stream of fills says of the order, in its order."""
        rows = self.fleet.query(
            """SELECT payload FROM events WHERE stream = 'fills' AND order_id = %s
            ORDER BY sequence""",
            self.order_id,
        )
        said = [row["payload"] for row in rows]
        assert {event["execution_mode"] for event in said} <= {"LIVE"}
        return [
            (
                event["type"],
                event["execution_id"].removeprefix(f"{self.venue_order_id}."),
                event["last_quantity"],
                event["last_price"],
                event["cumulative_quantity"],
                event["leaves_quantity"],
                event["average_price"],
                event["order_state"],
            )
            for event in said
        ]

    def states(self) -> list[str]:
        """What the stream of orders says of it from SUBMITTED on, in its order."""
        rows = self.fleet.query(
            """SELECT type FROM events WHERE stream = 'orders' AND order_id = %s
            ORDER BY sequence""",
            self.order_id,
        )
        types = [row["type"] for row in rows]
        return types[types.index("SUBMITTED") :]

    def alerts(self) -> list[str]:
        """Kinds of the alerts about the order."""
        rows = self.fleet.query(
            "SELECT kind FROM alerts WHERE order_id = %s ORDER BY alert_id", self.order_id
        )
        return [row["kind"] for row in rows]


def position(fleet: Fleet, account: str, symbol: str) -> tuple[Decimal, Decimal, Decimal, Decimal]:
    """Quantity, average price, realised profit and commission of a live position."""
    (row,) = fleet.query(
        "SELECT * FROM positions WHERE (account, broker, symbol) = (%s, 'BINANCE', %s)",
        account,
        symbol,
    )
    return row["quantity"], row["average_price"], row["realised_pnl"], row["commission"]


def at(minute: int) -> str:
    """A time `minute` minutes from a moment that is past.

    It is so long past that a session which stays connected would not look as far back for a while.
    """
    return (BEGAN - timedelta(minutes=28 - minute)).isoformat()


def d(*numbers: str) -> tuple[Decimal, ...]:
    """Exact numbers."""
    return tuple(Decimal(number) for number in numbers)


# While the order works: its session looks at it.


def test_told_again_and_again(fleet: Fleet) -> None:
    """The same execution twice in every answer is one fill each."""
    case = Case.resting(fleet, "again")
    fleet.venue.arm("duplicate_report", times=1000, venue_order_id=case.venue_order_id)
    case.tell("a", "1", "59000")
    case.await_filled("1", "PARTIALLY_FILLED")
    case.tell("b", "2", "59003")
    case.await_filled("3", "FILLED")
    assert fleet.venue.control("GET", "faults")["fired"]["duplicate_report"] > 1
    assert case.figures() == ("FILLED", *d("3", "59002"))
    assert case.position() == d("3", "59002", "0", "0")
    assert case.told() == [
        ("FILL", "a", "1", "59000", "1", "2", "59000", "PARTIALLY_FILLED"),
        ("FILL", "b", "2", "59003", "3", "0", "59002", "FILLED"),
    ]
    assert case.states() == ["SUBMITTED", "PARTIALLY_FILLED", "FILLED"]
    assert case.alerts() == []


def test_before_the_order_s_own_state(fleet: Fleet) -> None:
    """Executions come while the venue still shows the order as untouched: they count."""
    case = Case.resting(fleet, "ahead")
    fleet.venue.arm("fill_before_status", times=3, venue_order_id=case.venue_order_id)
    case.tell("a", "3", "100")
    case.await_filled("3", "FILLED")
    assert case.position() == d("3", "100", "0", "0")
    assert case.told() == [("FILL", "a", "3", "100", "3", "0", "100", "FILLED")]
    assert case.alerts() == []


def test_out_of_order(fleet: Fleet) -> None:
    """Heard as they come, folded as they happened, over two orders of one account."""
    buys = Case.resting(fleet, "buys", quantity="2")
    sells = Case.resting(fleet, "sells", side="SELL", quantity="1", account=buys.account)
    sells.tell("b", "1", "130", executed_at=at(2))
    sells.await_filled("1", "FILLED")
    assert buys.position() == d("-1", "130", "0", "0")
    buys.tell("c", "1", "110", executed_at=at(3))
    buys.await_filled("1", "PARTIALLY_FILLED")
    assert buys.position() == d("0", "0", "20", "0")
    buys.tell("a", "1", "100", executed_at=at(1))
    buys.await_filled("2", "FILLED")
    # Bought at 100, sold at 130, bought again at 110; as heard it would be 1 at 100, and 20.
    assert buys.position() == d("1", "110", "30", "0")
    assert buys.figures() == ("FILLED", *d("2", "105"))
    assert buys.told() == [
        ("FILL", "c", "1", "110", "1", "1", "110", "PARTIALLY_FILLED"),
        ("FILL", "a", "1", "100", "2", "0", "105", "FILLED"),
    ]
    assert [*buys.alerts(), *sells.alerts()] == []


def test_corrected(fleet: Fleet) -> None:
    """A correction, and a correction of that one, change the fill they go back to."""
    case = Case.resting(fleet, "corrected")
    case.tell("a", "1", "100")
    case.tell("b", "1", "110")
    case.await_filled("2", "PARTIALLY_FILLED")
    case.tell("c", "1", "90", kind="CORRECTION", corrects="a")
    wait_until(lambda: case.figures()[2] == 100, what="the correction")
    case.await_filled("2", "PARTIALLY_FILLED")
    assert case.position() == d("2", "100", "0", "0")
    case.tell("d", "2", "95", kind="CORRECTION", corrects="c")
    case.await_filled("3", "FILLED")
    assert case.figures() == ("FILLED", *d("3", "100"))
    assert case.position() == d("3", "100", "0", "0")
    assert case.told()[-2:] == [
        ("CORRECTION", "a", "1", "90", "2", "1", "100", "PARTIALLY_FILLED"),
        ("CORRECTION", "a", "2", "95", "3", "0", "100", "FILLED"),
    ]
    assert [event[0] for event in case.told()] == ["FILL", "FILL", "CORRECTION", "CORRECTION"]
    assert case.alerts() == []


def test_busted(fleet: Fleet) -> None:
    """What is taken back is filled no more; the order works on until it is filled otherwise."""
    case = Case.resting(fleet, "busted")
    case.tell("a", "1", "100")
    case.tell("b", "1", "110")
    case.await_filled("2", "PARTIALLY_FILLED")
    case.tell("c", "1", "110", kind="BUST", corrects="b")
    case.await_filled("1", "PARTIALLY_FILLED")
    assert case.position() == d("1", "100", "0", "0")
    case.tell("d", "1", "100", kind="BUST", corrects="a")
    case.await_filled("0", "SUBMITTED")
    assert case.figures() == ("SUBMITTED", Decimal(0), None)
    assert case.position() == d("0", "0", "0", "0")
    case.tell("e", "3", "105")
    case.await_filled("3", "FILLED")
    assert case.position() == d("3", "105", "0", "0")
    assert case.told()[-3:] == [
        ("BUST", "b", "0", "110", "1", "2", "100", "PARTIALLY_FILLED"),
        ("BUST", "a", "0", "100", "0", "3", None, "SUBMITTED"),
        ("FILL", "e", "3", "105", "3", "0", "105", "FILLED"),
    ]
    assert case.states() == ["SUBMITTED", "PARTIALLY_FILLED", "SUBMITTED", "FILLED"]
    assert case.alerts() == []


def test_beyond_the_quantity(fleet: Fleet) -> None:
    """An overfill counts whole, and one alert says so."""
    case = Case.resting(fleet, "over")
    case.tell("a", "2", "100")
    case.await_filled("2", "PARTIALLY_FILLED")
    case.tell("b", "2", "103")
    case.await_filled("4", "FILLED")
    assert case.figures() == ("FILLED", *d("4", "101.5"))
    assert case.position() == d("4", "101.5", "0", "0")
    assert case.told()[-1] == ("FILL", "b", "2", "103", "4", "0", "101.5", "FILLED")
    assert case.states() == ["SUBMITTED", "PARTIALLY_FILLED", "FILLED", "OVERFILLED"]
    assert case.alerts() == ["OVERFILLED"]


# When the order is over, or was never ours: the session hears of all executions of the account.

STRANGERS: dict[str, dict[str, str]] = {
    "no id": {"symbol": "ETH-USDT", "side": "BUY", "quantity": "2", "price": "3000"}
    | {"commission": "0.001", "commission_currency": "ETH"},
    "an id like ours": {"symbol": "SOL-USDT", "side": "SELL", "quantity": "5", "price": "150"}
    | {"venue_order_id": "A" * 22},
    "no symbol of ours": {"symbol": "NO SUCH THING", "side": "BUY", "quantity": "1", "price": "7"},
    "corrected": {"symbol": "XRP-USDT", "side": "BUY", "quantity": "10", "price": "2"},
}


@dataclass(frozen=True, slots=True)
class Late:
    """The orders that were over when something more came, and all rows before it came again."""

    cases: Mapping[str, Case]
    before: Mapping[str, list[str]]
    after: Mapping[str, list[str]]


@pytest.fixture(scope="module")
def late(fleet: Fleet) -> Late:
    """Bring orders to their ends, let something come of each, and then all of it once more."""
    fleet.set_prices(PRICES)
    filled = ("out of order", "corrected", "shortened", "busted", "commission")
    ended = ("in part", "whole", "expired")
    cases = {name: Case.resting(fleet, name.replace(" ", "-")) for name in (*filled, *ended)}
    for name in filled:
        cases[name].tell("a", "3", "100", executed_at=at(1))
    later = Case.resting(
        fleet, "later", side="SELL", quantity="1", account=cases["out of order"].account
    )
    later.tell("c", "1", "130", executed_at=at(3))
    for name in ("in part", "whole"):
        order = cases[name].order
        fleet.send(
            "tasks.cancel_order",
            client_order_id=order["client_order_id"],
            cancel_id=f"c-{name[:2]}",
        )
    end = {"venue_order_id": cases["expired"].venue_order_id, "state": "EXPIRED"}
    fleet.venue.control("POST", "orders/cancel", end)
    for name in filled:
        cases[name].await_filled("3", "FILLED")
    later.await_filled("1", "FILLED")
    for name in ended:
        cases[name].await_filled("0", "CANCELLED", "EXPIRED")
    _tell_late(cases)
    for name, stranger in STRANGERS.items():
        fleet.venue.control("POST", "executions", {"execution_id": f"stranger {name}", **stranger})
    correction = STRANGERS["corrected"] | {"price": "1.5", "kind": "CORRECTION"}
    correction |= {"execution_id": "stranger again", "corrects": "stranger corrected"}
    fleet.venue.control("POST", "executions", correction)
    _all_heard(fleet, "CANARY-1")
    before = _rows(fleet)
    times = len(fleet.venue.control("GET", "ledger")["executions"])
    fleet.venue.arm("duplicate_report", times=times)
    _all_heard(fleet, "CANARY-2")
    assert fleet.venue.control("GET", "faults")["faults"][-2]["fired"] == times
    return Late(cases, before, _rows(fleet))


def _tell_late(cases: Mapping[str, Case]) -> None:
    cases["out of order"].tell("b", "1", "110", executed_at=at(2))
    cases["corrected"].tell("b", "3", "97", kind="CORRECTION", corrects="a")
    cases["shortened"].tell("b", "2", "100", kind="CORRECTION", corrects="a")
    cases["busted"].tell("b", "3", "100", kind="BUST", corrects="a")
    # What a venue books of a commission trades nothing.
    fee = {"kind": "COMMISSION", "commission": "0.25", "commission_currency": "USDT"}
    cases["commission"].tell("a", "0", "0", **fee)
    cases["in part"].tell("a", "1", "100")
    cases["whole"].tell("a", "1", "100")
    cases["whole"].tell("b", "2", "103")
    cases["expired"].tell("a", "1", "100")


def _all_heard(fleet: Fleet, canary: str) -> None:
    """Wait until a session that connects anew has recorded all there is, and all is applied.

    Before it takes new work it asks for all of a day, then compares; only then it goes on to
    listen. So what is told after the connection was lost is heard after that or with it, and what
    is told after that was heard, when it listens again.
    """
    # Longer than a request that failed on a kept connection is sent again by the HTTP library.
    fleet.venue.arm("disconnect", on="query", seconds=1)
    lost = len(fleet.venue.control("GET", "faults")["faults"]) - 1
    wait_until(
        lambda: fleet.venue.control("GET", "faults")["faults"][lost]["fired"], what="a disconnect"
    )
    for name in (canary, f"{canary}-again"):
        stranger = {"execution_id": name, "symbol": name, "side": "BUY"}
        fleet.venue.control("POST", "executions", {**stranger, "quantity": "1", "price": "1"})
        wait_until(partial(_is_booked, fleet, name), what="the canary")
    wait_until(
        lambda: (
            not fleet.query(
                """SELECT 1 FROM execution_reports WHERE applied_at IS NULL
            UNION ALL SELECT 1 FROM fills WHERE positioned_at IS NULL
            UNION ALL SELECT 1 FROM events WHERE sequence IS NULL
            UNION ALL SELECT 1 FROM orders WHERE due_at IS NOT NULL"""
            )
        ),
        what="rest",
    )


def _is_booked(fleet: Fleet, execution_id: str) -> bool:
    return bool(
        fleet.query(
            "SELECT 1 FROM fills WHERE execution_id = %s AND positioned_at IS NOT NULL",
            execution_id,
        )
    )


def _rows(fleet: Fleet) -> dict[str, list[str]]:
    """Every row but the canaries', as text."""
    tables = ("orders", "order_attempts", "order_events", "execution_reports", "fills", "events")
    return {
        table: [
            row["row"]
            for row in fleet.query(
                f"SELECT to_jsonb(t)::text AS row FROM {table} t "
                "WHERE to_jsonb(t)::text NOT LIKE '%%CANARY%%' ORDER BY 1"
            )
        ]
        for table in (*tables, "positions", "alerts")
    }


def test_late_and_out_of_order(late: Late) -> None:
    """An execution that was forgotten between two others is folded in between them.

    Bought 3 at 100, the forgotten 1 at 110, then sold 1 at 130: out of 4 at 102.5.
    """
    case = late.cases["out of order"]
    assert case.figures() == ("FILLED", *d("4", "102.5"))
    assert case.position() == d("3", "102.5", "27.5", "0")
    assert case.told()[1:] == [("FILL", "b", "1", "110", "4", "0", "102.5", "FILLED")]
    assert case.states()[1:] == ["FILLED", "OVERFILLED"]
    assert case.alerts() == ["OVERFILLED"]


def test_corrected_late(late: Late) -> None:
    """Another price for an order that was over: told, and nothing to be alarmed at."""
    case = late.cases["corrected"]
    assert case.figures() == ("FILLED", *d("3", "97"))
    assert case.position() == d("3", "97", "0", "0")
    assert case.told()[1:] == [("CORRECTION", "a", "3", "97", "3", "0", "97", "FILLED")]
    assert case.states()[1:] == ["FILLED"]
    assert case.alerts() == []


@pytest.mark.parametrize(
    ("name", "kind", "left", "average"),
    [("shortened", "CORRECTION", "2", "100"), ("busted", "BUST", "0", None)],
)
def test_taken_back_late(late: Late, name: str, kind: str, left: str, average: str | None) -> None:
    """A FILLED order that an execution is taken back from is CANCELLED for the rest."""
    case, still = late.cases[name], Decimal(left)
    price = None if average is None else Decimal(average)
    assert case.figures() == ("CANCELLED", still, price)
    assert case.position() == (still, price or 0, Decimal(0), Decimal(0))
    assert case.told()[1:] == [(kind, "a", left, "100", left, str(3 - still), average, "CANCELLED")]
    assert case.states()[1:] == ["FILLED", "CANCELLED"]
    assert case.alerts() == ["BUSTED"]


def test_commission_late(fleet: Fleet, late: Late) -> None:
    """FILL goes out with null, COMMISSION follows."""
    case = late.cases["commission"]
    assert case.figures() == ("FILLED", *d("3", "100"))
    assert case.position() == d("3", "100", "0", "0.25")
    rows = fleet.query(
        "SELECT payload FROM events WHERE stream = 'fills' AND order_id = %s ORDER BY sequence",
        case.order_id,
    )
    said = [row["payload"] for row in rows]
    assert [event["type"] for event in said] == ["FILL", "COMMISSION"]
    assert [event["commission"] for event in said] == [None, "0.25"]
    assert case.alerts() == []


@pytest.mark.parametrize(
    ("name", "state", "filled", "average"),
    [
        ("in part", "CANCELLED", "1", "100"),
        ("whole", "FILLED", "3", "102"),
        ("expired", "EXPIRED", "1", "100"),
    ],
)
def test_after_the_end(late: Late, name: str, state: str, filled: str, average: str) -> None:
    """What is executed after CANCELLED or EXPIRED counts; who is whole is FILLED after all."""
    case = late.cases[name]
    assert case.figures() == (state, *d(filled, average))
    assert case.position() == d(filled, average, "0", "0")
    left = str(3 - int(filled))
    last = ("2", "103") if name == "whole" else ("1", "100")
    told = case.told()
    assert told[-1][2:] == (*last, filled, left, average, state)
    assert [event[0] for event in told] == ["FILL"] * len(told)
    assert case.states()[-1] == state
    assert case.alerts() == ["LATE_FILL"]


@pytest.mark.parametrize(
    ("name", "held"),
    [
        # Two bought; the commission was taken out of them, at its worth.
        ("no id", d("1.999", "3000", "0", "3")),
        ("an id like ours", d("-5", "150", "0", "0")),
        ("no symbol of ours", d("1", "7", "0", "0")),
        ("corrected", d("10", "1.5", "0", "0")),
    ],
)
def test_of_no_order_of_ours(
    fleet: Fleet, late: Late, name: str, held: tuple[Decimal, ...]
) -> None:
    """It is a fill of no order, moves the account's position, is told, and alerts by its id."""
    told = STRANGERS[name]
    assert position(fleet, "main", told["symbol"]) == held
    (fill,) = fleet.query("SELECT * FROM fills WHERE execution_id = %s", f"stranger {name}")
    assert (fill["order_id"], fill["execution_mode"]) == (None, "LIVE")
    rows = fleet.query(
        """SELECT payload FROM events WHERE stream = 'fills' AND payload ->> 'symbol' = %s
        ORDER BY sequence""",
        told["symbol"],
    )
    said = [row["payload"] for row in rows]
    # Trade and correction may be booked in one go: then FILL has the corrected price already.
    assert [event["type"] for event in said] in (["FILL"], ["FILL", "CORRECTION"])
    assert Decimal(said[-1]["last_price"]) == held[1]
    assert {event["order_id"] for event in said} == {None}
    alerts = fleet.query("SELECT kind, key FROM alerts WHERE key LIKE %s", f"%:stranger {name}")
    assert [(row["kind"], row["key"].split(":")[-1]) for row in alerts] == [
        ("UNKNOWN_ORDER", f"stranger {name}")
    ]


def test_all_of_it_once_more(late: Late) -> None:
    """A session that connects anew is told everything twice over, and not one row changes."""
    assert late.after == late.before


# When the venue fails so often that nothing more is sent to it.


def breaker(fleet: Fleet) -> dict[str, Any]:
    """What `execution brokers` says of Binance."""
    shown = json.loads(fleet.cli("brokers", "--json").stdout)
    found: dict[str, Any] = next(row for row in shown if row["broker"] == "BINANCE")
    return found


def test_the_trouble_of_one_order_counts_once(fleet: Fleet) -> None:
    """The venue says again and again that it took nothing of it: others may well be taken."""

    def counted() -> tuple[int, int]:
        (row,) = fleet.query("SELECT * FROM breakers WHERE broker = 'BINANCE'")
        return row["total_failures"], row["failures"]

    name, (in_all, in_a_row) = f"troubled-{uuid4().hex[:8]}", counted()
    armed = {"kind": "unavailable", "on": "submit", "times": 1000}
    fault = fleet.venue.control("POST", "faults", armed)["fault_id"]
    try:
        fleet.send(symbol=SYMBOL, side="BUY", quantity="1", client_order_id=name, on_failure="wait")
        wait_until(lambda: counted()[0] >= in_all + 2, what="two failures")
        assert counted()[1] == in_a_row + 1
        fleet.client.cancel(name)
        fleet.await_state(name, "CANCELLED")
    finally:
        fleet.venue.control("DELETE", f"faults/{fault}")


def test_circuit_breaker(fleet: Fleet) -> None:
    """So many failures open it: orders go to paper until a probe finds the venue in health.

    No order is risked for that: the venue would refuse every one all the while, and gets none.
    """

    def place() -> str:
        name = f"breaker-{uuid4().hex[:8]}"
        fleet.send(symbol=SYMBOL, side="BUY", quantity="1", client_order_id=name)
        return name

    def went_to(broker: str, name: str) -> str | None:
        order = fleet.await_state(name, "FILLED")
        assert (order["requested_broker"], order["broker"]) == ("BINANCE", broker)
        reason: str | None = order["route_reason"]
        return reason

    def arm(kind: str, **options: Any) -> int:
        armed = fleet.venue.control("POST", "faults", {"kind": kind, "times": 1000, **options})
        return int(armed["fault_id"])

    def sent() -> int:
        return int(fleet.venue.control("GET", "faults")["fired"]["reject"])

    def opened_at() -> datetime | None:
        (row,) = fleet.query("SELECT * FROM breakers WHERE broker = 'BINANCE'")
        assert (row["opened_at"] is None) == (row["state"] == "CLOSED")
        found: datetime | None = row["opened_at"]
        return found

    went_to("BINANCE", place())
    failed_before = breaker(fleet)["total_failures"]
    refusing = arm("reject", reason="closed for all", scope="VENUE")
    names: list[str] = []
    while len(names) < THRESHOLD:
        assert opened_at() is None
        names.append(place())
        wait_until(lambda: sent() == len(names), what="the refusal")
    opened = wait_until(opened_at, what="the open breaker")
    ailing = arm("unavailable", on="query")
    for name in names:
        refused = fleet.await_state(name, "REJECTED")
        assert (refused["broker"], refused["reason"]) == (
            "BINANCE",
            "the venue refused: closed for all",
        )
    shown = breaker(fleet)
    assert shown["breaker"] in {"OPEN", "HALF_OPEN"}
    assert shown["total_failures"] == failed_before + THRESHOLD
    assert "closed for all" in shown["reason"]
    assert went_to("PAPER", place()) == "BINANCE: circuit breaker open"
    wait_until(lambda: opened_at() not in {None, opened}, what="a probe that failed")
    fleet.venue.control("DELETE", f"faults/{ailing}")
    wait_until(lambda: opened_at() is None, what="a probe that went well")
    shown = breaker(fleet)
    assert (shown["breaker"], shown["failures"]) == ("CLOSED", 0)
    assert sent() == THRESHOLD
    fleet.venue.control("DELETE", f"faults/{refusing}")
    # What ailed the venue may have cost the session its connection, too.
    wait_until(lambda: fleet.connected("BINANCE"), what="the session")
    went_to("BINANCE", place())
