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
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar
from uuid import uuid4

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.chaos.stateful.places import MOVES, Place
from tests.chaos.stateful.watch import Gap, Watch
from tests.fleet import Fleet, wait_until

PROTECTED_WITHIN = 2.0
"""Seconds from a fill to its stop and target at the venue, where nothing prevents them."""
ALERT_AFTER = 5.0
"""Seconds without protection after which an alert must say so."""
_ALERT_LATEST = 10.0
_REST_WITHIN = 45.0

CAUSES: dict[str, frozenset[str]] = {
    "UNPROTECTED": frozenset({"halt", "restart", "refuse", "end", "cancel_child", "lose_reply"}),
    "WAITING": frozenset({"halt", "restart", "refuse", "lose_reply"}),
    "UNKNOWN_OUTCOME": frozenset({"lose_reply", "restart"}),
    "CHANGE_REFUSED": frozenset({"refuse", "halt"}),
    "REPLACEMENT_REFUSED": frozenset({"refuse", "halt"}),
    "ENDED_SHORT": frozenset({"end"}),
    "MISSING_ORDER": frozenset({"restart", "end"}),
    "STILL_OPEN": frozenset({"restart", "lose_reply"}),
    "POSITION_BREAK": frozenset({"restart"}),
    "LATE_FILL": frozenset({"lose_reply", "restart"}),
}
"""Which faults may bring about which alert; the oracle judges REDUCE_ONLY_REVERSED by itself."""
BY_THE_LEDGER = frozenset({"REDUCE_ONLY_REVERSED", "OVERFILLED"})

# Mostly one way: what is long and what is short in one account net out, and that is one case.
_SIDES = st.sampled_from(("BUY", "BUY", "BUY", "SELL"))
_WHICH = st.integers(0, 7)
_SIZES = st.integers(1, 8)


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


@dataclass(slots=True)
class Tally:
    """What all lives of a run did and saw."""

    lives: int = 0
    steps: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    alerts: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    load: float = 0.0


