"""neoforge.community.v1.CategoriesService: each RPC parses, decides, stores and replies."""

from datetime import UTC, datetime
from typing import Any

from chassis.access import ANYONE, allow, with_role
from chassis.database import Connection
from chassis.errors import LimitReached, VersionMismatch
from chassis.house import House
from community import convert
from community.errors import CategoryNotFound
from community.model.categories import MAX_CATEGORIES, Category
from community.model.content import MODERATORS
from community.settings import Settings
from community.store import categories
from neoforge.community.v1 import categories_pb2 as pb
from neoforge.community.v1 import categories_pb2_grpc


class CategoriesServicer(categories_pb2_grpc.CategoriesServiceServicer):
    """Answers the calls of CategoriesService from PostgreSQL."""

    def __init__(self, house: House[Settings]) -> None:
        self._database = house.database
        self._idempotency = house.idempotency

    @allow(with_role(*MODERATORS))
    async def CreateCategory(self, request: pb.CreateCategoryRequest, context: Any) -> pb.CreateCategoryResponse:
        now = datetime.now(UTC)
        category = Category(request.slug, request.name, request.description, request.position, now, now, version=1)
        category.check()
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.CreateCategoryResponse)
            if earlier:
                return earlier
            if await categories.count(tx) >= MAX_CATEGORIES:
                raise LimitReached(f"there are at most {MAX_CATEGORIES} categories")
            await categories.insert(tx, category)
            reply = pb.CreateCategoryResponse(category=convert.category_proto(category))
            return await self._idempotency.record(tx, reply)

    @allow(ANYONE)
    async def GetCategory(self, request: pb.GetCategoryRequest, context: Any) -> pb.GetCategoryResponse:
        async with self._database.connection() as connection:
            category = await categories.get(connection, request.slug)
        if category is None:
            raise CategoryNotFound
        if request.unless_version == category.version:
            return pb.GetCategoryResponse(unchanged_version=category.version)
        return pb.GetCategoryResponse(category=convert.category_proto(category))

    @allow(ANYONE)
    async def ListCategories(self, request: pb.ListCategoriesRequest, context: Any) -> pb.ListCategoriesResponse:
        async with self._database.connection() as connection:
            found = await categories.list_all(connection)
        return pb.ListCategoriesResponse(categories=map(convert.category_proto, found))

    @allow(with_role(*MODERATORS))
    async def UpdateCategory(self, request: pb.UpdateCategoryRequest, context: Any) -> pb.UpdateCategoryResponse:
        changes = convert.category_changes(request)
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.UpdateCategoryResponse)
            if earlier:
                return earlier
            category = await self._for_change(tx, request.category.slug, request.expected_version)
            changed = category.changed(changes, datetime.now(UTC))
            if changed is not category:
                await categories.update(tx, changed)
            reply = pb.UpdateCategoryResponse(category=convert.category_proto(changed))
            return await self._idempotency.record(tx, reply)

    @allow(with_role(*MODERATORS))
    async def DeleteCategory(self, request: pb.DeleteCategoryRequest, context: Any) -> pb.DeleteCategoryResponse:
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.DeleteCategoryResponse)
            if earlier:
                return earlier
            await self._for_change(tx, request.slug, request.expected_version)
            await categories.delete(tx, request.slug)
            return await self._idempotency.record(tx, pb.DeleteCategoryResponse())

    async def _for_change(self, tx: Connection, slug: str, expected_version: int) -> Category:
        category = await categories.get_for_change(tx, slug)
        if category is None:
            raise CategoryNotFound
        VersionMismatch.check("category", expected_version, category.version)
        return category
