"""What the service keeps: an audit trail that shows tampering, keys that change, and nothing longer than it must."""

import asyncio
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import psycopg
import pytest
from argon2 import PasswordHasher

from auth import jobs as keeping
from auth.access_tokens import store as access_tokens
from auth.accounts import store as accounts
from auth.audit import store as audit
from auth.audit.chain import Verification
from auth.passkeys import store as passkeys
from auth.secrets import Secrets
from auth.sessions import pending
from auth.sessions import store as sessions
from auth.settings import Settings
from auth.signing import issuer
from auth.signing.keys import LEAD, OVERLAP, SigningKey, published, signing
from auth.signing.store import all_keys
from auth.testing import PASSWORD, People, somewhere
from chassis.errors import RemoteError
from chassis.house import House
from chassis.testing.client import Client
from chassis.testing.plugin import Logins
from chassis.testing.process import environment
from neoforge.auth.v1 import accounts_pb2, audit_pb2, passkeys_pb2

NOW = datetime(2026, 1, 1, tzinfo=UTC)


async def verified(house: House[Settings]) -> Verification:
    verification = Verification()
    secrets = Secrets(house.settings.auth_secret.get_secret_value())
    async with house.database.connection() as connection:
        verification.follow(await audit.after(connection, 0, 1_000), secrets)
    return verification


async def test_the_audit_trail_holds_until_somebody_changes_removes_or_adds_an_entry(
    people: People, house: House[Settings], database: Logins
) -> None:
    await people.registered("ines@example.test")
    for _ in range(3):
        await people.signed_in("ines@example.test")
    assert (await verified(house)).entries == 4
    for tampering in (
        "UPDATE auth.audit_entries SET address = '203.0.113.1' WHERE position = 2",
        "DELETE FROM auth.audit_entries WHERE position = 3",
    ):
        with psycopg.connect(database.service) as as_service, pytest.raises(psycopg.errors.InsufficientPrivilege):
            as_service.execute(tampering.encode())
    with psycopg.connect(database.admin) as admin:
        admin.execute(b"DELETE FROM auth.audit_entries WHERE position = 3")
    assert (await verified(house)).broken_at == 3
    with psycopg.connect(database.admin) as admin:
        admin.execute(b"UPDATE auth.audit_entries SET address = '203.0.113.1' WHERE position = 2")
    assert (await verified(house)).broken_at == 2


async def test_one_reads_ones_own_entries_and_an_administrator_all(call: Client, people: People, ines: Any) -> None:
    mara = await people.registered("mara@example.test")
    await people.registered("tomas@example.test")
    as_mara = await people.signed_in("mara@example.test")
    own = await call(as_mara.caller, "ListAuditEntries", audit_pb2.ListAuditEntriesRequest())
    assert [entry.kind for entry in own.entries] == ["session.signed_in", "account.registered"]
    assert {entry.account_id for entry in own.entries} == {mara.id}
    everybody = audit_pb2.ListAuditEntriesRequest(everybody=True)
    assert (await call(ines, "ListAuditEntries", everybody)).page.total == 3
    with pytest.raises(RemoteError) as refused:
        await call(as_mara.caller, "ListAuditEntries", everybody)
    assert refused.value.reason == "FORBIDDEN"


def test_a_key_is_published_before_it_signs_and_after_its_successor_does(settings: Settings) -> None:
    secrets = Secrets(settings.auth_secret.get_secret_value())
    old = SigningKey.new(secrets, NOW, NOW)
    new = SigningKey.new(secrets, NOW + timedelta(days=1), NOW + timedelta(days=1) + LEAD)
    keys = [old, new]
    assert signing(keys, NOW + timedelta(days=1)) == old
    assert published(keys, NOW + timedelta(days=1)) == [old, new]
    assert signing(keys, new.signs_from) == new
    assert published(keys, new.signs_from + OVERLAP - timedelta(seconds=1)) == [old, new]
    assert published(keys, new.signs_from + OVERLAP) == [new]


async def test_keys_rotate_when_they_are_old_and_those_that_nothing_needs_go(
    people: People, house: House[Settings], settings: Settings
) -> None:
    await people.registered("ines@example.test")
    tokens = (await people.signed_in("ines@example.test")).tokens
    secrets = Secrets(settings.auth_secret.get_secret_value())
    month = timedelta(days=30)
    now = datetime.now(UTC)
    assert not await issuer.rotate(house.database, secrets, now, at_least=month)
    assert await issuer.rotate(house.database, secrets, now + month, at_least=month)
    async with house.database.connection() as connection:
        assert len(await all_keys(connection)) == 2
    await issuer.rotate(house.database, secrets, now + month + LEAD + OVERLAP, at_least=month)
    async with house.database.connection() as connection:
        (kept,) = await all_keys(connection)
    assert kept.id != jwt.get_unverified_header(tokens.access_token)["kid"]


