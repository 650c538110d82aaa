"""What a token proves."""

import math
from dataclasses import dataclass, replace
from uuid import UUID

from chassis.identity import Caller


@dataclass(frozen=True, slots=True)
class Proof:
    """What a token proves until `expires` (Unix time): who, with which roles, in which session.

    The `session` of a personal access token is the token's own id; it `may_write` or not, and from `ask_at` on (Unix
    time) it is asked again whose it is. `roles_id` stands for the roles, and is told among what was revoked once they
    have changed.
    """

    expires: float
    subject: UUID
    roles: frozenset[str]
    session: str
    personal: bool = False
    may_write: bool = True
    roles_id: str = ""
    ask_at: float = math.inf

    def same(self, other: "Proof") -> bool:
        """Whether both prove the same, for however long."""
        return replace(self, expires=other.expires, ask_at=other.ask_at) == other

    def caller(self, address: str) -> Caller:
        """Give the person."""
        return Caller(subject=self.subject, roles=self.roles, session=self.session, address=address)
