"""What a step or a command makes of an order, as values: `execution.store.work` writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any
from uuid import UUID

from execution.domain.errors import IllegalTransition
from execution.domain.events import OrderEventType
from execution.domain.lifecycle import Step
from execution.domain.order_states import may_become
from execution.domain.orders import AttemptState, Order
from execution.domain.ports import Part
from execution.domain.reports import VenueOrder
from execution.domain.vocabulary import BrokerName, ExecutionMode, OrderState


@dataclass(frozen=True, slots=True)
class Timing:
    """How long things may take: a step until recovery, a send until the venue refuses it.

    `lease` is from the intent until somebody else may take the submission over.
    """

    step: timedelta
    submit_window: timedelta
    lease: timedelta


@dataclass(frozen=True, slots=True)
class NextAttempt:
    """The attempt that follows the current one, PENDING, with the next number.

    It is at the order's broker and for `quantity`, or for all that is not filled (None); in the
    order's account, or in one of the venue's own names.
    """

    attempt_id: UUID
    quantity: Decimal | None = None
    account: str | None = None
    one_cancels_other: UUID | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What a step makes of an order.

    `step` is the step that did it (for history) and, where `completes` is True, the last one
    completed from now on. `due` is how long recovery gives the next step; None: nothing is due,
    unless something was reported and is not in a position yet.
    `repeats` says that the same step is tried again, so that how often it was stays counted.
    `order` and `attempt` are further columns, `clock` times of the attempt as distances from the
    database's clock; `detail` is kept with the history. `followed_by` is the order's next attempt.
    `reported` marks a change that records what a venue did, or what a person found in its records:
    it is applied in any state, all others only as `ORDER_TRANSITIONS` allows.
    """

    state: OrderState
    step: Step | None
    completes: bool = False
    due: timedelta | None = None
    reason: str | None = None
    order: Mapping[str, Any] = field(default_factory=dict)
    attempt: Mapping[str, Any] = field(default_factory=dict)
    clock: Mapping[str, timedelta] = field(default_factory=dict)
    detail: Mapping[str, Any] = field(default_factory=dict)
    events: Sequence[str] = ()
    label: str | None = None
    repeats: bool = False
    followed_by: NextAttempt | None = None
    reported: bool = False

    @property
    def made_by(self) -> str | None:
        """What the history calls it."""
        return self.label or (self.step.label if self.step else None)

    @property
    def columns(self) -> dict[str, Any]:
        """Every column of the order that it sets, but for those that any change sets."""
        columns = dict(self.order) | {"state": self.state, "reason": self.reason}
        if self.completes and self.step is not None:
            columns["step"] = int(self.step)
        return columns


def foreseen(order: Order, change: Change) -> Order:
    """An order as a change will leave it, but for what the database's clock says.

    It keeps its attempt where the change gives it another. Raises IllegalTransition.
    """
    child = order.parent_order_id is not None
    if not change.reported and not may_become(order.state, change.state, child=child):
        raise IllegalTransition(
            f"order {order.client_order_id}: {change.made_by} makes no {order.state} order "
            f"{change.state}"
        )
    known = {name: value for name, value in change.columns.items() if name in Order.__slots__}
    kept = {name: value for name, value in change.attempt.items() if name in AttemptState.__slots__}
    attempt = replace(order.attempt, **kept)
    return replace(order, **known, version=order.version + 1, attempt=attempt)


def beside_its_fills(order: Order) -> tuple[Mapping[str, Any], timedelta | None]:
    """Further columns and the due time of an order that ends otherwise than by a fill.

    Fills that are on their way through steps 6 to 8 stay on it; else nothing is left to do.
    """
    if order.step in (Step.PERSIST_FILL, Step.UPDATE_POSITIONS):
        return {}, order.remaining
    return {"step": int(Step.PUBLISH_FILL_EVENT)}, None


def gateway_connected(
    order: Order,
    timing: Timing,
    fitted: Mapping[str, Decimal] = MappingProxyType({}),
    part: Part | None = None,
    *,
    account: str | None = None,
) -> Change:
    """Step 3: the connection was verified.

    `fitted` are the venue's terms for what is left of the order, `part` is as much of it as this
    attempt is for, `account` the venue's own name of the account (None: it stays as it is).
    """
    terms = dict(fitted)
    attempt: dict[str, Any] = {} if account is None else {"account": account}
    if "quantity" in terms:
        attempt["quantity"] = terms["quantity"]
        if order.parent_order_id is None:
            # What an earlier attempt filled stays part of the whole.
            terms["quantity"] += order.filled_quantity
        else:
            attempt["reduced"] = Decimal(0)
            terms["quantity"] += order.quantity - order.for_venue().quantity
    if part is not None:
        attempt |= {"quantity": part.quantity, "closes": part.closes}
    return Change(
        OrderState.PENDING,
        Step.CONNECT_GATEWAY,
        completes=True,
        due=timing.step,
        order=terms,
        attempt=attempt,
        detail=({"fitted": fitted} if fitted else {})
        | ({"account": account} if account not in {None, order.account} else {})
        | ({"closes": part.closes} if part is not None and part.closes else {}),
    )


def gateway_waits(reason: str, due: timedelta) -> Change:
    """Step 3: the connection is away; try again when due."""
    return Change(OrderState.PENDING, Step.CONNECT_GATEWAY, due=due, reason=reason, repeats=True)


