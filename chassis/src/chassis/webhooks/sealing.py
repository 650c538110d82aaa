"""Signing secrets at rest: AES-256-GCM (NIST SP 800-38D) under a key of the process's settings."""

import hashlib
import os
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from uuid import UUID

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NAME_BYTES: Final = 4
_NONCE_BYTES: Final = 12
_PURPOSE: Final = b"neoforge webhook signing secrets"


class Unreadable(Exception):
    """A sealed secret was written under a key that the settings no longer hold, or was tampered with."""


class Seal:
    """Seals and opens secrets, each bound to what it belongs to, so that it cannot be moved to another row.

    A sealed secret is the key's name (4 bytes), the nonce (12 bytes), and the ciphertext with its tag. `keys` are at
    least one; the first one seals, all of them open, so that a key can be changed without a pause.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = {_name(key): key for key in keys}
        self._sealing = _name(keys[0])

    def seal(self, secret: str, owner: UUID) -> bytes:
        """Seal a secret that belongs to `owner`."""
        nonce = os.urandom(_NONCE_BYTES)
        return self._sealing + nonce + _cipher(self._keys[self._sealing]).encrypt(nonce, secret.encode(), owner.bytes)

    def open(self, sealed: bytes, owner: UUID) -> str:
        """Give the secret back.

        Raises:
            Unreadable: it was not sealed under one of the keys for this owner.
        """
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - see _cipher

        name, rest = sealed[:_NAME_BYTES], sealed[_NAME_BYTES:]
        try:
            return _cipher(self._keys[name]).decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], owner.bytes).decode()
        except (KeyError, InvalidTag) as wrong:
            raise Unreadable("a webhook's secret cannot be opened with the keys of this process") from wrong


@lru_cache(maxsize=4)
def _cipher(key: str) -> "AESGCM":
    # Imported here, since a process that seals and opens nothing should not carry 7 MB.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415

    return AESGCM(HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE).derive(key.encode()))


def _name(key: str) -> bytes:
    return hashlib.sha256(_PURPOSE + key.encode()).digest()[:_NAME_BYTES]
