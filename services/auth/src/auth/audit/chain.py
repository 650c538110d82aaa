"""The chain of audit entries: each carries a keyed hash over itself and the hash before; pure.

What no entry can show is that those after it were cut off: so the head of the chain is kept beside them, sealed.
"""

import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self
from uuid import UUID

from auth.secrets import Secrets

FIRST: Final = bytes(32)
"""What stands before the first entry."""


@dataclass(frozen=True)
class Entry:
    """Something that happened: what, to whose account, by whom, in which session, from where."""

    position: int
    id: UUID
    created_at: datetime
    kind: str
    account_id: UUID | None
    actor_id: UUID | None
    session_id: UUID | None
    address: str
    request_id: str
    trace_id: str
    details: Mapping[str, str]
    hash: bytes = b""


def hash_of(entry: Entry, previous: bytes, secrets: Secrets) -> bytes:
    """Give the hash that an entry carries behind another; without the service's secret nobody can make it."""
    fields = [
        entry.position,
        str(entry.id),
        entry.created_at.isoformat(),
        entry.kind,
        *(str(value) if value else "" for value in (entry.account_id, entry.actor_id, entry.session_id)),
        entry.address,
        entry.request_id,
        entry.trace_id,
        dict(entry.details),
    ]
    canonical = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    return secrets.digest("audit chain", previous, canonical)


@dataclass(frozen=True)
class Head:
    """The last entry's position and hash, under a seal that nobody can make without the service's secret."""

    position: int
    hash: bytes
    seal: bytes

    @classmethod
    def of(cls, position: int, hash_: bytes, secrets: Secrets) -> Self:
        """Seal where a chain ends."""
        return cls(position, hash_, secrets.digest("audit head", str(position).encode(), hash_))

    def genuine(self, secrets: Secrets) -> bool:
        """Whether the service sealed it."""
        return hmac.compare_digest(self.of(self.position, self.hash, secrets).seal, self.seal)


@dataclass
class Verification:
    """Follows the chain: how many entries hold, the last hash, and what is wrong, if anything is.

    `head` was read before the first entry, None when there was none; `known` is a hash that the chain once ended with.
    """

    secrets: Secrets
    head: Head | None
    known: bytes = FIRST
    entries: int = 0
    last: bytes = FIRST
    fault: str = ""
    _met: bool = False

    def follow(self, entries: Iterable[Entry]) -> bool:
        """Go on over entries in the order of their positions; say whether all is well so far."""
        for entry in entries:
            expected = hash_of(entry, self.last, self.secrets)
            if entry.position != self.entries + 1 or not hmac.compare_digest(expected, entry.hash):
                self.fault = f"it breaks at entry {self.entries + 1}"
                return False
            self.entries += 1
            self.last = entry.hash
            self._met |= entry.hash == self.known
        return True

    def end(self) -> bool:
        """Say, after the last entry, whether it is the one that was written last."""
        if self.head is None or not self.head.genuine(self.secrets):
            self.fault = "its head is missing or forged" if self.entries or self.head else ""
        elif self.head.position > self.entries:
            self.fault = f"entries {self.entries + 1} to {self.head.position} were cut off"
        elif self.known != FIRST and not self._met:
            self.fault = "the hash that it once ended with is not in it"
        return not self.fault
