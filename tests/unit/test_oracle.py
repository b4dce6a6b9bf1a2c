"""The oracle can fail: a clean set of facts passes, and each way to spoil one is reported."""

from __future__ import annotations

import ast
import copy
import json
import sys
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tests import oracle
from tests.oracle import Facts, Message, Venue, Verdict, judge_facts
from tests.oracle.case import Case
from tests.oracle.positions import Walk
from tests.unit.oracle_scene import (
    NOON,
    Dict,
    Scene,
    Spoil,
    an_alert,
    at,
    attempt,
    drop,
    drop_at_venue,
    ledger,
    position,
    put,
    row,
    running,
    set_at_venue,
    set_in,
    venue_order,
)

LIVE_ID, SOLD_ID, REFUSED_ID, PAPER_ID, DOUBT_ID = (letter * 22 for letter in "LSRPD")


def clean() -> Facts:
    """Bought 3 in two executions, sold 1 of it, one order rerouted to paper, one in doubt."""
    scene = Scene()
    scene.request("bought", side="BUY", quantity="3")
    scene.request("sold", side="SELL", quantity="1")
    scene.request("turned", side="BUY", quantity="2")
    scene.request("doubt", side="BUY", quantity="5")
    scene.request("odd", reason="quantity: missing, it is required")
    way = ["PENDING", "SUBMITTING", "SUBMITTED", "PARTIALLY_FILLED", "FILLED"]
    third = Decimal("100.6666666666666666666666667")
    first = [attempt(LIVE_ID, "BINANCE", "3", "FILLED", "3")]
    scene.order("bought", first, way, filled_quantity=Decimal(3), average_price=third)
    scene.fill("bought", LIVE_ID, 1, **running("1", "100", "1", "2", "100"))
    scene.fill("bought", LIVE_ID, 2, **running("2.0", "101", "3", "0", str(third)))
    way.remove("PARTIALLY_FILLED")
    whole: Dict = {"filled_quantity": Decimal(1), "average_price": Decimal(110)}
    second = [attempt(SOLD_ID, "BINANCE", "1", "FILLED", "1")]
    scene.order("sold", second, way, side="SELL", **whole)
    scene.fill("sold", SOLD_ID, 3, **running("1", "110", "1", "0", "110"))
    both = [
        attempt(REFUSED_ID, "IBKR", "2", "REJECTED"),
        attempt(PAPER_ID, "PAPER", "2", "FILLED", "2"),
    ]
    whole = {"filled_quantity": Decimal(2), "average_price": Decimal(99)}
    scene.order("turned", both, way, **whole)
    scene.fill("turned", PAPER_ID, 4, **running("2", "99", "2", "0", "99"))
    scene.order(
        "doubt",
        [attempt(DOUBT_ID, "BINANCE", "5", "UNKNOWN")],
        ["PENDING", "SUBMITTING", "UNKNOWN"],
    )
    scene.facts.alerts.append(an_alert("UNKNOWN_OUTCOME", "order-doubt", "in doubt", key="doubt"))
    scene.venue_orders += [
        venue_order(LIVE_ID, "3"),
        venue_order(SOLD_ID, "1", side="SELL"),
        venue_order(DOUBT_ID, "5", "SUBMITTED"),
    ]
    scene.paper_orders.append(venue_order(PAPER_ID, "2"))
    earned = "9.3333333333333333333333333"
    scene.facts.positions.append(position("BINANCE", "2", str(third), earned, "0.75"))
    scene.facts.paper_positions.append(position("PAPER", "2", "99", "0", "0"))
    return scene.done()


def test_clean_facts_pass() -> None:
    """What a healthy system leaves is clean, and counted."""
    verdict = judge_facts(clean())
    verdict.assert_clean()
    expected = {"requests": 4, "refused": 1, "orders": 4, "filled": 3, "rerouted": 1, "unknown": 1}
    assert expected.items() <= verdict.counts().items()
    assert (verdict.fills, verdict.duplicates, verdict.lost, verdict.stuck) == (4, 0, 0, 0)


def test_verdict_lists_its_problems() -> None:
    """`assert_clean` raises with the problems and the figures in words."""
    verdict = Verdict(problems=["the first", "the second"], lost=1)
    with pytest.raises(AssertionError, match=r"(?s)2 problems.*'lost': 1.*the first.*the second"):
        verdict.assert_clean()


def _sent_twice(facts: Facts) -> None:
    put(ledger(facts).orders, venue_order(LIVE_ID, "3", "CANCELLED"))


