"""Mistakes about Binance: delays, bans, halts, delistings, resets, quotes."""

from __future__ import annotations

from tests.chaos.planted.bug import Bug

_DOUBT = "tests/brokers/test_binance_doubt.py"
_ODD = "tests/brokers/test_binance_odd.py"
_FIND = "tests/contract/test_find.py"
_BUDGET = "tests/unit/test_binance_budget.py"
_QUOTES = "tests/integration/test_quotes.py"
_RULES = "tests/unit/test_trading_rules.py"

BUGS = (
    Bug(
        "absence is believed although the account has moved",
        "workers/adapters/binance/evidence.py",
        "        if moved:\n",
        "        if False and moved:\n",
        (
            f"{_FIND}::test_c315_filled_and_not_shown",
            f"{_DOUBT}::test_bought_once_however_late_it_is_shown",
        ),
    ),
    Bug(
        "absence is believed although the venue counts more orders than it shows",
        "workers/adapters/binance/evidence.py",
        "        if more > len(shown):",
        "        if more > len(shown) + 1:",
        (f"{_FIND}::test_c316_resting_and_not_shown",),
    ),
    Bug(
        "a MARKET order goes out again however late it is",
        "execution/domain/pacing.py",
        "    return within is None or not ends_at_once or in_doubt_for <= within",
        "    return within is None or not ends_at_once or in_doubt_for >= timedelta(0)",
        ("tests/unit/test_pacing.py",),
    ),
    Bug(
        "one that would wait is sent again after all",
        "tasks/submit_order.py",
        "        stays = giving_up.waits(connection, now)",
        "        stays = False and giving_up.waits(connection, now)",
        (f"{_DOUBT}::test_one_that_would_wait_stays_in_doubt",),
    ),
    Bug(
        "pauses between tries to connect begin anew although nothing lasted",
        "execution/domain/pacing.py",
        "        if lasted > self._most:",
        "        if self._next >= self._most:",
        ("tests/unit/test_pacing.py",),
    ),
    Bug(
        "a session that was never connected counts as one that was",
        "workers/session.py",
        "            lasted = 0.0 if connected is None else time.monotonic() - connected",
        "            lasted = time.monotonic() - (connected or 0.0)",
        ("tests/integration/test_reconciling.py",),
    ),
    Bug(
        "a ban is this process's own matter",
        "workers/adapters/binance/budget.py",
        "        self._shut_until = max(self._shut_until, now + left)",
        "        self._shut_until = max(self._shut_until, now)",
        (f"{_BUDGET}::test_a_ban_is_everybody_s",),
    ),
    Bug(
        "the time in -1003 is not read",
        "workers/adapters/binance/budget.py",
        "            *([int(banned[1]) / 1000 - self._now()] if banned else []),\n",
        "",
        (_BUDGET,),
    ),
    Bug(
        "one order that cannot be read hides all others",
        "workers/adapters/binance/venue.py",
        '        found = self.unread.each(order, items, "order")',
        "        found = [read(order, item) for item in items]",
        (f"{_ODD}::test_an_unknown_status_is_one_order_s_trouble",),
    ),
    Bug(
        "one delisted symbol ends the look at all executions",
        "workers/adapters/binance/history.py",
        "            with suppress(NotListed):  # delisted",
        "            with suppress(KeyError):  # delisted",
        (f"{_ODD}::test_a_delisted_symbol_takes_nobody_along",),
    ),
    Bug(
        "a closed market is the venue's trouble",
        "workers/adapters/binance/outcomes.py",
        "    Outcome.HALTED: RejectionScope.SYMBOL,",
        "    Outcome.HALTED: RejectionScope.VENUE,",
        ("tests/contract/test_errors.py::test_c214_market_closed",),
    ),
    Bug(
        "in a halted symbol the last prices are quoted",
        "execution/events/quotes.py",
        "        if _is_halt(text):\n            found.pop(symbol, None)",
        "        if _is_halt(text):\n            pass",
        (f"{_QUOTES}::test_nobody_quotes_what_is_halted",),
    ),
    Bug(
        "an exit is held back by what we guess it is worth",
        "execution/domain/trading_rules.py",
        "    if price is None or (guessed and not guesses):",
        "    if price is None:",
        (f"{_RULES}::test_in_doubt_the_venue_decides",),
    ),
    Bug(
        "what stands before the venue may have taken an order",
        "workers/adapters/binance/outcomes.py",
        "    if answer.status in BEFORE_THE_VENUE:\n        return Outcome.SHUT_OUT\n",
        "",
        ("tests/unit/test_binance_outcomes.py",),
    ),
    Bug(
        "the newest quote counts, whoever says it",
        "execution/events/quotes.py",
        "        if symbol in connected or fed_quote is None or fed_quote.at < quote.at:",
        "        if fed_quote is None or fed_quote.at < quote.at:",
        (f"{_QUOTES}::test_a_feed_takes_no_broker_s_place",),
    ),
    Bug(
        "a price of 0 is a price",
        "execution/events/quotes.py",
        "    return quote.bid.is_finite() and quote.ask.is_finite() and 0 < quote.bid <= quote.ask",
        "    return quote.bid.is_finite() and quote.ask.is_finite() and quote.bid <= quote.ask",
        (f"{_QUOTES}::test_what_is_no_market_is_no_quote",),
    ),
    Bug(
        "an id that begins anew is the execution that had it",
        "execution/store/reports.py",
        "    CASE WHEN m.kind = 'TRADE' AND m.instrument_key <> '' AND EXISTS (",
        "    CASE WHEN m.kind = 'TRADE' AND m.instrument_key <> '' AND false AND EXISTS (",
        ("tests/integration/test_execution_identity.py::test_ids_that_begin_anew",),
    ),
    Bug(
        "the alert of a doubt stays when the order is settled otherwise",
        "execution/store/work.py",
        "        return before is OrderState.UNKNOWN or (before in in_doubt and after.is_final)",
        "        return before is OrderState.UNKNOWN and before in in_doubt and after is before",
        ("tests/integration/test_unexpected.py::test_a_doubt_that_is_settled_otherwise",),
    ),
    Bug(
        "a letter that looks like a Latin one is one of a coin's name",
        "execution/domain/symbols/ticker.py",
        "        and not scripts & _LIKE_LATIN",
        "        and scripts",
        ("tests/unit/test_mapping.py::test_what_looks_like_another_is_refused",),
    ),
    Bug(
        "a trade that became visible meanwhile explains what the account has moved by",
        "workers/adapters/binance/evidence.py",
        "    if mine or (trade.venue_order_id is None and trade.broker_order_id not in shown):",
        "    if mine and trade.broker_order_id not in shown:",
        ("tests/unit/test_binance_evidence.py::test_a_trade_that_may_be_the_orders_own",),
    ),
)
