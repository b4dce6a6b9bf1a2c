"""An order's life as a state machine: PostgreSQL against a plain model, whatever happens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import text

from execution.domain.lifecycle import Step
from execution.domain.ports import Modification
from execution.domain.reports import ReportKind, VenueOrder
from execution.domain.vocabulary import OrderState
from execution.store import amendments, executions, orders, outbox, positions, reports
from execution.store.engine import Store
from execution.store.loading import load

from .stored import TIMING, reload, step5, submitted, trade

QUANTITY = Decimal(10)


@dataclass(frozen=True)
class Modelled:
    """An execution as the model knows it: what counts of it now."""

    name: str
    quantity: Decimal
    price: Decimal
    second: int


class OrderLife(RuleBasedStateMachine):
    """One order at its venue. What is told is applied only when step 6 runs, in any order."""

    store: ClassVar[Store]
    account_number: ClassVar[int] = 0
    trades = Bundle("trades")

    @initialize()
    def begin(self) -> None:
        type(self).account_number += 1
        self.account = f"account-{self.account_number}"
        self.order = submitted(self.store, quantity=str(QUANTITY), account=self.account)
        self.quantity = QUANTITY
        self.told: dict[str, Modelled] = {}
        self.busted: set[str] = set()
        self.applied: dict[str, Modelled] = {}
        self.count = 0
        self.cancelled_at: Decimal | None = None
        self.overfilled = False

    def _tell(self, name: str, values: Modelled, kind: ReportKind, corrects: str | None) -> None:
        told = trade(
            self.order,
            name,
            str(values.quantity),
            str(values.price),
            second=values.second,
            kind=kind,
            corrects=None if corrects is None else f"{self.order.order_id}-{corrects}",
        )
        with self.store.transaction() as connection:
            reports.record(connection, self.order, [told])

    @rule(
        target=trades,
        quantity=st.integers(1, 4).map(Decimal),
        price=st.integers(90, 110).map(Decimal),
        second=st.integers(0, 100),
    )
    def execute(self, quantity: Decimal, price: Decimal, second: int) -> str:
        """The venue reports an execution, with any time."""
        self.count += 1
        name = f"e{self.count}"
        self.told[name] = Modelled(name, quantity, price, second)
        self._tell(name, self.told[name], ReportKind.TRADE, None)
        return name

    @rule(name=trades)
    def repeat(self, name: str) -> None:
        """The same execution is reported again; if it was changed since, in its first form."""
        first = trade(self.order, name, "1", "1")
        with self.store.transaction() as connection:
            assert reports.record(connection, self.order, [first]) == 0

    @precondition(lambda self: set(self.applied) - self.busted)
    @rule(data=st.data(), price=st.integers(90, 110).map(Decimal))
    def correct(self, data: st.DataObject, price: Decimal) -> None:
        """The venue corrects the price of an execution that was applied."""
        name = data.draw(st.sampled_from(sorted(set(self.applied) - self.busted)))
        self.count += 1
        changed = replace(self.told[name], price=price)
        self._tell(f"c{self.count}", changed, ReportKind.CORRECTION, name)
        self.told[name] = changed
        self.step6()

    @precondition(lambda self: set(self.applied) - self.busted)
    @rule(data=st.data())
    def bust(self, data: st.DataObject) -> None:
        """The venue takes an execution back."""
        name = data.draw(st.sampled_from(sorted(set(self.applied) - self.busted)))
        self.count += 1
        self.busted.add(name)
        self._tell(f"b{self.count}", self.told[name], ReportKind.BUST, name)
        self.step6()

    @precondition(lambda self: self.cancelled_at is None)
    @rule()
    def cancelled_by_venue(self) -> None:
        """The venue ends the order, and says how much it had filled."""
        self.cancelled_at = self._sum(self.told)
        said = VenueOrder(
            broker_order_id="1",
            state=OrderState.CANCELLED,
            symbol=self.order.symbol,
            side=self.order.side,
            quantity=self.quantity,
            filled_quantity=self.cancelled_at,
        )
        current = reload(self.store, self.order.order_id)
        with self.store.transaction() as connection:
            orders.news(connection, current, said, TIMING.step)

    @precondition(lambda self: self.cancelled_at is None)
    @rule(quantity=st.integers(1, 20).map(Decimal))
    def modify(self, quantity: Decimal) -> None:
        """The total changes, where it may."""
        current = reload(self.store, self.order.order_id)
        if current.state.is_final or quantity <= self._sum(self.told):
            return
        with self.store.transaction() as connection:
            assert amendments.modified(connection, current, Modification(quantity=quantity))
        self.quantity = quantity

    @rule()
    def stale_change(self) -> None:
        """A change on a version that has passed does nothing."""
        stale = replace(self.order, version=0)
        with self.store.transaction() as connection:
            assert not amendments.modified(connection, stale, Modification(quantity=Decimal(99)))
            assert not orders.fill_heard(connection, stale, TIMING)

    @rule()
    def step6(self) -> None:
        """Reports become fills, once those before them are in the position."""
        if not reload(self.store, self.order.order_id).awaits_fill:
            self.step7()
        step5(self.store, self.order.order_id)
        with self.store.transaction() as connection:
            executions.apply_to_order(connection, self.order.order_id, TIMING.step)
        self.applied = dict(self.told)

    @rule()
    def step7(self) -> None:
        """Fills move the position."""
        with self.store.transaction() as connection:
            positions.apply_for_order(connection, self.order.order_id, TIMING.step)

    @rule()
    def step8(self) -> None:
        """Messages are out; what was reported meanwhile is due."""
        with self.store.transaction() as connection:
            current = load(connection, self.order.order_id, lock=True)
            assert current is not None
            if current.step == Step.UPDATE_POSITIONS:
                done = orders.published(connection, current, TIMING.step)
                assert done is not None
                assert (done.due_at is not None) == current.has_news

    def _sum(self, what: dict[str, Modelled]) -> Decimal:
        return sum(
            (one.quantity for one in what.values() if one.name not in self.busted), Decimal(0)
        )

    @invariant()
    def filled_is_the_sum(self) -> None:
        """Quantity and average price are those of the executions applied."""
        current = reload(self.store, self.order.order_id)
        good = [one for one in self.applied.values() if one.name not in self.busted]
        filled = sum((one.quantity for one in good), Decimal(0))
        assert current.filled_quantity == filled
        if filled:
            value = sum((one.quantity * one.price for one in good), Decimal(0))
            assert abs((current.average_price or 0) * filled - value) < Decimal("1e-15")
        if filled and filled >= self.quantity:
            assert current.state is OrderState.FILLED
        else:
            assert current.state is not OrderState.FILLED

    @invariant()
    def position_is_the_sum(self) -> None:
        """Once step 7 has run there is nothing between fills and position."""
        current = reload(self.store, self.order.order_id)
        if current.unapplied or current.unfinished:
            return
        with self.store.statement() as connection:
            held = connection.execute(
                text("SELECT quantity FROM positions WHERE account = :account"),
                {"account": self.account},
            ).scalar_one_or_none()
        assert (held or 0) == self._sum(self.applied)

    def teardown(self) -> None:
        """Every event can be numbered, without a gap."""
        with self.store.transaction() as connection:
            outbox.number(connection)


@pytest.fixture(scope="module")
def store(module_database_url: str) -> Iterator[Store]:
    """One database for all lives."""
    store = Store(module_database_url)
    yield store
    store.close()


def test_order_life(store: Store) -> None:
    """No sequence of events makes the tables differ from the model."""
    OrderLife.store = store
    run_state_machine_as_test(
        OrderLife,
        settings=settings(
            max_examples=40,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