def _unrecorded_execution(facts: Facts) -> None:
    first = ledger(facts).executions[0]
    put(ledger(facts).executions, {**first, "execution_id": "X9"})


def _foreign_execution(facts: Facts) -> None:
    first = ledger(facts).executions[0]
    put(ledger(facts).executions, {**first, "execution_id": "X9", "venue_order_id": None})


def _again(number: int, **changes: Any) -> Spoil:
    return lambda facts: put(
        ledger(facts).executions, {**ledger(facts).executions[number], **changes}
    )


def _live_twin(facts: Facts) -> None:
    """The refused live attempt was filled at the venue after all."""
    put(ledger(facts).orders, venue_order(REFUSED_ID, "2"))
    first = ledger(facts).executions[0]
    twin = {"execution_id": "X9", "venue_order_id": REFUSED_ID, "quantity": Decimal(2)}
    put(ledger(facts).executions, {**first, **twin})


def _working_twin(facts: Facts) -> None:
    put(ledger(facts).orders, venue_order(REFUSED_ID, "2", "SUBMITTED"))


def _other_price(facts: Facts) -> None:
    """A change that was reported done, and that the venue never made."""
    row(facts.orders, client_order_id="doubt")["limit_price"] = Decimal(90)
    row([*ledger(facts).orders], venue_order_id=DOUBT_ID)["limit_price"] = Decimal(91)


def _over_unheard(facts: Facts) -> None:
    facts.alerts.clear()
    row([*ledger(facts).orders], venue_order_id=DOUBT_ID)["state"] = "CANCELLED"


def _fill_twice(facts: Facts) -> None:
    put(facts.fills, row(facts.fills, fill_id=1) | {"fill_id": 7})


def _paper_in_live_table(facts: Facts) -> None:
    put(facts.positions, dict(facts.paper_positions.pop()))


def _steps_out_of_order(facts: Facts) -> None:
    where = {"order_id": "order-sold"}
    row(facts.history, step="persist_fill", **where)["at"] = at(100)


def _sequence_gap(facts: Facts) -> None:
    last = max(item["sequence"] for item in facts.events if item["stream"] == "orders")
    row(facts.events, stream="orders", sequence=last)["sequence"] = last + 1


def _fill_told_twice(facts: Facts) -> None:
    first = row(facts.events, stream="fills", sequence=1)
    again = copy.deepcopy(first) | {"event_id": "event-9", "sequence": 5}
    again["payload"]["event_id"] = "event-9"
    put(facts.events, again)


def _payload(stream: str, sequence: int, **values: Any) -> Spoil:
    return lambda facts: row(facts.events, stream=stream, sequence=sequence)["payload"].update(
        values
    )


def _command(outcome: str) -> Spoil:
    command = {"kind": "CANCEL", "external_id": "c-1", "client_order_id": "sold", "reason": None}
    return lambda facts: put(facts.commands, command | {"outcome": outcome})


def _heard(change: Callable[[list[Message]], object]) -> Spoil:
    def spoil(facts: Facts) -> None:
        assert facts.messages is not None
        change(facts.messages)

    return spoil


def _first_on(messages: list[Message], channel: str) -> int:
    return next(n for n, message in enumerate(messages) if message.channel == channel)


def _unheard(messages: list[Message]) -> None:
    positions = [n for n, message in enumerate(messages) if message.channel == "orders"]
    del messages[positions[2]]


def _out_of_order(messages: list[Message]) -> None:
    messages.append(messages.pop(_first_on(messages, "orders")))


def _garbled(messages: list[Message]) -> None:
    number = _first_on(messages, "fills")
    said = json.loads(messages[number].text) | {"last_price": "1"}
    messages[number] = Message("fills", json.dumps(said))


def _wrong_channel(messages: list[Message]) -> None:
    number = _first_on(messages, "fills.live")
    messages.append(Message("fills.paper", messages[number].text))


def _invented(messages: list[Message]) -> None:
    messages.append(Message("orders", '{"sequence": 999}'))


def _silent_live_channel(messages: list[Message]) -> None:
    positions = [n for n, message in enumerate(messages) if message.channel == "fills.live"]
    del messages[positions[1]]


