"""The chain of audit entries: each carries a keyed hash over itself and the hash before; pure."""

import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
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


@dataclass
class Verification:
    """What following the chain finds: how many entries hold, the last hash, and where it breaks."""

    entries: int = 0
    head: bytes = FIRST
    broken_at: int | None = None

    def follow(self, entries: Iterable[Entry], secrets: Secrets) -> bool:
        """Go on over entries in the order of their positions; say whether all is well so far."""
        for entry in entries:
            expected = hash_of(entry, self.head, secrets)
            if entry.position != self.entries + 1 or not hmac.compare_digest(expected, entry.hash):
                self.broken_at = self.entries + 1
                return False
            self.entries += 1
            self.head = entry.hash
        return True
