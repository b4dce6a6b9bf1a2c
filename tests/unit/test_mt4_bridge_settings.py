"""The bridge's environment, and what it refuses to start with."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mt4_bridge.errors import ConfigurationError
from mt4_bridge.settings import load

TOKENS = {"MT4_BRIDGE_TOKEN": "c" * 16, "MT4_TERMINAL_TOKEN": "t" * 16}


def test_defaults() -> None:
    """Two tokens are all that is needed."""
    settings = load(TOKENS)
    assert (settings.host, settings.port, settings.wait) == ("127.0.0.1", 8000, 5.0)
    assert (settings.stale_after, settings.retention_days) == (10.0, 30)


def test_from_files(tmp_path: Path) -> None:
    """NAME_FILE names a file; the variable itself wins."""
    (tmp_path / "token").write_text("f" * 20 + "\n", encoding="utf-8")
    settings = load(TOKENS | {"MT4_BRIDGE_TOKEN": "", "MT4_BRIDGE_TOKEN_FILE": f"{tmp_path}/token"})
    assert settings.client_token.get_secret_value() == "f" * 20
    settings = load(TOKENS | {"MT4_BRIDGE_TOKEN_FILE": f"{tmp_path}/token"})
    assert settings.client_token.get_secret_value() == "c" * 16


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"MT4_BRIDGE_TOKEN": ""}, "MT4_BRIDGE_TOKEN"),
        ({"MT4_TERMINAL_TOKEN": "short"}, "MT4_TERMINAL_TOKEN"),
        ({"MT4_TERMINAL_TOKEN": "c" * 16}, "must not be the same"),
        ({"MT4_BRIDGE_PORT": "70000"}, "MT4_BRIDGE_PORT"),
        ({"MT4_BRIDGE_WAIT": "nan"}, "MT4_BRIDGE_WAIT"),
        ({"MT4_BRIDGE_WAIT": "31"}, "MT4_BRIDGE_WAIT"),
        ({"MT4_BRIDGE_STALE_AFTER": "0"}, "MT4_BRIDGE_STALE_AFTER"),
        ({"MT4_BRIDGE_TOKEN": "", "MT4_BRIDGE_TOKEN_FILE": "/nonexistent"}, "/nonexistent"),
    ],
)
def test_refused(changes: dict[str, str], words: str) -> None:
    """The message names the variable, never a secret's value."""
    with pytest.raises(ConfigurationError, match=words) as refused:
        load(TOKENS | changes)
    assert "t" * 16 not in str(refused.value)
    assert "short" not in str(refused.value)


def test_a_process_that_is_set_up_wrongly(tmp_path: Path) -> None:
    """Exit status 2, and one line that names the variable."""
    ended = subprocess.run(
        [sys.executable, "-m", "mt4_bridge"],
        env=os.environ | {"MT4_BRIDGE_TOKEN": "c" * 16, "MT4_BRIDGE_DATABASE": f"{tmp_path}/x"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith("MT4_TERMINAL_TOKEN")
    assert ended.stderr.count("\n") == 1
