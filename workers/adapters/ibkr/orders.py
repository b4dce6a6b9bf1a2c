"""Our order types and times in force in TWS's words, every one of them explicit.

Source: TWS API, "Available orders", "Time in force for orders", "One cancels all".
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from execution.domain.decimals import plain
from execution.domain.errors import BrokerRejected, RejectionScope
from execution.domain.ports import Attempt
from execution.domain.vocabulary import OrderType, TimeInForce

_GOOD_TILL = "%Y%m%d-%H:%M:%S"
"""With a dash the time is UTC."""

_REDUCE_WITH_BLOCK = 2
"""What one of a group fills is taken off the others, one of which is routed at a time.

Our brackets' children cover the same position: after a partial fill of one the other still has to
cover the rest, so type 1, which cancels it, would leave that bare. Without the block (type 3) both
could fill.
"""

LIMITED = frozenset({"LMT", "STP LMT", "LOC"})
"""TWS's order types whose lmtPrice is a limit."""
STOPPED = frozenset({"STP", "STP LMT"})
"""TWS's order types whose auxPrice is a stop; a trail's is an amount."""

_ON_CLOSE = frozenset({OrderType.MARKET_ON_CLOSE, OrderType.LIMIT_ON_CLOSE})


def fields(attempt: Attempt, account: str) -> dict[str, Any]:
    """An order's fields, as `ib_insync.Order` names them; numbers are text, never an exponent.

    Raises BrokerRejected (scope TERMS) for what TWS has no order for.
    """
    order: dict[str, Any] = {
        "action": attempt.side.value,
        "totalQuantity": plain(attempt.quantity),
        "tif": _time_in_force(attempt),
        "account": account,
        "orderRef": attempt.venue_order_id,
        "outsideRth": attempt.outside_rth,
        "transmit": True,
        **_terms(attempt),
    }
    if attempt.time_in_force is TimeInForce.GTD and attempt.expires_at is not None:
        order["goodTillDate"] = spell_good_till(attempt.expires_at)
    if attempt.one_cancels_other is not None:
        order["ocaGroup"] = attempt.one_cancels_other.hex
        order["ocaType"] = _REDUCE_WITH_BLOCK
    return order


def spell_good_till(expires_at: datetime) -> str:
    """A GTD order's end in whole seconds, the next one: it lives for as long as was asked."""
    at = expires_at.astimezone(UTC)
    if at.microsecond:
        at = at.replace(microsecond=0) + timedelta(seconds=1)
    return at.strftime(_GOOD_TILL)


def good_till(text: str) -> datetime | None:
    """The inverse of `spell_good_till`; None for what somebody else has spelled."""
    try:
        return datetime.strptime(text, _GOOD_TILL).replace(tzinfo=UTC)
    except ValueError:
        return None


def _time_in_force(attempt: Attempt) -> str:
    if attempt.order_type in _ON_CLOSE and attempt.time_in_force is not TimeInForce.DAY:
        raise BrokerRejected(
            f"time_in_force: {attempt.order_type} is DAY at Interactive Brokers, not "
            f"{attempt.time_in_force}",
            code="113",
            scope=RejectionScope.TERMS,
        )
    return attempt.time_in_force.value


def _terms(attempt: Attempt) -> Mapping[str, str]:
    limit, stop = attempt.limit_price, attempt.stop_price
    match attempt.order_type:
        case OrderType.MARKET:
            return {"orderType": "MKT"}
        case OrderType.LIMIT if limit is not None:
            return {"orderType": "LMT", "lmtPrice": plain(limit)}
        case OrderType.STOP if stop is not None:
            return {"orderType": "STP", "auxPrice": plain(stop)}
        case OrderType.STOP_LIMIT if limit is not None and stop is not None:
            return {"orderType": "STP LMT", "lmtPrice": plain(limit), "auxPrice": plain(stop)}
        case OrderType.TRAILING_STOP if attempt.trail_amount is not None:
            return {"orderType": "TRAIL", "auxPrice": plain(attempt.trail_amount)}
        case OrderType.TRAILING_STOP if attempt.trail_percent is not None:
            return {"orderType": "TRAIL", "trailingPercent": plain(attempt.trail_percent)}
        case OrderType.MARKET_ON_CLOSE:
            return {"orderType": "MOC"}
        case OrderType.LIMIT_ON_CLOSE if limit is not None:
            return {"orderType": "LOC", "lmtPrice": plain(limit)}
    raise BrokerRejected(
        f"order_type: Interactive Brokers has no order for this {attempt.order_type}",
        code="ORDER_TYPE",
        scope=RejectionScope.TERMS,
    )


def is_of_an_earlier_day(moment: datetime | None, now: datetime, zone: tzinfo) -> bool:
    """Whether TWS, whose clock shows the time of `zone`, may tell nothing of it any more."""
    midnight = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    return moment is not None and moment < midnight
