"""Market data: snapshots and streams of bid, ask, last and shortable shares."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from simulators.ib_gateway.codes import (
    DELAYED,
    DUPLICATE_TICKER,
    NO_TICKER,
    NOT_SUBSCRIBED,
    NOT_SUBSCRIBED_IN_PART,
)
from simulators.ib_gateway.contracts import Contract, read_description
from simulators.ib_gateway.wire import Fields
from simulators.ledger.market import Market

if TYPE_CHECKING:
    from simulators.ib_gateway.session import Session

_SHORTABLE = "236"
# Tick types of bid, its size, ask, its size, last, its size: live and delayed.
_LIVE = (1, 0, 2, 3, 4, 5)
_DELAYED = (66, 69, 67, 70, 68, 71)
_LIVE_DATA, _DELAYED_DATA = 1, 3
# A size where the market has any amount; TWS tells a share's in lots of a hundred or in shares.
_PLENTY = Decimal(1000)
_NO_PRICE = Decimal(-1)
# TWS's own measure: above 2.5 at least a thousand shares can be borrowed, above 1.5 some may be.
_EASY, _TO_LOCATE, _NONE = Decimal(3), Decimal(2), Decimal(0)
_EASY_SHARES = Decimal(10_000_000)


@dataclass(slots=True)
class Subscription:
    """A stream of one contract's ticks."""

    contract: Contract
    generic: frozenset[str]
    delayed: bool
    told: dict[int, object] = field(default_factory=dict)


class Subscriptions:
    """What one client streams."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._streams: dict[int, Subscription] = {}
        self._data_type = _LIVE_DATA

    def request(self, fields: Fields) -> None:
        """Begin a stream or give a snapshot. Refusal 200, 102, 354 or 10090."""
        fields.skip(1)
        request_id, described = fields.integer(), read_description(fields)
        if fields.flag():  # a delta neutral contract
            fields.skip(3)
        generic = frozenset(item.strip() for item in fields.text().split(",") if item)
        snapshot = fields.flag()
        contract = self._session.gateway.catalogue.one(described)
        if request_id in self._streams:
            raise DUPLICATE_TICKER.refusal()
        stream = self._permitted(request_id, contract, generic)
        self._introduce(request_id, stream)
        self._tick(request_id, stream)
        if snapshot:
            self._session.send((57, 1, request_id))
        else:
            self._streams[request_id] = stream

    def cancel(self, fields: Fields) -> None:
        """End a stream. Refusal 300 when there is none."""
        fields.skip(1)
        request_id = fields.integer()
        if self._streams.pop(request_id, None) is None:
            raise NO_TICKER.refusal(request_id)

    def data_type(self, fields: Fields) -> None:
        """Ask for live (1), frozen (2), delayed (3) or delayed frozen (4) data from now on."""
        fields.skip(1)
        self._data_type = fields.integer(_LIVE_DATA)

    def refresh(self, ticker: str) -> None:
        """Stream what has changed of a ticker."""
        for request_id, stream in self._streams.items():
            if stream.contract.ticker == ticker:
                self._tick(request_id, stream)

    def lose(self) -> None:
        """Forget every stream, as after 1101."""
        self._streams.clear()

    def _permitted(
        self, request_id: int, contract: Contract, generic: frozenset[str]
    ) -> Subscription:
        """The stream the account has a subscription for. Refusal when it has none."""
        access = self._session.gateway.data_access.get(contract.ticker, "live")
        wants_delayed = self._data_type >= _DELAYED_DATA
        if access == "none" and not wants_delayed:
            raise NOT_SUBSCRIBED.refusal()
        if access == "part":
            text = NOT_SUBSCRIBED_IN_PART.text
            self._session.error(request_id, NOT_SUBSCRIBED_IN_PART.number, text)
        delayed = access == "none"
        if delayed:
            self._session.error(request_id, DELAYED.number, DELAYED.text)
        return Subscription(contract, generic, delayed)

    def _introduce(self, request_id: int, stream: Subscription) -> None:
        kind = _DELAYED_DATA if stream.delayed else _LIVE_DATA
        self._session.send((81, request_id, stream.contract.min_tick, "9c0001", 3))
        self._session.send((58, 1, request_id, kind))

    def _tick(self, request_id: int, stream: Subscription) -> None:
        """Send the ticks that differ from those told last."""
        gateway = self._session.gateway
        market = gateway.matcher.market(stream.contract.ticker)
        if gateway.data_access.get(stream.contract.ticker) != "part":
            kinds = _DELAYED if stream.delayed else _LIVE
            for index, (price, size) in enumerate(_ticks(market, stream.contract)):
                kind, of_size = kinds[2 * index], kinds[2 * index + 1]
                if self._news(stream, kind, (price, size)):
                    self._session.send((1, 6, request_id, kind, price, size, 1))
                    self._session.send((2, 6, request_id, of_size, size))
        if _SHORTABLE in stream.generic:
            self._shortable(request_id, stream)

    def _shortable(self, request_id: int, stream: Subscription) -> None:
        ticker, risk = stream.contract.ticker, self._session.gateway.desk.risk
        shares = risk.shortable.get(ticker, _EASY_SHARES)
        ease = _EASY if shares else _TO_LOCATE if ticker in risk.locatable else _NONE
        if self._news(stream, 46, ease):
            self._session.send((45, 6, request_id, 46, ease))
        if self._news(stream, 89, shares):
            self._session.send((2, 6, request_id, 89, shares))

    def _news(self, stream: Subscription, kind: int, value: object) -> bool:
        if stream.told.get(kind) == value:
            return False
        stream.told[kind] = value
        return True


def _ticks(market: Market | None, contract: Contract) -> list[tuple[Decimal, Decimal]]:
    """Price and size of bid, ask and last; of what has no market TWS tells -1, and no last."""
    if market is None:
        return [(_NO_PRICE, Decimal(0))] * 2
    size = _PLENTY if market.size is None else market.size
    middle = (market.bid + market.ask) / 2
    return [(market.bid, size), (market.ask, size), (middle - middle % contract.min_tick, size)]
