"""Named errors and their one way over the wire: kind -> gRPC status, reason -> google.rpc.ErrorInfo.

Sources: AIP-193 (https://google.aip.dev/193), google/rpc/error_details.proto.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import ClassVar, Final, Self

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError
from google.rpc import code_pb2, error_details_pb2, status_pb2

DOMAIN = "neoforge"
DETAILS_KEY = "grpc-status-details-bin"


class Kind(Enum):
    """What sort of failure it is; each has one gRPC status."""

    INVALID = grpc.StatusCode.INVALID_ARGUMENT
    UNAUTHENTICATED = grpc.StatusCode.UNAUTHENTICATED
    FORBIDDEN = grpc.StatusCode.PERMISSION_DENIED
    NOT_FOUND = grpc.StatusCode.NOT_FOUND
    CONFLICT = grpc.StatusCode.ALREADY_EXISTS
    PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION
    BUSY = grpc.StatusCode.ABORTED
    EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED
    UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
    DEADLINE = grpc.StatusCode.DEADLINE_EXCEEDED
    INTERNAL = grpc.StatusCode.INTERNAL


@dataclass(frozen=True)
class Violation:
    """One field that breaks its rule; `field` is a path in the request such as `labels[2]`."""

    field: str
    description: str


class DomainError(Exception):
    """A failure that a caller is told by name. Subclasses fix kind and reason; the message is for people."""

    kind: ClassVar[Kind]
    reason: ClassVar[str]

    def __init__(
        self,
        message: str,
        *,
        violations: Sequence[Violation] = (),
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.violations = tuple(violations)
        self.metadata = dict(metadata or {})


class InvalidFields(DomainError):
    """Fields of the request break their rules; each is named."""

    kind = Kind.INVALID
    reason = "INVALID_FIELDS"

    @classmethod
    def of(cls, violations: Sequence[Violation]) -> Self:
        """Name the fields in the message as well."""
        return cls("; ".join(f"{v.field}: {v.description}" for v in violations), violations=violations)


class InvalidCursor(DomainError):
    """The cursor was not given to this caller for this list."""

    kind = Kind.INVALID
    reason = "INVALID_CURSOR"


class Unauthenticated(DomainError):
    """Nobody is signed in, or the identity came over a channel that may not vouch for it."""

    kind = Kind.UNAUTHENTICATED
    reason = "UNAUTHENTICATED"


class Forbidden(DomainError):
    """The caller may see this but not do that."""

    kind = Kind.FORBIDDEN
    reason = "FORBIDDEN"


class NotFound(DomainError):
    """There is no such thing for this caller."""

    kind = Kind.NOT_FOUND
    reason = "NOT_FOUND"


class VersionMismatch(DomainError):
    """The thing has another version than the one the change was meant for."""

    kind = Kind.PRECONDITION
    reason = "VERSION_MISMATCH"

    @classmethod
    def of(cls, thing: str, expected: int, version: int) -> Self:
        """Tell which version `thing` has and which was expected."""
        return cls(
            f"the {thing} has version {version}, not {expected}; read it again", metadata={"version": str(version)}
        )

    @classmethod
    def check(cls, thing: str, expected: int, version: int) -> None:
        """Hold the version that a change of `thing` is meant for (0: any) against the one that it has.

        Raises:
            VersionMismatch: they differ.
        """
        if expected not in (0, version):
            raise cls.of(thing, expected, version)


class IdempotencyKeyReused(DomainError):
    """The key came before with another payload."""

    kind = Kind.PRECONDITION
    reason = "IDEMPOTENCY_KEY_REUSED"


class IdempotencyInFlight(DomainError):
    """The first request with this key has not ended yet."""

    kind = Kind.BUSY
    reason = "IDEMPOTENCY_IN_FLIGHT"


class LimitReached(DomainError):
    """One more would be over a published limit of the product."""

    kind = Kind.CONFLICT
    reason = "LIMIT_REACHED"


class Unavailable(DomainError):
    """Something this needs does not answer; the same request may succeed soon."""

    kind = Kind.UNAVAILABLE
    reason = "UNAVAILABLE"


class Overloaded(DomainError):
    """There is more to do than can be done, so this was not begun; it may succeed later, and not sooner for trying."""

    kind = Kind.UNAVAILABLE
    reason = "OVERLOADED"


class DeadlineExceeded(DomainError):
    """The caller's time ran out; a write that had begun was undone."""

    kind = Kind.DEADLINE
    reason = "DEADLINE_EXCEEDED"


class Internal(DomainError):
    """A bug of ours; what it was stands in the log under the request id, never in the answer."""

    kind = Kind.INTERNAL
    reason = "INTERNAL"


_DETAILS_BYTES: Final = 3_000
_MESSAGE_CHARACTERS: Final = 300


def to_status(error: DomainError) -> status_pb2.Status:
    """Give the error as google.rpc.Status with ErrorInfo and, for bad fields, BadRequest.

    A request can break its rules at any length, but an answer's metadata holds 8 KiB: violations that do not fit are
    left out, and the message is cut.
    """
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=error.metadata)
    details = [_pack(info)]
    if error.violations:
        bad = error_details_pb2.BadRequest()
        for violation in error.violations:
            bad.field_violations.add(field=_cut(violation.field), description=_cut(violation.description))
            if bad.ByteSize() > _DETAILS_BYTES:
                del bad.field_violations[-1]
                break
        details.append(_pack(bad))
    code = code_pb2.Code.Value(error.kind.value.name)
    return status_pb2.Status(code=code, message=_cut(error.message), details=details)


def _cut(text: str) -> str:
    return text if len(text) <= _MESSAGE_CHARACTERS else text[: _MESSAGE_CHARACTERS - 1] + "…"


def _pack(message: error_details_pb2.ErrorInfo | error_details_pb2.BadRequest) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(message)
    return packed


@dataclass(eq=False)
class RemoteError(Exception):
    """What a called service said went wrong."""

    code: grpc.StatusCode
    reason: str
    message: str
    violations: tuple[Violation, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_rpc(cls, error: grpc.aio.AioRpcError) -> Self:
        """Read ErrorInfo and BadRequest; without them the reason is the status's own name."""
        reason, metadata = error.code().name, dict[str, str]()
        violations: tuple[Violation, ...] = ()
        for detail in _details(error):
            if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
                info = error_details_pb2.ErrorInfo()
                detail.Unpack(info)
                reason, metadata = info.reason, dict(info.metadata)
            elif detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
                bad = error_details_pb2.BadRequest()
                detail.Unpack(bad)
                violations = tuple(Violation(v.field, v.description) for v in bad.field_violations)
        return cls(error.code(), reason, error.details() or "", violations, metadata)


def is_named(error: grpc.aio.AioRpcError) -> bool:
    """Whether a service of ours said this itself; otherwise it comes from the way to it."""
    return bool(_details(error))


def is_overloaded(error: grpc.aio.AioRpcError) -> bool:
    """Whether a service of ours had no place for the call."""
    return RemoteError.from_rpc(error).reason == Overloaded.reason


def _details(error: grpc.aio.AioRpcError) -> Sequence[AnyMessage]:
    trailers: dict[str, str | bytes] = dict(error.trailing_metadata() or ())  # type: ignore[arg-type] # pairs, to its stubs opaque
    packed = trailers.get(DETAILS_KEY)
    try:
        return status_pb2.Status.FromString(packed).details if isinstance(packed, bytes) else ()
    except DecodeError:  # from something between that is not ours
        return ()
