"""Times as the API writes and reads them."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from google.protobuf.timestamp_pb2 import Timestamp
from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field

_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - UTC, as the Z says; its own offset would have to be cut off again


def rfc3339(moment: Timestamp) -> str:
    """Write a time as RFC 3339 with microseconds, always as many digits."""
    at = _EPOCH + timedelta(seconds=moment.seconds, microseconds=moment.nanos // 1_000)
    return at.isoformat(timespec="microseconds") + "Z"


def _text(value: object) -> object:
    """Let through what RFC 3339 could be: Python would also read a number as a time."""
    if not isinstance(value, str):
        raise ValueError("must be a time (RFC 3339)")  # noqa: TRY004 - pydantic takes it for a fault of the value
    return value


def _utc(moment: datetime) -> datetime:
    """Give it in UTC, in which an offset may carry it out of the years that there are (google.protobuf.Timestamp)."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("must be from 0001-01-01T00:00:00Z to 9999-12-31T23:59:59Z") from None


Moment = Annotated[
    AwareDatetime,
    BeforeValidator(_text),
    AfterValidator(_utc),
    Field(strict=False, examples=["2026-11-28T02:00:00Z"]),
]
"""A time of a request, in UTC: what every model takes that has one."""


def timestamp(moment: datetime) -> Timestamp:
    """Give a Moment as protobuf has it."""
    made = Timestamp()
    made.FromDatetime(moment)
    return made
