"""The oracle sees every way in which a bracket or a reduce-only order can leave a position."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.oracle import Facts, judge_facts
from tests.unit.oracle_scene import (
    Dict,
    Scene,
    Spoil,
    an_alert,
    at,
    attempt,
    drop,
    editable,
    ledger,
    position,
    put,
    row,
    running,
    set_at_venue,
    set_in,
    venue_order,
)

ENTRY, PROFIT, STOP, EXIT = (letter * 22 for letter in "EPSX")
WORKING = ["PENDING", "SUBMITTED"]
SPY: Dict = {"symbol": "SPY", "asset_class": "EQUITY", "reduce_only": True, "side": "SELL"}


def child(scene: Scene, role: str, known_as: str, quantity: str) -> None:
    """A stop or target of the bracket, working for `quantity`."""
    name = f"entry-{role}"
    scene.request(name, side="SELL", quantity=quantity)
    own = SPY | {"parent_order_id": "order-entry", "role": role}
    scene.order(name, [attempt(known_as, "IBKR", quantity, "SUBMITTED")], WORKING, **own)
    scene.venue_orders.append(venue_order(known_as, quantity, "SUBMITTED", "SELL", "SPY"))


def bracket() -> Facts:
    """Bought 5 with a stop and a target of 5 each; a reduce-only exit waits for nothing."""
    scene = Scene()
    way = ["PENDING", "SUBMITTING", "SUBMITTED", "FILLED"]
    scene.request("entry", side="BUY", quantity="5")
    scene.order(
        "entry",
        [attempt(ENTRY, "IBKR", "5", "FILLED", "5")],
        way,
        symbol="SPY",
        asset_class="EQUITY",
        take_profit_price=Decimal(110),
        stop_loss_price=Decimal(90),
        filled_quantity=Decimal(5),
        average_price=Decimal(100),
    )
    scene.fill("entry", ENTRY, 1, **running("5", "100", "5", "0", "100"))
    scene.venue_orders.append(venue_order(ENTRY, "5", symbol="SPY"))
    child(scene, "TAKE_PROFIT", PROFIT, "5")
    child(scene, "STOP_LOSS", STOP, "5")
    held = position("IBKR", "5", "100", "0", "0.25")
    scene.facts.positions.append(held | {"symbol": "SPY"})
    return scene.done()


def exited(quantity: str) -> Facts:
    """The same, and a reduce-only order that sold `quantity` in the moment after the entry."""
    scene = Scene()
    way = ["PENDING", "SUBMITTING", "SUBMITTED", "FILLED"]
    for name, known_as, size, price, own in (
        ("entry", ENTRY, "5", 100, SPY | {"reduce_only": False, "side": "BUY"}),
        ("exit", EXIT, quantity, 101, SPY),
    ):
        scene.request(name, side=own["side"], quantity=size)
        filled: Dict = {"filled_quantity": Decimal(size), "average_price": Decimal(price)}
        scene.order(name, [attempt(known_as, "IBKR", size, "FILLED", size)], way, **own, **filled)
        number = len(scene.facts.fills) + 1
        scene.fill(name, known_as, number, **running(size, str(price), size, "0", str(price)))
        scene.venue_orders.append(venue_order(known_as, size, side=own["side"], symbol="SPY"))
    left = 5 - Decimal(quantity)
    average, earned = (100, min(Decimal(quantity), 5)) if left >= 0 else (101, 5)
    row_ = position("IBKR", str(left), str(average if left else 0), str(earned), "0.5")
    scene.facts.positions.append(row_ | {"symbol": "SPY"})
    return scene.done()


def sizes(profit: str, stop: str) -> Spoil:
    """The children work at the venue, and stand in the tables, for other quantities."""

    def spoil(facts: Facts) -> None:
        for known_as, quantity in ((PROFIT, profit), (STOP, stop)):
            set_at_venue("orders", {"venue_order_id": known_as}, quantity=Decimal(quantity))(facts)
            where = {"venue_order_id": known_as}
            set_in("attempts", where, quantity=Decimal(quantity))(facts)

    return spoil


def ended(known_as: str) -> Spoil:
    """The venue ended a child, and so it stands in the tables."""

    def spoil(facts: Facts) -> None:
        set_at_venue("orders", {"venue_order_id": known_as}, state="CANCELLED")(facts)
        found = row(facts.attempts, venue_order_id=known_as)
        found["state"] = "CANCELLED"
        name = row(facts.orders, order_id=found["order_id"])["client_order_id"]
        row(facts.orders, client_order_id=name)["state"] = "CANCELLED"
        for event in editable(facts.events):
            if event["order_id"] == found["order_id"] and event["type"] == "SUBMITTED":
                event["type"] = event["payload"]["type"] = event["payload"]["state"] = "CANCELLED"
        for line in editable(facts.history):
            if line["order_id"] == found["order_id"] and line["state"] == "SUBMITTED":
                line["state"] = "CANCELLED"
        facts.messages = None

    return spoil


def _never_made(facts: Facts) -> None:
    """The stop was never made: nothing of it is anywhere."""
    where = {"order_id": "order-entry-STOP_LOSS"}
    for rows in ("orders", "requests", "attempts"):
        drop(rows, **where)(facts)
    facts.history[:] = [line for line in facts.history if line["order_id"] != where["order_id"]]
    put_away = [event for event in editable(facts.events) if event["order_id"] == where["order_id"]]
    for event in put_away:
        event["order_id"] = event["payload"]["order_id"] = "order-entry"
        event["payload"]["client_order_id"] = "entry"
        event["type"] = event["payload"]["type"] = "MODIFIED"
    facts.venues[1].orders[:] = [  # type: ignore[index]
        order for order in facts.venues[1].orders if order["venue_order_id"] != STOP
    ]
    facts.messages = None


def _foreign_sale(facts: Facts) -> None:
    """Somebody else sold 3 of the position: the protection is for more than there is."""
    sold = dict(ledger(facts).executions[0])
    sold |= {"execution_id": "X9", "side": "SELL", "quantity": Decimal(3), "venue_order_id": None}
    put(ledger(facts).executions, sold | {"account": "main"})


def problems(facts: Facts) -> list[str]:
    """What the oracle finds, with open orders allowed."""
    return judge_facts(facts, allow_open=True).problems


def test_protected_and_reduced_pass() -> None:
    """A protected bracket, and a position that was closed in part or in whole, are clean."""
    assert problems(bracket()) == []
    assert problems(exited("3")) == []
    assert problems(exited("5")) == []


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (sizes("6", "5"), "bracket entry: TAKE_PROFIT of 6 for 5 open"),
        (sizes("5", "3"), "bracket entry: STOP_LOSS of 3 for 5 open, and no alert names the rest"),
        (ended(STOP), "bracket entry: STOP_LOSS of 0 for 5 open, and no alert names the rest"),
        (ended(PROFIT), "bracket entry: TAKE_PROFIT of 0 for 5 open, and no alert names the rest"),
        (_never_made, "bracket entry: STOP_LOSS of 0 for 5 open, and no alert names the rest"),
        (_foreign_sale, "main/IBKR/SPY: 5 working to reduce a position of 2"),
    ],
    ids=["target too large", "stop too small", "stop ended", "target ended", "no stop", "sold"],
)
def test_missing_protection_is_seen(spoil: Spoil, expected: str) -> None:
    """Each way in which a bracket's children may not stand for what it holds open."""
    facts = bracket()
    spoil(facts)
    assert expected in problems(facts)


