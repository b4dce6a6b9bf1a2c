"""Which broker an order goes to: the whole table of triggers, wishes and choices."""

from __future__ import annotations

from datetime import timedelta
from itertools import product

import pytest

from execution.domain.routing import (
    LIVE_ROUTES,
    BrokerStatus,
    Route,
    Verdict,
    decide,
    fallback,
    why_unavailable,
)
from execution.domain.vocabulary import (
    AssetClass,
    BreakerState,
    BrokerName,
    ExecutionMode,
    OnFailure,
    SessionStatus,
)

GRACE = timedelta(seconds=15)
A_MINUTE = timedelta(minutes=1)
READY = BrokerStatus(SessionStatus.LIVE_READY, A_MINUTE, None, BreakerState.CLOSED)
NO_KEYS = BrokerStatus(
    SessionStatus.NO_CREDENTIALS, A_MINUTE, "BINANCE_API_KEY is not set", BreakerState.CLOSED
)


def down(seconds: int, breaker: BreakerState = BreakerState.CLOSED) -> BrokerStatus:
    """A connection that has been away for some seconds."""
    down_for = timedelta(seconds=seconds)
    return BrokerStatus(SessionStatus.DOWN, down_for, "connection refused", breaker)


def ready(breaker: BreakerState) -> BrokerStatus:
    """A connection that stands, behind a breaker."""
    return BrokerStatus(SessionStatus.LIVE_READY, A_MINUTE, None, breaker)


STATUSES: dict[str, tuple[BrokerStatus, str | None]] = {
    "ready": (READY, None),
    "never heard of": (BrokerStatus(None, None, None, BreakerState.CLOSED), None),
    "never heard of, breaker open": (
        BrokerStatus(None, None, None, BreakerState.OPEN),
        "circuit breaker open",
    ),
    "no keys": (NO_KEYS, "BINANCE_API_KEY is not set"),
    "no keys, no words": (
        BrokerStatus(SessionStatus.NO_CREDENTIALS, A_MINUTE, None, BreakerState.CLOSED),
        "no credentials",
    ),
    "breaker open": (ready(BreakerState.OPEN), "circuit breaker open"),
    "breaker half open": (ready(BreakerState.HALF_OPEN), "circuit breaker open"),
    "down within the grace": (down(14), None),
    "down for just the grace": (down(15), None),
    "down beyond the grace": (down(16), "connection down for 16 s: connection refused"),
    "down, breaker open": (down(1, BreakerState.OPEN), "circuit breaker open"),
    "down since nobody knows": (
        BrokerStatus(SessionStatus.DOWN, None, None, BreakerState.CLOSED),
        None,
    ),
}


def route(
    asset_class: AssetClass,
    status: BrokerStatus,
    *,
    wants_paper: bool = False,
    force_paper: bool = False,
    on_failure: OnFailure = OnFailure.PAPER,
    reduces_risk: bool = False,
) -> Route:
    """The route where one broker stands so and all others are ready."""
    statuses = dict.fromkeys(BrokerName, READY) | {LIVE_ROUTES[asset_class]: status}
    return decide(
        asset_class,
        wants_paper=wants_paper,
        force_paper=force_paper,
        on_failure=on_failure,
        reduces_risk=reduces_risk,
        statuses=lambda: statuses,
        grace=GRACE,
    )


def test_live_routes() -> None:
    """Every asset class has its live broker, as documented; none of them is paper."""
    assert {name.value: broker.value for name, broker in LIVE_ROUTES.items()} == {
        "EQUITY": "IBKR",
        "OPTION": "IBKR",
        "FUTURE": "IBKR",
        "FX": "MT4",
        "CRYPTO": "BINANCE",
    }


@pytest.mark.parametrize(("status", "reason"), STATUSES.values(), ids=STATUSES)
def test_why_unavailable(status: BrokerStatus, reason: str | None) -> None:
    """Each way a broker can stand, and why it cannot take an order then."""
    assert why_unavailable(status, GRACE) == reason


