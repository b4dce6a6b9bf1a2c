"""Taking a request in: validated, then recorded, accepted or refused, before anything else."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from execution.domain.errors import RequestRefused
from execution.domain.events import Event, OrderEventType
from execution.domain.identity import uuid7
from execution.domain.instruments import Instrument
from execution.domain.mapping import ExchangeMapper
from execution.domain.payloads import fingerprint, shown, storable
from execution.domain.requests import OrderRequest, parse
from execution.domain.vocabulary import OnFailure
from execution.store import producers, requests
from execution.store.clock import now
from execution.store.engine import Store
from execution.store.requests import AcceptedUnder, Receipt
from execution.store.statements import Link

_SHOWN_ID = 64


def new_id() -> UUID:
    """A fresh time-ordered id."""
    return uuid7(time.time_ns() // 1_000_000, os.urandom(10))


def today() -> date:
    """The date that a symbol is read on."""
    return now().date()


_Understood = tuple[OrderRequest, Instrument]


class Intake:
    """Records requests. The same id with the same payload is the same request, however often.

    `due` is how long a request may stand before recovery sends it on, `on_failure` what one means
    that does not say it (it is kept as it came, and step 1 decides; this one only compares).
    Without `announces`, which producers have no right to, recovery writes the event of a refusal.
    One that is not `patient` has others waiting: it raises StoreBusy for an id that is held.
    """

    def __init__(
        self,
        store: Store,
        mapper: ExchangeMapper,
        due: timedelta,
        on_failure: OnFailure = OnFailure.PAPER,
        *,
        announces: bool = True,
        patient: bool = True,
    ) -> None:
        self._store = store
        self._mapper = mapper
        self._due = due
        self._on_failure = on_failure
        self._announces = announces
        self._patient = patient

    def understand(self, payload: Mapping[str, Any]) -> tuple[OrderRequest, Instrument]:
        """The request and its instrument. RequestRefused names field, value and rule."""
        request = parse(payload)
        return request, self._mapper.map(request.symbol, request.asset_class, on=today())

    def receive(self, payload: Mapping[str, Any]) -> Receipt:
        """Record a request, any JSON object whatever; returns what became of it.

        When this returns an ACCEPTED receipt, the request is committed. Raises StoreUnavailable.
        """
        body: dict[str, Any]
        understood: _Understood | None = None
        try:
            understood = self.understand(payload)
        except RequestRefused as refusal:
            reason: str | None = str(refusal)
            body = storable(dict(payload))
        else:
            reason = None
            body = _meaning(*understood)
        client_order_id = readable_id(payload.get("client_order_id"))
        digest = fingerprint(body)
        if understood is not None:
            body = _kept(understood[0], body)
        receipt = self._record(client_order_id, body, digest, reason)
        if receipt is not None:
            return receipt
        known = self._known(client_order_id, digest, understood)
        if known is None and (literal := fingerprint(body)) != digest:
            digest = literal
            with self._store.transaction() as connection:
                known = requests.find(connection, client_order_id, digest)
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

    def _known(
        self, client_order_id: str | None, digest: str, understood: _Understood | None
    ) -> Receipt | None:
        """The receipt of the same request, recorded before: by its digest, or by what it means."""
        with self._store.transaction() as connection:
            known = requests.find(connection, client_order_id, digest)
            accepted = requests.accepted_under(connection, client_order_id)
        if accepted is None or understood is None:
            return known
        if known is None:
            return accepted.receipt if self._is_again(accepted, understood) else None
        is_accepted = known.request_id == accepted.receipt.request_id
        return None if is_accepted and self._wants_paper(accepted, understood) else known

    def _wants_paper(self, accepted: AcceptedUnder, understood: _Understood) -> bool:
        """Whether a request asks for paper after a failure where the same one left it to a default.

        Both have one digest, and mean the same only where paper was the default.
        """
        if not understood[0].names_on_failure or "on_failure" in accepted.payload:
            return False
        return (accepted.on_failure or self._on_failure) is not OnFailure.PAPER

    def record_within(self, link: Link, payload: Mapping[str, Any]) -> Receipt:
        """Record a request in the caller's transaction, so that it is committed with the rest.

        For what we ask for ourselves, under an id of our own. Raises RequestRefused for a request
        that is none, and for an id that is taken.
        """
        request, instrument = self.understand(payload)
        body = _meaning(request, instrument)
        name, digest = request.client_order_id, fingerprint(body)
        receipt = self._insert(link, name, _kept(request, body), digest, None)
        if receipt is None:
            raise RequestRefused(f"client_order_id: {shown(name)} is taken")
        return receipt

    def refuse(self, body: Mapping[str, Any], reason: str) -> None:
        """Record what must not even be read as a request. It takes no id away. StoreUnavailable."""
        kept = storable(dict(body))
        self._record(None, kept, fingerprint(kept), reason)

    def _is_again(self, accepted: AcceptedUnder, understood: _Understood) -> bool:
        """Whether a request is, by the rules of today, the one that was accepted under its id.

        That one may have been kept by an earlier release, in a form that is another now. Where
        neither says what follows a failure, the default of then counts for both.
        """
        try:
            kept, instrument = self.understand(accepted.payload)
        except RequestRefused:
            return False
        said = kept.names_on_failure
        kept = kept.with_on_failure(accepted.on_failure or self._on_failure)
        unchanged = not said or kept.on_failure is OnFailure.PAPER
        asked = understood[0].with_on_failure(kept.on_failure if unchanged else self._on_failure)
        return fingerprint(_meaning(kept, instrument)) == fingerprint(
            _meaning(asked, understood[1])
        )

    def _record(
        self, client_order_id: str | None, body: Mapping[str, Any], digest: str, reason: str | None
    ) -> Receipt | None:
        with self._store.direct() as link:
            if not self._patient:
                producers.wait_briefly(link)
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
        event: Event | None = None
        due: timedelta | None = self._due if reason is None else timedelta(0)
        if reason is not None and self._announces:
            due = None
            event = requests.outcome_event(
                OrderEventType.REFUSED,
                request_id=request_id,
                order_id=None,
                client_order_id=client_order_id,
                payload=body,
                reason=reason,
                at=now(),
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
            due=due,
        )


def _meaning(request: OrderRequest, instrument: Instrument) -> dict[str, Any]:
    """A request as it is kept and compared; what is the default for its instrument is left out."""
    body = request.canonical()
    if request.time_in_force is not None:
        left_out = request.model_copy(update={"time_in_force": None})
        if request.time_in_force is left_out.effective_time_in_force(instrument.asset_class):
            body.pop("time_in_force")
    return body


def _kept(request: OrderRequest, body: dict[str, Any]) -> dict[str, Any]:
    """What is kept of a request: paper after a failure, too, where that was asked for by name."""
    if not request.names_on_failure:
        return body
    return body | {"on_failure": request.on_failure.value}


def readable_id(value: object) -> str | None:
    """An id to find a request by, a malformed one too; None for what is not even text."""
    return storable(value)[:_SHOWN_ID] if isinstance(value, str) else None
