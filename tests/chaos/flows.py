"""Ways through the lifecycle on which faults are fired, and how each must end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.chaos.covers import standing_covers
from tests.fleet import PRICES, Fleet, wait_until
from tests.venues import VENUES, Traded


@dataclass(frozen=True, slots=True)
class Flow:
    """One way: the order that takes it, what happens on it, and what must come of it.

    `prepare` is done before each order is placed, `proceed` again and again until all have come to
    rest. `live` is how many orders the venue must hold for each of ours. `venue` names the one that
    the way is special to, `without` those that have no such way; `points` are what the names of its
    own points begin with, `repeats` of those that are fired on it though another way has them, too.
    `brackets`: the broker has to take them. `rested` is what else has to hold at rest, `finish`
    what is done with orders that are at rest.
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
    repeats: tuple[str, ...] = ()
    brackets: bool = False
    rested: Callable[[Fleet, Sequence[str]], bool] = lambda *_: True
    finish: Callable[[Fleet, Sequence[str]], None] = lambda *_: None


OF_A_BRACKET = (
    *("await_fill", "persist_fill", "update_positions", "submit_order"),
    *("fit_bracket", "execute_command"),
)
"""What parts of a parent's fill, and the orders and changes that follow from them, pass."""
PAPER_DEPTH = "100"
"""More than any paper order of the other ways wants, less than a bracket on paper."""


def kind_of(venue: str) -> str:
    """Two ways to run the same venue are one kind."""
    return venue.partition("-")[0]


def place_of(flow: Flow, venue: str) -> str | None:
    """The venue where a way is taken in a run at `venue`; None where it has no such way.

    The ledger venue stands in for Binance, which takes no brackets; those it takes in the place of
    Interactive Brokers.
    """
    if kind_of(venue) in flow.without:
        return None
    if flow.brackets and not VENUES[venue].brackets:
        return "ledger-shares" if venue == "ledger" else None
    return venue


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


def _bracket(traded: Traded) -> dict[str, Any]:
    return _resting(traded, traded.just_below) | {
        "time_in_force": "GTC",
        "take_profit_price": traded.far_above,
        "stop_loss_price": traded.far_below,
    }


def _paper_bracket(_: Traded) -> dict[str, Any]:
    return {
        "symbol": "SPY",
        "side": "BUY",
        "quantity": "250",
        "order_type": "LIMIT",
        "limit_price": "590",
        "time_in_force": "GTC",
        "execution_mode": "PAPER",
        "take_profit_price": "700",
        "stop_loss_price": "500",
    }


def _liquidity(fleet: Fleet, size: str | None) -> None:
    symbol = fleet.venue.traded.symbol
    fleet.venue.control("POST", "liquidity", {"symbol": symbol, "size": size})


def _thin_market(fleet: Fleet) -> None:
    _markets_as_they_were(fleet)
    _liquidity(fleet, "0")


def _resting_of(fleet: Fleet, names: Sequence[str]) -> bool:
    """True when all of some orders rest or are filled, and one at least rests."""
    rows = fleet.query(
        "SELECT state, due_at FROM orders WHERE client_order_id = ANY(%s)", list(names)
    )
    resting = {"SUBMITTED", "PARTIALLY_FILLED"}
    return (
        len(rows) == len(names)
        and all(row["due_at"] is None and row["state"] in {*resting, "FILLED"} for row in rows)
        and any(row["state"] in resting for row in rows)
    )


def _a_part(fleet: Fleet, names: list[str]) -> None:
    """Once all rest, let 60 trade at their price: the last of one, and a part of the next."""
    if _resting_of(fleet, names):
        fleet.venue.price(fleet.venue.traded.symbol, *fleet.venue.traded.reached)
        _liquidity(fleet, "60")


def _a_paper_part(fleet: Fleet, names: list[str]) -> None:
    """Once all rest, let the paper book's depth trade at their price."""
    if _resting_of(fleet, names):
        fleet.quote("SPY", "589.98", "590")


def _protected(fleet: Fleet, names: Sequence[str]) -> bool:
    """True when the children of some filled brackets stand at their venue, as they are to."""
    rows = fleet.query(
        """SELECT c.due_at, c.state, c.quantity - c.filled_quantity AS leaves, p.filled_quantity,
            EXISTS (SELECT FROM order_commands m WHERE m.client_order_id = c.client_order_id
                AND m.outcome = 'PENDING') AS asked
        FROM orders c JOIN orders p ON c.parent_order_id = p.order_id
        WHERE p.client_order_id = ANY(%s)""",
        list(names),
    )
    settled = len(rows) == 2 * len(names) and not any(
        row["asked"] or row["due_at"] is not None for row in rows
    )
    if not settled:
        return False
    standing = [
        cover for cover in standing_covers(fleet) if cover.family.parent["client_order_id"] in names
    ]
    return len(standing) == 2 * len(names) and all(
        cover.standing == cover.open == cover.family.parent["quantity"] for cover in standing
    )


def _take_profit(fleet: Fleet, names: Sequence[str]) -> None:
    """Let the targets fill, which ends the stops."""
    traded = fleet.venue.traded
    fleet.venue.price(traded.symbol, traded.far_above, traded.far_above)
    _liquidity(fleet, None)
    _await_children(fleet, names)
    _markets_as_they_were(fleet)


def _take_paper_profit(fleet: Fleet, names: Sequence[str]) -> None:
    def ended() -> bool:
        fleet.quote("SPY", "700", "700.02")
        return _children_are_over(fleet, names)

    wait_until(ended, what="the end of every child")
    _markets_as_they_were(fleet)


def _await_children(fleet: Fleet, names: Sequence[str]) -> None:
    wait_until(lambda: _children_are_over(fleet, names), what="the end of every child")


def _children_are_over(fleet: Fleet, names: Sequence[str]) -> bool:
    rows = fleet.query(
        """SELECT 1 FROM orders c JOIN orders p ON c.parent_order_id = p.order_id
        WHERE p.client_order_id = ANY(%s) AND (c.due_at IS NOT NULL
            OR c.state NOT IN ('FILLED', 'CANCELLED', 'REJECTED', 'EXPIRED'))""",
        list(names),
    )
    return not rows


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
        # Fired here again, for here they are passed for each part, by parents and by children.
        Flow(
            "bracket",
            _bracket,
            prepare=_thin_market,
            proceed=_a_part,
            repeats=OF_A_BRACKET,
            brackets=True,
            rested=_protected,
            finish=_take_profit,
        ),
        Flow(
            "paper-bracket",
            _paper_bracket,
            live=0,
            prepare=_markets_as_they_were,
            proceed=_a_paper_part,
            repeats=OF_A_BRACKET,
            rested=_protected,
            finish=_take_paper_profit,
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
    if fleet.venue.thin:
        _liquidity(fleet, None)
