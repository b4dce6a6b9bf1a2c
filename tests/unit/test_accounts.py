"""Which account an order is for, and which there is none of."""

from __future__ import annotations

import pytest

from execution.domain.accounts import Accounts
from execution.domain.errors import RequestRefused

LOGIN = Accounts("DU1", ("DU1", "DU2"))


@pytest.mark.parametrize(
    ("asked", "real"), [("main", "DU1"), ("desk", "DU1"), ("DU1", "DU1"), ("DU2", "DU2")]
)
def test_aliases_and_names(asked: str, real: str) -> None:
    """`main` and our own name of the default account are aliases; the venue's names are real."""
    assert LOGIN.real(asked, "desk") == real


@pytest.mark.parametrize("asked", ["DU3", "desk", "du1", "Main"])
def test_no_other(asked: str) -> None:
    """What the login does not own is refused by name, with those that it does."""
    with pytest.raises(RequestRefused, match=f"account: {asked} .* owns DU1, DU2"):
        LOGIN.real(asked)


def test_a_real_name_goes_before_an_alias() -> None:
    """An account of the login that is called like our alias is meant."""
    assert Accounts("DU1", ("DU1", "main")).real("main", "main") == "main"
