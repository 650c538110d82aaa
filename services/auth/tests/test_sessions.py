import asyncio
import json
import logging
from typing import Any
from uuid import UUID

import jwt
import pytest
import sqlalchemy as sa
from opentelemetry.sdk.trace import TracerProvider

from auth.tables import user_sessions
from auth.testing import FIREFOX, PASSWORD, People, caller_of, kinds, somewhere
from chassis.database import statement
from chassis.errors import RemoteError
from chassis.logs import JsonFormatter
from chassis.testing.client import Client
from neoforge.auth.v1 import sessions_pb2, verification_pb2


async def sessions_of(call: Client, caller: Any) -> list[Any]:
    return list((await call(caller, "ListSessions", sessions_pb2.ListSessionsRequest())).sessions)


async def refused(people: People, token: str) -> None:
    with pytest.raises(RemoteError) as wrong:
        await people.refreshed(token)
    assert wrong.value.reason == "INVALID_REFRESH_TOKEN"


async def test_who_registers_and_proves_their_address_signs_in_and_finds_their_session(
    call: Client, people: People
) -> None:
    await people.registered("ines@example.test")
    ines = await people.signed_in("Ines@example.test")
    (session,) = await sessions_of(call, ines.caller)
    assert (session.label, session.user_agent, session.address) == ("Firefox on Linux", FIREFOX, "192.0.2.0/24")
    assert session.is_current


