"""Taking a request in: validated, then recorded, accepted or refused, before anything else."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from execution.domain.errors import RequestRefused
from execution.domain.events import OrderEventType, order_event
from execution.domain.identity import uuid7
from execution.domain.instruments import Instrument
from execution.domain.mapping import ExchangeMapper
from execution.domain.payloads import fingerprint, shown, storable
from execution.domain.requests import OrderRequest, parse
from execution.store import requests
from execution.store.engine import Store
from execution.store.requests import Receipt
from execution.store.statements import Link

_SHOWN_ID = 64


def new_id() -> UUID:
    """A fresh time-ordered id."""
    return uuid7(time.time_ns() // 1_000_000, os.urandom(10))


def today() -> date:
    """The date that a symbol is read on."""
    return datetime.now(UTC).date()


class Intake:
    """Records requests. The same id with the same payload is the same request, however often.

    `due` is how long a request may stand before recovery sends it on.
    """

    def __init__(self, store: Store, mapper: ExchangeMapper, due: timedelta) -> None:
        self._store = store
        self._mapper = mapper
        self._due = due

    def understand(self, payload: Mapping[str, Any]) -> tuple[OrderRequest, Instrument]:
        """The request and its instrument. RequestRefused names field, value and rule."""
        request = parse(payload)
        return request, self._mapper.map(request.symbol, request.asset_class, on=today())

    def receive(self, payload: Mapping[str, Any]) -> Receipt:
        """Record a request, any JSON object whatever; returns what became of it.

        When this returns an ACCEPTED receipt, the request is committed. Raises StoreUnavailable.
        """
        body: dict[str, Any]
        try:
            request, instrument = self.understand(payload)
        except RequestRefused as refusal:
            reason: str | None = str(refusal)
            body = storable(dict(payload))
        else:
            reason = None
            body = _meaning(request, instrument)
        client_order_id = readable_id(payload.get("client_order_id"))
        digest = fingerprint(body)
        receipt = self._record(client_order_id, body, digest, reason)
        if receipt is not None:
            return receipt
        with self._store.transaction() as connection:
            known = requests.find(connection, client_order_id, digest)
            accepted = None if known else requests.payload_under(connection, client_order_id)
        if known is None and accepted is not None and self._means(accepted[1], digest):
            known = accepted[0]
        if known is not None:
            return known
        taken = (
            f"client_order_id: {shown(client_order_id)} stands for an order with another payload; "
            "the same id again must come with the same payload"
        )
        refused = self._record(client_order_id, body, digest, taken)
        if refused is not None:
            return refused
        return self.receive(payload)

    def record_within(self, link: Link, payload: Mapping[str, Any]) -> Receipt:
        """Record a request in the caller's transaction, so that it is committed with the rest.

        For what we ask for ourselves, under an id of our own. Raises RequestRefused for a request
        that is none, and for an id that is taken.
        """
        request, instrument = self.understand(payload)
        body = _meaning(request, instrument)
        name, digest = request.client_order_id, fingerprint(body)
        receipt = self._insert(link, name, body, digest, None)
        if receipt is None:
            raise RequestRefused(f"client_order_id: {shown(name)} is taken")
        return receipt

    def refuse(self, body: Mapping[str, Any], reason: str) -> None:
        """Record what must not even be read as a request. It takes no id away. StoreUnavailable."""
        kept = storable(dict(body))
        self._record(None, kept, fingerprint(kept), reason)

    def _means(self, payload: Mapping[str, Any], digest: str) -> bool:
        """Whether a payload that was kept means, by the rules of today, what has this digest.

        It may have been kept by an earlier release, in a form that is another now.
        """
        try:
            return fingerprint(_meaning(*self.understand(payload))) == digest
        except RequestRefused:
            return False

    def _record(
        self, client_order_id: str | None, body: Mapping[str, Any], digest: str, reason: str | None
    ) -> Receipt | None:
        with self._store.direct() as link:
            return self._insert(link, client_order_id, body, digest, reason)

    def _insert(
        self,
        link: Link,
        client_order_id: str | None,
        body: Mapping[str, Any],
        digest: str,
        reason: str | None,
    ) -> Receipt | None:
        request_id, order_id = new_id(), None if reason else new_id()
        event = order_event(
            OrderEventType.REFUSED if reason else OrderEventType.ACCEPTED,
            key=request_id,
            at=datetime.now(UTC),
            client_order_id=client_order_id,
            order_id=order_id,
            symbol=body.get("symbol") if isinstance(body.get("symbol"), str) else None,
            reason=reason,
            step="place_order",
        )
        return requests.record(
            link,
            request_id=request_id,
            order_id=order_id,
            client_order_id=client_order_id,
            payload=body,
            payload_hash=digest,
            reason=reason,
            event=event,
            due=self._due,
        )


def _meaning(request: OrderRequest, instrument: Instrument) -> dict[str, Any]:
    """A request as it is kept and compared; what is the default for its instrument is left out."""
    body = request.canonical()
    if request.time_in_force is not None:
        left_out = request.model_copy(update={"time_in_force": None})
        if request.time_in_force is left_out.effective_time_in_force(instrument.asset_class):
            body.pop("time_in_force")
    return body


def readable_id(value: object) -> str | None:
    """An id to find a request by, a malformed one too; None for what is not even text."""
    return storable(value)[:_SHOWN_ID] if isinstance(value, str) else None
