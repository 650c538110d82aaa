"""Who calls: EdDSA access tokens (RFC 7519, RFC 8037), checked here against the issuer's published keys.

Answers follow RFC 6750, section 3: no `error` where no token was sent, `invalid_token` where one was and is no good.
"""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from uuid import UUID

import grpc
import httpx
import jwt
from jwt.algorithms import OKPAlgorithm

from chassis import logs, telemetry
from chassis.errors import RemoteError
from chassis.identity import NOBODY, Caller
from chassis.rpc.client import invoke
from gateway import metrics
from gateway.problems import Problem
from gateway.proof import Proof
from gateway.revocations import Revocations
from neoforge.auth.v1.verification_pb2 import GetKeySetRequest, ResolveAccessTokenRequest

if TYPE_CHECKING:
    from neoforge.auth.v1.verification_pb2_grpc import VerificationServiceAsyncStub

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


_THREATS: Final = {"malformed": "malformed_token", "algorithm": "forged_token", "signature": "forged_token"}
"""Reasons for which no honest client is refused; an expired token, or one of a former key, is none."""
_OUTDATED: Final = frozenset({"expired", "revoked", "roles"})
"""Reasons for which a token is refused that the issuer has signed."""

PERSONAL: Final = b"nft_"
"""What personal access tokens begin with."""
_RESOLVED_S: Final = 60.0
"""How long it is remembered whose a personal access token is; its revocation and other roles of its owner are told."""
_UNASKED_S: Final = 60.0
"""How much longer it is gone by that while the auth service does not answer."""

Source: TypeAlias = Callable[[], Awaitable[Any]]
"""Gives the issuer's key set, a JWK set as parsed JSON; raises what the way to it raises."""


def at_url(url: str, client: httpx.AsyncClient) -> Source:
    """Fetch the keys over HTTP."""

    async def fetch() -> Any:
        return (await client.get(url, timeout=_FETCH_TIMEOUT_S)).raise_for_status().json()

    return fetch


def of_auth(verification: "VerificationServiceAsyncStub") -> Source:
    """Ask the auth service for the keys."""

    async def fetch() -> Any:
        asked = verification.GetKeySet(GetKeySetRequest(), timeout=_FETCH_TIMEOUT_S, metadata=(telemetry.untraced(),))
        return json.loads((await asked).jwks)

    return fetch


