import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
import pytest_asyncio
from pydantic import ValidationError

from chassis.errors import RemoteError
from chassis.identity import NOBODY, Caller
from chassis.testing.client import Client
from chassis.testing.jobs import JobRunner
from chassis.testing.plugin import Logins, person
from devstack.mailcatcher import message
from devstack.mailcatcher.catcher import Catcher
from neoforge.projects.v1 import invitations_pb2 as pb
from neoforge.projects.v1 import projects_pb2
from projects.invitations.links import Links
from projects.settings import Settings

LINK = re.compile(r"https://forge\.example\.test/invitations#([\w-]+)")


@pytest_asyncio.fixture
async def catcher(tmp_path: Path) -> AsyncIterator[Catcher]:
    async with Catcher(tmp_path) as running:
        yield running


@pytest.fixture
def own_settings(own_settings: Mapping[str, Any], catcher: Catcher) -> Mapping[str, Any]:
    return {**own_settings, "smtp_url": f"smtp://127.0.0.1:{catcher.smtp_port}"}


@pytest_asyncio.fixture
async def project(call: Client, ines: Caller) -> str:
    made = await call(ines, "CreateProject", projects_pb2.CreateProjectRequest(name="Apollo"))
    return str(made.project.id)


def asked(project: str, email: str = "mara@example.test", **fields: Any) -> pb.InviteMemberRequest:
    given: dict[str, Any] = {"role": projects_pb2.ROLE_VIEWER, "name": "Mara", "language": "en"} | fields
    return pb.InviteMemberRequest(project_id=project, email=email, **given)


def texts(catcher: Catcher, to: str = "mara@example.test") -> list[str]:
    found = [catcher.store.get(mail.id) for mail in catcher.store.list(to=to)]
    return [message.text(message.parse(one[1])) or "" for one in found if one]


async def token(run_jobs: JobRunner, catcher: Catcher, to: str = "mara@example.test") -> str:
    """The token in the last mail to this address."""
    await run_jobs()
    found = LINK.search(texts(catcher, to)[0])
    assert found is not None
    return found[1]


async def reason(awaitable: Any) -> str:
    with pytest.raises(RemoteError) as refused:
        await awaitable
    return refused.value.reason


async def test_the_link_of_an_invitation_makes_a_member(
    call: Client, ines: Caller, mara: Caller, project: str, run_jobs: JobRunner, catcher: Catcher
) -> None:
    wanted = asked(project, role=projects_pb2.ROLE_MAINTAINER, name="أحمد 🚀", language="de")
    invitation = (await call(ines, "InviteMember", wanted)).invitation
    assert (invitation.email, invitation.role) == ("mara@example.test", projects_pb2.ROLE_MAINTAINER)
    link = await token(run_jobs, catcher)
    [mail] = catcher.store.list(to="mara@example.test")
    assert mail.subject == "Einladung zum Projekt Apollo"
    assert texts(catcher)[0].startswith("Hallo \u2068أحمد 🚀\u2069,")

    accepted = await call(mara, "AcceptInvitation", pb.AcceptInvitationRequest(token=link))
    assert accepted.project_id == project
    assert (accepted.member.user_id, accepted.member.role) == (str(mara.subject), projects_pb2.ROLE_MAINTAINER)
    read = await call(mara, "GetProject", projects_pb2.GetProjectRequest(id=project))
    assert read.project.name == "Apollo"
    assert (await call(ines, "ListInvitations", pb.ListInvitationsRequest(project_id=project))).invitations == []


async def test_looking_at_an_invitation_never_uses_it_up(
    call: Client, ines: Caller, mara: Caller, project: str, run_jobs: JobRunner, catcher: Catcher
) -> None:
    invitation = (await call(ines, "InviteMember", asked(project))).invitation
    link = await token(run_jobs, catcher)
    for _ in range(5):
        shown = await call(NOBODY, "GetInvitation", pb.GetInvitationRequest(token=link))
    assert (shown.project_name, shown.email, shown.name) == ("Apollo", "mara@example.test", "Mara")
    assert shown.expires_at == invitation.expires_at
    assert (await call(mara, "AcceptInvitation", pb.AcceptInvitationRequest(token=link))).project_id == project


