"""Mistakes that leave an order with news and nothing to wake it."""

from __future__ import annotations

from tests.chaos.planted.bug import Bug

_INTERLEAVED = "tests/integration/test_steps_interleaved.py"
_MISSING = "tests/integration/test_missing_executions.py"
_WORK = "tests/integration/test_order_work.py"
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
        "execution/domain/order_changes.py",
        "        due=due if order.has_news else None,",
        "        due=None,",
        (_INTERLEAVED,),
    ),
    Bug(
        "an order that ends is not due, though an execution of it was just reported",
        "execution/store/work.py",
        "CASE WHEN w.due IS NULL THEN ({DUE_FOR_NEWS})",
        "CASE WHEN w.due IS NULL THEN CAST(NULL AS timestamptz)",
        (f"{_UNEXPECTED}::test_a_cancel_does_not_hide_what_was_reported",),
    ),
    Bug(
        "one stuck order holds up the batch that it is in",
        "execution/store/work.py",
        "ORDER BY order_id FOR NO KEY UPDATE SKIP LOCKED",
        "ORDER BY order_id FOR NO KEY UPDATE",
        (_WORK,),
    ),
    Bug(
        "one bad value fails the whole batch",
        "execution/store/work.py",
        'code[:2] in {"22", "23"} or code == "P0001"',
        'code == "P0001"',
        (_WORK,),
    ),
    Bug(
        "of two changes in one commit the version counts one",
        "execution/store/work.py",
        "SET version = o.version + w.changes,",
        "SET version = o.version + 1,",
        (_WORK,),
    ),
    Bug(
        "a step may leave an order in any state",
        "execution/domain/order_changes.py",
        "    if not change.reported and not may_become(order.state, change.state, child=child):",
        "    if not change.reported and order.state is None:",
        (_WORK,),
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
