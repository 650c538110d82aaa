"""Problem details (RFC 9457): the one place where a reason becomes a type, a title and a status."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from grpc import StatusCode
from pydantic_core import to_json

from chassis import logs, telemetry
from chassis.errors import RemoteError

MEDIA_TYPE: Final = "application/problem+json"


@dataclass(frozen=True)
class Type:
    """A kind of problem: the last part of its address, its title, its HTTP status, and what a client can do."""

    name: str
    title: str
    status: HTTPStatus
    advice: str


TYPES: Final[dict[str, Type]] = {
    # What services say.
    "INVALID_FIELDS": Type(
        "invalid-fields",
        "Some values break their rules",
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "Each entry of `errors` names a value by its JSON pointer, or a query parameter by its name, and says what it "
        "must be. Correct them and send the request again.",
    ),
    "INVALID_CURSOR": Type(
        "invalid-cursor",
        "The cursor does not belong to this list",
        HTTPStatus.BAD_REQUEST,
        "A cursor holds only for the caller, the filter and the order of the page that it came with. Start again "
        "without a cursor.",
    ),
    "UNAUTHENTICATED": Type(
        "unauthenticated",
        "Sign in first",
        HTTPStatus.UNAUTHORIZED,
        "Send a valid access token as `Authorization: Bearer ...`. The WWW-Authenticate header says what was wrong "
        "with the one that came.",
    ),
    "FORBIDDEN": Type(
        "forbidden",
        "You may not do this",
        HTTPStatus.FORBIDDEN,
        "You may see the resource, but not do that to it. Its owner can give you another role.",
    ),
    "NOT_FOUND": Type(
        "not-found",
        "There is no such resource",
        HTTPStatus.NOT_FOUND,
        "The address is wrong, the resource was deleted, or it is not yours to see.",
    ),
    "VERSION_MISMATCH": Type(
        "version-mismatch",
        "The resource has changed",
        HTTPStatus.PRECONDITION_FAILED,
        "The resource is not in the state that If-Match or If-None-Match asks for. Get it again, look at what changed, "
        "and repeat your change with the new ETag.",
    ),
    "IDEMPOTENCY_KEY_REUSED": Type(
        "idempotency-key-reused",
        "The idempotency key belongs to another request",
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "The key came before with another payload. Use a new key for a new request.",
    ),
    "IDEMPOTENCY_IN_FLIGHT": Type(
        "idempotency-in-flight",
        "The first request with this key is still running",
        HTTPStatus.CONFLICT,
        "Repeat the same request after the time in Retry-After; it will get the first one's answer.",
    ),
    "SLUG_TAKEN": Type(
        "slug-taken",
        "The slug is taken",
        HTTPStatus.CONFLICT,
        "You have a project with this slug already. Choose another.",
    ),
    "ALREADY_MEMBER": Type(
        "already-member",
        "You are a member already",
        HTTPStatus.CONFLICT,
        "You have the role that the invitation gives, or more. The link stays good for whom it is meant.",
    ),
    "TICKET_CLOSED": Type(
        "ticket-closed",
        "The ticket is closed for good",
        HTTPStatus.CONFLICT,
        "Nothing can be added to a closed ticket or changed in it. Keep what you wrote and open a new ticket with it.",
    ),
    "ILLEGAL_MOVE": Type(
        "illegal-move",
        "The status cannot move this way",
        HTTPStatus.CONFLICT,
        "An open ticket becomes pending or solved, a pending one open or solved, a solved one open or closed. "
        "A resolved incident stays resolved: open another.",
    ),
    "CATEGORY_IN_USE": Type(
        "category-in-use",
        "Posts stand in the category",
        HTTPStatus.CONFLICT,
        "Move its posts to another category first.",
    ),
    "ALREADY_REPORTED": Type(
        "already-reported",
        "You have reported this before",
        HTTPStatus.CONFLICT,
        "The moderators know. There is nothing to be done.",
    ),
    "POST_LOCKED": Type(
        "post-locked",
        "The post takes no more replies",
        HTTPStatus.FORBIDDEN,
        "A moderator has locked it. Keep what you wrote; a new post can refer to this one.",
    ),
    "LIMIT_REACHED": Type(
        "limit-reached",
        "A limit of the product is reached",
        HTTPStatus.CONFLICT,
        "One more would be over a published limit. Remove something first.",
    ),
    "INVALID_CREDENTIALS": Type(
        "invalid-credentials",
        "The address or the password is wrong",
        HTTPStatus.UNAUTHORIZED,
        "Correct them, or ask for a new password. Which of both is wrong is not told.",
    ),
    "INVALID_REFRESH_TOKEN": Type(
        "invalid-refresh-token",
        "The refresh token is good no more",
        HTTPStatus.UNAUTHORIZED,
        "Sign in again. Its session has ended, or the token was used before.",
    ),
    "INVALID_CODE": Type(
        "invalid-code",
        "The code is wrong or good no more",
        HTTPStatus.UNAUTHORIZED,
        "Type it as the mail or the app shows it, or get a new one: a code is good once, for a while and a few tries.",
    ),
    "SECOND_FACTOR_REQUIRED": Type(
        "second-factor-required",
        "A second factor is needed",
        HTTPStatus.UNAUTHORIZED,
        "The password is right. Send `second_factor.pending` with a code, a recovery code or a passkey's answer to "
        "/api/v1/auth/token/second-factor; `second_factor.methods` lists which there are.",
    ),
    "INVALID_PENDING_SIGN_IN": Type(
        "invalid-pending-sign-in",
        "The sign-in is over",
        HTTPStatus.UNAUTHORIZED,
        "Begin again with the password. A sign-in waits ten minutes for its second factor and takes five tries.",
    ),
    "INVALID_PASSKEY": Type(
        "invalid-passkey",
        "The passkey's answer does not hold",
        HTTPStatus.UNAUTHORIZED,
        "Ask for new options and try again, or sign in with the password. A challenge is good once and for five "
        "minutes.",
    ),
    "WRONG_SECOND_FACTOR": Type(
        "wrong-second-factor",
        "The code or the passkey's answer is wrong",
        HTTPStatus.FORBIDDEN,
        "Wait for the app's next code: each is good once. Check the clock of the device that shows it.",
    ),
    "STEP_UP_REQUIRED": Type(
        "step-up-required",
        "Prove again who you are",
        HTTPStatus.FORBIDDEN,
        "Send what `methods` lists to /api/v1/auth/step-up, then repeat the request within ten minutes.",
    ),
    "SECOND_FACTOR_ON": Type(
        "second-factor-on",
        "The second factor is on already",
        HTTPStatus.CONFLICT,
        "Turn it off before another app takes its place.",
    ),
    "WRONG_PASSWORD": Type(
        "wrong-password",
        "The current password is wrong",
        HTTPStatus.FORBIDDEN,
        "Correct it, or ask for a new password.",
    ),
    "TOO_MANY_ATTEMPTS": Type(
        "too-many-attempts",
        "Too many tries",
        HTTPStatus.TOO_MANY_REQUESTS,
        "Wait for the seconds in Retry-After; the account is not locked, and signs in from elsewhere.",
    ),
    "CROSS_SITE": Type(
        "cross-site",
        "The request does not come from the product's own pages",
        HTTPStatus.FORBIDDEN,
        "A request that uses the session's cookie needs the header X-NeoForge-CSRF: 1 and the Origin of the product.",
    ),
    "UNAVAILABLE": Type(
        "unavailable",
        "A part of the product does not answer",
        HTTPStatus.SERVICE_UNAVAILABLE,
        "Repeat the request after the time in Retry-After. A write with an idempotency key can be repeated safely.",
    ),
    "DEADLINE_EXCEEDED": Type(
        "deadline-exceeded",
        "The answer did not come in time",
        HTTPStatus.GATEWAY_TIMEOUT,
        "Repeat the request. A write with an idempotency key can be repeated safely; one without may have happened.",
    ),
    "INTERNAL": Type(
        "internal-error",
        "Something went wrong on our side",
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "Tell the operator the request id; what happened stands in the log under it.",
    ),
    # What the gateway says by itself.
    "MALFORMED_REQUEST": Type(
        "malformed-request",
        "The request is not valid HTTP",
        HTTPStatus.BAD_REQUEST,
        "The request line, a header or the framing of the body breaks the rules of HTTP.",
    ),
    "MALFORMED_BODY": Type(
        "malformed-body",
        "The body is not valid JSON",
        HTTPStatus.BAD_REQUEST,
        "The body must be one JSON value (RFC 8259) in UTF-8: no NaN or Infinity, no lone surrogates, nested at most "
        "about 200 deep. Of a member that comes twice, the last counts.",
    ),
    "MALFORMED_PRECONDITION": Type(
        "malformed-precondition",
        "A precondition cannot be read",
        HTTPStatus.BAD_REQUEST,
        "If-Match and If-None-Match hold `*` or a list of entity tags in double quotes.",
    ),
    "IDEMPOTENCY_KEY_MISSING": Type(
        "idempotency-key-missing",
        "An idempotency key is required",
        HTTPStatus.BAD_REQUEST,
        "Send an Idempotency-Key header with a string in double quotes, new for each new intention and the same for "
        "each repetition.",
    ),
    "IDEMPOTENCY_KEY_MALFORMED": Type(
        "idempotency-key-malformed",
        "The idempotency key cannot be read",
        HTTPStatus.BAD_REQUEST,
        'The key is a structured-field string: 1 to 255 ASCII characters in double quotes, such as "k1".',
    ),
    "CROSS_ORIGIN_REFUSED": Type(
        "cross-origin-refused",
        "Scripts of this origin may not do this",
        HTTPStatus.FORBIDDEN,
        "The operator lists the origins whose scripts may call the API (NEOFORGE_CORS_ORIGINS).",
    ),
    "METHOD_NOT_ALLOWED": Type(
        "method-not-allowed",
        "The resource has no such method",
        HTTPStatus.METHOD_NOT_ALLOWED,
        "The Allow header lists the methods of this resource.",
    ),
    "CONTENT_TOO_LARGE": Type(
        "content-too-large",
        "The body is too large",
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "A request body may have 1 MiB, and an attachment 10 MiB.",
    ),
    "UNSUPPORTED_MEDIA_TYPE": Type(
        "unsupported-media-type",
        "The body has the wrong media type",
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "Send the body as application/json; a PATCH also as application/merge-patch+json (RFC 7396).",
    ),
    "PRECONDITION_REQUIRED": Type(
        "precondition-required",
        "This change must name the state it is meant for",
        HTTPStatus.PRECONDITION_REQUIRED,
        "Get the resource and send its ETag in If-Match, so that nobody's change is overwritten unseen.",
    ),
    "QUOTA_EXCEEDED": Type(
        "quota-exceeded",
        "Too many requests",
        HTTPStatus.TOO_MANY_REQUESTS,
        "Wait for the seconds in Retry-After; the next request is admitted then. RateLimit-Policy and RateLimit tell "
        "the quota and what is left of it.",
    ),
    "REDUCED_CAPACITY": Type(
        "temporary-reduced-capacity",
        "Fewer requests than usual are admitted",
        HTTPStatus.TOO_MANY_REQUESTS,
        "For as long as the gateways cannot count together, each admits its part of every quota. Wait for the seconds "
        "in Retry-After; the next request is admitted then.",
    ),
    "HEADERS_TOO_LARGE": Type(
        "headers-too-large",
        "The headers are too large",
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        "Request line and headers together may have 32 KiB.",
    ),
}

_BY_CODE: Final[dict[StatusCode, str]] = {
    StatusCode.INVALID_ARGUMENT: "INVALID_FIELDS",
    StatusCode.OUT_OF_RANGE: "INVALID_FIELDS",
    StatusCode.UNAUTHENTICATED: "UNAUTHENTICATED",
    StatusCode.PERMISSION_DENIED: "FORBIDDEN",
    StatusCode.NOT_FOUND: "NOT_FOUND",
    StatusCode.ALREADY_EXISTS: "LIMIT_REACHED",
    StatusCode.FAILED_PRECONDITION: "VERSION_MISMATCH",
    StatusCode.ABORTED: "IDEMPOTENCY_IN_FLIGHT",
    StatusCode.RESOURCE_EXHAUSTED: "UNAVAILABLE",
    StatusCode.UNAVAILABLE: "UNAVAILABLE",
    StatusCode.DEADLINE_EXCEEDED: "DEADLINE_EXCEEDED",
}
"""What stands in for a reason that this gateway does not know (yet): the same HTTP status, the nearest type."""

_OAUTH: Final = dict.fromkeys(("INVALID_CREDENTIALS", "INVALID_REFRESH_TOKEN"), "invalid_grant")
"""What clients of OAuth 2.0 know these by (RFC 6749, section 5.2)."""

_RETRY_SOON: Final = frozenset({"UNAVAILABLE", "IDEMPOTENCY_IN_FLIGHT"})
_OURS: Final = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "INTERNAL"})
"""Reasons whose message is about our parts and no business of the client's."""


