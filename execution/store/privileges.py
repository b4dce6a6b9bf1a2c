"""What each user of the database may do to each table; nothing that is not listed here is allowed.

What happened at a broker stays: of orders, executions, positions and events nobody deletes a row,
and a worker changes the columns listed here only. Everything else is written once.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Role(StrEnum):
    """Who connects, and as what it is known to PostgreSQL."""

    MIGRATE = "execution_migrate"
    """Owns the tables: `execution migrate` and nothing else."""
    WORK = "execution_work"
    """Workers, and people who run `recover` or `resolve`: rows are added and changed."""
    PRODUCE = "execution_produce"
    """Producers with an `OrderClient`: requests come in, results are read."""
    METRICS = "execution_metrics"
    """The exporter: reads everything but keys, and keeps its own totals."""
    READ = "execution_read"
    """Consumers that replay events, and reports."""


_ORDER = """quantity limit_price stop_price trail_amount trail_percent time_in_force expires_at
    reduce_only account broker execution_mode state reason route_reason broker_order_id attempt_no
    filled_quantity average_price version step due_at resends updated_at"""
_POSITION = """account asset_class multiplier currency quantity average_price realised_pnl
    commission costs last_executed_at last_fill_id updated_at"""
UPDATED: Mapping[str, str] = {
    "account_balances": "balances heard_at",
    "alerts": "message at resolved_at",
    "bookings": "reversed_at reversed_by reversal_evidence",
    "brackets": """version due_at resends lease_owner lease_until taken closed flatten short_since
        failures retry_at bare_since bare over""",
    "breakers": """state failures total_failures reason opened_at probe_owner probe_until
        updated_at""",
    "broker_accounts": "owned alias converted converted_at",
    "broker_sessions": "account status detail since heartbeat_at ended_at",
    "candles": "open high low close volume fetched_at",
    "environment_stamp": "accounts",
    "events": "sequence",
    "execution_reports": """account instrument_key symbol venue_order_id order_id attempt_id
        applied_at""",
    "fills": """account instrument_key symbol order_id attempt_id quantity price commission
        commission_currency currency base_asset multiplier status cumulative_quantity
        leaves_quantity average_price order_state revised revisions announced_at positioned_at
        position_quantity position_average_price position_realised_pnl position_commission
        position_costs""",
    "ibkr_client_ids": "session_id leased_at",
    "ibkr_order_ids": "venue_order_id",
    "measured": "upto upto_id",
    "measured_totals": "total seconds",
    "nav_group_legs": "quantity placed_at",
    "nav_groups": """state phase reason entered_at trust_price spot_price conversion coins_per_share
        spread z unhedged_coins exit_reason pnl uncounted version phase_since updated_at
        ended_at""",
    "nav_looks": """looked_at said unjudged doubted_spread doubted_coins doubted_coins_as_of""",
    "order_attempts": """account broker_order_id quantity filled_quantity state reason error_code
        intent_at intents send_by lease_owner lease_until watcher reported_state reported_quantity
        reported_reason replacement closes reduced cancel_asked_at end_cause outdated claimed
        claimed_at updated_at""",
    "order_commands": "outcome reason sent_at sends last_send_at fitted settled_at due_at resends",
    "order_requests": "outcome reason step spec due_at resends",
    "orders": _ORDER,
    "paper_orders": """quantity filled_quantity state reason terms version executions triggered_at
        taken_at trail_extreme taken_quantity""",
    "paper_positions": _POSITION,
    "positions": _POSITION,
    "process_clocks": "host ahead measured_at",
    "reconciliations": "finished_at found problem",
    "risk_controls": "version",
    "risk_limits": "value reason set_by set_at",
    "risk_rates": "sent_at",
    "step_latencies": "steps seconds",
    "streams": "last_sequence published_sequence",
    "trading_rules": "rules updated_at",
    "trading_states": "state reason changed_by changed_at halted_until",
    "venue_contracts": "symbol asset_class currency multiplier named_at",
    "venue_pauses": "until reason heard_at",
}
"""The columns that workers update; a table that is not here is only added to."""
DELETED = frozenset(
    {
        "account_snapshots",
        "dead_letters",
        "ibkr_client_ids",
        "process_clocks",
        "quotes",
        "risk_limits",
        "step_latencies",
    }
)
"""What workers, and people who set limits, also take away: it is no record of any order."""
SECRET = frozenset({"signing_keys"})
"""What nobody reads but the workers, who sign with it."""
LOCKED = frozenset({"order_gate"})
"""What workers and operators lock (`execution.store.order_gate`), for which PostgreSQL wants
UPDATE; nobody else may, and there is nothing in it."""
OWNERS = frozenset({"alembic_version"})
"""The migrations' own: others may read it."""
PRODUCED: Mapping[str, str] = {
    "order_requests": """request_id client_order_id payload payload_hash outcome reason order_id
        due_at""",
    "order_commands": """command_id kind client_order_id external_id payload payload_hash outcome
        reason due_at""",
    "environment_stamp": "environment",
}
"""The columns of the rows that producers add. Steps, specs and events are the workers' to write:
a request is judged again by step 1, and a worker publishes what became of it."""
MEASURED: Mapping[str, str] = {
    "measured": "SELECT, INSERT, UPDATE",
    "measured_totals": "SELECT, INSERT, UPDATE",
    "step_latencies": "SELECT, INSERT, UPDATE, DELETE",
    "fill_measures": "SELECT, INSERT",
    "quotes": "SELECT, DELETE",
    "process_clocks": "SELECT, INSERT, UPDATE, DELETE",
    "alerts": "SELECT, INSERT, UPDATE",
}
"""What the exporter keeps, how far its clock is off, and the quotes that it no longer needs."""


def allowed(table: str) -> Mapping[Role, str]:
    """Privileges on a table, as GRANT takes them; workers may add to a table that is new here."""
    if table in LOCKED:
        return {Role.WORK: "SELECT, UPDATE"}
    if table in SECRET:
        return {Role.WORK: "SELECT"}
    return {
        Role.WORK: "SELECT" if table in OWNERS else _work(table),
        Role.PRODUCE: _with_columns("SELECT", "INSERT", PRODUCED.get(table)),
        Role.METRICS: MEASURED.get(table, "SELECT"),
        Role.READ: "SELECT",
    }


def _work(table: str) -> str:
    deletes = ", DELETE" if table in DELETED else ""
    return _with_columns("SELECT, INSERT", "UPDATE", UPDATED.get(table)) + deletes


def _with_columns(others: str, privilege: str, columns: str | None) -> str:
    """Privileges with one that is granted on columns only, or not at all."""
    return others if columns is None else f"{others}, {privilege} ({', '.join(columns.split())})"


CONNECTIONS: Mapping[Role, float] = {Role.PRODUCE: 0.25, Role.READ: 0.15, Role.METRICS: 0.05}
"""The most connections of a role, as a share of the server's `max_connections`: whoever opens as
many as he can leaves the workers theirs."""
