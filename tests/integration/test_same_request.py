"""The same id with the same meaning is the same request, also across releases."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text

from execution.domain.mapping import ExchangeMapper
from execution.domain.payloads import fingerprint
from execution.intake import Intake
from execution.store.engine import Store

from .stored import TIMING

PAYLOAD = {"client_order_id": "o-1", "symbol": "SPY", "side": "BUY", "quantity": "3"}


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A fresh database."""
    store = Store(database_url)
    yield store
    store.close()


@pytest.fixture
def intake(store: Store) -> Intake:
    """The intake of workers and clients."""
    return Intake(store, ExchangeMapper(), TIMING.step)


@pytest.mark.parametrize(
    "spelled",
    [{"time_in_force": "DAY"}, {"order_type": "MARKET"}, {"quantity": "3.0"}],
)
def test_spelled_otherwise(intake: Intake, spelled: dict[str, Any]) -> None:
    """What is the default may be said; numbers and names may be written in their other ways."""
    first = intake.receive(PAYLOAD)
    again = intake.receive(PAYLOAD | spelled)
    assert (again.outcome, again.order_id) == ("ACCEPTED", first.order_id), again.reason


def test_kept_by_an_earlier_release(store: Store, intake: Intake) -> None:
    """One that is kept in a form of its own is compared by what it means today."""
    first = intake.receive(PAYLOAD)
    kept = PAYLOAD | {"time_in_force": "DAY", "order_type": "MARKET"}
    with store.transaction() as connection:
        connection.execute(
            text(
                "UPDATE order_requests SET payload = CAST(:kept AS jsonb), payload_hash = :digest"
            ),
            {"kept": json.dumps(kept), "digest": fingerprint(kept)},
        )
    again = intake.receive(PAYLOAD)
    assert (again.outcome, again.order_id) == ("ACCEPTED", first.order_id), again.reason
    other = intake.receive(PAYLOAD | {"quantity": "4"})
    assert other.outcome == "REFUSED"
    assert "another payload" in (other.reason or "")
