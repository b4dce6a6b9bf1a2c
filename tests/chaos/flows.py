"""Ways through the lifecycle on which faults are fired, and how each must end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.fleet import PRICES, Fleet

FAR_BELOW = "50000"
JUST_BELOW = "63000"


@dataclass(frozen=True, slots=True)
class Flow:
    """One way: the order that takes it, what happens on it, and what must come of it.

    `prepare` is done before each order is placed, `proceed` again and again until all have come to
    rest. `live` is how many orders the venue must hold for each of ours. `venue` names the one that
    the way is special to; `points` are what the names of its own points begin with.
    """

    name: str
    order: dict[str, Any]
    ends: frozenset[str] = frozenset({"FILLED"})
    live: int = 1
    prepare: Callable[[Fleet], None] = lambda _: None
    proceed: Callable[[Fleet, list[str]], None] = lambda *_: None
    venue: str | None = None
    points: tuple[str, ...] = ("",)


_LIVE = {"symbol": "BTC-USDT", "side": "BUY", "quantity": "1", "on_failure": "wait"}


def _arm(kind: str, **options: Any) -> Callable[[Fleet], None]:
    return lambda fleet: fleet.venue.arm(kind, on="submit", **options)


def _markets_as_they_were(fleet: Fleet) -> None:
    """So that an order rests although others have filled before it."""
    fleet.set_prices(PRICES)


def _fill_what_rests(fleet: Fleet, names: list[str]) -> None:
    """Let the market come to those that rest, once all of them do."""
    at_rest = fleet.query("SELECT state, due_at FROM orders WHERE client_order_id = ANY(%s)", names)
    if len(at_rest) == len(names) and all(
        row["due_at"] is None and row["state"] in {"SUBMITTED", "FILLED"} for row in at_rest
    ):
        fleet.venue.price("BTC-USDT", "62000", "62001")


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
                limit_price=JUST_BELOW,
            )
    if len(rows) == len(names) and all(
        row["attempt_no"] > 1 and row["state"] in {"SUBMITTED", "FILLED"} for row in rows
    ):
        fleet.venue.price("BTC-USDT", "62000", "62001")


FLOWS = {
    flow.name: flow
    for flow in (
        Flow(
            "paper",
            {"symbol": "SPY", "side": "BUY", "quantity": "1", "execution_mode": "PAPER"},
            live=0,
        ),
        Flow("live", _LIVE),
        Flow("lost-reply", _LIVE, prepare=_arm("drop_reply")),
        Flow("lost-request", _LIVE, prepare=_arm("drop_request")),
        Flow(
            "refused",
            {**_LIVE, "on_failure": "paper"},
            live=0,
            prepare=_arm("reject", code="-2010", reason="Account has insufficient balance."),
        ),
        Flow(
            "resting",
            {**_LIVE, "order_type": "LIMIT", "limit_price": JUST_BELOW},
            prepare=_markets_as_they_were,
            proceed=_fill_what_rests,
        ),
        Flow(
            "cancelled",
            {**_LIVE, "order_type": "LIMIT", "limit_price": FAR_BELOW},
            ends=frozenset({"CANCELLED"}),
            proceed=_cancel_what_rests,
        ),
        Flow(
            "replaced",
            {**_LIVE, "order_type": "LIMIT", "limit_price": FAR_BELOW},
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
