"""Who calls: EdDSA access tokens (RFC 7519, RFC 8037), checked here against the issuer's published keys.

Answers follow RFC 6750, section 3: no `error` where no token was sent, `invalid_token` where one was and is no good.
"""

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final
from uuid import UUID

import httpx
import jwt
from jwt.algorithms import OKPAlgorithm

from chassis.identity import Caller
from gateway import metrics
from gateway.problems import Problem

log = logging.getLogger(__name__)

_ALGORITHM: Final = "EdDSA"
"""The only algorithm there is; `none` and shared secrets are not asked about."""

_REFRESH_S: Final = 300.0
_RETRY_S: Final = 1.0
_UNKNOWN_KEY_PAUSE_S: Final = 5.0
"""Tokens with an unknown key make this process ask the issuer at most once in this time."""

_FETCH_TIMEOUT_S: Final = 2.0
_REMEMBERED: Final = 10_000
_LONGEST_TOKEN: Final = 8_192
_TOKEN_CHARACTERS: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")


class KeySet:
    """The issuer's public keys (RFC 7517) by key id; the last good ones stay while the issuer is away."""

    def __init__(self, url: str, client: httpx.AsyncClient) -> None:
        self._url = url
        self._client = client
        self._keys: dict[str, Any] = {}
        self._asked = float("-inf")
        self._fetching = asyncio.Lock()
        self.generation = 0
        """Grows when the keys change, so that what was proved with older ones is proved again."""

    @property
    def known(self) -> bool:
        """Whether there are any keys yet."""
        return bool(self._keys)

    async def keep_fresh(self) -> None:
        """Fetch the keys every five minutes, and each second while there are none, until cancelled."""
        while True:
            await self._fetch()
            await asyncio.sleep(_REFRESH_S if self._keys else _RETRY_S)

    async def key(self, key_id: str) -> Any:
        """Give the key, asking the issuer for news when it is unknown; None when there is no such key.

        Raises:
            Problem: UNAVAILABLE, when no keys could be had at all.
        """
        if key_id not in self._keys:
            async with self._fetching:
                if key_id not in self._keys and time.monotonic() - self._asked > _UNKNOWN_KEY_PAUSE_S:
                    await self._fetch()
        if not self._keys:
            raise Problem("UNAVAILABLE", "The token issuer has not been reached yet, so no token can be checked.")
        return self._keys.get(key_id)

    async def _fetch(self) -> None:
        self._asked = time.monotonic()
        try:
            answer = await self._client.get(self._url, timeout=_FETCH_TIMEOUT_S)
            keys = _read(answer.raise_for_status().json())
        except (httpx.HTTPError, ValueError, jwt.InvalidKeyError) as fault:
            log.warning("the issuer's keys could not be fetched, keeping %d: %s", len(self._keys), fault or type(fault))
            return
        if keys.keys() != self._keys.keys():
            log.info("the issuer has %d keys", len(keys))
            self.generation += 1
        self._keys = keys


def _read(document: Any) -> dict[str, Any]:
    """Read the Ed25519 signature keys of a JWK set; other keys are passed over.

    Raises:
        ValueError: it is no JWK set, or holds no such key.
    """
    if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
        raise ValueError("no JWK set")  # noqa: TRY004 - the value came from outside
    keys = {
        entry["kid"]: OKPAlgorithm.from_jwk(entry)
        for entry in document["keys"]
        if isinstance(entry, dict)
        and entry.get("kty") == "OKP"
        and entry.get("crv") == "Ed25519"
        and entry.get("use", "sig") == "sig"
        and isinstance(entry.get("kid"), str)
    }
    if not keys:
        raise ValueError("no Ed25519 key")
    return keys


class Authenticator:
    """Tells who sent a request by its bearer token."""

    def __init__(self, keys: KeySet, issuer: str, audience: str) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._proved: dict[bytes, tuple[float, UUID, frozenset[str], str]] = {}
        self._generation = 0

    async def caller(self, headers: Iterable[tuple[bytes, bytes]], address: str) -> Caller:
        """Give the person whose token the request carries.

        Raises:
            Problem: UNAUTHENTICATED, when it carries none or one that is no good.
        """
        credentials = [value for name, value in headers if name == b"authorization"]
        if not credentials:
            raise _refused("missing")
        scheme, _, token = credentials[0].partition(b" ")
        if scheme.lower() != b"bearer":
            raise _refused("missing", "Only bearer tokens are accepted.")
        if len(credentials) > 1:
            raise _refused("malformed", "There is more than one Authorization header.")
        token = token.strip()
        if self._generation != self._keys.generation:
            self._proved.clear()
            self._generation = self._keys.generation
        proved = self._proved.get(token)
        if proved is None or proved[0] <= time.time():
            proved = await self._prove(token)
        return Caller(subject=proved[1], roles=proved[2], session=proved[3], address=address)

    async def _prove(self, token: bytes) -> tuple[float, UUID, frozenset[str], str]:
        """Check signature and claims, and remember the outcome: a signature costs as much as the rest of a request."""
        self._proved.pop(token, None)
        if not token or len(token) > _LONGEST_TOKEN or not _TOKEN_CHARACTERS.issuperset(token):
            raise _refused("malformed", "The token is no JWT.")
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError:
            raise _refused("malformed", "The token is no JWT.") from None
        if header.get("alg") != _ALGORITHM:
            raise _refused("algorithm", f"Tokens are signed with {_ALGORITHM}.")
        key_id = header.get("kid")
        key = await self._keys.key(key_id) if isinstance(key_id, str) else None
        if key is None:
            raise _refused("key", "The token is signed with a key that the issuer does not publish.")
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=[_ALGORITHM],
                issuer=self._issuer,
                audience=self._audience,
                options={"require": ["exp", "iat", "sub"], "verify_iat": False},  # clocks differ; `exp` is what counts
            )
        except jwt.ExpiredSignatureError:
            raise _refused("expired", "The token has expired.") from None
        except jwt.InvalidSignatureError:
            raise _refused("signature", "The token's signature is wrong.") from None
        except (jwt.InvalidTokenError, ValueError, OverflowError):
            raise _refused("claims", "The token was not made for this.") from None
        proved = _person(claims)
        if len(self._proved) >= _REMEMBERED:
            self._proved.pop(next(iter(self._proved)))
        self._proved[token] = proved
        return proved


def _person(claims: Mapping[str, Any]) -> tuple[float, UUID, frozenset[str], str]:
    roles, session = claims.get("roles", []), claims.get("sid", "")
    try:
        subject = UUID(claims["sub"])
    except ValueError:
        raise _refused("claims", "The token's subject is no person of this product.") from None
    if not isinstance(session, str) or not isinstance(roles, list) or not all(isinstance(r, str) for r in roles):
        raise _refused("claims", "The token's session or roles cannot be read.")
    return float(claims["exp"]), subject, frozenset(roles), session


def _refused(reason: str, description: str = "") -> Problem:
    """A 401 with its challenge (RFC 6750, section 3.1)."""
    metrics.token_rejections.labels(reason).inc()
    challenge = 'Bearer realm="neoforge"'
    if reason != "missing":
        challenge += f', error="invalid_token", error_description="{description}"'
    return Problem(
        "UNAUTHENTICATED",
        description or "This needs an access token: Authorization: Bearer ...",
        headers=[(b"www-authenticate", challenge.encode())],
    )
