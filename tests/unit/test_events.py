"""The messages consumers get: their exact keys, their spelling, and ids that a replay repeats."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from execution.domain.events import (
    FILLS,
    ORDERS,
    Event,
    FillFacts,
    OrderEventType,
    fill_event,
    order_event,
    timestamp,
)
from execution.domain.vocabulary import OrderState
from execution.events.publisher import channels, message
from execution.store.outbox import Numbered

ORDER = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
AT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
FACTS = FillFacts(
    order_id=ORDER,
    client_order_id="a-1",
    symbol="BTC-USDT",
    asset_class="CRYPTO",
    side="BUY",
    broker="BINANCE",
    requested_broker="BINANCE",
    environment="practice",
    account="main",
    execution_mode="LIVE",
    execution_id="X1",
    last_quantity=Decimal("0.50"),
    last_price=Decimal("6.40001E+4"),
    cumulative_quantity=Decimal("0.5"),
    leaves_quantity=Decimal("0.0"),
    average_price=Decimal("64000.1"),
    currency="USDT",
    multiplier=Decimal(1),
    commission=None,
    commission_currency=None,
    order_state="FILLED",
    executed_at=AT,
    strategy=None,
)


def state_event(kind: str = "FILLED", key: object = 3, **fields: Any) -> Event:
    """A message of `orders` with everything it can say."""
    said: dict[str, Any] = {
        "client_order_id": "a-1",
        "order_id": ORDER,
        "symbol": "SPY",
        "broker": "IBKR",
        "execution_mode": "LIVE",
        "state": kind,
        "reason": "because",
        "step": "persist_fill",
    } | fields
    return order_event(kind, key=key, at=AT, **said)


def test_fill_message() -> None:
    """A FILL is the documented object: keys in order, decimals as plain strings, UTC with Z."""
    event = fill_event("FILL", FACTS)
    assert (event.stream, event.type, event.order_id) == (FILLS, "FILL", ORDER)
    assert list(event.payload.items()) == [
        ("schema", 1),
        ("event_id", str(event.event_id)),
        ("type", "FILL"),
        ("order_id", str(ORDER)),
        ("client_order_id", "a-1"),
        ("symbol", "BTC-USDT"),
        ("asset_class", "CRYPTO"),
        ("side", "BUY"),
        ("broker", "BINANCE"),
        ("requested_broker", "BINANCE"),
        ("environment", "practice"),
        ("account", "main"),
        ("execution_mode", "LIVE"),
        ("execution_id", "X1"),
        ("last_quantity", "0.5"),
        ("last_price", "64000.1"),
        ("cumulative_quantity", "0.5"),
        ("leaves_quantity", "0"),
        ("average_price", "64000.1"),
        ("currency", "USDT"),
        ("multiplier", "1"),
        ("commission", None),
        ("commission_currency", None),
        ("order_state", "FILLED"),
        ("executed_at", "2026-01-02T03:04:05.678901Z"),
        ("strategy", None),
    ]


def test_order_message() -> None:
    """A message of `orders` is the documented object, and nothing else."""
    event = state_event()
    assert (event.stream, event.type, event.order_id) == (ORDERS, "FILLED", ORDER)
    assert list(event.payload.items()) == [
        ("schema", 1),
        ("event_id", str(event.event_id)),
        ("type", "FILLED"),
        ("order_id", str(ORDER)),
        ("client_order_id", "a-1"),
        ("symbol", "SPY"),
        ("broker", "IBKR"),
        ("execution_mode", "LIVE"),
        ("state", "FILLED"),
        ("reason", "because"),
        ("step", "persist_fill"),
        ("at", "2026-01-02T03:04:05.678901Z"),
    ]


def test_message_of_a_refused_request() -> None:
    """What is not known of a refused request is null, not left out."""
    event = order_event(OrderEventType.REFUSED, key="r-1", at=AT, client_order_id=None, reason="x")
    assert event.order_id is None
    assert event.payload.keys() == state_event().payload.keys()
    assert json.loads(json.dumps(event.payload))["type"] == "REFUSED"


def test_types() -> None:
    """Types besides the states are as documented, and none of them is also a state."""
    names = {kind.value for kind in OrderEventType}
    documented = "ACCEPTED REFUSED REROUTED OVERFILLED CANCEL_REQUESTED MODIFIED"
    assert names >= set(documented.split())
    assert not names & {state.value for state in OrderState}


def test_ids_never_change() -> None:
    """Consumers know events by their ids, those of earlier versions too."""
    assert str(fill_event("FILL", FACTS).event_id) == "88e4e48d-3721-5bd5-b619-d4e90aca05fb"
    assert str(fill_event("BUST", FACTS, 1).event_id) == "c7df69ca-4d7a-5e28-880d-6829550f3c9f"
    assert str(state_event().event_id) == "4096ab11-c424-554a-b98f-2f9f6bfe704c"


def test_replay_repeats_the_id() -> None:
    """What happened once has one id, however often and whenever it is told."""
    assert fill_event("FILL", FACTS).event_id == fill_event("FILL", FACTS).event_id
    later = replace(FACTS, commission=Decimal(1), order_state="CANCELLED", executed_at=AT)
    assert fill_event("FILL", later).event_id == fill_event("FILL", FACTS).event_id
    assert state_event(reason="other").event_id == state_event().event_id
    assert fill_event("FILL", FACTS, 4).event_id == fill_event("FILL", FACTS).event_id


@pytest.mark.parametrize(
    "field", ["broker", "environment", "account", "symbol", "side", "execution_id"]
)
def test_another_execution_has_another_id(field: str) -> None:
    """Each part of what identifies an execution tells its message from another's."""
    other: Any = {field: "other"}
    assert (
        fill_event("FILL", replace(FACTS, **other)).event_id != fill_event("FILL", FACTS).event_id
    )


