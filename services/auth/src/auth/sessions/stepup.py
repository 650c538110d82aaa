"""What a sensitive act takes: a session in which somebody proved lately who they are."""

from datetime import datetime
from uuid import UUID

from auth.accounts import store as accounts
from auth.accounts.proof import PasswordProof
from auth.audit.trail import session_of
from auth.equipment import Equipment
from auth.errors import SessionNotFound, StepUpRequired, WrongSecondFactor
from auth.factors import store as factors
from auth.factors.proof import PASSKEY, SecondFactor, method_of
from auth.passkeys import store as passkeys
from auth.passkeys.model import Purpose
from auth.sessions import store
from auth.sessions.model import STEP_UP
from chassis import call as calls
from chassis.database import Connection
from neoforge.auth.v1 import sessions_pb2 as pb


class StepUps:
    """Lets sensitive acts pass, or says what they take."""

    def __init__(self, equipment: Equipment) -> None:
        self._with = equipment
        self._factors = SecondFactor(equipment)
        self._passwords = PasswordProof(equipment)

    async def require(self, connection: Connection) -> None:
        """Let the caller pass whose session was proved within the last 10 minutes.

        Where a second factor is on, it must have been proved by that or by a passkey: a password, which others may
        know, then allows nothing that a second factor is there to protect.

        Raises:
            StepUpRequired: it was not.
        """
        call, now = calls.current(), self._with.now()
        id_ = session_of(call)
        session = await store.get_own(connection, id_, call.person, now) if id_ else None
        with_factor = await factors.enabled(connection, call.person)
        if session is None or not session.proved(now, with_factor=with_factor):
            raise StepUpRequired(await self.methods(connection, call.person))

    async def step_up(self, request: pb.StepUpRequest) -> datetime:
        """Prove who is at the caller's device, and give until when their session may do what is sensitive.

        Raises:
            SessionNotFound: the caller has no session of this service.
            StepUpRequired: a password does not suffice.
            TooManyAttempts: there were too many tries lately.
            WrongPassword, WrongSecondFactor: it proves nothing.
        """
        call, now = calls.current(), self._with.now()
        id_, person = session_of(call), call.person
        offered = None
        if request.WhichOneof("proof") == "password":
            async with self._with.database.connection() as connection:
                methods = await self.methods(connection, person)
            if "password" not in methods:
                raise StepUpRequired(methods)
            await self._passwords.prove(person, request.password)
        try:
            if request.WhichOneof("proof") != "password":
                offered = await self._factors.offered(request.factor, person, Purpose.STEP_UP)
            async with self._with.database.transaction() as tx:
                account = await accounts.get_for_change(tx, person)
                if account is None or id_ is None:
                    raise SessionNotFound
                if offered:
                    await self._factors.use(tx, account, offered)
                if not await store.prove(tx, id_, person, now, with_factor=offered is not None):
                    raise SessionNotFound
                details = {"method": offered.method if offered else "password"}
                await self._with.trail.write(tx, "session.stepped_up", account_id=person, details=details)
        except WrongSecondFactor as fault:
            await self._factors.refused(person, method_of(request.factor), fault)
            raise
        return now + STEP_UP

    async def methods(self, connection: Connection, person: UUID) -> list[str]:
        """Give what steps a person's session up."""
        methods = await self._factors.methods(connection, person)
        if methods:
            return methods
        return ["password", *([PASSKEY] if await passkeys.count(connection, person) else [])]
