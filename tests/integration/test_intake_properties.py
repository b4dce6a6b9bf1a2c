"""Any JSON object whatever into the intake: recorded once, as an order's or a refused request."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from execution.domain.mapping import ExchangeMapper
from execution.intake import Intake
from execution.store.engine import Store

# Every code point, lone surrogates and control characters among them.
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=())),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=())), inner, max_size=4)
    ),
    max_leaves=10,
)
values = {
    "symbol": st.sampled_from(["SPY", "BTC-USDT", "EURUSD", "spy", "BTC", "XXXXXX", ""]),
    "side": st.sampled_from(["BUY", "SELL", "buy", "HOLD"]),
    "quantity": st.sampled_from(["1", "0.5", "0", "-1", "NaN", "1e9", "9" * 40, 3, 0.1]),
    "order_type": st.sampled_from(["MARKET", "LIMIT", "STOP", "TRAILING_STOP", "market"]),
    "limit_price": st.sampled_from(["1", "0", None, "1.0000000000000000001"]),
    "client_order_id": st.text("ab-_ é", min_size=0, max_size=40),
    "execution_mode": st.sampled_from(["PAPER", "LIVE", "paper", 1]),
    "time_in_force": st.sampled_from(["DAY", "GTC", "GTD", "X"]),
    "expires_at": st.sampled_from(["2030-01-01T00:00:00Z", "2030-01-01", "soon", 5]),
}
likely = st.fixed_dictionaries(
    {}, optional={name: value | anything for name, value in values.items()}
)
payloads = likely | st.dictionaries(st.text(), anything, max_size=5)


@pytest.fixture(scope="module")
def store(module_database_url: str) -> Iterator[Store]:
    """One database for all examples."""
    store = Store(module_database_url)
    yield store
    store.close()


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(payload=payloads)
def test_any_json(store: Store, payload: dict[str, Any]) -> None:
    """It never raises, says why it refuses, and repeats itself when asked again."""
    intake = Intake(store, ExchangeMapper(), timedelta(seconds=5))
    receipt = intake.receive(payload)
    assert receipt.outcome in {"ACCEPTED", "REFUSED"}
    assert (receipt.reason is None) == (receipt.outcome == "ACCEPTED")
    if receipt.reason is not None:
        assert receipt.reason.isprintable()
    again = intake.receive(payload)
    assert (again.request_id, again.outcome) == (receipt.request_id, receipt.outcome)
    with store.statement() as connection:
        rows = connection.execute(
            text("SELECT count(*) FROM order_requests WHERE request_id = :id"),
            {"id": receipt.request_id},
        ).scalar_one()
    assert rows == 1
