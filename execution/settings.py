"""All configuration in one frozen object, read once per process from the environment."""

from __future__ import annotations

import os
import re
from datetime import timedelta
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from execution.domain.errors import ConfigurationError
from execution.domain.symbols.overrides import SymbolOverride
from execution.domain.vocabulary import Environment, OnFailure
from execution.durations import Seconds
from execution.nav_settings import NavSettings
from execution.signing import SHORTEST_KEY, KeyRole, Signer
from execution.venue_urls import checked_url

_SHORTEST_LIFETIME = timedelta(minutes=1)


_MOST_CLIENT_IDS = 32
"""So many clients TWS takes at once."""


def _client_ids(value: object) -> object:
    """A number, or the first and the last of a range."""
    said = str(value).strip()
    found = re.fullmatch(r"(\d{1,9})(?:-(\d{1,9}))?", said)
    if found is None:
        raise ValueError("must be a number, or a range such as 1-4")
    first, last = int(found[1]), int(found[2] or found[1])
    if not first <= last < first + _MOST_CLIENT_IDS:
        raise ValueError(f"must rise, by less than {_MOST_CLIENT_IDS}: TWS takes no more clients")
    return said


ClientIds = Annotated[str, BeforeValidator(_client_ids)]


_NEVER_EMPTY = frozenset({"task_signing_key", "producer_signing_key"})
"""What nobody leaves out by an empty file: messages would be taken that are not signed."""


class NamedFileSource(PydanticBaseSettingsSource):
    """Reads `NAME` from the file that `NAME_FILE` names, as container secrets are handed over."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """The file's stripped text, or None without such a variable. ConfigurationError."""
        variable = f"{field_name.upper()}_FILE"
        file = os.environ.get(variable)
        if not file:
            return None, field_name, False
        try:
            text = Path(file).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ConfigurationError(
                f"{variable} names {file}, which cannot be read: {error.strerror}"
            ) from None
        except UnicodeDecodeError:
            raise ConfigurationError(f"{variable} names {file}, which is not UTF-8 text") from None
        if text and self.field_is_complex(field):
            try:
                return self.decode_complex_value(field_name, field, text), field_name, False
            except ValueError:
                raise ConfigurationError(f"{variable} names {file}, which is not JSON") from None
        if not text and field_name in _NEVER_EMPTY:
            raise ConfigurationError(f"{variable} names {file}, which is empty")
        # An empty file is for what is not set, as an empty variable is.
        return text or None, field_name, False

    def __call__(self) -> dict[str, Any]:
        values = {
            name: self.get_field_value(field, name)[0]
            for name, field in self.settings_cls.model_fields.items()
        }
        return {name: value for name, value in values.items() if value is not None}


