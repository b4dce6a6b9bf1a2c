"""Orders brought to a step by the store's own transactions, without workers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text

from execution.domain.creation import make_order
from execution.domain.mapping import ExchangeMapper
from execution.domain.order_changes import Timing
from execution.domain.orders import Order
from execution.domain.reports import Execution, ReportKind, VenueOrder
from execution.domain.routing import Route, Verdict
from execution.domain.vocabulary import AssetClass, BrokerName, Environment, OrderState, Side
from execution.intake import Intake, new_id
from execution.store import controls, executions, inserting, orders, positions, reports, requests
from execution.store.engine import Store
from execution.store.loading import load

TIMING = Timing(timedelta(seconds=5), timedelta(seconds=5), timedelta(seconds=10))
START = datetime(2026, 1, 5, 12, tzinfo=UTC)
SESSION = uuid4()


def persisted(store: Store, broker: BrokerName = BrokerName.BINANCE, **fields: Any) -> Order:
    """An order after step 2, at `broker`."""
    intake = Intake(store, ExchangeMapper(), TIMING.step)
    payload = {
        "symbol": "BTC-USDT",
        "side": "BUY",
        "quantity": "3",
        "client_order_id": uuid4().hex,
        **fields,
    }
    receipt = intake.receive(payload)
    assert receipt.order_id is not None, receipt.reason
    request, instrument = intake.understand(payload)
    verdict = Verdict.PAPER if broker is BrokerName.PAPER else Verdict.LIVE
    # A broker that takes such an order: one of step 1's refusals does not go on.
    bracket = fields.keys() & {"take_profit_price", "stop_loss_price"}
    at_binance = instrument.asset_class is AssetClass.CRYPTO and not bracket
    requested = BrokerName.BINANCE if at_binance else broker
    made = make_order(
        request,
        instrument,
        Route(requested, broker, verdict),
        order_id=receipt.order_id,
        attempt_id=new_id(),
        environment=Environment.PRACTICE,
        default_account="main",
        now=START,
    )
    with store.transaction() as connection:
        found = requests.accepted(connection, receipt.order_id)
        assert found is not None
        spec = requests.spec_of(made, instrument)
        assert requests.prepare(connection, found, spec, TIMING.step)
        assert inserting.insert(connection, receipt.order_id, TIMING.step, spec)
    assert made["order"]["state"] is OrderState.PENDING, made["order"]["reason"]
    return reload(store, receipt.order_id)


def reload(store: Store, order_id: UUID) -> Order:
    """The order as it is now."""
    with store.transaction() as connection:
        order = load(connection, order_id)
    assert order is not None
    return order


def intended(store: Store, order: Order) -> Order:
    """The order with its intent committed."""
    with store.transaction() as connection:
        assert orders.gateway_connected(connection, order, TIMING)
        connected = load(connection, order.order_id)
        assert connected is not None
        version = controls.load(connection).version
        sent = orders.commit_intent(connection, connected, SESSION, TIMING, version)
    assert sent is not None
    return sent


def submitted(store: Store, broker: BrokerName = BrokerName.BINANCE, **fields: Any) -> Order:
    """An order that the venue holds, unfilled."""
    return acknowledged(store, persisted(store, broker, **fields))


def acknowledged(store: Store, order: Order) -> Order:
    """An order after step 2 once the venue holds it, unfilled."""
    order = intended(store, order)
    said = VenueOrder(
        broker_order_id="1",
        state=OrderState.SUBMITTED,
        symbol=order.symbol,
        side=order.side,
        quantity=order.quantity,
    )
    with store.transaction() as connection:
        assert orders.acknowledged(connection, order, said, SESSION, TIMING)
    return reload(store, order.order_id)


def trade(
    order: Order, execution_id: str, quantity: str, price: str, *, second: int = 0, **changes: Any
) -> Execution:
    """An execution of an order, `second` seconds after the start."""
    values: dict[str, Any] = {
        "execution_id": f"{order.order_id}-{execution_id}",
        "symbol": order.symbol,
        "side": Side(order.side),
        "quantity": Decimal(quantity),
        "price": Decimal(price),
        "executed_at": START + timedelta(seconds=second),
        "kind": ReportKind.TRADE,
        "venue_order_id": order.attempt.venue_order_id,
        **changes,
    }
    return Execution(**values)


def apply(store: Store, order: Order, *told: Execution) -> Order:
    """Report executions and run steps 5 to 7 for them."""
    with store.transaction() as connection:
        reports.record(connection, order, told)
    step5(store, order.order_id)
    with store.transaction() as connection:
        executions.apply_to_order(connection, order.order_id, TIMING.step)
    with store.transaction() as connection:
        positions.apply_for_order(connection, order.order_id, TIMING.step)
    return reload(store, order.order_id)


def step5(store: Store, order_id: UUID) -> bool:
    """Do what step 5 does with an order that has something to apply; False when it has not."""
    with store.transaction() as connection:
        order = load(connection, order_id, lock=True)
        if order is None or not (order.awaits_fill and (order.unapplied or order.unfinished)):
            return False
        return orders.fill_heard(connection, order, TIMING) is not None


def rows_read_so_far(store: Store) -> int:
    """Rows that scans of tables and indexes have read so far, by whichever connection."""
    for way in (store.direct, store.transaction):
        with way() as link:
            link.connection.cursor().execute("SELECT pg_stat_force_next_flush()")
    with store.transaction() as connection:
        total = connection.execute(
            text(
                "SELECT sum(seq_tup_read) + sum(coalesce(idx_tup_fetch, 0))"
                " FROM pg_stat_user_tables WHERE relname NOT IN ('streams', 'alembic_version')"
            )
        ).scalar_one()
    return int(total)
