"""The way of every API request, in one place; a route only declares what kind of request it serves.

The order of answers: who is it (401), quota (429), query, preconditions and key (422, 400), body (415, 413, 400, 422),
then the service (404, 403, 412 or, where If-Match must be there and is not, 428, and 409), and last what the client has
already (304).
"""

from collections.abc import Callable, Coroutine, Mapping
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from inspect import Parameter, signature
from typing import Any, Final, get_args, get_origin, get_type_hints
from urllib.parse import parse_qsl

from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.convertors import Convertor, register_url_convertor
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from chassis.errors import RemoteError, VersionMismatch
from gateway import oauth, problems, text
from gateway.body import has_body, read_json
from gateway.cache import PAST_THE_CACHE, Asked, Given
from gateway.cachecontrol import directives
from gateway.call import Call
from gateway.conditional import Tags, preconditions
from gateway.declaration import Declaration, Key, Kind, Tagged
from gateway.idempotency import fingerprint, idempotency_key
from gateway.openapi import describe
from gateway.problems import FieldError, Problem
from gateway.representation import (
    ANY_ORIGIN,
    PRIVATE,
    Answer,
    Download,
    Headers,
    accepts_gzip,
    read,
    written,
)

Endpoint = Callable[..., Coroutine[Any, Any, Answer]]


_NEEDS_IF_MATCH: Final = "This change needs If-Match with the ETag of the state it is for."
_UNKNOWN_PARAMETER: Final = "there is no such query parameter"


class IdConvertor(Convertor[str]):
    """A UUID in a path, as RFC 9562 writes it; anything else is an address that does not exist."""

    regex = "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"

    def convert(self, value: str) -> str:
        """Give it in lower case, in which the services write it."""
        return value.lower()

    def to_string(self, value: str) -> str:
        """Give it as it is."""
        return value


register_url_convertor("id", IdConvertor())


