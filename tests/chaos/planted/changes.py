"""Mistakes about changes and refusals: what was made, what was refused, how often it is sent."""

from __future__ import annotations

from tests.chaos.planted.bug import Bug

_CHANGES = "tests/unit/test_changes.py"

BUGS = (
    Bug(
        "a refused change of price is reported DONE: only the quantity is compared",
        "execution/domain/changes.py",
        "    pairs = [(getattr(change, name), getattr(shown, name)) for name in change.names()]\n"
        "    if any(",
        "    pairs = [(change.quantity, shown.quantity or change.quantity)]\n    if any(",
        (_CHANGES,),
    ),
    Bug(
        "a change or cancel that is pending is sent again and again",
        "execution/domain/changes.py",
        "    return since_sent >= WITHIN and since_last_send >= WITHIN / MOST",
        "    return True",
        (_CHANGES,),
    ),
    Bug(
        "the prices of a change are not fitted to the venue's step",
        "execution/domain/changes.py",
        "        limit_price=None if change.limit_price is None else after.limit_price,",
        "        limit_price=change.limit_price,",
        (_CHANGES,),
    ),
    Bug(
        "a trail by amount is not fitted to the venue's step",
        "execution/domain/trading_rules.py",
        "        trail_amount=_trail_amount(terms.trail_amount, rules, venue),",
        "        trail_amount=terms.trail_amount,",
        ("tests/unit/test_trading_rules.py",),
    ),
    Bug(
        "one order may be sent as often as its trouble lasts",
        "execution/domain/pacing.py",
        "        return max(self.sent[-MOST] + WITHIN - now, timedelta(0))",
        "        return timedelta(0)",
        ("tests/unit/test_pacing.py",),
    ),
    Bug(
        "a mere warning ends an order at Interactive Brokers (10311)",
        "workers/adapters/ibkr/outcomes.py",
        "    10311: Outcome.REMARK,",
        "    10311: Outcome.REFUSED,",
        ("tests/unit/test_ibkr_outcomes.py",),
    ),
    Bug(
        "a refused order goes to paper though nobody asked for that",
        "tasks/failure.py",
        "        reroutes=may_reroute and settings.reroute_refused,",
        "        reroutes=may_reroute,",
        ("tests/acceptance/test_orders.py",),
    ),
    Bug(
        "FORCE_PAPER_TRADING is read at step 1 alone: what waited is sent live",
        "execution/gate.py",
        "        if (kept := self.kept_from_live(order)) is not None:\n            raise kept",
        "        if (kept := self.kept_from_live(order)) is not None and not order.order_id:\n"
        "            raise kept",
        ("tests/integration/test_kept_from_live.py",),
    ),
    Bug(
        "a late execution does not show that a reduce-only order reversed the position",
        "execution/store/positions.py",
        "    _report_reversals(connection, folded, anew=folded is not fills)",
        "    _report_reversals(connection, fills, anew=False)",
        ("tests/integration/test_reduce_only.py",),
    ),
    Bug(
        "a paper order is refused because PostgreSQL was away for a moment",
        "execution/store/giving_up.py",
        "    if not CAPABILITIES[order.broker].remote or (",
        """    if not CAPABILITIES[order.broker].remote:
        choice = OnFailure.REJECT
    elif (""",
        ("tests/integration/test_kept_from_live.py",),
    ),
    Bug(
        "an order that ends while a fill is under way loses its last step",
        "execution/domain/order_changes.py",
        "    if order.step in (Step.PERSIST_FILL, Step.UPDATE_POSITIONS):\n        return {}",
        "    if order.step is None:\n        return {}",
        ("tests/integration/test_unexpected.py",),
    ),
    Bug(
        "a change is refused by what a worker read before another sent it",
        "tasks/command_results.py",
        "    unsent = not command.sent\n",
        "    unsent = False\n",
        ("tests/integration/test_command_results.py",),
    ),
)
