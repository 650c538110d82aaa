"""What machines ask about the gateway itself: /health, /ready and /metrics."""

from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from chassis import metrics
from gateway.health import Readiness

_FORWARDED: Final = frozenset({"x-forwarded-for", "forwarded"})
_NOW: Final = {"Cache-Control": "no-store"}


def _answer(description: str, *states: str) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": {"status": {"type": "string", "enum": list(states)}},
        "required": ["status"],
        "additionalProperties": {"type": "string", "enum": ["ok", "down"]},
    }
    return {"description": description, "content": {"application/json": {"schema": schema}}}


DESCRIPTION: Final[dict[str, Any]] = {
    "/health": {
        "get": {
            "operationId": "getHealth",
            "summary": "Whether the gateway lives",
            "tags": ["operation"],
            "security": [],
            "responses": {"200": _answer("It does", "alive")},
        }
    },
    "/ready": {
        "get": {
            "operationId": "getReadiness",
            "summary": "Whether the gateway and everything it needs can work, with one member for each dependency",
            "tags": ["operation"],
            "security": [],
            "responses": {
                "200": _answer("All can", "ready"),
                "503": _answer("What is `down` cannot", "not ready"),
            },
        }
    },
}
"""What OpenAPI says of them."""


def add_probes(api: FastAPI, readiness: Readiness, *, production: bool) -> None:
    """Add the probes to the routes; in production, what came through a proxy sees no metrics: who scrapes does not."""

    async def ready(_: Request) -> Response:
        states = readiness.states()
        body = {"status": "ready" if all(states.values()) else "not ready"}
        body |= {name: "ok" if up else "down" for name, up in states.items()}
        return _json(body, 200 if all(states.values()) else 503)

    async def scraped(request: Request) -> Response:
        if production and not _FORWARDED.isdisjoint(request.headers):
            raise HTTPException(HTTPStatus.NOT_FOUND)
        metrics.tell_ready(readiness.states())
        exposition, media_type = metrics.exposition(request.headers.get("accept", ""))
        return Response(exposition, media_type=media_type, headers=_NOW)

    api.add_route("/health", _health, include_in_schema=False)
    api.add_route("/ready", ready, include_in_schema=False)
    api.add_route("/metrics", scraped, include_in_schema=False)


async def _health(_: Request) -> Response:
    return _json({"status": "alive"})


def _json(body: dict[str, str], status: int = 200) -> Response:
    return Response(to_json(body), status, media_type="application/json", headers=_NOW)
