"""Which addresses a webhook may be sent to: those of the public internet, and the networks that the operator allows.

The lists are written out, since `ipaddress.is_global` means different things in different Python releases.
Sources: the IANA special-purpose address registries (RFC 6890) for IPv4 and IPv6, RFC 4291, RFC 6052.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final, TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

_REFUSED_V4: Final = tuple(
    (IPv4Network(network), name)
    for network, name in (
        ("0.0.0.0/8", "an unspecified address"),
        ("10.0.0.0/8", "a private address"),
        ("100.64.0.0/10", "an address shared by a carrier's customers"),
        ("127.0.0.0/8", "a loopback address"),
        ("168.63.129.16/32", "a cloud's metadata address"),  # Azure's, the one such among public addresses
        ("169.254.0.0/16", "a link-local address"),  # every other cloud's metadata
        ("172.16.0.0/12", "a private address"),
        ("192.0.0.0/24", "a reserved address"),
        ("192.0.2.0/24", "a reserved address"),
        ("192.88.99.0/24", "a reserved address"),
        ("192.168.0.0/16", "a private address"),
        ("198.18.0.0/15", "a reserved address"),
        ("198.51.100.0/24", "a reserved address"),
        ("203.0.113.0/24", "a reserved address"),
        ("224.0.0.0/4", "a multicast address"),
        ("240.0.0.0/4", "a reserved address"),
    )
)

_GLOBAL_V6: Final = IPv6Network("2000::/3")
_REFUSED_V6: Final = tuple(
    (IPv6Network(network), name)
    for network, name in (
        ("2001::/23", "a reserved or Teredo address"),
        ("2001:db8::/32", "a reserved address"),
        ("2002::/16", "a 6to4 address"),
        ("3fff::/20", "a reserved address"),
    )
)
_MAPPED: Final = IPv6Network("::ffff:0:0/96")
_NAT64: Final = IPv6Network("64:ff9b::/96")
"""What a resolver of an IPv6-only network gives for a name that has IPv4 addresses alone (RFC 6052, section 2.1)."""


def why_refused(address: Address, allowed: Sequence[Network] = ()) -> str | None:
    """Say what kind of address this is if nothing may be sent to it, or give None.

    Args:
        address: the address to be connected to.
        allowed: networks that are open whatever kind they are.
    """
    reached = _embedded(address) or address
    if any(candidate in network for network in allowed for candidate in (address, reached)):
        return None
    if isinstance(reached, IPv4Address):
        return next((name for network, name in _REFUSED_V4 if reached in network), None)
    if reached not in _GLOBAL_V6:
        return "not an address of the public internet"
    return next((name for network, name in _REFUSED_V6 if reached in network), None)


def _embedded(address: Address) -> IPv4Address | None:
    """The IPv4 address that is really reached through an IPv4-mapped or NAT64 one."""
    if isinstance(address, IPv6Address) and (address in _MAPPED or address in _NAT64):
        return IPv4Address(address.packed[-4:])
    return None
