import pytest

from chassis.errors import RemoteError
from chassis.identity import Caller
from chassis.testing.client import Client
from neoforge.projects.v1 import projects_pb2 as pb


async def test_a_project_can_be_read_by_its_owner_as_it_was_created(call: Client, ines: Caller) -> None:
    request = pb.CreateProjectRequest(name="Apollo", description="To the moon", labels=["space", "crewed"])
    made = (await call(ines, "CreateProject", request)).project
    assert (made.slug, made.status, made.visibility, made.version) == (
        "apollo",
        pb.STATUS_ACTIVE,
        pb.VISIBILITY_PRIVATE,
        1,
    )
    assert (await call(ines, "GetProject", pb.GetProjectRequest(id=made.id))).project == made


async def test_a_private_project_does_not_exist_for_others(call: Client, ines: Caller, mara: Caller) -> None:
    made = (await call(ines, "CreateProject", pb.CreateProjectRequest(name="Apollo"))).project
    with pytest.raises(RemoteError) as refused:
        await call(mara, "GetProject", pb.GetProjectRequest(id=made.id))
    assert refused.value.reason == "NOT_FOUND"


async def test_pages_follow_each_other_by_cursor_forward_and_back(call: Client, ines: Caller) -> None:
    for i in range(7):
        await call(ines, "CreateProject", pb.CreateProjectRequest(name=f"P {i}"))
    first = await call(ines, "ListProjects", pb.ListProjectsRequest(page_size=3))
    second = await call(ines, "ListProjects", pb.ListProjectsRequest(page_size=3, cursor=first.page.next_cursor))
    third = await call(ines, "ListProjects", pb.ListProjectsRequest(page_size=3, cursor=second.page.next_cursor))
    names = [p.name for page in (first, second, third) for p in page.projects]
    assert names == [f"P {i}" for i in reversed(range(7))]
    assert third.page.next_cursor == ""
    back = await call(ines, "ListProjects", pb.ListProjectsRequest(page_size=3, cursor=third.page.previous_cursor))
    assert back.projects == second.projects
    assert (back.page.total, back.page.page) == (7, 2)
