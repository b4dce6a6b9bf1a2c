"""Which message id asks for what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from simulators.ib_gateway import queries, reference, trading
from simulators.ib_gateway.contracts import read_description
from simulators.ib_gateway.session import Request, Session
from simulators.ib_gateway.wire import Fields

Handler = Callable[[Session, Fields], None]

_PLACE_ORDER, _CANCEL_ORDER, _GLOBAL_CANCEL = 3, 4, 58


def _market_data(session: Session, fields: Fields) -> None:
    session.quotes.request(fields)


def _cancel_market_data(session: Session, fields: Fields) -> None:
    session.quotes.cancel(fields)


def _data_type(session: Session, fields: Fields) -> None:
    session.quotes.data_type(fields)


_QUESTIONS: dict[int, Handler] = {
    1: _market_data,
    2: _cancel_market_data,
    5: queries.open_orders,
    6: queries.account_updates,
    7: queries.executions,
    8: queries.ids,
    9: reference.contract_details,
    10: reference.refuse_depth,
    15: queries.auto_open_orders,
    16: queries.all_open_orders,
    17: queries.accounts,
    18: reference.refuse_unsupported,
    20: reference.refuse_history,
    21: reference.refuse_unsupported,
    22: reference.refuse_history,
    49: queries.current_time,
    50: reference.refuse_history,
    52: reference.refuse_unsupported,
    54: reference.refuse_unsupported,
    55: reference.refuse_unsupported,
    59: _data_type,
    61: queries.positions,
    62: queries.account_summary,
    64: queries.no_positions,
    74: queries.positions_multi,
    76: queries.account_updates_multi,
    78: reference.option_chain,
    79: reference.nothing_listed(77, with_id=True),
    80: reference.family_codes,
    81: reference.matching_symbols,
    82: reference.nothing_listed(80, with_id=False),
    83: reference.nothing_listed(82, with_id=True),
    84: reference.refuse_unsupported,
    85: reference.nothing_listed(85, with_id=False),
    86: reference.refuse_unsupported,
    87: reference.refuse_history,
    88: reference.refuse_history,
    91: reference.market_rule,
    92: reference.refuse_unsupported,
    94: reference.refuse_unsupported,
    96: reference.refuse_history,
    97: reference.refuse_tick_by_tick,
    99: queries.completed_orders,
    100: reference.refuse_unsupported,
    102: reference.refuse_unsupported,
    104: reference.user_info,
}
# Log levels, bulletins and cancels of what was never begun: nothing is said to them.
_QUIET = frozenset(
    {11, 12, 13, 14, 23, 25, 51, 53, 56, 57, 63, 75, 77, 89, 90, 93, 95, 98, 101, 103}
)
# Where a message has its request id, after the message id itself.
_ID_AT = {
    **dict.fromkeys((1, 7, 9, 10, 21, 50, 52, 54, 55, 62, 74, 76), 2),
    **dict.fromkeys((20, 22, 78, 79, 81, 83, 84, 86, 87, 88, 92, 94, 96, 97, 100, 102, 104), 1),
}
_WITH_CONTRACT = frozenset({1, 9})


def read(session: Session, message_id: int, message: Sequence[str]) -> Request | None:
    """The request that a message makes; None when nobody knows its id.

    BadMessage when its fields are not what they should be, Refusal when it can be answered at once.
    """
    body = Fields(message[1:])
    if message_id == _PLACE_ORDER:
        return trading.place(session, message)
    if message_id == _CANCEL_ORDER:
        return trading.cancel(session, body)
    if message_id == _GLOBAL_CANCEL:
        return trading.cancel_all(session, body)
    handler = reference.nothing_said if message_id in _QUIET else _QUESTIONS.get(message_id)
    if handler is None:
        return None
    return Request(
        partial(_ask, handler, session, body),
        request_id=_request_id(message_id, message),
        symbol=_symbol(session, message) if message_id in _WITH_CONTRACT else None,
    )


def _ask(handler: Handler, session: Session, fields: Fields) -> bool:
    handler(session, fields)
    return True


def _request_id(message_id: int, message: Sequence[str]) -> int:
    at = _ID_AT.get(message_id, len(message))
    return Fields(message[at:]).integer(-1) if at < len(message) else -1


def _symbol(session: Session, message: Sequence[str]) -> str | None:
    described = read_description(Fields(message[3:]))
    return trading.ticker_of(session, described)
