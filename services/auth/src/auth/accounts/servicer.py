"""neoforge.auth.v1.AccountsService: each RPC parses, decides, stores and replies."""

from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from auth.access_tokens import store as access_tokens
from auth.accounts import convert, store
from auth.accounts.model import Account, Purpose, language_of, roles_of
from auth.accounts.passwords import refuse_same, refuse_weak
from auth.accounts.proof import PasswordProof
from auth.audit.trail import session_of
from auth.equipment import Equipment
from auth.errors import AccountNotFound, InvalidCode, WrongPassword
from auth.factors import store as factors
from auth.notices import Notices
from auth.passkeys import store as passkeys
from auth.sessions import store as sessions
from auth.sessions.stepup import StepUps
from chassis import call as calls
from chassis.access import ANYONE, SIGNED_IN, allow, with_role
from chassis.convert import parse_uuid, timestamp
from chassis.database import Connection
from chassis.errors import LimitReached
from chassis.mail.addresses import Mailbox
from neoforge.auth.v1 import accounts_pb2 as pb
from neoforge.auth.v1 import accounts_pb2_grpc

NO_SESSION = UUID(int=0)
"""No session's id: what is kept of somebody's sessions where none is."""


class AccountsServicer(accounts_pb2_grpc.AccountsServiceServicer):
    """Answers the calls of AccountsService from PostgreSQL."""

    def __init__(self, equipment: Equipment) -> None:
        self._with = equipment
        self._database = equipment.database
        self._trail = equipment.trail
        self._notices = Notices(equipment)
        self._passwords = PasswordProof(equipment)
        self._step_ups = StepUps(equipment)

    @allow(ANYONE)
    async def Register(self, request: pb.RegisterRequest, context: Any) -> pb.RegisterResponse:
        to = Mailbox.of(request.name, request.email, field="email")
        language = language_of(request.language)
        refuse_weak("password", request.password, to.address.key, to.address.local, to.name)
        password_hash = await self._with.passwords.hash(request.password)
        made = await self._with.codes.request(Purpose.REGISTER, to, language=language, password_hash=password_hash)
        return pb.RegisterResponse(registration_id=str(made.id), expires_at=timestamp(made.expires_at))

    @allow(ANYONE)
    async def ConfirmRegistration(
        self, request: pb.ConfirmRegistrationRequest, context: Any
    ) -> pb.ConfirmRegistrationResponse:
        id_ = parse_uuid(request.registration_id, "registration_id")
        begun = await self._with.codes.check(Purpose.REGISTER, id_, request.code)
        now = self._with.now()
        account = Account(
            id=uuid7(),
            email=begun.email,
            email_key=begun.email_key,
            name=begun.name,
            language=begun.language,
            password_hash=begun.password_hash or "",
            roles=frozenset({"user"}),
            created_at=now,
            password_changed_at=now,
        )
        async with self._database.transaction() as tx:
            await self._with.codes.take(tx, begun)
            if not await store.insert(tx, account):
                raise InvalidCode  # another registration of the same address was confirmed meanwhile
            await store.remove_requests(tx, account.email_key, Purpose.REGISTER)
            await self._trail.write(tx, "account.registered", account_id=account.id)
        return pb.ConfirmRegistrationResponse(account=convert.account_proto(account))

    @allow(SIGNED_IN)
    async def GetAccount(self, request: pb.GetAccountRequest, context: Any) -> pb.GetAccountResponse:
        async with self._database.connection() as connection:
            account = await store.get(connection, calls.current().person)
        if account is None:
            raise AccountNotFound
        return pb.GetAccountResponse(account=convert.account_proto(account))

    @allow(SIGNED_IN)
    async def ChangePassword(self, request: pb.ChangePasswordRequest, context: Any) -> pb.ChangePasswordResponse:
        person = calls.current().person
        async with self._database.connection() as connection:
            if await factors.enabled(connection, person):
                await self._step_ups.require(connection)
        account = await self._passwords.prove(person, request.current_password)
        refuse_same("new_password", request.new_password, request.current_password)
        refuse_weak("new_password", request.new_password, account.email_key, account.name)
        password_hash = await self._with.passwords.hash(request.new_password)
        async with self._database.transaction() as tx:
            locked = await store.get_for_change(tx, person)
            if locked is None or locked.password_hash != account.password_hash:
                raise WrongPassword  # it was changed meanwhile
            kept = session_of(calls.current()) or NO_SESSION
            return await self._set_password(
                tx, account, password_hash, kept=kept, end_programs=request.revoke_access_tokens
            )

    @allow(ANYONE)
    async def RequestPasswordReset(
        self, request: pb.RequestPasswordResetRequest, context: Any
    ) -> pb.RequestPasswordResetResponse:
        to = Mailbox.of("", request.email, field="email")
        made = await self._with.codes.request(Purpose.RESET, to)
        return pb.RequestPasswordResetResponse(reset_id=str(made.id), expires_at=timestamp(made.expires_at))

    @allow(ANYONE)
    async def ResetPassword(self, request: pb.ResetPasswordRequest, context: Any) -> pb.ResetPasswordResponse:
        id_ = parse_uuid(request.reset_id, "reset_id")
        refuse_weak("new_password", request.new_password)
        asked = await self._with.codes.check(Purpose.RESET, id_, request.code)
        password_hash = await self._with.passwords.hash(request.new_password)
        async with self._database.transaction() as tx:
            await self._with.codes.take(tx, asked)
            account = await store.get_for_change(tx, asked.account_id or NO_SESSION)
            if account is None:
                raise InvalidCode
            await self._set_password(tx, account, password_hash, kept=NO_SESSION, end_programs=True)
        return pb.ResetPasswordResponse()

    @allow(with_role("admin"))
    async def SetRoles(self, request: pb.SetRolesRequest, context: Any) -> pb.SetRolesResponse:
        id_, roles = parse_uuid(request.account_id, "account_id"), roles_of(request.roles)
        async with self._database.transaction() as tx:
            await self._step_ups.require(tx)
            admins = await store.lock_admins(tx)
            account = await store.get_for_change(tx, id_)
            if account is None:
                raise AccountNotFound
            if admins == [id_] and "admin" not in roles:
                raise LimitReached("the last administrator stays one")
            if roles != account.roles:
                details = {"roles": ",".join(sorted(roles)), "before": ",".join(sorted(account.roles))}
                account = await store.set_roles(tx, account, roles)
                await self._trail.write(tx, "account.roles_set", account_id=id_, details=details)
        return pb.SetRolesResponse(account=convert.account_proto(account))

    async def _set_password(
        self, tx: Connection, account: Account, password_hash: str, *, kept: UUID, end_programs: bool
    ) -> pb.ChangePasswordResponse:
        """Store another password, and end what may have come from the one before; tell the owner what goes on."""
        now = self._with.now()
        await store.set_password(tx, account.id, password_hash, now)
        await store.remove_requests(tx, account.email_key, Purpose.RESET)
        ended = pb.ChangePasswordResponse(
            revoked_sessions=len(await sessions.revoke_others(tx, account.id, kept, "password changed", now)),
            revoked_access_tokens=await access_tokens.revoke_all(tx, account.id) if end_programs else 0,
        )
        left = {
            "access_tokens": await access_tokens.count(tx, account.id),
            "passkeys": [passkey.name for passkey in await passkeys.of(tx, account.id)],
        }
        await self._notices.tell(tx, account, "password_changed", reset=kept == NO_SESSION, **left)
        details = {
            "ended_sessions": str(ended.revoked_sessions),
            "ended_access_tokens": str(ended.revoked_access_tokens),
        }
        await self._trail.write(tx, "account.password_changed", account_id=account.id, details=details)
        return ended
