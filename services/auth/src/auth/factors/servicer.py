"""neoforge.auth.v1.SecondFactorService: each RPC parses, decides, stores and replies."""

from typing import Any
from uuid import UUID

import pyotp

from auth.accounts import store as accounts
from auth.accounts.model import Account
from auth.audit.trail import session_of
from auth.equipment import Equipment
from auth.errors import AccountNotFound, SecondFactorOff, SecondFactorOn, WrongSecondFactor
from auth.factors import recovery, store
from auth.factors.model import CONFIRM_WITHIN, Totp, step_of, uri_of
from auth.factors.proof import SEALED, TOTP, SecondFactor, Tried
from auth.factors.qr import svg_of
from auth.notices import Notices
from auth.passkeys import store as passkeys
from auth.sessions import store as sessions
from auth.sessions.stepup import StepUps
from chassis import call as calls
from chassis.access import SIGNED_IN, allow
from chassis.convert import timestamp
from chassis.database import Connection
from neoforge.auth.v1 import second_factor_pb2 as pb
from neoforge.auth.v1 import second_factor_pb2_grpc


class SecondFactorServicer(second_factor_pb2_grpc.SecondFactorServiceServicer):
    """Answers the calls of SecondFactorService from PostgreSQL."""

    def __init__(self, equipment: Equipment) -> None:
        self._with = equipment
        self._database = equipment.database
        self._factors = SecondFactor(equipment)
        self._notices = Notices(equipment)
        self._step_ups = StepUps(equipment)

    @allow(SIGNED_IN)
    async def GetSecondFactor(self, request: pb.GetSecondFactorRequest, context: Any) -> pb.GetSecondFactorResponse:
        person = calls.current().person
        async with self._database.connection() as connection:
            totp = await store.get(connection, person)
            reply = pb.GetSecondFactorResponse(passkeys=await passkeys.count(connection, person))
            if totp is not None and totp.confirmed_at is not None:
                reply.enabled_at.CopyFrom(timestamp(totp.confirmed_at))
                reply.recovery_codes_left = await store.codes_left(connection, person)
        return reply

    @allow(SIGNED_IN)
    async def BeginTotp(self, request: pb.BeginTotpRequest, context: Any) -> pb.BeginTotpResponse:
        person, now = calls.current().person, self._with.now()
        secret = pyotp.random_base32()
        sealed = self._with.secrets.seal(SEALED, secret.encode(), person.bytes)
        async with self._database.transaction() as tx:
            await self._step_ups.require(tx)
            account = await self._account(tx, person)
            if not await store.begin(tx, Totp(person, sealed, 0, now, None)):
                raise SecondFactorOn
            await self._with.trail.write(tx, "account.second_factor_begun", account_id=person)
        uri = uri_of(secret, self._with.party.name, account.email)
        expires_at = timestamp(now + CONFIRM_WITHIN)
        return pb.BeginTotpResponse(secret=secret, uri=uri, qr_svg=svg_of(uri), expires_at=expires_at)

    @allow(SIGNED_IN)
    async def ConfirmTotp(self, request: pb.ConfirmTotpRequest, context: Any) -> pb.ConfirmTotpResponse:
        person = calls.current().person
        async with self._database.connection() as connection:
            await self._waiting(connection, person)
        tried = await self._factors.count(person)
        try:
            codes = await self._confirm(person, request.code, tried)
        except WrongSecondFactor as fault:
            await self._factors.refused(person, TOTP, fault, at="confirmation")
            raise
        return pb.ConfirmTotpResponse(recovery_codes=codes)

    @allow(SIGNED_IN)
    async def DisableTotp(self, request: pb.DisableTotpRequest, context: Any) -> pb.DisableTotpResponse:
        async with self._database.transaction() as tx:
            await self._step_ups.require(tx)
            account = await self._account(tx, calls.current().person)
            if not await store.disable(tx, account.id):
                raise SecondFactorOff
            await self._notices.tell(tx, account, "second_factor_off")
            await self._with.trail.write(tx, "account.second_factor_disabled", account_id=account.id)
        return pb.DisableTotpResponse()

    @allow(SIGNED_IN)
    async def RenewRecoveryCodes(
        self, request: pb.RenewRecoveryCodesRequest, context: Any
    ) -> pb.RenewRecoveryCodesResponse:
        async with self._database.transaction() as tx:
            await self._step_ups.require(tx)
            account = await self._account(tx, calls.current().person)
            if not await store.enabled(tx, account.id):
                raise SecondFactorOff
            codes = await self._renew_codes(tx, account.id)
            await self._notices.tell(tx, account, "recovery_codes_renewed")
            await self._with.trail.write(tx, "account.recovery_codes_renewed", account_id=account.id)
        return pb.RenewRecoveryCodesResponse(recovery_codes=codes)

    async def _waiting(self, connection: Connection, person: UUID) -> Totp:
        """Give a person's app that waits to be confirmed."""
        totp = await store.get(connection, person)
        if totp is not None and totp.confirmed_at is not None:
            raise SecondFactorOn
        if totp is None or not totp.waits(self._with.now()):
            raise SecondFactorOff
        return totp

    async def _confirm(self, person: UUID, code: str, tried: Tried) -> list[str]:
        """Turn the second factor on, if this is a code of the app that waits; give the recovery codes."""
        now = self._with.now()
        async with self._database.transaction() as tx:
            account = await self._account(tx, person)
            totp = await self._waiting(tx, person)
            step = step_of(self._factors.secret(totp.sealed_secret, person), code, now)
            if step is None or not await store.confirm(tx, totp, step, now):
                raise WrongSecondFactor
            await self._factors.forget(tx, tried)
            codes = await self._renew_codes(tx, person)
            if session_id := session_of(calls.current()):
                await sessions.prove(tx, session_id, person, now, with_factor=True)
            await self._notices.tell(tx, account, "second_factor_on")
            await self._with.trail.write(tx, "account.second_factor_enabled", account_id=person)
        return codes

    async def _account(self, tx: Connection, person: UUID) -> Account:
        account = await accounts.get_for_change(tx, person)
        if account is None:
            raise AccountNotFound
        return account

    async def _renew_codes(self, tx: Connection, account_id: UUID) -> list[str]:
        codes = recovery.fresh()
        hashed = [recovery.hashed(code, account_id, self._with.secrets) for code in codes]
        await store.replace_codes(tx, account_id, hashed)
        return codes
