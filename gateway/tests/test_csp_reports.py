"""What browsers tell of pages that break their policy: counted, logged, and answered with 204 whatever it is."""

import json
import logging
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY

from chassis.logs import JsonFormatter

PATH = "/csp-reports"
OLD = {"Content-Type": "application/csp-report"}
NEW = {"Content-Type": "application/reports+json"}


def count(directive: str) -> float:
    return REGISTRY.get_sample_value("csp_reports_total", {"directive": directive}) or 0.0


def old(directive: str) -> dict[str, Any]:
    page = "https://x.test/docs?token=hidden#part"
    return {"csp-report": {"violated-directive": f"{directive} 'self'", "document-uri": page, "blocked-uri": "inline"}}


def new(directive: str, **body: Any) -> dict[str, Any]:
    told = {"effectiveDirective": directive, "documentURL": "https://x.test/docs", "blockedURL": "https://y.test/a?b"}
    return {"type": "csp-violation", "age": 1, "url": "https://x.test/docs", "body": told | body}


def test_both_forms_are_counted_by_directive_and_logged_without_queries(
    client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "gateway.cspreports")
    before = count("img-src"), count("script-src-elem")
    assert client.post(PATH, json=old("img-src"), headers=OLD).status_code == 204
    assert client.post(PATH, json=[new("script-src-elem"), new("script-src-elem")], headers=NEW).status_code == 204
    assert (count("img-src"), count("script-src-elem")) == (before[0] + 1, before[1] + 2)
    lines = [json.loads(JsonFormatter("gateway").format(record)) for record in caplog.records]
    assert [(line["directive"], line["page"], line["blocked"]) for line in lines] == [
        ("img-src", "https://x.test/docs", "inline"),
        *[("script-src-elem", "https://x.test/docs", "https://y.test/a")] * 2,
    ]


@pytest.mark.parametrize(
    ("page", "told"),
    [
        ("http://localhost:8080/docs?token=hidden", "http://localhost:8080/docs"),
        ("https://name:hidden@X.test:8443/docs#part", "https://x.test:8443/docs"),
        ("https://[::1]:8080/docs", "https://[::1]:8080/docs"),
    ],
)
def test_an_address_is_logged_with_its_port_and_without_what_is_private(
    client: httpx.Client, caplog: pytest.LogCaptureFixture, page: str, told: str
) -> None:
    client.post(PATH, json=[new("img-src", documentURL=page)], headers=NEW)
    [line] = [record for record in caplog.records if record.name == "gateway.cspreports"]
    assert vars(line)["page"] == told


def test_an_unknown_directive_is_counted_as_other_and_cannot_write_lines(
    client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    before = count("other")
    client.post(PATH, json=[new("evil\n\x1b[31m" + "x" * 500)], headers=NEW)
    assert count("other") == before + 1
    [told] = [record for record in caplog.records if record.name == "gateway.cspreports"]
    directive: str = vars(told)["directive"]
    assert len(directive) <= 200
    assert "\n" not in directive


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"null",
        b'"text"',
        b"[1, null, {}, []]",
        b'{"csp-report": 5}',
        b'[{"type": "csp-violation", "body": {"effectiveDirective": {"a": 1}}}]',
        b'[{"type": "deprecation", "body": {"id": "x"}}]',
        b'{"csp-report": {"violated-directive": "x", "document-uri": "http://[", "blocked-uri": 5}}',
        b"[" * 60_000,
        b"x" * 2_000_000,
    ],
)
def test_whatever_comes_is_204(client: httpx.Client, content: bytes) -> None:
    for headers in (OLD, NEW, {"Content-Type": "text/plain"}, {}):
        answer = client.post(PATH, content=content, headers={"X-Forwarded-For": "198.51.100.9", **headers})
        assert (answer.status_code, answer.content) == (204, b"")


def test_a_flood_is_answered_as_ever_and_no_longer_looked_at(client: httpx.Client) -> None:
    flood = {**NEW, "X-Forwarded-For": "198.51.100.77"}
    before = count("font-src")
    for _ in range(20):
        assert client.post(PATH, json=[new("font-src")], headers=flood).status_code == 204
    assert count("font-src") - before < 15
    many = {**NEW, "X-Forwarded-For": "198.51.100.78"}
    before = count("font-src")
    client.post(PATH, json=[new("font-src")] * 100, headers=many)
    assert count("font-src") - before == 20


def test_every_answer_says_where_to_report_and_pages_do(client: httpx.Client) -> None:
    for path in ("/docs", "/problems", "/problems/not-found", "/api/v1/projects", "/no"):
        headers = client.get(path).headers
        assert headers["reporting-endpoints"].startswith('csp="')
        assert headers["reporting-endpoints"].endswith(f'{PATH}"')
        assert json.loads(headers["report-to"])["endpoints"][0]["url"].endswith(PATH)
        reporting = f"report-uri {PATH}; report-to csp" in headers["content-security-policy"]
        assert reporting == headers["content-type"].startswith("text/html")
