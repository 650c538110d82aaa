"""What the API says about itself (OpenAPI 3.1): each operation's parameters, headers and every status it can have."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response

from gateway import cspreports, links, probes, problems
from gateway.body import FORM
from gateway.declaration import Declaration, Key, Kind, Tagged
from gateway.problem_types import TYPES

_MERGE_PATCH: Final = "application/merge-patch+json"
_PROBLEM_REF: Final = {"$ref": "#/components/schemas/Problem"}
_TAG: Final = {
    "type": "string",
    "pattern": r'^(\*|(W/)?"[!#-~]*"([ \t]*,[ \t]*(W/)?"[!#-~]*")*)$',
    "examples": ['"7"'],
}
_KEY: Final = {
    "type": "string",
    "pattern": r'^"[!#-\[\]-~]{1,255}"$',
    "examples": ['"8e03978e-40d5-43dd-bc93-6894a57f9324"'],
}


class FieldProblem(BaseModel):
    """One value that breaks its rule."""

    pointer: str | None = Field(default=None, description="Where in the body (JSON pointer, RFC 6901).")
    parameter: str | None = Field(default=None, description="Or which query parameter.")
    detail: str = Field(description="What it must be.")


class PendingSecondFactor(BaseModel):
    """A sign-in whose password was right."""

    pending: str = Field(description="Opaque: to be sent with the second factor.")
    expires_at: datetime = Field(description="Until when that can be done.")
    methods: list[str] = Field(description="What completes it: totp, recovery_code, passkey.")


class Problem(BaseModel):
    """Problem details (RFC 9457). `type` is the address of a page that explains the problem."""

    model_config = ConfigDict(title="Problem")

    type: str = Field(json_schema_extra={"format": "uri"})
    title: str
    status: int = Field(ge=400, le=599)
    detail: str
    instance: str = Field(description="The path that was asked for.")
    trace_id: str
    request_id: str
    error: str | None = Field(default=None, description="What clients of OAuth 2.0 know it by (RFC 6749).")
    error_description: str | None = Field(default=None, description="The same as `detail`, for the same clients.")
    methods: list[str] | None = Field(default=None, description="What would prove who asks.")
    second_factor: PendingSecondFactor | None = Field(default=None, description="What a sign-in waits for.")
    errors: list[FieldProblem] | None = Field(default=None, description="With status 422: every value at fault.")


def _header(description: str, schema: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {"description": description, "schema": schema or {"type": "string"}}


_ETAG: Final = _header("The strong entity tag of what is shown (RFC 9110, section 8.8.3).")
_ALWAYS: Final = {
    "X-Request-Id": _header("The request's id: the one that came in X-Request-Id, or a new one."),
    "X-Trace-Id": _header("The trace that the request belongs to (W3C Trace Context)."),
}
_QUOTA: Final = {
    "RateLimit-Policy": _header("The quota (draft-ietf-httpapi-ratelimit-headers-10)."),
    "RateLimit": _header("What is left (`r`), and the seconds until more is (`t`)."),
    "X-RateLimit-Limit": _header("The quota.", {"type": "integer"}),
    "X-RateLimit-Remaining": _header("What is left.", {"type": "integer"}),
    "X-RateLimit-Reset": _header("When more is left, in seconds since the epoch.", {"type": "integer"}),
}
_SHARED: Final = {
    "Age": _header("For how many seconds it was kept; none when it is new.", {"type": "integer", "minimum": 0}),
    "Cache-Control": _header("For how long everyone may keep it, when no token was sent (RFC 9111)."),
    "Cache-Status": _header("Whether the cache answered, and why not (RFC 9211)."),
}
_BOUNDS: Final = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
"""JSON Schema's words for those of Python that pydantic leaves standing behind a validator."""
_FILE: Final = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
_EVENT: Final = {
    "type": "object",
    "description": "Each event of the stream, by its fields (HTML Standard, 9.2).",
    "properties": {
        "id": {"type": "string", "description": "What Last-Event-ID is, for what comes after it."},
        "event": {"type": "string", "description": "What it is called."},
        "data": {"type": "string", "contentMediaType": "application/json", "description": "One line of JSON."},
    },
}
_RETRY: Final = {"Retry-After": _header("Seconds to wait.", {"type": "integer", "minimum": 1})}
_EXTRA_HEADERS: Final = {
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": _header("The challenge (RFC 6750).")},
    HTTPStatus.TOO_MANY_REQUESTS: _RETRY,
    HTTPStatus.SERVICE_UNAVAILABLE: _RETRY,
}