class Operation(APIRoute):
    """A route with its declaration.

    FastAPI finds it and documents it from the signature of its endpoint. What runs for a request is `_answer`: the
    order of answers matters here while FastAPI would read the body first, and its own handler costs a request 45
    microseconds more. An endpoint takes `call`, the ids of its path, and what it has of `query` and `body`, checked.
    """

    def __init__(
        self, path: str, endpoint: Endpoint, declaration: Declaration, group: str, **documentation: Any
    ) -> None:
        super().__init__(path, endpoint, methods=[declaration.method], **documentation, **describe(declaration, path))
        hints = get_type_hints(endpoint)
        self._endpoint = endpoint
        self.declaration = declaration
        self._group = group
        self._query: type[BaseModel] | None = hints.get("query")
        self._body: type[BaseModel] | None = hints.get("body")
        self._body_default = signature(endpoint).parameters["body"].default if self._body else Parameter.empty
        self._repeatable = _repeatable(self._query)
        self._methods = {declaration.method, "HEAD"} if declaration.method == "GET" else {declaration.method}

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match HEAD wherever there is GET."""
        if scope["path"].endswith("\n"):  # the `$` of a pattern matches before a last line break too
            return Match.NONE, {}
        match, child = super().matches(scope)
        if match is Match.PARTIAL and scope["method"] in self._methods:
            match = Match.FULL
        return match, child

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request of this route."""
        self._check_method(scope)
        call = Call(scope, receive, self.declaration)
        try:
            status, headers, body, download = await self._answer(call)
        except (Problem, RemoteError) as fault:
            if call.lacks_if_match and isinstance(fault, RemoteError) and fault.reason == VersionMismatch.reason:
                fault = Problem("PRECONDITION_REQUIRED", _NEEDS_IF_MATCH)
            condition = call.preconditions.name
            problem = problems.from_remote(fault, condition=condition) if isinstance(fault, RemoteError) else fault
            raise self._told(problem.saying(call.answer_headers()), scope) from fault
        await send({"type": "http.response.start", "status": int(status), "headers": headers})
        if download is not None:
            async with aclosing(download.parts) as parts:
                if scope["method"] != "HEAD" and status is HTTPStatus.OK:
                    async for part in parts:
                        await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def _check_method(self, scope: Scope) -> None:
        if scope["method"] not in self._methods:
            raise self._told(Problem("METHOD_NOT_ALLOWED", f"{scope['method']} is no method of this resource."), scope)

    def _told(self, problem: Problem, scope: Scope) -> Problem:
        """Give a problem as the clients of this route read it."""
        if self.declaration.for_oauth:
            oauth.tell(problem, scope)
        return problem

    async def _answer(self, call: Call) -> tuple[HTTPStatus, Headers, bytes, Download | None]:
        scope, declaration = call.scope, self.declaration
        await call.identify()
        arguments: dict[str, Any] = dict(scope["path_params"])
        if self._query is not None or scope["query_string"]:
            arguments |= self._read_query(scope["query_string"])
        headers = scope["headers"]
        call.preconditions = preconditions(headers)
        call.gzip_accepted = accepts_gzip(headers)
        if declaration.kind is not Kind.READ:
            self._check_write(call)
            await self._read_write(call, arguments)
        if declaration.kind is not Kind.READ:
            answer = await self._write(call, arguments)
            status, fields, body = written(answer, gzip=call.gzip_accepted)
            return status, fields + call.answer_headers(), body, answer.download
        if call.for_everyone:
            given = await self._give(call, arguments)
            answer, kept = given.answer, [*given.headers, *ANY_ORIGIN]
        else:
            answer, kept = await self._endpoint(call, **arguments), PAST_THE_CACHE if declaration.public else PRIVATE
        status, fields, body = read(answer, call.preconditions, gzip=call.gzip_accepted, kept=kept)
        if status is HTTPStatus.NOT_MODIFIED:
            call.cost_nothing()
        return status, fields + call.answer_headers(), body, answer.download

    async def _write(self, call: Call, arguments: Mapping[str, Any]) -> Answer:
        """Give the endpoint's answer to a write, after which nothing of what it may have changed is taken for fresh."""
        changed = True
        try:
            return await self._endpoint(call, **arguments)
        except RemoteError as fault:
            changed = problems.is_outage(fault)  # what is refused is not done, and what fails may have been
            raise
        finally:
            if changed:
                removed = self.declaration.kind is Kind.REMOVE
                call.parts.cache.invalidate(self._group, self._resource(call.scope), removed=removed)

    async def _give(self, call: Call, arguments: Mapping[str, Any]) -> Given:
        """Give what everyone gets; to a penalised address, what is kept anyway."""
        asked, fetch = self._asked(call, arguments), partial(self._fetch, call, arguments)
        if not call.penalised:
            return await call.parts.cache.give(asked, fetch)
        try:
            kept = replace(asked, directives=replace(asked.directives, only_if_cached=True))
            return await call.parts.cache.give(kept, fetch)
        except Problem:
            raise call.as_penalised() from None

    async def _fetch(self, call: Call, arguments: Mapping[str, Any], tag: str | None) -> Answer:
        return await self._endpoint(call.by_nobody(tag), **arguments)

    def _asked(self, call: Call, arguments: Mapping[str, Any]) -> Asked:
        headers = call.scope["headers"]
        return Asked(
            resource=self._resource(call.scope),
            query=_narrowed(arguments["query"]) if "query" in arguments else "",
            group=self._group,
            lifetime=call.lifetime,
            directives=directives(headers),
            # A cache must not evaluate If-Match (RFC 9111, section 4.3.2), and who sends a cookie is somebody.
            passes_by=call.preconditions.if_match is not None or any(name == b"cookie" for name, _ in headers),
            patience_s=call.patience_s,
        )

    def _resource(self, scope: Scope) -> str:
        """Give the path as the gateway writes it."""
        return self.path_format.format(**scope["path_params"])

    def _check_write(self, call: Call) -> None:
        """Hold a write's preconditions against what the route can guard."""
        declaration, if_match = self.declaration, call.preconditions.if_match
        if declaration.if_match_required and if_match is None:
            # As one that no state meets: who may not change the resource at all is told so first.
            call.lacks_if_match = True
            call.preconditions = replace(call.preconditions, if_match=Tags())
        if declaration.tagged is Tagged.CONTENT and if_match is not None and not if_match.any_tag:
            raise Problem("VERSION_MISMATCH", "This resource has no entity tag that If-Match could name.")

    async def _read_write(self, call: Call, arguments: dict[str, Any]) -> None:
        """Read a write's key and body, and fingerprint them."""
        declaration, scope = self.declaration, call.scope
        key = None
        if declaration.key is not Key.NONE:
            key = idempotency_key(scope["headers"], required=declaration.key is Key.REQUIRED)
        value = None
        if self._body is not None:
            if self._body_default is not Parameter.empty and not has_body(scope):
                value = {}
            else:
                limit = call.parts.settings.body_limit_bytes
                value = await read_json(scope, call.receive, declaration.media_types, limit)
        if key is not None:
            call.keyed = key, fingerprint(scope["method"], self.path_format, scope["path_params"], value)
        if self._body is not None:
            arguments["body"] = _check_body(self._body, value)

    def _read_query(self, query_string: bytes) -> Mapping[str, BaseModel]:
        """Check the query; what the route does not know is refused: a typo in a filter must not list everything.

        Of what others embed it is passed over (`Declaration.embedded`).
        """
        try:
            pairs = parse_qsl(query_string.decode("ascii"), keep_blank_values=True, errors="strict")
        except ValueError:  # not ASCII, or not UTF-8 behind the percent signs
            raise Problem("MALFORMED_REQUEST", "The query is not percent-encoded UTF-8 (RFC 3986).") from None
        if self.declaration.embedded:
            pairs = [(name, value) for name, value in pairs if self._query and name in self._query.model_fields]
        values: dict[str, Any] = {}
        errors = []
        for name, value in pairs:
            if name in self._repeatable:
                values.setdefault(name, []).append(value)
            elif name in values:
                errors.append(FieldError("stands there twice", parameter=name))
            else:
                values[name] = value
        if self._query is None:
            errors += [FieldError(_UNKNOWN_PARAMETER, parameter=name) for name in values]
        elif not errors:
            try:
                return {"query": self._query.model_validate(values)}
            except ValidationError as refused:
                errors = [
                    FieldError(_say(e, unknown=_UNKNOWN_PARAMETER), parameter=str(e["loc"][0] if e["loc"] else ""))
                    for e in _errors(refused)
                ]
        if errors:
            raise _invalid(errors, [error.parameter or "query" for error in errors])
        return {}


