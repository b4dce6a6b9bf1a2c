"""Looks at the pair: an observation an interval, and what is done about its signal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

from execution.arbitrage import sending
from execution.arbitrage.knowledge import Knowledge
from execution.arbitrage.moving import Mover
from execution.arbitrage.plan import Plan
from execution.arbitrage.sending import Messages
from execution.domain.arbitrage.detector import NavArbitrageDetector
from execution.domain.arbitrage.groups import Lot, Role, group_id_of
from execution.domain.arbitrage.legs import Legs, Sizing, legs_of, opening
from execution.domain.arbitrage.permission import objections
from execution.domain.arbitrage.plausible import doubts
from execution.domain.arbitrage.prices import Observation, Price, Reading, Unusable, observe
from execution.domain.arbitrage.signals import Action, Assessment, Direction, Signal
from execution.domain.errors import RequestRefused
from execution.domain.reports import Quote
from execution.faultpoints import reach
from execution.intake import Intake
from execution.store import arbitrage, confirmations, groups
from execution.store.clock import database_time
from execution.store.confirmations import Doubted
from execution.store.engine import Store
from execution.store.groups import Stored

_LOCK = 0x6E6176  # "nav": one at a time decides on a signal


class _AlreadySeenError(Exception):
    """Somebody else has recorded the interval meanwhile: nothing of this look is committed."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a look came to, in words; the group that it opened or wants closed, if it did."""

    said: str
    assessment: Assessment | None = None
    group_id: UUID | None = None
    unjudged: str | None = None
    """Why a reading was no observation."""
    doubted: Doubted | None = None
    """What of it a person may confirm."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Observes the pair and acts on what the detector says, as far as the plan allows."""

    store: Store
    intake: Intake
    knowledge: Knowledge
    messages: Messages
    mover: Mover
    plan: Plan
    clock: Callable[[Connection], datetime] = database_time

    def once(self) -> Look:
        """Look once. Raises StoreUnavailable or EventsUnavailable; then nothing was done."""
        with self.store.transaction() as connection:
            now = self.clock(connection)
        look = self._look(now)
        plan = self.plan
        with self.store.transaction() as connection:
            groups.looked(connection, plan.pair, plan.interval.name, now, look.said)
            if look.unjudged is not None:
                confirmations.unjudged(
                    connection, plan.pair, plan.interval.name, look.unjudged, look.doubted
                )
            elif look.assessment is not None:
                confirmations.judged(connection, plan.pair, plan.interval.name)
        if look.group_id is not None:
            self.mover.advance(look.group_id)
        return look

    def both_ways(
        self, connection: Connection, seen: Observation
    ) -> Iterator[tuple[Direction, Legs]]:
        """The legs that an entry on an observation would have, each way; none if too small."""
        lots = self.knowledge.lots(connection, self.plan)
        for direction in Direction:
            try:
                yield (
                    direction,
                    legs_of(
                        direction,
                        seen,
                        self.plan.pair,
                        _sizing(self.plan, lots[Role.SPOT], lots[Role.TRUST]),
                    ),
                )
            except RequestRefused:
                return

    def _look(self, now: datetime) -> Look:
        plan = self.plan
        interval = plan.interval_at(now, self.knowledge.hours)
        # Asked for in time: the first quote comes a moment after somebody wants it.
        self.knowledge.quotes.want(self._symbols())
        self.knowledge.lending.want([plan.trust.symbol])
        if interval is None:
            return Look("out of the trust's hours")
        with self.store.transaction() as connection:
            seen = arbitrage.observations(connection, plan.pair, plan.interval.name, 1)
        if seen and seen[0]["interval_at"] >= interval:
            return Look(f"the interval of {interval.isoformat()} was observed")
        found = observe(self._reading(interval, now), plan.freshness)
        if isinstance(found, Unusable):
            return _unjudged(found.reasons)
        return self._judge(found, now)

    def _symbols(self) -> list[str]:
        conversion = self.plan.conversion
        own = [self.plan.trust.symbol, self.plan.spot.symbol]
        return own if conversion is None else [*own, conversion.symbol]

    def _reading(self, interval: datetime, now: datetime) -> Reading:
        plan = self.plan
        quoted = self.knowledge.quotes.get(self._symbols())
        conversion = None if plan.conversion is None else quoted.get(plan.conversion.symbol)
        return Reading(
            interval=interval,
            at=now,
            trust=_price(quoted.get(plan.trust.symbol)),
            spot=_price(quoted.get(plan.spot.symbol)),
            coins=plan.coins,
            spot_currency=plan.spot.currency,
            conversion=_price(conversion),
        )

    def _judge(self, seen: Observation, now: datetime) -> Look:
        reach("nav:opening:begin")
        try:
            with self.store.transaction() as connection:
                look, orders = self._decide(connection, seen, now)
                if orders:
                    reach("nav:opening:before_commit")
        except _AlreadySeenError:
            return Look("the interval was observed by another")
        if orders:
            reach("nav:opening:committed")
        sending.send(self.messages, orders, "opening")
        return look

    def _decide(
        self, connection: Connection, seen: Observation, now: datetime
    ) -> tuple[Look, list[UUID]]:
        """Observation, group and requests are committed together, or none of them."""
        if not _alone(connection):
            return Look("another is looking"), []
        plan = self.plan
        window = arbitrage.last_window(
            connection, plan.pair, plan.interval.name, plan.parameters.window, before=seen.interval
        )
        detector = NavArbitrageDetector(plan.parameters, window)
        why = doubts(
            seen,
            detector.score(seen),
            window[-1] if window else None,
            confirmations.newest(connection, plan.pair),
            plan.plausible,
        )
        if why:
            reading = Doubted(seen.spread, seen.coins_per_share, seen.coins_as_of)
            return _unjudged(why, reading), []
        held = groups.unfinished(connection, plan.pair)
        assessment = detector.observe(seen, None if held is None else held.position)
        signal, declined, group_id = assessment.signal, None, None
        orders: list[UUID] = []
        if signal is not None and signal.action is Action.ENTER:
            declined, group_id, orders = self._enter(connection, signal, now)
        elif signal is not None and held is not None:
            declined, group_id = self._exit(connection, signal, held)
        if not arbitrage.record(connection, plan.pair, plan.interval.name, assessment, declined):
            raise _AlreadySeenError
        return Look(_words(assessment, declined), assessment, group_id), orders

    def _enter(
        self, connection: Connection, signal: Signal, now: datetime
    ) -> tuple[str | None, UUID | None, list[UUID]]:
        """Open a group; else why not."""
        plan, seen = self.plan, signal.observation
        if not plan.enabled:
            return "NAV_ARBITRAGE_ENABLED is not set", None, []
        lots = self.knowledge.lots(connection, plan)
        try:
            legs = opening(signal, plan.pair, _sizing(plan, lots[Role.SPOT], lots[Role.TRUST]))
        except RequestRefused as refusal:
            return str(refusal), None, []
        known = self.knowledge.circumstances(connection, plan, plan.mode, now)
        against = [*_unfit(legs, lots), *objections(legs, seen, known, plan.bounds)]
        if against:
            return "; ".join(against), None, []
        interval = plan.interval.name
        group_id = group_id_of(plan.pair.trust, plan.pair.spot, interval, seen.at)
        placed = groups.open_group(
            connection,
            group_id,
            pair=plan.pair,
            interval=interval,
            signal=signal,
            legs=legs,
            mode=plan.mode,
        )
        if placed is None:
            return "there is a group of this pair already", None, []
        orders = sending.record(connection, self.intake, plan, plan.mode, placed)
        return None, group_id, orders

    def _exit(
        self, connection: Connection, signal: Signal, held: Stored
    ) -> tuple[str | None, UUID | None]:
        if not self.plan.enabled:
            return "NAV_ARBITRAGE_ENABLED is not set", None
        assert signal.exit_reason is not None  # noqa: S101 - an EXIT has one
        groups.want_exit(connection, held, signal.exit_reason)
        return None, held.group.group_id


