"""Generated passwords of the embedded servers, kept in the home folder."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING

from execution.domain.errors import ConfigurationError
from execution.supervisor.home import exclusive, write_atomically

if TYPE_CHECKING:
    from pathlib import Path

TOKEN_BYTES = 24


class Secrets:
    """The passwords in `<home>/secrets.json` (mode 0600), each made at its first use.

    They are URL-safe, so that they can stand in an address unquoted.
    """

    def __init__(self, home: Path) -> None:
        self._path = home / "secrets.json"

    def token(self, name: str) -> str:
        """Return the password called `name` (postgres, valkey, flower), made if there is none.

        Raises ConfigurationError when the file is damaged: new passwords would not fit old data.
        """
        known = self._read()
        if name not in known:
            # Two processes that start at once must agree on one password.
            with exclusive(self._path.with_suffix(".lock")):
                known = self._read()
                if name not in known:
                    known[name] = secrets.token_urlsafe(TOKEN_BYTES)
                    write_atomically(self._path, json.dumps(known, indent=2))
        return known[name]

    def existing(self, name: str) -> str | None:
        """Return the password called `name`, None when none was made; raises as `token` does."""
        return self._read().get(name)

    def _read(self) -> dict[str, str]:
        try:
            return dict(json.loads(self._path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                f"{self._path} cannot be read ({error}): restore it, or remove the home folder"
            ) from None
