"""Accounts: registering, passwords, roles."""

from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import Path
from pydantic_core import to_json

from gateway.call import Call
from gateway.declaration import NO_CONTENT, Declaration, Kind, Tagged
from gateway.moments import rfc3339
from gateway.operations import Operations
from gateway.representation import Answer, tag_of
from gateway.routes.auth_factors import MAILS, proving
from gateway.routes.auth_models import (
    Account,
    NewPasswordByCode,
    PasswordChange,
    PasswordChanged,
    Registration,
    RegistrationBegun,
    RegistrationCode,
    ResetBegun,
    ResetWish,
    RoleChange,
)
from gateway.routes.auth_stubs import stubs
from neoforge.auth.v1 import accounts_pb2 as pb

accounts: Final = Operations("accounts")

_PATH: Final = "/api/v1/auth"

AccountId = Annotated[str, Path(description="The account's id.", json_schema_extra={"format": "uuid"})]


@accounts.serve(f"{_PATH}/register", proving(RegistrationBegun, HTTPStatus.ACCEPTED, tier=MAILS))
async def register(call: Call, body: Registration) -> Answer:
    """Begin a registration: a code is mailed to the address, which proves whose it is."""
    begun = (
        await call.ask(
            stubs(call).accounts.Register,
            pb.RegisterRequest(email=body.email, password=body.password, name=body.name, language=body.language),
        )
    ).message
    shown = {"registration_id": begun.registration_id, "expires_at": rfc3339(begun.expires_at)}
    return Answer(to_json(shown), status=HTTPStatus.ACCEPTED)


@accounts.serve(f"{_PATH}/register/confirm", proving(Account, HTTPStatus.CREATED, ("INVALID_CODE",)))
async def confirm_registration(call: Call, body: RegistrationCode) -> Answer:
    """Make the account of a registration by its mailed code."""
    confirmed = await call.ask(
        stubs(call).accounts.ConfirmRegistration,
        pb.ConfirmRegistrationRequest(registration_id=body.registration_id, code=body.code),
    )
    return Answer(to_json(_account_json(confirmed.message.account)), status=HTTPStatus.CREATED)


@accounts.serve(f"{_PATH}/me", Declaration(Kind.READ, "GET", Account, tagged=Tagged.CONTENT, about_account=True))
async def get_account(call: Call) -> Answer:
    """Read the caller's account."""
    reply = await call.ask(stubs(call).accounts.GetAccount, pb.GetAccountRequest())
    body = to_json(_account_json(reply.message.account))
    return Answer(body, tag=tag_of(body))


@accounts.serve(
    f"{_PATH}/password",
    Declaration(
        Kind.CHANGE,
        "POST",
        PasswordChanged,
        tagged=Tagged.CONTENT,
        conflicts=("WRONG_PASSWORD", "STEP_UP_REQUIRED", "TOO_MANY_ATTEMPTS"),
        about_account=True,
    ),
)
async def change_password(call: Call, body: PasswordChange) -> Answer:
    """Change the caller's password; every other session of theirs ends, and their personal access tokens on request."""
    reply = await call.ask(
        stubs(call).accounts.ChangePassword,
        pb.ChangePasswordRequest(
            current_password=body.current_password,
            new_password=body.new_password,
            revoke_access_tokens=body.revoke_access_tokens,
        ),
    )
    ended = reply.message
    return Answer(
        to_json({"revoked_sessions": ended.revoked_sessions, "revoked_access_tokens": ended.revoked_access_tokens})
    )


@accounts.serve(f"{_PATH}/password/reset", proving(ResetBegun, HTTPStatus.ACCEPTED, tier=MAILS))
async def request_password_reset(call: Call, body: ResetWish) -> Answer:
    """Ask for a code with which a new password can be set."""
    asked = await call.ask(stubs(call).accounts.RequestPasswordReset, pb.RequestPasswordResetRequest(email=body.email))
    shown = {"reset_id": asked.message.reset_id, "expires_at": rfc3339(asked.message.expires_at)}
    return Answer(to_json(shown), status=HTTPStatus.ACCEPTED)


@accounts.serve(f"{_PATH}/password/reset/confirm", proving(None, NO_CONTENT, ("INVALID_CODE",)))
async def reset_password(call: Call, body: NewPasswordByCode) -> Answer:
    """Set a new password by a mailed code; every session and every personal access token ends."""
    await call.ask(
        stubs(call).accounts.ResetPassword,
        pb.ResetPasswordRequest(reset_id=body.reset_id, code=body.code, new_password=body.new_password),
    )
    return Answer(status=NO_CONTENT)


@accounts.serve(
    f"{_PATH}/accounts/{{account_id:id}}/roles",
    Declaration(
        Kind.CHANGE,
        "PUT",
        Account,
        tagged=Tagged.CONTENT,
        conflicts=("LIMIT_REACHED", "STEP_UP_REQUIRED"),
        about_account=True,
    ),
)
async def set_roles(call: Call, account_id: AccountId, body: RoleChange) -> Answer:
    """Give an account roles; for administrators. The last administrator stays one.

    Access tokens with the roles before are refused within a second: a refresh brings the new ones.
    """
    reply = await call.ask(stubs(call).accounts.SetRoles, pb.SetRolesRequest(account_id=account_id, roles=body.roles))
    return Answer(to_json(_account_json(reply.message.account)))


def _account_json(account: pb.Account) -> dict[str, Any]:
    return {
        "id": account.id,
        "email": account.email,
        "name": account.name,
        "roles": list(account.roles),
        "language": account.language,
        "created_at": rfc3339(account.created_at),
    }
