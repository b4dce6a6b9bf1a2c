"""How the gateway spells what TWS spells in several ways: times and futures' local symbols.

Sources: TWS API, "Orders", "Changes in the date/time field"; executions and contracts that users
recorded: `20231214-20:57:37` (https://github.com/erdewit/ib_insync/issues/671), `20251104 15:13:24
MET` (https://github.com/ib-api-reloaded/ib_async/issues/188); `FGBL MAR 23` in IB's own samples
(ContractSamples, "FutureWithLocalSymbol"), `FESX JUN 21`
(https://github.com/pst-group/pysystemtrade/issues/329), `ZS   JUL 19`
(https://github.com/ranaroussi/ezibpy/issues/31), and `FDAX 20250919 M` since Eurex changed its
symbols on 27 March 2023 (https://github.com/pst-group/pysystemtrade/issues/1029).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

from simulators.ib_gateway import times
from simulators.ib_gateway.options import GatewayOptions
from simulators.ib_gateway.wire import Value

CODES, WORDS = "codes", "words"
_MONTHS = "FGHJKMNQUVXZ"
# Places in an execution's message.
_FIELDS = {
    "strike": 7,
    "execId": 14,
    "time": 15,
    "side": 18,
    "shares": 19,
    "price": 20,
    "permId": 21,
    "cumQty": 24,
    "avgPrice": 25,
    "orderRef": 26,
}
_FORMS = frozenset({"plain", "named", "utc", "day", "empty"})


def local_symbol(style: str, root: str, exchange: str, month: str, ends: date) -> str:
    """A future's: `words` as in `ZC   DEC 21`, or `codes`, which are those of today."""
    year, number = int(month[:4]), int(month[4:])
    if style == WORDS:
        return f"{root:5}{date(year, number, 1):%b %y}".upper()
    if exchange == "EUREX":
        return f"{root} {ends:%Y%m%d} M"
    return f"{root}{_MONTHS[number - 1]}{year % 10}"


class Spelling:
    """How executions are written at the moment: see `change` and `garble`."""

    def __init__(self, options: GatewayOptions) -> None:
        self._zone = options.time_zone
        self._form = "named" if options.name_zone else "plain"
        self._name: str | None = None
        self._garbled: tuple[int, str] | None = None
        self._times: int | None = None

    def change(self, body: dict[str, Any]) -> None:
        """Take in POST /times. ValueError for what is none of the forms.

        `form`: `plain` is the login's time without a zone, `named` is with one, `utc` has a dash,
        `day` has no clock and `empty` nothing at all. `zone` is the login's. `name` is what it is
        called with the time, whatever it is: JST, EDT or nonsense.
        """
        form, zone, name = (body.get(key) for key in ("form", "zone", "name"))
        if form is not None and form not in _FORMS:
            raise ValueError(f"form must be one of {', '.join(sorted(_FORMS))}, not {form!r}")
        if not isinstance(zone, str | None) or not isinstance(name, str | None):
            raise ValueError("zone and name are texts")  # noqa: TRY004 - a 400
        if zone is not None:
            times.told(datetime.now(UTC), zone, name_zone=False)
            self._zone, self._name = zone, None
        self._form = form or self._form
        if "name" in body:
            self._name = name

    def time(self, moment: datetime) -> str:
        """An execution's time."""
        match self._form:
            case "utc":
                return f"{moment.astimezone(UTC):%Y%m%d-%H:%M:%S}"
            case "day":
                return f"{moment.astimezone(UTC):%Y%m%d}"
            case "empty":
                return ""
        told = times.told(moment, self._zone, name_zone=self._form == "named")
        if self._form == "named" and self._name is not None:
            return told.replace(self._zone, self._name)
        return told

    def garble(self, body: dict[str, Any]) -> None:
        """Take in POST /garble. ValueError for another field.

        `field` of the next executions' messages is `value`; `times` is in how many (null: all).
        Without a `field` all are whole again.
        """
        field, value, times_ = body.get("field"), body.get("value", ""), body.get("times", 1)
        if field is None:
            self._garbled = None
            return
        if field not in _FIELDS or not isinstance(value, str) or not isinstance(times_, int | None):
            raise ValueError(f"field must be one of {', '.join(_FIELDS)}, value a text")
        self._garbled, self._times = (_FIELDS[field], value), times_

    def written(self, message: Sequence[Value]) -> Sequence[Value]:
        """An execution's message as it goes out."""
        if self._garbled is None or self._times == 0:
            return message
        if self._times is not None:
            self._times -= 1
        place, value = self._garbled
        return [*message[:place], value, *message[place + 1 :]]
