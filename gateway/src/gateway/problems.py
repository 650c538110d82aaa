"""Problem details (RFC 9457): the one place where a reason becomes a type, a title and a status."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from grpc import StatusCode
from pydantic_core import to_json

from chassis import logs, telemetry
from chassis.errors import RemoteError
from gateway.problem_types import TYPES

MEDIA_TYPE: Final = "application/problem+json"


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

_RETRY_SOON: Final = frozenset({"UNAVAILABLE", "OVERLOADED", "IDEMPOTENCY_IN_FLIGHT"})
_TRIES: Final = frozenset({"INVALID_CREDENTIALS", "INVALID_CODE", "TOO_MANY_ATTEMPTS"})
"""Reasons that who guesses meets again and again, and who mistypes now and then."""
_OURS: Final = frozenset({"UNAVAILABLE", "OVERLOADED", "DEADLINE_EXCEEDED", "INTERNAL"})
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
    """An answer of 4xx or 5xx, by the reason that TYPES lists; `threat` is the kind of threat that the request is."""

    def __init__(
        self,
        reason: str,
        detail: str,
        *,
        errors: Iterable[FieldError] = (),
        headers: Iterable[tuple[bytes, bytes]] = (),
        error: str | None = None,
        members: Mapping[str, Any] | None = None,
        threat: str | None = None,
    ) -> None:
        super().__init__(detail)
        self.error = error
        self.members = members or {}
        self.threat = threat
        self.type = TYPES[reason]
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = list(headers)
        if reason in _RETRY_SOON and not any(name == b"retry-after" for name, _ in self.headers):
            self.headers.append((b"retry-after", b"1"))

    def saying(self, headers: Iterable[tuple[bytes, bytes]]) -> "Problem":
        """Give the same with these headers more: many requests may wait for what one of them is told."""
        told = Problem.__new__(Problem, *self.args)
        told.__dict__ |= self.__dict__ | {"headers": [*self.headers, *headers]}
        return told


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
    threat = "brute_force" if reason in _TRIES else None
    return Problem(reason, detail, errors=errors, headers=headers, members=members, threat=threat)


def _mismatch(version: str | None, condition: str | None) -> str:
    """Say which version there is, and of which one the request spoke."""
    has = f"has version {version}" if version else "has another version"
    wanted = " now"
    if condition is not None:
        wanted = f", not the one that {condition} {'names' if condition == 'If-Match' else 'allows'}"
    again = "Get it again, look at what changed, and repeat your change with the new ETag."
    return f"The resource {has}{wanted}. {again}"


def body(problem: Problem, public_url: str, instance: str, ids: tuple[str, str] | None = None) -> bytes:
    """Write the problem as JSON; `instance` is the path that was asked for, `ids` those of trace and request.

    Without `ids` they are those of the request that is being answered.
    """
    trace_id, request_id = ids or (telemetry.trace_id(), logs.request_id.get())
    members: dict[str, Any] = {
        "type": f"{public_url}/problems/{problem.type.name}",
        "title": problem.type.title,
        "status": int(problem.type.status),
        "detail": problem.detail,
        "instance": instance,
        "trace_id": trace_id,
        "request_id": request_id,
    }
    if problem.error:
        members["error"] = problem.error
    members |= problem.members
    if problem.errors:
        members["errors"] = [error.as_json() for error in problem.errors]
    return to_json(members)


def fields(problem: Problem, body: bytes) -> list[tuple[bytes, bytes]]:
    """Give the headers of a problem with this body."""
    return [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        *problem.headers,
    ]


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