class KeySet:
    """The public keys (RFC 7517) of all sources by key id; a source's last good ones stay while it is away."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources
        self._found: list[dict[str, Any]] = [{} for _ in sources]
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
        self._found = list(await asyncio.gather(*map(self._ask, self._sources, self._found)))
        keys = {key_id: key for found in self._found for key_id, key in found.items()}
        if keys.keys() != self._keys.keys():
            log.info("the issuer has %d keys", len(keys))
            self.generation += 1
        self._keys = keys

    async def _ask(self, source: Source, last: dict[str, Any]) -> dict[str, Any]:
        try:
            return _read(await source())
        except (httpx.HTTPError, grpc.aio.AioRpcError, ValueError, jwt.InvalidKeyError) as fault:
            log.warning("an issuer's keys could not be fetched, keeping %d: %s", len(last), fault or type(fault))
            return last


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
    """Tells who sent a request by its bearer token.

    With an auth service behind (`verification`), revoked sessions are refused, and personal access tokens accepted.
    """

    def __init__(
        self,
        keys: KeySet,
        issuer: str,
        audience: str,
        verification: "VerificationServiceAsyncStub | None" = None,
        revocations: Revocations | None = None,
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._verification = verification
        self._revocations = revocations
        self._proved: dict[bytes, Proof] = {}
        self._generation = 0

    @property
    def ready(self) -> bool:
        """Whether tokens can be checked: the issuer was reached once."""
        return self._keys.known

    async def caller(self, headers: Iterable[tuple[bytes, bytes]], address: str) -> Caller:
        """Give the person whose token the request carries; raises as `proof`."""
        return (await self.proof(headers)).caller(address)

    async def proof(self, headers: Iterable[tuple[bytes, bytes]]) -> Proof:
        """Give what the request's token proves.

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
        if proved is None or proved.expires <= time.time() or (proved.personal and self._outdated(proved)):
            proved = await self._prove(token)
        elif proved.ask_at <= time.time():
            proved = await self._prove(token, proved)
        if self._revocations is not None and self._revocations.refuses(proved.session):
            raise _refused("revoked", "The session has ended, or the token was revoked.")
        if self._outdated(proved):
            raise _refused("roles", "The person's roles have changed: refresh.")
        return proved

    def stands(self, proved: Proof) -> bool:
        """Whether what was proved holds still, by all that this process knows; raises as `Revocations.refuses`."""
        revoked = self._revocations is not None and self._revocations.refuses(proved.session)
        return min(proved.expires, proved.ask_at) > time.time() and not revoked and not self._outdated(proved)

    def knows(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        """Whether the request's token was proved here lately and holds still; asks nobody."""
        credentials = [value for name, value in headers if name == b"authorization"]
        proved = self._proved.get(credentials[0].partition(b" ")[2].strip()) if len(credentials) == 1 else None
        if proved is None or proved.expires <= time.time():
            return False
        try:
            return self._revocations is None or not (
                self._revocations.refuses(proved.session) or self._revocations.refuses(proved.roles_id)
            )
        except Problem:  # nobody knows what was revoked
            return False

    def _outdated(self, proved: Proof) -> bool:
        """Whether the person has other roles by now."""
        return self._revocations is not None and self._revocations.refuses(proved.roles_id)

    async def _prove(self, token: bytes, known: Proof | None = None) -> Proof:
        """Check a token, and remember the outcome: a signature costs as much as the rest of a request.

        What is `known` of it holds while it is asked about, and on for a while where nobody answers.
        """
        self._proved.pop(token, None)
        if not token or len(token) > _LONGEST_TOKEN or not _TOKEN_CHARACTERS.issuperset(token):
            raise _refused("malformed", "The token is no JWT.")
        if known is not None:
            self._proved[token] = known = replace(known, ask_at=time.time() + _FETCH_TIMEOUT_S)
        try:
            if token.startswith(PERSONAL) and self._verification is not None:
                proved = await self._resolve(token, self._verification)
            else:
                proved = await self._verify(token)
        except Problem as refused:
            if known is not None and refused.type.status is HTTPStatus.SERVICE_UNAVAILABLE:
                return known
            self._proved.pop(token, None)
            raise
        self._proved.pop(token, None)
        if len(self._proved) >= _REMEMBERED:
            self._proved.pop(next(iter(self._proved)))
        self._proved[token] = proved
        return proved

    async def _resolve(self, token: bytes, verification: "VerificationServiceAsyncStub") -> Proof:
        """Ask whose a personal access token is."""
        try:
            reply = await invoke(
                verification.ResolveAccessToken,
                ResolveAccessTokenRequest(token=token.decode()),
                caller=NOBODY,
                request_id=logs.request_id.get(),
                timeout_s=_FETCH_TIMEOUT_S,
                repeatable=True,
            )
        except RemoteError as fault:
            if fault.code is not grpc.StatusCode.UNAUTHENTICATED:
                raise Problem("UNAVAILABLE", "The auth service does not answer.") from None
            raise _refused("personal", "The personal access token is good no more.") from None
        found = reply.message
        ask_at = time.time() + _RESOLVED_S
        return Proof(
            min(found.expires_at.ToDatetime(UTC).timestamp(), ask_at + _UNASKED_S),
            UUID(found.subject),
            frozenset(found.roles),
            found.id,
            personal=True,
            may_write=found.may_write,
            roles_id=found.roles_id,
            ask_at=ask_at,
        )

    async def _verify(self, token: bytes) -> Proof:
        """Check the signature and the claims of a JWT."""
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
        return _person(claims)


def _person(claims: Mapping[str, Any]) -> Proof:
    roles, session, roles_id = claims.get("roles", []), claims.get("sid", ""), claims.get("rid", "")
    try:
        subject = UUID(claims["sub"])
    except ValueError:
        raise _refused("claims", "The token's subject is no person of this product.") from None
    if not isinstance(roles, list) or not all(isinstance(text, str) for text in (session, roles_id, *roles)):
        raise _refused("claims", "The token's session or roles cannot be read.")
    return Proof(float(claims["exp"]), subject, frozenset(roles), session, roles_id=roles_id)


class OutdatedToken(Problem):
    """The token was good once: whoever sends it needs a new one, and is nobody unknown."""


def _refused(reason: str, description: str = "") -> Problem:
    """A 401 with its challenge (RFC 6750, section 3.1)."""
    metrics.token_rejections.labels(reason).inc()
    challenge = 'Bearer realm="neoforge"'
    if reason != "missing":
        challenge += f', error="invalid_token", error_description="{description}"'
    return (OutdatedToken if reason in _OUTDATED else Problem)(
        "UNAUTHENTICATED",
        description or "This needs an access token: Authorization: Bearer ...",
        headers=[(b"www-authenticate", challenge.encode())],
        threat=_THREATS.get(reason),
    )