async def test_an_invitation_is_used_up_by_the_first_of_two_who_accept_at_once(
    call: Client, ines: Caller, mara: Caller, tomas: Caller, project: str, run_jobs: JobRunner, catcher: Catcher
) -> None:
    await call(ines, "InviteMember", asked(project))
    accept = pb.AcceptInvitationRequest(token=await token(run_jobs, catcher))
    outcomes = await asyncio.gather(
        call(mara, "AcceptInvitation", accept), call(tomas, "AcceptInvitation", accept), return_exceptions=True
    )
    refused = [outcome for outcome in outcomes if isinstance(outcome, RemoteError)]
    assert [error.reason for error in refused] == ["NOT_FOUND"]
    members = (await call(ines, "ListMembers", projects_pb2.ListMembersRequest(project_id=project))).members
    assert len(members) == 2


async def test_who_accepted_gets_the_same_answer_again_with_and_without_a_key(
    call: Client, ines: Caller, mara: Caller, tomas: Caller, project: str, run_jobs: JobRunner, catcher: Catcher
) -> None:
    await call(ines, "InviteMember", asked(project))
    accept = pb.AcceptInvitationRequest(token=await token(run_jobs, catcher))
    first = await call.full(mara, "AcceptInvitation", accept, key="k")
    again = await call.full(mara, "AcceptInvitation", accept, key="k")
    assert again.message == first.message
    assert again.replayed
    assert await call(mara, "AcceptInvitation", accept) == first.message
    assert await reason(call(tomas, "AcceptInvitation", accept)) == "NOT_FOUND"
    assert await reason(call(NOBODY, "GetInvitation", pb.GetInvitationRequest(token=accept.token))) == "NOT_FOUND"


async def test_who_was_taken_out_cannot_come_back_by_the_same_link(
    call: Client, ines: Caller, mara: Caller, project: str, run_jobs: JobRunner, catcher: Catcher
) -> None:
    await call(ines, "InviteMember", asked(project))
    accept = pb.AcceptInvitationRequest(token=await token(run_jobs, catcher))
    await call(mara, "AcceptInvitation", accept)
    removal = projects_pb2.RemoveMemberRequest(project_id=project, user_id=str(mara.subject))
    await call(ines, "RemoveMember", removal)
    assert await reason(call(mara, "AcceptInvitation", accept)) == "NOT_FOUND"


async def test_inviting_again_sends_a_new_link_and_ends_the_old_one(
    call: Client, ines: Caller, mara: Caller, project: str, run_jobs: JobRunner, catcher: Catcher
) -> None:
    first = (await call(ines, "InviteMember", asked(project))).invitation
    old = await token(run_jobs, catcher)
    wanted = asked(project, "MARA@example.test", role=projects_pb2.ROLE_MAINTAINER)
    second = (await call(ines, "InviteMember", wanted)).invitation
    assert (second.id, second.role) == (first.id, projects_pb2.ROLE_MAINTAINER)
    assert second.created_at == first.created_at
    new = await token(run_jobs, catcher)
    assert new != old
    assert await reason(call(mara, "GetInvitation", pb.GetInvitationRequest(token=old))) == "NOT_FOUND"
    assert await reason(call(mara, "AcceptInvitation", pb.AcceptInvitationRequest(token=old))) == "NOT_FOUND"
    accepted = await call(mara, "AcceptInvitation", pb.AcceptInvitationRequest(token=new))
    assert accepted.member.role == projects_pb2.ROLE_MAINTAINER


async def test_inviting_with_a_key_sends_one_mail_however_often_it_is_repeated(
    call: Client, ines: Caller, project: str, run_jobs: JobRunner, catcher: Catcher
) -> None:
    replies = [await call(ines, "InviteMember", asked(project), key="k") for _ in range(3)]
    assert replies[0] == replies[1] == replies[2]
    await run_jobs()
    assert len(catcher.store.list()) == 1


