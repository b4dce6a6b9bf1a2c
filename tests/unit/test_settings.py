"""Settings: from variables and files, in units of people, and never a secret in a message."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import ValidationError

from execution import settings
from execution.domain.errors import ConfigurationError
from execution.domain.vocabulary import Environment
from execution.settings import Settings, load

SECRET = "hunter2-very-secret"  # noqa: S105 - what must not leak
SECRETS = (
    "database_url",
    "redis_url",
    "mt4_bridge_token",
    "binance_api_key",
    "binance_api_secret",
)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of whoever runs the tests counts."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(f"{name.upper()}_FILE", raising=False)


def fails(**overrides: object) -> str:
    """What is said of settings that cannot be loaded."""
    with pytest.raises(ConfigurationError) as refused:
        load(**overrides)
    return str(refused.value)


def test_no_real_money_by_default() -> None:
    """Nothing set is practice, on a testnet, without any broker's keys."""
    loaded = load()
    assert loaded.execution_environment is Environment.PRACTICE
    assert loaded.binance_testnet is True
    assert loaded.force_paper_trading is False
    assert [getattr(loaded, name) for name in SECRETS] == [None] * len(SECRETS)
    assert (loaded.ibkr_host, loaded.mt4_bridge_token) == (None, None)


def test_documented_defaults() -> None:
    """The figures that the documents promise."""
    loaded = load()
    assert loaded.paper_slippage == Decimal("0.001")
    assert loaded.paper_slippage_model == "fixed"
    assert loaded.lost_connection_grace == timedelta(seconds=15)
    assert loaded.unserved_queue_grace == timedelta(seconds=30)


def test_variables_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable is its field's name in upper case; a bare number of a duration is seconds."""
    monkeypatch.setenv("EXECUTION_ENVIRONMENT", "production")
    monkeypatch.setenv("FORCE_PAPER_TRADING", "true")
    monkeypatch.setenv("PAPER_SLIPPAGE", "0.0025")
    monkeypatch.setenv("SUBMIT_WINDOW", "2.5")
    loaded = load()
    assert loaded.execution_environment is Environment.PRODUCTION
    assert loaded.force_paper_trading is True
    assert loaded.paper_slippage == Decimal("0.0025")
    assert loaded.submit_window == timedelta(seconds=2.5)


def test_empty_variables_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty variable, as compose files make them, is one that is not set."""
    for name in Settings.model_fields:
        monkeypatch.setenv(name.upper(), "")
        monkeypatch.setenv(f"{name.upper()}_FILE", "")
    assert load() == Settings.model_construct(**load().model_dump())
    assert load().binance_api_key is None
    assert load().execution_environment is Environment.PRACTICE


def test_overrides_win(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the caller passes wins over the environment."""
    monkeypatch.setenv("DEFAULT_ACCOUNT", "from-environment")
    assert load().default_account == "from-environment"
    assert load(default_account="given").default_account == "given"


