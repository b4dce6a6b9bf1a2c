"""The accounts of a broker's login, and which of them an order is for."""

from __future__ import annotations

from dataclasses import dataclass

from execution.domain.errors import RequestRefused

MAIN = "main"
"""The alias of a login's own account, whatever its venue calls that."""


@dataclass(frozen=True, slots=True)
class Accounts:
    """The accounts that a broker's login owns, as the venue names them.

    `default` is the one of orders that name none; it is among `owned`.
    """

    default: str
    owned: tuple[str, ...]

    def real(self, asked: str, alias: str = MAIN) -> str:
        """The venue's name of the account that an order asks for.

        `alias` is what this service calls the default account, beside `main`. RequestRefused for
        an account that the login does not own; the message names those that it does.
        """
        if asked in self.owned:
            return asked
        if asked in {MAIN, alias}:
            return self.default
        names = ", ".join(self.owned)
        raise RequestRefused(f"account: {asked} is none of the broker's login, which owns {names}")
