"""Proving a second factor: a code of the app, a recovery code, or a passkey.

What can be guessed is counted before it is tried; what is right is used up in the transaction of what it was for.
"""

import logging
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from auth.accounts.model import Account
from auth.attempts.limits import CODES, CODES_OF_A_DAY
from auth.equipment import Equipment
from auth.errors import TooManyAttempts, WrongSecondFactor
from auth.factors import recovery, store
from auth.factors.model import step_of
from auth.notices import Notices
from auth.passkeys.ceremonies import Signed
from auth.passkeys.model import Passkey, Purpose
from auth.passkeys.proof import CopiedPasskey, PasskeyProof
from auth.secrets import Unreadable
from auth.sessions.model import network
from auth.sessions.store import known_network
from chassis import call as calls
from chassis.database import Connection
from chassis.errors import InvalidFields, Violation
from chassis.threats import threats
from neoforge.auth.v1 import sessions_pb2 as pb

log = logging.getLogger(__name__)

TOTP: Final = "totp"
RECOVERY_CODE: Final = "recovery_code"
PASSKEY: Final = "passkey"
_METHODS: Final = {"totp_code": TOTP, "recovery_code": RECOVERY_CODE, "passkey": PASSKEY}
SEALED: Final = "totp secret"


@dataclass(frozen=True)
class Tried:
    """A code that was counted as tried: by what, and whether no other is let through for a while."""

    where: tuple[str, str]
    is_last: bool


@dataclass(frozen=True)
class Offered:
    """A second factor that somebody offers: by which method, and a code or what a passkey has signed."""

    method: str
    code: str = ""
    tried: Tried | None = None
    signed: tuple[Passkey, Signed] | None = None


def method_of(proof: pb.FactorProof) -> str:
    """Give the method that something is offered by; empty when nothing is."""
    return _METHODS.get(proof.WhichOneof("proof") or "", "")


class SecondFactor:
    """Tells whether a second factor is on, and tries what is offered for it."""

    def __init__(self, equipment: Equipment) -> None:
        self._with = equipment
        self._notices = Notices(equipment)
        self._passkeys = PasskeyProof(equipment)

    async def offered(self, proof: pb.FactorProof, account_id: UUID, purpose: Purpose) -> Offered:
        """Read what is offered; a code is counted as tried, a passkey's challenge is used up.

        Raises:
            InvalidFields: nothing is.
            TooManyAttempts: there were too many tries lately; the code is not looked at.
            WrongSecondFactor: the passkey's answer does not hold.
        """
        method = method_of(proof)
        if not method:
            raise InvalidFields.of([Violation("factor", "must be a code, a recovery code or a passkey's answer")])
        if method == PASSKEY:
            found = await self._passkeys.signed(proof.passkey, purpose, account_id)
            if found is None:
                raise WrongSecondFactor
            return Offered(PASSKEY, signed=found)
        code = proof.totp_code if method == TOTP else proof.recovery_code
        return Offered(method, code=code, tried=await self.count(account_id))

    async def count(self, account_id: UUID) -> Tried:
        """Count a code as tried.

        Raises:
            TooManyAttempts: there were too many tries lately; the code is not to be looked at.
        """
        where, is_last = await self._where(account_id), False
        for limit in (CODES, CODES_OF_A_DAY):  # what the first stops is no try, and not counted by day
            async with self._with.database.connection() as connection:
                counted = await self._with.attempts.counted(connection, limit, *where)
            if counted.wait_s:
                threats.labels("brute_force").inc()
                raise TooManyAttempts(counted.wait_s)
            is_last = is_last or counted.is_last
        return Tried(where, is_last)

    async def forget(self, tx: Connection, tried: Tried) -> None:
        """Forget the codes that were tried: this one was right."""
        for limit in (CODES, CODES_OF_A_DAY):
            await self._with.attempts.clear(tx, limit, *tried.where)

    async def use(self, tx: Connection, account: Account, offered: Offered) -> None:
        """Use up what is offered, if it is right, in the transaction of what it is for.

        Raises:
            WrongSecondFactor: it is not, or was used before.
        """
        if offered.signed is not None:
            await self._passkeys.use(tx, *offered.signed)
            return
        right = self._use_totp if offered.method == TOTP else self._use_recovery_code
        if not await right(tx, account, offered.code):
            raise WrongSecondFactor
        if offered.tried is not None:
            await self.forget(tx, offered.tried)

    async def refused(self, account_id: UUID, method: str, fault: WrongSecondFactor, **details: str) -> None:
        """Write down that a wrong one was offered."""
        if isinstance(fault, CopiedPasskey):
            await self._passkeys.tell_of_copy(account_id)
        async with self._with.database.transaction() as tx:
            await self._with.trail.write(
                tx, "account.second_factor_refused", account_id=account_id, details={"method": method, **details}
            )

    async def methods(self, connection: Connection, account_id: UUID) -> list[str]:
        """Give what would prove an account's second factor; empty while it is off."""
        if not await store.enabled(connection, account_id):
            return []
        left = await store.codes_left(connection, account_id)
        return [
            TOTP,
            *([RECOVERY_CODE] if left else []),
            *([PASSKEY] if await self._passkeys.any(connection, account_id) else []),
        ]

    async def _use_totp(self, tx: Connection, account: Account, code: str) -> bool:
        totp = await store.get(tx, account.id)
        if totp is None or totp.confirmed_at is None:
            return False
        try:
            secret = self.secret(totp.sealed_secret, account.id)
        except Unreadable:
            log.exception("a second factor was sealed under another secret; `remove-second-factor` helps its owner")
            return False
        step = step_of(secret, code, self._with.now())
        return step is not None and await store.use(tx, totp, step)

    async def _use_recovery_code(self, tx: Connection, account: Account, code: str) -> bool:
        hashed = recovery.hashed(code, account.id, self._with.secrets)
        if not await store.use_code(tx, account.id, hashed, self._with.now()):
            return False
        left = await store.codes_left(tx, account.id)
        await self._notices.tell(tx, account, "recovery_code_used", left=left)
        return True

    def secret(self, sealed: bytes, account_id: UUID) -> str:
        """Open a sealed secret (Base32)."""
        return self._with.secrets.open(SEALED, sealed, account_id.bytes).decode()

    async def _where(self, account_id: UUID) -> tuple[str, str]:
        """What tries are counted by: the account and the network, if somebody has signed in from it before.

        All other networks are one, so that who guesses from many gains nothing, and who guesses from elsewhere does not
        lock the owner out at home.
        """
        address = network(calls.current().caller.address)
        async with self._with.database.connection() as connection:
            known = await known_network(connection, account_id, address, self._with.now())
        return str(account_id), address if known else "elsewhere"