async def test_a_revoked_invitation_ends_and_its_mail_is_not_sent_any_more(
    call: Client, ines: Caller, mara: Caller, project: str, run_jobs: JobRunner, catcher: Catcher
) -> None:
    sent = (await call(ines, "InviteMember", asked(project))).invitation
    link = await token(run_jobs, catcher)
    unsent = (await call(ines, "InviteMember", asked(project, "tomas@example.test"))).invitation
    for invitation in (sent, unsent):
        revoke = pb.RevokeInvitationRequest(project_id=project, invitation_id=invitation.id)
        await call(ines, "RevokeInvitation", revoke)
        assert await reason(call(ines, "RevokeInvitation", revoke)) == "NOT_FOUND"
    assert await reason(call(mara, "AcceptInvitation", pb.AcceptInvitationRequest(token=link))) == "NOT_FOUND"
    assert [ran.outcome for ran in await run_jobs()] == ["succeeded"]
    assert catcher.store.list(to="tomas@example.test") == []


async def test_an_expired_invitation_is_good_no_more_and_is_forgotten_later(
    call: Client, ines: Caller, mara: Caller, project: str, run_jobs: JobRunner, catcher: Catcher, database: Logins
) -> None:
    await call(ines, "InviteMember", asked(project))
    link = await token(run_jobs, catcher)
    age(database, timedelta(days=7))
    assert await reason(call(mara, "GetInvitation", pb.GetInvitationRequest(token=link))) == "NOT_FOUND"
    assert await reason(call(mara, "AcceptInvitation", pb.AcceptInvitationRequest(token=link))) == "NOT_FOUND"
    assert (await call(ines, "ListInvitations", pb.ListInvitationsRequest(project_id=project))).invitations == []
    await call(ines, "InviteMember", asked(project))
    assert len((await call(ines, "ListInvitations", pb.ListInvitationsRequest(project_id=project))).invitations) == 1


def age(database: Logins, length: timedelta) -> None:
    with psycopg.connect(database.admin) as connection:
        connection.execute(
            "UPDATE projects.invitations SET sent_at = sent_at - %(length)s, expires_at = expires_at - %(length)s",
            {"length": length},
        )


async def test_invitations_that_ended_long_ago_are_forgotten(
    call: Client, ines: Caller, project: str, house: Any, database: Logins
) -> None:
    from projects.invitations import store  # noqa: PLC0415 - beside its only use

    await call(ines, "InviteMember", asked(project))
    age(database, timedelta(days=36))
    await call(ines, "InviteMember", asked(project, "tomas@example.test"))
    async with house.database.connection() as connection:
        assert await store.forget(connection) == 0
    age(database, timedelta(days=2))
    async with house.database.connection() as connection:
        assert await store.forget(connection) == 1


async def test_only_the_owner_invites_lists_and_revokes(
    call: Client, ines: Caller, mara: Caller, tomas: Caller, project: str
) -> None:
    role = projects_pb2.SetMemberRequest(
        project_id=project, user_id=str(mara.subject), role=projects_pb2.ROLE_MAINTAINER
    )
    await call(ines, "SetMember", role)
    calls: list[tuple[str, Any]] = [
        ("InviteMember", asked(project)),
        ("ListInvitations", pb.ListInvitationsRequest(project_id=project)),
        ("RevokeInvitation", pb.RevokeInvitationRequest(project_id=project, invitation_id=str(uuid4()))),
    ]
    for method, request in calls:
        assert await reason(call(mara, method, request)) == "FORBIDDEN"
        assert await reason(call(tomas, method, request)) == "NOT_FOUND"
        assert await reason(call(NOBODY, method, request)) == "UNAUTHENTICATED"


async def test_who_is_a_member_already_does_not_use_the_link_up(
    call: Client, ines: Caller, mara: Caller, tomas: Caller, project: str, run_jobs: JobRunner, catcher: Catcher
) -> None:
    role = projects_pb2.SetMemberRequest(
        project_id=project, user_id=str(tomas.subject), role=projects_pb2.ROLE_MAINTAINER
    )
    await call(ines, "SetMember", role)
    await call(ines, "InviteMember", asked(project))
    accept = pb.AcceptInvitationRequest(token=await token(run_jobs, catcher))
    assert await reason(call(ines, "AcceptInvitation", accept)) == "ALREADY_MEMBER"
    assert await reason(call(tomas, "AcceptInvitation", accept)) == "ALREADY_MEMBER"
    assert (await call(mara, "AcceptInvitation", accept)).member.role == projects_pb2.ROLE_VIEWER


