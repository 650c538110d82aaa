"""Answers that no route gives: what does not exist, methods that don't, OPTIONS, and every failure as a problem."""

import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis import logs
from gateway import problems
from gateway.body import ClientGone
from gateway.problems import Problem

log = logging.getLogger(__name__)

_BY_STATUS = {int(type_.status): reason for reason, type_ in reversed(problems.TYPES.items())}


class Problems:
    """Turns every failure below into problem+json (RFC 9457)."""

    def __init__(self, app: ASGIApp, public_url: str) -> None:
        self._app = app
        self._public_url = public_url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and answer for what fails."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except Problem as problem:
            await self._send(problem, scope, send)
        except ClientGone:
            log.info("the client went away before its body was complete")
        except Exception:
            log.exception("unhandled")
            if started:  # too late for another answer: the server closes the connection, and the client sees the break
                raise
            await self._send(
                Problem("INTERNAL", f"Ask the operator about request {logs.request_id.get()}."), scope, send
            )

    async def _send(self, problem: Problem, scope: Scope, send: Send) -> None:
        body = problems.body(problem, self._public_url, scope["path"])
        headers = [
            (b"content-type", problems.MEDIA_TYPE.encode()),
            (b"content-length", b"%d" % len(body)),
            (b"cache-control", b"no-store"),
            *problem.headers,
        ]
        await send({"type": "http.response.start", "status": int(problem.type.status), "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


class Router:
    """Hands a request to its route, and answers for addresses and methods that have none (RFC 9110, section 9.3.7)."""

    def __init__(self, api: FastAPI) -> None:
        self._api = api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request to its route."""
        scope["app"] = self._api
        if scope["type"] == "http" and scope["method"] == "OPTIONS":
            await self._options(scope, send)
            return
        try:
            await self._api.router(scope, receive, send)
        except Problem as problem:
            if problem.type.status is HTTPStatus.METHOD_NOT_ALLOWED:
                problem.headers.append((b"allow", _allowed(self._api.routes, scope)))
            raise
        except HTTPException as refused:
            raise self._problem(refused, scope) from None

    def _problem(self, refused: HTTPException, scope: Scope) -> Problem:
        if refused.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            allow = [(b"allow", _allowed(self._api.routes, scope))]
            return Problem("METHOD_NOT_ALLOWED", f"{scope['method']} is no method of this resource.", headers=allow)
        if refused.status_code == HTTPStatus.NOT_FOUND:
            return Problem("NOT_FOUND", _nothing(self._api.routes, scope))
        return Problem(_BY_STATUS.get(refused.status_code, "INTERNAL"), str(refused.detail))

    async def _options(self, scope: Scope, send: Send) -> None:
        allowed = _allowed(self._api.routes, scope)
        if not allowed:
            raise Problem("NOT_FOUND", "There is nothing at this address.")
        await send({"type": "http.response.start", "status": 204, "headers": [(b"allow", allowed)]})
        await send({"type": "http.response.body"})


_STAND_IN: Final = "00000000-0000-0000-0000-000000000000"


def _nothing(routes: Sequence[BaseRoute], scope: Scope) -> str:
    """Say that there is nothing, and where an id that is none keeps the path from its route, also that."""
    parts = scope["path"].split("/")
    for i, part in enumerate(parts):
        path = "/".join([*parts[:i], _STAND_IN, *parts[i + 1 :]])
        if part and any(route.matches({**scope, "path": path})[0] is not Match.NONE for route in routes):
            return "There is nothing at this address: ids are UUIDs, and the one in it is none."
    return "There is nothing at this address."


def _allowed(routes: Sequence[BaseRoute], scope: Scope) -> bytes:
    """List the methods of an address, over all routes that it matches."""
    methods: set[str] = set()
    for route in routes:
        match, child = route.matches(scope)
        if match is not Match.NONE:
            scope.setdefault("route", child.get("route", route))
            methods |= getattr(route, "methods", None) or {"GET"}
    if "GET" in methods:
        methods.add("HEAD")
    return ", ".join(sorted({*methods, "OPTIONS"})).encode() if methods else b""
