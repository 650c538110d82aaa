"""Times as the API writes them."""

from datetime import UTC, datetime, timedelta
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def rfc3339(moment: Timestamp) -> str:
    """Write a time as RFC 3339 with microseconds, always as many digits."""
    return f"{_EPOCH + timedelta(seconds=moment.seconds, microseconds=moment.nanos // 1_000):%Y-%m-%dT%H:%M:%S.%fZ}"
