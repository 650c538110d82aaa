"""Whose address a request has: the hop list is walked from the right, as far as trusted proxies vouch for it.

What stands left of the first untrusted address was written by the client and is never looked at. Sources: RFC 7239
(`Forwarded`), and the `X-Forwarded-For` of common proxies.
"""

import re
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from itertools import islice
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_PAIR: Final = re.compile(r'\s*([^\s=;"]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s;"]*)\s*(?:;|$)')
_WHOLE: Final = re.compile(r'(?:[^"]|"(?:[^"\\]|\\.)*")*')
_LONGEST_ELEMENT: Final = 512
"""Characters; what is longer no proxy of ours has written."""
_LONGEST_CHAIN: Final = 32
"""Hops looked at; more are no real proxies, and the walk must stay cheap."""

_SITE_PREFIX: Final = 64
"""One client owns at least a /64 of IPv6 (RFC 6177), so it shares one bucket."""


def client_address(
    peer: str | None,
    headers: Sequence[tuple[bytes, bytes]],
    proxies: Sequence[Network],
    header: bytes = b"x-forwarded-for",
) -> str:
    """Give the client's address as text: IPv4-mapped addresses as IPv4, an empty text when there is none.

    Args:
        peer: the address that the connection comes from.
        headers: the request's, names in lower case.
        proxies: the networks whose word is believed.
        header: the one header that those proxies append to.
    """
    address = parse(peer or "")
    if address is None:
        return peer or ""
    if not proxies or not within(address, proxies):
        return str(address)
    for hop in _hops(headers, header):
        known = parse(hop)
        if known is None:  # "unknown", "_hidden" or rubbish: nobody vouches for anything further left
            break
        address = known
        if not within(address, proxies):
            break
    return str(address)


def bucket(address: str) -> str:
    """Give the part of an address that one client owns: an IPv6 /64, or the IPv4 address itself."""
    known = parse(address)
    if isinstance(known, IPv6Address):
        return str(IPv6Network((known, _SITE_PREFIX), strict=False))
    return address


def truncated(address: str) -> str:
    """Give as much of an address as a log may keep: the /24 of IPv4, the /48 of IPv6; nothing where it is none."""
    known = parse(address)
    if known is None:
        return ""
    return str(ip_network((known, 24 if known.version == 4 else 48), strict=False))  # noqa: PLR2004 - IPv4


def parse(text: str) -> Address | None:
    """Read an address with an optional port, in brackets or not; None when it is none."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def within(address: Address, networks: Sequence[Network]) -> bool:
    """Whether an address is of one of these networks."""
    return any(address.version == network.version and address in network for network in networks)


def _hops(headers: Sequence[tuple[bytes, bytes]], header: bytes) -> Iterator[str]:
    """Every hop from the nearest to the farthest; several lines are one list (RFC 9110, section 5.3)."""
    joined = ",".join(value.decode("latin-1") for name, value in headers if name == header)
    if header == b"forwarded":
        for element in islice(_elements(joined), _LONGEST_CHAIN):
            yield _for(element)
    else:
        yield from reversed(joined.split(",")[-_LONGEST_CHAIN:])


def _elements(joined: str) -> Iterator[str]:
    """Every element of a list from its end, each the shortest that leaves no quote open.

    Read from the left, a quote that the client leaves open would swallow what the proxy behind it appends.
    """
    end = start = len(joined)
    while start >= 0:
        start = joined.rfind(",", 0, start)
        element = joined[start + 1 : end]
        if len(element) > _LONGEST_ELEMENT:
            return
        if _WHOLE.fullmatch(element):
            if element.strip():
                yield element
            end = start


def _for(element: str) -> str:
    """Give the value of `for` in an element, outside of what is quoted."""
    at = 0
    while found := _PAIR.match(element, at):
        if found[1].lower() == "for":
            return found[2]
        at = found.end()
    return "unknown"