async def test_an_invitation_can_raise_a_members_role(
    call: Client, ines: Caller, mara: Caller, project: str, run_jobs: JobRunner, catcher: Catcher
) -> None:
    role = projects_pb2.SetMemberRequest(project_id=project, user_id=str(mara.subject), role=projects_pb2.ROLE_VIEWER)
    await call(ines, "SetMember", role)
    await call(ines, "InviteMember", asked(project, role=projects_pb2.ROLE_MAINTAINER))
    accept = pb.AcceptInvitationRequest(token=await token(run_jobs, catcher))
    assert (await call(mara, "AcceptInvitation", accept)).member.role == projects_pb2.ROLE_MAINTAINER


async def test_pending_invitations_and_those_of_a_day_are_limited(
    call: Client, ines: Caller, project: str, database: Logins
) -> None:
    for number in range(100):
        await call(ines, "InviteMember", asked(project, f"mara+{number}@example.test"))
    assert await reason(call(ines, "InviteMember", asked(project, "one-more@example.test"))) == "LIMIT_REACHED"
    await call(ines, "InviteMember", asked(project, "mara+7@example.test"))
    age(database, timedelta(days=7))
    await call(ines, "InviteMember", asked(project, "one-more@example.test"))
    with psycopg.connect(database.admin) as connection:
        connection.execute(
            "INSERT INTO projects.invitations SELECT gen_random_uuid(), project_id, email, 'x' || n, name, role,"
            " language, invited_by, 1, now(), now(), now() FROM projects.invitations, generate_series(1, 199) AS n"
            " WHERE email = 'one-more@example.test'"
        )
    assert await reason(call(ines, "InviteMember", asked(project, "too-many@example.test"))) == "LIMIT_REACHED"


async def test_an_address_in_any_script_is_invited_and_shown_as_it_is_written(
    call: Client, ines: Caller, project: str, run_jobs: JobRunner, catcher: Catcher
) -> None:
    invitation = (await call(ines, "InviteMember", asked(project, "zoë+forge@bücher.example"))).invitation
    assert invitation.email == "zoë+forge@bücher.example"
    again = (await call(ines, "InviteMember", asked(project, "Zoë+forge@xn--bcher-kva.example"))).invitation
    assert again.id == invitation.id
    await run_jobs()
    assert len(catcher.store.list(to="zoë+forge@bücher.example")) == 1


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"email": "mara"}, "email"),
        ({"email": "mara@example.test\r\nBcc: tomas@example.test"}, "email"),
        ({"name": "Mara\r\nBcc: tomas@example.test"}, "name"),
        ({"name": "m" * 201}, "name"),
        ({"language": "../../etc/passwd"}, "language"),
        ({"role": projects_pb2.ROLE_OWNER}, "role"),
        ({"role": projects_pb2.ROLE_UNSPECIFIED}, "role"),
        ({"role": 77}, "role"),
    ],
)
async def test_a_bad_field_is_named_and_nothing_is_sent(
    call: Client, ines: Caller, project: str, fields: dict[str, Any], named: str, run_jobs: JobRunner
) -> None:
    with pytest.raises(RemoteError) as refused:
        await call(ines, "InviteMember", asked(project, **fields))
    assert [violation.field for violation in refused.value.violations] == [named]
    assert await run_jobs() == []


async def test_no_table_and_no_reply_holds_a_token(
    call: Client, ines: Caller, project: str, run_jobs: JobRunner, catcher: Catcher, database: Logins
) -> None:
    reply = await call(ines, "InviteMember", asked(project), key="k")
    with psycopg.connect(database.admin) as connection:
        payloads = str(connection.execute("SELECT payload FROM projects.outbox").fetchall())
        rows = str(connection.execute("SELECT i::text FROM projects.invitations AS i").fetchall())
    link = await token(run_jobs, catcher)
    assert link not in payloads + rows + str(reply)


