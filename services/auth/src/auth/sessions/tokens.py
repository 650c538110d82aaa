"""Refresh tokens: opaque to clients, made of a session's seed and the service's secret, stored nowhere but as a hash.

Since a generation's token can be made again, all who refresh at once get the same successor without its being kept.
"""

import base64
import binascii
import hmac
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from auth.secrets import Secrets
from auth.sessions.model import Session

_PREFIX: Final = "nfr_"
"""By which scanners for leaked secrets know them."""
_GENERATION_BYTES: Final = 8
_PROOF_BYTES: Final = 32
_BYTES: Final = 16 + _GENERATION_BYTES + _PROOF_BYTES


@dataclass(frozen=True)
class Presented:
    """What a refresh token says of itself, and its proof."""

    session_id: UUID
    generation: int
    proof: bytes


class RefreshTokens:
    """Makes and checks refresh tokens under the service's secret."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    def of(self, session: Session) -> str:
        """Give the session's current token."""
        number = session.generation.to_bytes(_GENERATION_BYTES, "big")
        raw = session.id.bytes + number + self._proof(session, session.generation)
        return _PREFIX + base64.urlsafe_b64encode(raw).decode().rstrip("=")

    def hashed(self, session: Session) -> bytes:
        """Give what is stored of the session's current token."""
        return self._secrets.digest("hashed refresh token", self.of(session).encode())

    def genuine(self, presented: Presented, session: Session) -> bool:
        """Whether the token was made here for this session, at whichever generation."""
        return hmac.compare_digest(presented.proof, self._proof(session, presented.generation))

    def _proof(self, session: Session, generation: int) -> bytes:
        number = generation.to_bytes(_GENERATION_BYTES, "big")
        return self._secrets.digest("refresh token", session.id.bytes, number, session.seed)


def read(token: str) -> Presented | None:
    """Read a refresh token; None when it has not the form of one."""
    text = token.removeprefix(_PREFIX)
    if text == token:
        return None
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(raw) != _BYTES:
        return None
    generation = int.from_bytes(raw[16 : 16 + _GENERATION_BYTES], "big")
    return Presented(UUID(bytes=raw[:16]), generation, raw[16 + _GENERATION_BYTES :])