def test_other_news_have_other_ids() -> None:
    """Another type, order, version or revision is another event."""
    events = [
        state_event(),
        state_event("CANCELLED"),
        state_event(key=4),
        state_event(order_id=None),
        fill_event("FILL", FACTS),
        fill_event("COMMISSION", FACTS, 1),
        fill_event("CORRECTION", FACTS, 1),
        fill_event("CORRECTION", FACTS, 2),
        fill_event("BUST", FACTS, 1),
    ]
    assert len({event.event_id for event in events}) == len(events)


def test_timestamp_is_utc() -> None:
    """Whatever the zone, a time is told in UTC with microseconds."""
    here = AT.astimezone(timezone(timedelta(hours=-9, minutes=-30)))
    assert timestamp(here) == "2026-01-02T03:04:05.678901Z"
    assert re.fullmatch(r"[0-9T:-]{19}\.000000Z", timestamp(AT.replace(microsecond=0)))


def test_message_on_the_wire() -> None:
    """Consumers get one JSON object with the sequence third; nothing else is added."""
    event = fill_event("FILL", FACTS)
    said = json.loads(message(Numbered(FILLS, 1042, event.payload)))
    assert list(said)[:4] == ["schema", "event_id", "sequence", "type"]
    assert said == event.payload | {"sequence": 1042}


@pytest.mark.parametrize(
    ("stream", "mode", "names"),
    [
        (ORDERS, "LIVE", ["orders"]),
        (ORDERS, None, ["orders"]),
        (FILLS, "LIVE", ["fills", "fills.live"]),
        (FILLS, "PAPER", ["fills", "fills.paper"]),
    ],
)
def test_channels(stream: str, mode: str | None, names: list[str]) -> None:
    """A fill goes to its mode's channel too: live and paper never share one."""
    assert channels(Numbered(stream, 1, {"execution_mode": mode})) == names


def test_a_command_is_known_by_its_own_id() -> None:
    """A command's event is the same whether its order exists yet or not."""

    def told(order_id: UUID | None) -> Event:
        return order_event(
            OrderEventType.CANCEL_REQUESTED,
            key="c-1",
            at=AT,
            client_order_id="a-1",
            order_id=order_id,
            alone=True,
        )

    assert told(ORDER).event_id == told(None).event_id
    assert told(None).payload["order_id"] is None
    assert told(ORDER).payload["order_id"] == str(ORDER)


def test_revisions_begin_with_none() -> None:
    """News of an execution that names no revision is its first."""
    assert fill_event("COMMISSION", FACTS).event_id == fill_event("COMMISSION", FACTS, 0).event_id
