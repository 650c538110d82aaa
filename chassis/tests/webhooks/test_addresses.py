from ipaddress import ip_address, ip_network

import pytest

from chassis.webhooks.addresses import why_refused

REFUSED = {
    "private": ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fd00::1", "fc00::1"],
    "loopback": ["127.0.0.1", "127.255.255.254", "::1"],
    "link-local": ["169.254.0.1", "fe80::1", "fe80::1%eth0"],
    "metadata": ["169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16", "fd20:ce::254"],
    "shared by a carrier": ["100.64.0.1", "100.127.255.255"],
    "multicast": ["224.0.0.1", "239.255.255.255", "ff02::1"],
    "reserved": ["192.0.0.192", "198.18.0.1", "203.0.113.7", "240.0.0.1", "255.255.255.255", "2001:db8::1", "3fff::1"],
    "unspecified": ["0.0.0.0", "0.1.2.3", "::"],
    "IPv4-mapped": ["::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254"],
    "IPv4-compatible": ["::127.0.0.1", "::7f00:1"],
    "IPv4-translated": ["::ffff:0:127.0.0.1"],
    "NAT64": ["64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a9fe:a9fe"],
    "6to4": ["2002:7f00:1::", "2002:a9fe:a9fe::1", "2002:808:808::1"],
    "Teredo": ["2001:0:7f00:1::", "2001:0:4136:e378:8000:63bf:3fff:fdd2"],
    "site-local": ["fec0::1"],
}
OPEN = ["1.1.1.1", "8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]


@pytest.mark.parametrize(("kind", "address"), [(kind, address) for kind, all_ in REFUSED.items() for address in all_])
def test_an_address_that_is_not_of_the_public_internet_is_refused(kind: str, address: str) -> None:
    assert why_refused(ip_address(address)), kind


@pytest.mark.parametrize("address", OPEN)
def test_a_public_address_is_open_also_through_nat64_and_as_ipv4_mapped(address: str) -> None:
    assert why_refused(ip_address(address)) is None


def test_a_setting_opens_a_network_and_no_other() -> None:
    allowed = [ip_network("127.0.0.0/8"), ip_network("fd12::/16")]
    for address in ("127.0.0.1", "::ffff:127.0.0.1", "fd12::5"):
        assert why_refused(ip_address(address), allowed) is None
    for address in ("10.0.0.1", "::1", "fd00:ec2::254"):
        assert why_refused(ip_address(address), allowed)
