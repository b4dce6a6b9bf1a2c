"""Questions about contracts, and the short answers to what this gateway does not have."""

from __future__ import annotations

from collections.abc import Callable

from simulators.faults import FaultKind
from simulators.ib_gateway import messages
from simulators.ib_gateway.codes import (
    INVALID,
    NO_CONTRACT,
    NO_DEPTH,
    NO_HISTORY,
    NO_TICK_BY_TICK,
)
from simulators.ib_gateway.contracts import read_description
from simulators.ib_gateway.listings import strikes
from simulators.ib_gateway.session import Session
from simulators.ib_gateway.wire import Fields

_UNDERLYINGS = frozenset({"STK", "ETF", "IND"})


def contract_details(session: Session, fields: Fields) -> None:
    """Everything about each contract that fits; 200 when none does."""
    fields.skip(1)
    request_id, described = fields.integer(), read_description(fields)
    gateway = session.gateway
    found = gateway.catalogue.find(described)
    if not found:
        raise NO_CONTRACT.refusal()
    if len(found) == 1 and gateway.faults.take(
        FaultKind.AMBIGUOUS, "query", symbol=found[0].ticker
    ):
        found.append(gateway.catalogue.namesake(found[0]))
    now = gateway.register.clock()
    for contract in found:
        exchange = described.exchange or contract.exchange
        session.send(messages.contract_details(request_id, contract, exchange, now))
    session.send((52, 1, request_id))


def option_chain(session: Session, fields: Fields) -> None:
    """Expirations and strikes of each class of options, at each exchange that lists them."""
    request_id, symbol = fields.integer(), fields.text()
    fields.skip(1)
    sec_type, con_id = fields.text(), fields.integer()
    underlying = session.gateway.catalogue.by_id(con_id)
    if underlying is None or underlying.symbol != symbol or sec_type not in _UNDERLYINGS:
        raise INVALID.refusal("bY", "Invalid contract id")
    every = strikes(underlying)
    for exchange in ("SMART", "CBOE"):
        for series in session.gateway.catalogue.series(underlying).items():
            answer = messages.option_chain(request_id, exchange, underlying, series, every)
            session.send(answer)
    session.send((76, request_id))


def matching_symbols(session: Session, fields: Fields) -> None:
    """Contracts whose symbol or name matches a pattern."""
    request_id = fields.integer()
    found = session.gateway.catalogue.matching(fields.text())
    session.send(messages.symbol_samples(request_id, found))


def market_rule(session: Session, fields: Fields) -> None:
    """The increments of a market rule."""
    rule = messages.knows_rule(fields.integer())
    if rule is None:
        raise INVALID.refusal("b1", "Invalid market rule id")
    session.send(messages.market_rule(rule))


def family_codes(session: Session, _: Fields) -> None:
    """The accounts have no family."""
    accounts = session.gateway.options.accounts
    session.send((78, len(accounts), *(value for name in accounts for value in (name, ""))))


def nothing_listed(answer: int, *, with_id: bool) -> Callable[[Session, Fields], None]:
    """Answer with an empty list."""

    def handle(session: Session, fields: Fields) -> None:
        session.send((answer, *([fields.integer()] if with_id else []), 0))

    return handle


def nothing_said(_: Session, __: Fields) -> None:
    """What needs no answer."""


def user_info(session: Session, fields: Fields) -> None:
    """There is no white branding."""
    session.send((107, fields.integer(), ""))


def refuse_history(session: Session, _: Fields) -> None:
    """There is no history here."""
    raise NO_HISTORY.refusal(session.gateway.name)


def refuse_depth(_: Session, __: Fields) -> None:
    """There is no depth here."""
    raise NO_DEPTH.refusal()


def refuse_tick_by_tick(session: Session, _: Fields) -> None:
    """There are no single ticks here."""
    raise NO_TICK_BY_TICK.refusal(session.gateway.name)


def refuse_unsupported(session: Session, _: Fields) -> None:
    """What this gateway does not do at all."""
    raise INVALID.refusal("b", f"{session.gateway.name} does not do this.")
