"""The gate: what an operator does not allow is not sent, whoever asks for it and however many."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from sqlalchemy import Connection

from execution import exits
from execution.domain.clocks import why_not_send
from execution.domain.errors import KeptFromLive, NotAllowed
from execution.domain.instruments import Instrument
from execution.domain.orders import Order
from execution.domain.ports import Modification
from execution.domain.risk.controls import Concern, Controls
from execution.domain.risk.exposure import Held
from execution.domain.risk.judging import is_more, judge, what_grows
from execution.domain.risk.limits import AT_INTENT, LimitKind
from execution.domain.risk.trading_state import TradingState, stop
from execution.domain.routing import FORCED
from execution.domain.vocabulary import BrokerName, OrderState
from execution.events.quotes import QuoteCache
from execution.exits import Venue
from execution.store import controls as stored
from execution.store import exposure, following, order_gate
from execution.store.clock import DatabaseClock, process_clock
from execution.store.controls import ControlsCache
from execution.store.engine import Store
from execution.store.statements import Link

PriceOf = Callable[[Instrument], Decimal | None]
ANY_TERMS = Venue()
"""A venue without rules."""
_BEFORE_INTENT = frozenset(LimitKind) - AT_INTENT
_SILENT_SECONDS = 60.0
_AFTER_ANY_HALT = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Gate:
    """Judges orders where they are accepted, where they are sent and where they are changed.

    Only the last word is exact: an intent is committed behind the locks of every limit that fits
    the order, with what was measured there, and by the limits and states of that moment. An order
    that no limit and no state is about costs a condition of the statement that is run anyway.

    `quote_max_age` is how old a quote may be, `price_wait` how long an order waits for one.
    `force_paper` keeps this process from sending anything new to a live broker. So does a machine's
    clock that is far from the database's, `clock`, by which a venue is told until when to take it.
    `silent` is when a venue had no quote of a symbol.
    """

    store: Store
    quotes: QuoteCache
    controls: ControlsCache
    quote_max_age: timedelta
    price_wait: timedelta
    force_paper: bool = False
    silent: dict[str, float] = field(default_factory=dict)
    clock: DatabaseClock = process_clock

    def at_creation(self, order: Order, accepted_at: datetime) -> str | None:
        """Why an order that step 1 has made is refused; None when it is not, or not yet.

        What only the moment of sending can tell is left to it. Raises StoreUnavailable,
        EventsUnavailable.
        """
        controls = self.controls.get()
        while concern := controls.concerning(order):
            reason = self._why_not(order, concern, accepted_at)
            if reason is None:
                return None
            newer = self.controls.renew()
            if newer.version == controls.version:
                return reason
            controls = newer
        return None

    def _why_not(self, order: Order, concern: Concern, accepted_at: datetime) -> str | None:
        try:
            if not concern.needs_measuring:
                _check_states(order, concern, None, accepted_at)
                return None
            mid = self.mid(order, concern)
            with self.store.direct() as link:
                held, measured = exposure.measure(link, order, concern.limits)
                if order.is_exit:
                    held = replace(held, exits=exits.others(link, order))
                    order = exits.as_it_will_be(order, held)
            _check_states(order, concern, held, accepted_at)
        except NotAllowed as refusal:
            return str(refusal)
        limits, kinds = concern.limits, _BEFORE_INTENT
        verdict = judge(order, limits, held=held, measured=measured, mid=mid, kinds=kinds)
        return "; ".join(verdict.refusals) or None

    def stopped(self, order: Order) -> NotAllowed | None:
        """Whether a halt keeps an order from being sent, for one that waits for something else."""
        for controls in (self.controls.get, self.controls.renew):
            try:
                _check_states(order, controls().concerning(order), None)
            except NotAllowed as refusal:
                stopped = refusal
            else:
                return None
        return stopped

    def kept_from_live(self, order: Order) -> KeptFromLive | None:
        """Why this process does not send an order; None where it may.

        A live order may be made smaller where that takes another attempt, too.
        """
        if not self.force_paper or order.broker is BrokerName.PAPER:
            return None
        if order.attempt.attempt_no > 1:
            with self.store.direct() as link:
                if following.replaces_live(link, order):
                    return None
        return KeptFromLive()

    def intend(
        self,
        order: Order,
        price_of: PriceOf,
        commit: Callable[[Link, Order, int], Order | None],
        venue: Venue = ANY_TERMS,
    ) -> Order | None:
        """Let `commit` write the intent to send an order, unless it is not allowed.

        `commit` takes the order, a reduce-only one as it was cut, and the version that it must name
        (`execution.store.controls.UNCHANGED`). Returns what it does: None when somebody else has
        taken the order. A reduce-only order comes back in its old state where a bracket must make
        room for it first. `price_of` asks the venue. Raises NotAllowed (KeptFromLive
        among them); nothing is written then.
        """
        if (kept := self.kept_from_live(order)) is not None:
            raise kept
        if order.broker is not BrokerName.PAPER and (off := why_not_send(self.clock.ahead)):
            raise NotAllowed(off, waits=True)
        controls = self.controls.get()
        while True:
            try:
                done = self._intend(order, controls, price_of, commit, venue)
                refusal = None
            except _NotTaken:
                done, refusal = None, None
            except NotAllowed as error:
                done, refusal = None, error
            if done is not None:
                return done
            newer = self.controls.renew()
            if newer.version == controls.version:
                if refusal is not None:
                    raise refusal
                return None
            controls = newer

    def _intend(
        self,
        order: Order,
        controls: Controls,
        price_of: PriceOf,
        commit: Callable[[Link, Order, int], Order | None],
        venue: Venue,
    ) -> Order | None:
        concern = controls.concerning(order)
        if not concern.needs_measuring and not order.is_exit:
            _check_states(order, concern, None)
            with self.store.direct() as link:
                return commit(link, order, controls.version)
        mid = self.mid(order, concern, price_of)
        with self.store.brief() as link:
            order_gate.hold_open(link)
            exposure.lock(link, concern.limits)
            if order.is_exit:
                _check_states(order, concern, None)
                admitted, goes = exits.admit(link, order, venue)
                if admitted is None or not goes:
                    return admitted
                order = admitted
            if concern.needs_measuring:
                self._judge(link, order, concern, mid)
            done = commit(link, order, controls.version)
            if done is None:
                raise _NotTaken  # what was cut is not either
            exposure.sent(link, concern.limits)
            return done

    def _judge(self, link: Link, order: Order, concern: Concern, mid: Decimal | None) -> None:
        """Hold an order against limits and states, behind their locks. Raises NotAllowed."""
        held, measured = exposure.measure(link, order, concern.limits)
        if order.is_exit:
            held = replace(held, exits=exits.others(link, order))
        _check_states(order, concern, held)
        verdict = judge(order, concern.limits, held=held, measured=measured, mid=mid)
        if verdict.refusals:
            raise NotAllowed("; ".join(verdict.refusals))
        if verdict.unpriced:
            patient = order.read_at - order.created_at < self.price_wait
            raise NotAllowed("; ".join(verdict.unpriced), waits=patient)

    def change(
        self, connection: Connection, order: Order, change: Modification, mid: Decimal | None
    ) -> str | None:
        """Why a change of an order is refused, in the transaction that sets it on its way.

        A bracket's child is kept to the size of what its parent has filled, whatever the state. A
        change that only makes an order smaller passes unless trading is halted. `mid` as `mid`
        gives it.
        """
        if order.parent_order_id is not None:
            return None
        order_gate.hold_open(connection)
        controls = stored.load(connection)
        concern = controls.concerning(order)
        kinds = what_grows(order, change)
        if self._keeps(order, change):
            return FORCED
        if halt := _halt(concern):
            return halt
        if crowded := exits.why_not_larger(connection, order, change):
            return crowded
        if not concern.needs_measuring or not kinds:
            return None
        changed = replace(
            order,
            quantity=change.quantity or order.quantity,
            limit_price=change.limit_price or order.limit_price,
            stop_price=change.stop_price or order.stop_price,
        )
        exposure.lock(connection, concern.limits)
        held, measured = exposure.measure(connection, changed, concern.limits)
        if order.is_exit:
            held = replace(held, exits=exits.others(connection, order))
        try:
            # When the order itself was accepted does not matter to its change.
            _check_states(changed, concern, held, _AFTER_ANY_HALT)
        except NotAllowed as refusal:
            return str(refusal)
        verdict = judge(changed, concern.limits, held=held, measured=measured, mid=mid, kinds=kinds)
        return "; ".join(verdict.refusals or verdict.unpriced) or None

    def change_halted(self, order: Order, change: Modification) -> str | None:
        """Why a change that has set out must not be sent again; None when it may."""
        if order.parent_order_id is not None:
            return None
        return FORCED if self._keeps(order, change) else _halt(self.concern(order))

    def _keeps(self, order: Order, change: Modification) -> bool:
        """Whether a change would make a live order larger, or otherwise more, by this process."""
        live = order.broker is not BrokerName.PAPER and (
            order.state is not OrderState.PENDING or order.attempt.attempt_no > 1
        )
        return self.force_paper and live and is_more(order, change)

    def concern(self, order: Order) -> Concern:
        """What is about an order just now."""
        return self.controls.renew().concerning(order)

    def mid(
        self, order: Order, concern: Concern, price_of: PriceOf | None = None
    ) -> Decimal | None:
        """About what the market trades at, where a limit asks for it; None where nobody knows.

        The venue's own quote goes first: that of the cache if it is fresh, else what it says when
        `price_of` asks it; then any other that is fresh. Else it is asked for, so that it may come.
        Raises EventsUnavailable.
        """
        if not concern.needs_price:
            return None
        quote = self.quotes.get([order.symbol]).get(order.symbol)
        if quote is not None and self.clock() - quote.at > self.quote_max_age:
            quote = None
        if quote is not None and (price_of is None or quote.source == order.broker):
            return quote.mid
        self.quotes.want([order.symbol])
        if price_of is None or (quote is not None and self._asked_in_vain(order.symbol)):
            return None if quote is None else quote.mid
        found = price_of(order.instrument)
        if found is not None or quote is None:
            return found
        self.silent[order.symbol] = time.monotonic()
        return quote.mid

    def _asked_in_vain(self, symbol: str) -> bool:
        """Whether the venue had no quote of a symbol a moment ago: orders must not wait for it."""
        asked = self.silent.get(symbol)
        return asked is not None and time.monotonic() - asked < _SILENT_SECONDS


class _NotTaken(Exception):
    """Nothing was committed."""


def _halt(concern: Concern) -> str | None:
    for state in concern.states:
        if state.state is TradingState.HALTED:
            return f"HALTED{state.in_words()}"
    return None


def _check_states(
    order: Order, concern: Concern, held: Held | None, accepted_at: datetime | None = None
) -> None:
    """Raise NotAllowed when a state stops an order; one that refuses it goes before one that waits.

    With several, the strictest counts.
    """
    stops = [stop(order, state, held, accepted_at) for state in concern.states]
    stops += [one.stop(order, held) for one in concern.unprotected]
    found = sorted((one for one in stops if one is not None), key=lambda one: one.waits)
    if found:
        raise NotAllowed(found[0].reason, waits=found[0].waits)