class Life(RuleBasedStateMachine):
    """One life: brackets, exits and plain orders at one place. See the module."""

    place: ClassVar[Place]
    faulty: ClassVar[bool]
    tally: ClassVar[Tally]

    def __init__(self) -> None:
        super().__init__()
        self.fleet: Fleet = self.place.fleet
        self.prefix = f"life{uuid4().hex[:6]}"
        self.brackets: list[str] = []
        self.others: list[str] = []
        self.faults: Counter[str] = Counter()
        self.halted = False
        self.log: list[str] = []
        self.began = time.monotonic()
        self.place.calm()
        self.place.stand_still()
        self.alerts_before = {row["alert_id"]: row["at"] for row in self._alerts()}
        self.watch = Watch(self.fleet.database_url, self.place.held, self.prefix)
        self.watch.start()

    # What producers do. Few rules, each of several kinds: hypothesis leaves some rules out of
    # each life, and with many of them a life would be left with next to nothing.

    @initialize()
    def begin(self) -> None:
        """A life begins with something to protect."""
        for account, quantity in ((0, 6), (1, 5)):
            wanted = Wanted("bracket", account, "BUY", quantity, "both", resting=True)
            self._place(wanted, wait=True)
        self._move("dip", 3)

    @rule(
        kind=st.sampled_from(("bracket", "bracket", "exit", "plain")),
        account=_WHICH,
        side=_SIDES,
        quantity=_SIZES,
        roles=st.sampled_from(("both", "both", "stop", "target")),
        resting=st.sampled_from((True, True, False)),
        wait=st.booleans(),
    )
    def order(self, *, wait: bool, **terms: Any) -> None:
        """Place a bracket, a reduce-only exit (often too large), or a plain order."""
        self._place(Wanted(**terms), wait=wait)

    @rule(
        what=st.sampled_from(("cancel", "quantity", "limit_price")),
        which=_WHICH,
        parent=st.booleans(),
        value=_SIZES,
    )
    def instruct(self, *, what: str, which: int, parent: bool, value: int) -> None:
        """Cancel or change a bracket's parent, whose children stay, or another order."""
        order = self._order(self._pick(self.brackets if parent else self.others, which))
        if order is None:
            return
        if what == "cancel":
            self._cancel(order["client_order_id"])
        elif what == "quantity":
            self._modify(order, what, str(value))
        elif order["limit_price"] is not None:
            self._modify(order, what, str(order["limit_price"] + value - 4))

    # What the market does.

    @rule(what=st.sampled_from(sorted(MOVES)), size=st.integers(1, 4))
    def move(self, what: str, size: int) -> None:
        """Let some of what stands at a price fill."""
        self._move(what, size)

    @rule(seconds=st.sampled_from((0.0, 0.3, 1.2)))
    def a_pause(self, seconds: float) -> None:
        """Let what is under way go on for a while."""
        time.sleep(seconds)

    # What goes wrong.

    @precondition(lambda self: self.faulty)
    @rule(
        what=st.sampled_from(("restart", "halt", "cancel_child", "end", "refuse", "lose_reply")),
        which=_WHICH,
        role=st.sampled_from(("STOP_LOSS", "TAKE_PROFIT")),
        on=st.sampled_from(("submit", "submit", "modify", "cancel")),
    )
    def mishap(self, *, what: str, which: int, role: str, on: str) -> None:
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

    def _lose_reply(self, _: int, __: str, on: str) -> None:
        """The venue's next answer is lost."""
        self.place.lose_reply(on)
        self._fault("lose_reply")

    # How each is done.

    def _place(self, wanted: Wanted, *, wait: bool) -> None:
        name = f"{self.prefix}-{len(self.brackets) + len(self.others)}"
        accounts = self.place.accounts
        account = accounts[wanted.account % len(accounts)]
        terms = {**self.place.terms(), **wanted.terms()}
        if account is not None:
            terms["account"] = account
        self._note(f"{wanted.kind} {name}: {terms}")
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
        self._note(f"{what} {size}")
        self.place.move(what, size)
        self.tally.steps[what] += 1

    def _cancel(self, name: str | None) -> None:
        if name is not None:
            self._note(f"cancel {name}")
            self.fleet.client.cancel(name)
            self.tally.steps["cancel"] += 1

    def _modify(self, order: dict[str, Any], what: str, value: str) -> None:
        name, version = order["client_order_id"], order["version"]
        self._note(f"change {name}: {what} {value}")
        self.fleet.client.modify(name, expected_version=version, **{what: value})
        self.tally.steps[f"change of {what}"] += 1

    def _switch(self) -> None:
        command = "resume" if self.halted else "halt"
        self._note(command)
        done = self.fleet.cli(command, "--reason", "a random life")
        assert done.returncode == 0, done.stderr
        self.halted = not self.halted
        self.tally.steps[command] += 1

    def _fault(self, what: str) -> None:
        self._note(f"FAULT {what}")
        self.faults[what] += 1
        self.tally.faults[what] += 1

    def _note(self, text: str) -> None:
        self.log.append(f"{time.monotonic() - self.began:6.2f} s  {text}")

    def _pick(self, names: list[str], which: int) -> str | None:
        return names[which % len(names)] if names else None

    def _order(self, name: str | None) -> dict[str, Any] | None:
        return None if name is None else self.fleet.order(name)

    def _child(self, which: int, role: str) -> dict[str, Any] | None:
        rows = self.fleet.query(
            """SELECT c.* FROM orders c JOIN orders p ON c.parent_order_id = p.order_id
            WHERE p.client_order_id = %s AND c.role = %s""",
            self._pick(self.brackets, which) or "",
            role,
        )
        return rows[0] if rows else None

    def _attempts(self, order_id: str) -> list[dict[str, Any]]:
        return self.fleet.query(
            "SELECT * FROM order_attempts WHERE order_id = %s ORDER BY attempt_no, leg", order_id
        )

    def _new_alerts(self) -> list[dict[str, Any]]:
        """Alerts raised since the life began, of its orders or of no order."""
        mine = {
            row["order_id"]
            for row in self.fleet.query(
                """SELECT o.order_id FROM orders o LEFT JOIN orders p
                ON o.parent_order_id = p.order_id
                WHERE coalesce(p.client_order_id, o.client_order_id) LIKE %s""",
                f"{self.prefix}-%",
            )
        }
        return [
            row
            for row in self._alerts()
            if self.alerts_before.get(row["alert_id"]) != row["at"]
            and (row["order_id"] is None or row["order_id"] in mine)
        ]

    def _alerts(self) -> list[dict[str, Any]]:
        return self.fleet.query("SELECT * FROM alerts ORDER BY at")

    # How it ends.

    def teardown(self) -> None:
        """No more faults; everything comes to rest; then all records are compared."""
        self.place.calm()
        if self.halted:
            self._switch()
        try:
            self._rest()
        finally:
            seen = self.watch.stop()
        self.tally.lives += 1
        self.tally.slowest = max(self.tally.slowest, seen.slowest())
        self.tally.load = max(self.tally.load, seen.load)
        problems = self._unrest()
        new = self._new_alerts()
        self.tally.alerts.update(row["kind"] for row in new)
        if self.faulty:
            problems += self._unfounded(new) + self._unreported(seen.gaps, new)
        else:
            problems += [
                f"alert {row['kind']}: {row['message']}"
                for row in new
                if row["kind"] not in BY_THE_LEDGER
            ]
            bound = PROTECTED_WITHIN * seen.allowance()
            problems += [
                f"{gap.what}: {gap.quantity} not there within {gap.seconds:.1f} s of a fill"
                for gap in seen.gaps
                if gap.seconds > bound
            ]
            problems += [
                f"{gap.what}: {gap.quantity} working for {gap.seconds:.1f} s beyond the position"
                for gap in seen.excesses
                if gap.seconds > bound
            ]
        problems += self.fleet.verdict(timeout=_REST_WITHIN).problems
        self._count()
        problems += self._clear()
        lines = "\n  ".join(problems[:20])
        steps = "\n  ".join(self.log)
        assert not problems, f"{len(problems)} problems:\n  {lines}\nafter\n  {steps}"

    def _rest(self) -> None:
        """Wait until nothing is due and every worker serves."""

        def at_rest() -> bool:
            return self.fleet.connected(self.place.broker) and not self._unrest()

        try:
            wait_until(at_rest, _REST_WITHIN, "rest")
        except AssertionError:
            self._note("it did not come to rest")

    def _unrest(self) -> list[str]:
        rows = self.fleet.query(
            """SELECT format('%%s is %%s at step %%s, due %%s', client_order_id, state, step,
                due_at) AS what FROM orders WHERE due_at IS NOT NULL
            UNION ALL SELECT format('%%s of %%s is pending', kind, client_order_id)
            FROM order_commands WHERE outcome = 'PENDING'
            UNION ALL SELECT format('%%s is no order yet', client_order_id)
            FROM order_requests r WHERE outcome = 'ACCEPTED' AND NOT EXISTS (
                SELECT FROM orders o WHERE o.order_id = r.order_id)
            UNION ALL SELECT format('execution %%s is not applied', execution_id)
            FROM execution_reports WHERE applied_at IS NULL"""
        )
        return [row["what"] for row in rows]

    def _unfounded(self, alerts: list[dict[str, Any]]) -> list[str]:
        """Alerts that nothing of what was done can have brought about."""
        return [
            f"alert without a cause: {row['kind']}: {row['message']} (faults: {dict(self.faults)})"
            for row in alerts
            if row["kind"] not in BY_THE_LEDGER
            and not CAUSES.get(row["kind"], frozenset()) & self.faults.keys()
        ]

    def _unreported(self, gaps: list[Gap], alerts: list[dict[str, Any]]) -> list[str]:
        """Stops that were missing for long, and no alert ever said so."""
        told = {row["order_id"] for row in alerts if row["kind"] == "UNPROTECTED"}
        families = {gap.parent_id: {gap.parent_id, *self._children(gap.parent_id)} for gap in gaps}
        return [
            f"{gap.what}: {gap.quantity} missing for {gap.seconds:.1f} s, and no alert said so"
            for gap in gaps
            if gap.role == "STOP_LOSS"
            and gap.seconds > _ALERT_LATEST
            and not families[gap.parent_id] & told
        ]

    def _children(self, parent_id: str) -> set[str]:
        rows = self.fleet.query("SELECT order_id FROM orders WHERE parent_order_id = %s", parent_id)
        return {row["order_id"] for row in rows}

    def _count(self) -> None:
        """Count what came of the steps, by the tables."""
        (row,) = self.fleet.query(
            """WITH mine AS (SELECT o.*, coalesce(p.client_order_id, o.client_order_id) AS family
                FROM orders o LEFT JOIN orders p ON o.parent_order_id = p.order_id)
            SELECT
                count(*) FILTER (WHERE take_profit_price IS NOT NULL OR stop_loss_price IS NOT NULL)
                    AS brackets,
                count(*) FILTER (WHERE parent_order_id IS NOT NULL) AS children,
                count(*) FILTER (WHERE reduce_only AND parent_order_id IS NULL) AS exits,
                count(*) FILTER (WHERE state = 'CANCELLED') AS cancelled,
                count(*) FILTER (WHERE state = 'REJECTED') AS rejected,
                coalesce(sum((SELECT count(*) FROM fills f WHERE f.order_id = m.order_id))
                    FILTER (WHERE parent_order_id IS NULL), 0)::int AS fills_of_parents,
                coalesce(sum((SELECT count(*) FROM fills f WHERE f.order_id = m.order_id))
                    FILTER (WHERE parent_order_id IS NOT NULL), 0)::int AS fills_of_children,
                coalesce(sum((SELECT count(*) FROM order_attempts a
                    WHERE a.order_id = m.order_id) - 1), 0)::int AS further_attempts,
                coalesce(sum((SELECT count(*) FROM order_commands c
                    WHERE c.client_order_id = m.client_order_id AND c.kind = 'MODIFY'
                    AND c.outcome = 'DONE')), 0)::int AS changes_done,
                coalesce(sum((SELECT count(*) FROM order_commands c
                    WHERE c.client_order_id = m.client_order_id AND c.kind = 'MODIFY'
                    AND c.outcome = 'REFUSED')), 0)::int AS changes_refused
            FROM mine m WHERE family LIKE %s""",
            f"{self.prefix}-%",
        )
        self.tally.events.update(row)

    def _clear(self) -> list[str]:
        """Leave nothing to the next life: end what works, close positions, end what was left.

        Returns what could not be cleared.
        """
        try:
            self._cancel_all("parent_order_id IS NULL")
            for account, quantity in self._positions().items():
                self._flatten(account, quantity)
            self._cancel_all("true")
        except AssertionError as error:
            return [f"could not be cleared: {error}"]
        return []

    def _cancel_all(self, which: str) -> None:
        working = f"""SELECT client_order_id FROM orders WHERE {which}
            AND state NOT IN ('FILLED', 'CANCELLED', 'REJECTED', 'EXPIRED')"""
        for row in self.fleet.query(working):
            self.fleet.client.cancel(row["client_order_id"])
        wait_until(lambda: not self.fleet.query(working), _REST_WITHIN, "the end of every order")

    def _positions(self) -> dict[str, int]:
        table = "paper_positions" if self.place.broker == "PAPER" else "positions"
        rows = self.fleet.query(f"SELECT account, quantity FROM {table} WHERE quantity <> 0")
        return {row["account"]: int(row["quantity"]) for row in rows}

    def _flatten(self, account: str, quantity: int) -> None:
        """Close a position at the market."""
        name = f"{self.prefix}-flat-{account[:12]}"
        own = {} if self.place.accounts == (None,) else {"account": account}
        self.fleet.client.place(
            side="SELL" if quantity > 0 else "BUY",
            quantity=str(abs(quantity)),
            client_order_id=name,
            **{**self.place.terms(), **own},
        )

        def flat() -> bool:
            self.place.let_trade(abs(quantity))
            return account not in self._positions()

        wait_until(flat, _REST_WITHIN, f"{quantity} of {account} to be closed")
        self.place.stand_still()
