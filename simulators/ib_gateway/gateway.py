"""The gateway put together: its port, its clients, its markets and its control port."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from simulators.control import control_app
from simulators.decimals import plain
from simulators.faults import Fault, FaultKind, Faults
from simulators.ib_gateway import dispatch, queries
from simulators.ib_gateway.catalogue import Catalogue
from simulators.ib_gateway.codes import (
    CONNECTION_LOST,
    FARMS,
    RESTORED_DATA_KEPT,
    RESTORED_DATA_LOST,
    Code,
)
from simulators.ib_gateway.desk import Desk
from simulators.ib_gateway.interventions import intervention_routes
from simulators.ib_gateway.matching import Matcher
from simulators.ib_gateway.news import News
from simulators.ib_gateway.options import GatewayOptions
from simulators.ib_gateway.records import Order
from simulators.ib_gateway.register import Register
from simulators.ib_gateway.session import Request, Session
from simulators.journal import Journal
from simulators.served import ServedVenue, utc_now
from simulators.serving import HttpListener, TcpListener

# Every fault that a connection without HTTP can have.
SUPPORTED = frozenset(
    {
        FaultKind.DROP_REQUEST,
        FaultKind.DROP_REPLY,
        FaultKind.DELAY,
        FaultKind.DELAY_REPLY,
        FaultKind.ERROR_REPLY,
        FaultKind.DISCONNECT,
        FaultKind.REJECT,
        FaultKind.UNAVAILABLE,
        FaultKind.DUPLICATE_REPORT,
        FaultKind.FILL_BEFORE_STATUS,
        FaultKind.HOLD_FILLS,
        FaultKind.SWALLOW,
        FaultKind.LATE_REJECT,
        FaultKind.LATE_COMMISSION,
        FaultKind.LOCATE,
        FaultKind.LOST,
        FaultKind.REMARK,
        FaultKind.INACTIVE,
        FaultKind.CANCELLED_WITH_CODE,
        FaultKind.PENDING_CANCEL,
        FaultKind.DUPLICATE_STATUS,
        FaultKind.FILLED_FIRST,
        FaultKind.REFUSAL_ENDS,
        FaultKind.AMBIGUOUS,
    }
)


class IbGateway(ServedVenue):
    """A running gateway: `await start()`, read `port` and `control_port`, `await stop()`.

    It may be started once; a restart is another IbGateway on the same `state` file.
    """

    name = "This gateway"

    def __init__(
        self,
        options: GatewayOptions | None = None,
        *,
        port: int = 0,
        control_port: int = 0,
        state: Path | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self.options = options or GatewayOptions()
        self.faults = Faults(SUPPORTED)
        self.catalogue = Catalogue(clock().date(), self.options.local_symbols)
        self._journal = Journal(state)
        self.register = Register(self.options, self.faults, self._journal, self.catalogue, clock)
        self.matcher = Matcher(self.register)
        self.desk = Desk(self.register, self.matcher)
        self.sessions: dict[int, Session] = {}
        self.entered: Counter[int] = Counter()
        self.cancels: Counter[str] = Counter()
        """How often clients have asked for the cancel of each order, by its `orderRef`."""
        self.data_access: dict[str, str] = {}
        self.thawed = asyncio.Event()
        self.thawed.set()
        self._frozen = False
        self._lost: str | None = None
        self._backlog: list[News] = []
        self._connections: set[Session] = set()
        self._public = TcpListener(self._serve, port)
        self._control = HttpListener(control_app(self, intervention_routes(self)), control_port)
        self._serve_on(self._public, self._control, self._journal)
        self._remember()

    async def start(self) -> None:
        self.register.publish = self._publish
        await super().start()

    async def stop(self) -> None:
        self._abort_all()
        await super().stop()

    # What the control port needs: see `simulators.control.ControlledVenue`.

    def ledger(self) -> dict[str, list[dict[str, Any]]]:
        """Orders, executions and refusals; an order's `status` is TWS's word for its state."""
        self.desk.pass_time()
        return {
            "orders": [
                {**order.as_json(), "status": order.status}
                for order in self.register.orders.values()
                if order.accepted
            ],
            "executions": [trade.as_row() for trade in self.register.trades],
            "refusals": list(self.register.refusals),
        }

    def set_price(self, symbol: str, bid: Decimal, ask: Decimal) -> None:
        """A contract is listed for a symbol that is new. ValueError when none can be."""
        symbol = self.catalogue.by_ticker(symbol).ticker
        self.matcher.set_price(symbol, bid, ask)
        self.refresh_quotes(symbol)

    def set_balances(self, balances: dict[str, Decimal]) -> None:
        """What every account holds from now on, whatever it traded before."""
        self.register.portfolio.set_cash(balances)
        spelled = {name: str(value) for name, value in balances.items()}
        self.register.note({"balances": spelled})

    def on_cleared(self, faults: Sequence[Fault]) -> None:
        """Let go of what those faults held: fills, commissions, sales, inactive orders, cancels."""
        self.matcher.release(faults)
        self.desk.release(faults)

    # What the interventions do.

    def disconnect(self, seconds: float) -> None:
        """Drop every connection; with `seconds` keep the port shut for so long."""
        self._abort_all()
        if seconds:
            self._public.shut(seconds)
        else:
            self._public.drop_connections()

    def restart(self, seconds: float) -> None:
        """The daily restart: sockets close, the port shuts, what is over is forgotten."""
        for order in list(self.register.untransmitted.values()):
            order.state = "API_CANCELLED"
            self.register.touch(order)
        self.register.commit()
        self.register.remembered()
        self._lost, self._backlog = None, []
        self.disconnect(seconds)

    def freeze(self, seconds: float) -> None:
        """Hang: take connections, read nothing and say nothing for so long."""
        self._frozen = True
        self.thawed.clear()
        asyncio.get_running_loop().call_later(seconds, self._thaw)

    def set_shortable(self, ticker: str, shares: int | None, *, locate: bool) -> None:
        """Say how many shares of a ticker can be borrowed; see `Desk.set_shortable`."""
        self.register.note({"shortable": {"symbol": ticker, "shares": shares, "locate": locate}})
        number = None if shares is None else Decimal(shares)
        self.desk.set_shortable(ticker, number, locate=locate)
        self.refresh_quotes(ticker)

    def say(self, code: Code) -> None:
        """Tell every client of the connection to IB's servers.

        From 1100 to 1101 or 1102 orders are refused, and what happens is told afterwards; 1101
        loses the streams of market data.
        """
        text = code.text.format(FARMS.get(code.number, ""))
        for session in self.sessions.values():
            session.error(-1, code.number, text)
        if code is CONNECTION_LOST:
            self._lost = text
        elif code in {RESTORED_DATA_LOST, RESTORED_DATA_KEPT}:
            self._lost = None
            if code is RESTORED_DATA_LOST:
                for session in self.sessions.values():
                    session.quotes.lose()
            self._tell_backlog()

    def place_by_hand(self, order: Order) -> None:
        """Take an order that a person made at TWS; client 0 may bind it."""
        self.desk.place(order, transmit=True)
        session = self.sessions.get(0)
        if session is not None and session.auto_bind:
            queries.bind_manual(session)
            self.register.tell_both(order)
            self.register.commit()

    def refresh_quotes(self, ticker: str) -> None:
        """Stream what has changed of a ticker."""
        if self._lost is None and not self._frozen:
            for session in self.sessions.values():
                session.quotes.refresh(ticker)

    # What sessions need.

    def enter(self, session: Session, client_id: int) -> bool:
        """Let a client in; False while another has its id."""
        if client_id in self.sessions:
            return False
        self.sessions[client_id] = session
        self.entered[client_id] += 1
        return True

    def read(self, session: Session, message_id: int, fields: Sequence[str]) -> Request | None:
        """See `dispatch.read`."""
        return dispatch.read(session, message_id, fields)

    def serves(self, request: Request) -> bool:
        """False for orders while the connection to IB's servers is lost."""
        return self._lost is None or request.operation == "query"

    def tell_connectivity(self, session: Session) -> None:
        """Tell a new client that the connection to IB's servers is lost, if it is."""
        if self._lost is not None:
            session.error(-1, CONNECTION_LOST.number, self._lost)

    def local_now(self) -> datetime:
        """The clock in the gateway's time zone."""
        return self.register.clock().astimezone(ZoneInfo(self.options.time_zone))

    def spelled_time(self) -> str:
        """The time of a connection: `20261122 15:04:05 UTC`."""
        return f"{self.local_now():%Y%m%d %H:%M:%S} {self.options.time_zone}"

    # Within.

    def come(self, account: str, symbol: str, change: Decimal) -> None:
        """Let a position come, or go, without an execution."""
        came = {"account": account, "symbol": symbol, "change": plain(change)}
        con_id = self._come(came)
        self.register.note({"came": came})
        for session in list(self.sessions.values()):
            session.tell_position(account, con_id)

    def _come(self, came: Mapping[str, str]) -> int:
        contract = self.catalogue.by_ticker(came["symbol"])
        self.register.portfolio.come(
            came["account"], came["symbol"], contract.con_id, Decimal(came["change"])
        )
        return contract.con_id

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = Session(self, reader, writer)
        self._connections.add(session)
        try:
            await session.run()
        finally:
            self._connections.discard(session)
            if session.client_id is not None and self.sessions.get(session.client_id) is session:
                del self.sessions[session.client_id]

    def _publish(self, news: Sequence[News]) -> None:
        """Tell every client what it is to hear; later, while the gateway cannot."""
        if self._lost is not None or self._frozen:
            self._backlog += news
            return
        for item in news:
            if item.delay:
                asyncio.get_running_loop().call_later(item.delay, self._tell, item)
            else:
                self._tell(item)
        moved = dict.fromkeys(item.moved for item in news if item.moved is not None)
        for account, con_id in moved:
            for session in list(self.sessions.values()):
                session.tell_position(account, con_id)

    def _thaw(self) -> None:
        self._frozen = False
        self.thawed.set()
        if self._lost is None:
            self._tell_backlog()

    def _tell_backlog(self) -> None:
        backlog, self._backlog = self._backlog, []
        self._publish(backlog)

    def _tell(self, item: News) -> None:
        for session in list(self.sessions.values()):
            session.push(item)

    def _abort_all(self) -> None:
        for session in list(self._connections):
            session.abort()

    def _remember(self) -> None:
        for entry in self._journal.read():
            self.register.replay(entry)
            if "price" in entry:
                self.matcher.restore_price(entry["price"])
            if "balances" in entry:
                held = {name: Decimal(value) for name, value in entry["balances"].items()}
                self.register.portfolio.set_cash(held)
            if "came" in entry:
                self._come(entry["came"])
            if "shortable" in entry:
                said = entry["shortable"]
                number = None if said["shares"] is None else Decimal(said["shares"])
                self.desk.set_shortable(said["symbol"], number, locate=said["locate"])
        self.register.remembered()
        self.desk.remember()
        self.matcher.settle()
        self.register.commit()

    def pass_time(self) -> None:
        self.desk.pass_time()
