"""Addresses of venues: what they must look like, and which of them is this machine.

Whether an order spends money hangs on the address, so it is read strictly, once, and handed on as
it was read: no library may see another host in it than the one that was judged.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

LOCALHOST = "127.0.0.1"
"""What the name localhost becomes, so that nothing has to resolve it."""

_LAST_PORT = 65_535
_NAME = re.compile(r"(?!-)[a-z0-9-]{1,63}(\.(?!-)[a-z0-9-]{1,63})*", re.ASCII)
_ADDRESS = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|[a-z0-9.-]+)(?P<port>:[0-9]{1,5})?"
    r"(?P<path>(/[A-Za-z0-9._~-]*)*)",
    re.ASCII | re.IGNORECASE,
)


def checked_url(value: str, plain_http: str = "") -> str:
    """The address as all libraries read it: lower case, no user, query or fragment, no odd host.

    ValueError for any other, and for plain http to a host that is neither loopback nor
    `plain_http`, the name of one on a private network.
    """
    found = _ADDRESS.fullmatch(value)
    if found is None:
        raise ValueError("must be http(s)://HOST[:PORT][/PATH], without a user, query or fragment")
    scheme, host = found["scheme"].lower(), _host(found["host"].lower())
    port = found["port"] or ""
    if port and not 1 <= int(port[1:]) <= _LAST_PORT:
        raise ValueError("must have a port from 1 to 65535")
    if scheme == "http" and not is_loopback_host(host) and host != plain_http.lower():
        raise ValueError("must be https: plain http is for loopback only")
    return f"{scheme}://{host}{port}{found['path'].rstrip('/')}"


def host_of(url: str) -> str:
    """The host of an address that was checked."""
    return urlsplit(url).hostname or ""


def is_loopback_host(host: str) -> bool:
    """Whether it is an address of this machine. A name never is, whatever it resolves to."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _host(host: str) -> str:
    """An IP address in its one spelling, or a name. ValueError: 127.1, 0x7f.0.0.1, 2130706433."""
    if host == "localhost":
        return LOCALHOST
    if host.startswith("["):
        return f"[{ipaddress.IPv6Address(host[1:-1])}]"
    if host.replace(".", "").isdigit():
        return str(ipaddress.IPv4Address(host))
    last = host.rpartition(".")[2]
    if _NAME.fullmatch(host) is None or last.isdigit() or last.startswith("0x"):
        raise ValueError("must have an IP address or a host name")
    return host