class Operations(list[Operation]):
    """The routes of one kind of resource, in the order in which they are tried."""

    def __init__(self, tag: str, group: str | None = None) -> None:
        """Begin with none; `group` names what is cached together with other routes, unless the tag does."""
        super().__init__()
        self._tag = tag
        self._group = group or tag

    def serve(self, path: str, declaration: Declaration) -> Callable[[Endpoint], Endpoint]:
        """Add the decorated endpoint; its name makes the operation's id."""

        def add(endpoint: Endpoint) -> Endpoint:
            self.add(path, endpoint, declaration)
            return endpoint

        return add

    def add(
        self, path: str, endpoint: Callable[..., Any], declaration: Declaration, kind: type[Operation] = Operation
    ) -> None:
        """Add an endpoint, served by a kind of operation."""
        first, *rest = endpoint.__name__.split("_")
        operation_id = first + "".join(map(str.capitalize, rest))
        documented = {"operation_id": operation_id, "tags": [self._tag]}
        self.append(kind(path, endpoint, declaration, self._group, **documented))


def _narrowed(query: BaseModel) -> str:
    """Write what a query says beyond its defaults in one form; empty when that is nothing."""
    return query.model_dump_json(exclude_unset=True) if query.model_fields_set else ""


def _check_body(model: type[BaseModel], value: Any) -> BaseModel:
    try:
        return model.model_validate(value)
    except ValidationError as refused:
        found = _errors(refused)
        errors = [FieldError(_say(e), pointer=problems.pointer(e["loc"])) for e in found]
        raise _invalid(errors, [problems.plain_name(e["loc"]) or "body" for e in found]) from None


def _invalid(errors: list[FieldError], names: list[str]) -> Problem:
    named = "; ".join(f"{name[:100]}: {error.detail}" for name, error in zip(names[:5], errors[:5], strict=True))
    return Problem("INVALID_FIELDS", named, errors=errors[:100])


def _errors(refused: ValidationError) -> list[Any]:
    return refused.errors(include_url=False, include_input=False)


_CONTAINERS: Final = {
    **dict.fromkeys(("model_type", "model_attributes_type", "dict_type", "dataclass_type"), "must be a JSON object"),
    **dict.fromkeys(("list_type", "tuple_type", "set_type", "frozen_set_type"), "must be a JSON array"),
}
"""What pydantic says with names of Python's types and of our classes."""


def _say(error: Mapping[str, Any], *, unknown: str = "there is no such field") -> str:
    """Say in the words of the API what pydantic says in its own."""
    if error["type"] == "extra_forbidden":
        return unknown
    if error["type"] == "missing":
        return "must be given"
    if error["type"] in _CONTAINERS:
        return _CONTAINERS[error["type"]]
    if error["type"] == "string_pattern_mismatch":
        return text.RULES[error["ctx"]["pattern"]]
    return str(error["msg"]).removeprefix("Value error, ")


def _repeatable(query: type[BaseModel] | None) -> frozenset[str]:
    """The names of the parameters that may stand in a query more than once."""
    if query is None:
        return frozenset()
    lists = (
        name
        for name, field in query.model_fields.items()
        if any(get_origin(part) is list for part in (field.annotation, *get_args(field.annotation)))
    )
    return frozenset(lists)
