"""What is watched, and which addresses may be: an operator's own network, but not what no operator means."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Final, Self
from urllib.parse import urlsplit

from chassis.webhooks.addresses import Address, Network, why_refused

_TARGET: Final = re.compile(r"([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)=(\S+)")
_PORTS: Final = {"http": 80, "https": 443}
_SCHEMES: Final = ("http", "https", "tcp", "grpc")

# What operators watch are mostly machines of their own. What stays closed: the metadata services of clouds (link-local
# addresses and Azure's), multicast, reserved and unspecified addresses.
_INNER: Final[Sequence[Network]] = tuple(
    ip_network(network)
    for network in (
        "127.0.0.0/8",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "::1/128",
        "fc00::/7",
    )
)


@dataclass(frozen=True)
class Target:
    """A component's slug, and what is looked at for it: `https://...`, `http://...`, `tcp://host:port` or
    `grpc://host:port`, with `/service` behind it for one of several that a server has the health of.
    """

    slug: str
    scheme: str
    host: str
    port: int
    path: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `slug=url`.

        Raises:
            ValueError: it is none; the message says why.
        """
        found = _TARGET.fullmatch(text)
        parts = urlsplit(found[2]) if found else None
        if found is None or parts is None or parts.scheme not in _SCHEMES or not parts.hostname:
            raise ValueError(f"must be component=url with a URL of {', '.join(_SCHEMES)}")
        if parts.username or parts.password or parts.fragment:
            raise ValueError("must not hold a user name, password or fragment")
        port = parts.port or _PORTS.get(parts.scheme)  # raises ValueError itself
        if port is None:
            raise ValueError(f"must have a port: {parts.scheme}://host:port")
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        return cls(found[1], parts.scheme, parts.hostname, port, path)

    @property
    def authority(self) -> str:
        """Host and port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if _PORTS.get(self.scheme) == self.port else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.slug}={self.scheme}://{self.authority}{self.path}"


def why_not(address: Address) -> str | None:
    """Say what kind of address this is if nothing may be watched there, or give None."""
    return why_refused(address, _INNER)
