"""Taking cancels and modifies in: validated, then recorded, before anything else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from execution.domain.commands import (
    CancelRequest,
    CommandKind,
    ModifyRequest,
    parse_cancel,
    parse_modify,
)
from execution.domain.errors import RequestRefused
from execution.domain.payloads import fingerprint, shown, storable
from execution.intake import new_id, readable_id
from execution.store import commands, producers
from execution.store.commands import Command
from execution.store.engine import Store

_PARSERS: dict[CommandKind, Callable[[Mapping[str, Any]], CancelRequest | ModifyRequest]] = {
    CommandKind.CANCEL: parse_cancel,
    CommandKind.MODIFY: parse_modify,
}
_EXTERNAL_ID = {CommandKind.CANCEL: "cancel_id", CommandKind.MODIFY: "modify_id"}


class Instructions:
    """Records commands; the same id with the same payload is the same command.

    `due` is how long a command may stand before recovery sends it on. One that is not `patient` has
    others waiting: it raises StoreBusy for an id that is held.
    """

    def __init__(self, store: Store, due: timedelta, *, patient: bool = True) -> None:
        self._store = store
        self._due = due
        self._patient = patient

    def receive(self, kind: CommandKind, payload: Mapping[str, Any]) -> Command:
        """Record a command, any JSON object whatever. Raises StoreUnavailable."""
        try:
            body = _PARSERS[kind](payload).canonical()
            reason = None
        except RequestRefused as refusal:
            body, reason = storable(dict(payload)), str(refusal)
        client_order_id = readable_id(payload.get("client_order_id"))
        external_id = readable_id(payload.get(_EXTERNAL_ID[kind]))
        digest = fingerprint(body)
        for why in (reason, self._taken(kind, external_id)):
            with self._store.transaction() as connection:
                if not self._patient:
                    producers.wait_briefly(connection)
                found = commands.find(connection, kind, client_order_id, external_id, digest)
                if found is None:
                    found = commands.record(
                        connection,
                        command_id=new_id(),
                        kind=kind,
                        client_order_id=client_order_id,
                        external_id=external_id,
                        payload=body,
                        payload_hash=digest,
                        reason=why,
                        due=self._due,
                    )
            if found is not None:
                return found
        return self.receive(kind, payload)

    @staticmethod
    def _taken(kind: CommandKind, external_id: str | None) -> str:
        return f"{_EXTERNAL_ID[kind]}: {shown(external_id)} was used with another payload"
