"""One root of errors and a tree below it, by cause."""

from __future__ import annotations

from enum import StrEnum


def printable(words: str) -> str:
    """A venue's words without NUL characters, which PostgreSQL takes in no text."""
    return words.replace("\x00", "")


class ExecutionError(Exception):
    """Root of every error this project raises on purpose."""


class ConfigurationError(ExecutionError):
    """A setting is missing, malformed or contradicts the database."""


class RequestRefused(ExecutionError):
    """A request cannot become an order; the message names field, value and rule."""


class UnknownSymbol(RequestRefused):
    """No rule maps the ticker to an instrument, or more than one does."""


class NotTradedNow(RequestRefused):
    """Its venue takes no orders of a symbol for the time being: a state of the symbol alone."""


class NotAllowed(ExecutionError):
    """A limit or the trading state does not let an order be sent; the message names it.

    `waits` is True where it may be sent later: it must not be refused then, and never goes to
    paper for it.
    """

    def __init__(self, reason: str, *, waits: bool = False) -> None:
        super().__init__(reason)
        self.waits = waits


class KeptFromLive(NotAllowed):
    """FORCE_PAPER_TRADING is set where an order would be sent to a live broker.

    What may be simulated goes to paper; what reduces risk, or follows what was live, waits.
    """

    def __init__(self) -> None:
        super().__init__("FORCE_PAPER_TRADING is set", waits=True)


class NothingToReduce(NotAllowed):
    """A reduce-only order finds no position that is free to be reduced: it protects nothing."""


class StoreUnavailable(ExecutionError):
    """PostgreSQL did not answer; nothing was decided, try again."""


class StoreBusy(StoreUnavailable):
    """Another transaction holds what this one needs, and for too long; PostgreSQL itself works."""


class IllegalTransition(ExecutionError):
    """A step or a command would leave an order in a state that it cannot have: a defect."""


class EventsUnavailable(ExecutionError):
    """Redis did not answer; what is to be published stays due in PostgreSQL."""


class RejectionScope(StrEnum):
    """What a refusal is about: an order or its symbol just now, the venue, or what was asked."""

    ORDER = "ORDER"
    SYMBOL = "SYMBOL"
    VENUE = "VENUE"
    TERMS = "TERMS"


class BrokerError(ExecutionError):
    """Root of what an adapter may raise. A venue's words are kept without what no text may hold."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(printable(reason))


class BrokerRejected(BrokerError):
    """A definite no: a submit that was refused left no order; a cancel or modify changed nothing.

    `scope` VENUE means that the venue refuses everybody just now (closed, halted), which counts
    toward its circuit breaker; ORDER means that this one order was at fault; SYMBOL that it takes
    no order of that symbol for the time being, nor may one be simulated; TERMS that the venue
    never takes such an order (a symbol it does not list, a size below its minimum), which is
    therefore not simulated in its place.
    """

    def __init__(
        self, reason: str, *, code: str | None = None, scope: RejectionScope = RejectionScope.ORDER
    ) -> None:
        super().__init__(reason)
        self.reason = printable(reason)
        self.code = code
        self.scope = scope


class BrokerUnavailable(BrokerError):
    """The request provably never left, or the venue says that it took nothing."""


class NotTaken(BrokerUnavailable):
    """It was sent, and the venue says that it took nothing: to be sent again at leisure."""


class TooLate(BrokerUnavailable):
    """The venue took nothing since it came after `send_by`: no fault of the order or the venue."""


class RateLimited(BrokerUnavailable):
    """Nothing was taken: it is beyond the rate that the venue allows.

    `wait` is for how many seconds the venue wants no request at all, where it has said so.
    """

    def __init__(self, reason: str = "", *, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


class AccessRefused(BrokerUnavailable):
    """The venue lets nobody in from here, and took nothing: only a person can mend that."""


class CredentialsRefused(AccessRefused):
    """The venue took nothing since it does not accept the key."""


class OutcomeUnknown(BrokerError):
    """The request may have arrived; only the venue can tell (ask with `find`)."""
