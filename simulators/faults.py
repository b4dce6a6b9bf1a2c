"""Armed faults: what a simulator does wrong on purpose, how many times, and to which orders.

A simulator asks `take` at each place where it could go wrong. Every answer counts the fault down,
so a test can prove from `as_json` that the fault it armed really fired.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class FaultKind(StrEnum):
    """What goes wrong."""

    DROP_REQUEST = "drop_request"
    """The connection drops before the venue accepts."""
    DROP_REPLY = "drop_reply"
    """The venue accepts, then the connection drops."""
    DELAY = "delay"
    """The request stands still for `seconds` before the venue sees it."""
    DELAY_REPLY = "delay_reply"
    """The venue accepts, then answers `seconds` later."""
    ERROR_REPLY = "error_reply"
    """The venue accepts, then answers with an internal error (HTTP: `status`)."""
    DISCONNECT = "disconnect"
    """Every connection drops; with `seconds` the port stays shut for so long."""
    REJECT = "reject"
    """The venue refuses with `code`, `reason` and `scope`."""
    UNAVAILABLE = "unavailable"
    """The venue says that it is not serving anybody and took nothing."""
    DUPLICATE_REPORT = "duplicate_report"
    """An execution is reported twice, under one id."""
    FILL_BEFORE_STATUS = "fill_before_status"
    """An execution is reported while the order's state does not show it yet."""
    TAKEN_LATE = "taken_late"
    """The venue answers with `code`, which says nothing of the outcome, and takes the request
    `seconds` later."""
    HOLD_FILLS = "hold_fills"
    """An order that could fill does not, for `seconds` or until the fault is cleared."""
    RATE_LIMIT = "rate_limit"
    """The venue takes nothing and says to come back after `seconds` (HTTP: `status` 429 or 418)."""
    MALFORMED = "malformed"
    """The venue accepts, then answers with what nobody can parse."""
    SWALLOW = "swallow"
    """The venue accepts, and tells the sender nothing of it until he connects anew."""
    LATE_REJECT = "late_reject"
    """The venue accepts and says so, then refuses, `seconds` later, with `code` and `reason`."""
    LATE_COMMISSION = "late_commission"
    """The commission comes `seconds` after its execution, or when the fault is cleared."""
    LOCATE = "locate"
    """A sale waits for shares to borrow, for `seconds` or until the fault is cleared."""
    LOST = "lost"
    """The venue never sees the request, and the connection stands."""
    REMARK = "remark"
    """The venue accepts, and says `code` and `reason` of it all the same; the rest `seconds` later.
    """
    INACTIVE = "inactive"
    """The venue accepts, says `code` and `reason`, and shows the order as inactive: it can be
    cancelled, and is taken up again when the fault is cleared."""
    CANCELLED_WITH_CODE = "cancelled_with_code"
    """The venue accepts, says `code` and `reason`, and ends the order as cancelled."""
    PENDING_CANCEL = "pending_cancel"
    """A cancel stays pending, for `seconds` or until the fault is cleared; another is refused."""
    DUPLICATE_STATUS = "duplicate_status"
    """The last status of an order is told twice."""
    FILLED_FIRST = "filled_first"
    """An order is shown as filled, and its execution is told `seconds` later."""
    REFUSAL_ENDS = "refusal_ends"
    """A change that the venue never makes is refused, and its order ends with the refusal."""
    AMBIGUOUS = "ambiguous"
    """A description that fits one instrument fits a second one, too."""
    INVISIBLE = "invisible"
    """The venue accepts, the connection drops, and no query shows the order or its trades for
    `seconds`; what the account holds shows it."""
    SHUT_OUT = "shut_out"
    """What stands before the venue refuses the address, with `status` 403 (a page) or 451."""
    STRANGE_STATUS = "strange_status"
    """An order is shown under a status that nobody has heard of, `code`."""


COMMON = frozenset(
    {
        FaultKind.DROP_REQUEST,
        FaultKind.DROP_REPLY,
        FaultKind.DELAY,
        FaultKind.DELAY_REPLY,
        FaultKind.ERROR_REPLY,
        FaultKind.DISCONNECT,
        FaultKind.REJECT,
        FaultKind.UNAVAILABLE,
        FaultKind.HOLD_FILLS,
    }
)
"""What every simulator but the gateway commits; each names in `SUPPORTED` what it has code for."""

