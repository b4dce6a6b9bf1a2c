"""For Python producers and consumers: places orders so that a crash in between loses none."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import structlog
from celery import Celery

from execution.domain.commands import CommandKind
from execution.domain.errors import ExecutionError
from execution.domain.mapping import ExchangeMapper
from execution.domain.vocabulary import OrderState
from execution.events.publisher import message
from execution.faultpoints import reach
from execution.instructions import Instructions
from execution.intake import Intake
from execution.settings import Settings, load
from execution.signed_messages import signed_by
from execution.store import commands, outbox, reading, requests, stamp
from execution.store.commands import Command
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
            self._settings.on_failure_default,
            announces=False,
        )
        self._instructions = Instructions(self._store, self._settings.step_deadline)
        self._celery = Celery(
            "producer",
            broker=self._settings.require_redis_url(),
            amqp=signed_by(self._settings.signer),
        )
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
            self._send("tasks.place_order", payload)
        return receipt

    def _send(self, task: str, payload: dict[str, Any]) -> None:
        """Send the message; without it recovery finds what was recorded a few seconds later."""
        try:
            self._celery.send_task(
                task,
                kwargs=payload,
                queue="orders",
                retry_policy={"max_retries": 1, "interval_start": 0},
            )
        except Exception as error:  # noqa: BLE001 - it is committed: nothing may look as if not
            structlog.get_logger().warning(
                "wake-up not sent, recovery will",
                client_order_id=payload.get("client_order_id"),
                error=str(error),
            )

    def cancel(self, client_order_id: str, cancel_id: str | None = None) -> Command:
        """Ask for a cancel; the same cancel_id again is the same cancel.

        A cancel of an order that does not exist yet leaves a mark that cancels it when it comes.
        Returns the command as recorded; `command` tells what became of it. StoreUnavailable.
        """
        payload = {"client_order_id": client_order_id, "cancel_id": cancel_id or str(uuid4())}
        return self._instruct(CommandKind.CANCEL, "tasks.cancel_order", payload)

    def modify(
        self,
        client_order_id: str,
        *,
        expected_version: int,
        modify_id: str | None = None,
        quantity: str | None = None,
        limit_price: str | None = None,
        stop_price: str | None = None,
    ) -> Command:
        """Ask for a change; `quantity` is the new total. Refused when the version is stale."""
        values = {"quantity": quantity, "limit_price": limit_price, "stop_price": stop_price}
        payload = {
            "client_order_id": client_order_id,
            "modify_id": modify_id or str(uuid4()),
            "expected_version": expected_version,
            **{name: value for name, value in values.items() if value is not None},
        }
        return self._instruct(CommandKind.MODIFY, "tasks.modify_order", payload)

    def _instruct(self, kind: CommandKind, task: str, payload: dict[str, Any]) -> Command:
        command = self._instructions.receive(kind, payload)
        self._send(task, payload)
        return command

    def command(self, command: Command) -> Command:
        """A command as it stands now: PENDING, DONE, or REFUSED with the reason."""
        with self._store.statement() as connection:
            return commands.load(connection, command.command_id) or command

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
