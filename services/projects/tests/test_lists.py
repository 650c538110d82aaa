"""Filters, orders and text search of lists, and what an update may say."""

from itertools import product
from typing import Any
from uuid import uuid4

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from chassis.errors import RemoteError
from chassis.identity import Caller
from chassis.testing.client import Client
from neoforge.projects.v1 import projects_pb2 as pb

NAMES = ("Borealis", "apollo", "Čapek", "Apollo", "Zeta", "ápollo")


async def refusal(call: Client, who: Caller, method: str, request: Any) -> RemoteError:
    with pytest.raises(RemoteError) as told:
        await call(who, method, request)
    return told.value


async def fields(call: Client, who: Caller, method: str, request: Any) -> list[str]:
    refused = await refusal(call, who, method, request)
    assert refused.reason == "INVALID_FIELDS"
    return [violation.field for violation in refused.violations]


async def names(call: Client, who: Caller, **wanted: Any) -> list[str]:
    return [p.name for p in (await call(who, "ListProjects", pb.ListProjectsRequest(**wanted))).projects]


async def create(call: Client, who: Caller, **content: Any) -> pb.Project:
    made: pb.Project = (await call(who, "CreateProject", pb.CreateProjectRequest(**content))).project
    return made


async def update(
    call: Client, who: Caller, id_: str, paths: list[str], expected: int = 0, **content: Any
) -> pb.Project:
    request = pb.UpdateProjectRequest(
        project=pb.Project(id=id_, **content), update_mask=FieldMask(paths=paths), expected_version=expected
    )
    changed: pb.Project = (await call(who, "UpdateProject", request)).project
    return changed


async def test_each_order_is_the_order_it_says_and_its_reverse(call: Client, mara: Caller) -> None:
    made = [await create(call, mara, name=name, slug=f"s{n}") for n, name in enumerate(NAMES)]
    touched = [3, 0, 5, 1]
    for n in touched:
        await update(call, mara, made[n].id, ["description"], description="touched")
    by_update = [NAMES[n] for n in (2, 4, *touched)]
    orders: dict[tuple[Any, Any], list[str]] = {
        (pb.ORDER_CREATED_AT_ASC, pb.ORDER_CREATED_AT_DESC): list(NAMES),
        (pb.ORDER_UPDATED_AT_ASC, pb.ORDER_UPDATED_AT_DESC): by_update,
        (pb.ORDER_NAME_ASC, pb.ORDER_NAME_DESC): sorted(NAMES),  # by code point
    }
    for (up, down), expected in orders.items():
        assert await names(call, mara, order=up) == expected
        assert await names(call, mara, order=down) == expected[::-1]
    assert await names(call, mara) == list(NAMES)[::-1]
    unknown: Any = 99
    assert await fields(call, mara, "ListProjects", pb.ListProjectsRequest(order=unknown)) == ["order"]


async def test_filters_narrow_a_list_together_in_every_combination(call: Client, mara: Caller, tomas: Caller) -> None:
    everything = []
    for n, (archived, public, labelled, mine) in enumerate(product([False, True], repeat=4)):
        who = mara if mine else tomas
        visibility = pb.VISIBILITY_PUBLIC if public else pb.VISIBILITY_PRIVATE
        made = await create(
            call, who, name=f"Rocket {n}", visibility=visibility, labels=["a", "b"] if labelled else ["b"]
        )
        if archived:
            made = await update(call, who, made.id, ["status"], status=pb.STATUS_ARCHIVED)
        everything.append(made)
    readable = [p for p in everything if p.owner_id == str(mara.subject) or p.visibility == pb.VISIBILITY_PUBLIC]
    choices: dict[str, list[Any]] = {
        "status": [pb.STATUS_UNSPECIFIED, pb.STATUS_ACTIVE, pb.STATUS_ARCHIVED],
        "visibility": [pb.VISIBILITY_UNSPECIFIED, pb.VISIBILITY_PRIVATE, pb.VISIBILITY_PUBLIC],
        "labels": [[], ["a"], ["a", "b"], ["none"]],
        "owner_id": ["", str(mara.subject), str(tomas.subject)],
        "text": ["", "rock"],
    }
    for chosen in product(*choices.values()):
        status, visibility, labels, owner, text = chosen
        expected = {
            p.id
            for p in readable
            if status in {0, p.status}
            and visibility in {0, p.visibility}
            and set(labels) <= set(p.labels)
            and owner in {"", p.owner_id}
        }
        reply = await call(
            mara,
            "ListProjects",
            pb.ListProjectsRequest(
                status=status, visibility=visibility, labels=labels, owner_id=owner, text=text, page_size=100
            ),
        )
        assert ({p.id for p in reply.projects}, reply.page.total) == (expected, len(expected)), chosen


async def test_a_text_finds_words_of_name_and_description_by_their_beginnings(call: Client, mara: Caller) -> None:
    await create(call, mara, name="Moon base", description="Write to ines@example.test about state-of-the-art engines")
    for text in ("moon", "BAS", "ines@example.test", "state-of", "moon engin", "engines base"):
        assert await names(call, mara, text=text) == ["Moon base"], text
    for text in ("oon", "mars", "moon mars", "!!!", "'; DROP TABLE projects; --", "\\", "🚀", "%", "_"):
        assert await names(call, mara, text=text) == [], text


async def test_a_filter_that_breaks_a_rule_is_an_invalid_field(call: Client, mara: Caller) -> None:
    for wanted, broken in (
        ({"text": "x" * 201}, "text"),
        ({"text": "a\0b"}, "text"),
        ({"labels": [""]}, "labels[0]"),
        ({"owner_id": "me"}, "owner_id"),
        ({"status": 99}, "status"),
        ({"visibility": 99}, "visibility"),
        ({"page_size": 101}, "page_size"),
        ({"page": -1}, "page"),
    ):
        assert await fields(call, mara, "ListProjects", pb.ListProjectsRequest(**wanted)) == [broken]


