"""`execution limits` and `halt`: what is refused before any database is asked."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from execution.cli import app
from execution.domain.errors import RequestRefused


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("limits", "set", "max_quantity", "many"), "'many' is no number"),
        (("limits", "set", "max_size", "1"), "max_size"),
        (("halt", "--broker", "nobody"), "nobody"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], said: str) -> None:
    """It is exit status 2."""
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 2
    assert said in done.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("max_quantity", "--", "-1"), "max_quantity: -1 must be a number from 0"),
        (("max_open_orders", "1.5"), "max_open_orders: 1.5 must be a whole number"),
        (("max_quantity", "1", "--symbol", "BTC"), "BTC"),
    ],
)
def test_what_no_limit_can_be(arguments: tuple[str, ...], said: str) -> None:
    """It is refused by name: exit status 1, by `main`."""
    done = CliRunner().invoke(app, ("limits", "set", *arguments))
    assert isinstance(done.exception, RequestRefused)
    assert said in str(done.exception)
