"""Mistakes about brackets: sizes, protection that is missing, and who hears of it."""

from __future__ import annotations

from tests.chaos.planted.bug import Bug, Edit

_PLAN = "tests/unit/test_protection.py"
_STORE = "tests/integration/test_brackets.py"
_REDUCING = "tests/integration/test_reduce_only.py"
_SIZES = "tests/brokers/test_bracket_sizes.py"
_IBKR = "tests/brokers/test_ibkr_brackets.py"
_FITTING, _FAMILIES = "tasks/fit_bracket.py", "execution/store/families.py"

BUGS = (
    Bug(
        "changes of a child go out side by side, and the last one to finish wins",
        _FITTING,
        "            if not turn.done and not turn.venue and self._rest(turn.found):",
        "            if not turn.done and self._rest(turn.found):",
        ("tests/chaos/test_random_lives.py::test_random_lives[ledger]",),
        also=(
            Edit(_FITTING, "        elif short:", "        elif short and not found.family.open:"),
            Edit(
                _FAMILIES,
                "lease_until < clock_timestamp() OR lease_owner = :owner)",
                "lease_until < 'infinity' OR lease_owner = :owner)",
            ),
            Edit(
                _FAMILIES,
                "AND lease_owner = :owner AND version = :version",
                "AND (lease_owner, version) IS DISTINCT FROM (:owner, :version)",
            ),
        ),
    ),
    Bug(
        "two workers fit one family at once",
        _FAMILIES,
        "AND (lease_until IS NULL OR lease_until < clock_timestamp() OR lease_owner = :owner)",
        "AND lease_until IS DISTINCT FROM '-infinity'",
        (f"{_STORE}::test_one_fits_a_family_at_a_time",),
    ),
    Bug(
        "a child never becomes smaller: what its sibling fills it still covers",
        "execution/domain/protection.py",
        "        elif leg.leaves != target:",
        "        elif leg.leaves < target:",
        (f"{_PLAN}::test_in_place_both_have_one_size",),
    ),
    Bug(
        "what a parent fills after its children ended stays unprotected",
        "execution/domain/protection.py",
        "            if target and member.is_wanted and not member.is_unexplained:",
        "            if target and not member.legs and not member.is_unexplained:",
        (f"{_PLAN}::test_protected_again_after_the_children_ended",),
    ),
    Bug(
        "children at Interactive Brokers are changed in place, in their group",
        _FITTING,
        "            self._in_groups = not session.capabilities.changes_in_group",
        "            self._in_groups = False",
        (f"{_IBKR}::test_each_fill_gets_a_pair_of_its_own",),
    ),
    Bug(
        "a stop that the venue ends by itself is reported nowhere",
        _FITTING,
        "                if cause is Cause.DROPPED:",
        "                if cause is Cause.DROPPED and action is None:",
        (f"{_IBKR}::test_a_stop_that_tws_ends_is_placed_once_more",),
    ),
    Bug(
        "a refused change of a child is reported nowhere",
        _FITTING,
        "            elif refused is not None and one.quantity is not None and not moved:",
        "            elif refused is not None and one.quantity is None and not moved:",
        (f"{_SIZES}::test_a_refused_change",),
    ),
    Bug(
        "a position without its stop is reported nowhere",
        _FITTING,
        "        late = since is not None and found.at - since >= settings.unprotected_after",
        "        late = since is not None and found.at < since",
        (f"{_IBKR}::test_a_stop_that_tws_ends_is_placed_once_more",),
    ),
    Bug(
        "entries are sent beside a bracket that has lost its stop",
        "execution/domain/risk/unprotected.py",
        "        if held is None or reduces(order, held):",
        "        if held is None or self.quantity:",
        (f"{_REDUCING}::test_no_entry_beside_a_bracket_without_its_stop",),
    ),
    Bug(
        "a position without a stop that others close stays reported, and stops all entries",
        "execution/store/reducing.py",
        '_COUNTS = "(NOT b.over OR b.bare_since IS NOT NULL)"',
        '_COUNTS = "NOT b.over"',
        (f"{_REDUCING}::test_what_nobody_protects_is_closed_by_others",),
    ),
    Bug(
        "an attempt that was refused is CANCELLED, as if the venue had had it",
        "execution/store/giving_up.py",
        "ended = OrderState.CANCELLED if order.attempt.filled_quantity else OrderState.REJECTED",
        "ended = state",
        (f"{_STORE}::test_an_attempt_that_was_refused_after_another_had_filled",),
    ),
    Bug(
        "a cancel that a worker intended and never asked for is never asked for",
        "tasks/fit_bracket.py",
        "        if not turn.found.may_ask:\n            return\n        asked = {",
        "        if turn.found.retry_at is None or not turn.found.may_ask:\n"
        "            return\n        asked = {",
        ("tests/acceptance/test_brackets.py::test_a_cancel_whose_worker_died_before_it_asked",),
    ),
)