def describe(declaration: Declaration, path: str) -> dict[str, Any]:
    """Give the arguments of a FastAPI route that document what follows from its declaration."""
    extra: dict[str, Any] = {"parameters": _parameters(declaration), "security": _security(declaration)}
    if declaration.takes_file:
        extra["requestBody"] = {"required": True, "content": _FILE}
    if declaration.for_oauth:
        extra["requestBody"] = {"content": {FORM: {}}}
    return {
        "status_code": int(declaration.success),
        "response_model": None,
        "response_class": JSONResponse if declaration.media_type == "application/json" else Response,
        "responses": _responses(declaration, path),
        "openapi_extra": extra,
    }


def _security(declaration: Declaration) -> list[dict[str, list[str]]]:
    if declaration.credentials and not declaration.about_account:
        return []
    return [{}, {"bearer": []}] if declaration.public or declaration.credentials else [{"bearer": []}]


def _parameters(declaration: Declaration) -> list[dict[str, Any]]:
    if declaration.lasts:
        return [_parameter("Last-Event-ID", "The id of the last event that came: the stream goes on after it.")]
    if declaration.kind is Kind.READ:
        return [_parameter("If-None-Match", "ETags that the client holds; 304 if one is current.", _TAG)]
    parameters = []
    if declaration.key is not Key.NONE:
        parameters.append(
            _parameter(
                "Idempotency-Key",
                "A string in double quotes, new for each new intention and the same for each repetition; a repetition "
                "changes nothing and gets the first answer (draft-ietf-httpapi-idempotency-key-header-07).",
                _KEY,
                required=declaration.key is Key.REQUIRED,
            )
        )
    if declaration.kind is not Kind.CREATE and declaration.tagged is Tagged.VERSION:
        parameters.append(
            _parameter(
                "If-Match",
                "The ETag of the state that the change is meant for; 412 if there is another now.",
                _TAG,
                required=declaration.if_match_required,
            )
        )
    return parameters


def _parameter(
    name: str, description: str, schema: dict[str, Any] | None = None, *, required: bool = False
) -> dict[str, Any]:
    schema = schema or {"type": "string"}
    return {"name": name, "in": "header", "required": required, "description": description, "schema": schema}


def _responses(declaration: Declaration, path: str) -> dict[int | str, dict[str, Any]]:
    success = {"description": declaration.success.phrase, "headers": {**_ALWAYS, **_QUOTA}}
    replayed = {"Idempotency-Replayed": _header("`true` on the recorded answer of an earlier request.")}
    if declaration.answers is not None:
        success["model"] = declaration.answers  # type: ignore[assignment] # FastAPI's responses hold values of any type
        if declaration.kind is Kind.READ or declaration.tagged is Tagged.VERSION:
            success["headers"]["ETag"] = _ETAG  # type: ignore[index] # as above
    elif declaration.kind is Kind.READ and not declaration.gives_file:
        success["content"] = {declaration.media_type: {"schema": _EVENT if declaration.lasts else {"type": "string"}}}
        success["headers"] |= {} if declaration.lasts else {"ETag": _ETAG}  # type: ignore[operator] # as above
    if declaration.gives_file:
        success["content"] = {"*/*": {}}  # bytes of whatever type the file has; a schema would be about none of them
        success["headers"] |= {"ETag": _ETAG, "Content-Disposition": _header("The file's name (RFC 6266).")}  # type: ignore[operator] # as above
    responses: dict[int | str, dict[str, Any]] = {int(declaration.success): success}
    if declaration.key is not Key.NONE:
        success["headers"] |= replayed  # type: ignore[operator] # as above
    if declaration.kind is Kind.CREATE:
        success["headers"]["Location"] = _header("The address of what was created.")  # type: ignore[index] # as above
        responses[int(HTTPStatus.OK)] = {**success, "description": "It was created by an earlier request with this key"}
    elif declaration.key is not Key.NONE and declaration.success is HTTPStatus.ACCEPTED:
        responses[int(HTTPStatus.OK)] = {**success, "description": "An earlier request with this key was accepted"}
    if declaration.kind is Kind.READ and not declaration.lasts:
        kept = _SHARED if declaration.public else {}
        success["headers"] |= kept  # type: ignore[operator] # as above
        responses[int(HTTPStatus.NOT_MODIFIED)] = {
            "description": "The client holds the current state",
            "headers": {"ETag": _ETAG, **_ALWAYS, **_QUOTA, **kept},
        }
    for status, reasons in _problems(declaration, path).items():
        responses[int(status)] = {
            "description": " or ".join(_titles(declaration, status, reasons)),
            "headers": {**_ALWAYS, **_EXTRA_HEADERS.get(status, {})},
            "content": {
                problems.MEDIA_TYPE: {
                    "schema": _PROBLEM_REF,
                    "examples": {TYPES[reason].name: _example_ref(reason) for reason in reasons},
                }
            },
        }
    return responses