def back_to_gateway(reason: str, due: timedelta, *, sent: bool, failed: bool) -> Change:
    """Step 4: it provably never left, and the connection may come back: step 3 again when due.

    `sent`: it did leave, and the venue says that it took nothing. `failed`: for the venue's part.
    """
    return Change(
        OrderState.PENDING,
        Step.SUBMIT_ORDER,
        due=due,
        reason=reason,
        order={"step": int(Step.PERSIST_ORDER)},
        attempt={
            "state": OrderState.PENDING,
            "lease_until": None,
            "intent_at": None,
            "send_by": None,
        },
        detail={"sent": sent, "failed": failed},
        repeats=True,
    )


def intent(owner: UUID, timing: Timing) -> Change:
    """Step 4, before the first byte: the intent to send, its lease and the venue's deadline."""
    return Change(
        OrderState.SUBMITTING,
        Step.SUBMIT_ORDER,
        due=timing.lease,
        attempt={"state": OrderState.SUBMITTING, "lease_owner": owner},
        clock={
            "intent_at": timedelta(0),
            "send_by": timing.submit_window,
            "lease_until": timing.lease,
        },
        detail={"intent": True},
    )


def lease_extended(order: Order, owner: UUID, timing: Timing) -> Change:
    """A submission whose lease ran out is taken over, to find out what became of it."""
    return Change(
        order.state,
        Step.SUBMIT_ORDER,
        due=timing.lease,
        reason=order.reason,
        attempt={"lease_owner": owner},
        clock={"lease_until": timing.lease},
        detail={"takeover": True},
    )


def acknowledged(order: Order, said: VenueOrder, watcher: UUID, timing: Timing) -> Change:
    """Step 4, after: the venue holds the order."""
    return Change(
        order.working_state,  # what an earlier attempt filled stays filled
        Step.SUBMIT_ORDER,
        completes=True,
        due=timing.step,
        order={"broker_order_id": said.broker_order_id},
        attempt={
            "state": OrderState.SUBMITTED,
            "broker_order_id": said.broker_order_id,
            "watcher": watcher,
        },
        detail={"broker_order_id": said.broker_order_id, "note": said.reason},
    )


def in_doubt(reason: str, due: timedelta) -> Change:
    """Step 4: nobody can say whether it arrived. The venue is asked again when due."""
    return Change(
        OrderState.UNKNOWN,
        Step.SUBMIT_ORDER,
        due=due,
        reason=reason,
        attempt={"state": OrderState.UNKNOWN, "reason": reason, "lease_until": None},
    )


def watched(order: Order, watcher: UUID) -> Change:
    """Step 5: nothing has happened yet; this session waits for it. Nothing is due meanwhile."""
    return Change(
        order.state, None, label="waiting", reason=order.reason, attempt={"watcher": watcher}
    )


def executions_due(order: Order, timing: Timing) -> Change:
    """Step 5: an execution has come; steps 6 to 8 are due.

    An execution may also come for one that is not at its venue, as far as we know, or on its way to
    another: what is next for that stays next.
    """
    at_venue = order.step >= Step.SUBMIT_ORDER
    return Change(
        order.state,
        Step.AWAIT_FILL,
        completes=at_venue,
        due=timing.step if at_venue else order.remaining,
        reason=order.reason,
    )


def published(order: Order, due: timedelta) -> Change:
    """Step 8: the messages are out. An order that is not final waits for more at step 5 again.

    What was reported meanwhile is due there at once (`Order.has_news`).
    """
    return Change(
        order.state,
        Step.PUBLISH_FILL_EVENT,
        completes=order.state.is_final,
        due=due if order.has_news else None,
        reason=order.reason,
        order={} if order.state.is_final else {"step": int(Step.SUBMIT_ORDER)},
    )


def settled(
    order: Order,
    state: OrderState,
    reason: str | None,
    *,
    step: Step,
    code: str | None = None,
    attempt_state: OrderState | None = None,
) -> Change:
    """An order will not fill any further: CANCELLED, EXPIRED or REJECTED.

    Its attempt ends alike, unless it has an end of its own (`attempt_state`). A bracket's child of
    which another attempt still works at the venue goes on with that one.
    """
    goes_on = order.standing > 0
    ended = attempt_state or state
    detail = {"code": code} | ({"attempt_state": ended} if goes_on or ended is not state else {})
    return Change(
        order.working_state if goes_on else state,
        step,
        reason=None if goes_on else reason,
        order={"step": int(Step.SUBMIT_ORDER)} if goes_on else {},
        attempt={"state": ended, "reason": reason, "error_code": code},
        detail=detail,
    )


def rerouted(
    order: Order,
    reason: str,
    *,
    attempt_id: UUID,
    step: Step,
    timing: Timing,
    code: str | None = None,
) -> Change:
    """The attempt is given up for the next, on paper.

    Only for an attempt that the venue definitely refused or that never left: the database's own
    guard refuses anything else.
    """
    return Change(
        OrderState.PENDING,
        step,
        due=timing.step,
        reason=reason,
        order={
            "broker": BrokerName.PAPER,
            "execution_mode": ExecutionMode.PAPER,
            "attempt_no": order.attempt.attempt_no + 1,
            "broker_order_id": None,
            "route_reason": reason,
            "step": int(Step.PERSIST_ORDER),
        },
        attempt={"state": OrderState.REJECTED, "reason": reason, "error_code": code},
        detail={
            "rerouted_to": BrokerName.PAPER,
            "attempt_state": OrderState.REJECTED,
            "code": code,
        },
        events=(OrderEventType.REROUTED,),
        followed_by=NextAttempt(attempt_id),
    )
