"""The ceremonies of WebAuthn (level 3, section 7): what a browser is asked, and whether its answer holds.

py_webauthn does the work. It is imported on first use and runs in a thread: it takes a third of a second and 27 MB,
which a worker, and a service whose people have no passkeys, can do without.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from auth.accounts.model import Account
from auth.passkeys.model import MAX_ANSWER, Challenge, Passkey, RelyingParty
from auth.secrets import Secrets

log = logging.getLogger(__name__)
T = TypeVar("T")
_TIMEOUT_MS: Final = 300_000
_TRANSPORTS: Final = frozenset({"usb", "nfc", "ble", "internal", "cable", "hybrid", "smart-card"})


class Unverified(Exception):
    """An answer does not hold."""


@dataclass(frozen=True)
class Made:
    """A passkey as an authenticator made it."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    synced: bool
    transports: tuple[str, ...]


@dataclass(frozen=True)
class Signed:
    """What an authenticator says with a signature: its count, and whether its provider keeps copies of the passkey."""

    sign_count: int
    synced: bool


class Ceremonies:
    """Writes options and checks answers for one relying party."""

    def __init__(self, party: RelyingParty, secrets: Secrets) -> None:
        self._party = party
        self._secrets = secrets

    def to_sign(self, challenge: Challenge) -> bytes:
        """Give what is to be signed; it stands in no table."""
        return self._secrets.digest("passkey challenge", challenge.id.bytes, challenge.purpose.value.encode())

    async def creation_options(self, account: Account, known: Sequence[Passkey], challenge: Challenge) -> str:
        """Give the options to make a passkey by, as JSON; authenticators that have one of `known` refuse."""

        def write() -> str:
            import webauthn  # noqa: PLC0415 - see above
            from webauthn.helpers import structs  # noqa: PLC0415 - as above

            return webauthn.options_to_json(
                webauthn.generate_registration_options(
                    rp_id=self._party.domain,
                    rp_name=self._party.name,
                    user_id=account.id.bytes,
                    user_name=account.email,
                    user_display_name=account.name or account.email,
                    challenge=self.to_sign(challenge),
                    timeout=_TIMEOUT_MS,
                    authenticator_selection=structs.AuthenticatorSelectionCriteria(
                        resident_key=structs.ResidentKeyRequirement.REQUIRED,
                        user_verification=structs.UserVerificationRequirement.REQUIRED,
                    ),
                    exclude_credentials=_descriptors(known),
                )
            )

        return await asyncio.to_thread(write)

    async def request_options(self, known: Sequence[Passkey], challenge: Challenge) -> str:
        """Give the options to sign by, as JSON; without `known`, by whichever passkey the person chooses."""

        def write() -> str:
            import webauthn  # noqa: PLC0415 - see above
            from webauthn.helpers import structs  # noqa: PLC0415 - as above

            return webauthn.options_to_json(
                webauthn.generate_authentication_options(
                    rp_id=self._party.domain,
                    challenge=self.to_sign(challenge),
                    timeout=_TIMEOUT_MS,
                    allow_credentials=_descriptors(known),
                    user_verification=structs.UserVerificationRequirement.REQUIRED,
                )
            )

        return await asyncio.to_thread(write)

    async def made(self, answer: str, challenge: Challenge) -> Made:
        """Give the passkey that was made in answer to a challenge.

        Raises:
            Unverified: the answer does not hold.
        """

        def verify() -> Made:
            import webauthn  # noqa: PLC0415 - see above

            found = webauthn.verify_registration_response(
                credential=answer,
                expected_challenge=self.to_sign(challenge),
                expected_rp_id=self._party.domain,
                expected_origin=list(self._party.origins),
                require_user_verification=True,
            )
            offered = json.loads(answer)["response"].get("transports") or []
            transports = tuple(sorted(_TRANSPORTS.intersection(offered)))
            return Made(
                found.credential_id,
                found.credential_public_key,
                found.sign_count,
                found.credential_backed_up,
                transports,
            )

        return await _held(answer, verify)

    async def signed(self, answer: str, passkey: Passkey, challenge: Challenge) -> Signed:
        """Give what a passkey says in answer to a challenge; whether its count has grown is left to whoever stores it.

        Raises:
            Unverified: the answer does not hold.
        """

        def verify() -> Signed:
            import webauthn  # noqa: PLC0415 - see above

            found = webauthn.verify_authentication_response(
                credential=answer,
                expected_challenge=self.to_sign(challenge),
                expected_rp_id=self._party.domain,
                expected_origin=list(self._party.origins),
                credential_public_key=passkey.public_key,
                credential_current_sign_count=0,
                require_user_verification=True,
            )
            return Signed(found.new_sign_count, found.credential_backed_up)

        return await _held(answer, verify)

    async def named(self, answer: str) -> tuple[bytes, bytes | None]:
        """Give the id of the passkey that an answer says it is of, and the account that it says it belongs to.

        Raises:
            Unverified: it cannot be read.
        """

        def read() -> tuple[bytes, bytes | None]:
            from webauthn.helpers import parse_authentication_credential_json  # noqa: PLC0415 - see above

            found = parse_authentication_credential_json(answer)
            return found.raw_id, found.response.user_handle

        return await _held(answer, read)


async def _held(answer: str, work: Callable[[], T]) -> T:
    if len(answer) > MAX_ANSWER:
        raise Unverified("it is too long")
    try:
        return await asyncio.to_thread(work)
    except Exception as wrong:  # a stranger's bytes go through parsers of JSON, CBOR, COSE and ASN.1
        log.info("a passkey's answer does not hold", extra={"why": f"{type(wrong).__name__}: {wrong}"[:300]})
        raise Unverified(f"{type(wrong).__name__}") from wrong


def _descriptors(passkeys: Sequence[Passkey]) -> list[Any]:
    from webauthn.helpers import structs  # noqa: PLC0415 - see above

    return [
        structs.PublicKeyCredentialDescriptor(
            id=passkey.credential_id, transports=[structs.AuthenticatorTransport(t) for t in passkey.transports] or None
        )
        for passkey in passkeys
    ]
