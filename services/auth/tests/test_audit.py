"""The audit trail: who reads it, and that tampering shows, by whom ever it was done."""

import asyncio

import psycopg
import pytest

from auth.settings import Settings
from auth.testing import PASSWORD, People, command, refused
from chassis.testing.client import Client
from chassis.testing.plugin import Logins
from neoforge.auth.v1 import audit_pb2

PERSON = "ines@example.test"
CHANGE = "UPDATE auth.audit_entries SET address = '203.0.113.1' WHERE position = 3"
REMOVE = "DELETE FROM auth.audit_entries WHERE position = 3"
SWAP = """
    UPDATE auth.audit_entries SET position = -position WHERE position IN (3, 4);
    UPDATE auth.audit_entries SET position = 7 + position WHERE position < 0
"""
COPY = """
    INSERT INTO auth.audit_entries SELECT position + 1, gen_random_uuid(), created_at, kind, account_id, actor_id,
        session_id, address, request_id, trace_id, details, hash FROM auth.audit_entries WHERE position = 6
"""
CUT = "DELETE FROM auth.audit_entries WHERE position > 4"
CUT_ALL = "DELETE FROM auth.audit_entries"
MOVE_HEAD = "UPDATE auth.audit_head SET position = 4"
REMOVE_HEAD = "DELETE FROM auth.audit_head"


async def said(settings: Settings, *words: str) -> str:
    done = await asyncio.to_thread(command, settings, "verify-audit", *words)
    assert (done.returncode == 0) == bool(done.stdout)
    return done.stdout or done.stderr


async def with_six_entries(people: People) -> None:
    await people.registered(PERSON)
    for _ in range(5):
        await people.signed_in(PERSON)


@pytest.mark.parametrize(
    ("tampering", "what"),
    [
        (CHANGE, "it breaks at entry 3"),
        (REMOVE, "it breaks at entry 3"),
        (SWAP, "it breaks at entry 3"),
        (COPY, "it breaks at entry 7"),
        (CUT, "entries 5 to 6 were cut off"),
        (CUT_ALL, "entries 1 to 6 were cut off"),
        (f"{CUT}; {MOVE_HEAD}", "its head is missing or forged"),
        (f"{CUT}; {REMOVE_HEAD}", "its head is missing or forged"),
    ],
    ids=["changed", "removed", "swapped", "added", "cut off", "all cut off", "cut off, head changed", "head removed"],
)
async def test_tampering_by_the_owner_of_the_tables_shows_and_where(
    people: People, settings: Settings, database: Logins, tampering: str, what: str
) -> None:
    await with_six_entries(people)
    with psycopg.connect(database.admin) as admin:
        admin.execute(tampering.encode())
    assert what in await said(settings)


async def test_what_was_cut_off_shows_still_when_more_is_written(
    people: People, settings: Settings, database: Logins
) -> None:
    await with_six_entries(people)
    with psycopg.connect(database.admin) as admin:
        admin.execute(CUT.encode())
    await people.signed_in(PERSON)
    assert "it breaks at entry 5" in await said(settings)


async def test_an_end_that_was_put_back_shows_to_who_kept_a_later_hash(
    people: People, settings: Settings, database: Logins
) -> None:
    """Who could copy the sealed head earlier can put it back: then the hash kept elsewhere tells."""
    await people.registered(PERSON)
    with psycopg.connect(database.admin) as admin:
        head = admin.execute("SELECT position, hash, seal FROM auth.audit_head").fetchone()
        await people.signed_in(PERSON)
        later = (await said(settings)).strip().rstrip(".").rpartition(" ")[2]
        assert "2 entries hold" in await said(settings, "--known", later)
        admin.execute("DELETE FROM auth.audit_entries WHERE position = 2")
        admin.execute("UPDATE auth.audit_head SET position = %s, hash = %s, seal = %s", head)
    assert "1 entries hold" in await said(settings)
    assert "is not in it" in await said(settings, "--known", later)


async def test_the_service_adds_entries_and_can_do_no_more(people: People, database: Logins) -> None:
    await people.registered(PERSON)
    for tampering in (CHANGE, REMOVE, REMOVE_HEAD, "TRUNCATE auth.audit_entries, auth.audit_head"):
        with psycopg.connect(database.service) as as_service, pytest.raises(psycopg.errors.InsufficientPrivilege):
            as_service.execute(tampering.encode())


async def test_one_reads_ones_own_entries_and_an_administrator_all(call: Client, people: People) -> None:
    mara = await people.registered("mara@example.test")
    await people.registered("tomas@example.test")
    as_mara = await people.signed_in("mara@example.test")
    own = await call(as_mara.caller, "ListAuditEntries", audit_pb2.ListAuditEntriesRequest())
    assert [entry.kind for entry in own.entries] == ["session.signed_in", "account.registered"]
    assert {entry.account_id for entry in own.entries} == {mara.id}
    everybody = audit_pb2.ListAuditEntriesRequest(everybody=True)
    ines = await people.administrator()
    seen = (await call(ines.caller, "ListAuditEntries", everybody)).entries
    assert {mara.id, ines.account_id} < {entry.account_id for entry in seen}
    await refused(call(as_mara.caller, "ListAuditEntries", everybody), "FORBIDDEN")


def test_an_administrator_is_made_from_the_command_line_and_the_trail_verified(settings: Settings) -> None:
    weak = command(settings, "bootstrap-admin", PERSON, told="password12\n")
    assert weak.returncode == 1
    assert "tried first" in weak.stderr
    empty = command(settings, "verify-audit")
    assert empty.stdout.startswith("0 entries hold"), empty.stderr
    made = command(settings, "bootstrap-admin", PERSON, "--name", "Ines", told=f"{PASSWORD}\n")
    assert made.returncode == 0, made.stderr
    assert PASSWORD not in made.stdout + made.stderr
    assert command(settings, "verify-audit").stdout.startswith("1 entries hold")