@pytest.mark.parametrize("name", SECRETS)
def test_secrets_come_from_files(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """NAME_FILE names a file whose stripped text is the value; the variable itself wins."""
    file = tmp_path / "secret"
    file.write_text(f"  {SECRET}\n", encoding="utf-8")
    monkeypatch.setenv(f"{name.upper()}_FILE", str(file))
    assert getattr(load(), name).get_secret_value() == SECRET
    monkeypatch.setenv(name.upper(), "direct")
    assert getattr(load(), name).get_secret_value() == "direct"
    monkeypatch.setenv(name.upper(), "")
    assert getattr(load(), name).get_secret_value() == SECRET


def test_any_setting_comes_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is not a secret may come from a file too, and is validated alike."""
    file = tmp_path / "value"
    file.write_text("7\n", encoding="utf-8")
    monkeypatch.setenv("BREAKER_THRESHOLD_FILE", str(file))
    assert load().breaker_threshold == 7
    file.write_text("none\n", encoding="utf-8")
    assert fails().startswith("BREAKER_THRESHOLD: ")


def test_a_file_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A missing file is named with its variable; it is not taken for an absent setting."""
    monkeypatch.setenv("BINANCE_API_KEY_FILE", str(tmp_path / "absent"))
    message = fails()
    assert message.startswith("BINANCE_API_KEY_FILE names ")
    assert "absent" in message
    monkeypatch.setenv("BINANCE_API_KEY_FILE", str(tmp_path))
    assert fails().startswith("BINANCE_API_KEY_FILE names ")


def test_a_file_that_is_not_text(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file of other bytes than UTF-8 is a configuration error that names the variable."""
    file = tmp_path / "secret"
    file.write_bytes(b"\xff\xfe" + SECRET.encode())
    monkeypatch.setenv("BINANCE_API_KEY_FILE", str(file))
    message = fails()
    assert message.startswith("BINANCE_API_KEY_FILE")
    assert SECRET not in message


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("postgres://u:p@h:5/d", "postgresql+psycopg2://u:p@h:5/d"),
        ("postgresql://u:p@h/d?sslmode=require", "postgresql+psycopg2://u:p@h/d?sslmode=require"),
        ("postgresql+psycopg2://u@/d?host=/run", "postgresql+psycopg2://u@/d?host=/run"),
        ("postgres://u:postgres://x@h/d", "postgresql+psycopg2://u:postgres://x@h/d"),
    ],
)
def test_database_urls_mean_psycopg2(
    given: str, taken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`postgres://` and `postgresql://` mean psycopg2; what names its driver is left alone."""
    monkeypatch.setenv("DATABASE_URL", given)
    assert load().require_database_url() == taken


def test_what_is_required_and_missing() -> None:
    """A missing address is said with the variable and what to do."""
    loaded = load()
    with pytest.raises(ConfigurationError, match="DATABASE_URL is not set: run `execution up`"):
        loaded.require_database_url()
    with pytest.raises(ConfigurationError, match="REDIS_URL is not set: run `execution up`"):
        loaded.require_redis_url()
    assert load(redis_url="redis://h").require_redis_url() == "redis://h"


@pytest.mark.parametrize("name", SECRETS)
def test_secrets_are_not_shown(name: str) -> None:
    """A secret does not appear when settings are printed."""
    loaded = load(**{name: SECRET})
    assert SECRET not in repr(loaded)
    assert SECRET not in str(loaded)
    assert SECRET not in repr(loaded.model_dump())


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_messages_hold_no_values(name: str) -> None:
    """Whatever setting is wrong, the message names the variable and not what it held."""
    message = fails(**{name: [SECRET]})
    assert message.startswith(f"{name.upper()}: ")
    assert SECRET not in message


def test_a_duration_is_not_quoted() -> None:
    """A secret that was pasted into the wrong variable is not printed from there."""
    assert SECRET not in fails(submit_window=SECRET)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("execution_environment", "prod"),
        ("paper_slippage", "1"),
        ("paper_slippage", "-0.1"),
        ("paper_slippage_model", "wild"),
        ("breaker_threshold", "0"),
        ("breaker_counts", "some"),
        ("ibkr_port", "x"),
        ("ibkr_timezone", "Mars/Olympus"),
        ("ibkr_timezone", "/etc"),
        ("force_paper_trading", "perhaps"),
        ("submit_window", "soon"),
        ("submit_window", "1e400"),
        ("symbol_overrides", "[]"),
        ("log_level", "LOUD"),
    ],
)
def test_bad_values_are_refused(name: str, value: str) -> None:
    """A value that makes no sense is a configuration error that names its variable."""
    assert fails(**{name: value}).startswith(f"{name.upper()}: ")


def test_bad_json_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """JSON that cannot be read is a configuration error like any other."""
    monkeypatch.setenv("SYMBOL_OVERRIDES", "{broken")
    assert fails().startswith("SYMBOL_OVERRIDES")


def test_json_comes_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A setting that is JSON may come from a file like any other."""
    file = tmp_path / "overrides.json"
    file.write_text("{}", encoding="utf-8")
    monkeypatch.setenv("SYMBOL_OVERRIDES_FILE", str(file))
    assert load().symbol_overrides == {}


def test_settings_are_frozen() -> None:
    """Configuration does not change under a running process."""
    loaded = load()
    with pytest.raises(ValidationError):
        loaded.ibkr_port = 1  # type: ignore[misc]


def test_current_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process has one configuration, whatever becomes of its environment."""
    settings.current.cache_clear()
    try:
        first = settings.current()
        monkeypatch.setenv("DEFAULT_ACCOUNT", "later")
        assert settings.current() is first
        assert load().default_account == "later"
    finally:
        settings.current.cache_clear()
