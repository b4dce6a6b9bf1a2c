"""A state machine (hypothesis) of what producers, operators, markets and mishaps do at one place.

Steps are drawn; what comes of them is the system's affair. The machine keeps no model of it: the
venue's ledger says what happened, the watch measures how long fills are without protection, and
at the end the oracle compares all records. Without a fault that prevents protection there is no
alert, and every fill is protected within two seconds. With faults each alert has one of the causes
that were brought about, and whatever stayed unprotected has its alert.
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any, ClassVar
from uuid import uuid4

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.chaos.stateful.clearing import REST_WITHIN, clear
from tests.chaos.stateful.places import Place
from tests.chaos.stateful.verdict import Records, Tally, disturbed, undisturbed
from tests.chaos.stateful.watch import Watch
from tests.fleet import Fleet, wait_until

WORKS = "state IN ('SUBMITTED', 'PARTIALLY_FILLED')"
HALT_STEPS = 5
"""Trading goes on after so many steps at the latest: little comes about while it is halted."""
MOVE_NAMES = ("dip", "dip", "rally", "fall", "rise")
_HAPPENS = ("move", "move", "move", "order", "order", "instruct", "pause")
_MISHAPS = ("slow", "slow", "restart", "halt", "cancel_child", "end", "refuse", "lose_reply")
_WHICH = st.integers(0, 7)
_SIZES = st.integers(1, 8)


def step(act: Callable[..., None]) -> Callable[..., None]:
    """A rule's function that never raises: what it draws must not depend on what happened before.

    What went wrong is a problem of the life, judged at its end.
    """

    @wraps(act)
    def guarded(self: Life, **drawn: Any) -> None:
        try:
            act(self, **drawn)
        except Exception as error:  # noqa: BLE001 - any is a problem
            self.note(f"this step failed: {error!r}")
            self.problems.append(f"{act.__name__} {drawn}: {error!r}")

    return guarded


@dataclass(frozen=True, slots=True)
class Wanted:
    """An order as drawn; an exit goes against `side`."""

    kind: str
    account: int
    side: str
    quantity: int
    roles: str
    resting: bool

    def terms(self) -> dict[str, Any]:
        """The arguments of the request: an entry at 599 (601), its children ten away."""
        buys = (self.side == "BUY") == (self.kind != "exit")
        terms: dict[str, Any] = {"side": "BUY" if buys else "SELL", "quantity": str(self.quantity)}
        if self.resting:
            terms |= {"order_type": "LIMIT", "limit_price": "599" if buys else "601"}
        if self.kind == "exit":
            terms["reduce_only"] = True
        if self.kind == "bracket" and self.roles != "stop":
            terms["take_profit_price"] = "610" if buys else "590"
        if self.kind == "bracket" and self.roles != "target":
            terms["stop_loss_price"] = "590" if buys else "610"
        return terms


_ORDERS = st.builds(
    Wanted,
    kind=st.sampled_from(("bracket", "bracket", "exit", "plain")),
    account=_WHICH,
    # Mostly one way: what is long and what is short in one account net out, and that is one case.
    side=st.sampled_from(("BUY", "BUY", "BUY", "SELL")),
    quantity=_SIZES,
    roles=st.sampled_from(("both", "both", "stop", "target")),
    resting=st.sampled_from((True, True, False)),
)


class Life(RuleBasedStateMachine):
    """One life: brackets, exits and plain orders at one place. See the module."""

    place: ClassVar[Place]
    faulty: ClassVar[bool]
    tally: ClassVar[Tally]
    shrink: ClassVar[bool]

    def __init__(self) -> None:
        super().__init__()
        # One that failed is drawn again for hypothesis' sake, and fails the same, without waiting.
        self.again = self.tally.failure is not None and not self.shrink
        # What hypothesis tries first is always the simplest, the same step again and again.
        late = time.monotonic() > self.tally.until
        self.idle = self.again or late or not self.tally.tried
        self.tally.tried += 1
        self.problems: list[str] = []
        self.fleet: Fleet = self.place.fleet
        self.prefix = f"life{uuid4().hex[:6]}"
        self.brackets: list[str] = []
        self.others: list[str] = []
        self.faults: Counter[str] = Counter()
        self.halted = False
        self.halted_for = 0
        self.log: list[str] = []
        self.began = time.monotonic()
        self.records = Records(self.fleet, self.prefix)
        self.watch = Watch(self.fleet.database_url, self.place.held, self.prefix)

    @initialize()
    @step
    def begin(self) -> None:
        """A life begins with something to protect, and a change of it."""
        if self.idle:
            return
        self.records.begin()
        self.place.calm()
        self.place.stand_still()
        self.watch.start()
        for account, quantity in ((0, 6), (1, 5)):
            wanted = Wanted("bracket", account, "BUY", quantity, "both", resting=True)
            self._place(wanted, wait=True)
        self._instruct("quantity", 1, parent=True, value=7)
        self._move("dip", 3)

    @rule(data=st.data())
    @step
    def anything(self, data: st.DataObject) -> None:
        """One thing that happens.

        One rule for all: hypothesis leaves some rules out of each life, and a life without moves of
        the market, or without orders, is none.
        """
        happens = data.draw(st.sampled_from(_HAPPENS + (_MISHAPS if self.faulty else ())))
        act = self._drawn(happens, data)
        if self.idle:
            return
        self.halted_for += self.halted
        if self.halted_for > HALT_STEPS:
            self._switch()
        act()

    def _drawn(self, happens: str, data: st.DataObject) -> Callable[[], None]:
        match happens:
            case "move":
                move, size = data.draw(st.sampled_from(MOVE_NAMES)), data.draw(st.integers(1, 4))
                return partial(self._move, move, size)
            case "order":
                return partial(self._place, data.draw(_ORDERS), wait=data.draw(st.booleans()))
            case "instruct":
                return partial(
                    self._instruct,
                    data.draw(st.sampled_from(("cancel", "quantity", "limit_price"))),
                    data.draw(_WHICH),
                    parent=data.draw(st.booleans()),
                    value=data.draw(_SIZES),
                )
            case "pause":
                return partial(time.sleep, data.draw(st.sampled_from((0.0, 0.3, 1.2))))
            case fault:
                return partial(
                    self._mishap,
                    fault,
                    data.draw(_WHICH),
                    data.draw(st.sampled_from(("STOP_LOSS", "TAKE_PROFIT"))),
                    data.draw(st.sampled_from(("submit", "submit", "modify", "cancel"))),
                )

    # What producers do.

    def _instruct(self, what: str, which: int, *, parent: bool, value: int) -> None:
        """Cancel or change a bracket's parent, whose children stay, or another order."""
        names = self.brackets if parent else self.others
        # Mostly one that works, if there is any: there is more to it.
        order = self._order(self._pick((which % 4 and self._working(names)) or names, which))
        if order is None:
            return
        if what == "cancel":
            self._cancel(order["client_order_id"])
        elif what == "quantity":
            self._modify(order, what, str(value))
        elif order["limit_price"] is not None:
            self._modify(order, what, str(order["limit_price"] + value - 4))

    # What goes wrong.

    def _mishap(self, what: str, which: int, role: str, on: str) -> None:
        """Bring about a fault, where the place has it."""
        if what in self.place.faults:
            getattr(self, f"_{what}")(which, role, on)

    def _restart(self, *_: object) -> None:
        """Kill the worker that serves the venue; it comes back."""
        try:
            os.kill(self.fleet.pid_of(f"worker-{self.place.queues[0]}"), signal.SIGKILL)
        except (StopIteration, AssertionError, ProcessLookupError):
            return  # it is not back from the last time
        self._fault("restart")

    def _halt(self, *_: object) -> None:
        """Halt trading, or let it go on."""
        if not self.halted:
            self._fault("halt")
        self._switch()

    def _cancel_child(self, which: int, role: str, _: str) -> None:
        """Somebody cancels a stop or a target."""
        child = self._child(which, role)
        if child is not None:
            self._fault("cancel_child")
            self._cancel(child["client_order_id"])

    def _end(self, which: int, role: str, _: str) -> None:
        """The venue ends a stop or a target by itself."""
        child = self._child(which, role)
        attempts = [] if child is None else self._attempts(child["order_id"])
        if attempts and self.place.end(attempts[-1]["venue_order_id"]):
            self._fault("end")

    def _refuse(self, _: int, __: str, on: str) -> None:
        """The venue refuses the next order or change, whosever it is."""
        self.place.refuse("modify" if on == "modify" else "submit")
        self._fault("refuse")

    def _slow(self, _: int, __: str, on: str) -> None:
        """The next order, change or cancel takes its time: what comes after may overtake it."""
        self.place.slow(on)
        self._fault("slow")

    def _lose_reply(self, _: int, __: str, on: str) -> None:
        """The venue's next answer is lost."""
        self.place.lose_reply(on)
        self._fault("lose_reply")

    # How each is done.

    def _place(self, wanted: Wanted, *, wait: bool) -> None:
        name = f"{self.prefix}-{len(self.brackets) + len(self.others)}"
        accounts = self.place.accounts
        account = accounts[wanted.account % len(accounts)]
        terms = {**self.place.terms(), **wanted.terms(), "account": account}
        self.note(f"{wanted.kind} {name}: {terms}")
        receipt = self.fleet.client.place(client_order_id=name, **terms)
        assert receipt.outcome == "ACCEPTED", receipt.reason
        (self.brackets if wanted.kind == "bracket" else self.others).append(name)
        self.tally.steps[wanted.kind] += 1
        if wait:
            with suppress(AssertionError):  # in a halt, or after a fault, it may take longer
                wait_until(lambda: self._is_placed(name), 2, name)

    def _is_placed(self, name: str) -> bool:
        order = self.fleet.order(name)
        return order is not None and order["state"] not in {"PENDING", "SUBMITTING"}

    def _move(self, what: str, size: int) -> None:
        self.note(f"{what} {size}")
        self.place.move(what, size)
        self.tally.steps[what] += 1

    def _cancel(self, name: str | None) -> None:
        if name is not None:
            self.note(f"cancel {name}")
            self.fleet.client.cancel(name)
            self.tally.steps["cancel"] += 1

    def _modify(self, order: dict[str, Any], what: str, value: str) -> None:
        name, version = order["client_order_id"], order["version"]
        self.note(f"change {name}: {what} {value}")
        self.fleet.client.modify(name, expected_version=version, **{what: value})
        self.tally.steps[f"change of {what}"] += 1

    def _switch(self) -> None:
        command = "resume" if self.halted else "halt"
        self.note(command)
        done = self.fleet.cli(command, "--reason", "a random life")
        assert done.returncode == 0, done.stderr
        self.halted, self.halted_for = not self.halted, 0
        self.tally.steps[command] += 1

    def _fault(self, what: str) -> None:
        self.note(f"FAULT {what}")
        self.faults[what] += 1
        self.tally.faults[what] += 1

    def note(self, text: str) -> None:
        """Add a line to the log of the life."""
        self.log.append(f"{time.monotonic() - self.began:6.2f} s  {text}")

    def _pick(self, names: list[str], which: int) -> str | None:
        return names[which % len(names)] if names else None

    def _working(self, names: list[str]) -> list[str]:
        rows = self.fleet.query(
            f"""SELECT client_order_id FROM orders
            WHERE client_order_id = ANY(%s) AND {WORKS} ORDER BY created_at""",
            names,
        )
        return [row["client_order_id"] for row in rows]

    def _order(self, name: str | None) -> dict[str, Any] | None:
        return None if name is None else self.fleet.order(name)

    def _child(self, which: int, role: str) -> dict[str, Any] | None:
        rows = self.fleet.query(
            f"""SELECT c.* FROM orders c JOIN orders p ON c.parent_order_id = p.order_id
            WHERE p.client_order_id = ANY(%s) AND c.role = %s AND c.{WORKS}
            ORDER BY p.created_at""",
            self.brackets,
            role,
        )
        return rows[which % len(rows)] if rows else None

    def _attempts(self, order_id: str) -> list[dict[str, Any]]:
        return self.fleet.query(
            "SELECT * FROM order_attempts WHERE order_id = %s ORDER BY attempt_no, leg", order_id
        )

    # How it ends.

    def teardown(self) -> None:
        """No more faults; everything comes to rest; then all records are compared."""
        failure = self.tally.failure if self.again else None
        if not self.idle and (problems := self._end_of_life()):
            lines = "\n  ".join(problems[:20])
            steps = "\n  ".join(self.log)
            left = "\n  ".join(self.records.description())
            failure = f"{len(problems)} problems:\n  {lines}\nafter\n  {steps}\nwith\n  {left}"
            self.tally.failure = failure
        assert failure is None, failure

    def _end_of_life(self) -> list[str]:
        if not self.watch.has_started:
            return self.problems
        self.place.calm()
        if self.halted:
            self._switch()
        self._rest()
        seen = self.watch.stop()
        self.tally.lives += 1
        self.tally.slowest = max(self.tally.slowest, seen.slowest())
        self.tally.load = max(self.tally.load, seen.load)
        problems = self.problems + seen.errors + self.records.unrest()
        alerts = self.records.alerts()
        self.tally.alerts.update(row["kind"] for row in alerts)
        if self.faulty:
            problems += disturbed(seen, alerts, self.records.families(), self.faults)
        else:
            problems += undisturbed(seen, alerts)
        problems += self.fleet.verdict(timeout=REST_WITHIN).problems
        self.tally.events.update(self.records.events())
        return problems + clear(self.place, self.prefix, self.records.unrest)

    def _rest(self) -> None:
        """Wait until nothing is due and every worker serves."""

        def at_rest() -> bool:
            # In this order: what the venue has executed, that it is here, that nothing is left.
            executed = {one["execution_id"] for one in self.place.held().executions}
            return (
                self.fleet.connected(self.place.broker)
                and executed <= self.records.executions()
                and not self.records.unrest()
            )

        try:
            wait_until(at_rest, REST_WITHIN, "rest")
        except AssertionError:
            self.note("it did not come to rest")