async def test_an_entry_of_the_audit_trail_is_a_line_of_the_log_with_the_ids_of_its_request(
    people: People, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.rpc.server.tracer", TracerProvider().get_tracer("test"))
    formatter, lines = JsonFormatter("auth"), []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(json.loads(formatter.format(record)))

    trail = logging.getLogger("auth.audit.trail")
    trail.addHandler(keep := Keep())
    try:
        with caplog.at_level(logging.INFO, "auth.audit.trail"):
            await people.registered("ines@example.test")
            await people.signed_in("ines@example.test")
    finally:
        trail.removeHandler(keep)
    assert [line["message"].split()[0] for line in lines] == ["audit"] * len(lines)
    assert lines
    for line in lines:
        assert line["request_id"]
        assert len(line["trace_id"]) == 32
        assert len(line["span_id"]) == 16
        assert line["service"] == "auth"
        assert "ines@example.test" not in str(line)


async def test_an_access_token_verifies_with_the_published_keys_and_says_what_it_must(
    call: Client, people: People
) -> None:
    account = await people.registered("ines@example.test")
    tokens = (await people.signed_in("ines@example.test")).tokens
    published = await call(somewhere(), "GetKeySet", verification_pb2.GetKeySetRequest())
    (key,) = jwt.PyJWKSet.from_json(published.jwks).keys
    assert jwt.get_unverified_header(tokens.access_token)["kid"] == key.key_id
    claims = jwt.decode(
        tokens.access_token, key.key, algorithms=["EdDSA"], audience="neoforge", issuer="https://forge.example.test"
    )
    assert (claims["sub"], claims["sid"], claims["roles"]) == (account.id, tokens.session_id, ["user"])
    assert claims["exp"] - claims["iat"] == tokens.expires_in == 300


async def test_a_hundred_concurrent_refreshes_get_one_successor_and_move_the_counter_by_one(
    call: Client, people: People, house: Any
) -> None:
    await people.registered("ines@example.test")
    ines = await people.signed_in("ines@example.test")
    replies = await asyncio.gather(*(people.refreshed(ines.tokens.refresh_token) for _ in range(100)))
    assert len({reply.refresh_token for reply in replies}) == 1
    assert await generation(house, ines.tokens.session_id) == 2
    assert (await people.refreshed(replies[0].refresh_token)).refresh_token


async def generation(house: Any, session_id: str) -> int:
    asked = statement(sa.select(user_sessions.c.generation).where(user_sessions.c.id == sa.bindparam("id")), "SELECT")
    async with house.database.connection() as connection:
        return int((await connection.one(asked, id=UUID(session_id))).generation)


async def test_the_token_before_passes_for_ten_seconds(people: People, clock: Any) -> None:
    await people.registered("ines@example.test")
    first = (await people.signed_in("ines@example.test")).tokens.refresh_token
    second = (await people.refreshed(first)).refresh_token
    clock.pass_time(seconds=9)
    assert (await people.refreshed(first)).refresh_token == second
    clock.pass_time(seconds=2)
    await refused(people, first)
    await refused(people, second)


async def test_the_token_before_is_theft_once_its_successor_was_used_even_inside_the_grace(
    call: Client, people: People, run_jobs: Any
) -> None:
    await people.registered("ines@example.test")
    stolen, other = await people.signed_in("ines@example.test"), await people.signed_in("ines@example.test")
    second = (await people.refreshed(stolen.tokens.refresh_token)).refresh_token
    third = (await people.refreshed(second)).refresh_token
    await refused(people, stolen.tokens.refresh_token)
    await refused(people, third)
    # Only that family ends.
    assert [s.id for s in await sessions_of(call, other.caller)] == [other.tokens.session_id]
    assert (await people.refreshed(other.tokens.refresh_token)).refresh_token
    assert "session.token_reused" in await kinds(call, other.caller)


async def test_a_forged_token_harms_nobody(people: People) -> None:
    await people.registered("ines@example.test")
    good = (await people.signed_in("ines@example.test")).tokens.refresh_token
    for forged in (good[:-6] + "AAAAAA", "nfr_", "", "x" * 100, good + "A", good.replace("nfr_", "nft_")):
        await refused(people, forged)
    assert (await people.refreshed(good)).refresh_token


async def test_sessions_end_when_idle_and_at_their_absolute_end(call: Client, people: People, clock: Any) -> None:
    await people.registered("ines@example.test")
    token = (await people.signed_in("ines@example.test")).tokens.refresh_token
    for _ in range(7):
        clock.pass_time(days=13)
        if clock.ahead.days > 90:
            await refused(people, token)
            break
        token = (await people.refreshed(token)).refresh_token
    else:
        raise AssertionError("it never ended")
    idle = await people.signed_in("ines@example.test")
    clock.pass_time(days=15)
    await refused(people, idle.tokens.refresh_token)
    assert await sessions_of(call, idle.caller) == []


async def test_a_person_labels_and_revokes_their_own_sessions_alone(call: Client, people: People) -> None:
    await people.registered("ines@example.test")
    await people.registered("mara@example.test")
    here, there = await people.signed_in("ines@example.test"), await people.signed_in("ines@example.test")
    mara = await people.signed_in("mara@example.test")
    label = sessions_pb2.LabelSessionRequest(id=there.tokens.session_id, label="The old laptop")
    assert (await call(here.caller, "LabelSession", label)).session.label == "The old laptop"
    for method, request in (
        ("LabelSession", label),
        ("RevokeSession", sessions_pb2.RevokeSessionRequest(id=there.tokens.session_id)),
    ):
        with pytest.raises(RemoteError) as missing:
            await call(mara.caller, method, request)
        assert missing.value.reason == "NOT_FOUND"
    await call(here.caller, "RevokeSession", sessions_pb2.RevokeSessionRequest(id=there.tokens.session_id))
    await refused(people, there.tokens.refresh_token)
    assert [s.id for s in await sessions_of(call, here.caller)] == [here.tokens.session_id]


async def test_revoking_the_others_keeps_the_one_that_asks_and_gateways_are_told(call: Client, people: People) -> None:
    await people.registered("ines@example.test")
    here, *others = [await people.signed_in("ines@example.test") for _ in range(3)]
    reply = await call(here.caller, "RevokeOtherSessions", sessions_pb2.RevokeOtherSessionsRequest())
    assert reply.revoked_sessions == 2
    told = await call(somewhere(), "ListRevocations", verification_pb2.ListRevocationsRequest())
    assert {UUID(bytes=id_) for id_ in told.ids} == {UUID(other.tokens.session_id) for other in others}
    again = verification_pb2.ListRevocationsRequest(since=told.as_of)
    assert set((await call(somewhere(), "ListRevocations", again)).ids) == set(told.ids)


async def test_who_signs_out_is_out_and_may_say_so_twice(call: Client, people: People) -> None:
    await people.registered("ines@example.test")
    one, two = await people.signed_in("ines@example.test"), await people.signed_in("ines@example.test")
    by_token = sessions_pb2.SignOutRequest(refresh_token=one.tokens.refresh_token)
    for _ in range(2):
        await call(somewhere(), "SignOut", by_token)
        await call(two.caller, "SignOut", sessions_pb2.SignOutRequest())
    await refused(people, one.tokens.refresh_token)
    await refused(people, two.tokens.refresh_token)


async def test_an_address_without_an_account_and_a_wrong_password_get_the_same_answer(
    call: Client, people: People
) -> None:
    await people.registered("ines@example.test")
    answers = []
    for email, password in (("ines@example.test", "wrong"), ("nobody@example.test", PASSWORD), ("nonsense", "x")):
        with pytest.raises(RemoteError) as wrong:
            await people.signed_in(email, password)
        answers.append((wrong.value.code, wrong.value.reason, wrong.value.message))
    assert len(set(answers)) == 1
    assert answers[0][1] == "INVALID_CREDENTIALS"


async def test_guessing_from_one_network_ends_there_while_the_owner_signs_in_from_elsewhere(
    call: Client, people: People, clock: Any
) -> None:
    await people.registered("ines@example.test")
    await people.signed_in("ines@example.test", address="203.0.113.7")
    for n in range(10):
        with pytest.raises(RemoteError) as wrong:
            await people.signed_in("ines@example.test", f"guess {n}", address=f"198.51.100.{n}")
        assert wrong.value.reason == "INVALID_CREDENTIALS"
    with pytest.raises(RemoteError) as stopped:
        await people.signed_in("ines@example.test", PASSWORD, address="198.51.100.99")
    assert stopped.value.reason == "TOO_MANY_ATTEMPTS"
    assert 0 < int(stopped.value.metadata["retry_after"]) <= 900
    await people.signed_in("ines@example.test", address="203.0.113.8")
    clock.pass_time(seconds=int(stopped.value.metadata["retry_after"]))
    await people.signed_in("ines@example.test", PASSWORD, address="198.51.100.99")


async def test_guessing_from_many_networks_does_not_lock_the_owner_out_at_home(call: Client, people: People) -> None:
    await people.registered("ines@example.test")
    await people.signed_in("ines@example.test", address="203.0.113.7")
    few = asyncio.Semaphore(4)  # as many as are never too many at once

    async def guess(n: int) -> str:
        async with few:
            with pytest.raises(RemoteError) as refused:
                await people.signed_in("ines@example.test", "guess", address=f"198.18.{n}.1")
        return refused.value.reason

    reasons = set(await asyncio.gather(*map(guess, range(105))))
    assert reasons == {"INVALID_CREDENTIALS", "TOO_MANY_ATTEMPTS"}
    with pytest.raises(RemoteError) as stopped:
        await people.signed_in("ines@example.test", address="198.19.0.1")
    assert stopped.value.reason == "TOO_MANY_ATTEMPTS"
    assert caller_of((await people.signed_in("ines@example.test", address="203.0.113.9")).tokens).signed_in
