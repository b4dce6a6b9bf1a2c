"""Every table. What must be unique lives in plain tables; append-only history in hypertables."""

from execution.store.schema.arbitrage import nav_observations
from execution.store.schema.brokers import (
    alerts,
    breakers,
    broker_sessions,
    environment_stamp,
    ibkr_order_ids,
)
from execution.store.schema.columns import metadata
from execution.store.schema.executions import execution_reports, fills, paper_positions, positions
from execution.store.schema.market import (
    candles,
    paper_executions,
    paper_orders,
    quotes,
    trading_rules,
)
from execution.store.schema.measurements import (
    fill_measures,
    measured,
    measured_totals,
    step_latencies,
)
from execution.store.schema.orders import (
    order_attempts,
    order_commands,
    order_events,
    order_requests,
    orders,
)
from execution.store.schema.streams import events, streams

__all__ = [
    "alerts",
    "breakers",
    "broker_sessions",
    "candles",
    "environment_stamp",
    "events",
    "execution_reports",
    "fill_measures",
    "fills",
    "ibkr_order_ids",
    "measured",
    "measured_totals",
    "metadata",
    "nav_observations",
    "order_attempts",
    "order_commands",
    "order_events",
    "order_requests",
    "orders",
    "paper_executions",
    "paper_orders",
    "paper_positions",
    "positions",
    "quotes",
    "step_latencies",
    "streams",
    "trading_rules",
]
