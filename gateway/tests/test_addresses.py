from ipaddress import IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.addresses import bucket, client_address

PROXIES = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


def resolve(peer: str, *values: str, header: str = "x-forwarded-for", proxies: tuple[object, ...] = PROXIES) -> str:
    headers = [(header.encode(), value.encode()) for value in values]
    return client_address(peer, headers, proxies, header.encode())  # type: ignore[arg-type] # networks, as above


def test_a_header_from_an_untrusted_peer_is_not_read() -> None:
    assert resolve("203.0.113.9", "198.51.100.1") == "203.0.113.9"


def test_without_trusted_proxies_the_peer_is_the_client() -> None:
    assert resolve("10.0.0.1", "198.51.100.1", proxies=()) == "10.0.0.1"


def test_the_list_is_walked_from_the_right_past_trusted_proxies() -> None:
    assert resolve("10.0.0.1", "1.1.1.1, 198.51.100.7, 10.9.9.9") == "198.51.100.7"


def test_several_header_lines_are_one_list() -> None:
    assert resolve("10.0.0.1", "1.1.1.1", "198.51.100.7, 10.9.9.9") == "198.51.100.7"


def test_a_chain_of_proxies_alone_ends_at_the_farthest_one() -> None:
    assert resolve("10.0.0.1", "10.2.2.2, 10.3.3.3") == "10.2.2.2"


def test_rubbish_ends_the_walk_at_the_last_proxy_that_is_known() -> None:
    assert resolve("10.0.0.1", "198.51.100.7, <script>, 10.3.3.3") == "10.3.3.3"


@pytest.mark.parametrize(
    ("hop", "address"),
    [
        ("198.51.100.7:4711", "198.51.100.7"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("2001:DB8::1", "2001:db8::1"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ('"198.51.100.7"', "198.51.100.7"),
    ],
)
def test_ports_brackets_and_mapped_addresses_are_understood(hop: str, address: str) -> None:
    assert resolve("10.0.0.1", hop) == address


@pytest.mark.parametrize(
    ("field", "address"),
    [
        ("for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60"),
        ('for=1.1.1.1, for="[2001:db8:cafe::17]:4711", For=10.1.1.1', "2001:db8:cafe::17"),
        ("for=198.51.100.7, for=_hidden", "10.0.0.1"),
        ("for=198.51.100.7, for=unknown", "10.0.0.1"),
        ('for="198.51.100.7,1.1.1.1"', "10.0.0.1"),
        ("by=198.51.100.7", "10.0.0.1"),
        ('for="[2001:db8::1]";host="a;for=1.1.1.1,b", for=10.1.1.1', "2001:db8::1"),
        ('host="a;for=1.1.1.1";for=198.51.100.7', "198.51.100.7"),
        ("for=198.51.100.7;", "198.51.100.7"),
    ],
)
def test_forwarded_is_read_as_rfc_7239_writes_it(field: str, address: str) -> None:
    assert resolve("10.0.0.1", field, header="forwarded") == address


def test_a_mapped_peer_is_matched_against_networks_of_ipv4() -> None:
    assert resolve("::ffff:10.0.0.1", "198.51.100.7") == "198.51.100.7"


@given(st.lists(st.ip_addresses().map(str) | st.text(st.characters(codec="latin-1", exclude_characters=","))))
def test_what_a_client_writes_left_of_its_own_address_changes_nothing(prefix: list[str]) -> None:
    assert resolve("10.0.0.1", ",".join([*prefix, "198.51.100.7"]).strip()) == "198.51.100.7"


@given(
    st.lists(st.text('for=1.,;"\\\\[]: x', max_size=20) | st.just('for=1.1.1.1;x="'), max_size=4),
    st.sampled_from(["198.51.100.7", '"198.51.100.7:99"', '"[2001:db8:7::1]"', '"[2001:db8:7::1]:99";host="a,b;c"']),
    st.sampled_from([",", ", "]),
)
def test_a_quote_that_a_client_leaves_open_hides_nothing_that_the_proxy_says(
    forged: list[str], seen: str, comma: str
) -> None:
    told = comma.join([*forged, f"for={seen}"])
    assert resolve("10.0.0.1", told, header="forwarded") in {"198.51.100.7", "2001:db8:7::1"}


def test_a_list_without_end_is_walked_no_further_than_a_proxy_could_have_written() -> None:
    assert resolve("10.0.0.1", '"' + "," * 30_000 + ", for=10.2.2.2", header="forwarded") == "10.2.2.2"


@given(st.integers(0, 2**64 - 1))
def test_one_ipv6_site_is_one_bucket(interface: int) -> None:
    assert bucket(str(IPv6Address((0x20010DB8_0001_0002 << 64) + interface))) == "2001:db8:1:2::/64"


def test_neighbouring_sites_and_ipv4_addresses_have_buckets_of_their_own() -> None:
    assert bucket("2001:db8:1:3::1") != bucket("2001:db8:1:2::1")
    assert bucket("198.51.100.7") == "198.51.100.7"
