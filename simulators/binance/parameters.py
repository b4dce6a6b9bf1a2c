"""The parameters of a request, read one by one; what nobody read is refused, as Binance does."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from decimal import Decimal
from urllib.parse import parse_qsl

from simulators.binance.errors import ApiError, mandatory

_DECIMAL = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
_INTEGER = r"^[0-9]{1,20}$"
_CLIENT_ID = r"^[a-zA-Z0-9-_]{1,36}$"
# Names in other scripts since 2025-12-18 (test network): anything but small Latin letters.
_SYMBOL = r"^(?:(?![a-z])[\w\-.]){1,50}$"
_PLACES = 8


class Parameters:
    """Query string and form body; where both have a parameter, the query string counts.

    Every reader marks its parameter as read, and `finish` refuses the request when one is left.
    ApiError says what is wrong with one: missing (-1102), empty (-1105), malformed (-1100), too
    precise (-1111).
    """

    def __init__(self, query: str, body: str = "") -> None:
        self._values: dict[str, str] = {}
        for source in (body, query):
            pairs = parse_qsl(source, keep_blank_values=True)
            values = dict(pairs)
            if len(values) < len(pairs):
                raise ApiError(-1101, "Duplicate values for a parameter detected.")
            self._values |= values
        self._read: set[str] = set()

    def peek(self, name: str) -> str | None:
        """A parameter as it came, not marked as read."""
        return self._values.get(name)

    def text(self, name: str, pattern: str | None = None) -> str | None:
        """A parameter, None when it was not sent."""
        value = self._values.get(name)
        if value is None:
            return None
        self._read.add(name)
        if not value:
            raise ApiError(-1105, f"Parameter '{name}' was empty.")
        if pattern is not None and not re.fullmatch(pattern[1:-1], value):
            raise ApiError(
                -1100,
                f"Illegal characters found in parameter '{name}'; legal range is '{pattern}'.",
            )
        return value

    def required(self, name: str, pattern: str | None = None) -> str:
        """A parameter that must be there."""
        if not self._values.get(name):
            raise mandatory(name)
        value = self.text(name, pattern)
        assert value is not None  # noqa: S101 - it is there
        return value

    def symbol(self) -> str | None:
        """The parameter `symbol`, well-formed."""
        return self.text("symbol", _SYMBOL)

    def client_id(self, name: str) -> str | None:
        """A client order id."""
        return self.text(name, _CLIENT_ID)

    def decimal(self, name: str) -> Decimal | None:
        """A number of at most eight places."""
        text = self.text(name, _DECIMAL)
        if text is None:
            return None
        if len(text.partition(".")[2].rstrip("0")) > _PLACES:
            raise ApiError(-1111, f"Parameter '{name}' has too much precision.")
        return Decimal(text)

    def integer(self, name: str) -> int | None:
        """A whole number."""
        text = self.text(name, _INTEGER)
        return None if text is None else int(text)

    def choice(self, name: str, among: Collection[str], refusal: ApiError) -> str | None:
        """One of some words; else `refusal`."""
        value = self.text(name)
        if value is not None and value not in among:
            raise refusal
        return value

    def flag(self, name: str) -> bool:
        """A boolean; not sent means false."""
        value = self.text(name)
        if value is not None and value.lower() not in {"true", "false"}:
            raise ApiError(-1130, f"Data sent for parameter '{name}' is not valid.")
        return value is not None and value.lower() == "true"

    def limit(self, default: int = 500, most: int = 1000) -> int:
        """The parameter `limit`; more than `most` is `most`."""
        limit = self.integer("limit")
        if limit == 0:
            raise ApiError(-1130, "Data sent for parameter 'limit' is not valid.")
        return min(default if limit is None else limit, most)

    def symbols(self) -> list[str] | None:
        """The parameter `symbols`, a JSON array of strings; None when it was not sent."""
        text = self.text("symbols")
        if text is None:
            return None
        try:
            symbols = json.loads(text)
        except ValueError:
            symbols = None
        if not isinstance(symbols, list) or not all(isinstance(item, str) for item in symbols):
            raise ApiError(
                -1100,
                "Illegal characters found in parameter 'symbols'; legal range is"
                ' \'^\\[("[A-Z0-9-_.]{1,20}"(,"[A-Z0-9-_.]{1,20}"){0,}){0,1}\\]$\'.',
            )
        if len(set(symbols)) < len(symbols):
            raise ApiError(-1151, "Symbol is present multiple times in the list.")
        return symbols

    def finish(self) -> None:
        """Refuse what was sent and never read (-1104)."""
        if self._values.keys() - self._read:
            raise ApiError(
                -1104,
                "Not all sent parameters were read;"
                f" read '{len(self._read)}' parameter(s) but was sent '{len(self._values)}'.",
            )
