"""`execution resolve`: an order whose outcome only a person can find out."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from itertools import zip_longest
from typing import Annotated, Any
from uuid import UUID

import typer

from execution.cli.messages import Messages
from execution.cli.operator import who
from execution.cli.orders import Json
from execution.cli.output import ask, print_json, print_line
from execution.cli.stamped import open_verified_store
from execution.domain.decimals import plain
from execution.domain.errors import EventsUnavailable, ExecutionError
from execution.domain.lifecycle import Step
from execution.domain.orders import Order
from execution.domain.requests import validated
from execution.domain.resolving import Resolution, Told, ToldExecution, one_line, why_not
from execution.domain.vocabulary import OrderState
from execution.store import reading
from execution.store.engine import Store
from execution.store.loading import load
from execution.store.resolving import BeingAsked, resolve
from execution.supervisor.control import connected_settings

_LOOK_EVERY = 0.05
_EACH = "of an execution."
_ENDS = ", ".join(Told)
Texts = list[str] | None


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("resolve")(resolve_order)


def resolve_order(
    identifier: Annotated[str, typer.Argument(metavar="ID", help="client_order_id or order_id.")],
    told: Annotated[Told, typer.Option("--as", metavar="END", help=f"What became of it: {_ENDS}.")],
    evidence: Annotated[str, typer.Option(help="How you know; it is kept with the order.")],
    quantity: Annotated[Texts, typer.Option(metavar="NUMBER", help=f"Quantity {_EACH}")] = None,
    price: Annotated[Texts, typer.Option(metavar="NUMBER", help=f"Price {_EACH}")] = None,
    execution_id: Annotated[Texts, typer.Option(metavar="ID", help=f"Venue's id {_EACH}")] = None,
    at: Annotated[Texts, typer.Option(metavar="TIME", help=f"Time {_EACH} Default: now.")] = None,
    commission: Annotated[Texts, typer.Option(metavar="NUMBER", help="What it cost.")] = None,
    commission_currency: Annotated[Texts, typer.Option(metavar="CODE", help="In what.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    wait: Annotated[float, typer.Option(help="Seconds to wait for it to settle.")] = 10.0,
    as_json: Json = False,
) -> None:
    """Settle, by hand and with the evidence, an order that its venue does not.

    It is in UNKNOWN, or its venue misses it, or has filled more of it than it reports executions
    of (EXECUTIONS_MISSING).

    With filled (or with cancelled or expired, after a part) tell each execution as the venue's own
    records have it; for several, give the options several times. Times are ISO 8601 with offset.

    With working nothing ends: the executions are booked that are missing of an order that works.

    With never-arrived, which says that the venue provably never got it, it ends REJECTED and goes
    nowhere else.
    """
    said = one_line(evidence)
    if not said:
        raise typer.BadParameter("say how you know", param_hint="--evidence")
    executions = _executions(
        {"execution_id": execution_id, "quantity": quantity, "price": price},
        {"at": at, "commission": commission, "commission_currency": commission_currency},
    )
    if told in {Told.FILLED, Told.WORKING} and not executions:
        raise typer.BadParameter(f"{told} needs --quantity, --price and --execution-id")
    with closing(open_verified_store()) as store:
        seen = _seen(store, identifier)
        heard = tuple(execution.of(seen) for execution in executions)
        resolution = Resolution(told, who(), said, heard)
        problem = why_not(seen, resolution)
        if problem is not None:
            raise ExecutionError(f"order {seen.client_order_id}: {problem}")
        for line in _plan(seen, resolution):
            print_line(line, error=True)
        if not yes:
            ask("Settle it so?")
        deadline = time.monotonic() + wait
        settled = _settle(store, seen, resolution, deadline)
        if not settled.state.is_final:
            _wake(store, settled)
        order = _follow(store, settled.order_id, deadline)
    if order["due_at"] is not None:
        print_line(f"settled; a worker of {seen.broker} goes on with its executions", error=True)
    if as_json:
        print_json(order)
    else:
        print_line(f"{order['client_order_id']}  {order['state']}  {resolution.reason(seen)}")


def _executions(
    needed: Mapping[str, Sequence[str] | None], optional: Mapping[str, Sequence[str] | None]
) -> list[ToldExecution]:
    """What the options say of each execution, in their order. RequestRefused."""
    count = len(needed["execution_id"] or ())
    given = {name: values for name, values in {**needed, **optional}.items() if values}
    for name in {**given, **needed} if given else {}:
        if len(given.get(name, ())) != count or not count:
            raise typer.BadParameter(
                "each execution needs --quantity, --price and --execution-id; what else is said "
                "of them is said of each",
                param_hint=f"--{name.replace('_', '-')}",
            )
    rows = zip_longest(*given.values())
    return [validated(ToldExecution, dict(zip(given, row, strict=True))) for row in rows]


def _seen(store: Store, identifier: str) -> Order:
    with store.transaction() as connection:
        found = reading.order(connection, identifier)
        order_id = None if found is None else found["order_id"]
        order = None if order_id is None else load(connection, order_id)
    if order is None:
        raise ExecutionError(f"there is no order {identifier}")
    return order


def _plan(order: Order, said: Resolution) -> list[str]:
    """What is known of the order, and what will happen."""
    attempt = order.attempt
    since = f" since {attempt.intent_at:%Y-%m-%d %H:%M:%S} UTC" if attempt.intent_at else ""
    asked = f"{order.side} {plain(order.quantity)} {order.symbol}"
    place = f"{order.broker} (account {order.attempt.account}, {order.execution_mode})"
    lines = [
        f"order {order.client_order_id}: {asked}, {order.state} at {place}",
        f"  known there as {attempt.venue_order_id}, in doubt{since}: {order.reason}",
        f"by the word of {said.by} it is {said.told}: {said.evidence}",
    ]
    lines += [
        f"  execution {one.execution_id}: {plain(one.quantity)} at {plain(one.price)}, "
        f"{one.executed_at:%Y-%m-%d %H:%M:%S} UTC; it becomes a fill and moves the position"
        for one in said.executions
    ]
    if attempt.reported_quantity is not None:
        total, ours = plain(attempt.reported_quantity), plain(attempt.filled_quantity)
        lines.append(f"  its venue says that {total} are filled; {ours} are booked here")
    over = order.filled_quantity + said.quantity - order.quantity
    if over > 0:
        lines.append(f"  that is {plain(over)} more than was ordered")
    if said.told.state is OrderState.REJECTED and order.reduces_risk:
        lines.append("  it was to reduce risk: nothing takes its place")
    if said.told is Told.WORKING:
        lines.append("  it goes on working")
    else:
        lines.append(f"  it ends {said.told.state}; it is not sent again and goes nowhere else")
    return lines


def _settle(store: Store, seen: Order, said: Resolution, deadline: float) -> Order:
    """Settle it, after whoever is asking the venue just now. NotResolved."""
    due = connected_settings().step_deadline
    while True:
        try:
            with store.transaction() as connection:
                return resolve(connection, seen, said, due)
        except BeingAsked:
            if time.monotonic() > deadline:
                raise
        time.sleep(_LOOK_EVERY)


def _wake(store: Store, order: Order) -> None:
    """Let a worker of its broker take up the executions at once; else recovery does."""
    try:
        with Messages(connected_settings(), store) as messages:
            messages.steps(order.order_id, Step.AWAIT_FILL, order.broker)
    except EventsUnavailable as error:
        print_line(f"settled; the workers hear of it a little later: {error}", error=True)


def _follow(store: Store, order_id: UUID, deadline: float) -> dict[str, Any]:
    """The order once nothing more is due of it, or as it is by then."""
    while True:
        with store.statement() as connection:
            order = reading.order(connection, str(order_id))
        if order is None:
            raise ExecutionError(f"there is no order {order_id}")
        if order["due_at"] is None or time.monotonic() > deadline:
            return order
        time.sleep(_LOOK_EVERY)
