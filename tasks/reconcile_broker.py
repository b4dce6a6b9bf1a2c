"""What `execution reconcile` asks for: open orders and positions against the venue, now."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from execution.domain.errors import BrokerError
from execution.domain.ports import Broker
from execution.store import reconciliations
from workers import reconciling
from workers.app import app
from workers.context import context
from workers.registry import session_of

_QUESTIONS = 4
"""Open orders, positions twice, and the pauses in between."""


@app.task(name="tasks.reconcile_broker", ignore_result=True)
def reconcile_broker(reconciliation_id: str) -> None:
    """Compare and write down what was found, or why nothing was. Nothing is corrected."""
    shared, key = context(), UUID(reconciliation_id)
    with shared.store.transaction() as connection:
        broker = reconciliations.wanted(connection, key)
    if broker is None:
        return
    timeout = shared.settings.broker_call_timeout

    async def compare(adapter: Broker) -> dict[str, Any]:
        at_venue = await reconciling.ask(adapter.open_orders(), timeout)
        compared = await reconciling.compare(shared, broker, adapter, at_venue)
        return {
            "open_orders": len(at_venue),
            "positions_compared": compared.positions,
            "breaks": [
                {"kind": one.kind, "key": one.key, "message": one.message}
                for one in compared.breaks
            ],
        }

    found, problem = None, None
    try:
        found = session_of(broker).call(compare, _QUESTIONS * timeout)
    except BrokerError as error:
        problem = str(error)
    with shared.store.transaction() as connection:
        reconciliations.finish(connection, key, found, problem)