async def test_a_token_that_was_not_signed_by_us_finds_nothing(
    call: Client, ines: Caller, mara: Caller, project: str
) -> None:
    invitation = (await call(ines, "InviteMember", asked(project))).invitation
    foreign = Links("another-secret-0123456789-0123456789-abc", "{token}").token(UUID(invitation.id), 1)
    for bad in ("", "x", "AAAA", "ä", "\0", "=" * 10, "a" * 100_000, foreign, foreign[:-2], foreign + "AA"):
        assert await reason(call(mara, "AcceptInvitation", pb.AcceptInvitationRequest(token=bad))) == "NOT_FOUND"
        assert await reason(call(NOBODY, "GetInvitation", pb.GetInvitationRequest(token=bad))) == "NOT_FOUND"


async def test_a_full_project_takes_nobody_and_the_link_stays_good(
    call: Client, ines: Caller, mara: Caller, project: str, run_jobs: JobRunner, catcher: Catcher, database: Logins
) -> None:
    await call(ines, "InviteMember", asked(project))
    accept = pb.AcceptInvitationRequest(token=await token(run_jobs, catcher))
    with psycopg.connect(database.admin) as connection:
        connection.execute(
            "INSERT INTO projects.members SELECT %s, gen_random_uuid(), 'viewer', now() FROM generate_series(1, 1000)",
            (project,),
        )
    assert await reason(call(mara, "AcceptInvitation", accept)) == "LIMIT_REACHED"
    with psycopg.connect(database.admin) as connection:
        connection.execute("DELETE FROM projects.members")
    assert (await call(mara, "AcceptInvitation", accept)).project_id == project


async def test_the_owners_webhooks_are_told_once_of_who_was_invited_and_who_accepted(
    call: Client, ines: Caller, mara: Caller, project: str, run_jobs: JobRunner, catcher: Catcher, database: Logins
) -> None:
    from neoforge.common.v1 import webhooks_pb2  # noqa: PLC0415 - beside its only use

    webhook = webhooks_pb2.CreateWebhookRequest(
        url="http://127.0.0.1:8999/", events=["project.member_invited", "project.member_added"]
    )
    await call(ines, "CreateWebhook", webhook)
    await call(ines, "InviteMember", asked(project))
    accept = pb.AcceptInvitationRequest(token=await token(run_jobs, catcher))
    await call(mara, "AcceptInvitation", accept)
    await call(mara, "AcceptInvitation", accept)
    with psycopg.connect(database.admin) as connection:
        events = connection.execute("SELECT event_type FROM projects.webhook_messages ORDER BY id").fetchall()
    assert events == [("project.member_invited",), ("project.member_added",)]


async def test_the_invitations_of_a_deleted_project_are_gone(
    call: Client, ines: Caller, mara: Caller, project: str, run_jobs: JobRunner, catcher: Catcher
) -> None:
    await call(ines, "InviteMember", asked(project))
    accept = pb.AcceptInvitationRequest(token=await token(run_jobs, catcher))
    await call(ines, "DeleteProject", projects_pb2.DeleteProjectRequest(id=project))
    assert await reason(call(mara, "AcceptInvitation", accept)) == "NOT_FOUND"


async def test_invitations_are_sent_and_accepted_beside_each_other_without_a_deadlock(
    call: Client, ines: Caller, project: str, run_jobs: JobRunner, catcher: Catcher
) -> None:
    addresses = [f"person-{number}@example.test" for number in range(5)]
    for address in addresses:
        await call(ines, "InviteMember", asked(project, address))
    links = [await token(run_jobs, catcher, address) for address in addresses]
    accepting = [
        call(person(100 + number), "AcceptInvitation", pb.AcceptInvitationRequest(token=link))
        for number, link in enumerate(links)
    ]
    inviting = [call(ines, "InviteMember", asked(project, f"other-{number}@example.test")) for number in range(5)]
    outcomes = await asyncio.gather(*accepting, *inviting)
    assert len(outcomes) == 10


def test_production_wants_https_links_and_a_place_for_the_token(settings: Settings) -> None:
    given = settings.model_dump() | {"smtp_starttls": True, "environment": "production"}
    for bad in ("http://forge.example.test/{token}", "https://forge.example.test/", "{token}", "ftp://x.test/{token}"):
        with pytest.raises(ValidationError) as refused:
            Settings(**given | {"invitation_url": bad})
        assert [error["loc"] for error in refused.value.errors()] == [("invitation_url",)]
