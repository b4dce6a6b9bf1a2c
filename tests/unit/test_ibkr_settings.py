"""Which account a worker for Interactive Brokers may serve."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from execution.domain.errors import ConfigurationError
from execution.domain.vocabulary import BrokerName
from execution.settings import load
from workers import brokers
from workers.adapters.ibkr.adapter import IBKRAdapter, is_real
from workers.adapters.ibkr.book import utc_now
from workers.brokers import _owned_at_ibkr
from workers.context import Context


def build(**settings: Any) -> object:
    """The adapter for those settings, or the words that say why there is none."""
    context = SimpleNamespace(settings=load(**settings), store=None, clock=utc_now)
    return brokers.build(BrokerName.IBKR, cast("Context", context))


@pytest.mark.parametrize("settings", [{}, {"ibkr_host": "h"}, {"ibkr_account": "DU1"}])
def test_not_both_set(settings: dict[str, str]) -> None:
    """It says which."""
    assert build(**settings) == "IBKR_HOST and IBKR_ACCOUNT are not both set"


def test_no_real_account_in_practice() -> None:
    """What does not begin with D holds real money."""
    refused = build(ibkr_host="h", ibkr_account="U1")
    assert isinstance(refused, str)
    assert "real account" in refused
    assert isinstance(build(ibkr_host="h", ibkr_account="DU1"), IBKRAdapter)
    production = build(ibkr_host="h", ibkr_account="U1", execution_environment="production")
    assert isinstance(production, IBKRAdapter)


@pytest.mark.parametrize(
    ("account", "real"), [("U1", True), ("I1", True), ("DU1", False), ("DF1", False)]
)
def test_paper_accounts(account: str, real: bool) -> None:  # noqa: FBT001
    """By their first letter."""
    assert is_real(account) is real


@pytest.mark.parametrize(
    ("said", "client_ids"), [("1", [1]), (7, [7]), ("1-4", [1, 2, 3, 4]), (" 3-3 ", [3])]
)
def test_client_ids(said: object, client_ids: list[int]) -> None:
    """One, or the first and the last of several."""
    assert list(load(ibkr_client_id=said).ibkr_client_ids) == client_ids


@pytest.mark.parametrize("said", ["", "x", "4-1", "1-", "-1", "1,2", "1-33", "1-2-3"])
def test_no_client_ids(said: str) -> None:
    """The variable is named."""
    with pytest.raises(ConfigurationError, match="IBKR_CLIENT_ID"):
        load(ibkr_client_id=said)


@pytest.mark.parametrize(
    ("settings", "owned"),
    [
        ({}, {"DU1", "DF9"}),
        ({"ibkr_accounts": "DU1, U7"}, {"DU1"}),
        ({"execution_environment": "production"}, {"DU1", "DF9", "U7"}),
    ],
)
def test_which_accounts_of_the_login_are_traded(settings: dict[str, str], owned: set[str]) -> None:
    """All of them, or those that are named; in practice no real one, whatever is named."""
    owns = _owned_at_ibkr(load(**settings))
    assert {name for name in ("DU1", "DF9", "U7") if owns(name)} == owned
