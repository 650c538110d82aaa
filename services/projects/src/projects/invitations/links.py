"""The links of invitations."""

from typing import Final
from uuid import UUID

from chassis.signed_links import SignedLinks

_ID_BYTES: Final = 16
_GENERATION_BYTES: Final = 4


class Links:
    """Makes and reads the links of invitations under the service's secret; `url` has `{token}` where the token goes."""

    def __init__(self, secret: str, url: str) -> None:
        self._signed = SignedLinks(secret, url, "neoforge projects invitation 1")

    def token(self, invitation_id: UUID, generation: int) -> str:
        """Give the token of an invitation's link; each generation has its own."""
        return self._signed.token(_content(invitation_id, generation))

    def link(self, invitation_id: UUID, generation: int) -> str:
        """Give the link for the mail."""
        return self._signed.link(_content(invitation_id, generation))

    def read(self, token: str) -> tuple[UUID, int] | None:
        """Give invitation and generation of a token of ours, None for anything else."""
        content = self._signed.read(token)
        if content is None:
            return None
        return UUID(bytes=content[:_ID_BYTES]), int.from_bytes(content[_ID_BYTES:], "big")


def _content(invitation_id: UUID, generation: int) -> bytes:
    return invitation_id.bytes + generation.to_bytes(_GENERATION_BYTES, "big")
