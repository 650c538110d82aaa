"""What changed roles and changed passwords end, and what goes on."""

import asyncio
import json
from typing import Any
from uuid import UUID

import jwt
import psycopg
import pytest

from auth.mails import add_code
from auth.settings import Settings
from auth.testing import PASSWORD, People, kinds, refused, somewhere
from auth.testing_authenticator import Authenticator, registered
from chassis.house import House
from chassis.mail.templates import Templates
from chassis.testing.client import Client
from chassis.testing.plugin import Logins
from chassis.testing.waiting import until
from neoforge.auth.v1 import access_tokens_pb2, accounts_pb2, verification_pb2

ANOTHER = "another horse battery staple"
PERSON = "mara@example.test"


async def program_of(call: Client, caller: Any, name: str = "Deploys") -> str:
    made = await call(caller, "CreateAccessToken", access_tokens_pb2.CreateAccessTokenRequest(name=name))
    return str(made.secret)


async def resolved(call: Client, program: str) -> Any:
    return await call(somewhere(), "ResolveAccessToken", verification_pb2.ResolveAccessTokenRequest(token=program))


async def told(call: Client) -> set[str]:
    reply = await call(somewhere(), "ListRevocations", verification_pb2.ListRevocationsRequest())
    return {str(UUID(bytes=id_)) for id_ in reply.ids}


def claims_of(tokens: Any) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(tokens.access_token, options={"verify_signature": False})
    return claims


def roles(account: Any, *names: str) -> accounts_pb2.SetRolesRequest:
    return accounts_pb2.SetRolesRequest(account_id=account.id, roles=names)


async def reset(call: Client, people: People) -> None:
    asked = await call(somewhere(), "RequestPasswordReset", accounts_pb2.RequestPasswordResetRequest(email=PERSON))
    wish = accounts_pb2.ResetPasswordRequest(
        reset_id=asked.reset_id, code=await people.code(PERSON), new_password=ANOTHER
    )
    await call(somewhere(), "ResetPassword", wish)


def last_letter(database: Logins) -> dict[str, Any]:
    with psycopg.connect(database.admin) as admin:
        row = admin.execute("SELECT payload FROM auth.outbox ORDER BY position DESC LIMIT 1").fetchone()
    assert row is not None
    payload: dict[str, Any] = row[0] if isinstance(row[0], dict) else json.loads(row[0])
    return payload


async def test_tokens_with_the_roles_before_are_told_and_a_refresh_brings_the_new_ones(
    call: Client, people: People
) -> None:
    ines, mara = await people.administrator(), await people.registered(PERSON)
    before = await people.signed_in(PERSON)
    program = await program_of(call, before.caller)
    outdated = claims_of(before.tokens)["rid"]
    assert (await resolved(call, program)).roles_id == outdated
    token = before.tokens.refresh_token
    for names in (("user", "agent"), ("user",), ("user", "agent")):
        assert outdated not in await told(call)
        await call(ines.caller, "SetRoles", roles(mara, *names))
        assert outdated in await told(call)
        refreshed = await people.refreshed(token)
        token, claims = refreshed.refresh_token, claims_of(refreshed)
        assert claims["roles"] == sorted(names)
        found = await resolved(call, program)
        assert list(found.roles) == sorted(names)
        assert found.roles_id == claims["rid"] != outdated
        outdated = claims["rid"]
    # What changes nothing ends nothing.
    await call(ines.caller, "SetRoles", roles(mara, "agent"))
    assert outdated not in await told(call)
    assert (await kinds(call, before.caller)).count("account.roles_set") == 3


async def test_roles_are_set_by_an_administrator_who_proved_it_lately(call: Client, people: People, clock: Any) -> None:
    ines, mara = await people.administrator(), await people.registered(PERSON)
    as_mara = await people.signed_in(PERSON)
    clock.pass_time(minutes=11)
    await refused(call(ines.caller, "SetRoles", roles(mara, "admin")), "STEP_UP_REQUIRED")
    await refused(call(as_mara.caller, "SetRoles", roles(mara, "admin")), "FORBIDDEN")
    await refused(call(somewhere(), "SetRoles", roles(mara, "admin")), "UNAUTHENTICATED")
    again = await people.signed_in(ines.email)
    made = await call(again.caller, "SetRoles", roles(mara, "admin"))
    assert list(made.account.roles) == ["admin", "user"]


async def test_the_last_administrator_stays_one(call: Client, people: People) -> None:
    ines, mara = await people.administrator(), await people.registered(PERSON)
    await call(ines.caller, "SetRoles", roles(mara, "admin"))
    await call(ines.caller, "SetRoles", accounts_pb2.SetRolesRequest(account_id=ines.account_id))
    as_mara = await people.signed_in(PERSON)
    await refused(call(as_mara.caller, "SetRoles", roles(mara, "user")), "LIMIT_REACHED")


async def test_the_mail_to_an_address_that_nobody_proved_holds_nothing_that_the_registrant_wrote(
    call: Client, house: House[Settings], database: Logins
) -> None:
    name = "Support: your account was hacked, call us"
    wish = accounts_pb2.RegisterRequest(email=PERSON, password=PASSWORD, name=name, language="en")
    await call(somewhere(), "Register", wish)
    letter = last_letter(database)
    completed = await add_code(house, letter["context"])
    assert completed is not None
    content = Templates("auth").render("register_code", "en", {**letter["context"], **completed.context})
    for text in (json.dumps(letter), content.subject, content.text, content.html):
        assert "hacked" not in text
    assert completed.context["code"] in content.text