@dataclass(frozen=True)
class FieldError:
    """One value that breaks its rule: a JSON pointer (RFC 6901) into the body, or the name of a query parameter."""

    detail: str
    pointer: str | None = None
    parameter: str | None = None

    def as_json(self) -> dict[str, str]:
        """Give the entry of `errors`."""
        where = {"pointer": self.pointer} if self.pointer is not None else {"parameter": self.parameter or ""}
        return {**where, "detail": self.detail}


class Problem(Exception):
    """An answer of 4xx or 5xx, by the reason that TYPES lists."""

    def __init__(
        self,
        reason: str,
        detail: str,
        *,
        errors: Iterable[FieldError] = (),
        headers: Iterable[tuple[bytes, bytes]] = (),
        error: str | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.error = error
        self.members = members or {}
        self.type = TYPES[reason]
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = list(headers)
        if reason in _RETRY_SOON:
            self.headers.append((b"retry-after", b"1"))


def is_outage(error: RemoteError) -> bool:
    """Whether it is our parts that failed, not the request."""
    return TYPES[error.reason if error.reason in TYPES else _BY_CODE.get(error.code, "INTERNAL")].status >= 500  # noqa: PLR2004 - the border between whose faults they are


def from_remote(error: RemoteError, *, condition: str | None = None) -> Problem:
    """Turn what a service said into the client's problem; `condition` is the precondition that the request had."""
    reason = error.reason if error.reason in TYPES else _BY_CODE.get(error.code, "INTERNAL")
    if reason in _OURS:
        detail = TYPES[reason].advice
    elif error.reason == "VERSION_MISMATCH":
        detail = _mismatch(error.metadata.get("version"), condition)
    else:
        detail = error.message or TYPES[reason].title
    headers = []
    if "retry_after" in error.metadata:
        headers.append((b"retry-after", error.metadata["retry_after"].encode()))
    if TYPES[reason].status is HTTPStatus.UNAUTHORIZED:
        headers.append((b"www-authenticate", b'Bearer realm="neoforge"'))
    errors = [FieldError(v.description, _pointer(v.field)) for v in error.violations]
    members = {"methods": error.metadata["methods"].split(",")} if "methods" in error.metadata else {}
    return Problem(reason, detail, errors=errors, headers=headers, error=_OAUTH.get(reason), members=members)


def _mismatch(version: str | None, condition: str | None) -> str:
    """Say which version there is, and of which one the request spoke."""
    has = f"has version {version}" if version else "has another version"
    wanted = " now"
    if condition is not None:
        wanted = f", not the one that {condition} {'names' if condition == 'If-Match' else 'allows'}"
    again = "Get it again, look at what changed, and repeat your change with the new ETag."
    return f"The resource {has}{wanted}. {again}"


def body(problem: Problem, public_url: str, instance: str) -> bytes:
    """Write the problem as JSON; `instance` is the path that was asked for."""
    members: dict[str, Any] = {
        "type": f"{public_url}/problems/{problem.type.name}",
        "title": problem.type.title,
        "status": int(problem.type.status),
        "detail": problem.detail,
        "instance": instance,
        "trace_id": telemetry.trace_id(),
        "request_id": logs.request_id.get(),
    }
    if problem.error:
        members["error"] = problem.error
    members |= problem.members
    if problem.errors:
        members["errors"] = [error.as_json() for error in problem.errors]
    return to_json(members)


def pointer(location: Iterable[str | int]) -> str:
    """Write a path of names and indexes as a JSON pointer (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location)


def plain_name(location: Iterable[str | int]) -> str:
    """Write a path of names and indexes as services do, `labels[2]`; empty for the whole body."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).removeprefix(".")


def _pointer(path: str) -> str:
    """Turn a service's field path, `labels[2]`, into a JSON pointer, `/labels/2`."""
    return pointer(path.strip("/").replace("]", "").replace("[", ".").split(".")) if path else ""


def examples(public_url: str) -> Mapping[str, Any]:
    """Give an example of each type for OpenAPI, by its name."""
    return {
        type_.name: {
            "summary": type_.title,
            "value": {
                "type": f"{public_url}/problems/{type_.name}",
                "title": type_.title,
                "status": int(type_.status),
                "detail": type_.advice,
                "instance": "/api/v1/projects",
                "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
                "request_id": "018f3f6e-0000-7000-8000-000000000000",
            },
        }
        for type_ in TYPES.values()
    }
