"""Protection: what brackets hold open, what stands at the venue against it, and who was told.

Everything here goes by the venue's ledger. At rest a bracket's stop and its target each stand for
what the bracket holds open, and all working orders that reduce a position, those that exclude each
other counted once, are no more than the position.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from tests.oracle.case import Case, Place
from tests.oracle.facts import WORKING, Row
from tests.oracle.words import concerns, names, plain

# Which column of a parent asks for which child.
ROLES = {"TAKE_PROFIT": "take_profit_price", "STOP_LOSS": "stop_loss_price"}
_EPOCH = datetime.fromtimestamp(0, UTC)
# What may say that a reducing order is larger than it should be, and could not be made smaller.
_EXCESS_KINDS = frozenset({"UNPROTECTED", "CHANGE_REFUSED", "REDUCE_ONLY_REVERSED"})


@dataclass(frozen=True, slots=True)
class Family:
    """A bracket: the parent, and its children by their roles."""

    parent: Row
    children: dict[str, Row]

    @property
    def name(self) -> str:
        """How problems name it."""
        return f"bracket {self.parent['client_order_id']}"

    @property
    def direction(self) -> int:
        """The sign of its position: 1 for what was bought."""
        return 1 if self.parent["side"] == "BUY" else -1

    @property
    def roles(self) -> list[str]:
        """What was asked for."""
        return [role for role, price in ROLES.items() if self.parent[price] is not None]


@dataclass(frozen=True, slots=True)
class Cover:
    """A stop or target as it stands at the venue, and what it should stand for.

    `open` is what its parent executed and its children have not closed. `wanted` is less where
    others closed some of the bracket's position (that is not its own any more, whatever is bought
    later), or where other orders stand against what is left of the position.
    """

    family: Family
    role: str
    standing: Decimal
    wanted: Decimal
    open: Decimal


def check_protection(case: Case) -> None:
    """Each bracket is protected for what it holds open, or an open alert names what is not.

    A target that its producer cancelled, or that its venue ended, is not wanted any more.
    """
    for cover in covers(case):
        family, child = cover.family, cover.family.children.get(cover.role)
        text = (
            f"{family.name}: {cover.role} of {plain(cover.standing)} for {plain(cover.open)} open"
        )
        withdrawn = cover.role == "TAKE_PROFIT" and _is_given_up(case, child)
        if cover.standing > cover.open:
            case.expect(_excused(case, child), text)
        elif cover.standing < cover.wanted and not withdrawn and not _named(case, cover):
            case.problem(f"{text}, and no alert names the rest", kind="unprotected")
        if cover.role == "STOP_LOSS" and cover.standing >= cover.wanted:
            text = f"{family.name}: protected, and an alert says that it is not"
            case.expect(not _alerts(case, family), text)


def covers(case: Case) -> Iterator[Cover]:
    """Every stop and target that a bracket asked for, as it stands."""
    held, reducing, owned = positions(case), working_reducers(case), owned_quantities(case)
    for family in families(case):
        place = _place(case, family.parent)
        standing = {
            role: working_quantity(case, family.children[role])
            if role in family.children
            else Decimal(0)
            for role in family.roles
        }
        open_now = max(open_quantity(case, family), Decimal(0))
        own = owned[family.parent["order_id"]]
        # Nothing may stand against more than the position, whatever the bracket once bought.
        others = reducing[place, -family.direction] - max(standing.values())
        room = max(held[place] * family.direction - others, Decimal(0))
        for role, quantity in standing.items():
            yield Cover(family, role, quantity, min(own, room), open_now)


def check_reducers(case: Case) -> None:
    """No more stands to reduce a position than there is of it."""
    held = positions(case)
    for (place, direction), quantity in working_reducers(case).items():
        position = max(held[place] * -direction, Decimal(0))
        if quantity <= position:
            continue
        working = [
            order
            for order in case.facts.orders
            if order["reduce_only"]
            and _place(case, order) == place
            and working_quantity(case, order)
        ]
        if not any(_excused(case, order) for order in working):
            name = "/".join(place)
            text = f"{plain(quantity)} working to reduce a position of {plain(position)}"
            case.problem(f"{name}: {text}")


def families(case: Case) -> Iterator[Family]:
    """Every bracket of which anything was filled."""
    children: defaultdict[str, dict[str, Row]] = defaultdict(dict)
    for order in case.facts.orders:
        if order["parent_order_id"] is not None:
            children[order["parent_order_id"]][order["role"]] = order
    for order in case.facts.orders:
        family = Family(order, children[order["order_id"]])
        if order["parent_order_id"] is None and family.roles and executed_quantity(case, order):
            yield family


def open_quantity(case: Case, family: Family) -> Decimal:
    """What a bracket bought (or sold short) and its children have not closed yet."""
    closed = (executed_quantity(case, child) for child in family.children.values())
    return executed_quantity(case, family.parent) - sum(closed, Decimal(0))


def owned_quantities(case: Case) -> defaultdict[str, Decimal]:
    """What each bracket still holds of its position, by its parent's id, execution by execution.

    Where a position becomes smaller than its brackets together, the newest of them lose it.
    """
    owned: defaultdict[str, Decimal] = defaultdict(Decimal)
    held: defaultdict[Place, Decimal] = defaultdict(Decimal)
    here: defaultdict[Place, list[Family]] = defaultdict(list)
    by_order = {
        order["order_id"]: family
        for family in families(case)
        for order in (family.parent, *family.children.values())
    }
    for family in sorted(families(case), key=lambda one: one.parent.get("created_at") or _EPOCH):
        here[_place(case, family.parent)].append(family)
    for item in case.booked:
        place = case.place_of(item)
        signed = item.quantity if item.side == "BUY" else -item.quantity
        held[place] += signed
        attempt = case.attempt_called.get(item.venue_order_id)
        mine = None if attempt is None else by_order.get(attempt["order_id"])
        if mine is not None:
            key = mine.parent["order_id"]
            owned[key] = max(owned[key] + signed * mine.direction, Decimal(0))
        for direction in (1, -1):
            alike = [one for one in here[place] if one.direction == direction]
            total = sum((owned[one.parent["order_id"]] for one in alike), Decimal(0))
            over = total - max(held[place] * direction, Decimal(0))
            for family in reversed(alike):
                gone = min(max(over, Decimal(0)), owned[family.parent["order_id"]])
                owned[family.parent["order_id"]] -= gone
                over -= gone
    return owned


def executed_quantity(case: Case, order: Row) -> Decimal:
    """What an order's attempts have executed by the venue's ledger."""
    return sum(
        (
            item.quantity
            for attempt in case.attempts_of[order["order_id"]]
            for item in case.booked_as[attempt["venue_order_id"]]
        ),
        Decimal(0),
    )


def working_quantity(case: Case, order: Row) -> Decimal:
    """What of an order works at its venue and is not executed yet, over all its attempts."""
    return sum(
        (
            leaves(held)
            for attempt in case.attempts_of[order["order_id"]]
            for _, held in case.at_venue[attempt["venue_order_id"]]
            if held["state"] in WORKING
        ),
        Decimal(0),
    )


def leaves(held: Row) -> Decimal:
    """What is left of an order at a venue; `reduced_by` is what its group took off it."""
    taken_off = held.get("reduced_by") or Decimal(0)
    left: Decimal = held["quantity"] - taken_off - held["filled_quantity"]
    return max(left, Decimal(0))


def positions(case: Case) -> defaultdict[Place, Decimal]:
    """Each position by the ledgers' executions; a fee in the base asset takes units away."""
    held: defaultdict[Place, Decimal] = defaultdict(Decimal)
    for item in case.booked:
        place = case.place_of(item)
        held[place] += item.quantity if item.side == "BUY" else -item.quantity
        base = case.base_of(item)
        if item.commission and base is not None and item.commission_currency == base:
            held[place] -= item.commission
    return held


