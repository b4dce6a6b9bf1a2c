"""What a producer may ask for, and the words in which anything else is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from execution.domain.decimals import plain
from execution.domain.errors import RequestRefused
from execution.domain.payloads import shown, storable
from execution.domain.vocabulary import (
    AssetClass,
    ExecutionMode,
    OnFailure,
    OrderType,
    Side,
    TimeInForce,
)

MAXIMUM_NUMBER = Decimal(10) ** 15
MAXIMUM_DECIMALS = 18
_PLAIN_DECIMAL = re.compile(r"[+-]?[0-9]{1,40}(\.[0-9]{1,40})?", re.ASCII)
_SHOWN_PROBLEMS = 5

Model = TypeVar("Model", bound=BaseModel)


def _decimal(value: object) -> Decimal:
    """A number as a decimal string, or a JSON integer; a JSON float has already lost digits."""
    if isinstance(value, Decimal):
        value = plain(value) if value.is_finite() else str(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        value = str(value) if abs(value) < MAXIMUM_NUMBER else "9" * 41
    if not isinstance(value, str):
        raise PydanticCustomError("decimal", 'must be a decimal string such as "0.5"')
    if not _PLAIN_DECIMAL.fullmatch(value):
        raise PydanticCustomError("decimal", 'must be a plain decimal number such as "0.5"')
    number = Decimal(value)
    if not 0 < number < MAXIMUM_NUMBER:
        raise PydanticCustomError("range", "must be greater than 0 and below 1e15")
    decimals = -int(number.normalize().as_tuple().exponent)
    if decimals > MAXIMUM_DECIMALS:
        raise PydanticCustomError("digits", "must have at most 18 decimals")
    return number


Number = Annotated[Decimal, BeforeValidator(_decimal)]
Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,36}$")]
Label = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")]

# Which prices a type needs; every other one is refused with it.
_PRICES: dict[OrderType, frozenset[str]] = {
    OrderType.MARKET: frozenset(),
    OrderType.LIMIT: frozenset({"limit_price"}),
    OrderType.STOP: frozenset({"stop_price"}),
    OrderType.STOP_LIMIT: frozenset({"limit_price", "stop_price"}),
    OrderType.TRAILING_STOP: frozenset({"trail_amount", "trail_percent"}),
    OrderType.MARKET_ON_CLOSE: frozenset(),
    OrderType.LIMIT_ON_CLOSE: frozenset({"limit_price"}),
}
_PRICE_FIELDS = ("limit_price", "stop_price", "trail_amount", "trail_percent")


_CHILDS_ID = re.compile(r".{22}-(?:tp|sl|fl)")


def _no_childs_id(value: str) -> str:
    """Refuse an id that a bracket's child may get: whoever took it would keep the stop away."""
    if _CHILDS_ID.fullmatch(value):
        raise ValueError("this form is kept for the children of brackets")
    return value


