"""Questions about orders, executions, positions and the account."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from simulators.faults import FaultKind
from simulators.ib_gateway import messages, order_messages, times
from simulators.ib_gateway.codes import INVALID
from simulators.ib_gateway.records import Order, Trade
from simulators.ib_gateway.session import Session
from simulators.ib_gateway.wire import Fields

_SIDES = {"BUY": "BUY", "BOT": "BUY", "SELL": "SELL", "SLD": "SELL", "SSHORT": "SELL"}
# The order ids that manual orders are bound to, downwards.
_FIRST_BOUND = -2


def open_orders(session: Session, _: Fields) -> None:
    """This client's orders; client 0 binds those made by hand on the way."""
    if session.client_id == 0:
        bind_manual(session)
    for order in _working(session):
        if order.client_id == session.client_id and order.order_id:
            _show(session, order)
    session.send((53, 1))


def all_open_orders(session: Session, _: Fields) -> None:
    """Everybody's orders. From now on this client's order ids must be above all of theirs."""
    for order in _working(session):
        _show(session, order)
        if session.client_id is not None:
            session.gateway.register.use_id(session.client_id, order.order_id)
    session.gateway.register.commit()
    session.send((53, 1))


def auto_open_orders(session: Session, fields: Fields) -> None:
    """Client 0 may have orders that are made by hand bound to it as they come."""
    fields.skip(1)
    wanted = fields.flag()
    if session.client_id != 0:
        raise INVALID.refusal("bT", "Only the default client (i.e 0) can auto bind orders.")
    session.auto_bind = wanted


def bind_manual(session: Session) -> None:
    """Give every working manual order an order id of client 0, and tell it."""
    register = session.gateway.register
    for order in register.working.values():
        if order.client_id == 0 and not order.order_id:
            taken = [o.order_id for o in register.orders.values() if o.client_id == 0]
            register.bind(order, min([*taken, _FIRST_BOUND + 1]) - 1)
            session.send((100, order.perm_id, 0, order.order_id))
    register.commit()


def completed_orders(session: Session, fields: Fields) -> None:
    """What is over since the day began; with `apiOnly` without what was made by hand."""
    api_only = fields.flag()
    register = session.gateway.register
    for order in register.orders.values():
        if register.is_of_today(order) and not (
            api_only and order.client_id == 0 and order.order_id <= 0
        ):
            contract = register.contract_of(order)
            session.send(order_messages.completed_order(order, contract, register.options))
    session.send((102,))


def executions(session: Session, fields: Fields) -> None:
    """Today's executions that pass the filter, each with its commission once it is known."""
    fields.skip(1)
    request_id, wanted = fields.integer(), _filter(session, fields)
    gateway = session.gateway
    for trade in gateway.register.trades:
        if not (gateway.register.is_of_today(trade) and wanted(trade)):
            continue
        key = (trade.client_id, trade.order_id)
        if session.out.silent_about(key):
            continue
        contract = gateway.register.contract_of(trade)
        message = messages.execution(request_id, trade, contract, gateway.register.spelling)
        twice = gateway.faults.take(
            FaultKind.DUPLICATE_REPORT, symbol=trade.symbol, venue_order_id=trade.venue_order_id
        )
        for _ in range(2 if twice else 1):
            session.send(message)
        if trade.commission is not None:
            session.send(messages.commission(trade))
    session.send((55, 1, request_id))


def ids(session: Session, _: Fields) -> None:
    """The lowest order id that this client may use."""
    register = session.gateway.register
    session.send(messages.next_valid_id(register.next_order_id(session.client_id or 0)))


def accounts(session: Session, _: Fields) -> None:
    """The accounts."""
    session.send(messages.managed_accounts(session.gateway.options.accounts))


def current_time(session: Session, _: Fields) -> None:
    """The gateway's clock."""
    session.send(messages.current_time(session.gateway.register.clock()))