async def test_a_slug_is_its_owners_alone_and_made_of_the_name_when_none_is_given(
    call: Client, mara: Caller, tomas: Caller
) -> None:
    first = await create(call, mara, name="Überflieger")
    assert first.slug == "uberflieger"
    taken = await refusal(call, mara, "CreateProject", pb.CreateProjectRequest(name="x", slug="uberflieger"))
    assert (taken.reason, taken.metadata) == ("SLUG_TAKEN", {"slug": "uberflieger"})
    assert (await create(call, tomas, name="Überflieger")).slug == "uberflieger"
    other = await create(call, mara, name="Other")
    assert (await refusal_of_update(call, mara, other.id, ["slug"], slug="uberflieger")).reason == "SLUG_TAKEN"
    await call(mara, "DeleteProject", pb.DeleteProjectRequest(id=first.id))
    assert (await update(call, mara, other.id, ["slug"], slug="uberflieger")).slug == "uberflieger"


async def refusal_of_update(call: Client, who: Caller, id_: str, paths: list[str], **content: Any) -> RemoteError:
    with pytest.raises(RemoteError) as told:
        await update(call, who, id_, paths, **content)
    return told.value


async def test_an_update_changes_the_fields_of_its_mask_and_no_other(call: Client, mara: Caller) -> None:
    made = await create(call, mara, name="Apollo", description="To the moon", labels=["a"])
    changed = await update(
        call, mara, made.id, ["description", "labels"], name="Ignored", description="", labels=["b", "c"]
    )
    assert (changed.name, changed.description, list(changed.labels)) == ("Apollo", "", ["b", "c"])
    assert (changed.version, changed.created_at) == (2, made.created_at)
    assert changed.updated_at.ToDatetime() > made.updated_at.ToDatetime()


@pytest.mark.parametrize("paths", [[], ["id"], ["version"], ["owner_id"], ["name", "none"], ["x" * 100_000], ["name "]])
async def test_a_mask_without_fields_or_with_others_is_refused(call: Client, mara: Caller, paths: list[str]) -> None:
    made = await create(call, mara, name="Apollo")
    assert (await refusal_of_update(call, mara, made.id, paths, name="New")).reason == "INVALID_FIELDS"
    assert (await call(mara, "GetProject", pb.GetProjectRequest(id=made.id))).project == made


async def test_an_update_is_all_or_nothing(call: Client, mara: Caller) -> None:
    made = await create(call, mara, name="Apollo")
    refused = await refusal_of_update(call, mara, made.id, ["name", "labels", "status"], name="New", labels=[""])
    assert refused.reason == "INVALID_FIELDS"
    assert (await call(mara, "GetProject", pb.GetProjectRequest(id=made.id))).project == made


async def test_a_change_meant_for_another_version_is_refused_with_the_version_that_is(
    call: Client, mara: Caller
) -> None:
    made = await create(call, mara, name="Apollo")
    await update(call, mara, made.id, ["name"], expected=1, name="Artemis")
    refused = await refusal_of_update(call, mara, made.id, ["name"], expected=1, name="Gemini")
    assert (refused.reason, refused.metadata) == ("VERSION_MISMATCH", {"version": "2"})
    gone = pb.DeleteProjectRequest(id=made.id, expected_version=1)
    assert (await refusal(call, mara, "DeleteProject", gone)).reason == "VERSION_MISMATCH"
    gone.expected_version = 2
    await call(mara, "DeleteProject", gone)
    assert (await refusal(call, mara, "GetProject", pb.GetProjectRequest(id=made.id))).reason == "NOT_FOUND"


async def test_a_reader_who_knows_the_version_is_told_that_it_stands(call: Client, mara: Caller, tomas: Caller) -> None:
    made = await create(call, mara, name="Apollo")
    known = pb.GetProjectRequest(id=made.id, unless_version=1)
    assert (await call(mara, "GetProject", known)).unchanged_version == 1
    await update(call, mara, made.id, ["name"], name="Artemis")
    assert (await call(mara, "GetProject", known)).project.version == 2
    assert (await refusal(call, tomas, "GetProject", known)).reason == "NOT_FOUND"


async def test_what_does_not_exist_is_not_found_by_any_rpc(call: Client, mara: Caller) -> None:
    id_ = str(uuid4())
    for method, request in (
        ("GetProject", pb.GetProjectRequest(id=id_)),
        ("DeleteProject", pb.DeleteProjectRequest(id=id_)),
        ("ListMembers", pb.ListMembersRequest(project_id=id_)),
        ("SetMember", pb.SetMemberRequest(project_id=id_, user_id=id_, role=pb.ROLE_VIEWER)),
        ("RemoveMember", pb.RemoveMemberRequest(project_id=id_, user_id=id_)),
    ):
        assert (await refusal(call, mara, method, request)).reason == "NOT_FOUND", method


async def test_texts_of_any_kind_come_back_as_they_went_in(call: Client, mara: Caller) -> None:
    text = "R&D <beta> `a && b` '; DROP TABLE x; -- 🚀 עברית\u202e \u00e9 e\u0301 \\ % \x7e\nnext line"
    made = await create(call, mara, name="R&D <beta> 🚀", description=text, labels=["R&D", "r&d", "🚀"])
    assert (made.description, list(made.labels)) == (text, ["R&D", "r&d", "🚀"])
    assert (await call(mara, "GetProject", pb.GetProjectRequest(id=made.id))).project == made
    assert await names(call, mara, labels=["🚀", "R&D"]) == ["R&D <beta> 🚀"]
