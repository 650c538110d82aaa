"""What goes over the wire (HTML Standard, 9.2, Server-sent events)."""

import random
from dataclasses import dataclass
from typing import Final

MEDIA_TYPE: Final = "text/event-stream"
HEARTBEAT: Final = b":\n\n"
"""A comment: nothing to the client, and to whatever stands between a sign that the stream lives."""
_SOONEST_MS: Final = 1_000
_LATEST_MS: Final = 3_000


@dataclass(frozen=True, slots=True)
class Event:
    """What happened, as one line of JSON; without `data` only a place from which a client can go on.

    `id` is what a client says in Last-Event-ID to get what came after it.
    """

    id: str
    name: str = ""
    data: bytes = b""

    def written(self) -> bytes:
        """Give it as it is sent; clients dispatch nothing for one without data, and remember its id."""
        if not self.data:
            return b"id: %b\n\n" % self.id.encode()
        return b"id: %b\nevent: %b\ndata: %b\n\n" % (self.id.encode(), self.name.encode(), self.data)


def prelude() -> bytes:
    """Say after how many milliseconds to come back when the stream has ended: not everybody at once."""
    return b"retry: %d\n\n" % random.randint(_SOONEST_MS, _LATEST_MS)  # noqa: S311 - spreads who comes back
