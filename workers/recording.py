"""What a broker's session writes down: what the venue says, and which orders it watches.

All of it blocks until the database has it, so the session calls it in threads. StoreUnavailable.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

import psycopg2
from sqlalchemy import exc

from execution.domain.orders import Order
from execution.domain.ports import Attempt
from execution.domain.reports import Account, Execution, VenueOrder
from execution.domain.trading_rules import TradingRules
from execution.domain.vocabulary import BrokerName
from execution.faultpoints import within
from execution.store import alerts, balances, loading, orders, reports, sessions, trading_rules
from execution.store.statements import Link
from workers.context import Context

_OF_DATA = (
    ValueError,
    psycopg2.DataError,
    psycopg2.IntegrityError,
    exc.DataError,
    exc.IntegrityError,
)
"""What is raised where the database does not take a value: nothing else would be taken the next
time, and everybody else's news would wait for it."""


class Recorder:
    """Writes for one session; `wake` is called with an order that has news for step 5.

    `account` is the login's own, by its real name once it is known.
    """

    def __init__(
        self,
        broker: BrokerName,
        context: Context,
        session_id: UUID,
        wake: Callable[[Order], None],
    ) -> None:
        self._broker = broker
        self._context = context
        self._session_id = session_id
        self._wake = wake
        self.account: str = context.settings.default_account

    def claim(self, channel: int | None) -> list[Attempt]:
        """Take over waiting orders that nobody alive watches; see `sessions.adopt`."""
        with within("adopt"), self._context.store.transaction() as connection:
            found = sessions.adopt(
                connection,
                self._session_id,
                self._broker,
                self._context.settings.session_timeout,
                channel=channel,
            )
        return [order.for_venue() for order in found]

    def news(self, said: VenueOrder) -> None:
        """What the venue says of an order; step 5 is woken when it is news."""
        try:
            news = self._news(said)
        except _OF_DATA as error:
            self._not_recorded(said.venue_order_id or said.broker_order_id, said, error)
            return
        for order in news:
            self._wake(order)

    def _news(self, said: VenueOrder) -> list[Order]:
        with within("news"), self._context.store.brief() as link:
            order = _load(link, said.venue_order_id) if said.venue_order_id else None
            if order is None:
                return self._keep(link, said.executions)
            now = orders.news(link, order, said, self._context.timing.step)
            return [] if now is None else [now]

    def executions(self, heard: Sequence[Execution]) -> None:
        """Executions of the account, whosever they are; step 5 of their orders is woken."""
        try:
            with within("listen"), self._context.store.brief() as link:
                news = self._keep(link, heard)
        except _OF_DATA as error:
            if len(heard) == 1:
                self._not_recorded(heard[0].execution_id, heard[0], error)
                return
            for one in heard:
                self.executions([one])
            return
        for order in news:
            self._wake(order)

    def _not_recorded(self, key: str, said: object, error: Exception) -> None:
        """Raise an alert for what the database does not take; all else goes on."""
        with self._context.store.transaction() as connection:
            alerts.alert(
                connection,
                alerts.UNREADABLE_MESSAGE,
                f"{self._broker}:{key!r}",
                f"{self._broker}: what it says could not be recorded: {said!r} ({error!r})",
                broker=self._broker,
            )

    def _keep(self, link: Link, heard: Sequence[Execution]) -> list[Order]:
        """Record executions; the orders that have news by them."""
        new = reports.record_from_venue(
            link,
            heard,
            broker=self._broker,
            environment=self._context.settings.execution_environment,
            account=self.account,
            due=self._context.timing.step,
        )
        found = [loading.load(link, key) for key in dict.fromkeys(new) if key is not None]
        return [order for order in found if order is not None]

    def rules(self, rules: Sequence[TradingRules]) -> None:
        """What the venue takes of each instrument."""
        with self._context.store.transaction() as connection:
            trading_rules.record(connection, self._broker, rules)

    def balances(self, accounts: Sequence[Account]) -> None:
        """What each account holds."""
        with self._context.store.transaction() as connection:
            for account in accounts:
                balances.record(connection, self._broker, account)


def _load(link: Link, venue_order_id: str) -> Order | None:
    """The order whose current attempt, or another that works as well, the venue speaks of."""
    current = loading.load_by_venue_id(link, venue_order_id)
    return current or loading.load_standing(link, venue_order_id)
