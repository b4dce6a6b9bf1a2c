"""Mistakes about reduce-only orders: what turns a position around."""

from __future__ import annotations

from tests.chaos.planted.bug import Bug

_REDUCING, _EXITS = "execution/store/reducing.py", "execution/exits.py"
_DOMAIN = "execution/domain/risk/reducing.py"
_STORE, _UNIT = "tests/integration/test_reduce_only.py", "tests/unit/test_reducing.py"

BUGS = (
    Bug(
        "a reduce-only order is sent for all that was asked, whatever is held",
        _EXITS,
        "    quantity = _fitted(order, min(left(order), free.most), venue)",
        "    quantity = _fitted(order, left(order), venue)",
        (f"{_STORE}::test_it_is_cut_to_the_position",),
    ),
    Bug(
        "other reduce-only orders that work do not count",
        _DOMAIN,
        "    most = book.against - sum((one.leaves for one in book.exits), _NOTHING)",
        "    most = book.against",
        (_UNIT,),
    ),
    Bug(
        "a stop and its target count twice against the position",
        _REDUCING,
        "    FROM (SELECT max(m.leaves) AS leaves, max(m.growing) AS growing",
        "    FROM (SELECT sum(m.leaves) AS leaves, max(m.growing) AS growing",
        (f"{_STORE}::test_a_bracket_makes_room_for_an_exit",),
    ),
    Bug(
        "two reduce-only orders at once take the same part of a position",
        _REDUCING,
        "    _LOCK.run(link, place.as_parameters())\n    _LOCK_BRACKETS",
        "    _LOCK_BRACKETS",
        (f"{_STORE}::test_two_at_once_cannot_take_the_same",),
    ),
    Bug(
        "an exit beside protection goes at once: both can fill",
        _EXITS,
        "    if quantity <= free.now:",
        "    if quantity <= free.most:",
        (f"{_STORE}::test_a_bracket_makes_room_for_an_exit",),
    ),
    Bug(
        "where a position shrinks, protection is cut first",
        _DOMAIN,
        "key=lambda one: (not one.protects, one.since, one.order_id), reverse=True",
        "key=lambda one: (one.protects, one.since, one.order_id), reverse=True",
        (_UNIT,),
    ),
    Bug(
        "a working reduce-only order may grow beyond what is free",
        _EXITS,
        "    if asked <= beside(book):",
        "    if asked <= book.against:",
        (f"{_STORE}::test_it_may_grow_only_into_what_is_free",),
    ),
    Bug(
        "a fill on its way into the position is not held yet",
        "execution/store/exposure.py",
        "            FROM fills f WHERE f.positioned_at IS NULL AND f.announced_at IS NULL",
        "            FROM fills f WHERE f.positioned_at IS NOT NULL AND f.announced_at IS NULL",
        (f"{_STORE}::test_fills_on_their_way_count",),
    ),
    Bug(
        "a fill that was revised is held twice",
        "execution/store/exposure.py",
        "            FROM fills f WHERE f.positioned_at IS NULL AND f.announced_at IS NULL",
        "            FROM fills f WHERE f.positioned_at IS NULL",
        ("tests/integration/test_gate.py::test_a_revised_fill_is_held_once",),
    ),
    Bug(
        "a change to more makes a live order larger under FORCE_PAPER_TRADING",
        "execution/gate.py",
        "        return self.force_paper and live and is_more(order, change)",
        "        return self.force_paper and not live and is_more(order, change)",
        ("tests/integration/test_kept_from_live.py::test_changes_of_a_live_order",),
    ),
)
