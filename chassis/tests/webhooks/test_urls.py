from ipaddress import ip_network

import pytest

from chassis.webhooks.urls import MAX_URL, check, parse


def wrong(url: str, *, https_only: bool = False, allowed: str = "") -> str:
    networks = [ip_network(allowed)] if allowed else []
    return "; ".join(v.description for v in check(url, "url", https_only=https_only, allowed=networks)[1])


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.1/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "http://①②⑦.⓪.⓪.①/",
        "http://127。0。0。1/",
        "http://%31%32%37.0.0.1/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::]/",
        "http://0/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[fd00:ec2::254]/",
        "http://3232235521/",
    ],
)
def test_every_spelling_of_an_inner_address_is_seen_through(url: str) -> None:
    assert "must not lead to" in wrong(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://user:password@example.com/",
        "https://example.com@127.0.0.1/",
        "https://@127.0.0.1/",
        "https://:@example.com/",
    ],
)
def test_a_url_with_credentials_is_refused(url: str) -> None:
    assert "user name or password" in wrong(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "//example.com/",
        "/hook",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "javascript:alert(1)",
        "https:example.com",
        "https:///example.com",
        "https://",
        "https://example.com:99999/",
        "https://exa mple.com/",
        "https://example.com/\nHost: other",
        "https://example.com\\@127.0.0.1/",
        "https://[fe80::1%25eth0]/",
        "https://256.1.1.1/",
        "https://example.com/#secret",
        "https://example.com/" + "a" * MAX_URL,
    ],
)
def test_what_is_no_plain_http_url_is_refused_with_a_reason(url: str) -> None:
    assert wrong(url)


def test_an_international_name_is_stored_in_its_ascii_form() -> None:
    canonical, target = parse("https://Bücher.example/ä?q=ü")
    assert canonical == "https://xn--bcher-kva.example/%C3%A4?q=%C3%BC"
    assert (target.host, target.port, target.path) == ("xn--bcher-kva.example", 443, "/%C3%A4?q=%C3%BC")


@pytest.mark.parametrize(
    "url", ["https://example.com/x?y=z", "https://example.com:8443/", "http://[2606:4700::1]:8080/"]
)
def test_the_canonical_spelling_of_a_url_is_its_own(url: str) -> None:
    assert parse(url)[0] == url


def test_production_takes_https_alone() -> None:
    assert wrong("http://example.com/", https_only=True) == "must be an https URL"
    assert wrong("https://example.com/", https_only=True) == ""


@pytest.mark.parametrize(("port", "is_open"), [(22, False), (25, False), (6667, False), (2049, False), (0, False)])
def test_ports_of_other_protocols_are_refused(port: int, is_open: bool) -> None:
    assert bool(wrong(f"https://example.com:{port}/")) is not is_open


@pytest.mark.parametrize("port", [80, 443, 8080, 8443, 65535])
def test_ports_of_http_are_open(port: int) -> None:
    assert wrong(f"https://example.com:{port}/") == ""


def test_a_network_that_the_operator_allows_is_open() -> None:
    assert wrong("http://127.0.0.1:9000/", allowed="127.0.0.0/8") == ""
    assert wrong("http://10.0.0.1:9000/", allowed="127.0.0.0/8")
