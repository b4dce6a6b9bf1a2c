"""Step 3: the broker's connection is verified, or the order is turned to paper."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from execution.domain.capabilities import CAPABILITIES
from execution.domain.creation import terms_of
from execution.domain.errors import BrokerError, BrokerRejected, NotTradedNow, RequestRefused
from execution.domain.lifecycle import Step
from execution.domain.orders import Order
from execution.domain.ports import Part
from execution.domain.trading_rules import check_traded, fit, needs_price
from execution.domain.vocabulary import BreakerState, OrderState
from execution.store import alerts, breakers, giving_up, orders
from tasks.exits import share_out
from tasks.failure import give_up, halted, not_allowed, send_reroute
from tasks.step import StepTask
from workers.app import app
from workers.context import context
from workers.registry import session_of

_AGAIN = timedelta(seconds=1)


@app.task(bind=True, base=StepTask, name=Step.CONNECT_GATEWAY.task)
def connect_gateway(self: StepTask, order_id: str) -> None:
    """Go on when the venue answers; wait within the grace; give up after it."""
    self.on_latest(
        order_id,
        lambda order: (
            _fills_come_first(self, order) or _is_over(self, order) or _connect(self, order)
        ),
    )


def _fills_come_first(task: StepTask, order: Order) -> bool:
    """Let what was executed of an earlier attempt be booked before any more is sent."""
    if order.state is not OrderState.PENDING or not order.unapplied:
        return False
    task.go_on(order.order_id, Step.AWAIT_FILL, order.broker, order)
    return True


def _is_over(task: StepTask, order: Order) -> bool:
    """End an order whose time is over before it could be sent."""
    waits = order.state is OrderState.PENDING and order.step == Step.PERSIST_ORDER
    if not waits or order.expires_at is None or order.expires_at > order.read_at:
        return False
    reason = f"{order.time_in_force}: it was not sent until {order.expires_at.isoformat()}"
    with context().store.transaction() as connection:
        orders.settle(connection, order, OrderState.EXPIRED, reason, step=Step.CONNECT_GATEWAY)
        giving_up.unprotected(connection, order, reason)
    if order.is_exit:
        share_out(task.app, order)  # brackets may cover again what it will not fill
    task.end_chain()
    return True


def _connect(task: StepTask, order: Order) -> bool:
    if order.state is not OrderState.PENDING or order.step != Step.PERSIST_ORDER:
        return False
    stopped = context().gate.stopped(order)
    if stopped is not None and not stopped.waits:
        # What waits for a broker must not go out after a halt that it has sat out.
        not_allowed(task.app, order, stopped, step=Step.CONNECT_GATEWAY)
        task.end_chain()
        return True
    kept = context().gate.kept_from_live(order)
    if kept is not None:
        not_allowed(task.app, order, kept, step=Step.CONNECT_GATEWAY)
        task.end_chain()
        return True
    problem, hopeless = _examine(order)
    fitted: Mapping[str, Decimal] = {}
    part: Part | None = None
    account: str | None = None
    if problem is None:
        try:
            account = _real_account(order)
            fitted, part = _fit(order)
        except (BrokerRejected, RequestRefused) as refusal:
            _refuse(order, refusal)
            task.end_chain()
            return True
        except BrokerError as error:
            problem = str(error)
    if problem is None:
        return _connected(task, order, fitted, part, account)
    rerouted = False
    with context().store.transaction() as connection:
        if hopeless:
            rerouted = give_up(connection, order, problem, step=Step.CONNECT_GATEWAY)
        else:
            orders.gateway_waits(connection, order, problem, _AGAIN)
    if rerouted:
        send_reroute(task.app, order)
    task.end_chain()
    return True


def _connected(
    task: StepTask,
    order: Order,
    fitted: Mapping[str, Decimal],
    part: Part | None,
    account: str | None,
) -> bool:
    shared = context()
    with shared.store.direct() as link:
        connected = orders.gateway_connected(
            link, order, shared.timing, fitted, part, account=account
        )
    if connected is None:
        return False
    if order.reason is not None:
        with shared.store.transaction() as connection:
            alerts.resolve(connection, alerts.WAITING, order.order_id)
    task.go_on(order.order_id, Step.SUBMIT_ORDER, order.broker, connected)
    return True


def _real_account(order: Order) -> str | None:
    """The venue's name of the account that an order is for; None where it takes any label.

    Raises RequestRefused for one that the login does not own, and BrokerUnavailable.
    """
    session = session_of(order.broker, order.attempt.channel)
    if not session.capabilities.names_accounts:
        return None
    return session.accounts.real(order.account, context().settings.default_account)


def _fit(order: Order) -> tuple[Mapping[str, Decimal], Part | None]:
    """Which terms the venue takes otherwise than they are, and as what part of the order.

    Raises RequestRefused or BrokerRejected where it takes no such order at all, and
    BrokerUnavailable.
    """
    session = session_of(order.broker, order.attempt.channel)
    left = order.for_venue()
    if order.parent_order_id is None:  # a child's attempt is one of several
        left = replace(left, quantity=order.quantity - order.filled_quantity)
    rules = session.rules(left.instrument)
    fitted: Mapping[str, Decimal] = {}
    if rules is not None:
        check_traded(rules, order.broker)
        terms, price = terms_of(left), None
        if needs_price(terms, rules):
            price = session.price_of(left.instrument)
        fit_to = fit(terms, rules, price, order.broker, reduces=order.reduces_risk)
        fitted = fit_to.differs(terms)
    if not session.capabilities.hedging:
        return fitted, None
    return fitted, session.part(replace(left, quantity=fitted.get("quantity", left.quantity)))


def _refuse(order: Order, refusal: BrokerRejected | RequestRefused) -> None:
    """What the venue never takes, or not at present, is not simulated either."""
    code = refusal.code if isinstance(refusal, BrokerRejected) else None
    with context().store.transaction() as connection:
        if isinstance(refusal, NotTradedNow):
            halted(connection, order, str(refusal), step=Step.CONNECT_GATEWAY)
            return
        giving_up.refuse(connection, order, str(refusal), step=Step.CONNECT_GATEWAY, code=code)


def _examine(order: Order) -> tuple[str | None, bool]:
    """What stands in the way, and whether waiting for it is hopeless."""
    remote = CAPABILITIES[order.broker].remote
    if remote:
        with context().store.transaction() as connection:
            breaker = breakers.state(connection, order.broker)
        if breaker is not BreakerState.CLOSED:
            return "circuit breaker open", True
    try:
        session = session_of(order.broker, order.attempt.channel)
    except BrokerError as error:
        return str(error), False
    try:
        session.verify()
    except BrokerError as error:
        lost_for_good = session.down_for() > context().settings.lost_connection_grace
        # Our own book has nothing to turn to: it is waited for, for as long as it takes.
        hopeless = remote and (lost_for_good or not session.has_adapter)
        return str(error), hopeless
    return None, False
