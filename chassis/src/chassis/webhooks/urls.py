"""The URLs that webhooks may have. One parser decides what a URL means, and only what it wrote is stored and used.

It is the one of the WHATWG URL standard (in pydantic's core), which writes every spelling of an IPv4 address (octal,
hexadecimal, short, full-width) as four decimal numbers and every international name in ASCII, so that no two readers
can disagree about the host.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from pydantic import ValidationError
from pydantic_core import Url

from chassis.errors import Violation
from chassis.webhooks.addresses import Address, Network, why_refused

MAX_URL: Final = 2_000
_HTTP: Final = 80
_HTTPS: Final = 443
_FIRST_UNPRIVILEGED: Final = 1_024

_BEGINNING: Final = re.compile(r"https?://(?P<authority>[^/?#]+)", re.IGNORECASE)
_OF_OTHER_PROTOCOLS: Final = frozenset(
    {1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6679, 6697, 10080, *range(6665, 6670)},
)
"""Ports from 1024 on that no browser sends HTTP to either (Fetch standard, section 2.9, port blocking)."""


@dataclass(frozen=True)
class Target:
    """A URL taken apart: what is connected to, and what is asked for there."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """Host and, unless it is the scheme's own, port: the Host header (RFC 9110, section 7.2)."""
        return self.host if self.port == _default(self.scheme) else f"{self.host}:{self.port}"

    @property
    def origin(self) -> str:
        """The URL without its path and query, which may hold secrets of the receiver."""
        return f"{self.scheme}://{self.authority}"


def parse(url: str) -> tuple[str, Target]:
    """Give a URL in its one canonical spelling, and its parts.

    Raises:
        ValueError: it is no absolute http or https URL; the message says why.
    """
    begun = _BEGINNING.match(url)
    if begun is None:
        raise ValueError("must be an http or https URL")
    if any(c.isspace() or not c.isprintable() for c in url) or "\\" in url:
        # The standard would drop or turn these; a person who gives them means something else.
        raise ValueError("must not hold spaces, control characters or backslashes")
    try:
        read = Url(url)
    except ValidationError as malformed:
        raise ValueError(str(malformed.errors()[0]["msg"]).removeprefix("Input should be ")) from None
    if "@" in begun["authority"]:
        raise ValueError("must not hold a user name or password")
    if read.fragment is not None:
        raise ValueError("must not hold a fragment")
    host = str(read.host)  # these schemes have one
    port = read.port if read.port is not None else _default(read.scheme)
    target = Target(read.scheme, host, port, (read.path or "/") + (f"?{read.query}" if read.query else ""))
    return target.origin + target.path, target


def check(url: str, field: str, *, https_only: bool, allowed: Sequence[Network]) -> tuple[str, list[Violation]]:
    """Give a URL in its canonical spelling, and what is wrong with it as a webhook's.

    A name's addresses are not looked up here: what counts is what it means when it is connected to.
    """
    if len(url) > MAX_URL:
        return url, [Violation(field, f"must have at most {MAX_URL} characters")]
    try:
        canonical, target = parse(url)
    except ValueError as wrong:
        return url, [Violation(field, str(wrong))]
    if https_only and target.scheme != "https":
        return canonical, [Violation(field, "must be an https URL")]
    if not _port_is_open(target.port):
        return canonical, [Violation(field, f"must not have the port {target.port}, which is another protocol's")]
    literal = literal_address(target.host)
    refused = why_refused(literal, allowed) if literal else None
    return canonical, [Violation(field, f"must not lead to {refused}")] if refused else []


def literal_address(host: str) -> Address | None:
    """Give the address that a URL's host is, or None for a name."""
    try:
        return ip_address(host.strip("[]"))
    except ValueError:
        return None


def _port_is_open(port: int) -> bool:
    if port < _FIRST_UNPRIVILEGED:
        return port in {_HTTP, _HTTPS}
    return port not in _OF_OTHER_PROTOCOLS


def _default(scheme: str) -> int:
    return _HTTPS if scheme == "https" else _HTTP