async def test_a_reset_by_mail_ends_sessions_and_programs_and_tells_which_passkeys_go_on(
    call: Client, people: People, database: Logins
) -> None:
    await people.registered(PERSON)
    mara = await people.signed_in(PERSON)
    program = await program_of(call, mara.caller)
    await registered(call, mara.caller, Authenticator("https://forge.example.test"))
    found = await resolved(call, program)
    await reset(call, people)
    await refused(people.refreshed(mara.tokens.refresh_token), "INVALID_REFRESH_TOKEN")
    await refused(resolved(call, program), "UNAUTHENTICATED")
    assert {found.id, mara.tokens.session_id} <= await told(call)
    letter = last_letter(database)
    assert letter["template"] == "password_changed"
    assert letter["context"]["reset"]
    assert (letter["context"]["access_tokens"], letter["context"]["passkeys"]) == (0, ["Phone"])
    assert (await kinds(call, mara.caller))[0] == "account.password_changed"


@pytest.mark.parametrize("revoke", [False, True])
async def test_a_change_leaves_programs_to_the_owners_choice_and_tells_what_goes_on(
    call: Client, people: People, database: Logins, revoke: bool
) -> None:
    await people.registered(PERSON)
    mara, elsewhere = await people.signed_in(PERSON), await people.signed_in(PERSON)
    programs = [await program_of(call, mara.caller, name) for name in ("Deploys", "Backups")]
    wish = accounts_pb2.ChangePasswordRequest(
        current_password=PASSWORD, new_password=ANOTHER, revoke_access_tokens=revoke
    )
    ended = await call(mara.caller, "ChangePassword", wish)
    assert (ended.revoked_sessions, ended.revoked_access_tokens) == (1, 2 if revoke else 0)
    await refused(people.refreshed(elsewhere.tokens.refresh_token), "INVALID_REFRESH_TOKEN")
    assert (await people.refreshed(mara.tokens.refresh_token)).access_token
    for program in programs:
        if revoke:
            await refused(resolved(call, program), "UNAUTHENTICATED")
        else:
            assert (await resolved(call, program)).subject == str(mara.caller.subject)
    context = last_letter(database)["context"]
    assert (context["reset"], context["access_tokens"]) == (False, 0 if revoke else 2)


async def test_a_change_to_the_same_password_is_refused_and_ends_nothing(call: Client, people: People) -> None:
    await people.registered(PERSON, "the café behind the corner")
    mara = await people.signed_in(PERSON, "the café behind the corner")
    elsewhere = await people.signed_in(PERSON, "the café behind the corner")
    for same in ("the café behind the corner", "the cafe\u0301 behind the corner"):
        wish = accounts_pb2.ChangePasswordRequest(current_password="the café behind the corner", new_password=same)
        fault = await refused(call(mara.caller, "ChangePassword", wish), "INVALID_FIELDS")
        assert [violation.field for violation in fault.violations] == ["new_password"]
    assert (await people.refreshed(elsewhere.tokens.refresh_token)).access_token


async def test_a_code_that_was_asked_for_before_a_change_leads_nowhere(call: Client, people: People) -> None:
    await people.registered(PERSON)
    mara = await people.signed_in(PERSON)
    asked = await call(somewhere(), "RequestPasswordReset", accounts_pb2.RequestPasswordResetRequest(email=PERSON))
    code = await people.code(PERSON)
    change = accounts_pb2.ChangePasswordRequest(current_password=PASSWORD, new_password=ANOTHER)
    await call(mara.caller, "ChangePassword", change)
    wish = accounts_pb2.ResetPasswordRequest(reset_id=asked.reset_id, code=code, new_password=PASSWORD)
    await refused(call(somewhere(), "ResetPassword", wish), "INVALID_CODE")


async def test_a_token_that_is_made_while_the_password_is_reset_does_not_outlive_it(
    call: Client, people: People, database: Logins
) -> None:
    await people.registered(PERSON)
    mara = await people.signed_in(PERSON)
    # Both wait for the account, the reset first: whoever comes second finds what the other has done.
    with psycopg.connect(database.admin) as admin:
        admin.execute("SELECT FROM auth.accounts FOR UPDATE")
        resetting = asyncio.create_task(reset(call, people))
        await until(lambda: waiting(database) == 1, longest_s=60)
        making = asyncio.create_task(program_of(call, mara.caller))
        await until(lambda: waiting(database) == 2, longest_s=60)
    await resetting
    await refused(making, "STEP_UP_REQUIRED")


def waiting(database: Logins) -> int:
    """Give how many transactions wait for a row."""
    with psycopg.connect(database.admin) as admin:
        (number,) = admin.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        ).fetchone() or (0,)
    return int(number)


async def test_a_text_that_is_no_address_is_nobodys_and_counted_like_one(call: Client, people: People) -> None:
    for _ in range(10):
        await refused(people.signed_in("Ines (at) example"), "INVALID_CREDENTIALS")
    await refused(people.signed_in("ines (at) example"), "TOO_MANY_ATTEMPTS")
    await refused(people.signed_in("mara (at) example"), "INVALID_CREDENTIALS")