async def test_what_ended_long_ago_is_removed_and_nothing_else(
    people: People, house: House[Settings], database: Logins
) -> None:
    await people.registered("ines@example.test")
    live, ended = [await people.signed_in("ines@example.test") for _ in range(2)]
    with psycopg.connect(database.admin) as admin:
        admin.execute(
            b"UPDATE auth.user_sessions SET revoked_at = now() - interval '31 days' WHERE id = %s",
            (ended.tokens.session_id,),
        )
    before = datetime.now(UTC) - keeping.KEPT
    async with house.database.connection() as connection:
        assert await sessions.prune(connection, before) == 1
        assert await sessions.prune(connection, before) == 0
        assert await accounts.forget_requests(connection, before) == 0
        assert await access_tokens.forget(connection, before) == 0
    assert (await people.refreshed(live.tokens.refresh_token)).refresh_token


async def test_what_nobody_completed_or_answered_is_removed_once_its_time_is_over(
    call: Client, people: People, house: House[Settings], clock: Any
) -> None:
    await people.registered("ines@example.test")
    await people.enrolled(await people.signed_in("ines@example.test"))
    await people.asked("ines@example.test")
    request = passkeys_pb2.BeginPasskeyProofRequest(purpose=passkeys_pb2.PASSKEY_PURPOSE_SIGN_IN)
    await call(somewhere(), "BeginPasskeyProof", request)
    for moment, removed in ((clock(), 0), (clock() + timedelta(minutes=11), 1)):
        async with house.database.connection() as connection:
            assert await pending.forget(connection, moment) == removed
            assert await passkeys.forget_challenges(connection, moment) == removed


async def test_an_outdated_hash_is_made_anew_at_the_next_sign_in(
    people: People, database: Logins, house: House[Settings]
) -> None:
    await people.registered("ines@example.test")
    weak = PasswordHasher(time_cost=1, memory_cost=8_192, parallelism=1).hash(PASSWORD)
    with psycopg.connect(database.admin) as admin:
        admin.execute(b"UPDATE auth.accounts SET password_hash = %s", (weak,))
    await people.signed_in("ines@example.test")
    async with house.database.connection() as connection:
        account = await accounts.by_email(connection, "ines@example.test")
    assert account is not None
    assert "m=19456,t=2,p=1" in account.password_hash


async def test_the_last_administrator_stays_one_and_roles_end_sessions(call: Client, people: People, ines: Any) -> None:
    account = await people.registered("mara@example.test")
    mara = await people.signed_in("mara@example.test")
    for roles in (["admin"], ["user", "admin"]):
        wish = accounts_pb2.SetRolesRequest(account_id=account.id, roles=roles)
        assert list((await call(ines, "SetRoles", wish)).account.roles) == ["admin", "user"]
    with pytest.raises(RemoteError) as ended:
        await people.refreshed(mara.tokens.refresh_token)
    assert ended.value.reason == "INVALID_REFRESH_TOKEN"
    with pytest.raises(RemoteError) as last:
        await call(ines, "SetRoles", accounts_pb2.SetRolesRequest(account_id=account.id, roles=["user"]))
    assert last.value.reason == "LIMIT_REACHED"
    with pytest.raises(RemoteError) as stranger:
        await call(somewhere(), "SetRoles", accounts_pb2.SetRolesRequest(account_id=account.id))
    assert stranger.value.reason == "UNAUTHENTICATED"


def run(settings: Settings, *words: str, told: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "auth", *words],
        env={"PATH": "/usr/bin:/bin"} | environment(settings),
        input=told,
        capture_output=True,
        text=True,
        check=False,
    )


async def test_an_operator_turns_the_second_factor_of_somebody_off_who_has_lost_it(
    call: Client, people: People, settings: Settings
) -> None:
    await people.registered("ines@example.test")
    ines = await people.signed_in("ines@example.test")
    await people.enrolled(ines)
    done = await asyncio.to_thread(run, settings, "remove-second-factor", "Ines@example.test")
    assert done.returncode == 0, done.stderr
    assert (await people.signed_in("ines@example.test")).tokens.access_token
    entries = (await call(ines.caller, "ListAuditEntries", audit_pb2.ListAuditEntriesRequest())).entries
    (off,) = [entry for entry in entries if entry.kind == "account.second_factor_disabled"]
    assert (off.actor_id, dict(off.details)) == ("", {"by": "command"})
    again = await asyncio.to_thread(run, settings, "remove-second-factor", "ines@example.test")
    assert again.returncode == 1


def test_an_administrator_is_made_from_the_command_line_and_the_trail_verified(
    settings: Settings, database: Logins
) -> None:
    weak = run(settings, "bootstrap-admin", "ines@example.test", told="password12\n")
    assert weak.returncode == 1
    assert "tried first" in weak.stderr
    made = run(settings, "bootstrap-admin", "ines@example.test", "--name", "Ines", told=f"{PASSWORD}\n")
    assert made.returncode == 0, made.stderr
    assert PASSWORD not in made.stdout + made.stderr
    verified_ = run(settings, "verify-audit")
    assert verified_.returncode == 0
    assert verified_.stdout.startswith("1 entries hold")
    with psycopg.connect(database.admin) as admin:
        admin.execute(b"UPDATE auth.audit_entries SET kind = 'account.other'")
    broken = run(settings, "verify-audit")
    assert broken.returncode == 1
    assert "breaks at entry 1" in broken.stderr
