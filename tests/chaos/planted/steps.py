"""Mistakes that leave an order with news and nothing to wake it."""

from __future__ import annotations

from tests.chaos.planted.bug import Bug

_INTERLEAVED = "tests/integration/test_steps_interleaved.py"
_MISSING = "tests/integration/test_missing_executions.py"
_RECOVERY = "tests/integration/test_recovery.py"
_UNEXPECTED = "tests/integration/test_unexpected.py"

BUGS = (
    Bug(
        "step 5 takes an order back that has a fill on its way into the position",
        "execution/domain/orders.py",
        "        return not Step.AWAIT_FILL <= self.step < Step.UPDATE_POSITIONS",
        "        return True",
        (_INTERLEAVED,),
    ),
    Bug(
        "an execution that only the account's list shows makes its order neither changed nor due",
        "execution/store/reports.py",
        "    if order_ids:\n        _REPORTED",
        "    if not order_ids:\n        _REPORTED",
        (_INTERLEAVED,),
    ),
    Bug(
        "a step 6 with nothing of the current attempt does not go on",
        "execution/store/executions.py",
        "    if order is not None and order.step == Step.AWAIT_FILL:",
        "    if order is not None and order.step > Step.PUBLISH_FILL_EVENT:",
        (f"{_INTERLEAVED}::test_a_late_execution_of_an_earlier_attempt",),
    ),
    Bug(
        "step 8 puts an order to rest over what was reported meanwhile",
        "execution/store/orders.py",
        "        due=due if order.has_news else None,",
        "        due=None,",
        (_INTERLEAVED,),
    ),
    Bug(
        "an order that ends is not due, though an execution of it was just reported",
        "execution/store/transitions.py",
        'else f"({DUE_FOR_NEWS})"',
        'else "CAST(NULL AS timestamptz)"',
        (f"{_UNEXPECTED}::test_a_cancel_does_not_hide_what_was_reported",),
    ),
    Bug(
        "lost messages queue behind orders that wait for their broker",
        "execution/store/recovery.py",
        '(("never_resent", "= 0"), ("resent", "> 0"))',
        '(("never_resent", ">= 0"), ("resent", "< 0"))',
        (_RECOVERY,),
    ),
    Bug(
        "executions that never come are waited for in silence",
        "execution/store/missing_executions.py",
        "    if not overdue:\n        return\n",
        "    if overdue is not None:\n        return\n",
        (_MISSING,),
    ),
    Bug(
        "the executions that a venue's total includes are not asked for while the order works",
        "tasks/await_fill.py",
        "    elif order.lacks_executions:\n        ask_for_executions(order)\n",
        "",
        (_MISSING,),
    ),
)
