"""Links for mails: signed tokens that a service can make and check, and that no table holds."""

import base64
import binascii
import hashlib
import hmac
from typing import Final

_SIGNATURE_BYTES: Final = 16
"""128 bits of HMAC-SHA256 (RFC 2104, section 5 allows half)."""


class SignedLinks:
    """Makes and reads links under a secret.

    Args:
        secret: of the service; with another one, no link that was given is good.
        url: where links lead, with `{token}` where the token goes.
        purpose: what the links are for; those for another purpose are not good, whatever they say.
    """

    def __init__(self, secret: str, url: str, purpose: str) -> None:
        self._key = secret.encode()
        self._url = url
        self._purpose = purpose.encode() + b"\0"

    def token(self, content: bytes) -> str:
        """Give the token that says `content`, for anyone to read and for nobody else to make."""
        return _text(content + self._signature(content))

    def link(self, content: bytes) -> str:
        """Give the link with that token."""
        return self._url.replace("{token}", self.token(content))

    def read(self, token: str) -> bytes | None:
        """Give what a token of ours says, None for anything else."""
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        content, signature = raw[:-_SIGNATURE_BYTES], raw[-_SIGNATURE_BYTES:]
        # A last character has bits that decoding drops: only the form that was written is taken.
        if not hmac.compare_digest(signature, self._signature(content)) or _text(raw) != token:
            return None
        return content

    def _signature(self, content: bytes) -> bytes:
        return hmac.digest(self._key, self._purpose + content, hashlib.sha256)[:_SIGNATURE_BYTES]


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