BOUGHT, SOLD = {"client_order_id": "bought"}, {"client_order_id": "sold"}
DOUBT = {"client_order_id": "doubt"}
SPOILED: dict[str, tuple[Spoil, str]] = {
    "no order of a request": (drop("orders", **SOLD), "sold.*no order came of it"),
    "no word on a refusal": (set_in("requests", {"outcome": "REFUSED"}, reason=""), "without a re"),
    "order for more than asked": (
        set_in("orders", BOUGHT, requested_quantity=Decimal(30)),
        "not what was asked",
    ),
    "order nobody asked for": (drop("requests", **BOUGHT), "bought: nobody asked for it"),
    "rejected without a reason": (
        set_in("orders", DOUBT, state="REJECTED"),
        "doubt: REJECTED without a reason",
    ),
    "stands still": (set_in("orders", DOUBT, state="SUBMITTED"), "doubt: stands in SUBMITTED"),
    "unknown without an alert": (
        set_in("alerts", {"key": "doubt"}, resolved_at=NOON),
        "UNKNOWN without an alert",
    ),
    "over at the venue, open here": (
        _over_unheard,
        "doubt: UNKNOWN, but CANCELLED at the venue",
    ),
    "no such state": (set_in("orders", DOUBT, state="LIMBO"), "LIMBO is no state"),
    "cancel left lying": (_command("PENDING"), "CANCEL c-1 of sold: is still pending"),
    "no word on a cancel": (_command("REFUSED"), "CANCEL c-1 of sold: refused without a reason"),
    "sent twice": (_sent_twice, "2 orders at the venue"),
    "the venue never heard of it": (
        drop_at_venue("orders", venue_order_id=SOLD_ID),
        "the venue does not know it",
    ),
    "no intent recorded": (
        set_in("attempts", {"venue_order_id": LIVE_ID}, intent_at=None),
        "without a recorded intent",
    ),
    "an attempt that is not recorded": (
        lambda facts: put(ledger(facts).orders, venue_order("Q" * 22, "1")),
        "Q is no attempt",
    ),
    "other side at the venue": (
        set_at_venue("orders", {"venue_order_id": LIVE_ID}, side="SELL"),
        "SELL BTC-USDT at the venue",
    ),
    "other quantity at the venue": (
        set_at_venue("orders", {"venue_order_id": LIVE_ID}, quantity=Decimal(4)),
        "for 3, but 4 at the venue",
    ),
    "other price at the venue": (_other_price, "limit_price 90, but 91 at the venue"),
    "final here, working there": (
        set_at_venue("orders", {"venue_order_id": SOLD_ID}, state="SUBMITTED"),
        "FILLED, but SUBMITTED at the venue",
    ),
    "filled live and on paper": (_live_twin, "on paper though attempt R+ is not refused"),
    "working live and on paper": (_working_twin, "on paper though attempt R+ is not refused"),
    "paper after a live attempt in doubt": (
        set_in("attempts", {"venue_order_id": REFUSED_ID}, state="UNKNOWN"),
        "on paper though attempt R+ is not refused",
    ),
    "no ledger to compare with": (lambda facts: facts.venues.pop(), "BINANCE has no ledger"),
    "execution not recorded": (_unrecorded_execution, "execution X9 of L+: .* is no fill"),
    "foreign execution not recorded": (_foreign_execution, "execution X9 of None: .* is no fill"),
    "fill that never was": (
        drop_at_venue("executions", execution_id="X3"),
        "fill X3: no venue holds such an execution",
    ),
    "fill recorded twice": (_fill_twice, "execution X1 of L+: 2 fills"),
    "last digit of a price": (
        set_in("fills", {"fill_id": 1}, price=Decimal("100.000000000000000001")),
        "execution X1 of L+: price",
    ),
    "busted at the venue alone": (
        lambda facts: put(
            ledger(facts).executions,
            {**ledger(facts).executions[2], "kind": "BUST", "corrects": "X3"},
        ),
        "execution X3 of S+: status GOOD, but BUSTED at the venue",
    ),
    "fill of another order": (
        set_in("fills", {"fill_id": 3}, order_id="order-bought"),
        "recorded for another attempt",
    ),
    "live fill marked paper": (
        set_in("fills", {"fill_id": 1}, execution_mode="PAPER"),
        "fill X1: PAPER at the wrong place",
    ),
    "report not applied": (
        set_in("reports", {"report_id": 2}, applied_at=None),
        "report X2 TRADE: was not applied",
    ),
    "report with another quantity": (
        set_in("reports", {"report_id": 2}, quantity=Decimal("2.1")),
        "X2 TRADE: quantity reported as 2.1",
    ),
    "report missing": (drop("reports", report_id=2), "X2 TRADE: 0 reports of it"),
    "filled quantity wrong": (
        set_in("orders", SOLD, filled_quantity=Decimal("1.000000000000000001")),
        "sold: .* filled, but 1 by its fills",
    ),
    "average price wrong": (
        set_in("orders", SOLD, average_price=Decimal("110.00000000000001")),
        "sold: average .*, but 110 by the venue",
    ),
    "filled but short": (set_in("orders", SOLD, quantity=Decimal(2)), "FILLED with 1 of 2 filled"),
    "full but not FILLED": (
        set_in("orders", SOLD, state="CANCELLED"),
        "CANCELLED with 1 of 1 filled",
    ),
    "attempt's quantity wrong": (
        set_in("attempts", {"venue_order_id": LIVE_ID}, filled_quantity=Decimal(2)),
        "2 filled, but 3.0 by its fills",
    ),
    "position missing": (drop("positions", broker="BINANCE"), "position .*BINANCE.*missing"),
    "position's quantity": (
        set_in("positions", {"broker": "BINANCE"}, quantity=Decimal("2.000000000000000001")),
        "position .*quantity 2.0+1, but 2 by its fills",
    ),
    "position's profit": (
        set_in("positions", {"broker": "BINANCE"}, realised_pnl=Decimal("9.34")),
        "position .*realised_pnl 9.34, but 9.33",
    ),
    "position's average": (
        set_in("positions", {"broker": "BINANCE"}, average_price=Decimal("100.7")),
        "position .*average_price 100.7",
    ),
    "position's commission": (
        set_in("positions", {"broker": "BINANCE"}, commission=Decimal("0.5")),
        "position .*commission 0.5, but 0.75",
    ),
    "position's costs": (
        set_in("positions", {"broker": "BINANCE"}, costs={"USDT": "0.75", "BNB": "0.1"}),
        "position .*costs .*BNB",
    ),
    "position's net profit": (
        set_in("positions", {"broker": "BINANCE"}, net_pnl=Decimal(9)),
        "position .*net_pnl 9, not 8.58",
    ),
    "paper among live positions": (_paper_in_live_table, "positions .*in the wrong table"),
    "fill in no position": (
        set_in("fills", {"fill_id": 3}, positioned_at=None),
        "fill X3: is in no position",
    ),
    "a step left out": (
        drop("history", order_id="order-sold", step="connect_gateway"),
        "sold: FILLED, and connect_gateway not in its turn",
    ),
    "a step out of turn": (_steps_out_of_order, "sold: FILLED, and update_positions not in its"),
    "gap in a stream": (_sequence_gap, "stream orders: breaks at sequence"),
    "not published": (
        set_in("streams", {"stream": "fills"}, published_sequence=3),
        "stream fills: published 3 of 4",
    ),
    "not numbered": (
        set_in("events", {"stream": "fills", "sequence": 4}, sequence=None),
        "FILL has no sequence",
    ),
    "one id for two events": (
        set_in("events", {"stream": "fills", "sequence": 4}, event_id="event-fills-1"),
        "event event-fills-1: there 2 times",
    ),
    "fill not told": (
        drop("events", stream="fills", sequence=4),
        "fill X4: 0 FILL messages",
    ),
    "fill told twice": (_fill_told_twice, "fill X1: 2 FILL messages"),
    "message with another price": (
        _payload("fills", 3, last_price="110.5"),
        "fill X3: its message says last_price '110.5'",
    ),
    "message with an unknown key": (_payload("fills", 3, colour="red"), "keys differ.*'colour'"),
    "message with a number": (_payload("fills", 3, last_price=Decimal("110.5")), "JSON numbers"),
    "message of another order": (
        _payload("orders", 6, client_order_id="sold"),
        "bought: message 6 says something else",
    ),
    "state not told": (
        set_in("events", {"stream": "orders", "sequence": 8}, type="MODIFIED"),
        "bought: went .* but told",
    ),
    "acceptance not told": (
        set_in("events", {"stream": "orders", "sequence": 1}, type="MODIFIED"),
        "ACCEPTED of order-bought: told 0 times",
    ),
    "reroute not told": (
        set_in("events", {"type": "REROUTED"}, type="MODIFIED"),
        "turned: rerouted 1 times, told 0",
    ),
    "running total wrong": (
        set_in("fills", {"fill_id": 2}, cumulative_quantity=Decimal(2)),
        "fill X2: does not say 3.0 filled and",
    ),
    "order without an attempt": (drop("attempts", venue_order_id=SOLD_ID), "sold: has no attempt"),
    "attempt of no order": (drop("orders", **SOLD), "attempt S+: belongs to no order"),
    "paper attempt at a live broker": (
        set_in("attempts", {"venue_order_id": PAPER_ID}, broker="IBKR"),
        "attempt P+: PAPER at the wrong place",
    ),
    "in another broker's book": (
        lambda facts: put(ledger(facts, paper=True).orders, venue_order(LIVE_ID, "3")),
        "attempt L+: at another broker's venue",
    ),
    "attempt of another account": (
        set_in("attempts", {"venue_order_id": SOLD_ID}, account="b"),
        "execution X3 of S*: account is not its attempt's",
    ),
    "two attempts fill too much": (_live_twin, "turned: 2 attempts executed too much"),
    "two orders of one id": (
        lambda facts: put(facts.orders, dict(facts.orders[1])),
        "order sold: there are 2 of them",
    ),
    "order of a refused request": (
        set_in("requests", SOLD, outcome="REFUSED"),
        "sold.*refused, and an order all the same",
    ),
    "a price of nothing": (set_in("orders", DOUBT, average_price=Decimal(1)), "a price of nothing"),
    "fill at another time": (
        set_in("fills", {"fill_id": 3}, executed_at=at(99)),
        "execution X3 of S+: at .*, not",
    ),
    "fill of a foreign order taken for ours": (
        drop("attempts", venue_order_id=SOLD_ID),
        "execution X3 of S+: is not of that order",
    ),
    "foreign fill without an alert": (
        drop("attempts", venue_order_id=SOLD_ID),
        "X3 of S+: of no order of ours, and no alert",
    ),
    "fill of another account": (
        set_in("fills", {"fill_id": 3}, account="b"),
        "execution X3 of S+: account is not its attempt's",
    ),
    "fill without its report": (
        set_in("fills", {"fill_id": 3}, report_id=9),
        "fill X3: has no report of its own",
    ),
    "bust of what never was": (
        _again(1, kind="BUST", execution_id="X8", corrects="X7"),
        "BUST of an execution nobody knows",
    ),
    "execution listed twice": (_again(1), "listed twice"),
    "position there twice": (
        lambda facts: put(facts.positions, dict(facts.positions[0])),
        "positions .*there twice",
    ),
    "position's multiplier": (
        set_in("positions", {"broker": "BINANCE"}, multiplier=Decimal(2)),
        "multiplier differs",
    ),
    "history ends elsewhere": (
        set_in("history", {"order_id": "order-doubt", "state": "UNKNOWN"}, state="SUBMITTED"),
        "doubt: UNKNOWN, but history says SUBMITTED",
    ),
    "payload of another order": (_payload("fills", 3, order_id="x"), "its payload is another's"),
    "message mixes modes": (_payload("orders", 6, broker="PAPER"), "message 6 mixes modes"),
    "stream missing": (drop("streams", stream="fills"), "stream fills: is not there"),
    "stream counts too many": (
        set_in("streams", {"stream": "fills"}, last_sequence=5),
        "stream fills: last is 5 of 4",
    ),
    "message of no fill": (drop("fills", fill_id=3), "FILL of no fill"),
    "running average wrong": (
        set_in("fills", {"fill_id": 2}, average_price=Decimal(100)),
        "fill X2: average 100, not 100.6",
    ),
    "running state wrong": (
        set_in("fills", {"fill_id": 2}, order_state="PARTIALLY_FILLED"),
        "fill X2: PARTIALLY_FILLED with 0.* left",
    ),
    "message lost": (_heard(_unheard), "channel orders: .* not heard, not replayed"),
    "message only replayed": (_heard(_silent_live_channel), "fills.live: .* never came over Redis"),
    "messages out of order": (_heard(_out_of_order), "channel orders: out of order"),
    "message garbled": (_heard(_garbled), "channel fills: message 1 differs from its event"),
    "live fill on the paper channel": (_heard(_wrong_channel), "fills.paper: .* the other mode"),
    "message from nowhere": (_heard(_invented), "sequence 999 is no event"),
}


