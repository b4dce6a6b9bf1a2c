"""Mistakes about MT4: doubts, lots that are not known, tickets that descend, ends."""

from __future__ import annotations

from tests.chaos.planted.bug import Bug

_ADAPTER = "tests/integration/test_mt4_adapter.py"
_TICKETS = "tests/unit/test_mt4_tickets.py"
_TERMINAL = "tests/integration/test_mt4_terminal.py"

BUGS = (
    Bug(
        "error 6 permits the expert another send",
        "mt4_bridge/expert/SuperintelBridge/Errors.mqh",
        "      case 8:    // too frequent requests",
        "      case 6:\n      case 8:    // too frequent requests",
        ("tests/unit/test_mt4_expert_sources.py",),
    ),
    Bug(
        "an answer that proves nothing permits another send, or paper",
        "workers/adapters/mt4/wire.py",
        '        return command["sent"] != "NO" and str(command["code"]) in _SAYS_NOTHING',
        "        return False",
        ("tests/unit/test_mt4_refusals.py",),
    ),
    Bug(
        "what a search did not find is simulated",
        "execution/store/giving_up.py",
        "        or tries.is_doubted(connection, order.order_id)\n",
        "",
        ("tests/integration/test_paper_and_live.py",),
    ),
    Bug(
        "lots of 0 are taken for a symbol's rules",
        "workers/adapters/mt4/wire.py",
        "    return all(decimal(value) > 0 for value in lots)",
        "    return all(decimal(value) >= 0 for value in lots)",
        (_ADAPTER,),
    ),
    Bug(
        "an execution of nothing is booked",
        "execution/domain/reports.py",
        "        if self.kind is ReportKind.TRADE and not self.quantity > 0:",
        "        if self.kind is ReportKind.TRADE and self.quantity < 0:",
        ("tests/unit/test_reports.py",),
    ),
    Bug(
        "what is filled of a limit under another ticket is the rest of something",
        "mt4_bridge/trees.py",
        '    return parent["type"] not in MARKET_TYPES or parent["ticket"] in open_now',
        "    return False",
        (_TICKETS,),
    ),
    Bug(
        "a limit is over while a part of it is pending under another ticket",
        "mt4_bridge/trees.py",
        '    working = any(part["close_time"] is None for part in pending) or',
        '    working = any(part["close_time"] is None for part in pending[:1]) or',
        (_TICKETS,),
    ),
    Bug(
        "what close-by closed is what the server leaves on the ticket",
        "mt4_bridge/trees.py",
        '        if part["held"] is None:\n            return self._reported(part)',
        '        if part["lots"]:\n            return self._reported(part)',
        (_TICKETS,),
    ),
    Bug(
        "a GTD order ends by the server's clock",
        "mt4_bridge/endings.py",
        "        if end is not None and end <= now and not",
        "        if end is not None and end + 3_600_000 <= now and not",
        (f"{_TERMINAL}::test_case[gtd_across_a_change_of_hour]",),
    ),
    Bug(
        "a MARKET order with an end is refused where it opens a ticket",
        "workers/adapters/mt4/wire.py",
        "    if rests and attempt.time_in_force is TimeInForce.GTD",
        "    if attempt.time_in_force is TimeInForce.GTD",
        (_ADAPTER,),
    ),
    Bug(
        "an order is sent though its time is over",
        "tasks/connect_gateway.py",
        "    if not waits or order.expires_at is None or order.expires_at > order.read_at:",
        "    if not waits or order.expires_at is None or order.expires_at > order.created_at:",
        ("tests/brokers/test_mt4.py::test_an_order_whose_time_is_over_is_not_sent",),
    ),
    Bug(
        "nobody hears of a fill at a price of long ago",
        "workers/adapters/paper.py",
        "        if one.stale_by is not None and one.fills:",
        "        if one.stale_by is not None and not one.fills:",
        ("tests/integration/test_paper_adapter.py",),
    ),
    Bug(
        "a busy venue is asked again every second",
        "execution/domain/pacing.py",
        "        times = len(_latest_run(self.put_off, now))",
        "        times = 0 * len(_latest_run(self.put_off, now))",
        ("tests/unit/test_pacing.py",),
    ),
    Bug(
        "the next close of a netted order waits for recovery",
        "tasks/await_fill.py",
        "    if follows:\n        send_from(",
        "    if follows and order is None:\n        send_from(",
        ("tests/brokers/test_mt4.py::test_the_next_close_follows_at_once",),
    ),
    Bug(
        "a closed market is the order's own trouble",
        "workers/adapters/mt4/wire.py",
        "        scope = RejectionScope.SYMBOL",
        "        scope = RejectionScope.ORDER",
        ("tests/unit/test_mt4_refusals.py",),
    ),
    Bug(
        "an order that waits is sent again under an id that its venue has used",
        "execution/store/giving_up.py",
        "    elif CAPABILITIES[order.broker].ids_once:",
        "    elif CAPABILITIES[order.broker].brackets:",
        ("tests/brokers/test_mt4.py::test_a_closed_market_is_waited_for",),
    ),
)