@pytest.mark.parametrize(
    ("on_failure", "reduces_risk", "choice"),
    [
        (OnFailure.PAPER, False, OnFailure.PAPER),
        (OnFailure.PAPER, True, OnFailure.WAIT),
        (OnFailure.REJECT, False, OnFailure.REJECT),
        (OnFailure.REJECT, True, OnFailure.REJECT),
        (OnFailure.WAIT, False, OnFailure.WAIT),
        (OnFailure.WAIT, True, OnFailure.WAIT),
    ],
)
def test_fallback(on_failure: OnFailure, reduces_risk: bool, choice: OnFailure) -> None:  # noqa: FBT001 - a table's column
    """What reduces risk waits where others go to paper."""
    assert fallback(on_failure, reduces_risk=reduces_risk) is choice


CASES = list(product(AssetClass, STATUSES, [False, True], [False, True], OnFailure, [False, True]))


def test_whole_table() -> None:
    """Every combination of asset class, status, settings and wishes, decided by the rules."""
    for asset_class, name, wants, forced, on_failure, reduces in CASES:
        status, why = STATUSES[name]
        live = LIVE_ROUTES[asset_class]
        made = route(
            asset_class,
            status,
            wants_paper=wants,
            force_paper=forced,
            on_failure=on_failure,
            reduces_risk=reduces,
        )
        reason: str | None = "FORCE_PAPER_TRADING is set"
        if wants:
            expected = Route(BrokerName.PAPER, BrokerName.PAPER, Verdict.PAPER, None)
        elif forced and reduces:
            expected = Route(live, live, Verdict.LIVE, reason)
        elif forced:
            expected = Route(live, BrokerName.PAPER, Verdict.PAPER, reason)
        elif why is None:
            expected = Route(live, live, Verdict.LIVE, None)
        elif on_failure is OnFailure.REJECT:
            expected = Route(live, live, Verdict.REJECT, f"{live}: {why}")
        elif on_failure is OnFailure.WAIT or reduces:
            expected = Route(live, live, Verdict.LIVE, f"{live}: {why}")
        else:
            expected = Route(live, BrokerName.PAPER, Verdict.PAPER, f"{live}: {why}")
        assert made == expected, (asset_class, name, wants, forced, on_failure, reduces)
    assert len(CASES) == 5 * len(STATUSES) * 2 * 2 * 3 * 2


@pytest.mark.parametrize("asset_class", AssetClass)
@pytest.mark.parametrize("forced", [False, True])
def test_nothing_turns_a_closing_order_to_paper(asset_class: AssetClass, *, forced: bool) -> None:
    """No status of a broker, and no setting, sends an order that reduces risk to paper."""
    for status, _ in STATUSES.values():
        made = route(asset_class, status, reduces_risk=True, force_paper=forced)
        assert made.execution_mode is ExecutionMode.LIVE


def test_only_its_own_broker_counts() -> None:
    """An order does not care how the brokers of other asset classes stand."""
    statuses = dict.fromkeys(BrokerName, NO_KEYS) | {BrokerName.IBKR: READY}
    made = decide(
        AssetClass.EQUITY,
        wants_paper=False,
        force_paper=False,
        on_failure=OnFailure.PAPER,
        reduces_risk=False,
        statuses=lambda: statuses,
        grace=GRACE,
    )
    assert made == Route(BrokerName.IBKR, BrokerName.IBKR, Verdict.LIVE)


@pytest.mark.parametrize("broker", BrokerName)
def test_mode_follows_the_broker(broker: BrokerName) -> None:
    """PAPER is the paper broker's mode alone."""
    mode = Route(BrokerName.IBKR, broker, Verdict.LIVE).execution_mode
    assert (mode is ExecutionMode.PAPER) == (broker is BrokerName.PAPER)