@pytest.mark.parametrize(("spoil", "problem"), SPOILED.values(), ids=SPOILED)
def test_spoiled_facts_are_reported(spoil: Spoil, problem: str) -> None:
    """Each way to break a promise gives a problem that names it."""
    facts = clean()
    spoil(facts)
    with pytest.raises(AssertionError, match=problem):
        judge_facts(facts).assert_clean()


def test_open_orders_pass_only_when_allowed() -> None:
    """An order that rests at its venue is stuck unless the caller expects open orders."""
    facts = clean()
    facts.alerts.clear()
    row(facts.orders, **DOUBT)["state"] = "SUBMITTED"
    row(facts.attempts, venue_order_id=DOUBT_ID)["state"] = "SUBMITTED"
    row(facts.history, order_id="order-doubt", state="UNKNOWN")["state"] = "SUBMITTED"
    told = row(facts.events, stream="orders", type="UNKNOWN")
    told["type"] = told["payload"]["type"] = told["payload"]["state"] = "SUBMITTED"
    facts.messages = None
    judge_facts(facts, allow_open=True).assert_clean()
    assert judge_facts(facts).stuck == 1


def test_figures_name_the_kind() -> None:
    """A second venue order is a duplicate, a missing order lost, a standing one stuck."""
    spoiled = {"duplicates": _sent_twice, "lost": drop("orders", **SOLD)}
    spoiled["stuck"] = set_in("orders", DOUBT, state="SUBMITTED")
    for figure, spoil in spoiled.items():
        facts = clean()
        spoil(facts)
        assert judge_facts(facts).counts()[figure] >= 1