def test_group_takes_off() -> None:
    """What a group took off an order at the venue does not stand for anything any more."""
    facts = bracket()
    for known_as in (PROFIT, STOP):
        set_at_venue("orders", {"venue_order_id": known_as}, reduced_by=Decimal(2))(facts)
    found = judge_facts(facts, allow_open=True)
    assert found.unprotected == 2
    assert "bracket entry: STOP_LOSS of 3 for 5 open, and no alert names the rest" in found.problems


@pytest.mark.parametrize(
    ("alert", "clean"),
    [
        (an_alert("UNPROTECTED", "order-entry-STOP_LOSS", "2 of 5 SPY without a stop"), True),
        (an_alert("UNPROTECTED", None, "2.0 SPY", key="order-entry"), True),
        (an_alert("UNPROTECTED", "order-entry", "3 of 5 SPY without a stop"), False),
        (an_alert("UNPROTECTED", "order-entry", "12 SPY, 2.5 SPY, 0.2 SPY"), False),
        (an_alert("WAITING", "order-entry", "2 SPY"), False),
        (an_alert("UNPROTECTED", "order-another", "2 SPY"), False),
        (an_alert("UNPROTECTED", "order-entry", "2 SPY") | {"resolved_at": at(60)}, False),
    ],
    ids=["child", "key", "other quantity", "other numbers", "other kind", "other order", "settled"],
)
def test_alert_names_the_quantity(alert: Dict, clean: bool) -> None:  # noqa: FBT001 - a case
    """What is not protected needs an open alert of its bracket that names the quantity."""
    facts = bracket()
    sizes("5", "3")(facts)
    facts.alerts.append(alert)
    found = judge_facts(facts, allow_open=True)
    assert found.unprotected == (0 if clean else 1)


def test_excess_needs_an_alert() -> None:
    """A child that could not be made smaller is excused by an open alert of it alone."""
    facts = bracket()
    sizes("6", "5")(facts)
    facts.alerts.append(an_alert("CHANGE_REFUSED", "order-entry-TAKE_PROFIT", "6 instead of 5"))
    assert problems(facts) == []


