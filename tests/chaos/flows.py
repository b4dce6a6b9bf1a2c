"""Ways through the lifecycle on which faults are fired, and how each must end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.fleet import PRICES, Fleet
from tests.venues import Traded


@dataclass(frozen=True, slots=True)
class Flow:
    """One way: the order that takes it, what happens on it, and what must come of it.

    `prepare` is done before each order is placed, `proceed` again and again until all have come to
    rest. `live` is how many orders the venue must hold for each of ours. `venue` names the one that
    the way is special to, `without` those that have no such way; `points` are what the names of its
    own points begin with.
    """

    name: str
    order: Callable[[Traded], dict[str, Any]]
    ends: frozenset[str] = frozenset({"FILLED"})
    live: int = 1
    prepare: Callable[[Fleet], None] = lambda _: None
    proceed: Callable[[Fleet, list[str]], None] = lambda *_: None
    venue: str | None = None
    without: frozenset[str] = frozenset()
    points: tuple[str, ...] = ("",)


def _live(traded: Traded, **changes: Any) -> dict[str, Any]:
    order = {"symbol": traded.symbol, "side": "BUY", "quantity": traded.quantity}
    return {**order, "on_failure": "wait", **changes}


def _resting(traded: Traded, limit_price: str) -> dict[str, Any]:
    return _live(traded, order_type="LIMIT", limit_price=limit_price)


def _paper(_: Traded) -> dict[str, Any]:
    return {"symbol": "SPY", "side": "BUY", "quantity": "1", "execution_mode": "PAPER"}


def _arm(kind: str) -> Callable[[Fleet], None]:
    return lambda fleet: fleet.venue.arm(kind, on="submit")


def _refuse(fleet: Fleet) -> None:
    code, reason = fleet.venue.traded.refusal
    fleet.venue.arm("reject", on="submit", code=code, reason=reason)


def _markets_as_they_were(fleet: Fleet) -> None:
    """So that an order rests although others have filled before it."""
    fleet.set_prices(PRICES)


def _fill_what_rests(fleet: Fleet, names: list[str]) -> None:
    """Let the market come to those that rest, once all of them do."""
    at_rest = fleet.query("SELECT state, due_at FROM orders WHERE client_order_id = ANY(%s)", names)
    if len(at_rest) == len(names) and all(
        row["due_at"] is None and row["state"] in {"SUBMITTED", "FILLED"} for row in at_rest
    ):
        fleet.venue.price(fleet.venue.traded.symbol, *fleet.venue.traded.reached)


def _cancel_what_rests(fleet: Fleet, names: list[str]) -> None:
    """Cancel those that rest; the same cancel again is the same cancel."""
    resting = fleet.query(
        """SELECT client_order_id FROM orders WHERE client_order_id = ANY(%s)
        AND state = 'SUBMITTED' AND due_at IS NULL""",
        names,
    )
    for row in resting:
        name = row["client_order_id"]
        fleet.client.cancel(name, f"cancel-{name}")


def _change_what_rests(fleet: Fleet, names: list[str]) -> None:
    """Ask for a better price where that is not under way; fill what has it."""
    rows = fleet.query(
        """SELECT client_order_id, version, attempt_no, state, due_at,
            EXISTS (SELECT FROM order_commands c WHERE c.client_order_id = o.client_order_id
                AND c.outcome = 'PENDING') AS asked
        FROM orders o WHERE client_order_id = ANY(%s)""",
        names,
    )
    for row in rows:
        name, version = row["client_order_id"], row["version"]
        still = row["state"] == "SUBMITTED" and row["due_at"] is None and row["attempt_no"] == 1
        if still and not row["asked"]:
            fleet.client.modify(
                name,
                modify_id=f"{name}-{version}",
                expected_version=version,
                limit_price=fleet.venue.traded.just_below,
            )
    if len(rows) == len(names) and all(
        row["attempt_no"] > 1 and row["state"] in {"SUBMITTED", "FILLED"} for row in rows
    ):
        fleet.venue.price(fleet.venue.traded.symbol, *fleet.venue.traded.reached)


def _take_the_terminal_away(fleet: Fleet) -> None:
    """What the bridge is told is fetched by nobody, and expires."""
    fleet.venue.control("POST", "terminal", {"running": False})


def _bring_the_terminal_back(fleet: Fleet, names: list[str]) -> None:
    """Once whatever was told to the bridge has expired."""
    (waiting,) = fleet.query(
        """SELECT bool_and(received_at < clock_timestamp() - interval '4 seconds') AS long
        FROM order_requests WHERE client_order_id = ANY(%s)""",
        names,
    )
    if waiting["long"]:
        fleet.venue.control("POST", "terminal", {"running": True})


FLOWS = {
    flow.name: flow
    for flow in (
        Flow(
            "paper",
            _paper,
            live=0,
        ),
        Flow("live", _live),
        Flow("lost-reply", _live, prepare=_arm("drop_reply")),
        # What an MT4 terminal has sent and not found again nobody sends a second time.
        Flow("lost-request", _live, prepare=_arm("drop_request"), without=frozenset({"mt4"})),
        Flow(
            "unfetched",
            _live,
            prepare=_take_the_terminal_away,
            proceed=_bring_the_terminal_back,
            venue="mt4",
            points=("submit_order",),
        ),
        Flow(
            "refused",
            lambda traded: _live(traded, on_failure="paper"),
            live=0,
            prepare=_refuse,
        ),
        Flow(
            "resting",
            lambda traded: _resting(traded, traded.just_below),
            prepare=_markets_as_they_were,
            proceed=_fill_what_rests,
        ),
        Flow(
            "cancelled",
            lambda traded: _resting(traded, traded.far_below),
            ends=frozenset({"CANCELLED"}),
            proceed=_cancel_what_rests,
        ),
        Flow(
            "replaced",
            lambda traded: _resting(traded, traded.far_below),
            live=2,
            prepare=_markets_as_they_were,
            proceed=_change_what_rests,
            venue="binance",
            points=("modify_order", "execute_command"),
        ),
    )
}


def reset(fleet: Fleet) -> None:
    """Markets as they were, and a venue that does nothing wrong."""
    fleet.venue.disarm()
    fleet.set_prices(PRICES)
