"""What every service converts between its model and its protos."""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from enum import Enum
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from chassis.errors import InvalidFields, Violation
from chassis.paging import Page
from neoforge.common.v1 import page_pb2

T = TypeVar("T")
E = TypeVar("E", bound=Enum)
M = TypeVar("M", bound=Message)
ProtoEnum: TypeAlias = Any
"""A generated enum such as `projects_pb2.Status`; the stubs give each a type of its own, with nothing in common."""


def timestamp(moment: datetime) -> Timestamp:
    """Give a moment as google.protobuf.Timestamp, exact to the microsecond."""
    made = Timestamp()
    made.FromDatetime(moment)
    return made


def parse_uuid(value: str, field: str) -> UUID:
    """Read the id in `field`.

    Raises:
        InvalidFields: it is no UUID in the form of RFC 9562, section 4.
    """
    try:
        parsed = UUID(value)
    except ValueError:
        parsed = None
    if parsed is None or str(parsed) != value.lower():
        raise InvalidFields.of([Violation(field, "must be a UUID")])
    return parsed


def to_enum(wrapper: ProtoEnum, value: Enum) -> Any:
    """Give the proto enum value of a model's: `Status.ACTIVE` is `STATUS_ACTIVE`."""
    return wrapper.Value(f"{_prefix(wrapper)}{value.name}")


def from_enum(wrapper: ProtoEnum, cls: type[E], number: int, field: str) -> E | None:
    """Give the model's enum value of a proto's, None for UNSPECIFIED.

    Raises:
        InvalidFields: there is no such value.
    """
    try:
        name = wrapper.Name(number).removeprefix(_prefix(wrapper))
    except ValueError:
        name = ""
    if name == "UNSPECIFIED":
        return None
    if name not in cls.__members__:
        raise InvalidFields.of([Violation(field, "must be one of " + ", ".join(member.name.lower() for member in cls))])
    return cls[name]


def needed(value: T | None, field: str) -> T:
    """Give a value that may not be left out.

    Raises:
        InvalidFields: it is None.
    """
    if value is None:
        raise InvalidFields.of([Violation(field, "must be given")])
    return value


def masked(paths: Collection[str], changeable: Mapping[str, Callable[[M], Any]], message: M) -> dict[str, Any]:
    """Give the new values of the fields in an update mask, each read from the message as `changeable` says.

    Raises:
        InvalidFields: the mask is empty or names a field that cannot be changed, or a value cannot be read.
    """
    violations = [Violation("update_mask", f"{path} cannot be changed") for path in paths if path not in changeable]
    if not paths:
        violations.append(Violation("update_mask", "must name at least one field"))
    if violations:
        raise InvalidFields.of(violations)
    return {path: changeable[path](message) for path in paths}


def page_proto(page: Page[Any]) -> page_pb2.Page:
    """Give where a page stands."""
    return page_pb2.Page(
        total=page.total,
        total_exact=page.total_exact,
        page=page.number,
        page_size=page.size,
        next_cursor=page.next_cursor,
        previous_cursor=page.previous_cursor,
    )


def _prefix(wrapper: ProtoEnum) -> str:
    zero: str = wrapper.Name(0)
    return zero.removesuffix("UNSPECIFIED")
