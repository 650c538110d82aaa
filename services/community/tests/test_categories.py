from collections.abc import Awaitable, Callable
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask

from chassis.errors import RemoteError
from chassis.identity import NOBODY, Caller
from chassis.testing.client import Client
from community.testing import Community
from neoforge.community.v1 import categories_pb2 as pb

Refused = Callable[[Awaitable[Any]], Awaitable[RemoteError]]


async def test_a_few_categories_are_there_from_the_beginning(call: Client) -> None:
    listed = (await call(NOBODY, "ListCategories", pb.ListCategoriesRequest())).categories
    assert [category.slug for category in listed] == ["announcements", "questions", "ideas", "showcase", "general"]


async def test_moderators_make_change_and_remove_categories(
    community: Community, call: Client, mara: Caller, tomas: Caller, refused: Refused
) -> None:
    create = pb.CreateCategoryRequest(slug="news", name="News & more", position=1)
    assert (await refused(call(mara, "CreateCategory", create))).reason == "FORBIDDEN"
    made = (await call(tomas, "CreateCategory", create)).category
    assert (await refused(call(tomas, "CreateCategory", create))).reason == "SLUG_TAKEN"
    change = pb.UpdateCategoryRequest(
        category=pb.Category(slug="news", position=0), update_mask=FieldMask(paths=["position"]), expected_version=1
    )
    changed = (await call(tomas, "UpdateCategory", change)).category
    assert (changed.name, changed.position, changed.version) == (made.name, 0, 2)
    assert (await refused(call(tomas, "UpdateCategory", change))).reason == "VERSION_MISMATCH"
    known = pb.GetCategoryRequest(slug="news", unless_version=2)
    assert (await call(NOBODY, "GetCategory", known)).unchanged_version == 2
    await community.post(mara, category="news")
    remove = pb.DeleteCategoryRequest(slug="news")
    assert (await refused(call(tomas, "DeleteCategory", remove))).reason == "CATEGORY_IN_USE"
    await call(tomas, "DeleteCategory", pb.DeleteCategoryRequest(slug="ideas"))
    for gone in ("ideas", "", "NUL \x00"):
        assert (await refused(call(NOBODY, "GetCategory", pb.GetCategoryRequest(slug=gone)))).reason == "NOT_FOUND"


async def test_a_category_that_breaks_the_rules_is_refused(call: Client, tomas: Caller, refused: Refused) -> None:
    broken = pb.CreateCategoryRequest(slug="No", name="", description="\x00", position=-1)
    violations = (await refused(call(tomas, "CreateCategory", broken))).violations
    assert [violation.field for violation in violations] == ["name", "description", "slug", "position"]
    mask = pb.UpdateCategoryRequest(category=pb.Category(slug="ideas"), update_mask=FieldMask(paths=["slug"]))
    assert (await refused(call(tomas, "UpdateCategory", mask))).violations[0].field == "update_mask"
