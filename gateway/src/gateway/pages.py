"""Pages for people: the API's documentation, and a page for each type of problem. Nothing comes from elsewhere."""

import base64
import hashlib
from html import escape
from importlib.resources import files
from typing import Final

from fastapi import FastAPI
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

from gateway import openapi
from gateway.plainroutes import PlainMount, PlainRoute
from gateway.problem_types import TYPES, Type
from gateway.problems import Problem

_SWAGGER: Final = str(files("fastapi_offline").joinpath("static"))

_DOCS: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>NeoForge API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/assets/swagger-ui.css">
</head>
<body>
<div id="api"></div>
<script src="/docs/assets/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""
_START: Final = """SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#api",
  deepLinking: true,
  persistAuthorization: true,
  displayRequestDuration: true,
});
"""
_DOCS_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)  # Swagger UI writes style attributes; its scripts are all ours

_STYLE: Final = (
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:42rem;margin:3rem auto;padding:0 1rem}"
    "code{background:#8882;padding:.1em .3em;border-radius:.2em}:root{color-scheme:light dark}"
)
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_PROBLEM_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; base-uri 'none'; frame-ancestors 'none'"
)
_FOR_A_WHILE: Final = "public, max-age=300"

_BY_NAME: Final = {type_.name: type_ for type_ in TYPES.values()}


def add_pages(api: FastAPI, public_url: str) -> None:
    """Add the pages to the routes."""
    description = to_json(openapi.document(api, public_url))

    async def describe(_: Request) -> Response:
        return Response(description, media_type="application/json", headers={"Cache-Control": _FOR_A_WHILE})

    api.router.routes += [
        PlainRoute("/openapi.json", describe),
        PlainRoute("/docs", _docs),
        PlainRoute("/docs/start.js", _start),
        PlainMount("/docs/assets", StaticFiles(directory=_SWAGGER)),
        PlainRoute("/problems", _problem_index),
        PlainRoute("/problems/{name}", _problem_page),
    ]


async def _docs(_: Request) -> Response:
    return HTMLResponse(_DOCS, headers={"Content-Security-Policy": _DOCS_POLICY, "Cache-Control": _FOR_A_WHILE})


async def _start(_: Request) -> Response:
    return Response(_START, media_type="text/javascript", headers={"Cache-Control": _FOR_A_WHILE})


async def _problem_index(_: Request) -> Response:
    entries = sorted(_BY_NAME.values(), key=lambda type_: (type_.status, type_.name))
    rows = "".join(
        f'<li>{int(type_.status)} <a href="/problems/{type_.name}">{type_.name}</a>: {escape(type_.title)}</li>'
        for type_ in entries
    )
    return _page(
        "Problem types", f"<p>Every error is <code>application/problem+json</code> (RFC 9457).</p><ul>{rows}</ul>"
    )


async def _problem_page(request: Request) -> Response:
    type_ = _BY_NAME.get(request.path_params["name"])
    if type_ is None:
        raise Problem("NOT_FOUND", "There is no such type of problem.")
    return _page(type_.title, _explain(type_))


def _explain(type_: Type) -> str:
    pieces = type_.advice.split("`")
    advice = "".join(f"<code>{escape(p)}</code>" if i % 2 else escape(p) for i, p in enumerate(pieces))
    return (
        f"<p>Type <code>{type_.name}</code>, status {int(type_.status)} {escape(type_.status.phrase)}</p>"
        f'<p>{advice}</p><p><a href="/problems">All types of problems</a></p>'
    )


def _page(title: str, content: str) -> Response:
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<title>{escape(title)} · NeoForge</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{escape(title)}</h1>{content}</main></body></html>"
    )
    headers = {"Content-Security-Policy": _PROBLEM_POLICY, "Cache-Control": _FOR_A_WHILE}
    return HTMLResponse(page, headers=headers)