def _unjudged(reasons: Sequence[str], doubted: Doubted | None = None) -> Look:
    why = "; ".join(reasons)
    return Look(f"no observation: {why}", unjudged=why, doubted=doubted)


def _alone(connection: Connection) -> bool:
    """Whether this transaction is the only one that looks; another's ends with it."""
    got = connection.execute(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _LOCK})
    return bool(got.scalar_one())


def _price(quote: Quote | None) -> Price | None:
    return None if quote is None else Price(quote.mid, quote.at)


def _sizing(plan: Plan, spot: Lot, trust: Lot) -> Sizing:
    """The venues' steps; where a venue has none for coins, the smallest unit of a coin."""
    usual = Sizing()
    return Sizing(plan.notional, trust.step or usual.share_step, spot.step or usual.coin_step)


def _unfit(legs: Legs, lots: Mapping[Role, Lot]) -> list[str]:
    """Legs that a venue would not take as they are."""
    found = []
    for role, leg in ((Role.TRUST, legs.trust), (Role.SPOT, legs.spot)):
        lot = lots[role]
        if lot.tradable(leg.quantity) != leg.quantity:
            found.append(f"{leg.quantity} of {leg.symbol} is not what its venue takes")
    return found


def _words(assessment: Assessment, declined: str | None) -> str:
    signal = assessment.signal
    if signal is None:
        return f"observed: {assessment.quiet}"
    what = f"{signal.action} {signal.direction}"
    return what if declined is None else f"{what} declined: {declined}"
