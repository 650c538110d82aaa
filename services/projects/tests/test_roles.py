"""Who may do what with a project: owner, maintainer, viewer and stranger, private and public."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID, uuid4

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from chassis.errors import RemoteError
from chassis.identity import NOBODY, Caller
from chassis.testing.client import Client
from chassis.testing.plugin import person
from neoforge.projects.v1 import projects_pb2 as pb

OWNER, MAINTAINER, VIEWER, STRANGER = (person(n) for n in (11, 12, 13, 14))
PEOPLE = {"owner": OWNER, "maintainer": MAINTAINER, "viewer": VIEWER, "stranger": STRANGER}
FRIEND = str(uuid4())

ASKS: Mapping[str, Callable[[str], Any]] = {
    "GetProject": lambda id_: pb.GetProjectRequest(id=id_),
    "UpdateProject": lambda id_: pb.UpdateProjectRequest(
        project=pb.Project(id=id_, name="Changed"), update_mask=FieldMask(paths=["name"])
    ),
    "DeleteProject": lambda id_: pb.DeleteProjectRequest(id=id_),
    "ListMembers": lambda id_: pb.ListMembersRequest(project_id=id_),
    "SetMember": lambda id_: pb.SetMemberRequest(project_id=id_, user_id=FRIEND, role=pb.ROLE_VIEWER),
    "RemoveMember": lambda id_: pb.RemoveMemberRequest(project_id=id_, user_id=str(VIEWER.subject)),
}
# Of owner, maintainer, viewer and stranger: + may, - sees the project but may not, . sees nothing.
PRIVATE = {
    "GetProject": "+++.",
    "UpdateProject": "++-.",
    "DeleteProject": "+--.",
    "ListMembers": "+++.",
    "SetMember": "+--.",
    "RemoveMember": "+-+.",  # a viewer takes out themselves
}
PUBLIC = {method: outcomes.replace(".", "+" if method == "GetProject" else "-") for method, outcomes in PRIVATE.items()}


async def project(call: Client, visibility: Any) -> str:
    made = await call(OWNER, "CreateProject", pb.CreateProjectRequest(name=f"P {uuid4()}", visibility=visibility))
    for who, role in ((MAINTAINER, pb.ROLE_MAINTAINER), (VIEWER, pb.ROLE_VIEWER)):
        request = pb.SetMemberRequest(project_id=made.project.id, user_id=str(who.subject), role=role)
        await call(OWNER, "SetMember", request)
    return str(made.project.id)


async def outcome(call: Client, who: Caller, method: str, request: Any) -> str:
    try:
        await call(who, method, request)
    except RemoteError as refused:
        return {"FORBIDDEN": "-", "NOT_FOUND": "."}.get(refused.reason, refused.reason)
    return "+"


@pytest.mark.parametrize(
    ("visibility", "expected"),
    [(pb.VISIBILITY_PRIVATE, PRIVATE), (pb.VISIBILITY_PUBLIC, PUBLIC)],
    ids=["private", "public"],
)
async def test_each_role_may_what_its_name_says_and_nothing_else(
    call: Client, visibility: Any, expected: Mapping[str, str]
) -> None:
    for method, ask in ASKS.items():
        found = ""
        for who in PEOPLE.values():
            found += await outcome(call, who, method, ask(await project(call, visibility)))
        assert (method, found) == (method, expected[method])


async def test_a_list_holds_what_its_reader_may_read(call: Client) -> None:
    private, public = [await project(call, v) for v in (pb.VISIBILITY_PRIVATE, pb.VISIBILITY_PUBLIC)]
    for name, who in PEOPLE.items():
        listed = await call(who, "ListProjects", pb.ListProjectsRequest())
        assert {p.id for p in listed.projects} == ({public} if name == "stranger" else {private, public})
        assert listed.page.total == len(listed.projects)
        only = await call(who, "ListProjects", pb.ListProjectsRequest(visibility=pb.VISIBILITY_PRIVATE))
        assert {p.id for p in only.projects} == (set() if name == "stranger" else {private})


async def test_nobody_may_call_anything(call: Client) -> None:
    for method, ask in ASKS.items():
        assert await outcome(call, NOBODY, method, ask(str(UUID(int=1)))) == "UNAUTHENTICATED"
    for method, request in (("ListProjects", pb.ListProjectsRequest()), ("CreateProject", pb.CreateProjectRequest())):
        assert await outcome(call, NOBODY, method, request) == "UNAUTHENTICATED"


async def test_a_member_given_another_role_keeps_the_time_of_the_first(call: Client) -> None:
    id_ = await project(call, pb.VISIBILITY_PRIVATE)
    before = {m.user_id: m for m in (await call(OWNER, "ListMembers", pb.ListMembersRequest(project_id=id_))).members}
    request = pb.SetMemberRequest(project_id=id_, user_id=str(VIEWER.subject), role=pb.ROLE_MAINTAINER)
    changed = (await call(OWNER, "SetMember", request)).member
    assert changed.role == pb.ROLE_MAINTAINER
    assert changed.created_at == before[str(VIEWER.subject)].created_at


async def test_members_are_listed_owner_first_then_by_time(call: Client) -> None:
    id_ = await project(call, pb.VISIBILITY_PRIVATE)
    members = (await call(VIEWER, "ListMembers", pb.ListMembersRequest(project_id=id_))).members
    assert [(m.user_id, m.role) for m in members] == [
        (str(OWNER.subject), pb.ROLE_OWNER),
        (str(MAINTAINER.subject), pb.ROLE_MAINTAINER),
        (str(VIEWER.subject), pb.ROLE_VIEWER),
    ]


@pytest.mark.parametrize("role", [pb.ROLE_UNSPECIFIED, pb.ROLE_OWNER, 99])
async def test_only_viewer_and_maintainer_can_be_given(call: Client, role: Any) -> None:
    request = pb.SetMemberRequest(project_id=await project(call, pb.VISIBILITY_PRIVATE), user_id=FRIEND, role=role)
    assert await outcome(call, OWNER, "SetMember", request) == "INVALID_FIELDS"


async def test_the_owners_own_part_stays(call: Client) -> None:
    id_ = await project(call, pb.VISIBILITY_PRIVATE)
    mine = str(OWNER.subject)
    demoted = pb.SetMemberRequest(project_id=id_, user_id=mine, role=pb.ROLE_VIEWER)
    assert await outcome(call, OWNER, "SetMember", demoted) == "INVALID_FIELDS"
    assert await outcome(call, OWNER, "RemoveMember", pb.RemoveMemberRequest(project_id=id_, user_id=mine)) == (
        "INVALID_FIELDS"
    )


async def test_who_is_no_member_cannot_be_taken_out(call: Client) -> None:
    id_ = await project(call, pb.VISIBILITY_PRIVATE)
    request = pb.RemoveMemberRequest(project_id=id_, user_id=str(STRANGER.subject))
    assert await outcome(call, OWNER, "RemoveMember", request) == "."


async def test_a_full_project_takes_no_more_members_but_lets_roles_change(
    call: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    id_ = await project(call, pb.VISIBILITY_PRIVATE)
    monkeypatch.setattr("projects.servicer.MAX_MEMBERS", 3)
    more = pb.SetMemberRequest(project_id=id_, user_id=FRIEND, role=pb.ROLE_VIEWER)
    assert await outcome(call, OWNER, "SetMember", more) == "LIMIT_REACHED"
    other = pb.SetMemberRequest(project_id=id_, user_id=str(VIEWER.subject), role=pb.ROLE_MAINTAINER)
    assert await outcome(call, OWNER, "SetMember", other) == "+"
