"""Every table. What must be unique lives in plain tables; append-only history in hypertables."""

from execution.store.schema.arbitrage import (
    nav_confirmations,
    nav_group_events,
    nav_group_legs,
    nav_groups,
    nav_looks,
    nav_observations,
)
from execution.store.schema.bookings import bookings
from execution.store.schema.brackets import brackets
from execution.store.schema.brokers import (
    account_balances,
    account_snapshots,
    alerts,
    breakers,
    broker_accounts,
    broker_sessions,
    environment_stamp,
    ibkr_client_ids,
    ibkr_order_ids,
    reconciliations,
    venue_contracts,
    venue_pauses,
)
from execution.store.schema.columns import metadata
from execution.store.schema.executions import execution_reports, fills, paper_positions, positions
from execution.store.schema.history import history_heads, history_seals
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
    process_clocks,
    step_latencies,
)
from execution.store.schema.orders import (
    order_attempts,
    order_commands,
    order_events,
    order_requests,
    orders,
)
from execution.store.schema.risk import (
    order_gate,
    risk_changes,
    risk_controls,
    risk_limits,
    risk_rates,
    trading_states,
)
from execution.store.schema.streams import events, streams

__all__ = [
    "account_balances",
    "account_snapshots",
    "alerts",
    "bookings",
    "brackets",
    "breakers",
    "broker_accounts",
    "broker_sessions",
    "candles",
    "environment_stamp",
    "events",
    "execution_reports",
    "fill_measures",
    "fills",
    "history_heads",
    "history_seals",
    "ibkr_client_ids",
    "ibkr_order_ids",
    "measured",
    "measured_totals",
    "metadata",
    "nav_confirmations",
    "nav_group_events",
    "nav_group_legs",
    "nav_groups",
    "nav_looks",
    "nav_observations",
    "order_attempts",
    "order_commands",
    "order_events",
    "order_gate",
    "order_requests",
    "orders",
    "paper_executions",
    "paper_orders",
    "paper_positions",
    "positions",
    "process_clocks",
    "quotes",
    "reconciliations",
    "risk_changes",
    "risk_controls",
    "risk_limits",
    "risk_rates",
    "step_latencies",
    "streams",
    "trading_rules",
    "trading_states",
    "venue_contracts",
    "venue_pauses",
]
