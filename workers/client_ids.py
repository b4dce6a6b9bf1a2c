"""Client ids of Interactive Brokers among several workers: shared, adopted, given up.

A worker connects under one client id of the range, and sends new orders under it. That of a worker
that is gone is adopted by one that lives, in a session of its own, for as long as there are orders
under it. TWS decides who has a client id: it lets one in at a time, and only after it has dealt
with everything that the one before had sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol
from uuid import UUID

import structlog

from execution.domain.errors import BrokerUnavailable, StoreUnavailable
from execution.domain.lifecycle import control_queue
from execution.domain.vocabulary import BrokerName
from execution.intake import new_id
from execution.settings import Settings
from execution.store import ibkr_client_ids
from execution.store.ibkr_client_ids import Place
from workers import registry
from workers.context import Context
from workers.session import BrokerSession

_ROUNDS = 4
"""How often it is looked for orphans before a session that falls silent counts as gone."""


class Serving(Protocol):
    """Which control queues this worker takes messages from."""

    def serve(self, queue: str) -> None:
        """Take messages from a queue as well."""

    def leave(self, queue: str) -> None:
        """Take none from it any more."""


def place_of(settings: Settings) -> Place:
    """Where the client ids of these settings count."""
    return Place(f"{settings.ibkr_host}:{settings.ibkr_port}", str(settings.ibkr_account))


class Shared:
    """Implements `workers.adapters.ibkr.client_ids.ClientIds` on the table of leases.

    `adopted` is the one client id that it may use, once its lease is written.
    """

    def __init__(
        self, context: Context, session_id: UUID, serving: Serving, adopted: int | None = None
    ) -> None:
        self._context, self._session_id, self._serving = context, session_id, serving
        self._place = place_of(context.settings)
        self._adopted = adopted
        self.channel: int | None = None
        if adopted is not None:
            self._is(adopted)

    @property
    def others(self) -> frozenset[int]:
        return frozenset(self._context.settings.ibkr_client_ids) - {self.channel}

    async def candidates(self) -> Sequence[int]:
        try:
            return await asyncio.to_thread(self._candidates)
        except StoreUnavailable as error:
            raise BrokerUnavailable(f"no client id for TWS: {error}") from error

    def _candidates(self) -> Sequence[int]:
        settings = self._context.settings
        timeout, shared = settings.session_timeout, settings.ibkr_client_ids
        wanted = shared if self._adopted is None else (self._adopted,)
        with self._context.store.transaction() as connection:
            ibkr_client_ids.declare(connection, self._place, shared, timeout)
            held = ibkr_client_ids.held(connection, self._place, self._session_id)
            found = ibkr_client_ids.candidates(
                connection, self._place, wanted, self._session_id, timeout
            )
        if self.channel is not None and self.channel not in held:
            self._is(None)
        if self._adopted is not None and self._adopted not in held:
            raise BrokerUnavailable(f"client id {self._adopted} has been taken up by another")
        return found

    async def accepted(self, client_id: int) -> None:
        try:
            await asyncio.to_thread(self._accepted, client_id)
        except StoreUnavailable as error:
            raise BrokerUnavailable(f"client id {client_id} is not written down: {error}") from None

    def _accepted(self, client_id: int) -> None:
        with self._context.store.transaction() as connection:
            if self.channel not in {None, client_id}:
                ibkr_client_ids.released(connection, self._session_id)
            ibkr_client_ids.accepted(connection, self._place, client_id, self._session_id)
        self._is(client_id)

    def _is(self, channel: int | None) -> None:
        if channel == self.channel:
            return
        if self.channel is not None:
            self._serving.leave(control_queue(BrokerName.IBKR, self.channel))
        if channel is not None:
            self._serving.serve(control_queue(BrokerName.IBKR, channel))
        self.channel = channel


class Alone:
    """Implements `workers.adapters.ibkr.client_ids.ClientIds` for a worker that shares none.

    What is written of ids that were shared before is forgotten, so that all goes to one queue.
    """

    channel = None
    others: frozenset[int] = frozenset()

    def __init__(self, context: Context) -> None:
        self._context, self._place = context, place_of(context.settings)

    async def candidates(self) -> Sequence[int]:
        return self._context.settings.ibkr_client_ids

    async def accepted(self, client_id: int) -> None:
        try:
            await asyncio.to_thread(self._accepted, client_id)
        except StoreUnavailable as error:
            raise BrokerUnavailable(f"client id {client_id} is not written down: {error}") from None

    def _accepted(self, client_id: int) -> None:
        timeout = self._context.settings.session_timeout
        with self._context.store.transaction() as connection:
            ibkr_client_ids.declare(connection, self._place, [client_id], timeout)


class Adopting:
    """Lets a worker that is connected take up the client ids of those that are gone.

    `begin(client_id, session_id)` makes the session of one, not started.
    """

    def __init__(
        self,
        context: Context,
        serving: Serving,
        begin: Callable[[int, UUID], BrokerSession],
    ) -> None:
        self._context, self._serving, self._begin = context, serving, begin
        self._place = place_of(context.settings)
        self._adopted: dict[int, BrokerSession] = {}
        self._log = structlog.get_logger().bind(broker=BrokerName.IBKR.value)

    async def keep_on(self) -> None:
        """Look again and again."""
        pause = self._context.settings.session_timeout.total_seconds() / _ROUNDS
        while True:
            try:
                await asyncio.to_thread(self.look)
            except StoreUnavailable as error:
                self._log.warning("client ids not looked after", error=str(error))
            await asyncio.sleep(pause)

    def look(self) -> None:
        """Say what we have, give up what is not needed, take up one that nobody has."""
        settings = self._context.settings
        self._say()
        for client_id, session in list(self._adopted.items()):
            with self._context.store.transaction() as connection:
                needed = ibkr_client_ids.needed(
                    connection, self._place, client_id, session.session_id
                )
            if not needed:
                self._give_up(client_id, session)
        session_id = new_id()
        # After PostgreSQL was away for long our own sessions look dead there, too.
        ours = {session.channel for session in registry.sessions_of(BrokerName.IBKR)}
        others = [one for one in settings.ibkr_client_ids if one not in ours]
        with self._context.store.transaction() as connection:
            found = ibkr_client_ids.lease_orphan(
                connection, self._place, others, session_id, settings.session_timeout
            )
        if found is not None:
            self._log.warning("client id adopted", client_id=found)
            session = self._begin(found, session_id)
            self._adopted[found] = session
            registry.add(session)
            session.start()

    def _say(self) -> None:
        """What TWS lets us use is ours, though others took us for gone for a while.

        Its control queue is served, whatever became of that: nobody else does.
        """
        for session in registry.sessions_of(BrokerName.IBKR):
            if session.is_ready and session.channel is not None:
                self._serving.serve(control_queue(BrokerName.IBKR, session.channel))
                with self._context.store.transaction() as connection:
                    ibkr_client_ids.accepted(
                        connection, self._place, session.channel, session.session_id
                    )

    def _give_up(self, client_id: int, session: BrokerSession) -> None:
        self._log.info("client id given up", client_id=client_id)
        del self._adopted[client_id]
        registry.remove(session)
        self._serving.leave(control_queue(BrokerName.IBKR, client_id))
        session.stop()
        with self._context.store.transaction() as connection:
            ibkr_client_ids.released(connection, session.session_id)
