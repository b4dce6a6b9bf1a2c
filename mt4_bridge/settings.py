"""The bridge's configuration: one frozen object, read once from the environment.

Any variable may come from a file: `NAME_FILE=/run/secrets/name`; the variable itself wins.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from mt4_bridge.errors import ConfigurationError

_SHORTEST_TOKEN = 16


class Settings(BaseModel):
    """What the environment says; each field's alias is the variable's name. Durations: seconds."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    client_token: SecretStr = Field(
        alias="MT4_BRIDGE_TOKEN",
        min_length=_SHORTEST_TOKEN,
        description="Bearer token of those who place orders.",
    )
    terminal_token: SecretStr = Field(
        alias="MT4_TERMINAL_TOKEN",
        min_length=_SHORTEST_TOKEN,
        description="Bearer token of the terminal; another one than the clients'.",
    )
    database: Path = Field(alias="MT4_BRIDGE_DATABASE", default=Path("mt4-bridge.sqlite3"))
    host: str = Field(alias="MT4_BRIDGE_HOST", default="127.0.0.1")
    port: int = Field(alias="MT4_BRIDGE_PORT", default=8000, ge=0, le=65535)
    wait: float = Field(
        alias="MT4_BRIDGE_WAIT",
        default=5.0,
        ge=0,
        le=30,
        allow_inf_nan=False,
        description="How long a POST waits for its outcome when it does not say.",
    )
    stale_after: float = Field(
        alias="MT4_BRIDGE_STALE_AFTER",
        default=10.0,
        gt=0,
        allow_inf_nan=False,
        description="A terminal whose last heartbeat is older is away.",
    )
    retention_days: int = Field(
        alias="MT4_BRIDGE_RETENTION_DAYS",
        default=30,
        ge=1,
        le=3650,
        description="Settled commands, closed tickets and keys are forgotten after so long.",
    )
    history_days: int = Field(
        alias="MT4_BRIDGE_HISTORY_DAYS",
        default=7,
        ge=1,
        le=3650,
        description="How far back a new database asks for closed tickets; at most the retention.",
    )
    log_level: str = Field(
        alias="MT4_BRIDGE_LOG_LEVEL", default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$"
    )

    @property
    def retention(self) -> timedelta:
        """How long what is over is kept."""
        return timedelta(days=self.retention_days)

    @property
    def retention_milliseconds(self) -> int:
        """The same, as times are counted here."""
        return self.retention // timedelta(milliseconds=1)

    @property
    def history(self) -> timedelta:
        """How far back a new database asks."""
        return timedelta(days=min(self.history_days, self.retention_days))


def load(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings. ConfigurationError names the variable, never its value."""
    environment = os.environ if environment is None else environment
    given = {}
    for field in Settings.model_fields.values():
        name = str(field.alias)
        value = environment.get(name) or _from_file(environment, name)
        if value is not None:
            given[name] = value
    try:
        settings = Settings.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise ConfigurationError(f"{first['loc'][0]}: {first['msg']}") from None
    if settings.client_token == settings.terminal_token:
        raise ConfigurationError("MT4_TERMINAL_TOKEN must not be the same as MT4_BRIDGE_TOKEN")
    return settings


def _from_file(environment: Mapping[str, str], name: str) -> str | None:
    file = environment.get(f"{name}_FILE")
    if not file:
        return None
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigurationError(
            f"{name}_FILE names {file}, which cannot be read: {error.strerror}"
        ) from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{name}_FILE names {file}, which is not UTF-8 text") from None
