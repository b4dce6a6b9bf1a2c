"""Which broker an order goes to, and what happens when that one cannot take it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from execution.domain.accounts import Accounts
from execution.domain.errors import KeptFromLive
from execution.domain.vocabulary import (
    AssetClass,
    BreakerState,
    BrokerName,
    ExecutionMode,
    OnFailure,
    SessionStatus,
)

# A fifth broker is one line here, one file in workers/adapters/ and one queue.
LIVE_ROUTES: dict[AssetClass, BrokerName] = {
    AssetClass.EQUITY: BrokerName.IBKR,
    AssetClass.OPTION: BrokerName.IBKR,
    AssetClass.FUTURE: BrokerName.IBKR,
    AssetClass.FX: BrokerName.MT4,
    AssetClass.CRYPTO: BrokerName.BINANCE,
}


FORCED = str(KeptFromLive())
"""Why an order is on paper, or waits, with FORCE_PAPER_TRADING."""


class Verdict(StrEnum):
    """What routing says of an order's way."""

    LIVE = "LIVE"
    PAPER = "PAPER"
    REJECT = "REJECT"


@dataclass(frozen=True, slots=True)
class BrokerStatus:
    """What the database says of a broker: its best session and its breaker.

    `status` None means that no worker of it has ever been heard of, or none of late.
    `standing_for` is how long the status has been so, by the database's clock. `accounts` are
    those of its login, None before any session has said.
    """

    status: SessionStatus | None
    standing_for: timedelta | None
    detail: str | None
    breaker: BreakerState
    accounts: Accounts | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """Where an order goes; `reason` says why it goes elsewhere than asked, if it does.

    `accounts` are those of a live broker's login, as far as they are known.
    """

    requested_broker: BrokerName
    broker: BrokerName
    verdict: Verdict
    reason: str | None = None
    accounts: Accounts | None = None

    @property
    def execution_mode(self) -> ExecutionMode:
        """LIVE at a broker, PAPER in the simulation."""
        return ExecutionMode.PAPER if self.broker is BrokerName.PAPER else ExecutionMode.LIVE


def why_unavailable(status: BrokerStatus, grace: timedelta) -> str | None:
    """Why a broker cannot take an order now; None when it can, or may within the grace.

    A worker that is not heard of is no reason here: the order waits in its queue, and recovery
    reroutes it when nobody has come for it in time (a worker may be just starting).
    """
    if status.status is SessionStatus.NO_CREDENTIALS:
        return status.detail or "no credentials"
    if status.breaker is not BreakerState.CLOSED:
        return "circuit breaker open"
    down_for = status.standing_for if status.status is SessionStatus.DOWN else None
    if down_for is not None and down_for > grace:
        return f"connection down for {down_for.total_seconds():.0f} s: {status.detail}"
    return None


def fallback(on_failure: OnFailure, *, reduces_risk: bool) -> OnFailure:
    """What really happens on failure: what reduces risk never goes to paper, it waits.

    Faked flatness is worse than waiting.
    """
    if reduces_risk and on_failure is OnFailure.PAPER:
        return OnFailure.WAIT
    return on_failure


def decide(
    asset_class: AssetClass,
    *,
    wants_paper: bool,
    force_paper: bool,
    on_failure: OnFailure,
    reduces_risk: bool,
    statuses: Callable[[], Mapping[BrokerName, BrokerStatus]],
    grace: timedelta,
) -> Route:
    """Route an order by its asset class, the settings and what the database says of the broker.

    With `force_paper` only what reduces risk keeps its live broker, where it waits: a position that
    is live must not look flat. `statuses` is asked only for an order that may be sent.
    """
    live = LIVE_ROUTES[asset_class]
    if wants_paper:
        return Route(BrokerName.PAPER, BrokerName.PAPER, Verdict.PAPER)
    if force_paper and reduces_risk:
        return Route(live, live, Verdict.LIVE, FORCED)
    if force_paper:
        return Route(live, BrokerName.PAPER, Verdict.PAPER, FORCED)
    status = statuses()[live]
    reason = why_unavailable(status, grace)
    if reason is None:
        return Route(live, live, Verdict.LIVE, accounts=status.accounts)
    reason = f"{live}: {reason}"
    match fallback(on_failure, reduces_risk=reduces_risk):
        case OnFailure.PAPER:
            return Route(live, BrokerName.PAPER, Verdict.PAPER, reason)
        case OnFailure.REJECT:
            return Route(live, live, Verdict.REJECT, reason)
        case OnFailure.WAIT:
            return Route(live, live, Verdict.LIVE, reason, status.accounts)
