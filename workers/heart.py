"""A session's sign of life in the database, for as long as its event loop answers."""

from __future__ import annotations

import os
import socket
import threading
from asyncio import AbstractEventLoop
from collections.abc import Callable
from contextlib import suppress
from uuid import UUID

import structlog

from execution.domain.errors import BrokerError, StoreUnavailable
from execution.domain.vocabulary import BrokerName, SessionStatus
from execution.store import breakers, sessions
from workers.context import Context

_UNTIL_OPENED = 0.5
_LOOP_PATIENCE = 5.0


class Heart:
    """Beats on a thread of its own; whoever falls silent loses what it watches to others.

    `standing` tells how the connection stands, why, and of which account it is; `ask` asks for the
    venue's health, or raises BrokerError: where a circuit breaker is half open, no order is risked
    for that.
    """

    def __init__(
        self,
        broker: BrokerName,
        context: Context,
        session_id: UUID,
        *,
        loop: AbstractEventLoop,
        standing: Callable[[], tuple[SessionStatus, str | None, str]],
        ask: Callable[[], None],
    ) -> None:
        self._broker = broker
        self._context = context
        self._session_id = session_id
        self._loop = loop
        self._standing, self._ask = standing, ask
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"{broker}-heart", daemon=True)
        self._log = structlog.get_logger().bind(broker=broker.value)

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()

    def stop(self) -> None:
        """Beat no more."""
        self._stopping.set()

    def close(self) -> None:
        """Take the session out of the database once it beats no more: what it watched is free."""
        self._thread.join(5)
        with suppress(StoreUnavailable), self._context.store.transaction() as connection:
            sessions.close_session(connection, self._session_id)

    def _beat(self) -> None:
        interval = self._context.settings.session_timeout.total_seconds() / 5
        opened = False
        while not self._stopping.is_set():
            try:
                with self._context.store.transaction() as connection:
                    self._context.clock.read(connection)
                    if not opened:
                        worker = f"{socket.gethostname()}:{os.getpid()}"
                        sessions.open_session(
                            connection,
                            self._session_id,
                            self._broker,
                            worker,
                            force_paper=self._context.settings.force_paper_trading,
                        )
                    if self._loop_answers():
                        sessions.heartbeat(connection, self._session_id, *self._standing())
                opened = True
                self._probe_breaker()
            except StoreUnavailable as error:
                self._log.warning("no heartbeat", error=str(error))
            except Exception:  # noqa: BLE001 - see below
                # A heart that stops lets others take over orders that are watched here.
                self._log.exception("heartbeat failed")
            self._stopping.wait(interval if opened else _UNTIL_OPENED)

    def _loop_answers(self) -> bool:
        """False when the loop is stuck: then silence frees what it watches."""
        answered = threading.Event()
        try:
            self._loop.call_soon_threadsafe(answered.set)
        except RuntimeError:  # it is closed
            return False
        return answered.wait(_LOOP_PATIENCE)

    def _probe_breaker(self) -> None:
        """Half-open: one session asks for the venue's health."""
        settings = self._context.settings
        with self._context.store.transaction() as connection:
            mine = breakers.claim_probe(
                connection,
                self._broker,
                self._session_id,
                cooldown=settings.breaker_cooldown,
                lease=settings.broker_call_timeout * 2,
            )
        if not mine:
            return
        try:
            self._ask()
            healthy = True
        except BrokerError:
            healthy = False
        with self._context.store.transaction() as connection:
            breakers.probed(connection, self._broker, self._session_id, healthy=healthy)