class OrderRequest(BaseModel):
    """A request as `tasks.place_order` takes it; see the README's table of arguments.

    Quantities are shares, contracts or units of the base currency; prices are in the instrument's
    currency; `trail_percent` is in percent. `post_only` asks for a LIMIT order that rests or is
    refused, but never takes. Numbers are positive, below 1e15, with 18 decimals.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)

    client_order_id: Annotated[Identifier, AfterValidator(_no_childs_id)]
    symbol: Annotated[str, Field(min_length=1, max_length=64)]
    side: Side
    quantity: Number
    order_type: OrderType = OrderType.MARKET
    limit_price: Number | None = None
    stop_price: Number | None = None
    trail_amount: Number | None = None
    trail_percent: Number | None = None
    take_profit_price: Number | None = None
    stop_loss_price: Number | None = None
    time_in_force: TimeInForce | None = None
    expires_at: datetime | None = None
    asset_class: AssetClass | None = None
    account: Label | None = None
    strategy: Label | None = None
    reference_price: Number | None = None
    outside_rth: Annotated[bool, Field(strict=True)] = False
    post_only: Annotated[bool, Field(strict=True)] = False
    reduce_only: Annotated[bool, Field(strict=True)] = False
    execution_mode: ExecutionMode | None = None
    on_failure: OnFailure = OnFailure.PAPER

    @field_validator("expires_at", mode="before")
    @classmethod
    def _aware(cls, value: object) -> object:
        """A time is an ISO 8601 string with its offset; a bare number could mean anything."""
        if value is None or isinstance(value, datetime):
            moment = value
        elif isinstance(value, str):
            try:
                moment = datetime.fromisoformat(value) if value.isprintable() else None
            except ValueError:
                moment = None
            if moment is None:
                raise PydanticCustomError("time", "must be an ISO 8601 time with its UTC offset")
        else:
            raise PydanticCustomError("time", "must be an ISO 8601 time with its UTC offset")
        if moment is not None and moment.tzinfo is None:
            raise PydanticCustomError("time", "must be an ISO 8601 time with its UTC offset")
        try:
            return moment if moment is None else moment.astimezone(UTC)
        except OverflowError:
            raise PydanticCustomError("time", "must be a time that exists in UTC") from None

    @model_validator(mode="after")
    def _prices_fit_the_type(self) -> Self:
        given = {name for name in _PRICE_FIELDS if getattr(self, name) is not None}
        needed = _PRICES[self.order_type]
        if self.order_type is OrderType.TRAILING_STOP:
            if len(given & needed) != 1:
                raise PydanticCustomError(
                    "trail_amount", "exactly one of trail_amount, trail_percent goes with a trail"
                )
        elif missing := sorted(needed - given):
            raise PydanticCustomError(missing[0], f"required for order_type {self.order_type}")
        if surplus := sorted(given - needed):
            raise PydanticCustomError(surplus[0], f"not allowed for order_type {self.order_type}")
        if (self.time_in_force is TimeInForce.GTD) != (self.expires_at is not None):
            raise PydanticCustomError("expires_at", "required for time_in_force GTD, and only then")
        if self.post_only and (
            self.order_type is not OrderType.LIMIT
            or self.time_in_force in {TimeInForce.IOC, TimeInForce.FOK}
        ):
            raise PydanticCustomError("post_only", "is for LIMIT orders that may rest")
        return self

    @model_validator(mode="after")
    def _bracket_is_the_right_way_round(self) -> Self:
        profit, loss = self.take_profit_price, self.stop_loss_price
        if profit is None or loss is None:
            return self
        if (profit - loss) * self.side.sign <= 0:
            where = "above" if self.side is Side.BUY else "below"
            raise PydanticCustomError(
                "take_profit_price", f"must be {where} stop_loss_price for a {self.side}"
            )
        return self

    @property
    def is_bracket(self) -> bool:
        """True when children are to follow what this order fills."""
        return self.take_profit_price is not None or self.stop_loss_price is not None

    @property
    def names_on_failure(self) -> bool:
        """True when the request says what follows a failure; else the desk's default does."""
        return "on_failure" in self.model_fields_set

    def with_on_failure(self, default: OnFailure) -> OrderRequest:
        """The request as an order is made of it: what it leaves to the desk's default, filled in.

        An order that reduces risk is not given up by a default: it waits, unless its request says
        otherwise.
        """
        if self.names_on_failure:
            return self
        waits = self.reduce_only and default is OnFailure.REJECT
        return self.model_copy(update={"on_failure": OnFailure.WAIT if waits else default})

    def effective_time_in_force(self, asset_class: AssetClass) -> TimeInForce:
        """The time in force asked for, or the asset class's: GTC for FX and CRYPTO, else DAY."""
        if self.time_in_force is not None:
            return self.time_in_force
        return TimeInForce.GTC if asset_class.around_the_clock else TimeInForce.DAY

    def canonical(self) -> dict[str, Any]:
        """The request as JSON, defaults left out, numbers in plain notation.

        Two payloads that mean the same order have the same canonical form. `on_failure` is left out
        where it is `paper`, said or not; see `execution.intake` for where that makes a difference.
        """
        return {
            name: plain(value) if isinstance(value, Decimal) else self._json(value)
            for name, value in self
            if value != type(self).model_fields[name].default
        }

    @staticmethod
    def _json(value: object) -> object:
        return value.isoformat() if isinstance(value, datetime) else value


def parse(payload: Mapping[str, Any]) -> OrderRequest:
    """Validate an order's payload. RequestRefused names field, value and rule of each problem."""
    return validated(OrderRequest, payload)


def validated(model: type[Model], payload: Mapping[str, Any]) -> Model:
    """Validate a payload.

    Raises RequestRefused whose message names, for each problem, the field, the value and the rule.
    """
    try:
        return model.model_validate({storable(key): value for key, value in payload.items()})
    except ValidationError as error:
        problems = [
            _problem(payload, item)
            for item in error.errors(include_url=False, include_context=True)
        ]
        more = len(problems) - _SHOWN_PROBLEMS
        text = "; ".join(problems[:_SHOWN_PROBLEMS])
        raise RequestRefused(text + (f"; and {more} more" if more > 0 else "")) from None


def _problem(payload: Mapping[str, Any], item: Any) -> str:
    """One line for one of pydantic's errors: `quantity: "-1" must be greater than 0 …`."""
    message = item["msg"][:1].lower() + item["msg"][1:]
    if not item["loc"]:
        # A rule over several fields: its type carries the name of the one to look at.
        field = item["type"]
        return f"{field}: {shown(payload.get(field))} {message}"
    field = str(item["loc"][0])
    if item["type"] == "missing":
        return f"{shown_name(field)}: missing, it is required"
    if item["type"] == "extra_forbidden":
        return f"{shown_name(field)}: {shown(item['input'])} is not a known field"
    return f"{field}: {shown(item['input'])} {message.replace('input should', 'must')}"


def shown_name(field: str) -> str:
    """A field's name as it can be printed; an unknown one may be anything."""
    return field if field.isidentifier() and len(field) <= 64 else shown(field)  # noqa: PLR2004
