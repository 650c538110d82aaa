"""The memory of the shared cache: so many bytes of answers, of which the longest unused makes room."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from gateway import metrics
from gateway.representation import Answer

_LARGEST_PART: Final = 8
"""No answer takes more than this part of the room: one large list must not drive out all the rest."""
_OVERHEAD_BYTES: Final = 1_024
"""What an entry takes beside its bodies, about; it bounds their number too."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An answer of a service to nobody in particular."""

    answer: Answer
    asked_at: float
    """When the service was asked, in seconds since the epoch: it was true then or later."""
    writes: int
    """How many writes its group had seen when the service was asked."""

    @property
    def bytes(self) -> int:
        """The room that it takes, with its compressed form."""
        return _OVERHEAD_BYTES + 2 * len(self.answer.body)


class Entries:
    """Entries by their key, of `most_bytes` together."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._bytes = 0

    def get(self, key: str) -> Entry | None:
        """Give an entry, which is used by that."""
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
        return entry

    def put(self, key: str, entry: Entry) -> bool:
        """Keep an entry, unless there is a newer one or it is too large; say whether it is kept."""
        before = self._entries.get(key)
        if before is not None and before.asked_at > entry.asked_at:
            return False
        self._take_out(key)
        fits = entry.bytes <= self._most_bytes // _LARGEST_PART
        if fits:
            self._entries[key] = entry
            self._bytes += entry.bytes
            while self._bytes > self._most_bytes:
                self._take_out(next(iter(self._entries)))
                metrics.cache_evictions.inc()
        self._tell()
        return fits

    def remove(self, key: str) -> None:
        """Forget an entry, if it is there."""
        self._take_out(key)
        self._tell()

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._bytes = 0
        self._tell()

    def _take_out(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= entry.bytes

    def _tell(self) -> None:
        metrics.cache_entries.set(len(self._entries))
        metrics.cache_bytes.set(self._bytes)
