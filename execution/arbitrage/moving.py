"""Moves groups on: what is decided is committed by compare-and-set, then sent.

It may be killed anywhere and run by several at once: whoever looks next sees in the tables how far
it came, and a message that was not sent is sent by recovery.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

import structlog
from sqlalchemy import Connection

from execution.arbitrage import sending
from execution.arbitrage.knowledge import Knowledge
from execution.arbitrage.plan import Plan
from execution.arbitrage.sending import Messages
from execution.domain.arbitrage.groups import Decision, GroupState, decide
from execution.domain.arbitrage.holding import held_for
from execution.domain.arbitrage.result import result
from execution.domain.arbitrage.signals import ExitReason
from execution.domain.commands import CommandKind
from execution.domain.decimals import plain
from execution.domain.mapping import ExchangeMapper
from execution.faultpoints import reach
from execution.instructions import Instructions
from execution.intake import Intake
from execution.store import groups, in_kind
from execution.store.clock import database_time
from execution.store.engine import Store
from execution.store.groups import Stored

LATE_FOR = timedelta(days=1)
"""How long a group that is over is still looked at: a venue may tell of an execution late."""
_MOST_MOVES = 10


@dataclass(frozen=True, slots=True)
class Mover:
    """Brings each group to where it belongs, those of other pairs than the plan's too."""

    store: Store
    intake: Intake
    instructions: Instructions
    mapper: ExchangeMapper
    knowledge: Knowledge
    messages: Messages
    plan: Plan
    clock: Callable[[Connection], datetime] = database_time

    def once(self) -> int:
        """Move on every group that can be; how many changed. StoreUnavailable."""
        with self.store.transaction() as connection:
            ids = groups.to_look_at(connection, LATE_FOR)
        return sum(self.advance(group_id) for group_id in ids)

    def advance(self, group_id: UUID) -> bool:
        """Move one group on as far as it goes now; whether it changed."""
        moves = 0
        while moves < _MOST_MOVES and self._move(group_id):
            moves += 1
        return moves > 0

    def _move(self, group_id: UUID) -> bool:
        orders: list[UUID] = []
        with self.store.transaction() as connection:
            stored = groups.load(connection, group_id, lock=True)
            if stored is None:
                return False
            group, now = stored.group, self.clock(connection)
            plan = self.plan.for_pair(stored.pair, self.mapper, now.date())
            if self._is_due(stored, now):
                groups.want_exit(connection, stored, ExitReason.HELD_LONG_ENOUGH)
                group = replace(group, exit_reason=ExitReason.HELD_LONG_ENOUGH)
            around = self.knowledge.surroundings(connection, plan, group.mode, now)
            decision = decide(group, around)
            changed = (decision.state, decision.phase) != (group.state, group.phase)
            alert = decision.alert
            if decision.state is GroupState.OPEN:
                alert = "; ".join(filter(None, (alert, *self._matters(connection, stored, now))))
            if alert or not changed:
                groups.tell_alert(connection, stored, alert or None)
            if decision.state.is_over:
                self._account(connection, stored)
            if changed or decision.reductions:
                placed = groups.move(connection, stored, decision)
                if placed is None:
                    return False
                orders = sending.record(connection, self.intake, plan, group.mode, placed)
            point = _point(decision)
            if changed or orders:
                reach(f"nav:{point}:before_commit")
        if changed or orders:
            reach(f"nav:{point}:committed")
            self._log(stored, decision)
        sending.send(self.messages, orders, point)
        self._cancel(stored, decision)
        return changed or bool(orders)

    def _is_due(self, stored: Stored, now: datetime) -> bool:
        """Whether a group has been held for the longest time: that takes no observation to see."""
        group, longest = stored.group, self.plan.parameters.longest_holding
        if group.state is not GroupState.OPEN or group.exit_reason is not None or longest is None:
            return False
        return self.plan.enabled and held_for(stored.position.entered_at, now) >= longest

    def _matters(self, connection: Connection, stored: Stored, now: datetime) -> Iterator[str]:
        """What a person must know of a group that is open and that nothing may close."""
        plan = self.plan
        if stored.pair != plan.pair:
            yield f"it is open, and {plan.pair.trust} is what is watched: nothing closes it"
        elif plan.coins is None:
            yield "it is open, and nobody has said what a share holds: nothing closes it"
        elif problem := plan.coins.problem(now.date(), plan.freshness.coins_max_age_days):
            yield f"it is open, and cannot be judged: {problem}"
        else:
            look = groups.last_look(connection, plan.pair, plan.interval.name)
            if look is not None and look["unjudged"] is not None:
                yield f"it is open, and cannot be judged: {look['unjudged']}"
        for received in in_kind.received(connection, stored):
            yield (
                f"{plain(received.quantity)} {received.symbol} came in kind for its shares, and "
                "the group does not close them: trade them by hand when it ends"
            )

    def _account(self, connection: Connection, stored: Stored) -> None:
        """What it has earned, again while commissions are still told."""
        group = stored.group
        rate = stored.signal["conversion"]
        fills = groups.fills(connection, group.group_id, group.mode)
        earned = result(fills, {}, **({} if rate is None else {"spot_in_dollars": rate}))
        more = sum((one.worth for one in in_kind.received(connection, stored)), Decimal(0))
        earned = replace(earned, pnl=earned.pnl + more)
        if earned.pnl != stored.pnl:
            groups.close_accounts(connection, group.group_id, earned)

    def _cancel(self, stored: Stored, decision: Decision) -> None:
        legs = {leg.client_order_id: leg for leg in stored.group.legs}
        for name in decision.cancels:
            cancel_id = f"{name}-{legs[name].cancels + 1}"
            reach("nav:cancel:before")
            payload = {"client_order_id": name, "cancel_id": cancel_id}
            self.instructions.receive(CommandKind.CANCEL, payload)
            reach("nav:cancel:recorded")
            try:
                self.messages.cancel(name, cancel_id)
            except Exception as error:  # noqa: BLE001 - recovery finds what was recorded
                structlog.get_logger().warning("wake-up not sent", error=str(error))

    @staticmethod
    def _log(stored: Stored, decision: Decision) -> None:
        structlog.get_logger().info(
            "group",
            group_id=str(stored.group.group_id),
            was=stored.group.state.value,
            state=decision.state.value,
            reason=decision.reason,
            orders=len(decision.reductions),
        )


def _point(decision: Decision) -> str:
    return "reducing" if decision.reductions else decision.state.lower()