def test_protection_ends_with_the_position() -> None:
    """What the position no longer holds needs no stop: somebody sold it elsewhere."""
    facts = bracket()
    _foreign_sale(facts)
    sizes("2", "2")(facts)
    assert not [text for text in problems(facts) if "bracket" in text or "working" in text]


def test_alert_names_what_is_left_of_the_position() -> None:
    """Where others closed some of the bracket's position, the alert is about the rest alone."""
    for named, clean in (("2 SPY", True), ("5 SPY", False)):
        facts = bracket()
        _foreign_sale(facts)
        ended(STOP)(facts)
        ended(PROFIT)(facts)
        facts.alerts.append(an_alert("UNPROTECTED", "order-entry", named))
        assert (not judge_facts(facts, allow_open=True).unprotected) == clean


def test_unfounded_alert_is_seen() -> None:
    """An open alert that a bracket is not protected, while it is, is a problem."""
    facts = bracket()
    facts.alerts.append(an_alert("UNPROTECTED", "order-entry", "5 SPY long without a stop"))
    assert problems(facts) == ["bracket entry: protected, and an alert says that it is not"]


def test_withdrawn_target_is_not_missed() -> None:
    """A target that its producer cancelled needs no alert; a stop, or one of ours, needs one."""
    for known_as, ours, clean in (
        (PROFIT, False, True),
        (PROFIT, True, False),
        (STOP, False, False),
    ):
        facts = bracket()
        ended(known_as)(facts)
        role = "TAKE_PROFIT" if known_as == PROFIT else "STOP_LOSS"
        command = {"kind": "CANCEL", "outcome": "DONE", "reason": None, "external_id": "c"}
        own = {"client_order_id": f"entry-{role}", "ours": ours}
        facts.commands.append(command | own)
        assert (not judge_facts(facts, allow_open=True).unprotected) == clean


def test_newest_bracket_loses_what_others_close() -> None:
    """What a plain sale closed is the newest bracket's loss, whatever is bought later."""
    facts = bracket()
    moves = list[Dict]()
    for number, (side, quantity) in enumerate((("SELL", 3), ("BUY", 3))):
        move = dict(ledger(facts).executions[0]) | {"side": side, "quantity": Decimal(quantity)}
        moves.append(move | {"execution_id": f"X{8 + number}", "venue_order_id": None})
    for move in moves:
        put(ledger(facts).executions, move)
    sizes("2", "2")(facts)
    assert not [text for text in problems(facts) if "bracket" in text]
    sizes("1", "1")(facts)
    assert sum("no alert names the rest" in text for text in problems(facts)) == 2


def reversal(message: str, **more: Any) -> Dict:
    """An alert that the exit went beyond zero."""
    return an_alert("REDUCE_ONLY_REVERSED", "order-exit", message) | more


def test_reversal_is_seen() -> None:
    """A reduce-only order that sold more than was held needs an alert with the quantity."""
    facts = exited("8")
    found = judge_facts(facts, allow_open=True)
    assert found.reversed == 1
    assert found.problems == [
        "order exit: reduce_only, and went 3 beyond zero without an alert",
    ]
    facts.alerts.append(reversal("sold 3 more than was held", resolved_at=at(60)))
    assert problems(facts) == []
    editable(facts.alerts)[0]["message"] = "sold 8"
    assert problems(facts) == ["order exit: no alert names the 3 beyond zero"]


def test_reversal_without_a_cause() -> None:
    """An alert of a reversal that never was is a problem, too."""
    facts = exited("5")
    facts.alerts.append(reversal("sold 3 more than was held"))
    assert problems(facts) == ["alert REDUCE_ONLY_REVERSED order-exit: no position was reversed"]
    editable(facts.alerts)[0]["message"] += " (withdrawn: it was not so)"
    assert problems(facts) == []


def test_a_withdrawn_alert_excuses_nothing() -> None:
    """What happened after all needs an alert that stands."""
    facts = exited("8")
    facts.alerts.append(reversal("sold 3 more than was held (withdrawn: it was not so)"))
    assert problems(facts) == [
        "order exit: reduce_only, and went 3 beyond zero without an alert",
    ]


def test_order_within_a_moment_is_nobodys() -> None:
    """Executions of one moment are taken in the order that excuses, and allow an alert."""
    facts = exited("5")
    for rows in (ledger(facts).executions, facts.reports, facts.fills):
        for found in editable(rows):
            found["executed_at"] = at(30)
    for event in editable(facts.events):
        if event["stream"] == "fills":
            event["payload"]["executed_at"] = "2026-01-02T12:00:30.000000Z"
    facts.messages = None
    assert problems(facts) == []
    facts.alerts.append(reversal("sold 5 before they were held"))
    assert problems(facts) == []
