"""The links of invitations: signed tokens that the service can make and check, and that no table holds."""

import base64
import binascii
import hashlib
import hmac
from typing import Final
from uuid import UUID

_GENERATION_BYTES: Final = 4
_SIGNED_BYTES: Final = 16 + _GENERATION_BYTES
_SIGNATURE_BYTES: Final = 16
"""128 bits of HMAC-SHA256 (RFC 2104, section 5 allows half)."""
_PURPOSE: Final = b"neoforge projects invitation 1\0"


class Links:
    """Makes and reads the links of invitations under the service's secret; `url` has `{token}` where the token goes."""

    def __init__(self, secret: str, url: str) -> None:
        self._key = secret.encode()
        self._url = url

    def token(self, invitation_id: UUID, generation: int) -> str:
        """Give the token of an invitation's link; each generation has its own."""
        signed = invitation_id.bytes + generation.to_bytes(_GENERATION_BYTES, "big")
        return base64.urlsafe_b64encode(signed + self._signature(signed)).decode().rstrip("=")

    def link(self, invitation_id: UUID, generation: int) -> str:
        """Give the link for the mail."""
        return self._url.replace("{token}", self.token(invitation_id, generation))

    def read(self, token: str) -> tuple[UUID, int] | None:
        """Give invitation and generation of a token of ours, None for anything else."""
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        signed, signature = raw[:_SIGNED_BYTES], raw[_SIGNED_BYTES:]
        if not hmac.compare_digest(signature, self._signature(signed)):
            return None
        return UUID(bytes=signed[:16]), int.from_bytes(signed[16:], "big")

    def _signature(self, signed: bytes) -> bytes:
        return hmac.digest(self._key, _PURPOSE + signed, hashlib.sha256)[:_SIGNATURE_BYTES]
