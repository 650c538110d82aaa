"""Access tokens: short JWTs (RFC 7519) with EdDSA (RFC 8037), and the care for the keys that sign them."""

import asyncio
import json
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

import jwt

from auth.accounts.model import Grant
from auth.clock import utc_now
from auth.secrets import Secrets
from auth.settings import Settings
from auth.signing import store
from auth.signing.keys import LEAD, SigningKey, published, signing
from chassis.database import Database

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_FRESH_S: Final = 30.0
"""How long keys are used as they were read: a new one is published LEAD before it signs, so this is soon enough."""


class Issuer:
    """Signs access tokens with the key whose turn it is, and publishes the public keys."""

    def __init__(
        self, database: Database, secrets: Secrets, settings: Settings, now: Callable[[], datetime] = utc_now
    ) -> None:
        self._database = database
        self._secrets = secrets
        self._issuer, self._audience = settings.token_issuer, settings.token_audience
        self.lifetime_s = settings.access_token_seconds
        self._now = now
        self._keys: list[SigningKey] = []
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()
        self._opened: dict[str, Ed25519PrivateKey] = {}

    async def ready(self) -> None:
        """Have keys at hand; to be called outside of a transaction, since it may need one of its own.

        Raises:
            Unavailable: the database does not answer.
        """
        async with self._reading:
            if time.monotonic() - self._read_at < _FRESH_S and signing(self._keys, self._now()):
                return
            async with self._database.connection() as connection:
                keys = await store.all_keys(connection)
            if signing(keys, self._now()) is None:
                keys = await self._make_first()
            self._keys, self._read_at = keys, time.monotonic()

    def token(self, subject: UUID, session_id: UUID, grant: Grant, now: datetime) -> str:
        """Sign an access token; after `ready`."""
        key = signing(self._keys, now)
        if key is None:
            raise LookupError("there is no signing key")
        private = self._opened.get(key.id)
        if private is None:
            private = self._opened[key.id] = key.private(self._secrets)
        issued = int(now.timestamp())
        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": str(subject),
            "sid": str(session_id),
            "roles": sorted(grant.roles),
            "rid": str(grant.id),
            "iat": issued,
            "exp": issued + self.lifetime_s,
        }
        return jwt.encode(claims, private, algorithm="EdDSA", headers={"kid": key.id})

    async def key_set(self) -> str:
        """Give the public keys as a JWK set (RFC 7517)."""
        await self.ready()
        return json.dumps({"keys": [key.jwk for key in published(self._keys, self._now())]})

    async def _make_first(self) -> list[SigningKey]:
        async with self._database.transaction() as tx:
            await store.lock(tx)
            keys = await store.all_keys(tx)
            now = self._now()
            if signing(keys, now) is None:
                made = SigningKey.new(self._secrets, now, now)
                await store.insert(tx, made)
                keys.append(made)
        return keys


async def rotate(database: Database, secrets: Secrets, now: datetime, *, at_least: timedelta | None = None) -> bool:
    """Publish a new key, which signs LEAD later, and remove those whose tokens have all expired.

    Args:
        database: the service's.
        secrets: seals the new key.
        now: the present moment.
        at_least: make one only if the latest is older than this.

    Returns:
        Whether a key was made.
    """
    async with database.transaction() as tx:
        await store.lock(tx)
        keys = await store.all_keys(tx)
        due = at_least is None or not keys or now - max(key.created_at for key in keys) >= at_least
        if due:
            keys.append(SigningKey.new(secrets, now, now + LEAD if signing(keys, now) else now))
            await store.insert(tx, keys[-1])
        kept = {key.id for key in published(keys, now)}
        for key in keys:
            if key.id not in kept:
                await store.delete(tx, key.id)
    return due
