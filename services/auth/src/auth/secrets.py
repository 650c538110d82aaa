"""What the service makes of its one secret: a key for each purpose, keyed hashes, and sealed values."""

import hmac
import os
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE_BYTES: Final = 12


class Unreadable(Exception):
    """A sealed value was written under another secret, or was tampered with."""


class Secrets:
    """Derives keys by HKDF (RFC 5869), one for each purpose, so that what is made for one proves nothing in another."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self._keys: dict[str, bytes] = {}

    def digest(self, purpose: str, *parts: bytes) -> bytes:
        """Give the keyed hash (HMAC-SHA-256, RFC 2104) of some parts; their borders are part of what is hashed."""
        framed = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        return hmac.digest(self._key(purpose), framed, "sha256")

    def seal(self, purpose: str, value: bytes, owner: bytes) -> bytes:
        """Encrypt (AES-256-GCM, NIST SP 800-38D) a value that belongs to `owner`, so that no other row can hold it."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + AESGCM(self._key(purpose)).encrypt(nonce, value, owner)

    def open(self, purpose: str, sealed: bytes, owner: bytes) -> bytes:
        """Give a sealed value back.

        Raises:
            Unreadable: it was not sealed so under this secret.
        """
        try:
            return AESGCM(self._key(purpose)).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], owner)
        except InvalidTag as wrong:
            raise Unreadable(f"a sealed value ({purpose}) cannot be opened with this process's secret") from wrong

    def code(self, purpose: str, id_: UUID) -> str:
        """Give the code of eight digits that belongs to an id; it stands in no table."""
        number = int.from_bytes(self.digest(purpose, id_.bytes)[:8], "big") % 100_000_000
        return f"{number:08d}"

    def _key(self, purpose: str) -> bytes:
        key = self._keys.get(purpose)
        if key is None:
            info = f"neoforge auth {purpose}".encode()
            key = self._keys[purpose] = HKDF(SHA256(), length=32, salt=None, info=info).derive(self._secret)
        return key


def same_code(expected: str, given: str) -> bool:
    """Whether a code is the expected one, blanks and hyphens aside, in a time that tells nothing."""
    bare = given.replace(" ", "").replace("-", "")
    return hmac.compare_digest(expected.encode(), bare.encode())
