"""For Python producers and consumers: places orders so that a crash in between loses none."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import structlog
from celery import Celery
from kombu.exceptions import OperationalError

from execution.domain.errors import ExecutionError
from execution.domain.mapping import ExchangeMapper
from execution.domain.vocabulary import OrderState
from execution.events.publisher import message
from execution.faultpoints import reach
from execution.intake import Intake
from execution.settings import Settings, load
from execution.store import outbox, reading, requests, stamp
from execution.store.engine import Store
from execution.store.requests import ACCEPTED, REFUSED, Receipt

_LOOK_EVERY = 0.05


class OrderClient:
    """Places, finds and awaits orders.

    `place` commits the request to PostgreSQL before it sends the wake-up: from its return on the
    order is accepted, whatever happens to Redis, to the workers or to this process. Without
    settings it reads the environment. Safe to use from several threads.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings or load()
        self._store = Store(self._settings.require_database_url(), application_name="client")
        with self._store.transaction() as connection:
            stamp.verify(connection, self._settings.execution_environment)
        self._intake = Intake(
            self._store,
            ExchangeMapper(self._settings.symbol_overrides),
            timedelta(seconds=self._settings.step_deadline.total_seconds()),
        )
        self._celery = Celery("producer", broker=self._settings.require_redis_url())
        self._celery.conf.update(
            broker_transport_options={"socket_timeout": 5, "socket_connect_timeout": 5},
            task_ignore_result=True,
        )

    def place(self, symbol: str, side: str, quantity: str, **fields: Any) -> Receipt:
        """Commit a request, then wake the service; arguments as `tasks.place_order` takes them.

        Returns ACCEPTED, or REFUSED with the reason; a refusal raises nothing. The same
        client_order_id with the same payload is the same order, so after StoreUnavailable, the
        one thing this raises, call it again with the same arguments.
        """
        payload = {"symbol": symbol, "side": side, "quantity": quantity, **fields}
        payload.setdefault("client_order_id", str(uuid4()))
        receipt = self._intake.receive(payload)
        reach("client:committed", receipt.client_order_id)
        if receipt.outcome == ACCEPTED:
            self._wake(payload)
        return receipt

    def _wake(self, payload: dict[str, Any]) -> None:
        """Send the message; without it recovery finds the request a few seconds later."""
        try:
            self._celery.send_task(
                "tasks.place_order",
                kwargs=payload,
                queue="orders",
                retry_policy={"max_retries": 1, "interval_start": 0},
            )
        except OperationalError as error:
            structlog.get_logger().warning(
                "wake-up not sent, recovery will",
                client_order_id=payload["client_order_id"],
                error=str(error),
            )

    def get(self, client_order_id: str) -> dict[str, Any] | None:
        """The order as its columns, or the request while it is none (state ACCEPTED, REFUSED)."""
        with self._store.statement() as connection:
            return reading.order(connection, client_order_id)

    def receipt(self, client_order_id: str) -> Receipt | None:
        """What became of the request under an id."""
        with self._store.statement() as connection:
            return requests.latest(connection, client_order_id)

    def wait(self, client_order_id: str, timeout: float) -> dict[str, Any]:
        """The order once it is final and published, or REFUSED.

        `timeout` is in seconds. Raises TimeoutError when it has not come to its end by then, and
        ExecutionError when there is no such request.
        """
        deadline = time.monotonic() + timeout
        while True:
            order = self.get(client_order_id)
            if order is None:
                raise ExecutionError(f"there is no order {client_order_id}")
            if _is_over(order):
                return order
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"order {client_order_id} is {order['state']} after {timeout:g} s"
                )
            time.sleep(_LOOK_EVERY)

    def fills(self, after: int = 0) -> Iterator[str]:
        """Messages of the `fills` stream after a sequence, as JSON texts, up to the newest."""
        while True:
            with self._store.statement() as connection:
                events = outbox.replay(connection, "fills", after)
            if not events:
                return
            yield from (message(event) for event in events)
            after = events[-1].sequence

    def close(self) -> None:
        """Let go of connections."""
        self._store.close()
        self._celery.close()


def _is_over(order: dict[str, Any]) -> bool:
    if order["state"] == REFUSED:
        return True
    final = order["state"] in {state.value for state in OrderState if state.is_final}
    return final and order.get("due_at") is None
