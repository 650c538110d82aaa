"""Who calls: the person that the gateway vouches for, carried in gRPC metadata over an authenticated channel."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from uuid import UUID

SUBJECT = "x-neoforge-subject"
ROLES = "x-neoforge-roles"
SESSION = "x-neoforge-session"
ADDRESS = "x-neoforge-address"
KEYS = frozenset({SUBJECT, ROLES, SESSION, ADDRESS})


@dataclass(frozen=True)
class Caller:
    """A person who is signed in, or nobody (`subject` None), and where the request came from.

    `subject` is the person's id, `roles` what the product lets them do everywhere (user, agent, admin), `session` the
    session their token belongs to, `address` the client's address as the edge saw it.
    """

    subject: UUID | None = None
    roles: frozenset[str] = frozenset()
    session: str = ""
    address: str = ""

    @property
    def signed_in(self) -> bool:
        """Whether this is a person."""
        return self.subject is not None

    def to_metadata(self) -> list[tuple[str, str]]:
        """Give the identity as gRPC metadata, for a channel that may vouch for it."""
        pairs = [(ADDRESS, self.address)] if self.address else []
        if self.subject is not None:
            pairs += [(SUBJECT, str(self.subject)), (ROLES, ",".join(sorted(self.roles))), (SESSION, self.session)]
        return pairs

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> Self:
        """Read what `to_metadata` wrote.

        Raises:
            ValueError: the subject is no UUID.
        """
        subject = metadata.get(SUBJECT)
        return cls(
            subject=UUID(subject) if subject else None,
            roles=frozenset(role for role in metadata.get(ROLES, "").split(",") if role),
            session=metadata.get(SESSION, ""),
            address=metadata.get(ADDRESS, ""),
        )


NOBODY = Caller()
