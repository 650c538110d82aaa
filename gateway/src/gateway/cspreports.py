"""Where browsers tell that a page of ours broke its content security policy: logged, and counted by directive.

Both forms are read: `application/csp-report` (CSP Level 2, section 4.4) and `application/reports+json` (Reporting API).
Anyone may send anything here, so nothing of it is believed, little of it is kept, and the answer is always 204.
"""

import logging
import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit

from fastapi import FastAPI
from pydantic_core import from_json
from starlette.requests import Request
from starlette.responses import Response

from chassis.metrics import begin
from gateway import metrics
from gateway.addresses import bucket
from gateway.body import ClientGone, read_parts
from gateway.parts import Parts
from gateway.plainroutes import PlainRoute
from gateway.problems import Problem

log = logging.getLogger(__name__)

PATH: Final = "/csp-reports"
GROUP: Final = "csp"
DIRECTIVES: Final = frozenset(
    {
        "base-uri",
        "child-src",
        "connect-src",
        "default-src",
        "font-src",
        "form-action",
        "frame-ancestors",
        "frame-src",
        "img-src",
        "manifest-src",
        "media-src",
        "object-src",
        "script-src",
        "script-src-attr",
        "script-src-elem",
        "style-src",
        "style-src-attr",
        "style-src-elem",
        "worker-src",
    }
)
_LIMIT: Final = 64 * 1024
_PART: Final = 64 * 1024
_MOST: Final = 20
"""Reports of one request that are looked at; browsers send a few."""
_LONGEST: Final = 200
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")

begin(metrics.csp_reports, [*sorted(DIRECTIVES), "other"])

DESCRIPTION: Final[dict[str, Any]] = {
    PATH: {
        "post": {
            "operationId": "reportPolicyViolation",
            "summary": "Tell that a page broke its content security policy; browsers do",
            "tags": ["operation"],
            "security": [],
            "requestBody": {
                "content": {
                    "application/csp-report": {"schema": {}},
                    "application/reports+json": {"schema": {}},
                }
            },
            "responses": {"204": {"description": "Whatever was sent"}},
        }
    }
}
"""What OpenAPI says of it."""


def add_collector(api: FastAPI, parts: Parts) -> None:
    """Add the route."""

    async def collect(request: Request) -> Response:
        address = bucket(request.scope["neoforge.address"])
        decision = await parts.limiter.take(parts.tiers["anonymous"], address)
        if decision.allowed:
            for report in await _reports(request):
                directive = report["directive"]
                metrics.csp_reports.labels(directive if directive in DIRECTIVES else "other").inc()
                log.warning("a page broke its content security policy", extra=report)
        return Response(status_code=204)

    api.router.routes.append(PlainRoute(PATH, collect, methods=["POST"]))


async def _reports(request: Request) -> list[dict[str, str]]:
    """Give what can be made of a body: of each report the directive, and where; nothing of what is no report."""
    content = bytearray()
    try:
        async for part in read_parts(request.scope, request.receive, _LIMIT, _PART):
            content += part
        said = from_json(bytes(content), allow_inf_nan=False)
    except (Problem, ClientGone, ValueError):
        return []
    return list(_read(said))[:_MOST]


def _read(said: Any) -> Iterator[dict[str, str]]:
    for report in said if isinstance(said, list) else [said]:
        if not isinstance(report, dict):
            continue
        body = report.get("csp-report") if "csp-report" in report else report.get("body")
        if isinstance(body, dict) and (report.get("type", "csp-violation") == "csp-violation"):
            directive = (
                body.get("effectiveDirective") or body.get("effective-directive") or body.get("violated-directive")
            )
            yield {
                "directive": _line(directive).partition(" ")[0],
                "page": _place(body.get("documentURL") or body.get("document-uri")),
                "blocked": _place(body.get("blockedURL") or body.get("blocked-uri")),
            }


def _line(value: object) -> str:
    return _CONTROL.sub(" ", value)[:_LONGEST] if isinstance(value, str) else ""


def _place(value: object) -> str:
    """Give an address without login, query and fragment, which may hold what nobody else is to know."""
    try:
        parts = urlsplit(_line(value))
    except ValueError:
        return ""
    host = parts.netloc.rpartition("@")[2].lower()
    return f"{parts.scheme}://{host}{parts.path}" if host else (parts.path or parts.scheme)
