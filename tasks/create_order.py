"""Step 1: validate, map, route; the request becomes an order, or is refused."""

from __future__ import annotations

from uuid import UUID

from execution.domain.creation import as_order, make_order
from execution.domain.errors import RequestRefused
from execution.domain.events import OrderEventType, order_event
from execution.domain.lifecycle import Step
from execution.domain.routing import decide
from execution.domain.vocabulary import BrokerName, ExecutionMode, OrderState
from execution.intake import new_id
from execution.store import giving_up, requests, sessions
from execution.store.requests import AcceptedRequest, Spec
from tasks.step import StepTask
from workers.app import app
from workers.context import context


@app.task(bind=True, base=StepTask, name=Step.CREATE_ORDER.task)
def create_order(self: StepTask, order_id: str) -> None:
    """Decide what the order is and where it goes; keep that for step 2."""
    shared, key = context(), UUID(order_id)
    with shared.store.direct() as link:
        found = requests.accepted(link, key)
    spec = _make(found) if found is not None and found.step == 0 else None
    if found is not None and spec is not None:
        with shared.store.direct() as link:
            kept = requests.prepare(link, found, spec, shared.timing.step)
        if kept:
            self.go_on(key, Step.PERSIST_ORDER, BrokerName.PAPER)
            return
    self.end_chain()


def _make(found: AcceptedRequest) -> Spec | None:
    """Turn a request into an order for step 2; None when it is refused."""
    shared, now = context(), found.read_at
    try:
        request, instrument = shared.intake.understand(found.payload)
        if request.client_order_id != found.client_order_id:
            raise RequestRefused("client_order_id: it is not the one that was recorded")  # noqa: TRY301
    except RequestRefused as refusal:
        event = order_event(
            OrderEventType.REFUSED,
            key=found.request_id,
            at=now,
            client_order_id=found.client_order_id,
            order_id=found.order_id,
            reason=str(refusal),
            step=Step.CREATE_ORDER.label,
        )
        with shared.store.direct() as link:
            requests.refuse(link, found, str(refusal), event)
        return None
    settings = shared.settings
    request = request.with_on_failure(settings.on_failure_default)
    forced = settings.force_paper_trading
    with shared.store.direct() as link:
        unwinds = forced and giving_up.unwinds(link, request.client_order_id)
        route = decide(
            instrument.asset_class,
            wants_paper=request.execution_mode is ExecutionMode.PAPER,
            force_paper=forced,
            on_failure=request.on_failure,
            reduces_risk=request.reduce_only or unwinds,
            statuses=lambda: sessions.statuses(link, settings.session_timeout),
            grace=settings.lost_connection_grace,
        )
        rules = shared.rules.get(link, route.requested_broker, instrument.symbol)
    made = make_order(
        request,
        instrument,
        route,
        order_id=found.order_id,
        attempt_id=new_id(),
        environment=settings.execution_environment,
        default_account=settings.default_account,
        now=now,
        rules=rules,
    )
    if made["order"]["state"] is OrderState.PENDING:
        not_allowed = shared.gate.at_creation(as_order(made, instrument), found.received_at)
        if not_allowed is not None:
            made["order"] |= {"state": OrderState.REJECTED, "reason": not_allowed}
    return requests.spec_of(made, instrument)
