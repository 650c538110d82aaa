"""The links of subscriptions: signed tokens that the service can make and check, and that no table holds."""

import base64
import binascii
import hashlib
import hmac
from typing import Final
from uuid import UUID

_ID_BYTES: Final = 16
_SIGNATURE_BYTES: Final = 16
"""128 bits of HMAC-SHA256 (RFC 2104, section 5 allows half)."""
_PURPOSE: Final = b"neoforge status subscription 1\0"


class Links:
    """Makes and reads the links of subscriptions under the service's secret; `url` has `{token}` for the token."""

    def __init__(self, secret: str, url: str) -> None:
        self._key = secret.encode()
        self._url = url

    def token(self, subscriber_id: UUID) -> str:
        """Give the token of a subscription."""
        signed = subscriber_id.bytes
        return base64.urlsafe_b64encode(signed + self._signature(signed)).decode().rstrip("=")

    def link(self, subscriber_id: UUID) -> str:
        """Give the link for a mail."""
        return self._url.replace("{token}", self.token(subscriber_id))

    def read(self, token: str) -> UUID | None:
        """Give the subscriber of a token of ours, None for anything else."""
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        signed, signature = raw[:_ID_BYTES], raw[_ID_BYTES:]
        return UUID(bytes=signed) if hmac.compare_digest(signature, self._signature(signed)) else None

    def _signature(self, signed: bytes) -> bytes:
        return hmac.digest(self._key, _PURPOSE + signed, hashlib.sha256)[:_SIGNATURE_BYTES]
