"""What the service keeps: keys that change, and nothing longer than it must."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import psycopg
from argon2 import PasswordHasher

from auth import jobs as keeping
from auth.access_tokens import store as access_tokens
from auth.accounts import store as accounts
from auth.passkeys import store as passkeys
from auth.secrets import Secrets
from auth.sessions import pending
from auth.sessions import store as sessions
from auth.settings import Settings
from auth.signing import issuer
from auth.signing.keys import LEAD, OVERLAP, SigningKey, published, signing
from auth.signing.store import all_keys
from auth.testing import PASSWORD, People, command, somewhere
from chassis.house import House
from chassis.testing.client import Client
from chassis.testing.plugin import Logins
from neoforge.auth.v1 import audit_pb2, passkeys_pb2

NOW = datetime(2026, 1, 1, tzinfo=UTC)


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


async def test_an_operator_turns_the_second_factor_of_somebody_off_who_has_lost_it(
    call: Client, people: People, settings: Settings
) -> None:
    await people.registered("ines@example.test")
    ines = await people.signed_in("ines@example.test")
    await people.enrolled(ines)
    done = await asyncio.to_thread(command, settings, "remove-second-factor", "Ines@example.test")
    assert done.returncode == 0, done.stderr
    assert (await people.signed_in("ines@example.test")).tokens.access_token
    entries = (await call(ines.caller, "ListAuditEntries", audit_pb2.ListAuditEntriesRequest())).entries
    (off,) = [entry for entry in entries if entry.kind == "account.second_factor_disabled"]
    assert (off.actor_id, dict(off.details)) == ("", {"by": "command"})
    again = await asyncio.to_thread(command, settings, "remove-second-factor", "ines@example.test")
    assert again.returncode == 1
