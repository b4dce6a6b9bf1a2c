"""placeOrder, cancelOrder and reqGlobalCancel."""

from __future__ import annotations

from collections.abc import Sequence

from simulators.faults import Fault, FaultKind
from simulators.ib_gateway import order_messages
from simulators.ib_gateway.codes import (
    AMBIGUOUS,
    CANCELLED,
    CANNOT_CANCEL,
    NOT_CANCELLABLE,
    REJECTED,
    Refusal,
    code_of,
)
from simulators.ib_gateway.contracts import Contract, Description
from simulators.ib_gateway.records import Order
from simulators.ib_gateway.requests import PlaceOrder, read_place_order
from simulators.ib_gateway.session import Request, Session
from simulators.ib_gateway.wire import Fields


def place(session: Session, message: Sequence[str]) -> Request:
    """A new order, a change of one, or the question what an order would do."""
    asked = read_place_order(message)
    return _Placing(session, asked).request()


def cancel(session: Session, fields: Fields) -> Request:
    """A cancel; manualOrderCancelTime is read over."""
    fields.skip(1)
    order_id = fields.integer()
    client_id = session.client_id or 0
    desk = session.gateway.desk
    order = session.gateway.register.order_of(client_id, order_id)
    if order is not None and order.venue_order_id:
        session.gateway.cancels[order.venue_order_id] += 1
    if order is not None and order.cancelling:
        return _refusal(order_id, NOT_CANCELLABLE.refusal(order.perm_id))
    begun: list[Order] = []

    def act() -> bool:
        desk.ask_cancel(begun[0] if begun else desk.cancellable(client_id, order_id))
        return True

    def delayed() -> None:
        if order is not None and order.is_working:
            desk.begin_cancel(order)
            begun.append(order)

    def rejected(fault: Fault) -> None:
        session.error(order_id, code_of(fault, CANNOT_CANCEL.number), fault.reason)

    return Request(
        act,
        "cancel",
        order_id,
        order.symbol if order else None,
        order.venue_order_id if order else None,
        key=(client_id, order_id),
        delayed=delayed,
        rejected=rejected,
    )


def cancel_all(session: Session, _: Fields) -> Request:
    """Cancel every order there is."""

    def act() -> bool:
        session.gateway.desk.cancel_all()
        return True

    return Request(act, "cancel")


class _Placing:
    """One placeOrder on its way in."""

    def __init__(self, session: Session, asked: PlaceOrder) -> None:
        self._session = session
        self._asked = asked
        self._client_id = session.client_id or 0
        self._gateway = session.gateway
        self._desk = session.gateway.desk
        self._live = self._desk.live(self._client_id, asked.order_id)

    def request(self) -> Request:
        """The request; a new order's id is taken as it arrives."""
        asked = self._asked
        if not asked.what_if:
            try:
                self._desk.reserve(self._client_id, asked.order_id)
            except Refusal as refusal:
                return self._refused(refusal)
        operation = "query" if asked.what_if else "modify" if self._live else "submit"
        return Request(
            self._what_if if asked.what_if else self._act,
            operation,
            asked.order_id,
            self._ticker(),
            asked.order_ref or None,
            key=(self._client_id, asked.order_id),
            dropped=self._let_go,
            rejected=None if asked.what_if else self._rejected,
        )

    def _act(self) -> bool:
        try:
            order = self._read()
            live = self._desk.live(self._client_id, self._asked.order_id)
            if live is not None:
                self._desk.modify(live, order, transmit=self._asked.transmit)
                return True
            tif_given = bool(self._asked.tif)
            return self._desk.place(order, transmit=self._asked.transmit, tif_given=tif_given)
        except Refusal as refusal:
            self._note(refusal)
            raise
        finally:
            self._let_go()

    def _what_if(self) -> bool:
        order = self._read()
        preview = self._desk.risk.preview(order)
        contract = self._gateway.register.contract_of(order)
        self._session.send(order_messages.open_order(order, contract, preview=preview))
        return True

    def _rejected(self, fault: Fault) -> None:
        """Refuse as a fault wants it: after 201 and 202 TWS shows the order."""
        code = code_of(fault, REJECTED.number)
        wording = {known.number: known.text for known in (REJECTED, CANCELLED)}
        text = wording.get(code, "{}").format(fault.reason)
        refusal = Refusal(code, text)
        self._let_go()
        if refusal.kept and self._live is None:
            try:
                order = self._read()
            except Refusal as earlier:
                refusal = earlier
            else:
                self._desk.reject(order, refusal)
                return
        self._note(refusal)
        self._session.error(self._asked.order_id, refusal.code, refusal.text)

    def _refused(self, refusal: Refusal) -> Request:
        def act() -> bool:
            self._note(refusal)
            raise refusal

        return Request(act, "query", self._asked.order_id)

    def _note(self, refusal: Refusal) -> None:
        if self._live is None:
            self._gateway.register.refusals.append(
                {"venue_order_id": self._asked.order_ref, "code": str(refusal.code)}
            )

    def _read(self) -> Order:
        return self._desk.read(self._client_id, self._asked, self._contract())

    def _contract(self) -> Contract:
        """The contract that is meant, unless a fault makes it one of two."""
        contract = self._gateway.catalogue.one(self._asked.described)
        if not self._asked.described.con_id and self._gateway.faults.take(
            FaultKind.AMBIGUOUS, "submit", symbol=contract.ticker
        ):
            raise AMBIGUOUS.refusal(contract.symbol)
        return contract

    def _ticker(self) -> str | None:
        return ticker_of(self._session, self._asked.described)

    def _let_go(self) -> None:
        self._desk.let_go(self._client_id, self._asked.order_id)


def _refusal(order_id: int, refusal: Refusal) -> Request:
    """A request that is answered by a refusal, in its turn."""

    def act() -> bool:
        raise refusal

    return Request(act, "cancel", order_id)


def ticker_of(session: Session, described: Description) -> str | None:
    """How the control port calls what a client describes; None when that is not one contract."""
    try:
        return session.gateway.catalogue.one(described).ticker
    except Refusal:
        return described.symbol or None
