"""What is read before anything is decided: venues, balances, rules, quotes, hours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import structlog
from sqlalchemy import Connection

from execution.arbitrage.plan import Plan, broker_of
from execution.domain.arbitrage.groups import Lot, Role, Surroundings
from execution.domain.arbitrage.permission import Circumstances, Venue, not_both
from execution.domain.errors import EventsUnavailable
from execution.domain.lending import Shortable
from execution.domain.market_hours import MarketHours
from execution.domain.reports import Quote
from execution.domain.routing import LIVE_ROUTES
from execution.domain.trading_rules import TradingRules
from execution.domain.vocabulary import ExecutionMode
from execution.events.lending import LendingCache
from execution.events.quotes import QuoteCache
from execution.store import balances, groups, sessions, trading_rules

_ONE_SHARE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Knowledge:
    """Reads; changes nothing. `session_timeout` is how old a heartbeat may be.

    `account` is our name of the one that orders are for.
    """

    quotes: QuoteCache
    lending: LendingCache
    hours: MarketHours
    session_timeout: timedelta
    force_paper: bool
    account: str

    def prices(self, symbols: Iterable[str]) -> Mapping[str, Quote]:
        """The last quotes; none while Redis does not answer."""
        try:
            return self.quotes.get(symbols)
        except EventsUnavailable as error:
            structlog.get_logger().warning("no quotes", error=str(error))
            return {}

    def circumstances(
        self, connection: Connection, plan: Plan, mode: ExecutionMode, now: datetime
    ) -> Circumstances:
        """How both venues, the account and the trust's session stand."""
        statuses = sessions.statuses(connection, self.session_timeout)
        venues = []
        for instrument in (plan.trust, plan.spot):
            broker = broker_of(instrument, mode)
            venues.append(
                Venue(
                    broker=broker,
                    status=statuses.get(broker),
                    currency=instrument.currency,
                    base=instrument.base_currency,
                    balances=balances.load(connection, broker),
                    held=groups.held(connection, mode, instrument.symbol, self.account),
                )
            )
        return Circumstances(
            now=now,
            mode=mode,
            trust=venues[0],
            spot=venues[1],
            closes_at=plan.closes_at(now, self.hours),
            shortable=self._shortable(plan.trust.symbol),
        )

    def lots(self, connection: Connection, plan: Plan) -> Mapping[Role, Lot]:
        """What can be traded of each instrument; a simulated leg keeps its venue's rules too."""
        symbols = {role: plan.instrument(role) for role in Role}
        quoted = self.prices(instrument.symbol for instrument in symbols.values())
        found = {}
        for role, instrument in symbols.items():
            broker = LIVE_ROUTES[instrument.asset_class]
            rules = trading_rules.load(connection, broker, instrument.symbol)
            last = quoted.get(instrument.symbol)
            price = None if last is None else last.mid
            found[role] = _lot(rules, price, _ONE_SHARE if role is Role.TRUST else None)
        return found

    def surroundings(
        self, connection: Connection, plan: Plan, mode: ExecutionMode, now: datetime
    ) -> Surroundings:
        """What a decision on a group needs to know."""
        known = self.circumstances(connection, plan, mode, now)
        return Surroundings(
            now=now,
            leg_limit=plan.bounds.leg_limit,
            lots=self.lots(connection, plan),
            not_both=not_both(known, plan.bounds.leg_limit),
            forced_to_paper=self.force_paper,
        )

    def _shortable(self, symbol: str) -> Shortable | None:
        try:
            return self.lending.get(symbol)
        except EventsUnavailable as error:
            structlog.get_logger().warning("no shortable shares", error=str(error))
            return None


def _lot(rules: TradingRules | None, price: Decimal | None, step: Decimal | None) -> Lot:
    if rules is None:
        return Lot(step=step, price=price)
    steps = [one for one in (step, rules.quantity_step, rules.market_quantity_step) if one]
    least = [one for one in (rules.minimum_quantity, rules.market_minimum_quantity) if one]
    most = [one for one in (rules.maximum_quantity, rules.market_maximum_quantity) if one]
    return Lot(
        step=max(steps, default=None),
        minimum=max(least, default=None),
        maximum=min(most, default=None),
        minimum_value=rules.minimum_notional if rules.minimum_notional_at_market else None,
        price=price,
    )