def _titles(declaration: Declaration, status: HTTPStatus, reasons: Iterable[str]) -> list[str]:
    titles = [TYPES[reason].title for reason in reasons]
    if declaration.for_oauth and status is HTTPStatus.BAD_REQUEST:
        titles.append("(to a form) what JSON gets with 401 or 422 (RFC 6749, section 5.2)")
    return titles


def _problems(declaration: Declaration, path: str) -> dict[HTTPStatus, list[str]]:
    reasons = ["MALFORMED_REQUEST", "UNAUTHENTICATED", "INVALID_FIELDS", "QUOTA_EXCEEDED", "HEADERS_TOO_LARGE"]
    reasons += ["REDUCED_CAPACITY", "UNAVAILABLE", "DEADLINE_EXCEEDED", "INTERNAL"]
    if declaration.has_cursor:
        reasons.append("INVALID_CURSOR")
    if declaration.lasts:
        reasons += ["MALFORMED_LAST_EVENT_ID", "NOT_ACCEPTABLE", "TOO_MANY_STREAMS", "OVERLOADED"]
    elif declaration.public:
        reasons.append("NOT_CACHED")
    named = "{" in path or declaration.names_in_query
    if named:
        reasons.append("NOT_FOUND")
    writes = declaration.kind is not Kind.READ and not declaration.credentials  # which a token may not be for
    if writes or declaration.about_account or (named and declaration.tagged is Tagged.CONTENT):
        reasons.append("FORBIDDEN")
    reasons += [] if declaration.lasts else ["MALFORMED_PRECONDITION", "VERSION_MISMATCH"]
    if declaration.kind is not Kind.READ and declaration.key is not Key.NONE:
        reasons += ["IDEMPOTENCY_KEY_MALFORMED", "IDEMPOTENCY_KEY_REUSED", "IDEMPOTENCY_IN_FLIGHT"]
        reasons += ["IDEMPOTENCY_KEY_MISSING"] if declaration.key is Key.REQUIRED else []
    if declaration.takes_file:
        reasons.append("CONTENT_TOO_LARGE")
    elif declaration.kind in {Kind.CREATE, Kind.CHANGE}:
        reasons += ["MALFORMED_BODY", "CONTENT_TOO_LARGE", "UNSUPPORTED_MEDIA_TYPE"]
    if declaration.if_match_required:
        reasons.append("PRECONDITION_REQUIRED")
    return _by_status([*reasons, *declaration.conflicts])


def _by_status(reasons: Iterable[str]) -> dict[HTTPStatus, list[str]]:
    grouped: dict[HTTPStatus, list[str]] = {}
    for reason in reasons:
        grouped.setdefault(TYPES[reason].status, []).append(reason)
    return dict(sorted(grouped.items()))


def document(api: FastAPI, public_url: str) -> dict[str, Any]:
    """Write the whole API's description."""
    written = get_openapi(
        title=api.title,
        version=api.version,
        description=api.description,
        routes=api.routes,
        tags=api.openapi_tags,
        servers=[{"url": public_url}],
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    written["paths"] |= probes.DESCRIPTION | cspreports.DESCRIPTION
    components = written.setdefault("components", {})
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    definitions = schema.pop("$defs", {})
    components.setdefault("schemas", {}).update({"Problem": schema, **definitions})
    for model in components["schemas"].values():
        _put_back_nulls(model)
    components["examples"] = problems.examples(public_url)
    components["securitySchemes"] = {
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "An access token of the token issuer (EdDSA).",
        }
    }
    for operation in (operation for path in written["paths"].values() for operation in path.values()):
        for parameter in operation.get("parameters", ()):
            _leave_out_null(parameter)
            parameter["schema"] = {_BOUNDS.get(word, word): value for word, value in parameter["schema"].items()}
        content = operation.get("requestBody", {}).get("content", {})
        if _MERGE_PATCH in content:  # a plain JSON body is a merge patch too
            content["application/json"] = content[_MERGE_PATCH]
        if FORM in content:  # of the same fields
            content[FORM] = content["application/json"]
    links.link(written)
    return written


def _leave_out_null(parameter: dict[str, Any]) -> None:
    """A parameter is absent or has a value; null is only how Python writes absence."""
    alternatives = parameter["schema"].pop("anyOf", None)
    if alternatives is not None:
        (only,) = [schema for schema in alternatives if schema != {"type": "null"}]
        parameter["schema"] |= only


def _put_back_nulls(model: dict[str, Any]) -> None:
    """FastAPI leaves out every null when it writes, also in an example that must have one."""
    for example in model.get("examples", ()):
        for name in model.get("required", ()):
            example.setdefault(name, None)


def _example_ref(reason: str) -> dict[str, str]:
    return {"$ref": f"#/components/examples/{TYPES[reason].name}"}