def test_repeated_messages_are_allowed() -> None:
    """A publisher that dies before its commit sends the same messages again."""
    facts = clean()
    assert facts.messages is not None
    again = [message for message in facts.messages if message.channel == "fills"]
    facts.messages += again
    judge_facts(facts).assert_clean()


def test_corrections_are_followed_back() -> None:
    """A correction of a correction, and a late commission, change the first execution."""
    trade: Dict = {"execution_id": "X1", "symbol": "SPY", "side": "BUY", "venue_order_id": LIVE_ID}
    trade |= {"quantity": Decimal(5), "price": Decimal(10), "kind": "TRADE"}
    first = trade | {"execution_id": "X2", "kind": "CORRECTION", "corrects": "X1"}
    second = first | {"execution_id": "X3", "corrects": "X2", "price": Decimal(12)}
    paid = trade | {"kind": "COMMISSION", "commission": Decimal(1), "commission_currency": "USD"}
    facts = Facts(venues=[Venue(frozenset({"IBKR"}), [], [trade, first, second, paid])])
    (booked,) = Case(facts, allow_open=False).booked
    assert (booked.execution_id, booked.price, booked.status) == ("X1", Decimal(12), "CORRECTED")
    assert (booked.commission, booked.commission_currency) == (Decimal(1), "USD")