def working_reducers(case: Case) -> defaultdict[tuple[Place, int], Decimal]:
    """What works to reduce each position, by the sign of its side (1 buys, -1 sells).

    A bracket's children exclude each other, so of those the larger counts.
    """
    found: defaultdict[tuple[Place, int], Decimal] = defaultdict(Decimal)
    pairs: defaultdict[tuple[Place, int, str], list[Decimal]] = defaultdict(list)
    for order in case.facts.orders:
        quantity = working_quantity(case, order) if order["reduce_only"] else Decimal(0)
        if not quantity:
            continue
        place, direction = _place(case, order), 1 if order["side"] == "BUY" else -1
        pair = order["parent_order_id"] or order["order_id"]
        pairs[place, direction, pair].append(quantity)
    for (place, direction, _), quantities in pairs.items():
        found[place, direction] += max(quantities)
    return found


def _place(case: Case, order: Row) -> Place:
    last = case.attempts_of[order["order_id"]][-1:]
    account = case.account_at_venue(last[0]) if last else order["account"]
    return account, order["broker"], order["symbol"]


def _alerts(case: Case, family: Family) -> list[Row]:
    """Open alerts that a bracket, or a part of it, is not protected."""
    ids = [order["order_id"] for order in (family.parent, *family.children.values())]
    return [
        alert
        for alert in case.facts.alerts
        if alert["kind"] == "UNPROTECTED" and alert["resolved_at"] is None and concerns(alert, *ids)
    ]


def _named(case: Case, cover: Cover) -> bool:
    missing = cover.wanted - cover.standing
    return any(names(alert["message"], missing) for alert in _alerts(case, cover.family))


def _is_given_up(case: Case, child: Row | None) -> bool:
    """True if a child's producer cancelled it, or its venue ended it and an alert says so."""
    if child is None:
        return False
    cancelled = any(
        command["client_order_id"] == child["client_order_id"]
        and (command["kind"], command["outcome"]) == ("CANCEL", "DONE")
        and not command.get("ours")
        for command in case.facts.commands
    )
    return cancelled or any(
        alert["kind"] == "PROTECTION_ENDED" and concerns(alert, child["order_id"])
        for alert in case.facts.alerts
    )


def _excused(case: Case, order: Row | None) -> bool:
    """True if an open alert says of an order that it could not be brought to its size."""
    return order is not None and any(
        alert["kind"] in _EXCESS_KINDS
        and alert["resolved_at"] is None
        and concerns(alert, order["order_id"], *filter(None, [order["parent_order_id"]]))
        for alert in case.facts.alerts
    )
