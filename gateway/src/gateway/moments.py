"""Times as the API writes them."""

from datetime import datetime, timedelta
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - UTC, as the Z says; its own offset would have to be cut off again


def rfc3339(moment: Timestamp) -> str:
    """Write a time as RFC 3339 with microseconds, always as many digits."""
    at = _EPOCH + timedelta(seconds=moment.seconds, microseconds=moment.nanos // 1_000)
    return at.isoformat(timespec="microseconds") + "Z"