class Settings(NavSettings):
    """What the environment says; field names are the variables' names in lower case.

    Any variable may also come from a file: `NAME_FILE=/run/secrets/name` (see `NamedFileSource`).
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """A variable wins over the file its `_FILE` twin names; there is no .env file."""
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, NamedFileSource(settings_cls)

    execution_environment: Environment = Environment.PRACTICE
    database_url: SecretStr | None = Field(
        default=None, description="PostgreSQL; without it `execution up` runs an embedded one."
    )
    redis_url: SecretStr | None = Field(
        default=None, description="Redis or Valkey; without it `execution up` runs an embedded one."
    )
    task_signing_key: SecretStr | None = Field(
        default=None,
        description="Keys of task messages, separated by blanks: the first signs, all are taken. "
        "Without it the workers sign with a key that the database keeps.",
    )
    producer_signing_key: SecretStr | None = Field(
        default=None,
        description="Keys that sign orders, cancels and changes, and nothing else: what a producer "
        "needs where the intake must be signed. Workers take what any of them signed.",
    )
    require_signed_intake: bool | None = Field(
        default=None,
        description="Whether orders, cancels and changes must be signed. Unset: in production.",
    )
    task_signature_lifetime: Seconds = Field(
        default=timedelta(hours=1), description="How long a signed message may be on its way."
    )
    execution_home: Path = Field(
        default=Path(".execution"),
        description="Folder of the embedded servers' data, logs and generated passwords.",
    )
    default_account: str = Field(default="main", description="Account of an order naming none.")
    force_paper_trading: bool = Field(
        default=False,
        description="This process sends nothing new to a live broker: what is unsent goes to "
        "paper, what reduces risk waits. Orders that are live may be reduced and cancelled.",
    )
    on_failure_default: OnFailure = Field(
        default=OnFailure.PAPER,
        description="What becomes of an order whose broker fails, where its request names no "
        "`on_failure`: `paper`, `reject` or `wait`.",
    )
    reroute_refused: bool = Field(
        default=False,
        description="Simulate an order that its broker has refused; else it is REJECTED.",
    )

    ibkr_host: str | None = None
    ibkr_port: int = 7497
    ibkr_client_id: ClientIds = Field(
        default="1", description="Of the workers of Interactive Brokers: `1`, or a range `1-4`."
    )
    ibkr_account: str | None = Field(
        default=None, description="Account of an order naming none, of those of TWS's login."
    )
    ibkr_accounts: str = Field(
        default="",
        description="Further accounts of the login that are traded, with commas; empty: all.",
    )
    ibkr_timezone: str = Field(
        default="America/New_York",
        description="The time zone chosen at TWS's login: times without a zone are of it, and of "
        "days before today there TWS tells nothing.",
    )
    mt4_bridge_plain_http: str = Field(
        default="",
        description="The one host that MT4_BRIDGE_URL may name with http:// though it is not this "
        "machine: a container on a private network.",
    )
    mt4_bridge_url: str = "http://127.0.0.1:8005"
    mt4_bridge_token: SecretStr | None = None
    mt4_symbol_suffix: str = Field(
        default="", description="What the broker adds to each symbol's name: `.x` in `EURUSD.x`."
    )
    mt4_deviation: int = Field(
        default=30, ge=0, le=10_000, description="Worst slippage of a market order, in points."
    )
    mt4_poll_interval: Seconds = timedelta(seconds=1)
    binance_api_key: SecretStr | None = None
    binance_api_secret: SecretStr | None = None
    binance_testnet: bool = True
    binance_api_url: str | None = None
    binance_poll_interval: Seconds = timedelta(seconds=3)
    binance_absence_wait: Seconds = Field(
        default=timedelta(seconds=60),
        description="How long after the receive window Binance's `no such order` is believed.",
    )
    binance_resend_within: Seconds = Field(
        default=timedelta(seconds=60),
        description="How long after its intent a MARKET, IOC or FOK order that provably never "
        "arrived may be sent again.",
    )

    ledger_broker_url: str | None = Field(
        default=None,
        description="Address of the ledger broker (simulators.ledger), which then stands in for "
        "every live broker in LEDGER_BROKERS. Practice only.",
    )
    ledger_brokers: str = Field(
        default="binance", description="Comma-separated brokers the ledger broker stands in for."
    )

    ledger_poll_interval: Seconds = timedelta(seconds=3)
    symbol_overrides: dict[str, SymbolOverride] = Field(
        default_factory=dict,
        description="JSON: a symbol to what it names, for tickers the rules do not cover.",
    )

    paper_slippage: Decimal = Field(default=Decimal("0.001"), ge=0, lt=1)
    paper_slippage_model: Literal["fixed", "uniform", "none"] = "fixed"
    paper_price_wait: Seconds = Field(default=timedelta(seconds=30))
    quote_max_age: Seconds = Field(default=timedelta(seconds=10))
    paper_seed: int | None = Field(
        default=None, description="Makes `uniform` slippage repeatable: the same seed and ids."
    )
    paper_depth: Decimal | None = Field(
        default=None, gt=0, description="Size on each side of every quote; without it no limit."
    )
    paper_execution_size: Decimal | None = Field(
        default=None, gt=0, description="Largest single paper execution; without it no limit."
    )

    broker_call_timeout: Seconds = Field(
        default=timedelta(seconds=10), description="Longest wait for one answer of a venue."
    )
    submit_window: Seconds = Field(
        default=timedelta(seconds=5),
        description="From the commit of an intent to `send_by`, after which the venue refuses it.",
    )
    session_timeout: Seconds = Field(
        default=timedelta(seconds=10), description="A worker whose heartbeat is older is gone."
    )
    unserved_queue_grace: Seconds = Field(
        default=timedelta(seconds=30), description="Nobody serves a broker's queue: then reroute."
    )
    lost_connection_grace: Seconds = Field(
        default=timedelta(seconds=15), description="A lost connection may come back within this."
    )
    step_deadline: Seconds = Field(
        default=timedelta(seconds=5), description="A step that stands longer is sent again."
    )
    missing_executions_patience: Seconds = Field(
        default=timedelta(seconds=60),
        description="A venue's total may be ahead of the executions it reports for so long.",
    )
    continue_in_place: bool = Field(
        default=True,
        description="A step whose queue the same worker serves runs there without a message.",
    )
    bracket_coalesce: Seconds = Field(
        default=timedelta(seconds=0.5),
        description="Fills of a parent that follow each other within this get one stop and target, "
        "where each pair is orders of its own (Interactive Brokers). At most a second.",
        le=timedelta(seconds=1),
    )
    unprotected_after: Seconds = Field(
        default=timedelta(seconds=5),
        description="A bracket's position without a working stop is reported after this.",
    )
    unprotected_flatten: bool = Field(
        default=False,
        description="Then close at the market what has no stop: one reduce_only order a bracket.",
    )
    recovery_interval: Seconds = Field(default=timedelta(seconds=2))
    breaker_threshold: int = Field(default=5, ge=1)
    breaker_cooldown: Seconds = Field(default=timedelta(seconds=30))
    breaker_counts: Literal["health", "all"] = Field(
        default="health", description="`all` lets refusals of single orders open the breaker too."
    )

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @field_validator("database_url", mode="after")
    @classmethod
    def _psycopg2(cls, value: SecretStr | None) -> SecretStr | None:
        """`postgres://` and `postgresql://` mean psycopg2 (SQLAlchemy 2.1 would take psycopg 3)."""
        if value is None:
            return None
        url = value.get_secret_value()
        for scheme in ("postgres://", "postgresql://"):
            if url.startswith(scheme):
                return SecretStr("postgresql+psycopg2://" + url[len(scheme) :])
        return value

    @field_validator("binance_api_url", "ledger_broker_url", mode="after")
    @classmethod
    def _safe_address(cls, value: str | None) -> str | None:
        return None if value is None else checked_url(value)

    @field_validator("mt4_bridge_url", mode="after")
    @classmethod
    def _safe_bridge(cls, value: str, info: ValidationInfo) -> str:
        return checked_url(value, info.data.get("mt4_bridge_plain_http", ""))

    @property
    def ibkr_client_ids(self) -> range:
        """The client ids that workers of Interactive Brokers share."""
        first, _, last = self.ibkr_client_id.partition("-")
        return range(int(first), int(last or first) + 1)

    @field_validator("ibkr_timezone", mode="after")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("no time zone such as America/New_York") from None
        return value

    @field_validator("task_signing_key", "producer_signing_key", mode="after")
    @classmethod
    def _long_keys(cls, value: SecretStr | None) -> SecretStr | None:
        """A key that can be guessed protects nothing."""
        keys = [] if value is None else value.get_secret_value().split()
        if value is not None and (not keys or min(map(len, keys)) < SHORTEST_KEY):
            raise ValueError(f"each key must have at least {SHORTEST_KEY} characters")
        return value

    @field_validator("task_signature_lifetime", mode="after")
    @classmethod
    def _long_enough(cls, value: timedelta) -> timedelta:
        if value < _SHORTEST_LIFETIME:
            raise ValueError(f"must be at least {_SHORTEST_LIFETIME.total_seconds():.0f} seconds")
        return value

    @property
    def requires_signed_intake(self) -> bool:
        """Whether an order, a cancel or a change must be signed to be taken."""
        if self.require_signed_intake is not None:
            return self.require_signed_intake
        return self.execution_environment is Environment.PRODUCTION

    def signing_keys(self) -> dict[KeyRole, list[str]]:
        """The keys that are set, by their roles."""
        values = {
            KeyRole.SERVICE: self.task_signing_key,
            KeyRole.PRODUCER: self.producer_signing_key,
        }
        return {role: value.get_secret_value().split() for role, value in values.items() if value}

    def signer(self) -> Signer | None:
        """What a producer signs task messages with; None without a key."""
        keys = self.signing_keys()
        return Signer(keys, self.task_signature_lifetime) if keys else None

    def require_database_url(self) -> str:
        """The database URL in clear; ConfigurationError when none is set."""
        if self.database_url is None:
            raise ConfigurationError("DATABASE_URL is not set: run `execution up`, or set it")
        return self.database_url.get_secret_value()

    def require_redis_url(self) -> str:
        """The Redis URL in clear; ConfigurationError when none is set."""
        if self.redis_url is None:
            raise ConfigurationError("REDIS_URL is not set: run `execution up`, or set it")
        return self.redis_url.get_secret_value()


def load(**overrides: Any) -> Settings:
    """Read settings from the environment; `overrides` (field names) win over it.

    Raises ConfigurationError naming the variable, never its value, which may be a secret.
    """
    try:
        return Settings(**overrides)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        variable = str(first["loc"][0]).upper()
        raise ConfigurationError(f"{variable}: {first['msg']}") from None
    except SettingsError as error:
        named = re.search(r'field "(\w+)"', str(error))
        variable = named.group(1).upper() if named else "a variable"
        raise ConfigurationError(f"{variable}: must be JSON") from None


@lru_cache(maxsize=1)
def current() -> Settings:
    """The process's settings, read at the first call."""
    return load()