def account_updates(session: Session, fields: Fields) -> None:
    """Values and positions of one account, now and with every change."""
    fields.skip(1)
    subscribe, account = fields.flag(), _account(session, fields.text())
    if not subscribe:
        session.account_updates.pop(account, None)
        return
    session.account_updates[account] = set()
    session.tell_values(account)
    for line in session.gateway.desk.risk.funds.lines(account):
        session.send(messages.portfolio(account, line.contract, line.held, line.mark))
    session.send((8, 1, f"{session.gateway.local_now():%H:%M}"))
    session.send((54, 1, account))


def account_updates_multi(session: Session, fields: Fields) -> None:
    """The values of one account, under a request id."""
    fields.skip(1)
    request_id, account = fields.integer(), _account(session, fields.text())
    for tag, value, currency in session.gateway.desk.risk.funds.values(account):
        session.send((73, 1, request_id, account, "", tag, value, currency))
    session.send((74, 1, request_id))


def account_summary(session: Session, fields: Fields) -> None:
    """The tags that are asked for, of every account."""
    fields.skip(1)
    request_id = fields.integer()
    fields.skip(1)
    tags = fields.text().split(",")
    for account in session.gateway.options.accounts:
        for tag, value, currency in session.gateway.desk.risk.funds.summary(account, tags):
            session.send((63, 1, request_id, account, tag, value, currency))
    session.send((64, 1, request_id))


def positions(session: Session, _: Fields) -> None:
    """Every position of every account, now and with every change."""
    session.positions = True
    for account in session.gateway.options.accounts:
        for line in session.gateway.desk.risk.funds.lines(account):
            held = line.held
            session.send(messages.position(account, line.contract, held.quantity, held.cost))
    session.send((62, 1))


def no_positions(session: Session, _: Fields) -> None:
    """No more changes of positions."""
    session.positions = False


def positions_multi(session: Session, fields: Fields) -> None:
    """The positions of one account, under a request id."""
    fields.skip(1)
    request_id, account = fields.integer(), _account(session, fields.text())
    for line in session.gateway.desk.risk.funds.lines(account):
        held = line.held
        session.send(
            messages.position_multi(request_id, account, line.contract, held.quantity, held.cost)
        )
    session.send((72, 1, request_id))


def _working(session: Session) -> list[Order]:
    """The working orders, oldest first, but for those this client is to hear nothing of."""
    register = session.gateway.register
    waiting = [*register.untransmitted.values(), *register.working.values()]
    return [
        order
        for order in sorted(waiting, key=lambda order: order.perm_id)
        if not session.out.silent_about((order.client_id, order.order_id))
    ]


def _show(session: Session, order: Order) -> None:
    contract = session.gateway.register.contract_of(order)
    session.send(order_messages.open_order(order, contract))
    session.send(order_messages.order_status(order))


def _account(session: Session, named: str) -> str:
    """The account that is named, or the only one. Refusal 321 for any other."""
    known = session.gateway.options.accounts
    if not named or named in {"All", known[0]}:
        return known[0]
    if named not in known:
        raise INVALID.refusal("bN", f"Invalid account code '{named}'.")
    return named


def _filter(session: Session, fields: Fields) -> Callable[[Trade], bool]:
    """What an execution filter lets through; client id 0 and empty texts mean any."""
    client_id, account, time = fields.integer(), fields.text(), fields.text()
    symbol, sec_type, exchange, side = (fields.text() for _ in range(4))
    since: datetime | None = None
    if time:
        try:
            since = times.read(time, session.gateway.options.time_zone)
        except ValueError as error:
            raise INVALID.refusal("bM", str(error)) from None
    if side and side not in _SIDES:
        raise INVALID.refusal("bM", f"Invalid side {side}")

    def wanted(trade: Trade) -> bool:
        contract = session.gateway.register.contract_of(trade)
        return (
            client_id in {0, trade.client_id}
            and account in {"", trade.account}
            and (since is None or trade.executed_at >= since)
            and symbol in {"", contract.symbol}
            and sec_type in {"", contract.sec_type}
            and exchange in {"", trade.exchange, "SMART"}
            and _SIDES.get(side, trade.side) == trade.side
        )

    return wanted
