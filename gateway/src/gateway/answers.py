"""Answers that no route gives: what does not exist, methods that don't, OPTIONS, and every failure as a problem."""

import logging
import re
from collections.abc import Sequence
from http import HTTPStatus

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis import logs
from gateway import problems, threats
from gateway.body import ClientGone
from gateway.operations import IdConvertor, Operation
from gateway.penalties import Penalties
from gateway.problem_types import TYPES
from gateway.problems import Problem

log = logging.getLogger(__name__)

_BY_STATUS = {int(type_.status): reason for reason, type_ in reversed(TYPES.items())}


class Problems:
    """Turns every failure below into problem+json (RFC 9457)."""

    def __init__(self, app: ASGIApp, public_url: str, penalties: Penalties) -> None:
        self._app = app
        self._penalties = penalties
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
            if problem.threat is not None:
                await self._penalties.saw(problem.threat, scope)
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
        headers = problems.fields(problem, body)
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
            return Problem("NOT_FOUND", _nothing(self._api.routes, scope), threat=threats.of_path(scope["raw_path"]))
        return Problem(_BY_STATUS.get(refused.status_code, "INTERNAL"), str(refused.detail))

    async def _options(self, scope: Scope, send: Send) -> None:
        allowed = _allowed(self._api.routes, scope)
        if not allowed:
            raise Problem("NOT_FOUND", "There is nothing at this address.")
        await send({"type": "http.response.start", "status": 204, "headers": [(b"allow", allowed)]})
        await send({"type": "http.response.body"})


def _nothing(routes: Sequence[BaseRoute], scope: Scope) -> str:
    """Say that there is nothing and, where ids that are none keep the path from its route, also that."""
    parts = scope["path"].split("/")
    if any(_misses_by_ids(route, parts) for route in routes if isinstance(route, Operation)):
        return "There is nothing at this address: ids are UUIDs, and what stands in its place is none."
    return "There is nothing at this address."


def _misses_by_ids(route: Operation, parts: Sequence[str]) -> bool:
    template = route.path_format.split("/")
    if len(template) != len(parts):
        return False
    for expected, given in zip(template, parts, strict=True):
        convertor = route.param_convertors.get(expected[1:-1])
        if convertor is None:
            fits = given == expected
        elif isinstance(convertor, IdConvertor):
            fits = bool(given)
        else:
            fits = re.fullmatch(convertor.regex, given) is not None
        if not fits:
            return False
    return any(isinstance(convertor, IdConvertor) for convertor in route.param_convertors.values())


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