def test_walk_turns_around_and_pays_in_kind() -> None:
    """The walk realises what is closed, begins anew beyond zero, and takes fees in units."""
    walk = Walk()
    for signed, price in ((2, 10), (-3, 16), (1, 11)):
        walk.trade(Fraction(signed), Fraction(price))
    assert [walk.quantity, walk.earned, walk.average] == [0, 2 * 6 + 1 * 5, 0]
    walk.trade(Fraction(4), Fraction(7))
    walk.pay_in_kind(Fraction(1, 2), Fraction(9))
    assert [walk.quantity, walk.average] == [Fraction(7, 2), 7]
    assert [walk.earned, walk.fees] == [2 * 6 + 1 * 5 + Fraction(2, 2), Fraction(9, 2)]


SOURCES = sorted(Path(oracle.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("source", SOURCES, ids=[path.stem for path in SOURCES])
def test_judge_is_independent(source: Path) -> None:
    """The oracle imports nothing of the project: the standard library, two drivers and itself."""
    names = set()
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level
            name = str(node.module)
            own = name == "tests.oracle" or name.startswith("tests.oracle.")
            names |= set() if own else {name.partition(".")[0]}
        elif isinstance(node, ast.Name):
            assert node.id not in {"__import__", "exec", "eval"}
    assert names - set(sys.stdlib_module_names) <= {"psycopg2", "redis"}
    assert "importlib" not in names


@pytest.mark.parametrize("source", SOURCES, ids=[path.stem for path in SOURCES])
def test_judge_never_uses_floats(source: Path) -> None:
    """Money is Decimal or Fraction: the only floats in the oracle are seconds to wait."""
    tree = ast.parse(source.read_text(encoding="utf-8"))
    floats = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, float)
    ]
    assert set(floats) <= {0.02, 0.05, 0.1, 5.0}
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert not [call for call in calls if getattr(call.func, "id", None) == "float"]