OPERATIONS = frozenset({"submit", "cancel", "modify", "query", "any"})
_OF_SUBMITS = frozenset(
    {
        FaultKind.DROP_REQUEST,
        FaultKind.DROP_REPLY,
        FaultKind.DELAY,
        FaultKind.DELAY_REPLY,
        FaultKind.ERROR_REPLY,
        FaultKind.REJECT,
        FaultKind.RATE_LIMIT,
        FaultKind.MALFORMED,
        FaultKind.SWALLOW,
        FaultKind.LATE_REJECT,
        FaultKind.LOCATE,
        FaultKind.LOST,
        FaultKind.REMARK,
        FaultKind.INACTIVE,
        FaultKind.CANCELLED_WITH_CODE,
        FaultKind.TAKEN_LATE,
        FaultKind.INVISIBLE,
    }
)
# What a fault answers with over HTTP when it was not told; a refusal is never a server's error.
_STATUS = {FaultKind.REJECT: 400, FaultKind.RATE_LIMIT: 429, FaultKind.SHUT_OUT: 403}
_WITH_SECONDS = frozenset(
    {FaultKind.DELAY, FaultKind.DELAY_REPLY, FaultKind.TAKEN_LATE, FaultKind.INVISIBLE}
)


@dataclass(slots=True)
class Fault:
    """One armed fault. `times` is how often it fires in all, `fired` how often it has.

    `on` names the operation it strikes ("submit", "cancel", "modify", "query" or "any");
    `symbol` and `venue_order_id` narrow it to one of either.
    """

    fault_id: int
    kind: FaultKind
    times: int = 1
    fired: int = 0
    on: str = "any"
    symbol: str | None = None
    venue_order_id: str | None = None
    seconds: float = 0.0
    code: str = "rejected"
    reason: str = "rejected by an armed fault"
    scope: str = "ORDER"
    status: int = 500

    def strikes(self, operation: str, symbol: str | None, venue_order_id: str | None) -> bool:
        """True when it is not used up and what is going on matches."""
        return (
            self.fired < self.times
            and (self.on == "any" or operation in {"any", self.on})
            and self.symbol in {None, symbol}
            and self.venue_order_id in {None, venue_order_id}
        )


class Faults:
    """The faults of one simulator. `supported` are the kinds it knows how to commit."""

    def __init__(self, supported: Iterable[FaultKind] = FaultKind) -> None:
        self.supported = frozenset(supported)
        self._armed: list[Fault] = []

    def arm(self, body: Mapping[str, Any]) -> Fault:
        """Arm what a control request describes. ValueError says what is wrong with it.

        An unsupported kind or an unknown field is refused: a fault that can never fire would
        make a test pass for nothing.
        """
        fields = dict(body)
        kind = FaultKind(fields.pop("kind", None))
        if kind not in self.supported:
            raise ValueError(f"this simulator cannot commit {kind.value!r}")
        unknown = fields.keys() - (Fault.__dataclass_fields__.keys() - {"fault_id", "fired"})
        if unknown:
            raise ValueError(f"a fault has no {', '.join(sorted(unknown))}")
        fields.setdefault("on", "submit" if kind in _OF_SUBMITS else "any")
        fields.setdefault("status", _STATUS.get(kind, 500))
        fault = Fault(fault_id=len(self._armed) + 1, kind=kind, **fields)
        _check(fault)
        self._armed.append(fault)
        return fault

    def take(
        self,
        kind: FaultKind,
        operation: str = "any",
        *,
        symbol: str | None = None,
        venue_order_id: str | None = None,
    ) -> Fault | None:
        """The first armed fault of that kind that matches, counted down; None without one."""
        for fault in self._armed:
            if fault.kind is kind and fault.strikes(operation, symbol, venue_order_id):
                fault.fired += 1
                return fault
        return None

    def clear(self, fault_id: int | None = None) -> list[Fault]:
        """Disarm one fault, or all of them; what was fired stays on record. Gives those cleared."""
        cleared = [fault for fault in self._armed if fault_id in {None, fault.fault_id}]
        for fault in cleared:
            fault.times = fault.fired
        return cleared

    def as_json(self) -> dict[str, Any]:
        """Every fault ever armed, and how often each kind has fired."""
        fired: dict[str, int] = {}
        for fault in self._armed:
            fired[fault.kind.value] = fired.get(fault.kind.value, 0) + fault.fired
        return {"faults": [asdict(fault) for fault in self._armed], "fired": fired}


def _check(fault: Fault) -> None:
    """Refuse a value out of range. ValueError names it."""
    for name, kinds in (("times", int), ("status", int), ("seconds", (int, float))):
        value = getattr(fault, name)
        if isinstance(value, bool) or not isinstance(value, kinds):
            raise ValueError(f"{name} must be a number, not {value!r}")  # noqa: TRY004 - one kind
    if fault.times < 1:
        raise ValueError(f"times must be at least 1, not {fault.times}")
    if fault.seconds < 0 or (fault.kind in _WITH_SECONDS and not fault.seconds):
        raise ValueError(f"{fault.kind.value} needs seconds above 0, not {fault.seconds}")
    if fault.on not in OPERATIONS:
        raise ValueError(f"on must be one of {', '.join(sorted(OPERATIONS))}, not {fault.on!r}")
    if fault.scope not in {"ORDER", "VENUE"}:
        raise ValueError(f"scope must be ORDER or VENUE, not {fault.scope!r}")
