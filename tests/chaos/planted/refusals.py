"""Mistakes about what becomes of an order at Interactive Brokers: codes, statuses, order ids."""

from __future__ import annotations

from tests.chaos.planted.bug import Bug

_SENDING, _ENTRIES = "workers/adapters/ibkr/sending.py", "workers/adapters/ibkr/entries.py"
_DOUBT = "tests/integration/test_ibkr_doubt.py"
_ADAPTER = "tests/integration/test_ibkr_adapter.py"
_BOOK = "tests/unit/test_ibkr_book.py"
_EXECUTIONS = "tests/acceptance/test_executions.py"

BUGS = (
    Bug(
        "a message code alone refuses a new order, whatever status goes with it",
        _SENDING,
        "        if entry.heard:\n            if entry.to_be_withdrawn:",
        "        if entry.over:\n            if entry.to_be_withdrawn:",
        (f"{_DOUBT}::test_any_code_may_be_a_mere_warning",),
    ),
    Bug(
        "absence counts on a connection that may withhold the order",
        _SENDING,
        "        if not entry.heard and not outcomes.nothing_taken(*code):",
        "        if entry.over:",
        (f"{_DOUBT}::test_a_code_and_then_not_a_word",),
    ),
    Bug(
        "a cancel that is pending at a closed exchange is asked for again",
        _SENDING,
        "        if self._is_being_cancelled(entry):\n            return\n",
        "",
        (f"{_DOUBT}::test_a_pending_cancel_is_asked_for_once",),
    ),
    Bug(
        "161 about a cancel that is under way counts as its refusal",
        _SENDING,
        "        if outcomes.outcome_of(*operation.code) is Outcome.NOT_NOW:\n",
        "        if entry.over:\n",
        (f"{_DOUBT}::test_a_pending_cancel_on_the_next_connection",),
    ),
    Bug(
        "an order in an OCA group is changed in place: the refusal may end a stop",
        _SENDING,
        "        if attempt.one_cancels_other is not None or entry.group:\n",
        "        if entry.over:\n",
        (f"{_ADAPTER}::test_no_change_within_a_group",),
    ),
    Bug(
        "a refused order that TWS keeps as Inactive is not cancelled",
        _ENTRIES,
        "        return kept and self.order_id is not None and not self.withdrawn",
        "        return kept and self.order_id is None",
        (f"{_DOUBT}::test_a_code_with_inactive",),
    ),
    Bug(
        "openOrder(Filled) before its execution reads as CANCELLED",
        _ENTRIES,
        "        if self.status == FILLED and self.closed:",
        "        if self.status == FILLED:",
        (f"{_BOOK}::test_filled_before_anything_says_how_much",),
    ),
    Bug(
        "a warning long before the end of an order is taken for the cause of it",
        _ENTRIES,
        "(not self.worked or self.withdrawn or together)",
        "bool(self.status)",
        (f"{_DOUBT}::test_a_warning_long_before_the_end",),
    ),
    Bug(
        "103 means that another order has the id, even where it may be this one of yesterday",
        _SENDING,
        "            if known and orders.is_of_an_earlier_day("
        "attempt.created_at, self._now(), self._zone):",
        "            if entry.over:",
        (f"{_ADAPTER}::test_an_order_of_an_earlier_day",),
    ),
    Bug(
        "one order id after the other is tried for one order",
        _SENDING,
        "        if self._other_ids[entry.ref] > 1:  # the other id was no better",
        "        if entry.over:",
        (f"{_DOUBT}::test_every_order_id_is_another_s",),
    ),
    Bug(
        "one order that fails again and again opens the breaker for all others",
        "tasks/submit_order.py",
        "    return len(tried.intents) <= 1",
        "    return len(tried.intents) >= 1",
        (f"{_EXECUTIONS}::test_the_trouble_of_one_order_counts_once",),
    ),
    Bug(
        "one order that cannot be found out about ends the connection of all",
        "workers/session.py",
        "        except BrokerError as error:\n            if not",
        "        except OutcomeUnknown as error:\n            if not",
        ("tests/integration/test_reconciling.py::test_adopted_orders_are_woken",),
    ),
)
