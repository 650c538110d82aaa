"""Proving by a passkey who somebody is."""

from uuid import UUID

from uuid_utils.compat import uuid7

from auth.accounts import store as accounts
from auth.equipment import Equipment
from auth.errors import WrongSecondFactor
from auth.notices import Notices
from auth.passkeys import store
from auth.passkeys.ceremonies import Signed, Unverified
from auth.passkeys.model import CHALLENGE_LIFETIME, Challenge, Passkey, Purpose
from chassis.convert import parse_uuid
from chassis.database import Connection
from chassis.threats import threats
from neoforge.auth.v1 import sessions_pb2 as pb


class CopiedPasskey(WrongSecondFactor):
    """The passkey's count has not grown: somebody may hold a copy of it (WebAuthn, section 6.1.1)."""


class PasskeyProof:
    """Makes challenges and checks what was signed in answer to them."""

    def __init__(self, equipment: Equipment) -> None:
        self._with = equipment
        self._notices = Notices(equipment)

    async def challenge(self, connection: Connection, purpose: Purpose, account_id: UUID | None) -> Challenge:
        """Make a challenge."""
        made = Challenge(uuid7(), purpose, account_id, self._with.now() + CHALLENGE_LIFETIME)
        await store.challenge(connection, made)
        return made

    async def take(self, id_: UUID, purpose: Purpose, account_id: UUID | None) -> Challenge | None:
        """Use a challenge up, for good; None when it is over or was for something else."""
        async with self._with.database.connection() as connection:
            found = await store.take(connection, id_)
        meant = found is not None and (found.purpose, found.account_id) == (purpose, account_id)
        return found if found and meant and self._with.now() < found.expires_at else None

    async def signed(
        self, answer: pb.PasskeyAnswer, purpose: Purpose, account_id: UUID | None
    ) -> tuple[Passkey, Signed] | None:
        """Give the passkey that signed a challenge, and what it says; None when the answer does not hold.

        `account_id` is whose passkey it must be; None for whoever signs in, whom it must then name itself (WebAuthn,
        section 7.2, step 6).
        """
        challenge = await self.take(parse_uuid(answer.challenge_id, "challenge_id"), purpose, account_id)
        if challenge is None:
            return None
        try:
            credential_id, named = await self._with.ceremonies.named(answer.credential)
            async with self._with.database.connection() as connection:
                passkey = await store.by_credential(connection, credential_id)
            if passkey is None:
                return None
            whose = passkey.account_id.bytes
            if account_id is None and named is None:
                return None
            if account_id not in {None, passkey.account_id} or named not in {None, whose}:
                return None
            return passkey, await self._with.ceremonies.signed(answer.credential, passkey, challenge)
        except Unverified:
            return None

    async def use(self, tx: Connection, passkey: Passkey, signed: Signed) -> None:
        """Note that a passkey was used.

        Raises:
            CopiedPasskey: its count has not grown since.
            WrongSecondFactor: it was removed meanwhile.
        """
        if await store.use(tx, passkey.id, signed.sign_count, signed.synced, self._with.now()):
            return
        raise CopiedPasskey if await store.get(tx, passkey.id, passkey.account_id) else WrongSecondFactor

    async def any(self, connection: Connection, account_id: UUID) -> bool:
        """Whether an account has a passkey."""
        return await store.count(connection, account_id) > 0

    async def tell_of_copy(self, account_id: UUID) -> None:
        """Have the owner told that somebody may hold a copy of their passkey, and write it down."""
        async with self._with.database.transaction() as tx:
            account = await accounts.get(tx, account_id)
            if account is not None:
                await self._notices.tell(tx, account, "passkey_copied")
            await self._with.trail.write(tx, "passkey.copy_suspected", account_id=account_id)
        threats.labels("passkey_copy").inc()
