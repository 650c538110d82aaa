"""neoforge.auth.v1.PasskeysService: each RPC parses, decides, stores and replies."""

from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from auth.accounts import store as accounts
from auth.accounts.model import Account
from auth.equipment import Equipment
from auth.errors import AccountNotFound, InvalidPendingSignIn, PasskeyNotFound
from auth.notices import Notices
from auth.passkeys import convert, store
from auth.passkeys.ceremonies import Made, Unverified
from auth.passkeys.model import MAX_PASSKEYS, Passkey, Purpose, check_name
from auth.passkeys.proof import PasskeyProof
from auth.sessions import pending
from auth.sessions.stepup import StepUps
from chassis import call as calls
from chassis.access import ANYONE, SIGNED_IN, allow
from chassis.convert import from_enum, needed, page_proto, parse_uuid, timestamp
from chassis.database import Connection
from chassis.errors import InvalidFields, LimitReached, VersionMismatch, Violation
from neoforge.auth.v1 import passkeys_pb2 as pb
from neoforge.auth.v1 import passkeys_pb2_grpc


class PasskeysServicer(passkeys_pb2_grpc.PasskeysServiceServicer):
    """Answers the calls of PasskeysService from PostgreSQL."""

    def __init__(self, equipment: Equipment) -> None:
        self._with = equipment
        self._database = equipment.database
        self._idempotency = equipment.idempotency
        self._notices = Notices(equipment)
        self._proof = PasskeyProof(equipment)
        self._step_ups = StepUps(equipment)

    @allow(SIGNED_IN)
    async def BeginPasskeyRegistration(
        self, request: pb.BeginPasskeyRegistrationRequest, context: Any
    ) -> pb.BeginPasskeyRegistrationResponse:
        async with self._database.transaction() as tx:
            await self._step_ups.require(tx)
            account = await self._account(tx)
            known = await store.of(tx, account.id)
            _refuse_too_many(len(known))
            challenge = await self._proof.challenge(tx, Purpose.REGISTER, account.id)
        options = await self._with.ceremonies.creation_options(account, known, challenge)
        return pb.BeginPasskeyRegistrationResponse(
            challenge_id=str(challenge.id), options=options, expires_at=timestamp(challenge.expires_at)
        )

    @allow(SIGNED_IN)
    async def FinishPasskeyRegistration(
        self, request: pb.FinishPasskeyRegistrationRequest, context: Any
    ) -> pb.FinishPasskeyRegistrationResponse:
        id_, person = parse_uuid(request.challenge_id, "challenge_id"), calls.current().person
        check_name("name", request.name)
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.FinishPasskeyRegistrationResponse)
            if earlier:
                return earlier
            await self._step_ups.require(tx)
        made = await self._made(id_, person, request.credential)
        now = self._with.now()
        passkey = Passkey(
            id=uuid7(),
            account_id=person,
            credential_id=made.credential_id,
            public_key=made.public_key,
            sign_count=made.sign_count,
            transports=made.transports,
            synced=made.synced,
            name=request.name,
            created_at=now,
            updated_at=now,
            last_used_at=None,
            version=1,
        )
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.FinishPasskeyRegistrationResponse)
            if earlier:
                return earlier
            account = await self._account(tx)
            _refuse_too_many(await store.count(tx, account.id))
            if not await store.insert(tx, passkey):
                raise InvalidFields.of([Violation("credential", "is registered already")])
            await self._notices.tell(tx, account, "passkey_added", name=passkey.name)
            reply = pb.FinishPasskeyRegistrationResponse(passkey=convert.passkey_proto(passkey))
            await self._idempotency.record(tx, reply)
            await self._write(tx, "passkey.added", passkey.id)
        return reply

    @allow(ANYONE)
    async def BeginPasskeyProof(
        self, request: pb.BeginPasskeyProofRequest, context: Any
    ) -> pb.BeginPasskeyProofResponse:
        purpose = needed(from_enum(pb.PasskeyPurpose, Purpose, request.purpose, "purpose"), "purpose")
        async with self._database.transaction() as tx:
            account_id: UUID | None = None
            if purpose is Purpose.STEP_UP:
                account_id = calls.current().person
            elif purpose is Purpose.SECOND_FACTOR:
                asked = await pending.get(tx, request.pending, self._with.secrets)
                if asked is None or asked.used_up or not asked.good(self._with.now()):
                    raise InvalidPendingSignIn
                account_id = asked.account_id
            known = await store.of(tx, account_id) if account_id else []
            challenge = await self._proof.challenge(tx, purpose, account_id)
        options = await self._with.ceremonies.request_options(known, challenge)
        return pb.BeginPasskeyProofResponse(
            challenge_id=str(challenge.id), options=options, expires_at=timestamp(challenge.expires_at)
        )

    @allow(SIGNED_IN)
    async def GetPasskey(self, request: pb.GetPasskeyRequest, context: Any) -> pb.GetPasskeyResponse:
        id_, person = parse_uuid(request.id, "id"), calls.current().person
        async with self._database.connection() as connection:
            passkey = await store.get(connection, id_, person)
        if passkey is None:
            raise PasskeyNotFound
        return pb.GetPasskeyResponse(passkey=convert.passkey_proto(passkey))

    @allow(SIGNED_IN)
    async def ListPasskeys(self, request: pb.ListPasskeysRequest, context: Any) -> pb.ListPasskeysResponse:
        person = calls.current().person
        scope = f"passkeys {person}"
        asked = self._with.cursors.request(
            page_size=request.page_size, page=request.page, cursor=request.cursor, scope=scope
        )
        async with self._database.connection() as connection:
            page = await store.page(connection, person, asked, self._with.cursors, scope)
        return pb.ListPasskeysResponse(passkeys=map(convert.passkey_proto, page.rows), page=page_proto(page))

    @allow(SIGNED_IN)
    async def UpdatePasskey(self, request: pb.UpdatePasskeyRequest, context: Any) -> pb.UpdatePasskeyResponse:
        id_, person = parse_uuid(request.passkey.id, "passkey.id"), calls.current().person
        changes = convert.changes(request)
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.UpdatePasskeyResponse)
            if earlier:
                return earlier
            passkey = await store.get_for_change(tx, id_, person)
            if passkey is None:
                raise PasskeyNotFound
            VersionMismatch.check("passkey", request.expected_version, passkey.version)
            changed = passkey.changed(changes, self._with.now())
            if changed is not passkey:
                await store.update(tx, changed)
            reply = pb.UpdatePasskeyResponse(passkey=convert.passkey_proto(changed))
            return await self._idempotency.record(tx, reply)

    @allow(SIGNED_IN)
    async def DeletePasskey(self, request: pb.DeletePasskeyRequest, context: Any) -> pb.DeletePasskeyResponse:
        id_ = parse_uuid(request.id, "id")
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.DeletePasskeyResponse)
            if earlier:
                return earlier
            await self._step_ups.require(tx)
            account = await self._account(tx)
            name = await store.delete(tx, id_, account.id)
            if name is None:
                raise PasskeyNotFound
            await self._notices.tell(tx, account, "passkey_removed", name=name)
            reply = await self._idempotency.record(tx, pb.DeletePasskeyResponse())
            await self._write(tx, "passkey.removed", id_)
        return reply

    async def _account(self, tx: Connection) -> Account:
        """Give the caller's account; their passkeys are added and removed one after another."""
        account = await accounts.get_for_change(tx, calls.current().person)
        if account is None:
            raise AccountNotFound
        return account

    async def _made(self, challenge_id: UUID, person: UUID, credential: str) -> Made:
        challenge = await self._proof.take(challenge_id, Purpose.REGISTER, person)
        if challenge is None:
            raise InvalidFields.of([Violation("challenge_id", "is over, was answered, or is another person's")])
        try:
            return await self._with.ceremonies.made(credential, challenge)
        except Unverified:
            raise InvalidFields.of([Violation("credential", "does not hold as an answer to the challenge")]) from None

    async def _write(self, tx: Connection, kind: str, id_: UUID) -> None:
        details = {"passkey_id": str(id_)}
        await self._with.trail.write(tx, kind, account_id=calls.current().person, details=details)


def _refuse_too_many(number: int) -> None:
    if number >= MAX_PASSKEYS:
        raise LimitReached(f"a person has at most {MAX_PASSKEYS} passkeys")
