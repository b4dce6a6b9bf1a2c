"""The fixed words of the field, as FIX uses them where it has them."""

from __future__ import annotations

from enum import StrEnum


class AssetClass(StrEnum):
    """What kind of instrument a symbol names; it decides the route."""

    EQUITY = "EQUITY"
    OPTION = "OPTION"
    FUTURE = "FUTURE"
    FX = "FX"
    CRYPTO = "CRYPTO"

    @property
    def around_the_clock(self) -> bool:
        """True where an order that names no time in force stands until it is cancelled."""
        return self in {AssetClass.FX, AssetClass.CRYPTO}


class BrokerName(StrEnum):
    """The venues we know. The port they share is `execution.domain.ports.Broker`."""

    IBKR = "IBKR"
    MT4 = "MT4"
    BINANCE = "BINANCE"
    PAPER = "PAPER"

    @property
    def queue(self) -> str:
        """Name of the Celery queue that this broker's own worker serves."""
        return self.value.lower()


class Side(StrEnum):
    """BUY or SELL."""

    BUY = "BUY"
    SELL = "SELL"

    @property
    def sign(self) -> int:
        """+1 for BUY, -1 for SELL: what an execution does to a position."""
        return 1 if self is Side.BUY else -1

    @property
    def opposite(self) -> Side:
        """The other one."""
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderType(StrEnum):
    """How an order's price is decided."""

    MARKET = "MARKET"
    LIMIT = "LIMIT"
    STOP = "STOP"
    STOP_LIMIT = "STOP_LIMIT"
    TRAILING_STOP = "TRAILING_STOP"
    MARKET_ON_CLOSE = "MARKET_ON_CLOSE"
    LIMIT_ON_CLOSE = "LIMIT_ON_CLOSE"


class TimeInForce(StrEnum):
    """How long an order stands."""

    DAY = "DAY"
    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"
    GTD = "GTD"


class ExecutionMode(StrEnum):
    """LIVE is any venue, its own demo accounts included; PAPER is our simulation."""

    LIVE = "LIVE"
    PAPER = "PAPER"


class Environment(StrEnum):
    """`practice` refuses real accounts; `production` is real money."""

    PRACTICE = "practice"
    PRODUCTION = "production"


class OnFailure(StrEnum):
    """What becomes of an order whose live route fails before anything was sent."""

    PAPER = "paper"
    REJECT = "reject"
    WAIT = "wait"


class OrderState(StrEnum):
    """State of an order and of each of its attempts."""

    PENDING = "PENDING"
    SUBMITTING = "SUBMITTING"
    SUBMITTED = "SUBMITTED"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELLED = "CANCELLED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    UNKNOWN = "UNKNOWN"

    @property
    def is_final(self) -> bool:
        """True when nothing more is expected (a late execution is still recorded)."""
        return self in FINAL_STATES

    @property
    def is_working(self) -> bool:
        """True when the venue has accepted the order and may fill it."""
        return self in WORKING_STATES


FINAL_STATES = frozenset(
    {OrderState.FILLED, OrderState.CANCELLED, OrderState.REJECTED, OrderState.EXPIRED}
)
WORKING_STATES = frozenset({OrderState.SUBMITTED, OrderState.PARTIALLY_FILLED})


class SessionStatus(StrEnum):
    """What a broker's worker says of its connection in `broker_sessions`."""

    LIVE_READY = "LIVE_READY"
    NO_CREDENTIALS = "NO_CREDENTIALS"
    DOWN = "DOWN"


class BreakerState(StrEnum):
    """Circuit breaker: CLOSED lets orders through, OPEN does not, HALF_OPEN probes health."""

    CLOSED = "CLOSED"
    OPEN = "OPEN"
    HALF_OPEN = "HALF_OPEN"
