"""What the conformance suite must know of a service: how one kind of its resources is made, read, changed and listed.

Each service gives one, as `SPECIMEN` in `tests/specimen.py` of its folder, and the whole suite runs against it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from uuid import UUID

import sqlalchemy as sa
from google.protobuf.message import Message

from chassis.identity import Caller
from chassis.service import Service

Ask: TypeAlias = tuple[str, Message]
"""The name of a method and what to ask it."""

_ALL_ROLES = frozenset({"user", "agent", "admin"})
MAKER = Caller(UUID("018f0000-0000-7000-8000-00000000c0de"), _ALL_ROLES, "session", "192.0.2.1")
OTHER = Caller(UUID("018f0000-0000-7000-8000-00000000cafe"), _ALL_ROLES, "session", "192.0.2.2")


@dataclass(frozen=True, kw_only=True)
class Specimen:
    """One kind of resource of a service; its messages have `id` and `version`, its list replies a `page`."""

    service: Service[Any]
    table: sa.Table
    """Has a row per resource, with the column `id`."""
    create: Callable[[int], Ask]
    """Makes a resource; the number tells its content from another's."""
    read: Callable[[str], Ask]
    """Reads the resource of this id."""
    change: Callable[[str, int], Ask]
    """Gives the resource of this id the content that the number names; the same number again changes nothing."""
    remove: Callable[[str], Ask] | None
    """Removes the resource of this id, where the service lets one."""
    listing: Callable[[int, str], Ask]
    """Lists all that the caller may see: rows per page, and a cursor or an empty text."""
    filtered: Callable[[int, str], Ask]
    """The same list with some filter that lets new resources through."""
    resource: Callable[[Any], Any]
    """The resource in a reply to `create`, `read` or `change`."""
    items: Callable[[Any], Sequence[Any]]
    """The resources in a reply to `listing`."""
    order: str = "created_at"
    """The column of `table` that `listing` is ordered by, newest first; equal ones by id."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What the service is told beyond what every service is."""
    rows: str = ""
    """SQL that makes what else must be there before resources can be made, for example who makes them."""
    maker: Caller = field(default=MAKER)
    """A person who may do all of this, and sees in `listing` what they made."""
    other: Caller = field(default=OTHER)
    """Another person who may create."""
