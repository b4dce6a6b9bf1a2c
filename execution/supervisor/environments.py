"""What each process of `execution up` has in its environment: its own settings and credentials.

Of the caller's environment a process gets what the system needs and the settings that are no
secrets; keys and addresses go to the processes that use them, as in docker-compose.yml.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import get_args

from pydantic import SecretStr

from execution.domain.vocabulary import BrokerName
from execution.settings import Settings

SYSTEM = frozenset(
    {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "TZ", "TMPDIR", "LANG", "LANGUAGE", "VIRTUAL_ENV"}
    | {"LD_LIBRARY_PATH", "LD_PRELOAD", "SSL_CERT_FILE", "SSL_CERT_DIR"}
)
"""What any program may need of its caller; none of it is a secret."""
SYSTEM_PREFIXES = ("LC_", "PYTHON", "EXECUTION_")
PROXIES = frozenset({"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE"})
"""How a venue is reached, in either case; an address may hold a password."""
BROKERS = tuple(broker for broker in BrokerName if broker is not BrokerName.PAPER)


def is_secret(name: str) -> bool:
    """Whether a setting is a credential."""
    annotation = Settings.model_fields[name].annotation
    return SecretStr in (annotation, *get_args(annotation))


def system(caller: Mapping[str, str]) -> dict[str, str]:
    """Return what every process gets."""
    return {
        name: value
        for name, value in caller.items()
        if name in SYSTEM or name.startswith(SYSTEM_PREFIXES)
    }


def settings(caller: Mapping[str, str]) -> dict[str, str]:
    """Return what every process of ours gets: `system`, and settings of no broker's own."""
    names = {
        name
        for name in Settings.model_fields
        if not is_secret(name) and not name.startswith(tuple(map(_prefix, BROKERS)))
    }
    return system(caller) | _named(caller, names)


def broker(caller: Mapping[str, str], name: BrokerName) -> dict[str, str]:
    """Return what the worker of a broker gets besides: the broker's settings, its keys, proxies."""
    own = {field for field in Settings.model_fields if field.startswith(_prefix(name))}
    proxies = {key: value for key, value in caller.items() if key.upper() in PROXIES}
    return _named(caller, own) | proxies


def keys(caller: Mapping[str, str], *names: str) -> dict[str, str]:
    """Return the named settings, secrets or not, where the caller has them."""
    return _named(caller, names)


def database(caller: Mapping[str, str]) -> dict[str, str]:
    """Return libpq's own variables, for who connects to PostgreSQL."""
    return {name: value for name, value in caller.items() if name.startswith("PG")}


def _prefix(name: BrokerName) -> str:
    return f"{name.lower()}_"


def _named(caller: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """The variables of some settings, or of the files that hold them; in any case, as pydantic."""
    wanted = {name.upper() for name in names} | {f"{name.upper()}_FILE" for name in names}
    return {name: value for name, value in caller.items() if name.upper() in wanted}
